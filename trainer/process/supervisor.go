package process

import (
	"math"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// How a process knows that it is a supervisor: by its name and its environment both.
const (
	supervisorName = "pbt-supervisor"
	supervisorMark = "PBT_SUPERVISOR"
)

const (
	controlFD   = 3           // of the supervisor: its socket to the engine
	memoryEvery = time.Second // when there is a limit
)

// init turns this process into a supervisor if it was started as one. It is the only
// package of a supervisor that does anything; main is never reached.
func init() {
	if len(os.Args) == 1 && os.Args[0] == supervisorName && os.Getenv(supervisorMark) != "" {
		runtime.LockOSThread() // Pdeathsig means the thread that forked: this one lasts as long as the process
		supervise()
	}
}

// supervisorEnv is its whole environment: a runtime that keeps quiet (with one
// processor, it would wait for its own threads in system calls), and where the
// dynamic linker finds what this executable may need.
func supervisorEnv() []string {
	env := []string{supervisorMark + "=1", "GOMAXPROCS=2", "GOGC=off", "GOMEMLIMIT=16MiB"}
	for _, entry := range os.Environ() {
		if strings.HasPrefix(entry, "LD_") {
			env = append(env, entry)
		}
	}
	return env
}

// supervisor is the state of a process that runs a job.
type supervisor struct {
	job     job
	program int // process number
	ended   bool
	status  syscall.WaitStatus

	stopping bool             // SIGTERM was sent
	deadline <-chan time.Time // of the grace
	until    time.Time        // the same
	kill     bool             // enough
}

// order is what the engine wants, or that it is gone.
type order struct {
	gone  bool
	grace time.Duration
}

// supervise is the life of a supervisor. Its standard output and error are the
// program's: should it ever panic, the engine has its words.
func supervise() {
	closeOnExec()
	_ = os.WriteFile("/proc/self/comm", []byte(supervisorName), 0) // for ps and top
	kind, body, err := receive(control{})
	if err != nil || kind != orderRun {
		exit() // the engine is gone
	}
	s := &supervisor{}
	if s.job, err = unpackJob(body); err != nil || os.Getppid() != s.job.engine {
		exit()
	}
	children := make(chan os.Signal, 1) // one is enough: all that have ended are reaped
	signal.Notify(children, unix.SIGCHLD)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGINT, unix.SIGHUP)
	stage, err := s.start()
	if err != nil {
		errno, _ := err.(syscall.Errno)
		say(sayFailed, packet{}.text(stage).int(int64(errno)))
		exit()
	}
	say(sayStarted, packet{}.int(int64(s.program)))
	orders := make(chan order)
	go watch(s.job.engine, orders)

	s.run(children, asked, orders)
	killed := !s.ended
	left := s.killAll()
	for _, path := range s.job.remove {
		_ = disk.RemoveAll(path)
	}
	say(sayEnded, packet{}.int(int64(s.status)).bool(killed).ints(left))
	exit()
}

// exit leaves without the hooks of os.Exit, which belong to a program.
func exit() { syscall.Exit(0) }

