package pbt

import "math"

// LikelyDonor tells whether others may soon want to copy a member that has just
// scored at a step, and its weights should be saved therefore: of the members whose
// records are at most window steps away it is among the better half, or, where
// truncation says who donates, among twice as many as that. A member that has run
// ahead of most others, or behind them, is not asked for its rank: it would only say
// who has trained longer.
//
// It is a guess, made before the others have reported: a rule that would pick a
// member whose weights were not saved says so, and copies nobody (WhyNotSaved).
func (p *Policy) LikelyDonor(pop *Population, member int, score Score, step, window int64) bool {
	if _, none := p.exploiter().(NoExploit); none || !score.Finite() {
		return false
	}
	fitness := pop.goal.fitness(score)
	among, better := 1, 0 // itself
	for i, ranked := range pop.ranked {
		away := pop.steps[i] - step
		if !ranked || i == member || max(away, -away) > window {
			continue
		}
		among++
		if pop.spots[i].fitness >= fitness { // equals count as better, or all of them would save
			better++
		}
	}
	if among < max(2, (pop.Scored()+1)/2) {
		return false
	}
	likely := int(math.Ceil(float64(among) / 2))
	t, ok := p.exploiter().(Truncation)
	if _, founders := p.exploiter().(Founders); founders { // donors are those of truncation
		ok = true
	}
	if ok {
		likely = min(likely, 2*max(1, t.cut(among)))
	}
	return better < likely
}
