package machine

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// adoption is a copy that takes place once everybody at the barrier has decided.
type adoption struct {
	member  int
	record  pbt.Record
	takes   bool // weights; else it only stops being a founder
	departs bool
}

// Apply changes the state by one event. It fails on events that no run of this
// spec can have had: the journal was altered, or belongs to another experiment.
func (m *Machine) Apply(e Event) error {
	if e.At < m.now {
		return fmt.Errorf("the event's time %d is before the last one's, %d", e.At, m.now)
	}
	if (m.phase == PhaseNew) != (e.Body.Kind() == KindRunStarted) {
		return errors.New("a journal begins with run_started, and has it once")
	}
	if _, i := e.Body.Subject(); i < NoMember || i >= len(m.members) {
		return fmt.Errorf("%s: there is no member %d", e.Body.Kind(), i)
	}
	before := m.now
	m.now = e.At
	switch b := e.Body.(type) {
	case *RunStarted:
		m.phase, m.openedAt, m.origin = PhaseRunning, e.At, b.Origin
		return nil
	case *Opened:
		m.applyOpened(before, e.At)
		m.accept(b.Accepted)
		m.applyCharge(b)
	case *SpecChanged:
		return m.applySpec(b)
	case *Decided:
		return m.applyDecided(e.At, b)
	case *Leased:
		return m.applyLeased(e.At, b)
	case *Finished:
		return m.applyFinished(e.At, b)
	case *Failed:
		return m.applyFailed(e.At, b)
	case *Refused:
		m.counts.Refused++
	case *RolledBack:
		return m.applyRolledBack(e.At, b)
	case *MemberDone:
		return m.applyDone(b)
	case *Ending:
		m.phase, m.reason = PhaseEnding, b.Reason
	case *RunEnded:
		m.phase, m.reason = PhaseEnded, b.Reason
	case *Paused:
		m.applyPaused(e.At, b)
	case *Resumed:
		return m.applyResumed(e.At, b)
	case *Steered:
		return m.applySteered(e.At, b)
	case *MemberAdded:
		return m.applyAdded(e.At, b)
	case *Pinned:
		return m.applyPinned(b)
	case *Probing:
		return m.applyProbing(e.At, b)
	case *Probed:
		return m.applyProbed(e.At, b)
	case *Recovered:
		m.outage, m.failing, m.doubts = outage{}, 0, 0
	case *Closed:
	}
	return nil
}

func (m *Machine) applyOpened(before, at int64) {
	m.worked += before - m.openedAt
	if m.phase == PhasePaused && m.pausedBy != "" {
		m.worked -= before - m.pausedAt
	}
	m.pausedBy = ""
	m.openedAt = at
	m.counts.Opens++
	for _, i := range m.leased.sorted(&m.batch) {
		mem := &m.members[i]
		mem.state, mem.lease = StateWaiting, lease{}
		mem.lost++
		m.counts.Lost++
		m.leased.remove(i)
		m.enqueue(i)
	}
	m.trial.lease = 0
	m.endProbe()
	m.failing, m.doubts, m.sitting, m.outage = 0, 0, sitting{}, outage{}
	if m.phase == PhasePaused {
		m.phase, m.reason = PhaseRunning, ""
	}
}

// applyCharge takes a person's word for whose fault the failures are that wait for
// evidence.
func (m *Machine) applyCharge(b *Opened) {
	for i := range m.members {
		if p := &m.members[i].plan; b.Charge && p.suspect {
			p.vouched = true
		}
	}
}

func (m *Machine) applySpec(b *SpecChanged) error {
	spec := b.spec
	if spec == nil {
		if m.specOf == nil {
			return errors.New("the run's settings were changed, and there is no way to read them here")
		}
		s, err := m.specOf(b.Experiment)
		if err != nil {
			return fmt.Errorf("the changed settings: %w", err)
		}
		spec = &s
	}
	if spec.Population != m.spec.Population || spec.Seed != m.spec.Seed || spec.Goal != m.spec.Goal {
		return errors.New("population, seed and goal cannot change")
	}
	m.setSpec(*spec)
	m.trimBest()
	for i := range m.members {
		mem := &m.members[i]
		if mem.state == StateDone && !mem.ended && m.grant(i, 0) > 0 {
			m.counts.done--
			m.startDeciding(m.now, i)
		}
	}
	if m.phase == PhaseEnded || m.phase == PhaseEnding {
		m.phase, m.reason = PhaseRunning, ""
	}
	return nil
}

