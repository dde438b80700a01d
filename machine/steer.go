package machine

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
)

// Steering: what a person wants of a run while it goes on. It is an input like any
// other, journalled, replayed and verified; what makes no sense is refused with a
// reason, and changes nothing.

// Hold pauses a run: no more segments are handed out until Resume. Those at work
// finish.
type Hold struct{ By, Reason string }

// Resume lets a run go on that was paused by Hold.
type Resume struct{ By string }

// Kill gives up a member's segment. It is trained again, and nobody is blamed.
type Kill struct {
	Member int
	By     string
}

// Steer wants something of a member's next segment.
type Steer struct {
	Member int
	Wish   pbt.Wish
	By     string
}

// Inject adds a member. Wish is how it begins: fresh weights, or a record's.
type Inject struct {
	Wish pbt.Wish
	By   string
}

// Retire lets a member train no more. It is neither copied nor compared with.
type Retire struct {
	Member int
	By     string
}

// Pin keeps a segment's checkpoint, whatever the rules of keeping say, until it is
// unpinned.
type Pin struct {
	Segment int64
	Off     bool
	By      string
}

// Reconfigure changes settings while the run goes on.
type Reconfigure struct {
	Change Change
	By     string
}

func (Hold) input()        {}
func (Resume) input()      {}
func (Kill) input()        {}
func (Steer) input()       {}
func (Inject) input()      {}
func (Retire) input()      {}
func (Pin) input()         {}
func (Reconfigure) input() {}

// ReasonRetired is the reason of member_done for a member that was retired by hand.
const ReasonRetired = "retired"

// steer handles an input of a person; ok is false for any other.
func (m *Machine) steer(now int64, in Input) (err error, ok bool) {
	switch in := in.(type) {
	case Hold:
		err = m.holdBy(now, in)
	case Resume:
		if m.phase != PhasePaused || m.pausedBy == "" {
			return errors.New("the run is not paused by hand"), true
		}
		m.emit(now, &Resumed{By: in.By})
	case Kill:
		err = m.kill(now, in)
	case Steer:
		err = m.wish(now, in)
	case Inject:
		err = m.inject(now, in)
	case Retire:
		err = m.retire(now, in)
	case Pin:
		err = m.pin(now, in)
	case Reconfigure:
		if err = m.checkChange(&in.Change.Spec); err == nil {
			m.emit(now, &SpecChanged{Experiment: in.Change.Experiment, Changed: in.Change.Paths, By: in.By, spec: &in.Change.Spec})
		}
	default:
		return nil, false
	}
	return err, true
}

func (m *Machine) holdBy(now int64, in Hold) error {
	if m.phase != PhaseRunning {
		return fmt.Errorf("the run is %s: there is nothing to pause", m.phase)
	}
	reason, by := in.Reason, in.By
	if reason == "" {
		reason = "paused by hand"
	}
	if by == "" {
		by = "somebody"
	}
	m.emit(now, &Paused{Reason: writable(reason), By: writable(by)})
	return nil
}

// checkChange refuses what the journal would refuse to hold.
func (m *Machine) checkChange(spec *Spec) error {
	if m.phase == PhaseNew {
		return errors.New("the run has not started")
	}
	if err := spec.Validate(); err != nil {
		return err
	}
	if spec.Population != m.spec.Population || spec.Seed != m.spec.Seed || spec.Goal != m.spec.Goal {
		return errors.New("population, seed and goal cannot change; inject or retire members instead")
	}
	return nil
}

// steerable is the member that a person means, if it trains.
func (m *Machine) steerable(i int) (*member, error) {
	if i < 0 || i >= len(m.members) {
		return nil, fmt.Errorf("there is no member %d: the run has members 0 to %d", i, len(m.members)-1)
	}
	mem := &m.members[i]
	switch {
	case m.phase != PhaseRunning && m.phase != PhasePaused:
		return nil, fmt.Errorf("the run is %s", m.phase)
	case mem.state == StateDone || mem.state == StateFailed || mem.state == StateRetired:
		return nil, fmt.Errorf("member %d is %s: it trains no more", i, mem.state)
	}
	return mem, nil
}

func (m *Machine) kill(now int64, in Kill) error {
	mem, err := m.steerable(in.Member)
	if err != nil {
		return err
	}
	if mem.state != StateRunning {
		return fmt.Errorf("member %d is %s: no segment of it is being trained", in.Member, mem.state)
	}
	m.failed(now, in.Member, FailLost, byWhom("given up by hand", in.By))
	return nil
}

func byWhom(what, by string) string {
	if by == "" {
		return what
	}
	return what + " (" + by + ")"
}

