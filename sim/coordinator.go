package sim

import (
	"math"
	"slices"
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// coordinator is the process that owns the run: package engine's loop, step by
// step, with a chance to be killed between any two of them.
type coordinator struct {
	w      *world
	m      *machine.Machine
	inbox  []message
	parked []seeker // workers that wait for work
	events []machine.Event
	woken  bool  // a turn is on the agenda
	timer  int64 // the newest wake-up's number: older ones are void
	beats  []machine.Beat
}

// message is what a worker sends: what became of its segment, and whether it
// wants another.
type message struct {
	from  address
	input machine.Input // Report, Fail, Scored or Beat; nil for none
	asks  bool
	has   memory // what it has in memory, if it asks
}

// seeker is a worker that wants work.
type seeker struct {
	address
	has memory
}

// answer is what a worker hears.
type answer struct {
	to       address
	lease    int64 // of the report that is answered; 0: none is
	accepted bool
	task     *machine.Task
	scored   int64 // the lease whose question about saving is answered; 0: none is
	save     bool
}

// Limits of the loop, and how long its steps take.
const (
	maxBatch   = 256
	commitTime = 2 * time.Millisecond
)

// start makes a process that takes the run: it creates the run, or opens what the
// last one left.
func (w *world) start() {
	if w.coord != nil || w.over {
		return
	}
	c := &coordinator{w: w}
	w.coord = c
	if len(w.journal.rows) == 0 {
		c.m = w.machine()
		if a := c.handle(w.begin()); a.Refused != nil {
			w.violate(LawReplay, "the run cannot begin: %v", a.Refused)
			return
		}
		c.begin(nil)
		return
	}
	m, err := fold(w.journal.rows, w.specOf)
	if err != nil {
		w.violate(LawReplay, "the journal does not replay: %v", err)
		return
	}
	c.m = m
	w.tally.Resumes++
	w.book.checkReplayed(m)
	c.begin(w.changeSettings())
}

func (w *world) machine() *machine.Machine {
	m, err := machine.New(w.plan.spec, w.specOf)
	if err != nil {
		panic(err) // plans are valid
	}
	return m
}

// begin is engine.begin.
func (c *coordinator) begin(change *machine.Change) {
	if c.dies() {
		return
	}
	if a := c.handle(machine.Open{Host: "simulated", PID: 1, Version: "sim", Change: change, Charge: c.w.charge}); a.Refused != nil {
		c.w.violate(LawReplay, "the run cannot be opened: %v", a.Refused)
		return
	}
	if c.dies() || !c.commit() || c.sweepOrphans() {
		return
	}
	c.w.hit, c.w.charge = false, false
	c.w.startWorkers()
	if c.over() {
		c.leave("the run is over")
		return
	}
	c.setTimer()
}

// sweepOrphans deletes checkpoints that no event names; it reports whether the
// process died on the way.
func (c *coordinator) sweepOrphans() (died bool) {
	c.m.Garbage()
	for _, name := range slices.Clone(c.w.store.names) {
		if !c.m.Keeps(name) {
			if c.dies() {
				return true
			}
			c.delete(name)
		}
	}
	c.w.book.checkStore(c.m)
	return false
}

func (c *coordinator) delete(name string) {
	c.w.tally.Deleted++
	c.w.store.remove(name)
}

// receive takes a message in; what arrives together shares a commit.
func (c *coordinator) receive(m message) {
	c.inbox = append(c.inbox, m)
	c.wake()
}

func (c *coordinator) wake() {
	if !c.woken {
		c.woken = true
		c.w.after(int64(commitTime), func() {
			if c.w.coord == c {
				c.woken = false
				c.turn()
			}
		})
	}
}

// turn handles what has arrived, makes it durable, and only then answers.
func (c *coordinator) turn() {
	if c.dies() {
		return
	}
	batch := c.inbox[:min(len(c.inbox), maxBatch)]
	c.inbox = slices.Clone(c.inbox[len(batch):])
	answers := c.take(batch)
	if len(batch) == 0 {
		c.handle(machine.Tick{})
		c.checkDeadline()
	}
	answers = append(answers, c.assign()...)
	if c.w.broken == answerEarly && c.tell(answers) || c.w.broken == deleteEarly && c.deleteGarbage() {
		return
	}
	if c.dies() || !c.commit() || c.dies() {
		return
	}
	if c.w.broken != answerEarly && c.tell(answers) || c.discardUnused(batch) || c.deleteGarbage() {
		return
	}
	c.w.book.checkDisk(c.m)
	if c.over() {
		phase, reason := c.m.Phase()
		if phase == machine.PhaseEnded {
			reason = "the run is over"
		}
		c.leave(reason)
		return
	}
	if len(c.inbox) > 0 {
		c.wake()
	}
	c.setTimer()
}

// take passes a batch to the machine.
func (c *coordinator) take(batch []message) []answer {
	var answers []answer
	for _, msg := range batch {
		switch in := msg.input.(type) {
		case machine.Report:
			a := c.handle(in)
			answers = append(answers, answer{to: msg.from, lease: in.Lease, accepted: a.Refused == nil})
		case machine.Fail:
			a := c.handle(in)
			answers = append(answers, answer{to: msg.from, lease: in.Lease, accepted: a.Refused == nil})
		case machine.Scored:
			a := c.handle(in)
			if !a.Save {
				c.w.book.checkSpared(in)
			}
			answers = append(answers, answer{to: msg.from, scored: in.Lease, save: a.Save})
		case machine.Beat:
			c.handle(in)
			c.beats = append(c.beats, in)
		case machine.Pause:
			c.handle(in)
		case nil:
		default:
			c.steer(in)
		}
		if msg.asks {
			c.park(seeker{msg.from, msg.has})
		}
	}
	return answers
}

// steer passes on what somebody has said by hand.
func (c *coordinator) steer(in machine.Input) {
	w := c.w
	c.handle(machine.Tick{}) // what time has brought comes before
	change, changes := in.(machine.Reconfigure)
	if changes {
		w.specs = append(w.specs, change.Change.Spec)
		change.Change.Experiment = experiment(len(w.specs) - 1)
		in = change
	}
	before, events := c.m.Fingerprint(), len(c.events)
	refused := c.handle(in).Refused
	if events == 0 {
		w.book.checkAnswer(c.m, in, refused)
	}
	if refused == nil {
		w.book.said = append(w.book.said, in)
		return
	}
	w.tally.Senseless++
	if changes {
		w.specs = w.specs[:len(w.specs)-1]
	}
	if after := c.m.Fingerprint(); len(c.events) != events || after != before {
		w.violate(LawSteered, "%T is refused (%v), and has changed something: %s", in, refused, difference(after, before))
	}
}

// park lets a worker wait for work. What it says last of its memory counts.
func (c *coordinator) park(s seeker) {
	if at := slices.IndexFunc(c.parked, func(p seeker) bool { return p.address == s.address }); at >= 0 {
		c.parked[at] = s
		return
	}
	c.parked = append(c.parked, s)
}

// assign leases waiting segments to waiting workers.
func (c *coordinator) assign() []answer {
	var out []answer
	var idle []seeker
	for k, s := range c.parked {
		in := machine.Ask{Worker: s.name(), Others: len(c.parked) - k - 1 + len(idle), Member: s.has.member, Holds: s.has.segment}
		c.w.book.asks = append(c.w.book.asks, in)
		task := c.handle(in).Task
		if task == nil { // but the next may have what another member needs
			idle = append(idle, s)
			if !c.w.plan.memory && c.m.Waiting() == 0 {
				idle = append(idle, c.parked[k+1:]...)
				break
			}
			continue
		}
		out = append(out, answer{to: s.address, task: task})
	}
	c.parked = idle
	return out
}

// tell sends the answers; it reports whether the process died on the way.
func (c *coordinator) tell(answers []answer) (died bool) {
	for _, a := range answers {
		if c.dies() {
			return true
		}
		if a.to.worker != nil {
			c.w.send(func() { a.to.hear(a) })
		}
	}
	return false
}

func (c *coordinator) handle(in machine.Input) machine.Answer {
	a, events := c.m.Handle(c.w.clock(), in)
	c.events = append(c.events, events...)
	c.w.book.handled()
	return a
}

// commit makes this turn's events durable, all or none, and has them checked.
func (c *coordinator) commit() bool {
	if len(c.events) > 0 {
		rows, err := encode(c.events)
		if err != nil {
			c.w.violate(LawReplay, "an event cannot be written down: %v", err)
			return false
		}
		c.events = c.events[:0]
		c.w.journal.rows = append(c.w.journal.rows, rows...)
		c.w.book.read(rows)
		c.w.book.checkLive(c.m)
	}
	c.w.book.asks = c.w.book.asks[:0]
	for _, b := range c.beats {
		c.w.book.beat(b)
	}
	c.beats = c.beats[:0]
	return len(c.w.violations) == 0
}

// discardUnused deletes what was published for reports that were not taken.
func (c *coordinator) discardUnused(batch []message) (died bool) {
	for _, msg := range batch {
		r, ok := msg.input.(machine.Report)
		if !ok || r.Checkpoint.ID != machine.CheckpointName(r.Segment, r.Lease) || c.m.Keeps(r.Checkpoint.ID) {
			continue
		}
		if c.dies() {
			return true
		}
		c.delete(r.Checkpoint.ID)
	}
	return false
}

func (c *coordinator) deleteGarbage() (died bool) {
	garbage := c.m.Garbage()
	if c.w.broken == keepGarbage {
		return false
	}
	for _, name := range garbage {
		if c.dies() {
			return true
		}
		c.delete(name)
	}
	return false
}

// over tells whether nothing is left to do or wait for.
func (c *coordinator) over() bool {
	switch phase, _ := c.m.Phase(); phase {
	case machine.PhaseEnded:
		return true
	case machine.PhasePaused:
		return c.m.Running() == 0 && c.m.PausedBy() == ""
	}
	return false
}

// setTimer wakes the loop at the next deadline, by the clock as it is now.
func (c *coordinator) setTimer() {
	c.timer++
	at, ok := c.m.NextDeadline()
	if !ok {
		return
	}
	mine := c.timer
	delay := min(max(0, at-c.w.clock()), math.MaxInt64/4) + int64(time.Millisecond)
	c.w.after(delay, func() {
		if c.w.coord == c && c.timer == mine {
			c.turn()
		}
	})
}

// checkDeadline says that a tick leaves nothing overdue: else the loop would spin.
func (c *coordinator) checkDeadline() {
	if at, ok := c.m.NextDeadline(); ok && at <= c.w.clock() {
		c.w.violate(LawLeaseEnds, "after a tick something is still overdue, by %s", time.Duration(c.w.clock()-at))
	}
}

// leave ends the sitting in good order.
func (c *coordinator) leave(reason string) {
	w := c.w
	if w.plan.faults.local {
		for _, wk := range w.workers {
			if in := wk.interrupt(); in != nil && w.d.yes(0.7) {
				c.handle(in)
			}
		}
	}
	c.handle(machine.Close{Reason: reason})
	if c.dies() || !c.commit() || c.dies() || c.deleteGarbage() {
		return
	}
	w.book.checkDisk(c.m)
	w.coord = nil
	w.attend(c.m)
}

// dies tells whether the process is killed right now.
func (c *coordinator) dies() bool {
	if c.w.d.yes(c.w.plan.faults.crash) {
		c.w.kill()
		return true
	}
	return false
}

// kill ends the coordinator's process at once: what is not durable is gone.
func (w *world) kill() {
	w.tally.Crashes++
	w.coord = nil
	w.book.asks, w.book.said = nil, nil
	if w.plan.faults.local {
		for _, wk := range w.workers {
			wk.life++
		}
	}
	w.after(w.d.span(50*time.Millisecond, 10*time.Second), w.start)
}
