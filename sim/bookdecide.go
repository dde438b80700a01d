package sim

import (
	"slices"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// decideAgain asks the replayed machine for a decision that the journal holds.
func (b *book) decideAgain(body machine.Body) {
	e, ok := body.(*machine.Decided)
	if !ok || e.Decision.Action == pbt.Begin {
		return
	}
	again, ok := b.replica.Decision(e.Member)
	if !ok {
		b.w.violate(LawDecision, "segment %d: the replayed run would let member %d go", e.Segment, e.Member)
	} else if same, how := e.Decision.Same(&again); !same {
		b.w.violate(LawDecision, "segment %d, decided again from the replayed state: %s", e.Segment, how)
	}
}

// decide is the decision that the book comes to.
func (b *book) decide(i int) (pbt.Decision, bool) {
	p := &b.members[i]
	if p.segment == 0 {
		var given pbt.Hypers
		if i < len(b.spec.Initial) {
			given = b.spec.Initial[i]
		}
		d, err := pbt.Start(b.spec.Space, b.spec.Seed, i, given)
		return d, err == nil
	}
	s := pbt.Standing{
		Member: i, Turn: p.turn + 1, Segment: p.record, Hypers: p.hypers,
		Spent: p.spent, SinceReady: p.spent - p.readyAt, SinceCopy: p.spent - p.copiedAt,
		Progress: b.spec.Budget.Progress(p.spent, b.spent),
	}
	if p.broken {
		return b.spec.Policy.DecideFailed(b.pop, b.spec.Space, s)
	}
	return b.spec.Policy.Decide(b.pop, b.spec.Space, s), true
}

func (b *book) decided(at int64, e *machine.Decided) {
	p, d := &b.members[e.Member], &e.Decision
	if d.Why == pbt.WhyBranch && d.Action == pbt.Begin {
		b.began(e)
		return
	}
	b.passBarrier(at, e.Member)
	if p.ended && p.wish == nil {
		b.w.violate(LawPopulation, "member %d goes on, though it has ended by itself", e.Member)
	}
	p.ended = false
	b.checkPlan(e)
	switch mine, ok := b.decide(e.Member); {
	case p.wish != nil || d.Why == pbt.WhySteered || d.Why == pbt.WhyBranch:
		b.checkFulfilled(e)
	case !ok:
		b.w.violate(LawPopulation, "member %d goes on, and cannot", e.Member)
	default:
		if same, how := d.Same(&mine); !same {
			b.w.violate(LawDecision, "segment %d, decided again by the book: %s", e.Segment, how)
		}
		b.checkPeers(e)
		b.checkFounders(e)
	}
	if d.Copies() {
		b.checkDonor(e)
	}
	if d.TakesWeights() {
		if r, ok := b.taken(e); ok {
			b.adopting = append(b.adopting, adoption{e.Member, r})
		}
	}
	if d.TakesWeights() && d.Why != pbt.WhyBranch || d.Action == pbt.Restart && p.segment != 0 {
		b.departing = append(b.departing, e.Member)
	}
	p.wish = nil
	b.promised += e.Steps
	b.segments = append(b.segments, segment{
		member: e.Member, turn: e.Turn, parent: e.Parent, from: e.From, steps: e.Steps, hypers: e.Hypers,
	})
	if d.WasReady() {
		p.readyAt = p.spent
	}
	if d.Copies() || d.Action == pbt.Restart {
		p.copiedAt = p.spent
	}
	if d.Action != pbt.Restart || p.segment != 0 { // who was added begins, and does not begin again
		b.countAction(d.Action)
	}
	p.broken, p.segment, p.turn, p.hypers = false, e.Segment, e.Turn, e.Hypers
	if e.Parent == 0 {
		p.saved()
	}
	b.adopt()
	b.wait(at, p)
}

// adopt makes those that copied stand with their donors' records, once all who
// decide together have decided.
func (b *book) adopt() {
	if len(b.opening) > 0 {
		return
	}
	for _, a := range b.adopting {
		b.pop.Adopt(a.member, a.record)
		b.members[a.member].record, b.members[a.member].own = a.record.Segment, false
		b.members[a.member].saved()
	}
	b.adopting = b.adopting[:0]
	for _, i := range b.departing {
		b.pop.Depart(i)
		b.members[i].departed = true
	}
	b.departing = b.departing[:0]
}

func (b *book) countAction(a pbt.Action) {
	switch a {
	case pbt.Copy:
		b.counts.Copies++
		b.w.tally.Copies++
	case pbt.Mend:
		b.counts.Repairs++
		b.w.tally.Repairs++
	case pbt.Restart:
		b.counts.Restarts++
		b.w.tally.Restarts++
	}
}

// checkPlan checks what a decision plans, apart from why.
func (b *book) checkPlan(e *machine.Decided) {
	p := &b.members[e.Member]
	if b.phase != machine.PhaseRunning {
		b.w.violate(LawOrder, "segment %d is decided while the run is %s", e.Segment, b.phase)
	}
	if want := int64(len(b.segments)) + 1; e.Segment != want {
		b.w.violate(LawOrder, "segment %d is decided where %d follows", e.Segment, want)
	}
	if p.state != machine.StateDeciding && p.state != "" {
		b.w.violate(LawOrder, "member %d is decided on while it is %s", e.Member, p.state)
	}
	if turn := p.turn + 1; p.segment != 0 && e.Turn != turn || p.segment == 0 && e.Turn != 0 {
		b.w.violate(LawOrder, "segment %d is turn %d of member %d, whose last was %d", e.Segment, e.Turn, e.Member, p.turn)
	}
	if grant := b.grant(e.Member); e.Steps != grant || grant == 0 {
		b.w.violate(LawBudget, "segment %d has %d steps; the budget grants member %d %d", e.Segment, e.Steps, e.Member, grant)
	}
	if err := b.spec.Space.Check(e.Hypers); err != nil {
		b.w.violate(LawBounds, "segment %d: %v", e.Segment, err)
	}
	from := int64(0)
	if e.Parent != 0 {
		s := b.segment(e.Parent)
		if s == nil || s.outcome == nil {
			b.w.violate(LawOutcomeKept, "segment %d starts from segment %d, which has no outcome", e.Segment, e.Parent)
			return
		}
		from = s.outcome.Step
		if !s.saved() && (p.unsaved == 0 || p.record != e.Parent) {
			b.w.violate(LawHeld, "segment %d of member %d starts from segment %d, which is not saved", e.Segment, e.Member, e.Parent)
		}
	}
	if e.From != from {
		b.w.violate(LawSums, "segment %d starts at step %d from weights of step %d", e.Segment, e.From, from)
	}
}

// checkDonor checks that a donor is one recorded outcome, and a sound one.
func (b *book) checkDonor(e *machine.Decided) {
	r := e.Decision.Rival
	s := b.segment(r.Segment)
	record, ok := b.pop.Record(r.Member)
	switch {
	case (e.Decision.Why == pbt.WhySteered || e.Decision.Why == pbt.WhyBranch) && s != nil && s.outcome != nil:
		return // a person chooses among all outcomes
	case s == nil || s.outcome == nil || !ok || record.Segment != r.Segment:
		b.w.violate(LawDonorRecord, "segment %d copies segment %d, which member %d does not stand with", e.Segment, r.Segment, r.Member)
	case !s.outcome.Score.Finite():
		b.w.violate(LawNotFinite, "segment %d copies member %d, whose score is %s", e.Segment, r.Member, s.outcome.Score)
	case r.Score != s.outcome.Score || r.Step != s.outcome.Step:
		b.w.violate(LawDonorRecord, "segment %d copies segment %d at score %s, step %d; recorded are %s and %d", e.Segment, r.Segment, r.Score, r.Step, s.outcome.Score, s.outcome.Step)
	case !s.saved():
		b.w.violate(LawHeld, "segment %d copies segment %d of member %d, which is not saved", e.Segment, r.Segment, r.Member)
	case r.Member == e.Member:
		b.w.violate(LawDonorRecord, "segment %d copies its own member", e.Segment)
	}
}

// passBarrier lets a member go, and checks that it may: the barrier opens by its
// rule, and then for everybody who waits at it.
func (b *book) passBarrier(at int64, i int) {
	barrier := b.spec.Policy.Barrier
	if barrier == nil || b.members[i].state != machine.StateDeciding {
		return
	}
	if len(b.opening) == 0 {
		for k := range b.members {
			if b.members[k].state == machine.StateDeciding {
				b.opening = append(b.opening, k)
			}
		}
		active := b.active()
		if !barrier.Opens(len(b.opening), active, time.Duration(at-b.since)) {
			b.w.violate(LawBarrier, "it opens for %d of %d members after %s", len(b.opening), active, time.Duration(at-b.since))
		}
	}
	b.opening = slices.DeleteFunc(b.opening, func(k int) bool { return k == i })
}

func (b *book) memberDone(at int64, e *machine.MemberDone) {
	p := &b.members[e.Member]
	if e.Reason == machine.ReasonRetired {
		b.retired(e, p)
		return
	}
	b.passBarrier(at, e.Member)
	if p.segment != 0 { // else it still has to begin
		p.wish = nil
	}
	if p.state != machine.StateDeciding && p.state != "" {
		b.w.violate(LawPopulation, "member %d is done while it is %s", e.Member, p.state)
	}
	if p.unsaved > 0 {
		b.w.violate(LawHeld, "member %d is done, and its weights are in the memory of %s only", e.Member, p.holder)
	}
	p.state = machine.StateDone
	if (e.Reason == machine.ReasonEnded) != p.ended {
		b.w.violate(LawPopulation, "member %d trains no more (%s); by the book it has ended by itself: %t", e.Member, e.Reason, p.ended)
	}
	if p.ended {
		b.w.tally.Ended++
		b.adopt()
		return
	}
	if e.Reason == "budget" {
		b.leaving = append(b.leaving, e.Member)
		b.adopt()
		return
	}
	if _, goesOn := b.decide(e.Member); goesOn || !p.broken {
		b.w.violate(LawPopulation, "member %d is given up, though it can go on", e.Member)
	}
	p.state = machine.StateFailed
	b.adopt()
}

// checkLeaving checks that who is done for want of budget has none left, when all
// who decide together have decided.
func (b *book) checkLeaving() {
	if len(b.opening) > 0 {
		return
	}
	for _, i := range b.leaving {
		if grant := b.grant(i); grant > 0 {
			b.w.violate(LawBudget, "member %d is done with %d steps left", i, grant)
		}
	}
	b.leaving = b.leaving[:0]
}

func (b *book) finished(at int64, e *machine.Finished) {
	if e.Lease == 0 && e.Segment == 1 {
		b.imported(at, e)
		return
	}
	if !b.reported("finished", e.Member, e.Segment, e.Lease) {
		return
	}
	p, s := &b.members[e.Member], b.segment(e.Segment)
	b.outcomes++
	b.counts.Finished++
	b.checkWeights(e, s)
	b.keepInMind(e, p, s)
	b.endLease(e.Lease, endReported)
	b.doubts = 0
	b.lease(e.Lease).proof = e.Checkpoint.ID != ""
	s.trained = b.w.model.trained(s.weights, s.steps)
	if e.Done != b.w.model.ends(s.weights) {
		b.w.violate(LawOutcomeKept, "segment %d is recorded with done: %t, as nobody has said", e.Segment, e.Done)
	}
	p.ended = e.Done && e.Score.Finite()
	p.spent += s.trained
	b.spent += s.trained
	b.promised -= s.steps
	if s.trained > s.steps {
		b.excess += s.trained - s.steps
	}
	if s.trained != s.steps {
		b.w.tally.Miscounts++
	}
	if e.Step != s.from+s.trained || e.Spent != p.spent {
		b.w.violate(LawSums, "segment %d ends at step %d, %d spent; it should be %d and %d", e.Segment, e.Step, e.Spent, s.from+s.trained, p.spent)
	}
	var past []float64
	if old, ok := b.pop.Record(e.Member); ok && s.parent != 0 {
		past = old.Samples
	}
	s.outcome = e
	p.record, p.own = e.Segment, true
	s.record = pbt.Record{
		Segment: e.Segment, Score: e.Score, Samples: pbt.LastSamples(past, e.Samples, e.Score), Step: e.Step, Hypers: s.hypers, Saved: s.saved(),
	}
	b.pop.Set(e.Member, s.record)
	if b.isFounder(e.Member) && e.Score.Finite() && (b.founder == 0 || b.spec.Goal.Better(e.Score, b.segment(b.founder).outcome.Score)) {
		b.founder = e.Segment
	}
	if e.Score.Finite() {
		b.failing = 0
		if s.saved() {
			b.rank(e.Segment)
		}
	} else {
		b.w.tally.NotFinite++
		if s.attempt < b.spec.Retries {
			b.w.violate(LawNotFinite, "segment %d is recorded with score %s, though %d retries are left", e.Segment, e.Score, b.spec.Retries-s.attempt)
		}
	}
	b.arrive(at, e.Member)
}

// checkWeights is law 1: the checkpoint is there, holds what was planned, and the
// score is that of its weights.
func (b *book) checkWeights(e *machine.Finished, s *segment) {
	m, seed := b.w.model, b.spec.Seed
	start := m.fresh(first(pbt.WeightSeed(seed, e.Member, s.turn)))
	if s.parent != 0 {
		start = b.segment(s.parent).weights
	}
	s.weights = m.step(start, s.hypers, first(pbt.TrainSeed(seed, e.Member, s.turn, s.attempt)))
	c, ok := b.w.store.get(e.Checkpoint.ID)
	if e.Checkpoint.ID == "" {
		c, ok = content{e.Segment, s.weights}, true
	}
	switch {
	case !ok:
		b.w.violate(LawCheckpointHeld, "segment %d is recorded with checkpoint %q, which is not there", e.Segment, e.Checkpoint.ID)
	case c.segment != e.Segment || c.weights != s.weights:
		b.w.violate(LawWeights, "segment %d is recorded with checkpoint %q, which holds other weights", e.Segment, e.Checkpoint.ID)
	case !sameScore(m.score(c.weights), e.Score):
		b.w.violate(LawWeights, "segment %d is recorded with score %s; its weights are worth %s", e.Segment, e.Score, m.score(c.weights))
	}
}

// rank keeps the best outcomes, an earlier one before an equal later one.
func (b *book) rank(id int64) {
	score := b.segment(id).outcome.Score
	at := len(b.best)
	for at > 0 && b.spec.Goal.Better(score, b.segment(b.best[at-1]).outcome.Score) {
		at--
	}
	if at == 0 {
		b.bestAt = b.spent
	}
	b.best = slices.Insert(b.best, at, id)
	b.best = b.best[:min(len(b.best), b.spec.Keep.Best)]
}