func (m *Machine) wish(now int64, in Steer) error {
	mem, err := m.steerable(in.Member)
	if failed := in.Member >= 0 && in.Member < len(m.members) && m.members[in.Member].state == StateFailed; failed && in.Wish.Set.Len() == 0 &&
		(m.phase == PhaseRunning || m.phase == PhasePaused) {
		mem, err = &m.members[in.Member], nil // it is revived
	}
	if err != nil {
		return err
	}
	if mem.plan.segment == 0 && in.Wish.Set.Len() > 0 {
		return fmt.Errorf("member %d has not begun: say how it begins, with fresh weights or a segment's", in.Member)
	}
	if err := m.checkWish(&in.Wish, mem.plan.hypers); err != nil {
		return err
	}
	m.emit(now, steered(in.Member, &in.Wish, in.By))
	return nil
}

func (m *Machine) checkWish(w *pbt.Wish, own pbt.Hypers) error {
	if w.Donor != nil {
		if w.From < 0 || w.From >= len(m.members) {
			return fmt.Errorf("segment %d is no member's: there is no member %d", w.Donor.Segment, w.From)
		}
		if name, kept := m.NeedsCheckpoint(w.Donor.Segment); !kept || name == "" {
			return fmt.Errorf("the checkpoint of segment %d is no longer kept: pin what you may want to copy later", w.Donor.Segment)
		}
	}
	return w.Check(m.space, own)
}

func (m *Machine) inject(now int64, in Inject) error {
	switch {
	case m.phase != PhaseRunning && m.phase != PhasePaused:
		return fmt.Errorf("the run is %s", m.phase)
	case len(m.members) >= MaxPopulation:
		return fmt.Errorf("a run has at most %d members", MaxPopulation)
	case in.Wish.Donor == nil && in.Wish.Fresh == nil:
		return errors.New("a new member begins with fresh weights or with a segment's")
	}
	if err := m.checkWish(&in.Wish, pbt.Hypers{}); err != nil {
		return err
	}
	e := steered(len(m.members), &in.Wish, in.By)
	m.emit(now, &MemberAdded{Steered: *e})
	return nil
}

func (m *Machine) retire(now int64, in Retire) error {
	mem, err := m.steerable(in.Member)
	if err != nil {
		return err
	}
	if m.active() == 1 {
		return fmt.Errorf("member %d is the last one that trains: stop the run instead", in.Member)
	}
	if mem.state == StateRunning {
		m.failed(now, in.Member, FailLost, byWhom("the member is retired", in.By))
	}
	if mem.held() {
		m.rollBack(now, in.Member, byWhom("the member is retired", in.By))
	}
	m.emit(now, &MemberDone{Member: in.Member, Reason: ReasonRetired})
	return nil
}

func (m *Machine) pin(now int64, in Pin) error {
	switch name, kept := m.NeedsCheckpoint(in.Segment); {
	case in.Off && !m.keep.pinned(in.Segment):
		return fmt.Errorf("segment %d is not pinned", in.Segment)
	case in.Off:
	case m.keep.pinned(in.Segment):
		return fmt.Errorf("segment %d is pinned already", in.Segment)
	case !kept || name == "":
		return fmt.Errorf("segment %d has no checkpoint, or it is no longer kept", in.Segment)
	}
	m.emit(now, &Pinned{Segment: in.Segment, Off: in.Off, By: writable(in.By)})
	return nil
}

// steered is a wish as an event.
func steered(i int, w *pbt.Wish, by string) *Steered {
	e := &Steered{Member: i, Verb: VerbSet, By: writable(by)}
	switch {
	case w.Donor != nil:
		e.Verb, e.Segment = VerbCopy, w.Donor.Segment
		e.Donor = &DonorRecord{
			Member: w.From, Segment: w.Donor.Segment, Score: w.Donor.Score, Step: w.Donor.Step, Hypers: w.Donor.Hypers, Samples: w.Donor.Samples,
		}
	case w.Fresh != nil:
		e.Verb, e.Hypers = VerbFresh, w.Fresh
	case w.Restart:
		e.Verb = VerbRestart
	case w.Set.Len() == 0 && !w.Branch:
		e.Verb = VerbRetry
	default:
		e.Hypers = &w.Set
	}
	return e
}

// asWish is the wish that an event holds.
func (e *Steered) asWish() *pbt.Wish {
	w := &pbt.Wish{}
	switch e.Verb {
	case VerbCopy:
		d := e.Donor
		w.From = d.Member
		w.Donor = &pbt.Record{Segment: d.Segment, Score: d.Score, Samples: d.Samples, Step: d.Step, Hypers: d.Hypers, Saved: true}
	case VerbFresh:
		w.Fresh = e.Hypers
	case VerbRestart:
		w.Restart = true
	case VerbRetry:
	default:
		w.Set = *e.Hypers
	}
	return w
}

