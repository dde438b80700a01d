package sim

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// agree runs one plan in several ways that must come to the same: in pbt.Train, by
// one worker and by many, without trouble and restarted anywhere, with scores that
// are better high and better low.
func agree(seed uint64) []Violation {
	var found []Violation
	found = append(found, agreeTrain(seed, false)...)
	found = append(found, agreeTrain(seed, true)...)
	found = append(found, agreeWorkers(seed)...)
	found = append(found, agreeRestarts(seed)...)
	found = append(found, agreeHand(seed)...)
	found = append(found, agreeOutage(seed)...)
	return append(found, agreeGoals(seed)...)
}

// calmPlan is a plan in which nothing depends on time or on the order of arrival.
// What a trainer does wrong follows from its seeds: it does so again.
func calmPlan(seed uint64, use string) plan {
	d := newDice(seed, use)
	p := plan{members: drawMembers(d), workers: 1, faults: faults{local: true}, constant: true}
	p.spec = drawSpec(d, p.members, false)
	s := &p.spec
	s.Policy.Barrier = nil
	s.Budget = pbt.Budget{Steps: d.whole(1, 10)*s.Segment + d.whole(0, s.Segment-1)}
	s.Timeout, s.Silence, s.Keep.Bytes, s.FailureLimit = 0, 0, 0, 1<<40
	p.model = model{seed: d.r.Uint64(), minimize: s.Goal == pbt.Minimize, grain: one(d, 0, 0, 0.25)}
	if d.yes(0.5) {
		p.model.diverge, p.model.glitch = d.rate(0.003, 0.1), d.rate(0.01, 0.3)
	}
	return p
}

// rememberAll lets workers keep weights in memory, and not save them all.
func (p *plan) rememberAll(seed uint64) {
	d := newDice(seed, "saving")
	p.spec.SaveEvery, p.memory = drawSaving(d), true
}

// agreeTrain compares a run with pbt.Train: one worker with FairTurns, a barrier
// for all with LockStep.
func agreeTrain(seed uint64, lockStep bool) []Violation {
	p := calmPlan(seed, "train")
	order := pbt.FairTurns
	if lockStep {
		order, p.workers, p.spec.Policy.Barrier = pbt.LockStep, 5, &pbt.Barrier{}
		p.rememberAll(seed) // behind a barrier everything is saved, whatever is wanted
	}
	p.spec.Retries = 0
	w := newWorld(seed, p)
	w.run()
	if len(w.violations) > 0 {
		return w.violations
	}
	m := &p.model
	var decisions []machine.Decided
	result, err := pbt.Train(pbt.Options{
		Members: p.members, Steps: p.spec.Budget.Steps, Block: p.spec.Segment, Goal: p.spec.Goal, Space: p.spec.Space,
		Policy: p.spec.Policy, Initial: p.spec.Initial, Seed: p.spec.Seed, Order: order,
		Watch: func(member int, _ pbt.Record, d pbt.Decision) {
			decisions = append(decisions, machine.Decided{Member: member, Parent: d.Parent, Hypers: d.Hypers, Decision: d})
		},
	}, pbt.Model[weights]{
		Init: func(r *pbt.Rand) weights { return m.fresh(r.Uint64()) },
		Step: func(theta weights, h pbt.Hypers, r *pbt.Rand) weights { return m.step(theta, h, r.Uint64()) },
		Eval: func(theta weights) float64 { return float64(m.score(theta)) },
	})
	if err != nil {
		w.violate(LawAgreement, "Train refuses what the machine takes: %v", err)
		return w.violations
	}
	mine := w.decisions()[p.members:] // Train does not show how members begin
	w.compareDecisions("Train", mine, decisions)
	for i := range result.Members {
		r, _ := w.book.replica.Record(i)
		w.compareRecords(fmt.Sprintf("member %d's record, in Train", i), r, result.Members[i])
		if s := w.book.segment(r.Segment); s == nil || s.weights != result.Weights[i] {
			w.violate(LawAgreement, "member %d ends with other weights in Train", i)
		}
	}
	if c := w.book.replica.Counts(); c.Copies+c.Repairs != int64(result.Copies) {
		w.violate(LawAgreement, "%d copies and %d repairs; in Train %d", c.Copies, c.Repairs, result.Copies)
	}
	return w.violations
}

