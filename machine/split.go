package machine

import "github.com/seed-7a1a2db0/pbt"

// A schedule that is followed has stages of its own lengths. Where one begins between two
// ready points, the segment is split: it ends there, and the member continues with the next
// stage. It is not ready there, and waits at no barrier. Ready points stay where they were.

// Stretch is how many of the granted steps a member trains in one segment, from a step
// of its weights on: up to its next ready point or the next stage.
func (m *Machine) Stretch(i int, d *pbt.Decision, from, grant int64) int64 {
	follow, ok := m.spec.Policy.Following()
	if !ok {
		return grant
	}
	if !d.WasReady() {
		grant = min(grant, m.spec.Segment-m.members[i].offset(m.spec.Segment))
	}
	if next, ok := follow.Next(from); ok {
		grant = min(grant, next-from)
	}
	return grant
}

// offset is how far a member is behind the start of a segment that was not split.
func (mem *member) offset(segment int64) int64 { return (mem.spent - mem.readyAt) % segment }

// startOf is the step of the weights that a decision continues from.
func (m *Machine) startOf(i int, d *pbt.Decision) int64 {
	switch {
	case d.TakesWeights():
		return d.Rival.Step
	case d.Parent != 0:
		return m.members[i].step
	}
	return 0
}

// split tells whether a member that has trained is between two ready points.
func (m *Machine) split(mem *member) bool {
	_, follows := m.spec.Policy.Following()
	return follows && mem.offset(m.spec.Segment) != 0
}

// firstSplit is the first member that waits at a barrier for no reason: its segment was
// split, and its own weights train on. It is -1 if there is none.
func (m *Machine) firstSplit(b *pbt.Barrier) int {
	if _, follows := m.spec.Policy.Following(); b == nil || !follows {
		return -1
	}
	for _, i := range m.deciding.sorted(&m.batch) {
		mem := &m.members[i]
		if r, scored := m.pop.Record(i); m.split(mem) && scored && r.Score.Finite() && !mem.broken && !mem.ended && mem.wish == nil && m.grant(i, 0) > 0 {
			return i
		}
	}
	return -1
}