func (m *Machine) applyDecided(_ int64, b *Decided) error {
	if b.Decision.Why == pbt.WhyBranch && b.Decision.Action == pbt.Begin {
		return m.applyBranch(b)
	}
	mem := &m.members[b.Member]
	if b.Segment != m.segments+1 {
		return fmt.Errorf("segment %d follows segment %d", b.Segment, m.segments)
	}
	if b.Decision.Action != pbt.Begin && mem.state != StateDeciding {
		return fmt.Errorf("member %d is decided on while it is %s", b.Member, mem.state)
	}
	m.segments = b.Segment
	m.promised += b.Steps
	m.deciding.remove(b.Member)
	d := &b.Decision
	if d.TakesWeights() {
		if err := m.adopt(b.Member, d); err != nil {
			return err
		}
	} else if d.Departs() && mem.plan.segment != 0 {
		m.adopting = append(m.adopting, adoption{member: b.Member, departs: true})
	}
	if mem.plan.segment != 0 && !d.Departs() && m.pop.Founder(b.Member) && !b.Hypers.Equal(mem.plan.hypers) {
		m.varied = true
	}
	if d.WasReady() {
		mem.readyAt = mem.spent
	}
	if d.Copies() || d.Action == pbt.Restart {
		mem.copiedAt = mem.spent
	}
	if d.Action != pbt.Restart || mem.plan.segment != 0 { // else a member begins that was added
		m.count(d.Action)
	}
	mem.state, mem.broken, mem.ended = StateWaiting, false, false
	wish := mem.wish
	mem.plan = plan{segment: b.Segment, turn: b.Turn, parent: b.Parent, from: b.From, steps: b.Steps, hypers: b.Hypers}
	if holds(LawCheckpointHeld) {
		m.keep.need(b.Parent)
	}
	if b.Parent == 0 {
		m.forgetBase(b.Member)
	}
	if wish != nil {
		m.forgetWish(mem) // its donor is needed by the plan now
	}
	if b.Open == 0 {
		m.flushAdoptions()
	}
	m.enqueue(b.Member)
	return nil
}

// enqueue lets a member wait for a worker: for any, for the one that holds its
// weights, or for evidence whose fault its failure was.
func (m *Machine) enqueue(i int) {
	mem := &m.members[i]
	if !mem.goesOnInMemory() || !holds(LawHeld) {
		if mem.plan.suspect {
			m.suspects.add(i)
		} else {
			m.queue.push(m.turn(i))
		}
		return
	}
	m.bound.add(i)
	mem.waits = m.now
	m.due = min(m.due, m.holdEnds(i))
}

// dequeue ends a member's wait.
func (m *Machine) dequeue(i int) {
	if m.queue.has(i) {
		m.queue.remove(i)
	}
	m.bound.remove(i)
	m.suspects.remove(i)
}

func (m *Machine) count(a pbt.Action) {
	switch a {
	case pbt.Copy:
		m.counts.Copies++
	case pbt.Mend:
		m.counts.Repairs++
	case pbt.Restart:
		m.counts.Restarts++
	}
}

// adopt notes that a member will stand with its donor's record. A repair that
// falls back on the member's own record needs nothing.
func (m *Machine) adopt(i int, d *pbt.Decision) error {
	if d.Rival == nil || d.Rival.Member < 0 || d.Rival.Member >= len(m.members) {
		return errors.New("a copy names no donor")
	}
	r, ok := m.pop.Record(d.Rival.Member)
	if w := m.members[i].wish; (d.Why == pbt.WhySteered || d.Why == pbt.WhyBranch) && w != nil && w.Donor != nil {
		r, ok = *w.Donor, true
	}
	if !ok || r.Segment != d.Rival.Segment {
		return fmt.Errorf("member %d copies segment %d, which member %d does not hold", i, d.Rival.Segment, d.Rival.Member)
	}
	if !holds(LawDonorRecord) {
		r.Score = d.Score
	}
	m.adopting = append(m.adopting, adoption{member: i, record: r, takes: true, departs: d.Departs()})
	return nil
}

