package machine

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Faults of the machine and faults of a member. A failed attempt costs a member
// nothing until it is confirmed: the same segment fails again, from the same weights
// and seed, on a worker that has meanwhile finished another one. Only such a failure
// is charged: it counts against Retries, and may be final. Where no other segment can
// show that a worker works, a probe does: one that had finished is trained again, and
// its result is thrown away. A probe that fails, too, pauses the run. See
// docs/adr/0014-whose-fault.md.

// OnFault is what becomes of a run whose machine fails.
type OnFault string

// What becomes of it.
const (
	FaultPause OnFault = "pause" // it pauses and ends; a person resumes it
	FaultRetry OnFault = "retry" // it waits, and tries one segment at a time until one finishes
)

// Thresholds of the policy.
const (
	// doubtAfter failures in a row, with nothing finished between, the run trains
	// nothing but a probe until something finishes.
	doubtAfter = 3
	// startFailures in a row, all alike and on every worker, pause a run that has
	// finished nothing since it was opened. Of trainers that did not start, one does.
	startFailures = 2
	// benchAfter failures in a row on one worker, while others finish, it gets no
	// segment for BackOff(1), then BackOff(2), and so on.
	benchAfter = 3
	// FirstBackOff is doubled with each failure, up to MaxBackOff.
	FirstBackOff = time.Second
	MaxBackOff   = 5 * time.Minute
)

// ByPolicy is who pauses and resumes a run that tries again by itself.
const ByPolicy = "on_fault"

// BackOff is how long to wait after the n-th failure, from 1.
func BackOff(n int) time.Duration {
	const mostDoublings = 16
	return min(MaxBackOff, FirstBackOff<<min(max(n-1, 0), mostDoublings))
}

// Blame is whose fault a failed attempt was, as far as is known when it fails.
type Blame string

// Whose fault it was. A journal from before 2026-12-01 says nothing: there, every
// failure that counts is the member's.
const (
	BlameMember  Blame = "member"  // confirmed, or a score that is not finite: it counts against retries
	BlameOpen    Blame = "open"    // not known yet: the segment is tried again, at no charge
	BlameMachine Blame = "machine" // pbt itself failed, or the trainer did not start
)

// blame is whose fault an attempt of a member is that fails now.
func (m *Machine) blame(i int, kind FailureKind) Blame {
	switch kind {
	case FailLost, FailPreempted, FailDisk:
		return "" // no failure of anything that is tried again
	case FailStart, FailMachine:
		return BlameMachine
	case FailDiverged:
		return BlameMember
	}
	if m.members[i].lease.sound || !holds(LawOutage) {
		return BlameMember
	}
	return BlameOpen
}

// charged tells whether a failure counts against its segment.
func (e *Failed) charged() bool { return e.Blame == BlameMember || e.Blame == "" && e.Fault.counts() }

// doubtful tells whether a failure may be the machine's.
func (e *Failed) doubtful() bool {
	return e.Blame == BlameOpen || e.Blame == BlameMachine || e.Blame == "" && e.Fault.counts() && e.Fault != FailDiverged
}

// worker is what is known of one.
type worker struct {
	opens  int64 // counts.Opens when it was last leased anything
	proved int64 // the newest lease that it has finished, and saved
	fails  int   // doubtful failures in a row
	until  int64 // it gets nothing before
}

// sitting is what has happened since the run was opened.
type sitting struct {
	finished int64
	workers  int // that were leased anything
	ailing   int // of these, those whose last attempt failed
}

// row is the failures since anything finished, beside their number.
type row struct {
	class string // of the first
	alike bool   // all are of that class
}

// outage is a fault of the machine that the run waits for to end.
type outage struct {
	since int64 // when it was noticed; 0: there is none
	waits int   // pauses since then
	until int64 // of the pause; 0: it does not pause now
	after int64 // the newest lease when it was last noticed
}

// good is a segment that has finished, with how it was trained: its weights, trained
// on in the same way, are a probe.
type good struct {
	segment int64 // 0: none
	step    int64
	plan    plan
}

// trial is a member's segment that is trained while the machine is in doubt.
type trial struct{ lease int64 }

// canary is a probe that is being trained.
type canary struct {
	lease
	member  int
	segment int64
}

