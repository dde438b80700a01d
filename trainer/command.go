package trainer

import (
	"context"
	"errors"
	"fmt"

	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command trains by running a program once per segment: any program that takes
// its hyperparameters, and where to load and save, on its command line.
type Command struct {
	// Args is the program and its arguments for a job, placeholders filled in.
	Args  func(Job) ([]string, error)
	Env   []string // added to this process's environment, NAME=value
	Dir   string   // to run in; "" for this process's
	Score ScoreSource
}

// ScoreSource says where a program leaves its score. One field is set.
type ScoreSource struct {
	JSON  string // dotted path of keys in the last line of output that is a JSON object
	Regex string // with one group; the last match in the output counts
	File  string // a file beside the checkpoint, holding a number
}

// String says where the score is looked for.
func (s ScoreSource) String() string {
	switch {
	case s.Regex != "":
		return fmt.Sprintf("output that matches %q", s.Regex)
	case s.File != "":
		return fmt.Sprintf("a number in the file %s beside the checkpoint", s.File)
	}
	return fmt.Sprintf("a line such as {%q: 0.93} at the end of its output", s.JSON)
}

// How long a program is waited for.
const (
	killAfter  = 5 * time.Second // between SIGTERM and SIGKILL
	drainAfter = 2 * time.Second // for output after its end, if a process that left its group holds the pipe
)

// maxCommandText bounds how much of a command line an error shows.
const maxCommandText = 300

// NewCommand returns a slot that runs programs.
func NewCommand(c Command) (Slot, error) {
	s := &commandSlot{Command: c}
	if c.Score.Regex != "" {
		re, err := regexp.Compile(c.Score.Regex)
		if err != nil {
			return nil, fmt.Errorf("the score's pattern: %w", err)
		}
		if re.NumSubexp() < 1 {
			return nil, fmt.Errorf("the score's pattern %q has no group: put the number in parentheses", c.Score.Regex)
		}
		s.pattern = re
	}
	return s, nil
}

type commandSlot struct {
	Command
	pattern *regexp.Regexp
}

func (s *commandSlot) Close() error { return nil }

func (s *commandSlot) Holds() int64 { return 0 }

// Train runs the program. It and all that it starts are one process group, which
// gets SIGTERM and then SIGKILL when ctx is done, and nothing of it is left
// behind when Train returns.
func (s *commandSlot) Train(ctx context.Context, job Job) (Result, error) {
	args, err := s.Args(job)
	if err != nil {
		return Result{}, err
	}
	if len(args) == 0 {
		return Result{}, errors.New("the command is empty")
	}
	start := time.Now()
	last := &tail{}
	out, err := s.run(ctx, args, last)
	if err != nil {
		return Result{}, err
	}
	res := Result{Train: time.Since(start), Saved: true}
	if s.Score.File != "" {
		if err := out.readFile(filepath.Join(job.Save, s.Score.File)); err != nil {
			return Result{}, fmt.Errorf("%s ended well, but left no score: %w\n%s", args[0], err, last)
		}
	}
	if !out.found {
		return Result{}, fmt.Errorf("%s ended well, but its score was not found: want %s\n%s", args[0], s.Score, last)
	}
	res.Score, res.Metrics, res.Samples = out.score, out.metrics, out.samples
	return res, nil
}

// run runs the program to its end, and returns what it reported.
func (s *commandSlot) run(ctx context.Context, args []string, last *tail) (*report, error) {
	runtime.LockOSThread() // Pdeathsig means the thread that forked: it must outlive the program
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	said, err := s.listen(cmd, last)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", commandText(args), err)
	}
	err = cmd.Start()
	said.begin()
	if err != nil {
		said.end()
		if cause := context.Cause(ctx); cause != nil {
			return nil, cause
		}
		return nil, fmt.Errorf("run %s: %w", commandText(args), err)
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whatever it started: ESRCH if nothing is left
	out := said.end()
	if cause := context.Cause(ctx); cause != nil {
		return nil, cause
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", commandText(args), err, last)
	}
	return out, nil
}

// commandText is a command line for a person; it may hold a whole program.
func commandText(args []string) string {
	text := strings.ToValidUTF8(strings.Join(args, " "), "�")
	if len(text) > maxCommandText {
		text = strings.ToValidUTF8(text[:maxCommandText], "") + "…"
	}
	return text
}

// listener reads a program's two streams. They are kept apart, so that half a line
// of a progress bar on one does not spoil the score on the other.
type listener struct {
	read, write [2]*os.File
	reports     [2]report // of standard output and standard error
	last        *tail
	done        sync.WaitGroup
}

func (s *commandSlot) listen(cmd *exec.Cmd, last *tail) (*listener, error) {
	l := &listener{last: last}
	for i := range l.read {
		l.reports[i] = report{source: s.Score, pattern: s.pattern}
		var err error
		if l.read[i], l.write[i], err = os.Pipe(); err != nil {
			l.close()
			return nil, err
		}
	}
	cmd.Stdout, cmd.Stderr = l.write[0], l.write[1]
	return l, nil
}

// begin reads, once the program holds the other ends.
func (l *listener) begin() {
	for i := range l.read {
		l.write[i].Close()
		l.done.Go(func() { readLines(l.read[i], l.reports[i].line, l.last.add) })
	}
}

// end waits for the rest of the output, and returns what standard output reported,
// or else what standard error did. A program may have started one that left its
// group and still holds the pipes: that one is not waited for.
func (l *listener) end() *report {
	for _, r := range l.read {
		_ = r.SetReadDeadline(time.Now().Add(drainAfter)) // pipes have deadlines
	}
	l.done.Wait()
	l.close()
	if l.reports[0].found || !l.reports[1].found {
		return &l.reports[0]
	}
	return &l.reports[1]
}

func (l *listener) close() {
	for _, f := range append(l.read[:], l.write[:]...) {
		if f != nil {
			f.Close() // twice is harmless
		}
	}
}
