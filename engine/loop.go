package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/awake"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// message is what a worker sends: what became of its segment, and whether it
// wants another.
type message struct {
	from    *slot
	report  machine.Input // Report or Fail; nil for none
	asks    bool
	holds   int64    // the segment whose weights it has in memory, when it asks
	scored  *inquiry // whether a segment must be saved; nil for no question
	closing error    // what went wrong when the slot closed
}

// inquiry is a slot's question in the middle of its segment, with the report that is
// taken if the segment is not saved. The answer never makes the loop wait.
type inquiry struct {
	machine.Scored
	report machine.Report
	save   chan bool // takes one answer
}

// errStopped ends a trainer's context when the run is to stop.
var errStopped = errors.New("the run was stopped")

// loop is the life of a run in this process: receive → Handle → journal → answer.
func (e *Engine) loop(ctx context.Context) error {
	e.startSlots()
	err := e.serve(ctx)
	e.stopSlots()
	if err == nil {
		err = e.farewell(ctx)
	}
	return errors.Join(append(e.faults, err)...)
}

func (e *Engine) serve(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	beat := time.NewTicker(awake.Beat)
	defer beat.Stop()
	if e.running != nil {
		e.running.Watch()
	}
	var grace <-chan time.Time // of a drain
	for {
		var batch []message
		var stuck *slot
		select {
		case <-ctx.Done():
			return nil
		case msg := <-e.inbox:
			batch = e.drain(append(batch, msg))
		case <-beat.C: // so that time in which this process is stopped shows
			e.clock()
			continue
		case stuck = <-e.stuck:
		case o := <-e.orders:
			if err := e.obey(o); err != nil {
				return err
			}
		case reason := <-e.finishes:
			e.startFinish(reason)
		case reason := <-e.drains:
			if !e.hurried {
				e.startDrain(reason)
				grace = time.After(e.config.Grace)
			}
		case <-grace:
			return nil
		case <-timer.C:
			if err := e.sync(); err != nil {
				return err
			}
		}
		if err := e.turn(batch, stuck); err != nil {
			return err
		}
		if e.over() {
			return nil
		}
		e.setTimer(timer)
	}
}

// drain takes what else has arrived: one commit serves them all.
func (e *Engine) drain(batch []message) []message {
	for len(batch) < maxBatch {
		select {
		case msg := <-e.inbox:
			batch = append(batch, msg)
		default:
			return batch
		}
	}
	return batch
}

// turn handles what has arrived, makes it durable, and only then answers.
func (e *Engine) turn(batch []message, stuck *slot) (fault error) {
	var spared []*inquiry
	defer func() { // once they are recorded; else nobody has heard of them
		for _, q := range spared {
			q.save <- fault != nil
		}
	}()
	for _, msg := range batch {
		if q := msg.scored; q != nil {
			if e.mustSave(q) {
				q.save <- true
			} else {
				spared = append(spared, q)
				e.take(msg)
			}
			continue
		}
		e.idle(msg.from)
		if msg.report != nil {
			e.handle(msg.report) // a refusal is journalled; the slot need not know
		}
		if msg.asks && !msg.from.abandoned && !e.stopping {
			msg.from.holds = msg.holds
			e.park(msg.from)
		}
		if msg.closing != nil {
			e.faults = append(e.faults, msg.closing)
		}
	}
	if len(batch) == 0 {
		e.handle(machine.Tick{})
	}
	if stuck != nil {
		e.replace(stuck)
	}
	answers := e.assign()
	if err := e.commit(); err != nil {
		return err
	}
	for _, a := range answers {
		a.to.tasks <- a.job
	}
	e.callOff()
	e.discardUnused(batch)
	e.hashLater(batch)
	e.deleteGarbage()
	return nil
}

// mustSave tells whether a segment must be saved: because the machine says so, or
// because its slot is about to stop, and what it holds will be gone.
func (e *Engine) mustSave(q *inquiry) bool {
	return e.stopping || e.handle(q.Scored).Save
}

// take records a segment that need not be saved. There is nothing more to do for it:
// its slot, which has still to tell its trainer so, may get the next one.
func (e *Engine) take(msg message) {
	s, q := msg.from, msg.scored
	e.handle(q.report)
	s.lease, s.stop, s.cancel = lease{}, nil, nil // not called off: it is at its last words
	s.holds = q.Segment
	e.park(s)
}

// assignment is a task on its way to a slot.
type assignment struct {
	to *slot
	job
}

// assign leases waiting segments to waiting slots.
func (e *Engine) assign() []assignment {
	var out []assignment
	waiting := e.parked
	e.parked = e.parked[:0]
	for k, s := range waiting {
		task := e.handle(machine.Ask{Worker: s.name, Member: s.member, Holds: s.holds, Others: len(waiting) - k - 1}).Task
		if task == nil {
			e.parked = append(e.parked, s)
			if e.lazy.Load() || e.machine.Waiting() > 0 { // the next one may hold weights that wait for it, or may confirm a failure
				continue
			}
			e.parked = append(e.parked, waiting[k+1:]...)
			break
		}
		s.lease, s.member = lease{id: task.Lease, member: task.Member}, task.Member
		var ctx context.Context
		ctx, s.cancel = context.WithCancelCause(context.Background())
		s.stop = make(chan struct{})
		out = append(out, assignment{s, job{ctx, task, s.stop, e.machine.Spec().Policy.ExploreAlways}})
	}
	return out
}