// start starts the program, or says at what stage that failed.
func (s *supervisor) start() (stage string, err error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return stageReaper, err
	}
	if len(s.job.cpus) > 0 {
		if err := pin(s.job.cpus); err != nil {
			return stageCPUs, err
		}
	}
	s.program, err = syscall.ForkExec(s.job.path, s.job.args, &syscall.ProcAttr{
		Dir: s.job.dir, Env: s.job.env, Files: []uintptr{0, 1, 2},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	return stageExec, err
}

// pin binds this thread, and what it starts from now on, to some CPUs.
func pin(cpus []int) error {
	var want, have unix.CPUSet
	for _, cpu := range cpus {
		if cpu < 0 || cpu >= len(want)*64 {
			return unix.EINVAL
		}
		want.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &want); err != nil {
		return err
	}
	if err := unix.SchedGetaffinity(0, &have); err != nil {
		return err
	}
	if have != want { // the kernel leaves out what it does not have, without a word
		return unix.EINVAL
	}
	return nil
}

// run returns when all that is left has to be killed.
func (s *supervisor) run(children, asked <-chan os.Signal, orders <-chan order) {
	var memory <-chan time.Time
	if s.job.memory > 0 {
		memory = time.Tick(memoryEvery)
	}
	for !s.over() {
		select {
		case <-children:
			s.reap()
		case <-asked:
			s.kill = true
		case o := <-orders:
			s.obey(o)
		case <-s.deadline:
			s.kill = true
		case <-memory:
			if used := treeMemory(s.job.memory); used > s.job.memory {
				say(sayMemory, packet{}.int(used))
				s.kill = true
			}
		}
	}
}

// over: after its end the program's group has, if it was asked to end, the rest of
// the grace: a shell is gone at once, and what it ran may still be saving.
func (s *supervisor) over() bool {
	return s.kill || s.ended && !(s.stopping && syscall.Kill(-s.program, 0) != syscall.ESRCH)
}

func (s *supervisor) obey(o order) {
	if o.gone || o.grace <= 0 {
		s.kill = true
		return
	}
	if until := time.Now().Add(o.grace); !s.stopping || until.Before(s.until) {
		s.until, s.deadline = until, time.After(o.grace)
	}
	if !s.stopping && !s.ended {
		s.stopping = true
		_ = syscall.Kill(-s.program, syscall.SIGTERM)
		_ = syscall.Kill(-s.program, syscall.SIGCONT) // one that is stopped sees SIGTERM only when it goes on
	}
}

// reap takes note of all that has ended, and says whether there are others.
func (s *supervisor) reap() (more bool) {
	for {
		pid, ok := s.wait(unix.WNOHANG)
		if !ok || pid == 0 {
			return ok
		}
	}
}

// wait waits for one child. It is not ok if there is none.
func (s *supervisor) wait(options int) (pid int, ok bool) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, options|unix.WALL, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return 0, false
		case pid == s.program && !s.ended:
			s.ended, s.status = true, status
		}
		return pid, true
	}
}

// killAll kills whatever is below this process, and returns when nothing is: what
// loses its parent becomes a child of this process, and so nothing gets away. Left
// are processes that may not be killed: they are another user's.
func (s *supervisor) killAll() (left []int) {
	self := os.Getpid()
	for s.reap() {
		mine, _ := killBelow(self, childrenOf)
		if mine == 0 { // the kernel's list of children may miss some, or be missing
			if mine, left = killBelow(self, snapshot()); mine == 0 {
				return left
			}
		}
		s.wait(0) // one of mine: they are dying
	}
	return nil
}

// watch waits for orders, and for the engine's end. The socket has that end already;
// the process is watched too, because a copy of the socket may be in a process that
// the engine's program forked by other means. (Its death signal would mean the
// death of the engine's thread, which is not the same.)
func watch(engine int, orders chan<- order) {
	fds := []unix.PollFd{{Fd: controlFD, Events: unix.POLLIN}, {Fd: -1, Events: unix.POLLIN}}
	if fd, err := unix.PidfdOpen(engine, 0); err == nil {
		fds[1].Fd = int32(fd) // an old kernel has none
	}
	gone := os.Getppid() != engine // then that was another process
	for !gone {
		_, err := unix.Poll(fds, -1)
		switch {
		case err == unix.EINTR:
		case err != nil || fds[1].Revents != 0:
			gone = true
		default:
			kind, body, err := receive(control{})
			gone = err != nil || kind != orderStop
			if !gone {
				orders <- order{grace: time.Duration(body.next())}
			}
		}
	}
	orders <- order{gone: true}
}

// closeOnExec keeps from the program what the engine's program may have left open.
func closeOnExec() {
	if unix.CloseRange(controlFD, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) == nil {
		return
	}
	entries, _ := os.ReadDir("/proc/self/fd") // a kernel before 5.11
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd >= controlFD {
			unix.CloseOnExec(fd)
		}
	}
}

// control is the socket to the engine.
type control struct{}

func (control) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(controlFD, p)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, unix.EPIPE
		}
		return n, nil
	}
}

// say tells the engine, which may be gone.
func say(kind byte, p packet) {
	_ = unix.Send(controlFD, message(kind, p), unix.MSG_NOSIGNAL)
}
