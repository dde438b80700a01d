package trainer

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
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

// Limits of what is read from a program.
const (
	maxOutputLine = 1 << 20 // bytes of a line that may hold the score; longer ones are passed over
	maxScoreFile  = 1 << 10
	tailLines     = 20              // of output shown when a program fails
	maxTailLine   = 400             // bytes of each
	killAfter     = 5 * time.Second // between SIGTERM and SIGKILL
)

// NewCommand returns a slot that runs programs.
func NewCommand(c Command) (Slot, error) {
	s := &commandSlot{Command: c}
	if c.Score.Regex != "" {
		re, err := regexp.Compile(c.Score.Regex)
		if err != nil {
			return nil, fmt.Errorf("the score's pattern: %w", err)
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

// Train runs the program. It and all that it starts are one process group, which
// gets SIGTERM and then SIGKILL when ctx is done, and nothing of it is left
// behind when Train returns.
func (s *commandSlot) Train(ctx context.Context, job Job) (Result, error) {
	args, err := s.Args(job)
	if err != nil {
		return Result{}, err
	}
	out := &output{source: s.Score, pattern: s.pattern}
	start := time.Now()
	if err := s.run(ctx, args, out); err != nil {
		return Result{}, err
	}
	res := Result{Train: time.Since(start)}
	if s.Score.File != "" {
		err = out.readFile(filepath.Join(job.Save, s.Score.File))
	}
	if err != nil {
		return Result{}, err
	}
	if !out.found {
		return Result{}, fmt.Errorf("%s ended well, but its score was not found: want %s\n%s", args[0], s.Score, out.tail())
	}
	res.Score, res.Metrics, res.Samples = out.score, out.metrics, out.samples
	return res, nil
}

func (s *commandSlot) run(ctx context.Context, args []string, out *output) error {
	runtime.LockOSThread() // Pdeathsig means the thread that forked: it must outlive the program
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("run %s: %w", args[0], err)
	}
	cmd.Stdout, cmd.Stderr = write, write
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("run %s: %w", strings.Join(args, " "), err), read.Close(), write.Close())
	}
	write.Close()
	done := make(chan struct{})
	go func() { defer close(done); out.read(read) }()
	waitErr := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // whatever it started: ESRCH if nothing is left
	<-done
	read.Close()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if waitErr != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), waitErr, out.tail())
	}
	return nil
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

// output reads what a program prints: it looks for the score and keeps the tail.
type output struct {
	source  ScoreSource
	pattern *regexp.Regexp
	lines   []string
	found   bool
	score   float64
	metrics map[string]float64
	samples []float64
}

func (o *output) read(r io.Reader) {
	in := bufio.NewReaderSize(r, maxOutputLine)
	for {
		line, err := in.ReadSlice('\n')
		o.line(bytes.TrimRight(line, "\r\n"), errors.Is(err, bufio.ErrBufferFull))
		for errors.Is(err, bufio.ErrBufferFull) { // a line without an end: pass over it
			_, err = in.ReadSlice('\n')
		}
		if err != nil {
			return
		}
	}
}

func (o *output) line(line []byte, cut bool) {
	if len(line) > 0 {
		o.lines = append(o.lines, string(line[:min(len(line), maxTailLine)]))
		if len(o.lines) > 2*tailLines {
			o.lines = append(o.lines[:0], o.lines[tailLines:]...)
		}
	}
	switch {
	case cut:
	case o.pattern != nil:
		if m := o.pattern.FindSubmatch(line); m != nil {
			o.take(string(m[1]))
		}
	case o.source.JSON != "" && len(line) > 0 && line[0] == '{':
		o.takeJSON(line)
	}
}

func (o *output) take(text string) {
	if x, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil || errors.Is(err, strconv.ErrRange) {
		o.score, o.found = x, true
	}
}

// takeJSON takes the score, the list named samples, and every other number as a metric.
func (o *output) takeJSON(line []byte) {
	line = bytes.ReplaceAll(line, []byte(": NaN"), []byte(`: "NaN"`)) // as Python's json writes it
	line = bytes.ReplaceAll(line, []byte(": Infinity"), []byte(`: "Inf"`))
	line = bytes.ReplaceAll(line, []byte(": -Infinity"), []byte(`: "-Inf"`))
	var doc map[string]any
	if json.Unmarshal(line, &doc) != nil {
		return
	}
	var at any = doc
	for key := range strings.SplitSeq(o.source.JSON, ".") {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	x, ok := number(at)
	if !ok {
		return
	}
	o.score, o.found, o.metrics, o.samples = x, true, nil, nil
	for key, v := range doc {
		if x, ok := number(v); ok && key != o.source.JSON {
			if o.metrics == nil {
				o.metrics = map[string]float64{}
			}
			o.metrics[key] = x
		}
	}
	list, _ := doc["samples"].([]any)
	for _, v := range list {
		if x, ok := number(v); ok {
			o.samples = append(o.samples, x)
		}
	}
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		x, err := strconv.ParseFloat(v, 64)
		return x, err == nil
	}
	return 0, false
}

func (o *output) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("the score: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxScoreFile))
	if err != nil {
		return fmt.Errorf("the score: %w", err)
	}
	o.take(string(text))
	return nil
}

func (o *output) tail() string {
	lines := o.lines[max(0, len(o.lines)-tailLines):]
	if len(lines) == 0 {
		return "(it printed nothing)"
	}
	return "its last output:\n  " + strings.Join(lines, "\n  ")
}
