package sim

import (
	"math"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// isFounder tells by the book whether a member has never taken over weights.
func (b *book) isFounder(i int) bool {
	return !b.members[i].departed && b.members[i].state != machine.StateRetired
}

// checkFounders decides about a founder in the plainest way there is: from the recorded
// outcomes, founder by founder.
func (b *book) checkFounders(e *machine.Decided) {
	f, ok := b.spec.Policy.Exploit.(pbt.Founders)
	d := &e.Decision
	if !ok || d.Why != pbt.WhyFounderKept && d.Why != pbt.WhyFounderOut {
		return
	}
	if !b.isFounder(e.Member) {
		b.w.violate(LawFounders, "segment %d is decided as a founder's; member %d has taken over weights", e.Segment, e.Member)
		return
	}
	left, worse, rolledBack := 0, 0, false
	size := len(b.members) - b.count(machine.StateRetired)
	for j := range b.members {
		if !b.isFounder(j) {
			continue
		}
		left++
		rolledBack = rolledBack || b.members[j].rolledBack
		if j != e.Member && b.members[j].own && b.founderBetter(e.Member, j) {
			worse++
		}
	}
	x := 0.0
	switch budget := b.spec.Budget; {
	case budget.Steps > 0:
		x = math.Min(1, float64(b.members[e.Member].spent)/float64(budget.Steps))
	case budget.Total > 0:
		x = math.Min(1, float64(b.spent)/float64(budget.Total))
	}
	quota := max(1, int(math.Ceil(float64(size)*math.Max(f.Keep, 1-f.Slope*math.Max(0, x-f.From))-1e-9)))
	if d.Founders != left || d.Quota != quota {
		b.w.violate(LawFounders, "segment %d: %d founders are left and %d are kept, says the decision; by the book %d and %d", e.Segment, d.Founders, d.Quota, left, quota)
	}
	if b.changedExploit || rolledBack {
		return // scores from before the rule was set, or that were lost, are not compared
	}
	if out := worse < left-quota; out != (d.Why == pbt.WhyFounderOut) {
		b.w.violate(LawFounders, "segment %d: %d of %d founders are worse than member %d and %d are kept; the decision is %q", e.Segment, worse, left, e.Member, quota, d.Why)
	}
}

// founderBetter tells whether founder i is ranked before founder j at the largest step that
// both have reached. Equal scores are left to the population's draw.
func (b *book) founderBetter(i, j int) bool {
	x, _ := b.pop.Record(i)
	y, _ := b.pop.Record(j)
	step := min(x.Step, y.Step)
	p, q := b.scoreAt(i, step), b.scoreAt(j, step)
	if p == q || !p.Finite() && !q.Finite() {
		return b.pop.FounderBefore(i, j)
	}
	return b.spec.Goal.Better(p, q)
}

// scoreAt is what a founder scored at its newest segment that ended at or before a step; if
// none did, at its first.
func (b *book) scoreAt(i int, step int64) pbt.Score {
	score, first := pbt.Score(0), true
	for k := range b.segments {
		s := &b.segments[k]
		if s.member == i && s.outcome != nil && (first || s.outcome.Step <= step) {
			score, first = s.outcome.Score, false
		}
	}
	return score
}
