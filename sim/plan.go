package sim

import (
	"slices"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How long things take in virtual time. A segment trains for about a second.
const (
	segmentTime = time.Second
	beatEvery   = 700 * time.Millisecond
	quietAfter  = 60 * time.Second // from then on nothing fails any more: every run must end
)

// plan is what one seed runs.
type plan struct {
	members  int
	workers  int
	spec     machine.Spec
	faults   faults
	model    model
	constant bool    // the trainer stays as it is: nobody ever mends it
	branch   *branch // what the run begins with; nil: fresh weights
	memory   bool    // workers keep the weights of the last segment that they trained, and ask whether to save them
}

// drawPlan draws a whole plan. Sizes that are not 0 are given; leaving them to
// chance or giving the ones that chance would choose comes to the same run.
func drawPlan(seed uint64, names []string, members, workers int) plan {
	sizes := newDice(seed, "sizes")
	m, w := drawMembers(sizes), int(sizes.whole(1, 8))
	if members > 0 {
		m = members
	}
	if workers > 0 {
		w = workers
	}
	p := plan{members: m, workers: w}
	p.faults, p.model = drawFaults(newDice(seed, "faults"), newDice(seed, "more faults"), newDice(seed, "steering"), newDice(seed, "outages"), names)
	d := newDice(seed, "spec")
	p.spec = drawSpec(d, m, p.faults.lossy())
	p.model.seed = d.r.Uint64()
	p.model.minimize = p.spec.Goal == pbt.Minimize
	p.model.grain = one(d, 0, 0, 0.25)
	p.model.samples = d.yes(0.4)
	p.spec.OnFault = one(newDice(seed, "on fault"), "", machine.FaultPause, machine.FaultRetry)
	saving := newDice(seed, "saving")
	p.spec.SaveEvery = drawSaving(saving)
	p.memory = p.spec.SaveEvery > 1 || saving.yes(0.5)
	p.model.done = one(newDice(seed, "done"), 0, 0, 0, 0.1)
	if patience := newDice(seed, "patience"); patience.yes(0.15) {
		p.spec.Budget.Patience = patience.whole(1, 4*int64(m)) * p.spec.Segment
	}
	p.model.miscount = one(newDice(seed, "counting"), 0, 0, 0.1, 0.5)
	if branching := newDice(seed, "branch"); slices.Contains(names, faultBranch) && branching.yes(0.25) {
		p.branch = drawBranch(branching, &p)
	}
	return p
}

func drawSaving(d dice) int { return one(d, 0, 0, 1, 1, 2, 3, 5, 10) }

// drawMembers is mostly a small population: bugs live where few meet.
func drawMembers(d dice) int {
	if d.yes(0.15) {
		return int(d.whole(9, 24))
	}
	return int(d.whole(1, 8))
}

func drawSpec(d dice, members int, lossy bool) machine.Spec {
	s := machine.Spec{
		Population: members,
		Goal:       one(d, pbt.Maximize, pbt.Minimize),
		Space:      drawSpace(d),
		Segment:    d.whole(1, 20),
		Seed:       d.r.Uint64(),
		Retries:    int(d.whole(0, 3)),
	}
	if c := newDice(s.Seed, "constraints"); c.yes(0.2) {
		s.Space = s.Space.Constrain(low{s.Space, c.real(0.5, 0.9)})
	}
	s.Policy = drawPolicy(d, s.Segment)
	s.Budget = drawBudget(d, s)
	if founders := newDice(s.Seed, "founders"); founders.yes(0.15) && (s.Budget.Steps > 0 || s.Budget.Total > 0) {
		s.Policy.Exploit, s.Policy.Inherit = drawFounders(founders), pbt.InheritBoth
	}
	s.Keep = drawKeep(d, members)
	if d.yes(0.3) {
		s.FailureLimit = int(d.whole(2, 6))
	}
	for i := range d.n(min(members, 3)) { // what the user gave as first values
		if d.yes(0.3) {
			s.Initial = append(s.Initial, s.Space.Draw(s.Seed+1, i, 0))
		}
	}
	if d.yes(0.6) {
		s.Timeout = time.Duration(d.whole(2, 6)) * segmentTime
	}
	if d.yes(0.6) || lossy && s.Timeout == 0 {
		s.Silence = time.Duration(d.span(2*beatEvery, 6*beatEvery))
	}
	return s
}

// drawSpace takes some of a list that holds every kind of parameter.
func drawSpace(d dice) *pbt.Space {
	every := []pbt.Param{
		pbt.LogUniform("lr", 1e-5, 1e-1),
		pbt.Uniform("dropout", 0, 0.5).Within(0, 0.8),
		pbt.NearOneUniform("agent.discount", 0.9, 0.9999),
		pbt.Uniform("shift", -1, 1).Within(-1.5, 2).AbsorbingZero(),
		pbt.IntUniform("layers", 1, 4).Within(1, 6),
		pbt.LogInt("width", 8, 512),
		pbt.Ordered("batch", pbt.Int(16), pbt.Int(32), pbt.Int(64)),
		pbt.Bool("nesterov"),
		pbt.IntUniform("fixed", 0, 9).NotExplored(),
		pbt.Uniform("own", 0, 1).NotInherited(),
		pbt.Constant("data", pbt.Text("digits \"ünïcode\"")),
	}
	var params []pbt.Param
	for _, p := range every {
		if d.yes(0.4) {
			params = append(params, p)
		}
	}
	if len(params) == 0 {
		params = append(params, every[0])
	}
	if d.yes(0.3) { // a parent with children that exist now and then
		params = append(params,
			pbt.Choice("opt", pbt.Text("sgd"), pbt.Text("adam"), pbt.Text("none")),
			pbt.Uniform("momentum", 0, 0.99).OnlyWhen("opt", pbt.Text("sgd")),
			pbt.LogUniform("beta", 1e-4, 1e-1).OnlyWhen("opt", pbt.Text("adam"), pbt.Text("sgd")))
	}
	return pbt.MustSpace(params...)
}

func drawPolicy(d dice, segment int64) pbt.Policy {
	p := pbt.Policy{
		Exploit: one[pbt.Exploit](d, nil, pbt.Truncation{Fraction: d.real(0.05, 0.5)}, pbt.Truncation{Fraction: 0.5},
			pbt.TTest{Alpha: d.real(0.05, 0.5)}, pbt.Tournament{}, pbt.Tournament{}, pbt.NoExploit{}),
		Explore: one[pbt.Explore](d, nil, pbt.Perturb{Factors: []float64{0.5, 2}, Resample: d.real(0.1, 1)}, pbt.Resample{P: d.real(0.1, 1)},
			pbt.AddNoise{Sigma: d.real(0.01, 1)}, pbt.Pipeline{pbt.Perturb{}, pbt.Resample{P: 0.2}}, pbt.NoExplore{}),
		Inherit: one(d, pbt.InheritBoth, pbt.InheritBoth, pbt.InheritWeights, pbt.InheritHypers),
		Repair:  one(d, pbt.RepairCopy, pbt.RepairCopy, pbt.RepairRestart, pbt.RepairNone),
	}
	if d.yes(0.4) {
		p.Ready = pbt.Every{Steps: d.whole(0, 3) * segment, BurnIn: d.whole(0, 2) * segment, AfterCopy: d.whole(0, 3) * segment}
	}
	if d.yes(0.2) {
		p.Margin = d.real(0, 0.5)
	}
	if d.yes(0.2) {
		p.Window = d.whole(1, 4) * segment
	}
	if d.yes(0.2) {
		p.MinScored = int(d.whole(1, 10))
	}
	p.ExploreAlways = d.yes(0.2)
	if d.yes(0.35) {
		p.Barrier = &pbt.Barrier{}
		if d.yes(0.5) {
			p.Barrier.Quorum = d.real(0.05, 1)
		}
		if d.yes(0.5) {
			p.Barrier.Deadline = time.Duration(d.span(segmentTime/2, 8*segmentTime))
		}
	}
	return p
}

// drawFounders has a stream of its own, so that older seeds draw what they always did.
func drawFounders(d dice) pbt.Founders {
	return pbt.Founders{From: d.real(0, 0.5), Slope: d.real(0.5, 4), Keep: d.real(0.1, 0.6), Pool: d.real(0.1, 0.5), Probe: d.real(0, 1)}
}

// drawBudget sets at least one limit that every run must reach.
func drawBudget(d dice, s machine.Spec) pbt.Budget {
	var b pbt.Budget
	each := d.whole(1, 8)*s.Segment + d.whole(0, s.Segment-1)
	if d.yes(0.8) {
		b.Steps = each
	}
	if d.yes(0.25) {
		b.Total = max(1, d.whole(0, each*int64(s.Population)))
	}
	if d.yes(0.1) || b.Steps == 0 && b.Total == 0 {
		b.Wall = time.Duration(d.span(segmentTime, 20*segmentTime))
	}
	if d.yes(0.15) {
		target := pbt.Score(d.real(1, 8))
		if s.Goal == pbt.Minimize {
			target = -target
		}
		b.Target = &target
	}
	return b
}

func drawKeep(d dice, members int) machine.Keep {
	k := machine.Keep{Best: one(d, 0, 1, 1, 3, 5), Lineage: d.yes(0.3), Everything: d.yes(0.15)}
	if d.yes(0.3) {
		k.Bytes = int64(d.real(1.5, 6) * float64(members) * 100)
	}
	return k
}

// enlarge is the change of settings with which somebody lets a run go on.
func enlarge(d dice, s machine.Spec) machine.Spec {
	b := &s.Budget
	if b.Steps > 0 {
		b.Steps += d.whole(0, 3) * s.Segment
	}
	if b.Total > 0 {
		b.Total += d.whole(0, 3*int64(s.Population)) * s.Segment
	}
	if b.Wall > 0 {
		b.Wall += time.Duration(d.span(segmentTime, 10*segmentTime))
	}
	if b.Target != nil && d.yes(0.7) && (b.Steps > 0 || b.Total > 0 || b.Wall > 0) {
		b.Target = nil
	}
	s.Retries = int(d.whole(0, 3))
	if s.Timeout > 0 {
		s.Timeout += segmentTime
	}
	s.Keep.Lineage = s.Keep.Lineage && d.yes(0.8)
	s.Keep.Best = max(1, s.Keep.Best-d.n(2))
	return s
}
