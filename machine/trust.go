package machine

import "slices"

// LoadedDigits is how many digits of a checkpoint's digest an outcome keeps of what it
// was trained from: enough to tell checkpoints apart.
const LoadedDigits = 16

func opened(in Open) *Opened {
	return &Opened{Host: in.Host, PID: in.PID, Version: in.Version, Machine: in.Machine, Accepted: in.Accepted, Charge: in.Charge}
}

// accept takes the checkpoints that the user accepted as they are now.
func (m *Machine) accept(all []Accepted) {
	for _, a := range all {
		if n := m.keep.nodes[a.Segment]; n != nil && a.Digest != "" {
			n.checkpoint.Digest = a.Digest
		}
	}
}

// Checkpoint is a segment's checkpoint, and whether it is still kept. Its name is empty
// for a segment that was recorded without one.
func (m *Machine) Checkpoint(segment int64) (c Checkpoint, kept bool) {
	n := m.keep.nodes[segment]
	if n == nil {
		return Checkpoint{}, false
	}
	return n.checkpoint, true
}

// Needed lists the segments whose checkpoints are needed, in order: records and plans of
// members, what they fall back on or are to copy, the best, and those kept by hand.
func (m *Machine) Needed() []int64 {
	var all []int64
	for i := range m.members {
		mem := &m.members[i]
		all = append(all, mem.record, mem.plan.parent, mem.base.record.Segment)
		if mem.wish != nil && mem.wish.Donor != nil {
			all = append(all, mem.wish.Donor.Segment)
		}
	}
	for _, o := range m.best {
		all = append(all, o.Segment)
	}
	all = append(all, m.keep.pins...)
	slices.Sort(all)
	all = slices.Compact(all)
	return slices.DeleteFunc(all, func(s int64) bool { return m.keep.name(s) == "" })
}
