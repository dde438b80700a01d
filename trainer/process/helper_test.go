package process

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The programs that these tests run are this executable: TEST helper NAME ARGS…

// failsafe is how long a test waits for what must happen.
const failsafe = time.Minute

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "helper" {
		helpers[os.Args[2]](os.Args[3:])
		syscall.Exit(0) // os.Exit takes a second, with the race detector
	}
	os.Exit(m.Run())
}

var helpers map[string]func(args []string)

func init() {
	helpers = map[string]func([]string){
		"exit":   func(a []string) { fmt.Println("bye"); syscall.Exit(number(a[0])) },
		"signal": func(a []string) { raise(syscall.Signal(number(a[0]))) },
		"family": family,
		"child":  child,
		"engine": engineHelper,
		"save":   save,
		"facts":  facts,
		"flood":  flood,
		"hold":   hold,
		"mapped": mapped,
		"hop":    hop,
		"sweep": func(a []string) {
			killed, err := Sweep(a[0])
			fmt.Println("killed", killed, err)
		},
	}
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}

// helper is the command line of a helper.
func helper(name string, args ...string) []string {
	exe, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return append([]string{exe, "helper", name}, args...)
}

func raise(sig syscall.Signal) {
	signal.Reset(sig)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = syscall.Kill(os.Getpid(), sig)
	forever()
}

func forever() {
	for {
		_ = unix.Pause()
	}
}

// kinds are the ways in which a child may try to get away; several may be combined.
var kinds = []string{"plain", "group", "session", "daemon", "deaf", "closed", "bare", "daemon+deaf+closed+bare"}

// family starts a child of each kind, and ends at SIGUSR1.
//
//	family FIFO KIND…
func family(args []string) {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGUSR1)
	for _, kind := range args[1:] {
		spawn(args[0], kind, kind)
	}
	<-end
}

func spawn(fifo, kind, name string) {
	line := helper("child", fifo, kind, name)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:  strings.Contains(kind, "session") || strings.Contains(kind, "daemon"),
		Setpgid: strings.Contains(kind, "group"),
	}
	if strings.Contains(kind, "bare") {
		cmd.Env = []string{}
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
}

// child FIFO KIND NAME reports NAME and its number, and stays.
func child(args []string) {
	fifo, kind, name := args[0], args[1], args[2]
	if rest, ok := strings.CutPrefix(kind, "daemon"); ok {
		spawn(fifo, "session"+rest, name) // and leave it alone
		return
	}
	if strings.Contains(kind, "deaf") {
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	}
	// Not an os.File: it would start the runtime's poller, which ends the process when its descriptor is closed below.
	f, err := unix.Open(fifo, unix.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	if _, err := unix.Write(f, fmt.Appendln(nil, name, os.Getpid())); err != nil {
		panic(err)
	}
	if strings.Contains(kind, "closed") {
		_ = unix.CloseRange(0, math.MaxUint32, 0)
	}
	forever()
}

// engineHelper REMOVE ARGS… runs a program as an engine does, until it is killed itself.
func engineHelper(args []string) {
	p, err := Start(Config{Args: args[1:], Env: os.Environ(), Remove: []string{args[0]}})
	if err != nil {
		panic(err)
	}
	<-p.Done()
	fmt.Println("ended:", p.Err())
}

// save FILE writes a file when it gets SIGTERM.
func save(args []string) {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	fmt.Println("ready")
	<-end
	if err := os.WriteFile(args[0], nil, 0o644); err != nil {
		panic(err)
	}
	fmt.Println("saved")
}

// facts prints what it runs in.
func facts([]string) {
	dir, _ := os.Getwd()
	var cpus unix.CPUSet
	_ = unix.SchedGetaffinity(0, &cpus)
	fmt.Printf("env %q\ndir %s\ncpus %d\n", os.Environ(), dir, cpus.Count())
	sid, _ := unix.Getsid(0)
	fmt.Println("leader", sid == os.Getpid() && unix.Getpgrp() == os.Getpid())
	stdin, err := io.ReadAll(os.Stdin)
	fmt.Println("stdin", len(stdin), err)
	for fd := 3; fd < 1000; fd++ {
		target, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && !strings.HasPrefix(target, "anon_inode:") && !strings.HasPrefix(target, "/sys/fs/cgroup/") { // Go's own
			fmt.Println("fd", fd, target)
		}
	}
}

// flood BYTES LINE prints so many bytes in lines of that length; 0: in no lines.
func flood(args []string) {
	bytes, length := number(args[0]), number(args[1])
	chunk := []byte(strings.Repeat("x", 1<<16))
	if length > 0 {
		chunk = []byte(strings.Repeat(strings.Repeat("x", length-1)+"\n", max(1, (1<<16)/length)))
	}
	for bytes > 0 {
		n, err := os.Stdout.Write(chunk[:min(bytes, len(chunk))])
		if err != nil {
			panic(err)
		}
		bytes -= n
	}
}

// hold BYTES holds memory in two processes, half each.
func hold(args []string) {
	n := number(args[0])
	if len(args) == 1 {
		line := helper("hold", strconv.Itoa(n/2), "half")
		if err := exec.Command(line[0], line[1:]...).Start(); err != nil {
			panic(err)
		}
		n -= n / 2
	}
	memory, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		panic(err)
	}
	touch(memory)
	forever()
}

