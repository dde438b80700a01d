package process

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestProcess_SaysHowItEnded(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		signal syscall.Signal
		want   string
	}{
		{helper("exit", "0"), 0, 0, ""},
		{helper("exit", "3"), 3, 0, "exit status 3\nits last output:\n  bye"},
		{helper("exit", "255"), 255, 0, "exit status 255"},
		{helper("signal", "15"), -1, syscall.SIGTERM, "signal: terminated\n" + noOutput},
		{helper("signal", "9"), -1, syscall.SIGKILL, "signal: killed (sent by somebody else"},
		{[]string{"sh", "-c", "ulimit -c 0; kill -ABRT $$"}, -1, syscall.SIGABRT, "signal: aborted"},
	} {
		err := over(t, started(t, Config{Args: c.args}))
		var exit *ExitError
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%q: %v", c.args[1:], err)
		case c.want == "":
		case !errors.As(err, &exit) || exit.Status() != c.status || exit.Signal() != c.signal || exit.Stopped || !strings.Contains(err.Error(), c.want):
			t.Errorf("%q: %+v\n%v", c.args[1:], exit, err)
		}
	}
}

// Whatever a program starts, and wherever that tries to go, ends with it.
func TestProcess_NothingIsLeft(t *testing.T) {
	for name, end := range map[string]func(*Process){
		"it ends":       func(p *Process) { _ = syscall.Kill(p.PID(), syscall.SIGUSR1) },
		"it is killed":  func(p *Process) { _ = syscall.Kill(p.PID(), syscall.SIGKILL) },
		"Stop":          func(p *Process) { p.Stop(failsafe) },
		"Stop, no time": func(p *Process) { p.Stop(time.Nanosecond) },
		"Kill":          func(p *Process) { p.Kill() },
		"many at once": func(p *Process) {
			for range 5 {
				go p.Stop(failsafe)
				go p.Kill()
			}
		},
		"its supervisor is asked to end": func(p *Process) { _ = p.supervisor.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWitness(t)
			names := kinds
			if name == "Stop" {
				names = slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return k == "deaf" }) // it would use all of its grace
			}
			p := started(t, Config{Args: append(helper("family", w.path), names...), Env: os.Environ()})
			w.see(t, names)
			w.hold(t, "supervisor", p.supervisor.Pid)
			end(p)
			err := over(t, p)
			if alive := w.alive(0); len(alive) > 0 {
				t.Errorf("%v live on", alive)
			}
			if (err == nil) != (name == "it ends") {
				t.Error(err)
			}
		})
	}
}