// workerOf is what is known of a worker by name.
func (m *Machine) workerOf(name string) *worker {
	w := m.workers[name]
	if w == nil {
		w = &worker{}
		m.workers[name] = w
	}
	return w
}

// employ notes that a worker is given something.
func (m *Machine) employ(name string) *worker {
	w := m.workerOf(name)
	if w.opens != m.counts.Opens {
		w.opens, w.fails, w.until = m.counts.Opens, 0, 0
		m.sitting.workers++
	}
	return w
}

// prove notes that a worker has finished a lease.
func (m *Machine) prove(name string, lease int64, saved bool) {
	w := m.employ(name)
	if w.fails > 0 {
		m.sitting.ailing--
	}
	w.fails, w.until = 0, 0
	m.doubts = 0
	if saved {
		w.proved = lease
	}
	m.sitting.finished++
}

// doubt notes a failure that may be the machine's.
func (m *Machine) doubt(at int64, name string, kind FailureKind, text string) {
	w := m.employ(name)
	if w.fails == 0 {
		m.sitting.ailing++
	}
	w.fails++
	if n := w.fails - benchAfter; n >= 0 {
		w.until = after(at, BackOff(n+1))
	}
	class := classOf(kind, text)
	if m.doubts == 0 {
		m.row = row{class: class, alike: true}
	}
	m.row.alike = m.row.alike && class == m.row.class
	m.doubts++
}

// Cause is the line of an error that says why: of a program's output the last one, which
// ends a traceback. Of a panic it is the first, and of a program that printed nothing how
// it ended.
func Cause(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	first, last := strings.TrimSpace(lines[0]), strings.TrimSpace(lines[len(lines)-1])
	switch {
	case len(lines) == 1 || strings.HasPrefix(first, "panic: "):
		return first
	case strings.HasPrefix(last, "("):
		return strings.TrimSpace(first[strings.LastIndex(first, ": ")+1:]) + " " + last
	}
	return last
}

// classOf is what failures with one cause have in common.
func classOf(kind FailureKind, text string) string {
	digit := func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '#'
		}
		return r
	}
	return string(kind) + " " + strings.Map(digit, Cause(text))
}

// doubting tells whether the machine itself is in doubt: one segment at a time is
// tried, a probe if there is one.
func (m *Machine) doubting() bool { return m.doubts >= doubtAfter || m.outage.since != 0 }

// stuck tells whether nothing is trained that could be evidence, and a suspect whose
// failure a worker cannot confirm has its turn before all others. A probe is the
// evidence then, so that it keeps its turn. While nothing can be probed, others go
// first.
func (m *Machine) stuck(name string) bool {
	if m.suspects.len() == 0 || m.bound.len()+m.leased.len() > 0 || m.canary.id != 0 {
		return false
	}
	if m.known() < 0 {
		return m.queue.len() == 0 && m.confirmable(name) < 0
	}
	first := m.suspects.list[0]
	for _, i := range m.suspects.list {
		if m.turn(i).before(m.turn(first)) {
			first = i
		}
	}
	return !m.sound(&m.members[first].plan, name) && (m.queue.len() == 0 || m.turn(first).before(m.queue.turns[0]))
}

// known is a member with a segment to train again as a probe; -1 for none. Each probe
// takes another's.
func (m *Machine) known() int {
	n := len(m.members)
	for k := range n {
		i := (m.probes + k) % n
		if g := &m.members[i].good; g.segment != 0 && m.keep.name(g.segment) != "" {
			return i
		}
	}
	return -1
}

// sound tells whether a failure of a suspect on a worker would be confirmed.
func (m *Machine) sound(p *plan, name string) bool {
	w := m.workers[name]
	return p.suspect && (p.vouched || w != nil && w.proved > p.after)
}

// confirmable is the suspect whose turn it is of those that a worker can confirm; -1
// for none.
func (m *Machine) confirmable(name string) int {
	best := -1
	for _, i := range m.suspects.list {
		if m.sound(&m.members[i].plan, name) && (best < 0 || m.turn(i).before(m.turn(best))) {
			best = i
		}
	}
	return best
}

// leastTried is the member that waits whose segment has failed least, and has its turn
// first of these; -1 for none. It is how a run is probed that has finished nothing yet.
func (m *Machine) leastTried() int {
	if m.queue.len() > 0 {
		return m.queue.first()
	}
	best := -1
	for _, i := range m.suspects.list {
		tries := m.members[i].plan.tries
		switch {
		case best < 0 || tries < m.members[best].plan.tries:
			best = i
		case tries == m.members[best].plan.tries && m.turn(i).before(m.turn(best)):
			best = i
		}
	}
	return best
}

