package pbt

import (
	"errors"
	"fmt"
	"math"
)

// The defaults of Founders; experiments/policies says how they were chosen.
const (
	DefaultFoundersFrom  = 0.2
	DefaultFoundersSlope = 1
	DefaultFoundersKeep  = 0.25
	DefaultFoundersPool  = 0.4
	DefaultFoundersProbe = 0.25
)

// Founders is truncation selection that gives up initial members slowly. A founder is a
// member that has never taken over weights: the founders of a run are the random search
// of the same seed. Founders are ranked among founders only, so copies of the leaders
// cannot push a middling founder into the bottom of the ranking. All other members are the
// pool, which evolves by truncation selection. The rule is ours; docs/algorithm.md has the
// measurements behind it.
//
// At a ready point of member i of N, after the share x of its budget, with L founders left:
//
//	quota Q = max(1, ceil(N · max(Keep, 1 − Slope·max(0, x − From))))
//	founder: copies if fewer than L − Q founders are worse than i; else continues
//	pool:    copies if it is in the bottom Pool of the pool; else continues
//	donor:   uniform in the top DefaultFraction of all ranked members, if better than i
//	probe:   with probability Probe a pool member trains the weights of a uniformly drawn
//	         founder with the donor's hyperparameters, unchanged
//
// Two founders are compared by the scores that they had at the same step, the largest that both
// have reached, because their speeds may differ. A run needs a budget in steps: without one
// there is no x.
type Founders struct {
	From  float64 // share of the budget during which every founder is kept, in [0, 1)
	Slope float64 // how fast the quota falls after From, per budget; above 0
	Keep  float64 // share of the population that stays founders to the end, in (0, 1]
	Pool  float64 // share of the pool that copies, in (0, 0.5]
	Probe float64 // probability that a copy in the pool is a probe, in [0, 1]
}

// DefaultFounders returns the rule with its default parameters.
func DefaultFounders() Founders {
	return Founders{
		From: DefaultFoundersFrom, Slope: DefaultFoundersSlope, Keep: DefaultFoundersKeep,
		Pool: DefaultFoundersPool, Probe: DefaultFoundersProbe,
	}
}

// Name returns "founders".
func (Founders) Name() string { return "founders" }

// Quota is how many of n members stay founders after the share x of the budget.
func (f Founders) Quota(x float64, n int) int {
	share := max(f.Keep, 1-f.Slope*max(0, x-f.From))
	return max(1, int(math.Ceil(float64(n)*share-1e-9))) // the addend undoes binary rounding
}

// Exploit implements Exploit.
func (f Founders) Exploit(p Peers, margin float64, r *Rand) Verdict {
	v := Verdict{Donor: -1, Rival: -1, Founders: p.pop.Founders()}
	founder := p.pop.Founder(p.self)
	var loses bool
	if founder {
		v.Quota = f.Quota(p.standing.Progress, p.pop.Size())
		loses = f.givesUp(p, &v)
	} else {
		loses = f.losesInPool(p, &v)
	}
	if !loses {
		return v
	}
	donor, better := p.Donor(Truncation{}.cut(p.Len()), margin, r)
	switch {
	case better == 0:
		v.Why = WhyNoDonor
	case donor < 0:
		v.Why = WhyNotSaved
	default:
		v.Donor, v.Rival = donor, donor
		if !founder {
			f.probe(p, &v, r)
		}
	}
	return v
}

// givesUp tells whether a founder is one too many: fewer founders are worse than have to go.
func (f Founders) givesUp(p Peers, v *Verdict) bool {
	worse, ranked := 0, 0
	for m := range p.pop.records {
		if !p.pop.Founder(m) || !p.pop.ranked[m] {
			continue
		}
		ranked++
		if m != p.self && p.pop.FounderBefore(p.self, m) {
			worse++
		}
	}
	v.Of, v.Rank = ranked, ranked-worse
	v.Cut = max(0, v.Founders-v.Quota)
	if worse < v.Cut {
		v.Why = WhyFounderOut
		return true
	}
	v.Why = WhyFounderKept
	return false
}

