package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// slot is a worker of this process: a goroutine that trains one segment at a time.
// Its fields belong to the loop; the goroutine sees its channels and its host.
type slot struct {
	number int // from 1
	name   string
	host   trainer.Slot
	tasks  chan job
	gone   chan struct{}

	lease     lease         // of the segment it trains; zero when idle
	member    int           // that it trained last
	holds     int64         // the segment whose weights it has in memory
	stop      chan struct{} // closed when its segment is to finish soon
	cancel    context.CancelCauseFunc
	grace     *time.Timer // until it counts as stuck
	abandoned bool
	leaving   bool // it gets no more work
	closed    bool // its tasks are

	spare string // an empty staged directory; the goroutine's own
}

// lease is what the loop remembers of a slot's segment.
type lease struct {
	id     int64
	member int
}

// job is a task with the context that ends when its lease does.
type job struct {
	ctx  context.Context
	task *machine.Task
	stop chan struct{}

	varies bool // the policy explores at every ready point
}

// errCalledOff ends a trainer's context when its lease is over.
var errCalledOff = errors.New("the segment took longer than its timeout")

func (e *Engine) startSlots() {
	e.lazy.Store(e.machine.Spec().SaveEvery > 1)
	// A slot has two messages on their way at most, a report and what went wrong
	// when it closed, so nobody ever waits to send.
	most := e.most + maxAbandoned + 1
	e.inbox = make(chan message, 2*most)
	e.stuck = make(chan *slot, most)
	for i := range e.config.Slots {
		e.startSlot(i + 1)
	}
}

// SlotName is what the n-th slot is called, from 1: in the journal, in its trainers'
// environment, and in the name of its log.
func SlotName(n int) string { return fmt.Sprintf("slot-%d", n) }

func (e *Engine) startSlot(n int) {
	s := &slot{number: n, name: SlotName(n), host: e.config.NewSlot(n), tasks: make(chan job, 1), gone: make(chan struct{})}
	e.slots = append(e.slots, s)
	inbox := e.inbox
	go func() {
		defer close(s.gone)
		inbox <- message{from: s, asks: true}
		for j := range s.tasks {
			if report := e.train(s, j); report != nil {
				holds := s.host.Holds()
				if j.task.Probe { // nothing goes on from what it has trained
					holds = 0
				}
				inbox <- message{from: s, report: report, asks: true, holds: holds}
			}
		}
		if err := errors.Join(s.host.Close(), e.discardSpare(s)); err != nil {
			inbox <- message{from: s, closing: err}
		}
	}()
}

// train does one task, from staging its checkpoint's directory to publishing it.
// It runs in the slot's goroutine and touches nothing of the loop's. It returns nil
// for a segment that the loop has recorded already, because it need not be saved: if
// something goes wrong after that, the weights are lost, and the next task notices.
func (e *Engine) train(s *slot, j job) machine.Input {
	staged, err := e.stage(s, j.task.Save)
	if err != nil {
		return failure(j, fmt.Errorf("%w: %w", errMachine, err))
	}
	report, err := e.trainInto(staged, s, j)
	switch {
	case errors.Is(err, errSpared):
		return nil
	case err != nil:
		err = errors.Join(e.storeFault(j.task), err)
		return failure(j, errors.Join(err, e.store.Discard(staged)))
	}
	return report
}

// errMachine says that pbt itself failed, whatever the trainer did.
var errMachine = errors.New("pbt could not use the run's directory")

// storeFault looks, after a segment has failed, whether checkpoints can still be
// written. If not, the trainer had no chance.
func (e *Engine) storeFault(t *machine.Task) error {
	staged, err := e.store.Stage(t.Save)
	if err == nil {
		err = e.store.Discard(staged)
	}
	if err == nil {
		_, err = e.store.List()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errMachine, err)
	}
	return nil
}

// errSpared says that a segment has been recorded without a checkpoint.
var errSpared = errors.New("recorded without a checkpoint")

// stage gives a segment an empty directory to be saved into: where segments are saved
// lazily, the one that the last segment of this slot was not saved into.
func (e *Engine) stage(s *slot, id string) (string, error) {
	if staged := s.spare; staged != "" {
		s.spare = ""
		return staged, nil
	}
	return e.store.Stage(id)
}

func (e *Engine) discardSpare(s *slot) error {
	if s.spare == "" {
		return nil
	}
	return e.store.Discard(s.spare)
}

func (e *Engine) trainInto(staged string, s *slot, j job) (machine.Report, error) {
	t := j.task
	spared, loaded := false, ""
	work := trainer.Job{
		Segment: trainer.Segment{Member: t.Member, ID: t.Segment, From: t.From, Steps: t.Steps, Hypers: t.Hypers, Seed: t.Seed},
		Lease:   t.Lease, Parent: t.Parent, Save: staged, Name: t.Save, WeightSeed: t.WeightSeed,
		Varies: j.varies, Stop: j.stop, Grace: e.config.Grace, Progress: e.config.Progress,
	}
	if e.lazy.Load() {
		work.Wanted = func(r trainer.Result) bool { spared = !e.wanted(s, j, &r, loaded); return !spared }
	}
	if t.Load != "" {
		if !e.store.Has(t.Load) {
			return machine.Report{}, fmt.Errorf("the checkpoint of segment %d, which this one begins with, is missing: there is no %s, and pbt has not deleted it; put it back from a copy, or the member is repaired once no attempt is left", t.Parent, e.store.Path(t.Load))
		}
		var err error
		if loaded, err = e.checkLoad(t); err != nil {
			return machine.Report{}, err
		}
		work.Load = e.store.Path(t.Load)
	}
	res, err := s.host.Train(j.ctx, work)
	switch {
	case spared: // nobody was told of the directory
		s.spare = staged
		return machine.Report{}, errSpared
	case err != nil:
		return machine.Report{}, err
	case !res.Saved:
		return machine.Report{}, errors.New("the trainer has not saved, and was to")
	}
	report := reportOf(t, &res)
	report.Loaded = loaded
	start := time.Now()
	info, err := e.store.Publish(staged, t.Save)
	if err != nil {
		return machine.Report{}, err
	}
	report.Checkpoint = machine.Checkpoint{ID: info.ID, Bytes: info.Bytes, Digest: info.Digest}
	report.Times.Publish = int64(time.Since(start))
	return report, nil
}

