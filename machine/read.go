package machine

import (
	"strconv"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// MemberView is a member as `pbt status` shows it.
type MemberView struct {
	ID          int         `json:"id"`
	State       MemberState `json:"state"`
	Step        int64       `json:"step"`  // behind the weights it holds
	Spent       int64       `json:"spent"` // trained by this member itself
	Score       *pbt.Score  `json:"score"` // of its record; null before the first
	Rank        int         `json:"rank"`  // 1 is the best; 0 while it has no record of its own
	Hypers      pbt.Hypers  `json:"hypers"`
	Segment     int64       `json:"segment"`             // its current one
	Record      int64       `json:"record"`              // the segment that it stands in the population with
	Worker      string      `json:"worker,omitempty"`    // that trains it now
	LeasedAt    int64       `json:"leased_at,omitempty"` // since, Unix nanoseconds
	Failures    int64       `json:"failures,omitempty"`  // failed attempts
	Lost        int64       `json:"lost,omitempty"`      // attempts cut off, without blame
	LastFailure string      `json:"last_failure,omitempty"`
}

// Member shows one member.
func (m *Machine) Member(i int) MemberView {
	mem := &m.members[i]
	v := MemberView{
		ID: i, State: mem.state, Step: mem.step, Spent: mem.spent, Hypers: mem.plan.hypers,
		Segment: mem.plan.segment, Record: mem.record, Worker: mem.lease.worker, LeasedAt: mem.lease.since,
		Failures: mem.failures, Lost: mem.lost, LastFailure: mem.lastFailure,
	}
	if r, ok := m.pop.Record(i); ok {
		v.Score = &r.Score
		if m.pop.Ranked(i) {
			v.Rank = m.pop.Rank(i) + 1
		}
	}
	return v
}

// Spec is what the run follows.
func (m *Machine) Spec() Spec { return m.spec }

// Phase is how the run stands, with the reason of a pause or an end.
func (m *Machine) Phase() (Phase, string) { return m.phase, m.reason }

// PausedBy is who paused the run by hand; "" if nobody did.
func (m *Machine) PausedBy() string { return m.pausedBy }

// Pinned tells whether a segment's checkpoint is kept by hand.
func (m *Machine) Pinned(segment int64) bool { return m.keep.pinned(segment) }

// Members is how many there are, those included that train no more.
func (m *Machine) Members() int { return len(m.members) }

// Counts are the run's totals.
func (m *Machine) Counts() Counts { return m.counts }

// Best is the best outcome of the run so far, and whether there is one.
func (m *Machine) Best() (Outcome, bool) {
	if len(m.best) == 0 {
		return Outcome{}, false
	}
	return m.best[0], true
}

// Record is a member's record in the population.
func (m *Machine) Record(i int) (pbt.Record, bool) { return m.pop.Record(i) }

// Running is how many segments are leased, a probe included.
func (m *Machine) Running() int {
	if m.canary.id != 0 {
		return m.leased.len() + 1
	}
	return m.leased.len()
}

// Failed is how many members have failed and train no more.
func (m *Machine) Failed() int {
	n := 0
	for i := range m.members {
		if m.members[i].state == StateFailed {
			n++
		}
	}
	return n
}

// Waiting is how many segments wait for a slot: for any, for the one that holds their
// weights, or for evidence whose fault a failure was.
func (m *Machine) Waiting() int { return m.queue.len() + m.bound.len() + m.suspects.len() }

// Spent is how many steps all members have trained together.
func (m *Machine) Spent() int64 { return m.spent }

// TotalSteps is how many steps all members together may train by the budget as it is
// now, 0 if it does not say. Those that have failed or are retired train no more.
func (m *Machine) TotalSteps() int64 {
	b := m.spec.Budget
	all := int64(0)
	if b.Steps > 0 {
		for i := range m.members {
			if mem := &m.members[i]; mem.state == StateFailed || mem.state == StateRetired {
				all += mem.spent
			} else {
				all += b.Steps
			}
		}
	}
	if b.Total > 0 && (all == 0 || b.Total < all) {
		return b.Total
	}
	return all
}

// Segments is how many segments have been planned.
func (m *Machine) Segments() int64 { return m.segments }

// LastEvent is the time of the newest event, in Unix nanoseconds.
func (m *Machine) LastEvent() int64 { return m.now }

// Worked is how long the run has been at work by the clock's now: sittings count,
// the time between them does not.
func (m *Machine) Worked(now int64) time.Duration { return m.workedAt(now + m.ahead) }

func (m *Machine) workedAt(now int64) time.Duration {
	if m.openedAt == 0 {
		return 0
	}
	if m.pausedBy != "" {
		now = min(now, m.pausedAt)
	}
	return time.Duration(m.worked + max(0, now-m.openedAt))
}

// Garbage takes the names of the checkpoints that have become unneeded since the
// last call. They may be deleted once the events that say so are durable.
func (m *Machine) Garbage() []string {
	g := m.keep.garbage
	m.keep.garbage = nil
	return g
}

// NeedsCheckpoint tells whether a segment's checkpoint is still kept, and its name.
func (m *Machine) NeedsCheckpoint(segment int64) (name string, kept bool) {
	n := m.keep.nodes[segment]
	if n == nil {
		return "", false
	}
	return n.checkpoint.ID, true
}

// Keeps tells whether a checkpoint of this name belongs to a recorded outcome and
// is still kept.
func (m *Machine) Keeps(name string) bool {
	digits, _, _ := strings.Cut(strings.TrimPrefix(name, "s"), "-")
	segment, err := strconv.ParseInt(digits, 10, 64)
	n := m.keep.nodes[segment]
	return err == nil && n != nil && n.checkpoint.ID == name
}

// Live tells whether a lease may still be reported on.
func (m *Machine) Live(member int, lease int64) bool {
	return lease != 0 && m.canary.id == lease || m.members[member].state == StateRunning && m.members[member].lease.id == lease
}

// CheckpointBytes is how much the kept checkpoints take.
func (m *Machine) CheckpointBytes() int64 { return m.keep.total }

// NextDeadline is when, by the clock, something will be due though nobody speaks: a
// lease, a barrier, the wall time; a Tick then says whether it is. ok is false if
// nothing will be.
func (m *Machine) NextDeadline() (at int64, ok bool) {
	earliest := func(t int64) {
		if t < never && (!ok || t < at) {
			at, ok = t, true
		}
	}
	if m.leased.len()+m.bound.len() > 0 || m.canary.id != 0 {
		earliest(m.due)
	}
	if m.phase == PhasePaused && m.outage.until != 0 {
		earliest(m.outage.until)
	}
	if m.phase == PhaseRunning {
		earliest(m.wakeAt)
	}
	if b := m.spec.Policy.Barrier; b != nil && b.Deadline > 0 && m.deciding.len() > 0 && m.phase == PhaseRunning {
		earliest(m.since + int64(b.Deadline))
	}
	if m.spec.Budget.Wall > 0 && m.phase == PhaseRunning {
		earliest(m.openedAt + int64(m.spec.Budget.Wall) - m.worked)
	}
	return at - m.ahead, ok
}