// handle passes one input to the machine and keeps its events for the commit.
func (e *Engine) handle(in machine.Input) machine.Answer {
	answer, events := e.machine.Handle(e.clock(), in)
	e.events = append(e.events, events...)
	return answer
}

// commit writes the events of this turn, all in one transaction.
func (e *Engine) commit() error {
	if len(e.events) == 0 {
		return nil
	}
	e.garbage = append(e.garbage, e.machine.Garbage()...)
	e.unsynced = len(e.garbage) == 0 && e.mayWait()
	e.rows, e.bodies = e.rows[:0], e.bodies[:0]
	for _, ev := range e.events {
		start := len(e.bodies)
		var err error
		if e.bodies, err = machine.Encode(e.bodies, ev.Body); err != nil {
			return fmt.Errorf("write down an event: %w", err)
		}
		segment, member := ev.Body.Subject()
		e.seq++
		e.rows = append(e.rows, journal.Row{
			Seq: e.seq, At: ev.At, Kind: string(ev.Body.Kind()), Segment: segment, Member: int64(member),
			Body: e.bodies[start:len(e.bodies):len(e.bodies)],
		})
	}
	if err := e.append(e.rows); err != nil {
		return e.explainCommit(err)
	}
	if e.config.Observe != nil {
		e.config.Observe(View{Events: e.events, Machine: e.machine})
	}
	clear(e.events) // else the thousands of a run's start would stay in memory
	e.events = e.events[:0]
	return nil
}

func (e *Engine) append(rows []journal.Row) error {
	if e.config.journalFault != nil {
		if err := e.config.journalFault(rows); err != nil {
			return err
		}
	}
	write := e.journal.Append
	if e.unsynced {
		write = e.journal.AppendLater
	}
	err := write(rows)
	if err == nil && e.config.journalled != nil {
		e.config.journalled(rows, !e.unsynced)
	}
	return err
}

func (e *Engine) explainCommit(err error) error {
	if journal.IsDiskFull(err) {
		return fmt.Errorf("the run has paused, because the disk is full: free some space and go on with `pbt resume %s`; every recorded outcome is safe (%w)", safe.Path(e.config.Dir), err)
	}
	return fmt.Errorf("the journal cannot be written; every recorded outcome is safe: %w", err)
}

// discardUnused deletes what was published for reports that were not taken.
func (e *Engine) discardUnused(batch []message) {
	for _, msg := range batch {
		r, ok := msg.report.(machine.Report)
		if !ok || r.Checkpoint.ID == "" {
			continue
		}
		// The name that its lease was given, not one that the report may claim.
		if name := machine.CheckpointName(r.Segment, r.Lease); !e.machine.Keeps(name) {
			e.sweeper.sweep(name)
		}
	}
}

// startFinish gives out no more work.
func (e *Engine) startFinish(reason string) {
	if e.draining == "" {
		e.draining, e.stopping, e.parked = reason, true, nil
	}
}

// startDrain asks everybody to finish soon, too.
func (e *Engine) startDrain(reason string) {
	e.draining = "" // this is the reason now
	e.startFinish(reason)
	e.hurried = true
	for _, s := range e.slots {
		if s.stop != nil {
			close(s.stop)
		}
	}
}

// over tells whether nothing is left to do or wait for.
func (e *Engine) over() bool {
	if e.draining != "" && e.machine.Running() == 0 {
		return true
	}
	switch phase, _ := e.machine.Phase(); phase {
	case machine.PhaseEnded:
		return true
	case machine.PhasePaused: // by hand: until somebody says go on
		return e.machine.Running() == 0 && e.machine.PausedBy() == ""
	}
	return false
}

// setTimer wakes the loop at the next deadline.
func (e *Engine) setTimer(timer *time.Timer) {
	timer.Stop()
	at, ok := e.machine.NextDeadline()
	if e.unsynced && (!ok || e.syncBy < at) {
		at, ok = e.syncBy, true
	}
	if ok {
		timer.Reset(max(0, time.Duration(at-e.clock())) + time.Millisecond)
	}
}

// farewell records how this sitting ended, with what the slots brought on their
// way out.
func (e *Engine) farewell(ctx context.Context) error {
	for batch := e.drain(nil); len(batch) > 0; batch = e.drain(nil) {
		if err := e.turn(batch, nil); err != nil {
			return err
		}
	}
	reason := "the run is over"
	if phase, why := e.machine.Phase(); phase == machine.PhasePaused {
		reason = why
	} else if e.draining != "" {
		reason = e.draining
	} else if ctx.Err() != nil {
		reason = whyEnded(ctx)
	}
	return e.bow(reason)
}

// whyEnded is what the journal says of a context that has ended: what its owner says, or
// that the run was interrupted.
func whyEnded(ctx context.Context) string {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, ctx.Err()) {
		return cause.Error()
	}
	return "interrupted"
}

// bow is a sitting's last word.
func (e *Engine) bow(reason string) error {
	e.handle(machine.Close{Reason: reason})
	if err := e.commit(); err != nil {
		return err
	}
	e.deleteGarbage()
	return nil
}
