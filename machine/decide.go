package machine

import (
	"fmt"
	"slices"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// settle draws the consequences of what has happened: the end, decisions, a
// barrier that opens. It is called after every input, until nothing is left to say.
func (m *Machine) settle(now int64) {
	m.checkTarget(now)
	m.checkPatience(now)
	m.checkWall(now)
	for m.phase == PhaseRunning && m.deciding.len() > 0 {
		b := m.spec.Policy.Barrier
		if i := m.firstSplit(b); i >= 0 {
			m.decideTogether(now, []int{i})
			continue
		}
		if b != nil && !b.Opens(m.deciding.len(), m.active(), time.Duration(now-m.since)) {
			break
		}
		m.decideTogether(now, m.together(b)) // by number: the order of arrival decides nothing
	}
	m.checkDisk(now)
	m.checkEnd(now)
}

// together are the members that decide next from the same population: all that
// wait at a barrier, otherwise one after another.
func (m *Machine) together(b *pbt.Barrier) []int {
	if b != nil {
		return m.deciding.sorted(&m.batch)
	}
	m.batch = append(m.batch[:0], slices.Min(m.deciding.list))
	return m.batch
}

func (m *Machine) checkTarget(now int64) {
	if m.phase == PhaseRunning && len(m.best) > 0 && m.spec.Budget.Reached(m.spec.Goal, m.best[0].Score) {
		m.emit(now, &Ending{Reason: fmt.Sprintf("the target score %s is reached", *m.spec.Budget.Target)})
	}
}

func (m *Machine) checkPatience(now int64) {
	if patience := m.spec.Budget.Patience; m.phase == PhaseRunning && patience > 0 && m.spent-m.bestAt >= patience {
		m.emit(now, &Ending{Reason: fmt.Sprintf("no new best score for %d steps of all members together (budget.patience is %d)", m.spent-m.bestAt, patience)})
	}
}

func (m *Machine) checkWall(now int64) {
	wall := m.spec.Budget.Wall
	if m.phase == PhaseRunning && wall > 0 && m.workedAt(now) >= wall {
		m.emit(now, &Ending{Reason: fmt.Sprintf("the wall time of %s is over", wall)})
	}
}

func (m *Machine) checkDisk(now int64) {
	if limit := m.spec.Keep.Bytes; limit > 0 && m.phase == PhaseRunning && m.keep.needed > limit {
		m.emit(now, &Paused{Reason: fmt.Sprintf("the checkpoints that members need take %d bytes, and keep.bytes allows %d: raise it when resuming (--set keep.bytes=…)", m.keep.needed, limit)})
	}
}

func (m *Machine) checkEnd(now int64) {
	switch {
	case m.canary.id != 0: // its lease ends first
	case m.phase == PhaseRunning && m.active() == 0:
		m.emit(now, &RunEnded{Reason: m.whyOver()})
	case m.phase == PhaseEnding && m.leased.len() == 0:
		m.emit(now, &RunEnded{Reason: m.reason})
	}
}

// whyOver says why no member trains any more.
func (m *Machine) whyOver() string {
	failed, spent, ended := 0, 0, 0
	for i := range m.members {
		switch m.members[i].state {
		case StateFailed:
			failed++
		case StateDone:
			spent++
			if m.members[i].ended {
				ended++
			}
		}
	}
	switch {
	case failed == 0 && ended > 0 && ended == spent:
		return "every member is done: its trainer has said so"
	case failed == 0 && ended > 0:
		return fmt.Sprintf("every member has spent its budget, but for %d whose trainer has said that it is done", ended)
	case failed == 0:
		return "every member has spent its budget"
	case spent == 0:
		return fmt.Sprintf("no member can go on: %d failed for good", failed)
	}
	return fmt.Sprintf("every member has spent its budget, but for %d that failed for good", failed)
}

// active is how many members still train.
func (m *Machine) active() int { return len(m.members) - m.idle() }

func (m *Machine) idle() int { return int(m.counts.done) }

// planned is a decision that is not an event yet.
type planned struct {
	member   int
	decision pbt.Decision
}

// decideTogether plans the next segments of members at a ready point, all from
// the same population.
func (m *Machine) decideTogether(now int64, members []int) {
	for _, i := range members {
		if m.members[i].held() && m.grant(i, 0) == 0 {
			m.rollBack(now, i, "its budget is spent, and its last weights were not saved")
		}
		if m.ends(i) && m.members[i].held() {
			m.rollBack(now, i, "its trainer reports it done, and its last weights were not saved")
		}
	}
	plans := m.plans[:0]
	var done []MemberDone
	extra := int64(0) // promised to those planned before in this batch
	for _, i := range members {
		grant := m.grant(i, extra)
		if m.ends(i) || m.members[i].ended && grant == 0 {
			done = append(done, MemberDone{Member: i, Reason: ReasonEnded})
			continue
		}
		if grant == 0 {
			done = append(done, MemberDone{Member: i, Reason: "budget"})
			continue
		}
		d, ok := m.Decision(i)
		if !ok {
			done = append(done, MemberDone{Member: i, Reason: "failed"})
			continue
		}
		extra += m.Stretch(i, &d, m.startOf(i, &d), grant)
		plans = append(plans, planned{i, d})
	}
	for k := range done {
		m.emit(now, &done[k])
	}
	for k, p := range plans {
		m.decide(now, p.member, p.decision, len(plans)-1-k)
	}
	clear(plans)
	m.plans = plans
}

// ends tells whether a member is done by itself. A person's wish comes before that.
func (m *Machine) ends(i int) bool { return m.members[i].ended && m.members[i].wish == nil }

// Decision decides anew, from the state as it is, how a member at a ready point
// goes on; ok is false if it cannot. `pbt verify` compares it with the journal.
func (m *Machine) Decision(i int) (d pbt.Decision, ok bool) {
	mem := &m.members[i]
	if mem.wish != nil && holds(LawSteered) {
		s := pbt.Standing{Member: i, Turn: mem.nextTurn(), Segment: mem.weights(), Hypers: mem.plan.hypers}
		return mem.wish.Fulfil(&m.spec.Policy, m.pop, m.space, s), true
	}
	if mem.plan.segment == 0 { // it found no budget left at the start, and now there is more
		d, err := m.begin(i)
		return d, err == nil
	}
	s := pbt.Standing{
		Member: i, Turn: mem.nextTurn(), Segment: mem.record, Hypers: mem.plan.hypers,
		Spent: mem.spent, SinceReady: mem.spent - mem.readyAt, SinceCopy: mem.spent - mem.copiedAt,
		Split:    m.split(mem),
		Progress: m.spec.Budget.Progress(mem.spent, m.spent),
	}
	if !holds(LawAddressedDraws) {
		s.Turn = m.leases
	}
	if mem.broken {
		if !holds(LawPopulationSize) {
			return d, false
		}
		return m.spec.Policy.DecideFailed(m.pop, m.spec.Space, s)
	}
	return m.spec.Policy.Decide(m.pop, m.spec.Space, s), true
}

// nextTurn is the ordinal of a member's next segment.
func (mem *member) nextTurn() int64 {
	if mem.plan.segment == 0 {
		return 0
	}
	return mem.plan.turn + 1
}

// grant is how many steps a member may train next.
func (m *Machine) grant(i int, extra int64) int64 {
	if !holds(LawBudget) && m.members[i].spent < 2*m.spec.Budget.Steps {
		return m.spec.Segment
	}
	return m.spec.Budget.Grant(m.spec.Segment, m.members[i].spent, m.spent, m.promised+extra)
}

// decide journals a member's next segment.
func (m *Machine) decide(now int64, i int, d pbt.Decision, open int) {
	mem := &m.members[i]
	grant := m.grant(i, 0)
	if grant == 0 { // at the start of a run whose total budget is smaller than its population
		m.emit(now, &MemberDone{Member: i, Reason: "budget"})
		return
	}
	from := m.startOf(i, &d)
	e := &Decided{
		Segment: m.segments + 1, Member: i, Turn: mem.nextTurn(), Parent: d.Parent, From: from, Steps: m.Stretch(i, &d, from, grant),
		Hypers: d.Hypers, Decision: d, Open: open,
	}
	if !holds(LawBounds) {
		e.Hypers = outOfBounds(m.spec.Space, e.Hypers)
	}
	m.emit(now, e)
}

// outOfBounds breaks a law for the simulator's own test.
func outOfBounds(s *pbt.Space, h pbt.Hypers) pbt.Hypers {
	for _, p := range s.Params() {
		if _, ok := h.Get(p.Name); ok && p.Type == pbt.FloatParam {
			return h.With(p.Name, pbt.Float(p.Bounds.Hi*2+1))
		}
	}
	return h
}
