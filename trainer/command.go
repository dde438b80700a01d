package trainer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/awake"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// Command trains by running a program once per segment: any program that takes
// its hyperparameters, and where to load and save, on its command line.
type Command struct {
	Host
	// Args is the program and its arguments for a job, placeholders filled in.
	Args        func(Job) ([]string, error)
	Score       ScoreSource
	StepTimeout time.Duration // for the whole program; 0: none
}

// ScoreSource says where a program leaves its score. One field is set.
type ScoreSource struct {
	JSON  string // dotted path of keys in the last line of output that is a JSON object
	Regex string // with one group; the last match in the output counts
	File  string // a file beside the checkpoint, holding a number; with Column, a CSV file
	// Column is a column of that CSV file: the last row counts.
	Column string
}

// String says where the score is looked for.
func (s ScoreSource) String() string {
	switch {
	case s.Regex != "":
		return fmt.Sprintf("output that matches %q", s.Regex)
	case s.Column != "":
		return fmt.Sprintf("a number in the last row of column %s of the file %s beside the checkpoint", s.Column, s.File)
	case s.File != "":
		return fmt.Sprintf("a number in the file %s beside the checkpoint", s.File)
	}
	return fmt.Sprintf("a line such as {%q: 0.93} in its output", s.JSON)
}

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

// Train runs the program. Nothing of it is left behind when Train returns.
func (s *commandSlot) Train(ctx context.Context, job Job) (Result, error) {
	args, err := s.Args(job)
	if err != nil {
		return Result{}, err
	}
	if len(args) == 0 {
		return Result{}, errors.New("the command is empty")
	}
	if s.StepTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = awake.WithTimeoutCause(ctx, s.StepTimeout,
			fmt.Errorf("%w: the program ran longer than trainer.step_timeout, which is %s", ErrTimeout, s.StepTimeout))
		defer cancel()
	}
	s.mark(&job)
	start := time.Now()
	out := output{{source: s.Score, pattern: s.pattern}, {source: s.Score, pattern: s.pattern}}
	p, err := s.start(args, jobVariables(&job), nil, out.line)
	if err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrStart, err)
	}
	if err := s.await(ctx, p); err != nil {
		return Result{}, whileSaving(job.Save, err)
	}
	res := Result{Train: time.Since(start), Saved: true}
	last := out.last()
	if s.Score.File != "" {
		if err := last.readFile(filepath.Join(job.Save, s.Score.File)); err != nil {
			return Result{}, fmt.Errorf("%s exited with status 0, but left no score: %w\n%s", args[0], err, p.Tail())
		}
	}
	if !last.found {
		return Result{}, fmt.Errorf("%s exited with status 0, but its score was not found: want %s%s\n%s", args[0], s.Score, last.miss.explain(), p.Tail())
	}
	if last.wrong != nil {
		return Result{}, fmt.Errorf("%s exited with status 0, but %w", args[0], last.wrong)
	}
	res.Score, res.Metrics, res.Samples, res.Steps = last.score, last.metrics, last.samples, last.steps
	res.Done = last.done
	return res, nil
}

// await waits until the program has ended, or ends it when ctx is done.
func (s *commandSlot) await(ctx context.Context, p *process.Process) error {
	select {
	case <-p.Done():
	case <-ctx.Done():
		p.Stop(s.grace())
		if cause := context.Cause(ctx); errors.Is(cause, ErrTimeout) {
			return fmt.Errorf("%w\n%s", cause, p.Tail())
		}
		return context.Cause(ctx)
	}
	if p.Err() == nil {
		return nil
	}
	return died(p)
}

// jobVariables tell a program about its segment in its environment, for scripts
// that would rather read it there than on a command line.
func jobVariables(job *Job) []string {
	return []string{
		protocol.EnvLoad + "=" + job.Load,
		protocol.EnvSave + "=" + job.Save,
		protocol.EnvFrom + "=" + strconv.FormatInt(job.From, 10),
		protocol.EnvSteps + "=" + strconv.FormatInt(job.Steps, 10),
		protocol.EnvUntil + "=" + strconv.FormatInt(job.From+job.Steps, 10),
		protocol.EnvHypers + "=" + string(job.Hypers.AppendJSON(nil)),
		protocol.EnvWeightSeed + "=" + strconv.FormatUint(job.WeightSeed>>1, 10),
	}
}