// flushAdoptions makes those that copied stand with their donors' records.
func (m *Machine) flushAdoptions() {
	for _, a := range m.adopting {
		if a.departs {
			m.pop.Depart(a.member)
		}
		if !a.takes {
			continue
		}
		mem := &m.members[a.member]
		m.forgetBase(a.member)
		old := mem.record
		m.pop.Adopt(a.member, a.record)
		mem.record, mem.step = a.record.Segment, a.record.Step
		if holds(LawCheckpointHeld) {
			m.keep.need(mem.record)
			m.keep.drop(old)
		}
	}
	m.adopting = m.adopting[:0]
}

// turn is a member's place in the queue.
func (m *Machine) turn(i int) turn {
	mem := &m.members[i]
	return turn{member: i, spent: mem.spent, key: pbt.TurnKey(m.spec.Seed, i, mem.plan.turn)}
}

func (m *Machine) applyLeased(at int64, b *Leased) error {
	mem := &m.members[b.Member]
	if mem.state != StateWaiting || mem.plan.segment != b.Segment {
		return fmt.Errorf("segment %d of member %d is leased while it does not wait", b.Segment, b.Member)
	}
	if b.Lease <= m.leases {
		return fmt.Errorf("lease %d follows lease %d", b.Lease, m.leases)
	}
	m.leases = b.Lease
	m.dequeue(b.Member)
	mem.state = StateRunning
	mem.lease = lease{id: b.Lease, worker: b.Worker, since: at, beat: at, sound: m.sound(&mem.plan, b.Worker)}
	m.employ(b.Worker)
	if m.doubting() {
		m.trial.lease = b.Lease
	}
	m.leased.add(b.Member)
	m.due = min(m.due, m.leaseEnds(&mem.lease))
	return nil
}

// endLease takes a member's lease away.
func (m *Machine) endLease(i int, id int64) error {
	mem := &m.members[i]
	if mem.state != StateRunning || mem.lease.id != id && holds(LawDeadLease) {
		return fmt.Errorf("lease %d of member %d ends, but is not live", id, i)
	}
	mem.lease = lease{}
	m.leased.remove(i)
	if m.trial.lease == id {
		m.trial.lease = 0
	}
	return nil
}

func (m *Machine) applyFinished(at int64, b *Finished) error {
	mem := &m.members[b.Member]
	if m.imports(b) {
		return m.applyImported(at, b)
	}
	worker := mem.lease.worker
	if err := m.endLease(b.Member, b.Lease); err != nil {
		return err
	}
	p := &mem.plan
	trained := b.Step - p.from
	if b.Segment != p.segment || trained < 1 || trained > MaxTrained || b.Spent != mem.spent+trained {
		return fmt.Errorf("segment %d finishes at step %d with %d steps spent; planned was segment %d from step %d, of a member with %d steps spent",
			b.Segment, b.Step, b.Spent, p.segment, p.from, mem.spent)
	}
	if b.Checkpoint.ID != "" {
		m.forgetBase(b.Member)
	} else {
		m.keepBase(b.Member)
		m.hold(b.Member, worker)
	}
	mem.careful = max(0, mem.careful-1)
	m.keep.add(b.Segment, p.parent, b.Checkpoint)
	m.keep.need(b.Segment)
	m.keep.drop(mem.record)
	if holds(LawCheckpointHeld) {
		m.keep.drop(p.parent)
	}
	m.pop.Set(b.Member, m.recordOf(b, mem))
	mem.record, mem.step = b.Segment, b.Step
	mem.spent += trained
	mem.ended = b.Done && b.Score.Finite() // else it is to be repaired
	mem.finished++
	m.spent += trained
	m.promised -= p.steps
	m.counts.Finished++
	m.prove(worker, b.Lease, b.Checkpoint.ID != "")
	if b.Checkpoint.ID != "" {
		mem.good = good{b.Segment, b.Step, *p}
	}
	if b.Score.Finite() {
		m.failing = 0
	}
	m.noteFounder(Outcome{b.Segment, b.Member, b.Score, b.Step, p.hypers, b.Checkpoint})
	if b.Score.Finite() && b.Checkpoint.ID != "" { // what has no weights is nobody's best model
		m.rankBest(Outcome{b.Segment, b.Member, b.Score, b.Step, p.hypers, b.Checkpoint})
	}
	m.startDeciding(at, b.Member)
	return nil
}