// reportOf is what a segment's result says, but for its checkpoint.
func reportOf(t *machine.Task, res *trainer.Result) machine.Report {
	return machine.Report{
		Lease: t.Lease, Segment: t.Segment, Member: t.Member,
		Score: pbt.Score(res.Score), Steps: res.Steps, Done: res.Done, Samples: res.Samples, Metrics: metrics(res.Metrics),
		Times: machine.Times{
			Start: int64(res.Start), Load: int64(res.Load), Train: int64(res.Train), Eval: int64(res.Eval), Save: int64(res.Save),
		},
	}
}

// wanted asks the loop whether a segment must be saved. If not, the loop has recorded
// it when it answers.
func (e *Engine) wanted(s *slot, j job, res *trainer.Result, loaded string) bool {
	t := j.task
	q := &inquiry{
		machine.Scored{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: pbt.Score(res.Score), Steps: res.Steps, Done: res.Done},
		reportOf(t, res), make(chan bool, 1),
	}
	q.report.Loaded = loaded
	e.inbox <- message{from: s, scored: q}
	select {
	case save := <-q.save:
		return save
	case <-j.ctx.Done(): // nobody listens any more
		return true
	}
}

func metrics(m map[string]float64) machine.Metrics {
	if len(m) == 0 {
		return nil
	}
	out := make(machine.Metrics, len(m))
	for name, x := range m {
		out[name] = pbt.Score(x)
	}
	return out
}

// failure says what kind of failure an error is. Whatever a trainer says when it is
// told to stop, it is not its fault.
func failure(j job, err error) machine.Fail {
	t := j.task
	f := machine.Fail{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Fault: machine.FailError, Error: err.Error()}
	var panicked *trainer.PanicError
	switch {
	case errors.Is(context.Cause(j.ctx), errStopped):
		f.Fault, f.Error = machine.FailLost, errStopped.Error()
	case checkpoint.IsDiskFull(err):
		f.Fault = machine.FailDisk
	case errors.Is(err, trainer.ErrPreempted):
		f.Fault = machine.FailPreempted
	case errors.Is(err, errMachine), errors.Is(err, trainer.ErrMachine):
		f.Fault = machine.FailMachine
	case errors.Is(err, trainer.ErrStart):
		f.Fault = machine.FailStart
	case errors.Is(err, trainer.ErrTimeout):
		f.Fault = machine.FailTimeout
	case errors.Is(err, trainer.ErrLost):
		f.Fault = machine.FailLost
	case errors.As(err, &panicked):
		f.Fault = machine.FailPanic
	}
	return f
}

// callOff tells slots whose lease has ended to stop, and starts the time they have
// to do so.
func (e *Engine) callOff() {
	for _, s := range e.slots {
		if s.lease.id == 0 || s.grace != nil || e.machine.Live(s.lease.member, s.lease.id) {
			continue
		}
		s.cancel(errCalledOff)
		stuck := e.stuck
		s.grace = time.AfterFunc(e.config.Patience, func() { stuck <- s })
	}
}

// idle notes that a slot has come back.
func (e *Engine) idle(s *slot) {
	if s.abandoned && s.lease.id != 0 { // at last; its place is taken
		e.abandoned--
		e.slots = slices.DeleteFunc(e.slots, func(other *slot) bool { return other == s })
	}
	s.lease, s.stop = lease{}, nil
	if s.cancel != nil {
		s.cancel(nil)
		s.cancel = nil
	}
	if s.grace != nil {
		s.grace.Stop()
		s.grace = nil
	}
}

// replace gives up on a slot whose trainer ignores that its time is up, and
// starts another in its place. Nothing the old one says is heard any more: its
// lease is dead.
func (e *Engine) replace(s *slot) {
	if s.lease.id == 0 || s.abandoned || e.machine.Live(s.lease.member, s.lease.id) {
		return
	}
	s.abandoned = true
	close(s.tasks)
	if e.abandoned++; e.abandoned > maxAbandoned {
		e.handle(machine.Pause{Reason: fmt.Sprintf("%d trainers ignored their timeout and still run: make Step return soon after its context is done", maxAbandoned)})
		return
	}
	e.startSlot(s.number)
}

// stopSlots ends the slots and waits for them, for as long as patience goes.
func (e *Engine) stopSlots() {
	e.stopping, e.parked = true, nil
	for _, s := range e.slots {
		if s.cancel != nil {
			s.cancel(errStopped)
		}
		if s.grace != nil {
			s.grace.Stop()
		}
		if !s.abandoned {
			close(s.tasks)
		}
	}
	patience := time.NewTimer(e.config.Patience)
	defer patience.Stop()
	for _, s := range append(e.slots, e.gone...) {
		if s.abandoned {
			continue
		}
		select {
		case <-s.gone:
		case <-patience.C:
			return
		}
	}
}
