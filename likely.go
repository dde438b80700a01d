package pbt

import "math"

// LikelyDonor tells whether others may soon want to copy a member that has just
// scored, and its weights should be saved therefore: it stands among the better
// half, or, where truncation says who donates, among twice as many as that. It is a
// guess, made before the others have reported: a rule that would pick a member
// whose weights were not saved says so, and copies nobody (WhyNotSaved).
func (p *Policy) LikelyDonor(pop *Population, member int, score Score) bool {
	if !score.Finite() {
		return false
	}
	if _, none := p.exploiter().(NoExploit); none {
		return false
	}
	fitness := pop.goal.fitness(score)
	better := pop.ranking.above(math.Nextafter(fitness, math.Inf(-1))) // as good counts as better, or equals would all save
	others := pop.Scored()
	if pop.ranked[member] {
		others--
		if pop.spots[member].fitness >= fitness {
			better--
		}
	}
	among := others + 1
	likely := (among + 1) / 2
	if t, ok := p.exploiter().(Truncation); ok {
		likely = min(likely, 2*max(1, t.cut(among)))
	}
	return better < likely
}
