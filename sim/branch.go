package sim

import (
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// branch is what a run begins with that is a branch of another.
type branch struct {
	machine.Branch
	weights weights
}

// drawBranch draws an outcome of another run; nil if no run could begin with it.
func drawBranch(d dice, p *plan) *branch {
	w := weights{hash: d.r.Uint64(), quality: d.real(0, 5)}
	b := &branch{weights: w}
	b.Origin = machine.Origin{
		Dir: "/runs/other-1", Run: "other \"ünïcode\"", Began: 1, Segment: d.whole(1, 1000), Member: int(d.whole(0, 99)), Digest: "00ff",
	}
	b.Record = pbt.Record{Score: p.model.score(w), Samples: p.model.single(w), Step: d.whole(0, 100), Hypers: p.spec.Space.Draw(p.spec.Seed+2, 0, 0)}
	if b.Record.Step > 0 {
		b.Origin.Stages = []pbt.Stage{{To: b.Record.Step, Hypers: b.Record.Hypers, Segment: b.Origin.Segment}}
	}
	b.Metrics = machine.Metrics{"other": 1}
	b.Checkpoint = machine.Checkpoint{ID: machine.ImportName, Bytes: p.model.bytes(w)}
	if b.Validate(&p.spec) != nil {
		return nil
	}
	return b
}

// begin is a run's first input. The checkpoint of a branch is there before: a process
// that was killed in between begins anew, with what the last one has put there.
func (w *world) begin() machine.Start {
	in := machine.Start{Experiment: experiment(0), Version: "sim"}
	if b := w.plan.branch; b != nil {
		w.store.publish(machine.ImportName, content{1, b.weights})
		in.Branch = &b.Branch
	}
	return in
}

// began takes in the first decision of a branch: a segment of no steps, that nobody
// trains.
func (b *book) began(e *machine.Decided) {
	from := b.w.plan.branch
	if from == nil || len(b.segments) > 0 {
		b.w.violate(LawOrder, "segment %d is another run's, and the run is none of its branches", e.Segment)
		return
	}
	r := &from.Record
	if e.Segment != 1 || e.Member != 0 || e.Turn != 0 || e.Parent != 0 || e.Steps != 0 || e.From != r.Step || !e.Hypers.Equal(r.Hypers) || e.Decision.Copies() {
		b.w.violate(LawSteered, "the run begins with %+v, which is not what it was branched from", e)
	}
	b.segments = append(b.segments, segment{from: e.From, hypers: e.Hypers})
	b.members[0].segment, b.members[0].hypers = 1, e.Hypers
}

// imported takes in its outcome: with it, everybody begins.
func (b *book) imported(at int64, e *machine.Finished) {
	from, s := b.w.plan.branch, b.segment(1)
	if from == nil || s == nil || s.outcome != nil || e.Member != 0 {
		b.w.violate(LawDeadLease, "segment %d has finished on no lease", e.Segment)
		return
	}
	b.w.tally.Branched++
	s.weights = from.weights
	c, there := b.w.store.get(e.Checkpoint.ID)
	if !there || c.segment != 1 || c.weights != from.weights || e.Checkpoint != from.Checkpoint {
		b.w.violate(LawCheckpointHeld, "the run begins with checkpoint %q, which is not what it was branched from", e.Checkpoint.ID)
	}
	if !sameScore(e.Score, from.Record.Score) || e.Step != from.Record.Step || e.Spent != 0 || !slices.Equal(e.Samples, machine.Samples(from.Record.Samples)) {
		b.w.violate(LawDonorRecord, "the run begins with %+v, which is not the record it was branched from", e)
	}
	s.outcome = e
	s.record = pbt.Record{
		Segment: 1, Score: e.Score, Samples: pbt.LastSamples(nil, e.Samples, e.Score), Step: e.Step, Hypers: s.hypers, Saved: true,
	}
	b.members[0].record, b.members[0].own = 1, true
	b.pop.Set(0, s.record)
	b.rank(1)
	for i := range b.members {
		var given pbt.Hypers
		if i < len(b.spec.Initial) {
			given = b.spec.Initial[i]
		}
		if i > 0 {
			b.members[i].wish = &pbt.Wish{Branch: true, Donor: &s.record, Given: given}
		} else if given.Len() > 0 {
			b.members[i].wish = &pbt.Wish{Branch: true, Set: given}
		}
		b.arrive(at, i)
	}
}

// checkVaried: a member of a branch has what was given for it, or else what exploring
// made of the record's hyperparameters, of which it knows no more than the bounds; and
// it says what has changed.
func (b *book) checkVaried(e *machine.Decided, w *pbt.Wish, wrong func(string)) {
	for name, v := range w.Given.All() {
		if got, has := e.Hypers.Get(name); !has || got != b.param(name).Coerce(v) {
			wrong(name + " should be " + v.String())
		}
	}
	for name, v := range e.Hypers.All() {
		was, had := w.Donor.Hypers.Get(name)
		if !had || was == v || b.param(name).Keep {
			continue
		}
		if !slices.ContainsFunc(e.Decision.Changes, func(c pbt.Change) bool { return c.Name == name && c.To == v }) {
			wrong("it does not say how " + name + " changes")
		}
	}
}
