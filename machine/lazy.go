package machine

import (
	"fmt"
	"math"

	"github.com/seed-7a1a2db0/pbt"
)

// Saving lazily: a worker that keeps a member's weights in memory need not save
// them at every ready point. Such a member is held: only its worker can go on with
// it, and does so before anything else. When the worker is gone, the member falls
// back on the record it was last saved with, and what it had trained since is
// trained again. See docs/adr/0010.

// whyProcessGone is said of members that an earlier process held in memory.
const whyProcessGone = "the process that held its weights is gone"

// donorWindow is how many segments apart members may be for their scores to tell who
// is likely to be copied.
const donorWindow = 2

// base is what a member falls back on: its record when its weights were last
// saved, or the donor's whose weights it took over since.
type base struct {
	record                   pbt.Record
	ranked                   bool // the record is its own
	spent, readyAt, copiedAt int64
}

// MayWait tells whether an event may be lost in a power cut, which takes the memory of
// every worker of this machine too: it is an outcome without a checkpoint, whose weights
// are there and nowhere else, or a plan that nobody has acted on durably. Whoever lets it
// wait must have it on the disk before anything that a later event says, and before a
// checkpoint goes that it made superfluous.
func MayWait(b Body) bool {
	switch b := b.(type) {
	case *Finished:
		return b.Checkpoint.ID == ""
	case *Decided, *Leased:
		return true
	}
	return false
}

// held tells whether a member's weights are in its worker's memory only.
func (mem *member) held() bool { return mem.unsaved > 0 }

// goesOnInMemory tells whether a member's next segment starts from such weights.
func (mem *member) goesOnInMemory() bool { return mem.held() && mem.plan.parent == mem.record }

// answerSave answers, and remembers what it has said.
func (m *Machine) answerSave(q Scored) bool {
	save := m.wantsSave(q)
	if !save {
		m.members[q.Member].lease.spared = true
	}
	return save
}

// wantsSave tells whether a leased segment that has scored must be saved.
func (m *Machine) wantsSave(q Scored) bool {
	if m.checkLease(q.Lease, q.Segment, q.Member) != nil || m.phase != PhaseRunning || m.mustSave(q.Member) {
		return true
	}
	mem := &m.members[q.Member]
	trained := mem.plan.trained(q.Steps)
	switch {
	case m.spec.Budget.Grant(m.spec.Segment, mem.spent+trained, m.spent+trained, m.promised-mem.plan.steps) == 0:
		return true // its last
	case q.Done:
		return true
	case mem.wish != nil:
		return true // a person's wish may take another process
	case m.spec.Budget.Reached(m.spec.Goal, q.Score):
		return true
	}
	return m.spec.Policy.LikelyDonor(m.pop, q.Member, q.Score, mem.plan.from+trained, donorWindow*m.spec.Segment)
}

// mustSave tells whether a segment cannot be recorded without a checkpoint: where
// every ready point saves, behind a barrier (where workers wait, and may be gone
// before they go on), with nothing yet to fall back on, at the last of so many ready
// points, and for a while after a fall, so that a segment that always fails runs out
// of retries.
func (m *Machine) mustSave(i int) bool {
	mem := &m.members[i]
	return m.spec.SaveEvery <= 1 || m.spec.Policy.Barrier != nil || mem.plan.parent == 0 || mem.careful > 0 ||
		mem.unsaved+1 >= int64(m.spec.SaveEvery)
}

// keepBase prepares for an outcome without a checkpoint: what it started from
// stays, to fall back on.
func (m *Machine) keepBase(i int) {
	mem := &m.members[i]
	if mem.held() {
		return
	}
	r, _ := m.pop.Record(i)
	mem.base = base{record: r, ranked: m.pop.Ranked(i), spent: mem.spent, readyAt: mem.readyAt, copiedAt: mem.copiedAt}
	m.keep.need(r.Segment)
}

// forgetBase is for a member whose weights are saved again, or given up for others.
func (m *Machine) forgetBase(i int) {
	mem := &m.members[i]
	if !mem.held() {
		return
	}
	m.keep.drop(mem.base.record.Segment)
	if m.holders[mem.holder] == i {
		delete(m.holders, mem.holder)
	}
	mem.unsaved, mem.base, mem.holder = 0, base{}, ""
}

// hold notes whose memory the weights of an outcome without a checkpoint are in.
func (m *Machine) hold(i int, worker string) {
	mem := &m.members[i]
	mem.unsaved++
	mem.holder = worker
	m.holders[worker] = i
}