// try is what a worker gets while the machine is in doubt: a probe, or with none to be
// had a member. One is tried at a time.
func (m *Machine) try(now int64, name string) (task *Task, member int) {
	if m.canary.id != 0 || m.trial.lease != 0 {
		return nil, -1
	}
	if i := m.known(); i >= 0 {
		g := &m.members[i].good
		m.emit(now, &Probing{Segment: g.segment, Member: i, Lease: m.leases + 1, Worker: name})
		return m.probeTask(), -1
	}
	return nil, m.leastTried()
}

// benched tells whether a worker gets nothing for now, and has the machine looked at
// when it may.
func (m *Machine) benched(now int64, name string) bool {
	w := m.workers[name]
	if w == nil || w.until <= now || w.opens != m.counts.Opens {
		return false
	}
	m.wakeAt = min(m.wakeAt, w.until)
	return true
}

// Bench is a worker that gets nothing for a while, because all that it trained failed.
type Bench struct {
	Worker   string `json:"worker"`
	Failures int    `json:"failures"` // in a row
	Until    int64  `json:"until"`    // Unix nanoseconds
}

// Benched are the workers that wait at the clock's now, by name.
func (m *Machine) Benched(now int64) []Bench {
	var out []Bench
	for name, w := range m.workers { //pbt:order does not matter: sorted below
		if w.until > now+m.ahead && w.opens == m.counts.Opens {
			out = append(out, Bench{name, w.fails, w.until - m.ahead})
		}
	}
	slices.SortFunc(out, func(a, b Bench) int { return strings.Compare(a.Worker, b.Worker) })
	return out
}

// judge pauses the run if a failure shows that the machine is at fault.
func (m *Machine) judge(now int64, e *Failed) {
	if e.Fault == FailDisk {
		m.faulted(now, "the disk is full: "+e.Error)
		return
	}
	if !e.doubtful() {
		if e.charged() && m.failing >= m.spec.FailureLimit {
			m.pause(now, m.tooMany(e))
		}
		return
	}
	need := startFailures
	if e.Fault == FailStart {
		need = 1
	}
	switch s := &m.sitting; {
	case e.Fault == FailMachine:
		m.faulted(now, "pbt itself failed, no member did: "+Cause(e.Error))
	case m.outage.since != 0:
		m.faulted(now, "it still fails: "+Cause(e.Error))
	case s.finished == 0 && s.ailing == s.workers && m.doubts >= need && m.row.alike:
		m.faulted(now, fmt.Sprintf("no segment has finished since pbt started, and every trainer fails in the same way: %s", Cause(e.Error)))
	case m.failing >= m.spec.FailureLimit:
		m.faulted(now, m.tooMany(e))
	case m.doubts >= doubtAfter && m.known() < 0:
		m.faulted(now, fmt.Sprintf("%d attempts have failed in a row, and no segment has finished yet that could show whose fault it is. The last one: %s", m.doubts, Cause(e.Error)))
	}
}

func (m *Machine) tooMany(e *Failed) string {
	return fmt.Sprintf("%d attempts have failed in a row, with nothing finished between: mend the cause, then resume. The last one: %s", m.failing, Cause(e.Error))
}

// faulted pauses the run because of a fault of the machine: until it is resumed, or
// until it tries again by itself.
func (m *Machine) faulted(now int64, reason string) {
	if m.phase != PhaseRunning && m.phase != PhaseEnding {
		return
	}
	if m.spec.OnFault != FaultRetry || m.phase == PhaseEnding {
		m.pause(now, reason)
		return
	}
	m.emit(now, &Paused{Reason: writable(reason), By: ByPolicy, Until: after(now, BackOff(m.outage.waits+1))})
}

// tryAgain ends a pause whose time is over.
func (m *Machine) tryAgain(now int64) {
	if m.wakeAt <= now {
		m.wakeAt = never
	}
	if m.phase == PhasePaused && m.outage.until != 0 && now >= m.outage.until {
		m.emit(now, &Resumed{By: ByPolicy, Probe: true})
	}
}

