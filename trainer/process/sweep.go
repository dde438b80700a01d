package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	sweepLimit     = 10 * time.Second // for all that is found to be dead
	maxEnvironment = 8 << 20          // bytes of a process's environment that are searched
)

// Sweep kills the processes that have an entry in their environment, such as
// "PBT_RUN_DIR=/abs", and all that is below those: what a former engine of the same
// run left behind, if it and its supervisors were killed together. It spares
// itself and its ancestors, and returns when all is dead, or an error after a while.
//
// What cleared its environment and lost its parent is not found.
func Sweep(mark string) (killed int, err error) {
	if name, _, ok := strings.Cut(mark, "="); !ok || name == "" {
		return 0, fmt.Errorf("sweep: %q is no entry of an environment, NAME=value", mark)
	}
	killed, err = sweep(func(s stat) bool { return hasEntry(s.pid, mark) })
	if err != nil {
		err = fmt.Errorf("kill what is left of a former engine (%s): %w", mark, err)
	}
	return killed, err
}

// killSession kills a session and all that is below it, when its supervisor is no
// more. The program itself died with the supervisor, or is about to.
func killSession(session int) {
	_, _ = sweep(func(s stat) bool { return s.session == session })
}

// hasEntry: /proc shows the environment that the process was started with, unless it
// has written over it.
func hasEntry(pid int, entry string) bool {
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false // another user's, or gone
	}
	defer f.Close()
	var text bytes.Buffer
	_, _ = text.ReadFrom(io.LimitReader(f, maxEnvironment))
	for line := range bytes.SplitSeq(text.Bytes(), []byte{0}) {
		if string(line) == entry {
			return true
		}
	}
	return false
}

// sweep kills what is chosen, and what is below it, until nothing of that is left.
func sweep(choose func(stat) bool) (killed int, err error) {
	limit := time.Now().Add(sweepLimit)
	var refused error
	for {
		var held []unix.PollFd
		victims := selected(choose)
		for _, v := range victims {
			fd, err := killHeld(v)
			switch {
			case err == nil:
				killed++
				held = append(held, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
			case !errors.Is(err, syscall.ESRCH): // another user's, or a kernel before 5.3
				refused = fmt.Errorf("kill process %d: %w", v.pid, err)
			}
		}
		late := !awaitDeath(held, limit)
		switch {
		case late:
			return killed, fmt.Errorf("some of %d processes are still there %v after SIGKILL", len(held), sweepLimit)
		case len(held) == 0 && refused != nil:
			return killed, refused
		case len(victims) == 0:
			return killed, nil
		case time.Now().After(limit):
			return killed, fmt.Errorf("%d processes were killed in %v, and there are more and more", killed, sweepLimit)
		}
	}
}

// selected are the living processes chosen and all below them, without this one and
// its ancestors.
func selected(choose func(stat) bool) (victims []stat) {
	all := allProcesses()
	byPID, below := map[int]stat{}, map[int][]stat{}
	for _, s := range all {
		byPID[s.pid] = s
		below[s.parent] = append(below[s.parent], s)
	}
	done := map[int]bool{0: true, 1: true}
	for pid := os.Getpid(); !done[pid]; pid = byPID[pid].parent {
		done[pid] = true
	}
	var take func(s stat)
	take = func(s stat) {
		if done[s.pid] {
			return
		}
		done[s.pid] = true
		if s.state != 'Z' && s.state != 'X' {
			victims = append(victims, s)
		}
		for _, child := range below[s.pid] {
			take(child)
		}
	}
	for _, s := range all {
		if !done[s.pid] && choose(s) {
			take(s)
		}
	}
	return victims
}

// killHeld kills a process and returns a descriptor that tells when it is dead. The
// descriptor is taken first: if the process is then still the one that was meant,
// the signal cannot reach another that has got its number meanwhile.
func killHeld(s stat) (pidfd int, err error) {
	fd, err := unix.PidfdOpen(s.pid, 0)
	if err != nil {
		return -1, err
	}
	if now, ok := readStat(s.pid); !ok || now.start != s.start {
		err = syscall.ESRCH
	} else {
		err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// awaitDeath waits for processes, closes their descriptors, and says whether all are dead.
func awaitDeath(held []unix.PollFd, limit time.Time) bool {
	defer func() {
		for _, h := range held {
			unix.Close(int(h.Fd))
		}
	}()
	for i := range held {
		for {
			n, err := unix.Poll(held[i:i+1], int(max(0, time.Until(limit).Milliseconds())))
			if err == unix.EINTR {
				continue
			}
			if n != 1 {
				return false
			}
			break
		}
	}
	return true
}
