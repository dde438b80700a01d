package sim

import (
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// pilot is somebody who steers the run while it goes on: at random instants, with
// sense and without. It draws from addresses of its own.
type pilot struct {
	w     *world
	d     dice
	added int // members
	more  int // budgets
}

// Limits of what one pilot does to a run, so that it comes to its end.
const (
	maxAdded = 6
	maxMore  = 3
)

func newPilot(w *world, seed uint64) *pilot { return &pilot{w: w, d: newDice(seed, "pilot")} }

// begin puts the first thing it does on the agenda.
func (h *pilot) begin() {
	if h.w.plan.faults.steer > 0 {
		h.w.after(h.d.span(time.Millisecond, 2*time.Second), h.act)
	}
}

// act says something, or several things at once, and comes back later.
func (h *pilot) act() {
	w := h.w
	if w.quiet { // what it has paused it lets go on
		if w.book.pausedBy != "" {
			h.say(machine.Resume{By: h.name()})
		}
		w.after(int64(time.Second), h.act)
		return
	}
	times := 1
	if h.d.yes(0.2) {
		times = int(h.d.whole(2, 5))
	}
	for range times {
		h.say(h.input())
	}
	pause := time.Duration(float64(time.Second) / w.plan.faults.steer)
	w.after(h.d.span(pause/10, 3*pause), h.act)
}

func (h *pilot) say(in machine.Input) {
	if h.w.coord != nil && in != nil {
		h.w.coord.receive(message{input: in})
	}
}

// name is somebody's name, or what a program takes for one.
func (h *pilot) name() string { return one(h.d, "me", "the \"night\" shift", "zoë", "caf\xe9") }

func (h *pilot) input() machine.Input {
	b := h.w.book
	if b.pausedBy != "" && h.d.yes(0.5) {
		return machine.Resume{By: h.name()}
	}
	kinds := 16
	if h.w.plan.faults.gentle { // what changes no decision
		kinds = 5
	}
	switch h.d.n(kinds) {
	case 0, 1:
		return machine.Hold{By: one(h.d, "", h.name()), Reason: one(h.d, "", "a demonstration", "\xff")}
	case 2:
		return machine.Resume{By: h.name()}
	case 3:
		return machine.Kill{Member: h.member(), By: h.name()}
	case 4:
		return h.pin()
	case 5:
		return h.retire()
	case 6, 7:
		return h.inject()
	case 8, 9:
		return h.reconfigure()
	}
	i := h.member()
	return machine.Steer{Member: i, Wish: h.wish(i), By: h.name()}
}

// member is somebody, or nobody.
func (h *pilot) member() int {
	n := len(h.w.book.members)
	if h.d.yes(0.05) {
		return int(h.d.whole(-2, int64(n)+2))
	}
	return h.d.n(n)
}

// segment is one of those that have been trained, or any number.
func (h *pilot) segment() int64 {
	b := h.w.book
	id := int64(h.d.n(len(b.segments) + 2))
	if s := b.segment(id); (s == nil || s.outcome == nil) && h.d.yes(0.7) {
		return b.members[h.d.n(len(b.members))].record
	}
	return id
}

func (h *pilot) pin() machine.Input {
	in := machine.Pin{Segment: h.segment(), By: h.name()}
	if pins := h.w.book.pins; len(pins) > 0 && h.d.yes(0.5) {
		in.Segment, in.Off = one(h.d, pins...), h.d.yes(0.9)
	} else if h.d.yes(0.1) {
		in.Off = true
	}
	return in
}

func (h *pilot) retire() machine.Input {
	if h.d.yes(0.4) {
		return nil // they are to be missed
	}
	return machine.Retire{Member: h.member(), By: h.name()}
}

func (h *pilot) inject() machine.Input {
	if h.added++; h.added > maxAdded {
		return nil
	}
	var w pbt.Wish
	switch {
	case h.d.yes(0.45):
		w = h.copy()
	case h.d.yes(0.8):
		w.Fresh = h.fresh()
	default:
		w = h.wish(0) // which need not be how a member begins
	}
	return machine.Inject{Wish: w, By: h.name()}
}

// wish is something that a person may want of a member, or that makes no sense.
func (h *pilot) wish(i int) pbt.Wish {
	switch h.d.n(10) {
	case 0, 1, 2:
		return pbt.Wish{Set: h.some(i)}
	case 3, 4, 5:
		return h.copy()
	case 6:
		return pbt.Wish{Restart: true}
	case 7:
		return pbt.Wish{Fresh: h.fresh()}
	case 8:
		return pbt.Wish{Set: h.spoil(h.some(i))}
	}
	w := h.copy() // two things at once, or none
	w.Restart = h.d.yes(0.5)
	if h.d.yes(0.5) {
		w.Donor = nil
	}
	return w
}

// some are values for some of a member's hyperparameters.
func (h *pilot) some(i int) pbt.Hypers {
	var out, own pbt.Hypers
	b := h.w.book
	if i >= 0 && i < len(b.members) {
		own = b.members[i].hypers
	}
	for name, v := range b.spec.Space.Draw(h.d.r.Uint64(), 0, 0).All() {
		if _, has := own.Get(name); (has || h.d.yes(0.1)) && h.d.yes(0.5) {
			out = out.With(name, h.write(v))
		}
	}
	return out
}

// write is a number as a person may write it: 1 instead of 1.0.
func (h *pilot) write(v pbt.Value) pbt.Value {
	if x, ok := v.Float(); ok && v.Kind() == pbt.KindFloat && h.d.yes(0.1) {
		return pbt.Int(int64(x))
	}
	return v
}

// spoil makes one of the values impossible, or adds one of nothing.
func (h *pilot) spoil(given pbt.Hypers) pbt.Hypers {
	bad := one(h.d, pbt.Float(1e300), pbt.Int(-1<<40), pbt.Text("?"))
	if given.Len() == 0 || h.d.yes(0.3) {
		return given.With("no such thing", bad)
	}
	for name := range given.All() {
		given = given.With(name, bad)
		break
	}
	return given
}

// fresh are first values, of which some or all are left open.
func (h *pilot) fresh() *pbt.Hypers {
	var out pbt.Hypers
	for name, v := range h.w.book.spec.Space.Draw(h.d.r.Uint64(), 0, 0).All() {
		if h.d.yes(0.5) {
			out = out.With(name, h.write(v))
		}
	}
	if h.d.yes(0.1) {
		out = h.spoil(out)
	}
	return &out
}

// copy wants a segment's weights, which need not be there.
func (h *pilot) copy() pbt.Wish {
	id := h.segment()
	s := h.w.book.segment(id)
	if s == nil || s.outcome == nil {
		return pbt.Wish{Donor: &pbt.Record{Segment: id, Saved: true}}
	}
	r := s.record
	w := pbt.Wish{Donor: &r, From: s.member}
	if h.d.yes(0.05) {
		w.From = one(h.d, -1, 1000)
	}
	return w
}

func (h *pilot) reconfigure() machine.Input {
	s := h.w.book.spec
	c := machine.Change{Experiment: []byte("nonsense"), Paths: []string{"by hand"}}
	switch h.d.n(9) {
	case 0:
		h.budget(&s)
	case 1:
		s.Retries = int(h.d.whole(0, 3))
	case 2:
		s.Policy.Exploit = drawPolicy(h.d, s.Segment).Exploit
		if h.d.yes(0.2) && s.Policy.Inherit == pbt.InheritBoth && (s.Budget.Steps > 0 || s.Budget.Total > 0) {
			s.Policy.Exploit = drawFounders(h.d)
		}
	case 3:
		s.Policy.Explore = drawPolicy(h.d, s.Segment).Explore
	case 4:
		s.Policy.Repair, s.Policy.MinScored = drawPolicy(h.d, s.Segment).Repair, h.d.n(12)
	case 5:
		s.Policy.Barrier = drawPolicy(h.d, s.Segment).Barrier
	case 6:
		s.SaveEvery = drawSaving(h.d)
	case 7:
		s.Keep = drawKeep(h.d, len(h.w.book.members))
		if s.Keep.Bytes > 0 {
			s.Keep.Bytes += h.w.book.spec.Keep.Bytes
		}
	case 8:
		h.nonsense(&s)
	}
	c.Spec = s
	return machine.Reconfigure{Change: c, By: h.name()}
}

// budget allows more, or less.
func (h *pilot) budget(s *machine.Spec) {
	if h.d.yes(0.4) { // less, down to what is spent already
		if s.Budget.Steps > 1 {
			s.Budget.Steps = h.d.whole(1, s.Budget.Steps)
		}
		if s.Budget.Total > 1 {
			s.Budget.Total = h.d.whole(1, s.Budget.Total)
		}
		return
	}
	if h.more++; h.more <= maxMore {
		target := s.Budget.Target
		s.Budget = enlarge(h.d, *s).Budget
		if s.Budget.Target == nil {
			s.Budget.Target = target
		}
	}
}

// nonsense cannot be changed, or to nothing that makes sense.
func (h *pilot) nonsense(s *machine.Spec) {
	switch h.d.n(4) {
	case 0:
		s.Population++
	case 1:
		s.Seed++
	case 2:
		s.Goal = pbt.Maximize + pbt.Minimize - s.Goal
	case 3:
		s.Segment = 0
	}
}
