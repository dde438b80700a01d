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
	name  string
	host  trainer.Slot
	tasks chan job
	gone  chan struct{}

	lease     lease // of the segment it trains; zero when idle
	cancel    context.CancelCauseFunc
	grace     *time.Timer // until it counts as stuck
	abandoned bool
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
}

// errCalledOff ends a trainer's context when its lease is over.
var errCalledOff = errors.New("the segment took longer than its timeout")

func (e *Engine) startSlots() {
	// A slot has two messages on their way at most, a report and what went wrong
	// when it closed, so nobody ever waits to send.
	most := e.config.Slots + maxAbandoned + 1
	e.inbox = make(chan message, 2*most)
	e.stuck = make(chan *slot, most)
	for i := range e.config.Slots {
		e.startSlot(fmt.Sprintf("slot-%d", i+1))
	}
}

func (e *Engine) startSlot(name string) {
	s := &slot{name: name, host: e.config.NewSlot(), tasks: make(chan job, 1), gone: make(chan struct{})}
	e.slots = append(e.slots, s)
	inbox := e.inbox
	go func() {
		defer close(s.gone)
		inbox <- message{from: s, asks: true}
		for j := range s.tasks {
			inbox <- message{from: s, report: e.train(s.host, j), asks: true}
		}
		if err := s.host.Close(); err != nil {
			inbox <- message{from: s, closing: err}
		}
	}()
}

// train does one task, from staging its checkpoint's directory to publishing it.
// It runs in the slot's goroutine and touches nothing of the loop's.
func (e *Engine) train(host trainer.Slot, j job) machine.Input {
	t := j.task
	staged, err := e.store.Stage(t.Save)
	if err != nil {
		return failure(j, err)
	}
	report, err := e.trainInto(staged, host, j)
	if err != nil {
		return failure(j, errors.Join(err, e.store.Discard(staged)))
	}
	return report
}

func (e *Engine) trainInto(staged string, host trainer.Slot, j job) (machine.Report, error) {
	t := j.task
	work := trainer.Job{
		Segment: trainer.Segment{Member: t.Member, ID: t.Segment, From: t.From, Steps: t.Steps, Hypers: t.Hypers, Seed: t.Seed},
		Parent:  t.Parent, Save: staged, WeightSeed: t.WeightSeed,
	}
	if t.Parent != 0 {
		if t.Load == "" || !e.store.Has(t.Load) {
			return machine.Report{}, fmt.Errorf("the checkpoint %q of segment %d is missing from %s", t.Load, t.Parent, e.path(CheckpointDir))
		}
		work.Load = e.store.Path(t.Load)
	}
	res, err := host.Train(j.ctx, work)
	if err != nil {
		return machine.Report{}, err
	}
	start := time.Now()
	info, err := e.store.Publish(staged, t.Save)
	if err != nil {
		return machine.Report{}, err
	}
	return machine.Report{
		Lease: t.Lease, Segment: t.Segment, Member: t.Member,
		Score: pbt.Score(res.Score), Samples: res.Samples, Metrics: metrics(res.Metrics),
		Checkpoint: machine.Checkpoint{ID: info.ID, Bytes: info.Bytes, Digest: info.Digest},
		Times: machine.Times{
			Load: int64(res.Load), Train: int64(res.Train), Eval: int64(res.Eval), Save: int64(res.Save),
			Publish: int64(time.Since(start)),
		},
	}, nil
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
	s.lease = lease{}
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
	e.startSlot(s.name)
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
	for _, s := range e.slots {
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
