package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxCommandText bounds how much of a command line an error shows.
const maxCommandText = 300

// defaultPath is searched if the environment has no PATH.
const defaultPath = "/usr/local/bin:/usr/bin:/bin"

// ExitError says how a program ended that did not end well.
type ExitError struct {
	Command     string // the command line, shortened
	Stopped     bool   // Stop or Kill was called
	Memory      int64  // bytes it held when it was killed for that; 0: it was not
	MemoryLimit int64
	Left        []int // processes that could not be killed: they are another user's
	Tail        string

	status syscall.WaitStatus
	killed bool // by the supervisor
	lost   bool // the supervisor itself was killed
}

// Status is its exit status, -1 if a signal ended it or nobody knows.
func (e *ExitError) Status() int {
	if e.lost {
		return -1
	}
	return e.status.ExitStatus()
}

// Signal is what ended it, 0 if it exited or nobody knows.
func (e *ExitError) Signal() syscall.Signal {
	if e.lost || !e.status.Signaled() {
		return 0
	}
	return e.status.Signal()
}

func (e *ExitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: ", e.Command)
	switch {
	case e.Memory > 0:
		fmt.Fprintf(&b, "out of memory: its processes held %s together, the limit is %s: let it use less (a smaller batch or model, fewer workers), or raise the limit",
			bytesText(e.Memory), bytesText(e.MemoryLimit))
	case e.lost:
		b.WriteString("its supervisor was killed, and the program with it: whoever did that (the kernel, out of memory? see dmesg) may leave processes that the next start sweeps up")
	case e.Signal() != 0:
		fmt.Fprintf(&b, "signal: %v", e.Signal())
		if e.status.CoreDump() {
			b.WriteString(" (core dumped)")
		}
		switch {
		case e.Stopped:
			b.WriteString(" (it was stopped)")
		case e.Signal() == syscall.SIGKILL && !e.killed:
			b.WriteString(" (sent by somebody else; by the kernel, if memory ran out: see dmesg)")
		}
	default:
		fmt.Fprintf(&b, "exit status %d", e.Status())
	}
	if len(e.Left) > 0 {
		fmt.Fprintf(&b, "; processes that it left may not be killed, they are another user's: pid %v", e.Left)
	}
	return b.String() + "\n" + e.Tail
}

func (e *ExitError) orNil() error {
	if e.status == 0 && e.Memory == 0 && len(e.Left) == 0 && !e.lost {
		return nil
	}
	return e
}

// commandText is a command line for a person; it may hold a whole program.
func commandText(args []string) string {
	text := strings.ToValidUTF8(strings.Join(args, " "), "�")
	if len(text) > maxCommandText {
		text = strings.ToValidUTF8(text[:maxCommandText], "") + "…"
	}
	return text
}

// bytesText is a size for a person.
func bytesText(n int64) string {
	switch {
	case n >= 10<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 10<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

// Where the start of a program can fail in the supervisor.
const (
	stageReaper = "reaper"
	stageCPUs   = "cpus"
	stageExec   = "exec"
)

// startError says what to do about the kernel's refusal.
func startError(stage string, errno syscall.Errno, j job) error {
	switch {
	case stage == stageReaper:
		return fmt.Errorf("become the parent of orphans: %w: Linux 3.4 or later is needed", errno)
	case stage == stageCPUs:
		return fmt.Errorf("bind it to CPUs %v: %w: not all of them are there for this process (see Cpus_allowed_list in /proc/self/status)", j.cpus, errno)
	case errno == syscall.ENOENT:
		return fmt.Errorf("%s is there, but not the interpreter that it names in its first line: %w", j.path, errno)
	case errno == syscall.ENOEXEC:
		return fmt.Errorf("%s is no program for this machine: %w: does a script lack its first line, #!…?", j.path, errno)
	case errno == syscall.E2BIG:
		return fmt.Errorf("arguments and environment are too long: %w: put them into a file", errno)
	}
	return fmt.Errorf("%s: %w", j.path, errno)
}

// findProgram is the path of what is to be executed, as execvp would find it with the
// program's own environment and directory.
func findProgram(args, env []string, dir string) (string, error) {
	if len(args) == 0 || args[0] == "" {
		return "", errors.New("the command is empty")
	}
	if dir != "" {
		if info, err := os.Stat(dir); err != nil {
			return "", fmt.Errorf("its directory: %w", err)
		} else if !info.IsDir() {
			return "", fmt.Errorf("its directory: %s is none", dir)
		}
	}
	name := args[0]
	if strings.Contains(name, "/") {
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		path, err := filepath.Abs(path)
		return path, errors.Join(err, executable(path))
	}
	path := defaultPath
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			path = value
		}
	}
	var found error
	for _, folder := range filepath.SplitList(path) {
		if !filepath.IsAbs(folder) {
			continue // whatever lies in the current directory is not meant
		}
		candidate := filepath.Join(folder, name)
		err := executable(candidate)
		if err == nil {
			return candidate, nil
		}
		if !errors.Is(err, fs.ErrNotExist) && found == nil {
			found = err
		}
	}
	if found != nil {
		return "", found
	}
	return "", fmt.Errorf("%w: no program %q in PATH=%s: install it, or give its path", fs.ErrNotExist, name, path)
}

// executable says why a file cannot be executed.
func executable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%w: %s is a directory", fs.ErrPermission, path)
	case unix.Access(path, unix.X_OK) != nil:
		return fmt.Errorf("%w: %s is not executable: chmod +x it, or put its interpreter first", fs.ErrPermission, path)
	}
	return nil
}

// lastOfEach drops the entries whose name comes again: C programs take the first.
func lastOfEach(env []string) []string {
	seen := map[string]bool{}
	out := make([]string, 0, len(env))
	for _, entry := range slices.Backward(env) {
		name, _, ok := strings.Cut(entry, "=")
		if ok && seen[name] {
			continue
		}
		seen[name] = ok
		out = append(out, entry)
	}
	slices.Reverse(out)
	return out
}