// losesInPool tells whether a member is at the bottom of the pool. A pool of one is
// compared with everybody.
func (f Founders) losesInPool(p Peers, v *Verdict) bool {
	n, better := 0, 0
	for m := range p.first(p.Len()) {
		if p.pop.Founder(m) {
			continue
		}
		n++
		if m != p.self && p.pop.spots[m].precedes(&p.pop.spots[p.self]) {
			better++
		}
	}
	if n == 1 {
		n, better = p.Len(), p.Rank()
	}
	v.Of, v.Rank = n, better+1
	v.Cut = Truncation{f.Pool}.cut(n)
	if better < n-v.Cut {
		v.Why = WhyPoolKept
		return false
	}
	v.Why = WhyPoolBottom
	return true
}

// probe turns a copy into a probe: weights that look bad only because their learning rate is
// still high show what they are worth under a leader's hyperparameters (as the evaluators of FIRE,
// Dalibard and Jaderberg 2021, without sub-populations).
func (f Founders) probe(p Peers, v *Verdict, r *Rand) {
	if !(r.Float64() < f.Probe) {
		return
	}
	var founders []int
	for m := range p.pop.records {
		if p.pop.Founder(m) && p.mayDonate(m) && !math.IsInf(p.Fitness(m), -1) {
			founders = append(founders, m)
		}
	}
	if len(founders) == 0 {
		return
	}
	v.Probe, v.Why = true, WhyProbe
	v.HypersOf = v.Donor
	v.Donor = founders[r.IntN(len(founders))]
	v.Rival = v.Donor
}

func (f Founders) validate() error {
	if !(f.From >= 0 && f.From < 1) {
		return fmt.Errorf("founders: from is %g: want at least 0 and below 1", f.From)
	}
	if !(f.Slope > 0) || math.IsInf(f.Slope, 0) {
		return fmt.Errorf("founders: slope is %g: want a positive number", f.Slope)
	}
	if !(f.Probe >= 0 && f.Probe <= 1) {
		return fmt.Errorf("founders: probe is %g: want a probability from 0 to 1", f.Probe)
	}
	return errors.Join(checkFraction("founders: keep", f.Keep, 1), checkFraction("founders: pool", f.Pool, 0.5))
}

// trail is what a founder scored at each of its records, in order of step: the curve of the
// random search that it is.
type trail []trailPoint

type trailPoint struct {
	step    int64
	fitness float64
}

// at is the fitness at a step: that of the newest record not after it, or else the oldest.
func (t trail) at(step int64) float64 {
	for i := len(t) - 1; i > 0; i-- { // newest first: members differ by few segments
		if t[i].step <= step {
			return t[i].fitness
		}
	}
	return t[0].fitness
}

// KeepTrails makes the population remember the scores of its founders, for rules that
// compare them at the same step. It costs 16 bytes a segment of each founder.
func (p *Population) KeepTrails() {
	if p.trails != nil {
		return
	}
	p.trails = make([]trail, len(p.records))
	for m := range p.records {
		p.mark(m)
	}
}

// mark adds a founder's newest record to its trail.
func (p *Population) mark(member int) {
	if p.trails == nil || p.departed[member] || !p.ranked[member] {
		return
	}
	point := trailPoint{p.steps[member], p.spots[member].fitness}
	t := p.trails[member]
	if n := len(t); n > 0 && t[n-1].step >= point.step { // rolled back: what came later is lost
		for n > 0 && t[n-1].step >= point.step {
			n--
		}
		t = t[:n]
	}
	p.trails[member] = append(t, point)
}

// Founder tells whether a member has never taken over weights and was not restarted or retired.
func (p *Population) Founder(member int) bool { return !p.departed[member] }

// Founders is the number of founders, scored or not.
func (p *Population) Founders() int { return p.founders }

// Depart notes that a member is not a founder any more: it has taken over weights, or was
// restarted after it had trained.
func (p *Population) Depart(member int) {
	if p.departed[member] {
		return
	}
	p.departed[member] = true
	p.founders--
	if p.trails != nil {
		p.trails[member] = nil
	}
}

// FounderBefore tells whether founder a is ranked before founder b, at the largest step that
// both have reached.
func (p *Population) FounderBefore(a, b int) bool {
	x, y := p.spots[a], p.spots[b]
	if p.trails != nil && p.steps[a] != p.steps[b] {
		step := min(p.steps[a], p.steps[b])
		x.fitness, y.fitness = p.trails[a].at(step), p.trails[b].at(step)
	}
	return x.precedes(&y)
}

// ComparesFounders tells whether the policy compares founders at the same step, and so needs
// a population that keeps their scores (Population.KeepTrails), and a budget in steps.
func (p *Policy) ComparesFounders() bool {
	_, founders := p.exploiter().(Founders)
	return founders
}