// agreeWorkers compares one worker with sixteen, behind a barrier for all.
func agreeWorkers(seed uint64) []Violation {
	p := calmPlan(seed, "workers")
	p.spec.Policy.Barrier = &pbt.Barrier{}
	p.model.fail, p.model.samples = one(newDice(seed, "workers fail"), 0, 0.2), true
	p.rememberAll(seed)
	alone := newWorld(seed, p)
	alone.run()
	p.workers = 16
	many := newWorld(seed+1, p)
	many.run()
	return compareRuns("with 16 workers instead of one", alone, many)
}

// agreeRestarts compares a run without trouble with one that is killed and
// resumed time and again. Without a barrier it takes a single worker for the order
// to be the same.
func agreeRestarts(seed uint64) []Violation {
	p := calmPlan(seed, "restarts")
	d := newDice(seed, "how it restarts")
	fail := one(d, 0, 0.2)
	p.model.samples = true
	if d.yes(0.3) {
		p.spec.Budget.Total = d.whole(1, p.spec.Budget.Steps*int64(p.members))
	}
	if d.yes(0.5) { // far away workers go on while there is no coordinator
		p.spec.Policy.Barrier, p.spec.Silence, p.workers = &pbt.Barrier{}, 3*beatEvery, int(d.whole(1, 8))
		p.model.fail = fail // without a barrier, what is retried when depends on the evidence that a restart interrupts
	}
	calm := newWorld(seed, p)
	calm.run()
	p.faults = faults{crash: d.rate(0.003, 0.1), kill: d.rate(0.01, 0.5), stop: d.rate(0.01, 0.5), local: p.spec.Policy.Barrier == nil}
	killed := newWorld(seed+1, p)
	killed.run()
	return compareRuns("with restarts", calm, killed)
}

// agreeHand compares a run that nobody touches with one that somebody pauses, whose
// segments he gives up, and whose checkpoints he pins: none of it changes a decision.
func agreeHand(seed uint64) []Violation {
	p := calmPlan(seed, "hand")
	d := newDice(seed, "how it is steered")
	fails := one(d, 0, 0.2)
	p.model.samples = true
	if d.yes(0.5) {
		p.spec.Policy.Barrier, p.workers = &pbt.Barrier{}, int(d.whole(1, 8))
		p.model.fail = fails // without a barrier, evidence about a failure changes the order of turns (adr/0014)
	}
	alone := newWorld(seed, p)
	alone.run()
	p.faults.steer, p.faults.gentle = d.rate(0.2, 4), true
	steered := newWorld(seed+1, p)
	steered.run()
	return compareRuns("with pauses, kills and pins", alone, steered)
}

// agreeOutage compares a run without trouble with one in which what trainers need is
// away once, at any time and for any length: for all, for one worker, or the store. It
// changes no decision, and no member is lost by it.
func agreeOutage(seed uint64) []Violation {
	p := calmPlan(seed, "outage")
	d := newDice(seed, "when it is away")
	p.spec.Retries, p.model.samples = one(d, 0, 0, 1, 2), true
	p.spec.OnFault = one(d, machine.FaultPause, machine.FaultRetry)
	p.faults.local = true
	if d.yes(0.7) {
		p.spec.Policy.Barrier, p.workers = &pbt.Barrier{}, int(d.whole(1, 8))
		if p.spec.OnFault == machine.FaultPause {
			p.model.fail = one(d, 0, 0.2)
		}
	}
	calm := newWorld(seed, p)
	calm.run()
	hit := newWorld(seed+1, p)
	first := int64(0)
	if p.workers == 1 && p.spec.Policy.Barrier == nil { // until something has finished, others go first
		first = 3 * int64(segmentTime)
	}
	hit.after(first+d.whole(0, max(1, calm.now)), func() { hit.beginOutage(drawOutage(d, hit.now, len(hit.workers))) })
	hit.run()
	return compareRuns("with an outage", calm, hit)
}

