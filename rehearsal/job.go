package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// place is a slot, in which a trainer may live.
type place struct {
	trainer.Slot
	number int
	stuck  bool // its trainer has been given up
}

// task is a job in the rehearsal's terms.
type task struct {
	parent  *outcome // nil: fresh weights
	steps   int64
	seed    uint64
	hypers  pbt.Hypers
	weights uint64 // seed of fresh ones
}

// outcome is a job that went well.
type outcome struct {
	trainer.Result
	task
	segment int64
	from    int64
	held    bool // it went on in memory

	publish    time.Duration
	wall       time.Duration // all of it
	checkpoint string        // its name; "" once deleted
	saved      saved
}

// took is the time of a segment without its process's start.
func (o *outcome) took() time.Duration { return o.wall - o.Start }

// jobError is a job that failed by the trainer's fault.
type jobError struct {
	check string // that has found it; "": whichever was at work
	err   error
}

func (e *jobError) Error() string { return e.err.Error() }
func (e *jobError) Unwrap() error { return e.err }

var (
	errHangs = errors.New("the segment took far longer than those before it, and was called off")
	// errStuck is a trainer that cannot be called off.
	errStuck = errors.New("the trainer went on although its segment was called off")
)

// Limits of a job.
const (
	hangsAfter = 20              // times as long as expected
	hangsLeast = 2 * time.Minute // whatever is expected
)

func (r *rehearsal) open(number int) *place {
	p := &place{Slot: r.NewSlot(number), number: number}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.places = append(r.places, p)
	return p
}

// close ends what lives in a place, and notes whether it goes when told.
func (r *rehearsal) close(p *place) {
	r.places = slices.DeleteFunc(r.places, func(other *place) bool { return p == other })
	if p.stuck {
		return
	}
	start := time.Now()
	_ = p.Close() // nothing is lost with it
	if r.Kind == Client && time.Since(start) >= r.Grace {
		r.wontLeave++
	}
}

func (r *rehearsal) closeAll() {
	for len(r.places) > 0 {
		r.close(r.places[0])
	}
}

// train does a job and publishes what it saved.
func (r *rehearsal) train(p *place, t task) (*outcome, error) {
	r.mu.Lock()
	r.lease++
	o := &outcome{task: t, segment: r.lease}
	r.mu.Unlock()
	id := checkpointName(o.segment)
	staged, err := r.Store.Stage(id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Store.Discard(staged) }() // what could not be removed goes with the directory
	job := r.job(o, staged)
	o.held = t.parent != nil && p.Holds() == t.parent.segment
	ctx, cancel := r.bounded(t)
	defer cancel()
	start := time.Now()
	if o.Result, err = r.attempt(ctx, p, job, r.Grace); err != nil {
		if r.ctx.Err() != nil {
			return nil, context.Cause(r.ctx)
		}
		return nil, &jobError{err: err}
	}
	trained := time.Now()
	o.held = o.held && o.Start == 0 // else its program had ended, and another one has loaded
	if err := r.publish(o, staged, id); err != nil {
		return nil, err
	}
	o.publish = time.Since(trained)
	o.wall = time.Since(start)
	if o.saved, err = inspect(r.Store.Path(id), staged); err != nil {
		return nil, fmt.Errorf("read what the trainer saved: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, o)
	return o, nil
}

func checkpointName(segment int64) string { return fmt.Sprintf("s%09d", segment) }

// job is what the engine would ask for.
func (r *rehearsal) job(o *outcome, staged string) trainer.Job {
	job := trainer.Job{Lease: o.segment, Save: staged, Name: checkpointName(o.segment), WeightSeed: o.weights}
	if o.parent != nil {
		o.from = o.parent.from + o.parent.steps
		job.Parent, job.Load = o.parent.segment, r.Store.Path(o.parent.checkpoint)
	}
	job.Segment = trainer.Segment{Member: r.member, ID: o.segment, From: o.from, Steps: o.steps, Hypers: o.hypers, Seed: o.seed}
	return job
}

// publish makes a checkpoint of what was saved. What pbt refuses is the trainer's
// fault; what the disk refuses is not.
func (r *rehearsal) publish(o *outcome, staged, id string) error {
	_, err := r.Store.Publish(staged, id)
	if errors.Is(err, checkpoint.ErrRefused) {
		return &jobError{CheckCheckpoint, err}
	}
	o.checkpoint = id
	return err
}

// bounded is a context for a job: one that takes far longer than it should is called off.
func (r *rehearsal) bounded(t task) (context.Context, context.CancelFunc) {
	limit := r.Spec.Timeout
	if r.base != nil {
		each := r.base.took() / time.Duration(max(1, r.base.steps))
		limit = hangsLeast + hangsAfter*(r.base.wall+each*time.Duration(t.steps))
	}
	if limit <= 0 {
		return context.WithCancel(r.ctx)
	}
	return context.WithTimeoutCause(r.ctx, limit, fmt.Errorf("%w after %s", errHangs, round(limit)))
}

// attempt does a job, and gives the trainer up if it goes on for long after ctx is done.
func (r *rehearsal) attempt(ctx context.Context, p *place, job trainer.Job, patience time.Duration) (trainer.Result, error) {
	type answer struct {
		trainer.Result
		err error
	}
	done := make(chan answer, 1)
	go func() {
		res, err := p.Train(ctx, job)
		done <- answer{res, err}
	}()
	select {
	case a := <-done:
		return a.Result, a.err
	case <-ctx.Done():
	}
	if r.Kind != InProcess { // what is left of a program is killed, and that has its own limits
		a := <-done
		return a.Result, a.err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.Result, a.err
	case <-timer.C:
		p.stuck = true
		return trainer.Result{}, errStuck
	}
}

// hints are what to do about errors that many meet.
var hints = []struct{ says, hint string }{
	{"was asked for", "set the hyperparameters after loading the checkpoint: optimisers bring back the learning rate they were saved with"},
	{"missing from those in force", "echo every hyperparameter in `loaded`"},
	{"No module named 'pbt'", "install the client where the command's interpreter finds it: pip install pbt-engine"},
	{"ModuleNotFoundError", "is it the right interpreter? Name the one of your environment in the command: [/path/to/venv/bin/python, train.py]"},
	{"executable file not found", "give a path, or set PATH before pbt starts"},
	{"its score was not found", "print one line of JSON with the metric's name, or say with trainer.score where the score is"},
	{"trainer.start_timeout", "does the command start the right program, and does it call pbt.segments()? A slow start needs a larger trainer.start_timeout"},
	{"holds no files", "does it save into the directory that it is given, and wait until the files are written?"},
	{"symbolic link", "save files, not links to them"},
	{"CUDA out of memory", "lower the batch size's range, or let fewer slots share a GPU (trainer.gpus_per_slot)"},
	{"out of memory", "lower the batch size's range, or raise trainer.memory"},
}

func hintFor(err error) string {
	text := err.Error()
	for _, h := range hints {
		if strings.Contains(text, h.says) {
			return h.hint
		}
	}
	return ""
}