// mapped FILE maps a file, says so, and stays.
func mapped(args []string) {
	f, err := os.Open(args[0])
	if err != nil {
		panic(err)
	}
	info, _ := f.Stat()
	memory, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	sum := 0
	for i := 0; i < len(memory); i += 4096 {
		sum += int(memory[i])
	}
	fmt.Println("mapped", sum)
	forever()
}

func touch(memory []byte) {
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}

// hop FIFO N: N chains of processes that are always gone already: each forks the next,
// in a session of its own, and exits.
func hop(args []string) {
	fifo, err := unix.Open(args[0], unix.O_WRONLY, 0) // without O_CLOEXEC, and not for exec
	if err != nil {
		panic(err)
	}
	for range number(args[1]) {
		if pid, _, _ := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0); pid == 0 {
			hopping()
		}
	}
	_, _ = unix.Write(fifo, []byte("hop 0\n"))
	forever()
}

// hopping is in a fork of a threaded process: it may do nothing but system calls.
//
//go:norace
func hopping() {
	for {
		syscall.RawSyscall(syscall.SYS_SETSID, 0, 0, 0)
		pid, _, _ := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
		if pid != 0 {
			syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
		}
	}
}

// witness observes a family through a FIFO and process descriptors.
type witness struct {
	path string
	fifo *os.File
	held map[string]int // pidfd by name
}

func newWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{path: filepath.Join(t.TempDir(), "fifo"), held: map[string]int{}}
	if err := unix.Mkfifo(w.path, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.fifo, err = os.OpenFile(w.path, os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.fifo.Close()
		for _, fd := range w.held { // a failed test leaves nothing either
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
			unix.Close(fd)
		}
	})
	return w
}

// see takes hold of each process that reports, until all have.
func (w *witness) see(t *testing.T, names []string) {
	t.Helper()
	_ = w.fifo.SetReadDeadline(time.Now().Add(failsafe))
	in := bufio.NewReader(w.fifo)
	for range names {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		name, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
		w.hold(t, name, number(pid))
	}
	for _, name := range names {
		if _, ok := w.held[name]; !ok {
			t.Fatalf("%s did not report", name)
		}
	}
}

func (w *witness) hold(t *testing.T, name string, pid int) {
	t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	w.held[name] = fd
}

// alive are those that are not dead after a while.
func (w *witness) alive(wait time.Duration) (names []string) {
	limit := time.Now().Add(wait)
	for name, fd := range w.held {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			n, err := unix.Poll(fds, int(max(0, time.Until(limit)).Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			if n == 0 {
				names = append(names, name)
			}
			break
		}
	}
	slices.Sort(names)
	return names
}

// awaitStopped waits until SIGSTOP is in force, which only /proc tells.
func awaitStopped(pid int) {
	for s, ok := readStat(pid); ok && s.state != 'T'; s, ok = readStat(pid) {
		runtime.Gosched()
	}
}

// started starts a program and sees to it that the test leaves nothing.
func started(t *testing.T, c Config) *Process {
	t.Helper()
	p, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// over waits for the end.
func over(t *testing.T, p *Process) error {
	t.Helper()
	select {
	case <-p.Done():
	case <-time.After(failsafe):
		t.Fatalf("not done\n%s", p.Tail())
	}
	return p.Err()
}