// As above, but its engine is killed, with a signal that nobody can catch.
func TestProcess_NothingIsLeftOfADeadEngine(t *testing.T) {
	w := newWitness(t)
	socket := filepath.Join(t.TempDir(), "socket")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	line := helper("engine", append(append([]string{socket}, helper("family", w.path)...), kinds...)...)
	engine := exec.Command(line[0], line[1:]...)
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	w.see(t, kinds)
	supervisor := childrenOf(engine.Process.Pid)
	if len(supervisor) != 1 {
		t.Fatal(supervisor)
	}
	w.hold(t, "supervisor", supervisor[0])
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", supervisor[0]))
	if string(comm) != supervisorName+"\n" {
		t.Errorf("ps shows %q", comm)
	}
	_ = engine.Process.Kill()
	_ = engine.Wait()
	if alive := w.alive(failsafe); len(alive) > 0 {
		t.Errorf("%v live on", alive)
	}
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// Engine and supervisor killed together: what is left is found by its environment.
func TestSweep_AfterEngineAndSupervisor(t *testing.T) {
	w := newWitness(t)
	names := slices.DeleteFunc(slices.Clone(kinds), func(k string) bool { return strings.Contains(k, "bare") })
	mark := "PBT_RUN_DIR=" + t.TempDir()
	line := helper("engine", append(append([]string{w.path + ".none"}, helper("family", w.path)...), names...)...)
	engine := exec.Command(line[0], line[1:]...)
	engine.Env = append(os.Environ(), mark)
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	w.see(t, names)
	_ = engine.Process.Signal(syscall.SIGSTOP) // so that it does nothing about its supervisor's death
	awaitStopped(engine.Process.Pid)
	for _, pid := range childrenOf(engine.Process.Pid) {
		for _, program := range childrenOf(pid) {
			w.hold(t, "program", program)
		}
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	_ = engine.Process.Kill()
	_ = engine.Wait()
	killed, err := Sweep(mark)
	if alive := w.alive(0); err != nil || killed == 0 || len(alive) > 0 {
		t.Errorf("killed %d, %v; %v live on", killed, err, alive)
	}
	if killed, err := Sweep(mark); killed != 0 || err != nil {
		t.Errorf("again: %d, %v", killed, err)
	}
}

func TestSweep_SparesItselfAndItsAncestors(t *testing.T) {
	mark := "PBT_RUN_DIR=" + t.TempDir()
	line := helper("sweep", mark)
	// The sleep and, below it in nothing but number, a shell that lives in another run.
	cmd := exec.Command("sh", "-c", `sleep 1000 & PBT_RUN_DIR=other sleep 1000 & other=$!
		"$@"; kill -0 $other && echo spared; kill $other; wait`, "sh", line[0], line[1], line[2], line[3])
	cmd.Env = append(os.Environ(), mark)
	out, err := cmd.CombinedOutput()
	if err != nil || string(out) != "killed 1 <nil>\nspared\n" {
		t.Errorf("%q, %v", out, err)
	}
	for _, bad := range []string{"", "NAME", "=x"} {
		if _, err := Sweep(bad); err == nil {
			t.Errorf("Sweep(%q) sweeps", bad)
		}
	}
}

// Its supervisor killed, its engine alive: the engine does what it can, and says so.
func TestProcess_SupervisorKilled(t *testing.T) {
	w := newWitness(t)
	names := []string{"plain", "group", "deaf"}
	gone := filepath.Join(t.TempDir(), "socket")
	if err := os.WriteFile(gone, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p := started(t, Config{Args: append(helper("family", w.path), names...), Remove: []string{gone}})
	w.see(t, names)
	w.hold(t, "program", p.PID())
	_ = p.supervisor.Kill()
	err := over(t, p)
	if err == nil || !strings.Contains(err.Error(), "its supervisor was killed") {
		t.Error(err)
	}
	if alive := w.alive(failsafe); len(alive) > 0 {
		t.Errorf("%v live on", alive)
	}
	if _, err := os.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// Both ways of finding what is below a process.
func TestKillBelow(t *testing.T) {
	for name, children := range map[string]func() func(int) []int{
		"lists": func() func(int) []int { return childrenOf }, "snapshot": snapshot,
	} {
		w := newWitness(t)
		names := []string{"plain", "group", "session", "deaf", "closed"}
		line := append(helper("family", w.path), names...)
		family := exec.Command(line[0], line[1:]...)
		if err := family.Start(); err != nil {
			t.Fatal(err)
		}
		w.see(t, names)
		mine, refused := killBelow(family.Process.Pid, children())
		if alive := w.alive(failsafe); mine != len(names) || len(refused) != 0 || len(alive) > 0 {
			t.Errorf("%s: %d, %v refused, %v live on", name, mine, refused, alive)
		}
		_ = family.Process.Kill()
		_ = family.Wait()
	}
}

// Processes that are gone whenever one looks for them.
func TestProcess_ForkStorm(t *testing.T) {
	w := newWitness(t)
	p := started(t, Config{Args: helper("hop", w.path, "20")})
	_ = w.fifo.SetReadDeadline(time.Now().Add(failsafe))
	if line, err := bufio.NewReader(w.fifo).ReadString('\n'); err != nil {
		t.Fatal(line, err)
	}
	fd, err := unix.Open(w.path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	w.fifo.Close()
	if _, err := unix.Read(fd, make([]byte, 1)); err != unix.EAGAIN {
		t.Fatalf("they should hold the pipe: %v", err)
	}
	p.Kill()
	if n, err := unix.Read(fd, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("somebody holds the pipe: %d, %v", n, err)
	}
}

func TestProcess_StoppedBySignalIsStopped(t *testing.T) {
	saved := filepath.Join(t.TempDir(), "saved")
	ready := make(chan bool, 2)
	p := started(t, Config{Args: helper("save", saved), Line: func(bool, []byte, bool) { ready <- true }})
	<-ready
	_ = syscall.Kill(p.PID(), syscall.SIGSTOP)
	awaitStopped(p.PID())
	p.Stop(failsafe)
	if _, err := os.Stat(saved); err != nil || p.Err() != nil {
		t.Error(err, p.Err())
	}
}

// A shell dies of SIGTERM at once; what it runs may use the grace.
func TestProcess_GraceIsTheGroups(t *testing.T) {
	saved := filepath.Join(t.TempDir(), "saved")
	ready := make(chan bool, 2)
	line := helper("save", saved)
	p := started(t, Config{Args: append([]string{"sh", "-c", `"$@"; exit 0`, "sh"}, line...), Env: os.Environ(),
		Line: func(bool, []byte, bool) { ready <- true }})
	<-ready
	p.Stop(failsafe)
	var exit *ExitError
	if _, err := os.Stat(saved); err != nil || !errors.As(p.Err(), &exit) || exit.Signal() != syscall.SIGTERM || !exit.Stopped {
		t.Error(err, p.Err())
	}
}

func TestProcess_RunsInWhatItIsGiven(t *testing.T) {
	leak, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0) // no O_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak)
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	first := 0
	for !cpus.IsSet(first) {
		first++
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var lines []string
	err = over(t, started(t, Config{
		Args: helper("facts"), Env: []string{"A=1", "B=2", "A=3"}, Dir: dir, CPUs: []int{first},
		Line: func(_ bool, line []byte, _ bool) { mu.Lock(); defer mu.Unlock(); lines = append(lines, string(line)) },
	}))
	want := []string{`env ["B=2" "A=3"]`, "dir " + dir, "cpus 1", "leader true", "stdin 0 <nil>"}
	if err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v", lines, err)
	}
}

func TestProcess_DescriptorsAndThreadsAreGivenBack(t *testing.T) {
	_ = over(t, started(t, Config{Args: helper("exit", "0")}))
	before := len(numbers("/proc/self/fd"))
	for range 20 {
		_ = over(t, started(t, Config{Args: helper("exit", "1")}))
		if _, err := Start(Config{Args: []string{"/nowhere"}}); err == nil {
			t.Fatal("it runs")
		}
		if _, err := Start(Config{Args: helper("exit", "0"), CPUs: []int{-1}}); err == nil {
			t.Fatal("it runs")
		}
	}
	if after := len(numbers("/proc/self/fd")); after > before+2 { // the runtime's own
		t.Errorf("%d descriptors, before %d", after, before)
	}
}

func TestStart_SaysWhyNot(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := file("plain", "#!/bin/sh\n", 0o644)
	for _, c := range []struct {
		config Config
		want   string
		is     error
	}{
		{Config{}, "the command is empty", nil},
		{Config{Args: []string{"pbt-no-such-program"}, Env: []string{"PATH=/bin:" + dir}}, `no program "pbt-no-such-program" in PATH=/bin:` + dir, fs.ErrNotExist},
		{Config{Args: []string{"plain"}, Env: []string{"PATH=/bin:" + dir}}, "plain is not executable: chmod +x", fs.ErrPermission},
		{Config{Args: []string{dir + "/none"}}, "no such file", fs.ErrNotExist},
		{Config{Args: []string{plain}}, "not executable", fs.ErrPermission},
		{Config{Args: []string{"./plain"}, Dir: dir}, "not executable", fs.ErrPermission},
		{Config{Args: []string{dir}}, "is a directory", fs.ErrPermission},
		{Config{Args: []string{file("lost", "#!/no/interpreter\n", 0o755)}}, "not the interpreter", syscall.ENOENT},
		{Config{Args: []string{file("text", "echo hello\n", 0o755)}}, "lack its first line", syscall.ENOEXEC},
		{Config{Args: []string{"true"}, Dir: dir + "/none"}, "its directory", fs.ErrNotExist},
		{Config{Args: []string{"true"}, Dir: plain}, "is none", nil},
		{Config{Args: []string{"true", "a\x00b"}}, "zero byte", nil},
		{Config{Args: []string{"true", strings.Repeat("x", 1<<20)}}, "too long", syscall.E2BIG},
		{Config{Args: []string{"true"}, CPUs: []int{0, 1000}}, "bind it to CPUs", syscall.EINVAL},
		{Config{Args: []string{"true"}, CPUs: []int{99999}}, "bind it to CPUs", syscall.EINVAL},
		{Config{Args: []string{"true"}, Remove: []string{"/"}}, "cannot be removed", nil},
	} {
		p, err := Start(c.config)
		if err == nil {
			p.Kill()
			t.Errorf("%.80q runs", c.config.Args)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "run ") || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%.80q: %v", c.config.Args, err)
		}
	}
}

// A program is found in its own PATH, a relative one from its own directory.
func TestStart_FindsTheProgram(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pbt-test-program"), []byte("#!/bin/sh\necho $0 $PWD\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Config{
		{Args: []string{"pbt-test-program"}, Env: []string{"PATH=.:/nowhere:" + dir}},
		{Args: []string{"./pbt-test-program"}, Dir: dir},
		{Args: []string{"./" + filepath.Base(dir) + "/pbt-test-program"}, Dir: filepath.Dir(dir)},
	} {
		p := started(t, c)
		if err := over(t, p); err != nil || !strings.Contains(p.Tail(), dir) {
			t.Errorf("%v, %s", err, p.Tail())
		}
	}
}

func TestProcess_MemoryLimit(t *testing.T) {
	t.Parallel()
	const limit = 400 << 20
	p := started(t, Config{Args: helper("hold", strconv.Itoa(600<<20)), Memory: limit})
	err := over(t, p)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Memory <= limit || exit.MemoryLimit != limit || exit.Signal() != syscall.SIGKILL ||
		!strings.Contains(err.Error(), "out of memory") || !strings.Contains(err.Error(), "the limit is 400 MiB") {
		t.Errorf("%+v: %v", exit, err)
	}
}

// What processes share counts once.
func TestTreeMemory_CountsSharedMemoryOnce(t *testing.T) {
	const size, copies = 128 << 20, 3
	path := filepath.Join(t.TempDir(), "shared")
	if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	for range copies {
		line := helper("mapped", path)
		cmd := exec.Command(line[0], line[1:]...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	if sum := treeMemory(1 << 40); sum < copies*size {
		t.Errorf("resident in all: %d", sum)
	}
	if used := treeMemory(0); used < size || used > 2*size {
		t.Errorf("held in all: %d", used)
	}
}

// The supervisor beside the bare system call. Its cost is one more start of this
// executable.
func BenchmarkTrue(b *testing.B) {
	b.Run("supervised", func(b *testing.B) {
		for b.Loop() {
			p, err := Start(Config{Args: []string{"/bin/true"}})
			if err != nil {
				b.Fatal(err)
			}
			if err := p.Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("bare", func(b *testing.B) {
		for b.Loop() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