// recovered says that an outage is over, if a lease shows it.
func (m *Machine) recovered(now, lease int64) {
	if o := &m.outage; o.since != 0 && lease > o.after {
		m.emit(now, &Recovered{Since: o.since, Waits: o.waits})
	}
}

func (m *Machine) applyOutage(at int64, e *Paused) {
	o := &m.outage
	if e.Until == 0 {
		return
	}
	if o.since == 0 {
		o.since = at
	}
	o.waits++
	o.until, o.after = e.Until, m.leases
}

func (m *Machine) applyProbing(at int64, e *Probing) error {
	g := &m.members[e.Member].good
	switch {
	case m.canary.id != 0:
		return fmt.Errorf("lease %d is a probe, and so is lease %d", e.Lease, m.canary.id)
	case g.segment != e.Segment || m.keep.name(e.Segment) == "":
		return fmt.Errorf("segment %d is to be probed, and cannot be trained again", e.Segment)
	case e.Lease <= m.leases:
		return fmt.Errorf("lease %d follows lease %d", e.Lease, m.leases)
	}
	m.leases = e.Lease
	m.probes++
	m.employ(e.Worker)
	m.keep.need(e.Segment)
	m.canary = canary{lease{id: e.Lease, worker: e.Worker, since: at, beat: at}, e.Member, e.Segment}
	m.due = min(m.due, m.leaseEnds(&m.canary.lease))
	return nil
}

func (m *Machine) probeTask() *Task {
	c := &m.canary
	g := &m.members[c.member].good
	return &Task{
		Lease: c.id, Segment: c.segment, Member: c.member, Turn: g.plan.turn, Parent: c.segment, From: g.step, Steps: g.plan.steps,
		Hypers: g.plan.hypers, Seed: m.trainSeed(c.member, &g.plan), WeightSeed: m.weightSeed(c.member, &g.plan),
		Load: m.keep.name(c.segment), Save: CheckpointName(c.segment, c.id), Probe: true,
	}
}

func (m *Machine) applyProbed(at int64, e *Probed) error {
	c := m.canary
	if c.id == 0 || c.id != e.Lease || c.segment != e.Segment {
		return fmt.Errorf("lease %d ends, and is no probe", e.Lease)
	}
	m.endProbe()
	switch e.Fault {
	case "":
		m.prove(c.worker, c.id, true)
	case FailLost, FailPreempted, FailDisk:
	default:
		m.doubt(at, c.worker, e.Fault, e.Error)
	}
	return nil
}

// endProbe forgets the probe that is being trained, if there is one.
func (m *Machine) endProbe() {
	if m.canary.id != 0 {
		m.keep.drop(m.canary.segment)
		m.canary = canary{}
	}
}

// probed takes what came of a probe.
func (m *Machine) probed(now int64, kind FailureKind, text string) {
	c := m.canary
	m.emit(now, &Probed{Segment: c.segment, Member: c.member, Lease: c.id, Fault: kind, Error: shortened(text)})
	switch kind {
	case "":
		m.recovered(now, c.id)
	case FailLost, FailPreempted:
	case FailDisk:
		m.faulted(now, "the disk is full: "+text)
	case FailMachine:
		m.faulted(now, "pbt itself failed, no member did: "+Cause(text))
	default:
		if m.outage.since != 0 || m.doubts >= doubtAfter {
			m.faulted(now, fmt.Sprintf("%d attempts have failed in a row, and segment %d of member %d, which had finished, fails now, too: no member is at fault. The last one: %s",
				m.doubts, c.segment, c.member, Cause(text)))
		}
	}
}

// isProbe tells whether a lease is the probe's.
func (m *Machine) isProbe(lease, segment int64) bool {
	return lease != 0 && m.canary.id == lease && m.canary.segment == segment
}

func (m *Machine) expireProbe(now int64) {
	c := &m.canary
	switch {
	case c.id == 0:
	case m.spec.Timeout > 0 && now-c.since >= int64(m.spec.Timeout):
		m.probed(now, FailTimeout, fmt.Sprintf("no outcome within the timeout of %s", m.spec.Timeout))
	case m.spec.Silence > 0 && now-max(c.beat, c.since) >= int64(m.spec.Silence):
		m.probed(now, FailLost, fmt.Sprintf("worker %s has been silent for %s", c.worker, m.spec.Silence))
	}
}