// check guards a replay against events that nobody has written.
func (e *Steered) check() error {
	switch e.Verb {
	case VerbSet, VerbCopy, VerbFresh, VerbRestart, VerbRetry:
	default:
		return fmt.Errorf("there is no wish %q", e.Verb)
	}
	if (e.Verb == VerbCopy) != (e.Donor != nil) || (e.Verb == VerbSet || e.Verb == VerbFresh) != (e.Hypers != nil) {
		return fmt.Errorf("a wish %q lacks what it needs", e.Verb)
	}
	return nil
}

func (m *Machine) applySteered(at int64, e *Steered) error {
	if err := e.check(); err != nil {
		return err
	}
	mem := &m.members[e.Member]
	if e.Verb == VerbCopy && e.Donor.Segment > m.segments {
		return fmt.Errorf("member %d is to copy segment %d, which is not planned yet", e.Member, e.Donor.Segment)
	}
	if e.Verb == VerbCopy {
		m.keep.need(e.Donor.Segment) // before it is dropped: it may be the same again
	}
	m.forgetWish(mem)
	mem.wish = e.asWish()
	switch mem.state {
	case StateWaiting:
		m.unplan(at, e.Member)
	case StateFailed:
		m.revive(at, e.Member)
	}
	return nil
}

// revive lets a member decide again that has failed. It has what is left of its budget.
func (m *Machine) revive(at int64, i int) {
	m.counts.done--
	m.startDeciding(at, i)
	if m.phase == PhaseEnded || m.phase == PhaseEnding {
		m.phase, m.reason = PhaseRunning, ""
	}
}

// reviveAll lets all members that have failed try their segment again.
func (m *Machine) reviveAll(now int64) {
	for i := range m.members {
		if m.members[i].state == StateFailed {
			m.emit(now, &Steered{Member: i, Verb: VerbRetry, By: "pbt resume --retry-failed"})
		}
	}
}

// weights is the segment whose weights a member goes on with if nobody's are copied;
// 0 if it was to begin with fresh ones, and has not yet.
func (mem *member) weights() int64 {
	if mem.plan.parent == 0 && mem.plan.segment != mem.record {
		return 0
	}
	return mem.record
}

// forgetWish is for a wish that is fulfilled, or replaced.
func (m *Machine) forgetWish(mem *member) {
	if mem.wish != nil && mem.wish.Donor != nil {
		m.keep.drop(mem.wish.Donor.Segment)
	}
	mem.wish = nil
}

// unplan takes a planned segment back that waits for a worker: the member decides anew.
func (m *Machine) unplan(at int64, i int) {
	mem := &m.members[i]
	m.dequeue(i)
	m.promised -= mem.plan.steps
	m.keep.drop(mem.plan.parent)
	m.startDeciding(at, i)
}

func (m *Machine) applyAdded(at int64, e *MemberAdded) error {
	if e.Member != len(m.members) {
		return fmt.Errorf("member %d is added to %d", e.Member, len(m.members))
	}
	if e.Verb != VerbCopy && e.Verb != VerbFresh {
		return fmt.Errorf("a new member cannot begin with %q", e.Verb)
	}
	m.members = append(m.members, member{})
	m.pop.Grow(1)
	m.startDeciding(at, e.Member)
	return m.applySteered(at, &e.Steered)
}

func (m *Machine) applyPinned(e *Pinned) error {
	if e.Off {
		if !m.keep.pinned(e.Segment) {
			return fmt.Errorf("segment %d is unpinned, and was not pinned", e.Segment)
		}
		m.keep.unpin(e.Segment)
		return nil
	}
	if m.keep.nodes[e.Segment] == nil || m.keep.pinned(e.Segment) {
		return fmt.Errorf("segment %d is pinned, and has no checkpoint, or is pinned already", e.Segment)
	}
	m.keep.pin(e.Segment)
	return nil
}

func (m *Machine) applyPaused(at int64, e *Paused) {
	m.phase, m.reason = PhasePaused, e.Reason
	m.pausedBy, m.pausedAt = e.By, at
	m.applyOutage(at, e)
	m.watchLeases()
}

// applyResumed lets the time of the pause count as none: neither as work nor as
// waiting for a worker, who was given nothing.
func (m *Machine) applyResumed(at int64, e *Resumed) error {
	if m.phase != PhasePaused || m.pausedBy == "" {
		return errors.New("the run is resumed, and was not paused by hand")
	}
	for _, i := range m.bound.list {
		m.members[i].waits = at
	}
	defer m.watchLeases()
	m.worked -= at - m.pausedAt
	m.phase, m.reason, m.pausedBy = PhaseRunning, "", ""
	m.outage.until = 0
	if !e.Probe { // a person has looked
		m.failing, m.doubts, m.outage = 0, 0, outage{}
	}
	return nil
}