// agreeGoals compares maximizing a score with minimizing its negative.
func agreeGoals(seed uint64) []Violation {
	p := calmPlan(seed, "goals")
	p.rememberAll(seed)
	p.spec.Goal, p.model.minimize = pbt.Maximize, false
	up := newWorld(seed, p)
	up.run()
	p.spec.Goal, p.model.minimize = pbt.Minimize, true
	down := newWorld(seed, p)
	down.run()
	if len(up.violations)+len(down.violations) > 0 {
		return append(up.violations, down.violations...)
	}
	mine, others := up.decisions(), down.decisions()
	for i := range min(len(mine), len(others)) {
		a, b := &mine[i], &others[i]
		if a.Member != b.Member || a.Parent != b.Parent || a.Decision.Action != b.Decision.Action || a.Decision.Why != b.Decision.Why || !a.Hypers.Equal(b.Hypers) {
			up.violate(LawAgreement, "with all scores negated, decision %d on member %d is on member %d: %s; and: %s", i+1, a.Member, b.Member, a.Decision.Say(), b.Decision.Say())
			return up.violations
		}
	}
	if len(mine) != len(others) {
		up.violate(LawAgreement, "with all scores negated, there are %d decisions, not %d", len(others), len(mine))
	}
	return up.violations
}

// compareRuns compares what two runs decided, and what came of it.
func compareRuns(how string, x, y *world) []Violation {
	if len(x.violations)+len(y.violations) > 0 {
		return append(x.violations, y.violations...)
	}
	x.compareDecisions(how, x.decisions(), y.decisions())
	for i := range min(len(x.book.segments), len(y.book.segments)) {
		if a, b := &x.book.segments[i], &y.book.segments[i]; (a.outcome == nil) != (b.outcome == nil) || a.weights != b.weights {
			x.violate(LawAgreement, "segment %d ends in other weights %s", i+1, how)
		}
	}
	for i := range x.book.members {
		a, _ := x.book.replica.Record(i)
		b, _ := y.book.replica.Record(i)
		x.compareRecords(fmt.Sprintf("member %d's record, %s", i, how), a, b)
	}
	return x.violations
}

// decisions are all that the journal holds.
func (w *world) decisions() []machine.Decided {
	var out []machine.Decided
	for _, r := range w.journal.rows {
		if r.kind != machine.KindDecided {
			continue
		}
		if body, err := machine.Decode(r.kind, r.body); err == nil {
			out = append(out, *body.(*machine.Decided))
		}
	}
	return out
}

func (w *world) compareDecisions(how string, mine, others []machine.Decided) {
	for i := range min(len(mine), len(others)) {
		a, b := &mine[i], &others[i]
		same, what := a.Decision.Same(&b.Decision)
		if !same || a.Member != b.Member {
			w.violate(LawAgreement, "%s, decision %d is on member %d, not %d: %s", how, i+1, b.Member, a.Member, what)
			return
		}
	}
	if len(mine) != len(others) {
		w.violate(LawAgreement, "%s, there are %d decisions, not %d", how, len(others), len(mine))
	}
}

func (w *world) compareRecords(which string, a, b pbt.Record) {
	if a.Segment != b.Segment || !sameScore(a.Score, b.Score) || a.Step != b.Step || !a.Hypers.Equal(b.Hypers) || !sameSamples(a, b) {
		w.violate(LawAgreement, "%s: %+v, not %+v", which, b, a)
	}
}
