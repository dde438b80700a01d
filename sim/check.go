package sim

import (
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// often is how many events of a run are checked against its whole state at every
// commit; after that only now and then, since that costs as much as the state is large.
const (
	often  = 100
	seldom = 8
)

// checkLive compares the machine at work with the book and with its own replay.
func (b *book) checkLive(m *machine.Machine) {
	b.checks++
	if len(b.w.journal.rows) > often && b.checks%seldom != 0 {
		return
	}
	b.checkReplayed(m)
	b.checkRun(m)
	for i := range b.members {
		b.checkMember(m.Member(i))
		b.checkRecord(m, i)
	}
	b.checkKept(m)
}

// checkReplayed compares a machine's whole state with that of the rows' replay.
func (b *book) checkReplayed(m *machine.Machine) {
	if x, y := m.Fingerprint(), b.replica.Fingerprint(); x != y {
		b.w.violate(LawReplay, "%s", difference(x, y))
	}
}

// difference shows the first line in which two fingerprints differ.
func difference(x, y string) string {
	xs, ys := strings.Split(x, "\n"), strings.Split(y, "\n")
	for i := range min(len(xs), len(ys)) {
		if xs[i] != ys[i] {
			return "the state holds\n\t" + xs[i] + "\n\tand the replay\n\t" + ys[i]
		}
	}
	return "the state and the replay are of different length"
}

func (b *book) checkRun(m *machine.Machine) {
	w := b.w
	if phase, _ := m.Phase(); phase != b.phase {
		w.violate(LawOrder, "the run is %s; by the book it is %s", phase, b.phase)
	}
	c := m.Counts()
	mine := b.counts
	if c.Finished != mine.Finished || c.Failed != mine.Failed || c.Lost != mine.Lost || c.Refused != mine.Refused ||
		c.Copies != mine.Copies || c.Repairs != mine.Repairs || c.Restarts != mine.Restarts || c.Opens != mine.Opens || c.RolledBack != mine.RolledBack {
		w.violate(LawSums, "the counts are %+v, by the book %+v", c, mine)
	}
	if m.Spent() != b.spent || m.Segments() != int64(len(b.segments)) || m.Running() != len(b.alive) || m.Waiting() != b.count(machine.StateWaiting) {
		w.violate(LawSums, "spent %d, segments %d, running %d, waiting %d; by the book %d, %d, %d, %d",
			m.Spent(), m.Segments(), m.Running(), m.Waiting(), b.spent, len(b.segments), len(b.alive), b.count(machine.StateWaiting))
	}
	b.checkHand(m)
	if inside := m.Inside(); inside.Segment != b.founder {
		w.violate(LawFounders, "the best record of a founder is segment %d; by the book segment %d", inside.Segment, b.founder)
	}
	best, ok := m.Best()
	if ok != (len(b.best) > 0) {
		w.violate(LawOutcomeKept, "there is a best outcome: %t; by the book: %t", ok, len(b.best) > 0)
	} else if ok {
		s := b.segment(b.best[0])
		if best.Segment != b.best[0] || best.Score != s.outcome.Score || best.Step != s.outcome.Step || best.Member != s.member ||
			best.Checkpoint != s.outcome.Checkpoint || !best.Hypers.Equal(s.hypers) {
			w.violate(LawOutcomeKept, "the best is %+v; by the book it is segment %d with score %s", best, b.best[0], s.outcome.Score)
		}
	}
}

// checkMember compares a member's view with the book.
func (b *book) checkMember(v machine.MemberView) {
	p := &b.members[v.ID]
	if v.State != p.state {
		b.w.violate(LawPopulation, "member %d is %q; by the book it is %q", v.ID, v.State, p.state)
	}
	step := int64(0)
	if s := b.segment(p.record); s != nil {
		step = s.outcome.Step
	}
	if v.Step != step || v.Spent != p.spent || v.Failures != p.failed || v.Lost != p.lost || v.Segment != p.segment {
		b.w.violate(LawSums, "member %d is at step %d, segment %d, %d spent, %d failures, %d lost; by the book %d, %d, %d, %d, %d",
			v.ID, v.Step, v.Segment, v.Spent, v.Failures, v.Lost, step, p.segment, p.spent, p.failed, p.lost)
	}
	if p.segment > 0 && !v.Hypers.Equal(p.hypers) {
		b.w.violate(LawBounds, "member %d trains with %s; planned were %s", v.ID, v.Hypers, p.hypers)
	}
	if n := b.lease(p.lease); n != nil && v.Worker != n.worker {
		b.w.violate(LawDeadLease, "member %d is trained by %q; leased to %q", v.ID, v.Worker, n.worker)
	}
	rank := 0
	if b.pop.Ranked(v.ID) {
		rank = b.pop.Rank(v.ID) + 1
	}
	if v.Rank != rank {
		b.w.violate(LawDonorRecord, "member %d has rank %d; by the book %d", v.ID, v.Rank, rank)
	}
}

// checkRecord checks that a member stands in the population with one recorded
// outcome, whole.
func (b *book) checkRecord(m *machine.Machine, i int) {
	r, scored := m.Record(i)
	p := &b.members[i]
	if scored != (p.record != 0) || scored && r.Segment != p.record {
		b.w.violate(LawDonorRecord, "member %d stands with segment %d; by the book with segment %d", i, r.Segment, p.record)
		return
	}
	if !scored {
		return
	}
	o := b.segment(r.Segment)
	mine, _ := b.pop.Record(i)
	switch {
	case !sameScore(r.Score, o.outcome.Score) && !o.outcome.Score.Finite():
		b.w.violate(LawNotFinite, "member %d stands with score %s, which was %s", i, r.Score, o.outcome.Score)
	case !sameScore(r.Score, o.outcome.Score) || r.Step != o.outcome.Step || !r.Hypers.Equal(o.hypers) || !sameSamples(r, mine) || r.Saved != o.saved():
		b.w.violate(LawDonorRecord, "member %d stands with %+v, which is not the outcome of segment %d (score %s)", i, r, r.Segment, o.outcome.Score)
	}
}

func sameSamples(a, b pbt.Record) bool {
	if len(a.Samples) != len(b.Samples) {
		return false
	}
	for i := range a.Samples {
		if !sameScore(pbt.Score(a.Samples[i]), pbt.Score(b.Samples[i])) {
			return false
		}
	}
	return true
}

// needed yields every segment whose checkpoint somebody needs.
func (b *book) needed(yield func(segment int64, who string)) {
	for i := range b.members {
		p := &b.members[i]
		if p.record != 0 {
			yield(p.record, "a member's record")
		}
		if p.unsaved > 0 {
			yield(p.base.record.Segment, "what a member falls back on")
		}
		if s := b.segment(p.segment); s != nil && s.parent != 0 && (p.state == machine.StateWaiting || p.state == machine.StateRunning) {
			yield(s.parent, "a plan's parent")
		}
		if p.wish != nil && p.wish.Donor != nil {
			yield(p.wish.Donor.Segment, "to be copied, as somebody wishes")
		}
	}
	for _, id := range b.alive {
		if n := b.lease(id); n.probe {
			yield(n.segment, "being probed")
		}
	}
	for _, id := range b.pins {
		yield(id, "pinned")
	}
	for _, id := range b.best {
		yield(id, "among the best")
	}
}

// neededBytes is how much they take.
func (b *book) neededBytes() int64 {
	bytes := int64(0)
	var seen []int64
	b.needed(func(id int64, _ string) {
		if !slices.Contains(seen, id) {
			seen = append(seen, id)
			bytes += b.segment(id).outcome.Checkpoint.Bytes
		}
	})
	return bytes
}

// checkKept is law 8: what is needed is kept, and what is not wanted goes.
func (b *book) checkKept(m *machine.Machine) {
	b.needed(func(id int64, who string) {
		if _, kept := m.NeedsCheckpoint(id); !kept {
			b.w.violate(LawCheckpointHeld, "the checkpoint of segment %d is given up: it is %s", id, who)
		}
	})
	bytes := b.neededBytes()
	keep, total := b.spec.Keep, m.CheckpointBytes()
	if keep.Bytes > 0 && total > max(keep.Bytes, bytes) {
		b.w.violate(LawGarbage, "%d bytes are kept, where %d are needed and %d allowed", total, bytes, keep.Bytes)
	}
	if len(b.w.specs) > 1 { // what was wanted once may stay
		return
	}
	b.checkUnwanted(m)
	if keep.Bytes == 0 && (keep.Lineage || keep.Everything) {
		b.checkWanted(m)
	}
}

// checkUnwanted checks that there is a reason for all that is kept.
func (b *book) checkUnwanted(m *machine.Machine) {
	wanted, total := make([]bool, len(b.segments)+1), int64(0)
	b.needed(func(id int64, _ string) { wanted[id] = true })
	for i := len(b.segments); i > 0; i-- { // children come after their parents
		s := &b.segments[i-1]
		if _, kept := m.NeedsCheckpoint(int64(i)); !kept {
			continue
		}
		total += s.outcome.Checkpoint.Bytes
		if !wanted[i] && !b.spec.Keep.Everything {
			b.w.violate(LawGarbage, "the checkpoint of segment %d is kept, and nobody wants it", i)
		}
		wanted[s.parent] = wanted[s.parent] || b.spec.Keep.Lineage
	}
	if total != m.CheckpointBytes() {
		b.w.violate(LawSums, "%d bytes of checkpoints are kept, counted are %d", total, m.CheckpointBytes())
	}
}

// checkWanted checks what is kept beyond need.
func (b *book) checkWanted(m *machine.Machine) {
	want := make([]bool, len(b.segments)+1)
	b.needed(func(id int64, _ string) {
		for b.spec.Keep.Lineage && id != 0 && !want[id] {
			want[id] = true
			id = b.segment(id).parent
		}
	})
	for i := range b.segments {
		id := int64(i + 1)
		if _, kept := m.NeedsCheckpoint(id); !kept && (want[id] || b.spec.Keep.Everything && b.segments[i].outcome != nil) {
			b.w.violate(LawCheckpointHeld, "the checkpoint of segment %d is given up, and keep: wants it", id)
		}
	}
}

// checkStore looks at the disk after a sweep of orphans: it holds what is kept,
// and nothing else.
func (b *book) checkStore(m *machine.Machine) {
	for _, name := range b.w.store.names {
		if !m.Keeps(name) {
			b.w.violate(LawGarbage, "checkpoint %q is left over from an earlier process", name)
		}
	}
	for i := range b.segments {
		if name, kept := m.NeedsCheckpoint(int64(i + 1)); kept && name != "" {
			if _, ok := b.w.store.get(name); !ok {
				b.w.violate(LawCheckpointHeld, "checkpoint %q is kept, and not there", name)
			}
		}
	}
}

// checkDisk looks at the disk when all deletions of a turn are done.
func (b *book) checkDisk(m *machine.Machine) {
	b.needed(func(id int64, who string) {
		name := b.segment(id).outcome.Checkpoint.ID
		if _, ok := b.w.store.get(name); !ok && name != "" {
			b.w.violate(LawCheckpointHeld, "checkpoint %q of segment %d is deleted: it is %s", name, id, who)
		}
	})
	for _, name := range b.w.store.names {
		c, _ := b.w.store.get(name)
		if s := b.segment(c.segment); s != nil && s.outcome != nil && s.outcome.Checkpoint.ID == name && !m.Keeps(name) {
			b.w.violate(LawGarbage, "checkpoint %q is given up, and still there", name)
		}
	}
}

// checkTask checks a task that has reached a worker: it is durable, and it is what
// was decided.
func (b *book) checkTask(t *machine.Task, worker string) {
	if t.Probe {
		b.checkProbe(t, worker)
		return
	}
	n, s := b.lease(t.Lease), b.segment(t.Segment)
	if n == nil || s == nil || n.member != t.Member || n.segment != t.Segment || n.worker != worker {
		b.w.violate(LawOutcomeKept, "%s is told to train segment %d on lease %d, which is not recorded", worker, t.Segment, t.Lease)
		return
	}
	load := ""
	if s.parent != 0 {
		load = b.segment(s.parent).outcome.Checkpoint.ID
	}
	if t.Parent != s.parent || t.Load != load || t.From != s.from || t.Steps != s.steps || t.Turn != s.turn || !t.Hypers.Equal(s.hypers) ||
		t.Seed != pbt.TrainSeed(b.spec.Seed, s.member, s.turn, n.attempt) || t.WeightSeed != pbt.WeightSeed(b.spec.Seed, s.member, s.turn) {
		b.w.violate(LawWeights, "lease %d is told to train %+v, which is not what segment %d plans", t.Lease, *t, t.Segment)
	}
}

// checkTold checks what a worker was told to be recorded.
func (b *book) checkTold(lease int64) {
	if n := b.lease(lease); n == nil || n.end != endReported {
		b.w.violate(LawOutcomeKept, "the worker of lease %d was told that its report is recorded, and it is not", lease)
	}
}

// checkEnd looks at a run that is over for good.
func (b *book) checkEnd(m *machine.Machine) {
	sum, trained := int64(0), int64(0)
	for i := range b.segments {
		if s := &b.segments[i]; s.outcome != nil {
			trained += s.trained
		}
	}
	if trained != b.spent+b.lost {
		b.w.violate(LawBudget, "%d steps were trained: %d are spent and %d were given back", trained, b.spent, b.lost)
	}
	for i := range b.members {
		sum += b.members[i].spent
		if limit := b.largest.Steps; limit > 0 && b.members[i].spent > limit+b.excess {
			b.w.violate(LawBudget, "member %d has spent %d steps of %d", i, b.members[i].spent, limit)
		}
	}
	if limit := b.largest.Total; sum != b.spent || limit > 0 && sum > limit+b.excess {
		b.w.violate(LawBudget, "all have spent %d steps together, counted are %d, allowed are %d", sum, b.spent, limit)
	}
	if len(b.alive) > 0 {
		b.w.violate(LawLeaseEnds, "the run is over, and leases %v are live", b.alive)
	}
	again, err := fold(b.w.journal.rows, b.w.specOf)
	if err != nil {
		b.w.violate(LawReplay, "the journal does not replay: %v", err)
		return
	}
	b.checkReplayed(again)
	b.checkReplayed(m)
	b.checkDisk(m)
}