// recordOf is how an outcome stands in the population. Its samples go on from
// those of the weights it started from.
func (m *Machine) recordOf(b *Finished, mem *member) pbt.Record {
	var past []float64
	if old, ok := m.pop.Record(b.Member); ok && mem.plan.parent != 0 {
		past = old.Samples
	}
	r := pbt.Record{
		Segment: b.Segment, Score: b.Score, Samples: pbt.LastSamples(past, b.Samples, b.Score),
		Step: b.Step, Hypers: mem.plan.hypers, Saved: b.Checkpoint.ID != "",
	}
	if !holds(LawNotFinite) && !r.Score.Finite() {
		r.Score = math.MaxFloat64
	}
	return r
}

func (m *Machine) startDeciding(at int64, i int) {
	m.members[i].state = StateDeciding
	if m.deciding.len() == 0 {
		m.since = at
	}
	m.deciding.add(i)
}

// rankBest keeps the best outcomes, an earlier one before an equal later one.
func (m *Machine) rankBest(o Outcome) {
	at := len(m.best)
	for at > 0 && m.spec.Goal.Better(o.Score, m.best[at-1].Score) {
		at--
	}
	if at >= m.spec.Keep.Best {
		return
	}
	if at == 0 {
		m.bestAt = m.spent
	}
	m.best = slices.Insert(m.best, at, o)
	m.keep.need(o.Segment)
	m.trimBest()
}

// trimBest forgets those that are one too many for what is kept.
func (m *Machine) trimBest() {
	for len(m.best) > m.spec.Keep.Best {
		last := len(m.best) - 1
		m.keep.drop(m.best[last].Segment)
		m.best = m.best[:last]
	}
}

func (m *Machine) applyFailed(at int64, b *Failed) error {
	mem := &m.members[b.Member]
	worker := mem.lease.worker
	if err := m.endLease(b.Member, b.Lease); err != nil {
		return err
	}
	mem.lastFailure = fmt.Sprintf("%s: %s", b.Fault, b.Error)
	p := &mem.plan
	p.failures = b.Attempt
	if b.charged() {
		p.suspect, p.tries, p.vouched = false, 0, false
	}
	if b.doubtful() {
		m.doubt(at, worker, b.Fault, b.Error)
	}
	if b.doubtful() || b.charged() {
		mem.failures++
		m.counts.Failed++
		if b.Fault != FailDiverged { // the hyperparameters' doing, not the trainer's
			m.failing++
		}
	} else {
		mem.lost++
		m.counts.Lost++
	}
	if b.Blame == BlameOpen {
		p.suspect, p.after, p.tries = true, m.leases, p.tries+1
	}
	if b.Final {
		mem.broken = true
		m.promised -= p.steps
		m.keep.drop(p.parent)
		m.startDeciding(at, b.Member)
		return nil
	}
	mem.state = StateWaiting
	m.enqueue(b.Member)
	return nil
}

func (m *Machine) applyDone(b *MemberDone) error {
	mem := &m.members[b.Member]
	if mem.state == StateDone || mem.state == StateFailed || mem.state == StateRetired {
		return fmt.Errorf("member %d is done twice", b.Member)
	}
	if mem.state == StateRunning || mem.held() {
		return fmt.Errorf("member %d is done while it is leased, or its weights are not saved", b.Member)
	}
	if mem.state == StateWaiting {
		m.unplan(m.now, b.Member)
	}
	if b.Reason != "budget" || mem.plan.segment != 0 { // else a larger budget lets it begin as was wished
		m.forgetWish(mem)
	}
	m.deciding.remove(b.Member)
	m.counts.done++
	mem.state = StateDone
	switch b.Reason {
	case "failed":
		mem.state = StateFailed
	case ReasonRetired:
		mem.state = StateRetired
		m.pop.Retire(b.Member)
	}
	return nil
}
