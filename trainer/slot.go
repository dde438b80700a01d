package trainer

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"time"
)

// Slot trains one segment after another: a place where one trainer runs at a time.
type Slot interface {
	// Train does one job. When it fails, the slot is as good as new for the next.
	Train(ctx context.Context, job Job) (Result, error)
	// Holds is the segment whose weights it has in memory and can go on with; 0 for
	// none. It is called between jobs.
	Holds() int64
	Close() error
}

// Job is one segment with the directories it needs.
type Job struct {
	Segment
	Lease      int64  // number of this attempt
	Parent     int64  // segment whose weights it starts from; 0: fresh ones
	Load       string // directory of those weights; "" for fresh ones, and for those only this slot holds
	Save       string // empty directory to write the new ones into
	Name       string // what the new checkpoint will be called, like the last element of a later job's Load
	WeightSeed uint64 // of fresh weights

	// Wanted tells, once the segment is evaluated, whether its weights must be saved;
	// nil means that they must. It is given what is known of the result by then.
	Wanted func(Result) bool
	// Varies says that the member may go on from here under other hyperparameters: a
	// trainer that needs a new process for that must save.
	Varies bool
	// Stop is closed when the run is to stop soon: finish the segment if Grace allows
	// it, else give it up with ErrPreempted. It may be nil.
	Stop  <-chan struct{}
	Grace time.Duration
	// Progress is told how far the segment is, for people who look on; it may be nil.
	// It must return at once.
	Progress func(Progress)
}

// memory is whose weights a slot has: a segment's, as one attempt at it left them.
// Two attempts at a segment draw other random numbers, and so the segment alone does
// not tell whether it is those weights that a job starts from.
type memory struct {
	segment int64  // 0: none
	name    string // of the checkpoint that the attempt was to write
}

// serves tells whether a job starts from these weights.
func (m memory) serves(job *Job) bool {
	return job.Parent != 0 && m.segment == job.Parent && (job.fromMemory() || filepath.Base(job.Load) == m.name)
}

// fromMemory tells whether the job starts from weights that only its slot holds.
func (j *Job) fromMemory() bool { return j.Parent != 0 && j.Load == "" }

// wanted tells whether the weights must be saved.
func (j *Job) wanted(r *Result) bool { return j.Wanted == nil || j.Wanted(*r) }

// Progress is how far a segment is.
type Progress struct {
	Member  int
	Segment int64
	Step    int64 // steps done of the segment
	Metrics map[string]float64
}

// Result is what a job achieved and where its time went.
type Result struct {
	Evaluation
	Saved                          bool // into the job's directory
	Start, Load, Train, Eval, Save time.Duration
}

// Errors that are not the segment's fault.
var (
	// ErrPreempted says that the trainer was told from outside to go away.
	ErrPreempted = errors.New("the trainer was told to stop, and gave the segment up")
	// ErrStart says that a program could not be started, or ended before it was ready.
	ErrStart = errors.New("the trainer did not start")
	// ErrMachine says that pbt itself failed: it could not make a socket, or run anything.
	ErrMachine = errors.New("pbt could not run the trainer")
	// ErrLost says that what the job was to go on from, or the trainer itself, was
	// gone before the job began.
	ErrLost = errors.New("the trainer no longer holds the weights to go on from")
)

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
	holds   memory
}

func (s *inProcess) Close() error { s.trainer, s.holds = nil, memory{}; return nil }

func (s *inProcess) Holds() int64 { return s.holds.segment }

func (s *inProcess) Train(ctx context.Context, job Job) (res Result, err error) {
	finished := false
	defer func() {
		if finished {
			return
		}
		s.trainer, s.holds = nil, memory{} // after an error nobody knows what it holds
		if v := recover(); v != nil {
			err = &PanicError{v, debug.Stack()}
		}
	}()
	if err := s.prepare(job, &res); err != nil {
		return res, err
	}
	start := time.Now()
	s.holds = memory{}
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
	if res.Saved = job.wanted(&res); res.Saved {
		if err := s.trainer.Save(job.Save); err != nil {
			return res, fmt.Errorf("save: %w", err)
		}
	}
	res.Save, _ = since(start)
	s.holds, finished = memory{job.ID, job.Name}, true
	return res, nil
}

// prepare makes the trainer hold the weights that the job starts from.
func (s *inProcess) prepare(job Job, res *Result) (err error) {
	start := time.Now()
	defer func() { res.Load, _ = since(start) }()
	if s.trainer != nil && s.holds.serves(&job) {
		return nil
	}
	if job.fromMemory() {
		return ErrLost
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

// Broken is a slot that cannot train, and says why.
func Broken(why error) Slot { return broken{why} }

type broken struct{ why error }

func (b broken) Train(context.Context, Job) (Result, error) { return Result{}, b.why }
func (b broken) Holds() int64                               { return 0 }
func (b broken) Close() error                               { return nil }
