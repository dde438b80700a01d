package process

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

// stat is what /proc says of a process.
type stat struct {
	pid, parent, group, session int
	state                       byte
	start                       uint64 // clock ticks after boot: with pid, a name for ever
}

// readStat is not ok if there is no such process.
func readStat(pid int) (stat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, false
	}
	return parseStat(pid, text)
}

// parseStat reads the fields after the name, which may hold anything, ")" too.
func parseStat(pid int, text []byte) (stat, bool) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return stat{}, false
	}
	number := func(i int) int { n, _ := strconv.Atoi(string(fields[i])); return n }
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return stat{pid, number(1), number(2), number(3), fields[0][0], start}, err == nil
}

// allProcesses are the processes there are.
func allProcesses() (all []stat) {
	for _, pid := range numbers("/proc") {
		if s, ok := readStat(pid); ok {
			all = append(all, s)
		}
	}
	return all
}

// numbers are a directory's entries that are numbers.
func numbers(dir string) (list []int) {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, name := range names {
		if n, err := strconv.Atoi(name); err == nil {
			list = append(list, n)
		}
	}
	return list
}

// childrenOf asks the kernel for a process's children: those of each of its threads.
func childrenOf(pid int) (list []int) {
	dir := "/proc/" + strconv.Itoa(pid) + "/task"
	for _, thread := range numbers(dir) {
		text, err := os.ReadFile(dir + "/" + strconv.Itoa(thread) + "/children")
		if err != nil {
			continue
		}
		for _, field := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				list = append(list, child)
			}
		}
	}
	return list
}

// snapshot is childrenOf from one look at all processes there are.
func snapshot() func(pid int) []int {
	below := map[int][]int{}
	for _, s := range allProcesses() {
		below[s.parent] = append(below[s.parent], s.pid)
	}
	return func(pid int) []int { return below[pid] }
}

// killBelow kills what is below a process, and returns how many of them are its own
// children, and those that may not be killed. Each is stopped before its children
// are listed, so that it gets no more of them, and each group gets one signal for
// all: the kernel sees to it that not even a fork gets away from that. Below an own
// child are its own groups only, because the program began a session of its own.
func killBelow(root int, children func(int) []int) (mine int, refused []int) {
	var found []int
	groups := map[int]bool{}
	list := children(root)
	mine = len(list)
	for len(list) > 0 {
		pid := list[0]
		list = list[1:]
		_ = syscall.Kill(pid, syscall.SIGSTOP)
		found = append(found, pid)
		if s, ok := readStat(pid); ok && s.group > 1 {
			groups[s.group] = true
		}
		list = append(list, children(pid)...)
	}
	delete(groups, syscall.Getpgrp()) // a child between fork and exec, perhaps
	for group := range groups {
		_ = syscall.Kill(-group, syscall.SIGKILL)
	}
	for i, pid := range found {
		if syscall.Kill(pid, syscall.SIGKILL) == syscall.EPERM {
			refused = append(refused, pid)
			if i < mine {
				mine--
			}
		}
	}
	return mine, refused
}

// treeMemory is how many bytes the processes below this one hold. Memory that they
// share counts once, if it matters: finding that out takes the kernel some time, and
// is not done as long as even the sum of all is within the limit.
func treeMemory(limit int64) int64 {
	children := childrenOf
	if len(children(os.Getpid())) == 0 {
		children = snapshot() // this kernel has no lists
	}
	var all []int
	for list := children(os.Getpid()); len(list) > 0; {
		all = append(all, list[0])
		list = append(list[1:], children(list[0])...)
	}
	var resident int64
	for _, pid := range all {
		resident += residentMemory(pid)
	}
	if resident <= limit {
		return resident
	}
	var used int64
	for _, pid := range all {
		used += proportionalMemory(pid)
	}
	return used
}

// residentMemory of a process, with all that it shares.
func residentMemory(pid int) int64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// proportionalMemory of a process, with its part of what it shares.
func proportionalMemory(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return residentMemory(pid) // an old kernel, or no permission
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kib, _ := strconv.ParseInt(string(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte(" kB"))), 10, 64)
			return kib << 10
		}
	}
	return 0 // it has no memory any more
}
