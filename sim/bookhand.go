package sim

import (
	"slices"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// What the machine says of segments that are given up by hand.
const (
	whyKilled  = "given up by hand"
	whyRetired = "the member is retired"
)

// said takes the next thing that somebody has said: each that was accepted is
// journalled, in this order, and nothing else is.
func said[T machine.Input](b *book, what string) (in T) {
	if len(b.said) > 0 {
		if next, ok := b.said[0].(T); ok {
			b.said = b.said[1:]
			return next
		}
	}
	b.w.violate(LawSteered, "%s, and nobody has said so", what)
	return in
}

// checkSaid checks at the end of a commit that all that was accepted has happened.
func (b *book) checkSaid() {
	for _, in := range b.said {
		b.w.violate(LawSteered, "%T was accepted, and the journal does not know", in)
	}
	b.said = nil
}

// active is how many members train.
func (b *book) active() int {
	return len(b.members) - b.count(machine.StateDone) - b.count(machine.StateFailed) - b.count(machine.StateRetired)
}

// steered takes in what only a hand brings about.
func (b *book) steered(at int64, body machine.Body) {
	switch e := body.(type) {
	case *machine.Steered:
		in := said[machine.Steer](b, "a member is steered")
		if e.Member != in.Member {
			b.w.violate(LawSteered, "member %d is steered instead of member %d", e.Member, in.Member)
		}
		b.wished(at, e.Member, &in.Wish)
	case *machine.MemberAdded:
		in := said[machine.Inject](b, "a member is added")
		if e.Member != len(b.members) {
			b.w.violate(LawPopulation, "member %d is added to %d", e.Member, len(b.members))
		}
		b.w.tally.Added++
		b.members = append(b.members, person{})
		b.pop.Grow(1)
		b.arrive(at, len(b.members)-1)
		b.wished(at, len(b.members)-1, &in.Wish)
	case *machine.Pinned:
		in := said[machine.Pin](b, "a checkpoint is pinned")
		b.w.tally.Pinned++
		if in.Off {
			b.pins = slices.DeleteFunc(b.pins, func(id int64) bool { return id == in.Segment })
		} else {
			b.pins = append(b.pins, in.Segment)
		}
	case *machine.Resumed:
		b.resumed(at, e)
	}
}

// wished notes what somebody wants of a member. A segment that waits is taken back.
func (b *book) wished(at int64, i int, w *pbt.Wish) {
	p := &b.members[i]
	p.wish = w
	if p.state == machine.StateFailed {
		b.arrive(at, i)
	}
	if p.state == machine.StateWaiting {
		b.w.tally.Replaced++
		b.promised -= b.segment(p.segment).steps
		b.arrive(at, i)
	}
}

func (b *book) held(at int64, e *machine.Paused) {
	said[machine.Hold](b, "the run is paused by hand")
	b.w.tally.Held++
	b.pausedBy, b.pausedAt, b.pausing = e.By, at, b.start()
}

func (b *book) resumed(at int64, e *machine.Resumed) {
	if e.Probe {
		if b.until == 0 || at < b.until {
			b.w.violate(LawPause, "the run is tried again at %d, and was to wait until %d", at, b.until)
		}
	} else {
		said[machine.Resume](b, "the run is resumed by hand")
		b.w.tally.Resumed++
		b.failing, b.doubts, b.diskFull, b.waiting = 0, 0, false, false // a person has looked
	}
	b.until = 0
	b.phase, b.pausedBy = machine.PhaseRunning, ""
	b.rested += at - b.pausedAt
	b.sitting.hidden += int64(b.elapsed(b.pausing))
	for i := range b.members {
		if p := &b.members[i]; p.inMemory(b) {
			p.waitsAt, p.waits = at, b.start()
		}
	}
}

// givenUp checks a failure that is nobody's but a person's.
func (b *book) givenUp(e *machine.Failed) {
	killed, retired := strings.HasPrefix(e.Error, whyKilled), strings.HasPrefix(e.Error, whyRetired)
	if !killed && !retired {
		return
	}
	if e.Fault != machine.FailLost {
		b.w.violate(LawSteered, "segment %d is given up by hand, and blamed: %s", e.Segment, e.Fault)
	}
	if killed {
		b.w.tally.Killed++
		if in := said[machine.Kill](b, "a segment is given up"); in.Member != e.Member {
			b.w.violate(LawSteered, "member %d's segment is given up instead of member %d's", e.Member, in.Member)
		}
	}
}

// retired takes a member out.
func (b *book) retired(e *machine.MemberDone, p *person) {
	if in := said[machine.Retire](b, "a member is retired"); in.Member != e.Member {
		b.w.violate(LawSteered, "member %d is retired instead of member %d", e.Member, in.Member)
	}
	b.w.tally.Retired++
	if p.state != machine.StateWaiting && p.state != machine.StateDeciding {
		b.w.violate(LawOrder, "member %d is retired while it is %s", e.Member, p.state)
	}
	if p.unsaved > 0 {
		b.w.violate(LawHeld, "member %d is retired, and its weights are in the memory of %s only", e.Member, p.holder)
	}
	if p.state == machine.StateWaiting {
		b.promised -= b.segment(p.segment).steps
	}
	p.state, p.wish, p.own = machine.StateRetired, nil, false
	b.pop.Retire(e.Member)
}

// taken is the record that a member takes over with another's weights.
func (b *book) taken(e *machine.Decided) (pbt.Record, bool) {
	if w := b.members[e.Member].wish; w == nil || w.Donor == nil {
		return b.pop.Record(e.Decision.Rival.Member)
	}
	if s := b.segment(e.Decision.Rival.Segment); s != nil && s.outcome != nil {
		return s.record, true
	}
	return pbt.Record{}, false
}

// checkPeers checks whom a decision compares: members with a record of their own,
// of as many as there are, and none that is retired.
func (b *book) checkPeers(e *machine.Decided) {
	d := &e.Decision
	if d.Rival != nil && b.members[d.Rival.Member].state == machine.StateRetired {
		b.w.violate(LawSteered, "segment %d compares with member %d, which is retired", e.Segment, d.Rival.Member)
	}
	own := 0
	for i := range b.members {
		if b.members[i].own {
			own++
		}
	}
	if d.Of > 0 && b.spec.Policy.Window == 0 && d.Of != own && !b.spec.Policy.ComparesFounders() {
		b.w.violate(LawPopulation, "segment %d is decided among %d members; %d have a record of their own", e.Segment, d.Of, own)
	}
	n := len(b.members) - b.count(machine.StateRetired)
	least := b.spec.Policy.MinScored
	if least == 0 {
		least = (n + 1) / 2
	}
	if need := min(max(2, least), n); d.Why == pbt.WhyFewScored && d.Need != need {
		b.w.violate(LawPopulation, "segment %d: %d members with a score are needed, says the decision; of %d it is %d", e.Segment, d.Need, n, need)
	}
}

// checkFulfilled checks that a member does what somebody wishes: exactly that, now,
// and not without a wish.
func (b *book) checkFulfilled(e *machine.Decided) {
	p, d := &b.members[e.Member], &e.Decision
	w := p.wish
	if w == nil || d.Why != pbt.WhySteered && !w.Branch || w.Branch && d.Why != pbt.WhyBranch {
		b.w.violate(LawSteered, "segment %d of member %d is decided because of %q; by the book somebody has a wish: %t", e.Segment, e.Member, d.Why, w != nil)
		return
	}
	if !w.Branch {
		b.w.tally.Steered++
	}
	wrong := func(what string) {
		b.w.violate(LawSteered, "segment %d of member %d is not as somebody wishes: %s (%s from segment %d with %s)", e.Segment, e.Member, what, d.Action, e.Parent, e.Hypers)
	}
	switch {
	case w.Donor != nil:
		b.checkCopied(e, w, wrong)
	case w.Fresh != nil:
		if d.Action != pbt.Restart || e.Parent != 0 {
			wrong("it should begin with fresh weights")
		}
		b.checkDrawn(e, wrong, func(q *pbt.Param) (pbt.Value, bool) { return w.Fresh.Get(q.Name) })
	case w.Restart:
		if d.Action != pbt.Restart || e.Parent != 0 {
			wrong("it should begin with fresh weights")
		}
		b.checkDrawn(e, wrong, func(q *pbt.Param) (pbt.Value, bool) {
			v, has := p.hypers.Get(q.Name)
			return v, has && q.Keep
		})
	default:
		b.checkSet(e, w, wrong)
	}
}

// checkSet: these values, the others as they were, on its own weights.
func (b *book) checkSet(e *machine.Decided, w *pbt.Wish, wrong func(string)) {
	p, d := &b.members[e.Member], &e.Decision
	own := p.record
	if s := b.segment(p.segment); s != nil && s.parent == 0 && s.outcome == nil {
		own = 0 // it was to begin anew, and has not yet
	}
	if d.Action != pbt.Continue || e.Parent != own || d.Rival != nil {
		wrong("it should go on with its own weights")
	}
	for name := range w.Set.All() {
		if _, has := e.Hypers.Get(name); !has {
			wrong("it does not have " + name)
		}
	}
	changes := slices.Clone(d.Changes)
	for name, v := range e.Hypers.All() {
		q, _ := b.spec.Space.Param(name)
		was, had := p.hypers.Get(name)
		want, set := w.Set.Get(name)
		switch {
		case set && v != q.Coerce(want):
			wrong(name + " should be " + want.String())
		case !set && had && v != was:
			wrong(name + " should stay " + was.String())
		}
		changed := slices.IndexFunc(changes, func(c pbt.Change) bool { return c.Name == name && c.From == was && c.To == v })
		if changed >= 0 {
			changes = slices.Delete(changes, changed, changed+1)
		} else if v != was {
			wrong("it does not say how " + name + " changes")
		}
	}
	for name := range p.hypers.All() { // what its parent has switched off may go
		if _, has := e.Hypers.Get(name); !has && b.param(name).When == nil {
			wrong(name + " is gone")
		}
	}
	if len(changes) > 0 {
		wrong("it says that " + changes[0].String())
	}
}

func (b *book) param(name string) *pbt.Param {
	q, _ := b.spec.Space.Param(name)
	return &q
}

// checkCopied: that segment's weights and hyperparameters, but its own where they
// are not inherited.
func (b *book) checkCopied(e *machine.Decided, w *pbt.Wish, wrong func(string)) {
	p, d := &b.members[e.Member], &e.Decision
	s := b.segment(w.Donor.Segment)
	if d.Action != pbt.Copy || d.Inherit != pbt.InheritBoth || e.Parent != w.Donor.Segment || d.Rival == nil || e.From != s.outcome.Step {
		wrong("it should copy segment " + w.Donor.Hypers.String())
		return
	}
	if r := d.Rival; r.Member != s.member || r.Segment != e.Parent || !sameScore(r.Score, s.outcome.Score) || r.Step != s.outcome.Step {
		wrong("it names another donor")
	}
	if w.Branch {
		b.checkVaried(e, w, wrong)
		return
	}
	if len(b.spec.Space.Constraints()) > 0 && e.Hypers.Equal(s.hypers) {
		return // a mixture of two members' values may violate the constraints; the donor's do not
	}
	for name, v := range e.Hypers.All() {
		from := s.hypers
		if b.param(name).Keep {
			from = p.hypers
		}
		if want, has := from.Get(name); has && v != want {
			wrong(name + " should be " + want.String())
		}
	}
}

// checkDrawn: what is given, and for the rest what this member's draws come to.
func (b *book) checkDrawn(e *machine.Decided, wrong func(string), given func(q *pbt.Param) (pbt.Value, bool)) {
	if len(b.spec.Space.Constraints()) > 0 {
		return // what is drawn depends on what is given; checkPlan has checked the constraints
	}
	drawn := b.spec.Space.Draw(b.spec.Seed, e.Member, e.Turn)
	for name, v := range e.Hypers.All() {
		q := b.param(name)
		if want, ok := given(q); ok {
			if v != q.Coerce(want) {
				wrong(name + " should be " + want.String())
			}
		} else if want, has := drawn.Get(name); has && v != want {
			wrong(name + " should be drawn as " + want.String())
		}
	}
}

// checkHand compares what the machine says of a hand with the book.
func (b *book) checkHand(m *machine.Machine) {
	if by := m.PausedBy(); by != b.pausedBy {
		b.w.violate(LawSteered, "the run is paused by %q; by the book by %q", by, b.pausedBy)
	}
	if worked := b.worked + b.pausedAt - b.openedAt - b.rested; b.pausedBy != "" && m.Worked(b.w.clock()) != time.Duration(worked) {
		b.w.violate(LawSteered, "the run is paused, and has worked %s; by the book %s", m.Worked(b.w.clock()), time.Duration(worked))
	}
	for i := range b.segments {
		if id := int64(i + 1); m.Pinned(id) != slices.Contains(b.pins, id) {
			b.w.violate(LawSteered, "segment %d is pinned: %t; by the book that is wrong", id, m.Pinned(id))
		}
	}
}

// answer says what somebody should hear.
type verdict uint8

const (
	either verdict = iota
	yes
	no
)

func only(ok bool) verdict {
	if ok {
		return yes
	}
	return no
}

// checkAnswer checks that what makes sense is accepted and that nothing else is. The
// book has read all that has happened.
func (b *book) checkAnswer(m *machine.Machine, in machine.Input, refused error) {
	want := b.expect(m, in)
	if want == yes && refused != nil || want == no && refused == nil {
		b.w.violate(LawSteered, "%T %+v is answered with %v, which the book does not understand", in, in, refused)
	}
}

func (b *book) expect(m *machine.Machine, in machine.Input) verdict {
	switch in := in.(type) {
	case machine.Hold:
		return only(b.phase == machine.PhaseRunning)
	case machine.Resume:
		return only(b.pausedBy != "")
	case machine.Kill:
		return only(b.trains(in.Member) && b.members[in.Member].state == machine.StateRunning)
	case machine.Retire:
		return only(b.trains(in.Member) && b.active() > 1)
	case machine.Steer:
		revives := b.goesOn() && in.Member >= 0 && in.Member < len(b.members) && b.members[in.Member].state == machine.StateFailed && in.Wish.Set.Len() == 0
		if !b.trains(in.Member) && !revives {
			return no
		}
		p := &b.members[in.Member]
		if p.segment == 0 && in.Wish.Set.Len() > 0 {
			return no // it has not begun
		}
		return b.sense(m, &in.Wish, p.hypers)
	case machine.Inject:
		if !b.goesOn() || in.Wish.Donor == nil && in.Wish.Fresh == nil {
			return no
		}
		return b.sense(m, &in.Wish, pbt.Hypers{})
	case machine.Pin:
		if in.Off || slices.Contains(b.pins, in.Segment) {
			return only(in.Off && slices.Contains(b.pins, in.Segment))
		}
		return b.kept(m, in.Segment)
	case machine.Reconfigure:
		s := &in.Change.Spec
		return only(s.Population == b.spec.Population && s.Seed == b.spec.Seed && s.Goal == b.spec.Goal && s.Segment > 0)
	}
	return no
}

func (b *book) goesOn() bool {
	return b.phase == machine.PhaseRunning || b.phase == machine.PhasePaused
}

// trains tells whether there is such a member, and it may train on.
func (b *book) trains(i int) bool {
	if i < 0 || i >= len(b.members) || !b.goesOn() {
		return false
	}
	switch b.members[i].state {
	case machine.StateDone, machine.StateFailed, machine.StateRetired:
		return false
	}
	return true
}

// kept tells whether a segment's checkpoint can be pinned or copied.
func (b *book) kept(m *machine.Machine, id int64) verdict {
	s := b.segment(id)
	if s == nil || s.outcome == nil || !s.saved() {
		return no
	}
	needed := false
	b.needed(func(wanted int64, _ string) { needed = needed || wanted == id })
	if needed {
		return yes
	}
	if len(b.w.specs) == 1 && !b.spec.Keep.Lineage && !b.spec.Keep.Everything {
		return no
	}
	return only(m.Keeps(s.outcome.Checkpoint.ID))
}

// sense tells whether a wish can be fulfilled.
func (b *book) sense(m *machine.Machine, w *pbt.Wish, own pbt.Hypers) verdict {
	parts := 0
	for _, has := range []bool{w.Donor != nil, w.Fresh != nil, w.Restart, w.Set.Len() > 0} {
		if has {
			parts++
		}
	}
	switch {
	case parts != 1:
		return no
	case w.Donor != nil:
		if w.From < 0 || w.From >= len(b.members) || !w.Donor.Saved {
			return no
		}
		return b.kept(m, w.Donor.Segment)
	case w.Fresh != nil:
		_, err := b.spec.Space.Complete(*w.Fresh, 0, 0, 0)
		return only(err == nil)
	case w.Restart:
		return yes
	}
	return b.senseOfSet(w.Set, own)
}

// senseOfSet puts the values in and asks the space. Where one switches others on or
// off, the book does not know.
func (b *book) senseOfSet(set, own pbt.Hypers) verdict {
	for name, v := range set.All() {
		q, known := b.spec.Space.Param(name)
		if _, has := own.Get(name); !known || !has && q.When == nil {
			return no
		}
		if q.When != nil || name == "opt" {
			return either
		}
		own = own.With(name, q.Coerce(v))
	}
	return only(b.spec.Space.Check(own) == nil)
}