// heldBy is the member whose weights only this worker has.
func (m *Machine) heldBy(worker string) (member int, ok bool) {
	i, ok := m.holders[worker]
	return i, ok
}

// choice is what a worker gets: a member's segment, a probe, or with member -1 and no
// probe nothing.
type choice struct {
	member  int
	probe   *Task
	benched bool
}

// next chooses what a worker gets.
func (m *Machine) next(now int64, in Ask) choice {
	if i, ok := m.heldBy(in.Worker); ok {
		switch mem := &m.members[i]; {
		case mem.state == StateRunning: // an old question, or a new process: its lease will end
		case in.Holds != mem.record:
			m.rollBack(now, i, fmt.Sprintf("worker %s no longer holds its weights", in.Worker))
			m.settle(now)
		case mem.state == StateWaiting:
			return choice{member: i}
		}
	}
	switch {
	case m.phase != PhaseRunning:
		return choice{member: -1}
	case m.benched(now, in.Worker) && !m.doubting():
		return choice{member: -1, benched: true}
	case m.doubting() || m.stuck(in.Worker):
		task, i := m.try(now, in.Worker)
		return choice{member: i, probe: task}
	}
	i := m.queued(in)
	if s := m.confirmable(in.Worker); s >= 0 && (i < 0 || m.turn(s).before(m.queue.turns[0])) {
		i = s
	}
	return choice{member: i}
}

// queued is the member whose turn it is of those that wait for any worker, -1 for none.
func (m *Machine) queued(in Ask) int {
	if m.queue.len() == 0 {
		return -1
	}
	// If everybody in the queue is served at once, each may as well go where its
	// weights are.
	if i := in.Member; in.Holds != 0 && m.queue.len() <= 1+in.Others && i >= 0 && i < len(m.members) {
		if mem := &m.members[i]; mem.state == StateWaiting && mem.plan.parent == in.Holds && m.queue.has(i) {
			return i
		}
	}
	return m.queue.first()
}

// holdEnds is when a member has waited long enough for the worker that holds its
// weights: as long as a lease lives of which nothing is heard. While the run is paused
// by hand no worker can have them, and nobody need hurry.
func (m *Machine) holdEnds(i int) int64 {
	if m.pausedBy != "" {
		return math.MaxInt64
	}
	return m.leaseEnds(&lease{since: m.members[i].waits})
}

func (m *Machine) expireHolds(now int64) {
	for _, i := range m.bound.sorted(&m.batch) {
		if now >= m.holdEnds(i) {
			m.rollBack(now, i, fmt.Sprintf("worker %s, which holds its weights, has not asked for them in time", m.members[i].holder))
		}
	}
}

// rollBack lets a member fall back on what was last saved of it.
func (m *Machine) rollBack(now int64, i int, why string) {
	mem := &m.members[i]
	b := &mem.base
	m.emit(now, &RolledBack{Segment: b.record.Segment, Member: i, Lost: mem.spent - b.spent, Segments: mem.unsaved, Why: writable(why)})
}

// rollBackAll is for a process that has taken over from another.
func (m *Machine) rollBackAll(now int64, why string) {
	for i := range m.members {
		if m.members[i].held() {
			m.rollBack(now, i, why)
		}
	}
}

func (m *Machine) applyRolledBack(at int64, e *RolledBack) error {
	mem := &m.members[e.Member]
	b := mem.base
	switch {
	case !mem.held() || b.record.Segment != e.Segment || e.Lost != mem.spent-b.spent || e.Segments != mem.unsaved:
		return fmt.Errorf("member %d falls back on segment %d, and has no such", e.Member, e.Segment)
	case mem.state == StateRunning:
		return fmt.Errorf("member %d falls back while it is leased", e.Member)
	}
	m.spent -= e.Lost
	m.counts.RolledBack += e.Segments
	mem.spent, mem.readyAt, mem.copiedAt = b.spent, b.readyAt, b.copiedAt
	if b.ranked {
		m.pop.Set(e.Member, b.record)
	} else {
		m.pop.Adopt(e.Member, b.record)
	}
	if m.holders[mem.holder] == e.Member {
		delete(m.holders, mem.holder)
	}
	m.keep.drop(mem.record) // the need of the base becomes the record's
	mem.record, mem.step = b.record.Segment, b.record.Step
	mem.careful, mem.ended = m.spec.SaveEvery, false
	mem.unsaved, mem.base, mem.holder = 0, base{}, ""
	if mem.state == StateWaiting {
		m.dequeue(e.Member)
		m.promised -= mem.plan.steps
		m.keep.drop(mem.plan.parent)
		m.startDeciding(at, e.Member)
	}
	return nil
}
