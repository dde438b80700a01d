package trainer

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// Slot trains one segment after another: a place where one trainer runs at a time.
type Slot interface {
	// Train does one job. When it fails, the slot is as good as new for the next.
	Train(ctx context.Context, job Job) (Result, error)
	Close() error
}

// Job is one segment with the directories it needs.
type Job struct {
	Segment
	Parent     int64  // segment whose weights it starts from; 0: fresh ones
	Load       string // directory of those weights; "" for fresh ones
	Save       string // empty directory to write the new ones into
	WeightSeed uint64 // of fresh weights
}

// Result is what a job achieved and where its time went.
type Result struct {
	Evaluation
	Load, Train, Eval, Save time.Duration
}

// PanicError is a trainer that panicked.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v\n%s", e.Value, e.Stack) }

// InProcess returns a slot for trainers that are Go values of this program.
func InProcess(fresh New) Slot { return &inProcess{fresh: fresh} }

// inProcess keeps its trainer between segments: if the next one goes on from the
// weights it holds, nothing is loaded.
type inProcess struct {
	fresh   New
	trainer Trainer
	holds   int64 // the segment whose weights trainer holds; 0: none
}

func (s *inProcess) Close() error { s.trainer, s.holds = nil, 0; return nil }

func (s *inProcess) Train(ctx context.Context, job Job) (res Result, err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		s.trainer, s.holds = nil, 0 // after an error nobody knows what it holds
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	if err := s.prepare(job, &res); err != nil {
		return res, err
	}
	start := time.Now()
	s.holds = 0
	if err := s.trainer.Step(ctx, job.Segment); err != nil {
		return res, stepError(ctx, err)
	}
	res.Train, start = since(start)
	if err := ctx.Err(); err != nil {
		return res, context.Cause(ctx)
	}
	if res.Evaluation, err = s.trainer.Eval(ctx); err != nil {
		return res, stepError(ctx, fmt.Errorf("eval: %w", err))
	}
	res.Eval, start = since(start)
	if err := s.trainer.Save(job.Save); err != nil {
		return res, fmt.Errorf("save: %w", err)
	}
	res.Save, _ = since(start)
	s.holds, finished = job.ID, true
	return res, nil
}

// prepare makes the trainer hold the weights that the job starts from.
func (s *inProcess) prepare(job Job, res *Result) (err error) {
	start := time.Now()
	defer func() { res.Load, _ = since(start) }()
	if s.trainer != nil && job.Parent != 0 && s.holds == job.Parent {
		return nil
	}
	if s.trainer == nil || job.Parent == 0 {
		if s.trainer, err = s.fresh(job.WeightSeed); err != nil {
			return fmt.Errorf("make a trainer: %w", err)
		}
	}
	if job.Parent == 0 {
		return nil
	}
	if err := s.trainer.Load(job.Load); err != nil {
		return fmt.Errorf("load %s: %w", job.Load, err)
	}
	return nil
}

// stepError prefers the reason why the job was called off to the trainer's words for it.
func stepError(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && errors.Is(err, ctx.Err()) {
		return cause
	}
	return err
}

func since(start time.Time) (time.Duration, time.Time) {
	now := time.Now()
	return now.Sub(start), now
}
