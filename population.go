package pbt

import (
	"cmp"
	"iter"
	"math"
	"slices"
	"sort"
)

// Record is one outcome as the population sees it: the score, and the weights
// and hyperparameters that earned it. It never changes; when a member copies
// another's weights, it stands in the population with the other's record until it
// reports one of its own.
type Record struct {
	Segment int64     // the segment that ended in this outcome
	Score   Score     // as the user measures it
	Samples []float64 // the last scores behind it, oldest first, for rules that need more than one
	Step    int64     // training steps in the weights' ancestry
	Hypers  Hypers    // in force during the segment
	Saved   bool      // whether a checkpoint of these weights exists: without one, never a donor
}

// Population holds each member's newest record, and ranks those that are members'
// own. Setting a record costs nearly the same at ten members and at ten thousand,
// and allocates nothing. It is not safe for concurrent use.
type Population struct {
	goal               Goal
	seed               uint64
	records            []Record
	steps              []int64 // of the records, side by side for comparison windows
	spots              []spot  // of ranked members, by number
	scored             []bool  // whether a member has a record
	ranked             []bool  // whether that record is its own
	departed           []bool  // whether it is not a founder any more
	founders           int     // members that are founders, scored or not
	trails             []trail // the founders' scores so far; nil unless a rule needs them
	ranking            ranking // of members with a record of their own
	retired            int     // members that are compared with nobody any more
	latest, latestRank int     // the member set last, who usually decides next, and its place
	nearby             []spot  // the ranking, narrowed to comparable members, for one decision
}

// NewPopulation returns a population of n members without scores. The seed
// orders equal scores at random, but always the same way.
func NewPopulation(n int, goal Goal, seed uint64) *Population {
	return &Population{
		goal: goal, seed: seed, latest: -1,
		records: make([]Record, n), steps: make([]int64, n), spots: make([]spot, n),
		scored: make([]bool, n), ranked: make([]bool, n), departed: make([]bool, n), founders: n,
	}
}

// Size is the number of members, scored or not, without those that were retired.
func (p *Population) Size() int { return len(p.records) - p.retired }

// Scored is the number of members with a record of their own.
func (p *Population) Scored() int { return p.ranking.size }

// Goal tells whether a high score is good.
func (p *Population) Goal() Goal { return p.goal }

// Set gives a member a new record of its own.
func (p *Population) Set(member int, r Record) {
	p.unrank(member)
	tie := randAt(p.seed, member, r.Segment, purposeTie, "")
	s := spot{fitness: p.goal.fitness(r.Score), tie: uint32(tie.state >> 32), member: int32(member)}
	p.records[member], p.steps[member], p.spots[member] = r, r.Step, s
	p.scored[member], p.ranked[member] = true, true
	p.latest, p.latestRank = member, p.ranking.insert(s)
	p.mark(member)
}

// Adopt makes a member that has copied weights stand with its donor's record. It
// is not ranked with it, and is nobody's donor, before it has reported on its own:
// else one lucky score would live on for as long as anybody holds a copy of it.
func (p *Population) Adopt(member int, r Record) {
	p.unrank(member)
	p.records[member], p.steps[member], p.scored[member] = r, r.Step, true
}

func (p *Population) unrank(member int) {
	if p.ranked[member] {
		p.ranking.remove(p.spots[member])
		p.ranked[member] = false
	}
	p.latest = -1
}

// Ranked tells whether a member's record is its own.
func (p *Population) Ranked(member int) bool { return p.ranked[member] }

// Record returns the record a member stands with, and whether it has one.
func (p *Population) Record(member int) (Record, bool) { return p.records[member], p.scored[member] }

// Rank is a ranked member's place, 0 for the best; of another, the number of
// ranked members.
func (p *Population) Rank(member int) int {
	if !p.ranked[member] {
		return p.ranking.size
	}
	if member == p.latest {
		return p.latestRank
	}
	return p.ranking.rank(p.spots[member])
}

// At is the member at a place, 0 for the best.
func (p *Population) At(rank int) int { return int(p.ranking.at(rank).member) }

// peers returns the members that self is compared with, itself included:
// everybody with a record of their own, or only those at most window steps away.
func (p *Population) peers(self int, window int64) Peers {
	if !p.ranked[self] {
		return Peers{pop: p, self: self, rank: p.ranking.size}
	}
	if window <= 0 {
		return Peers{pop: p, self: self, rank: p.Rank(self)}
	}
	if p.nearby == nil {
		p.nearby = make([]spot, 0, len(p.records))
	}
	own := p.steps[self]
	p.nearby = p.nearby[:0]
	for s := range p.ranking.all() {
		if away := p.steps[s.member] - own; away <= window && -away <= window {
			p.nearby = append(p.nearby, s)
		}
	}
	return Peers{pop: p, self: self, rank: within(p.nearby, &p.spots[self]), near: p.nearby}
}

// Peers is what an exploit rule sees: one member among those it is compared
// with, in order of rank. Fitness is the score turned so that higher is better,
// and −Inf for a score that is not finite.
type Peers struct {
	pop  *Population
	self int
	rank int
	near []spot // those within the comparison window; nil for everybody

	standing Standing // of the member that decides
}

// Self is the number of the member that decides.
func (p Peers) Self() int { return p.self }

// Standing is the deciding member's own history.
func (p Peers) Standing() Standing { return p.standing }

// Len is the number of members compared, oneself included.
func (p Peers) Len() int {
	if p.near == nil {
		return p.pop.ranking.size
	}
	return len(p.near)
}

// Rank is one's own place, 0 for the best.
func (p Peers) Rank() int { return p.rank }

// At is the member at a place, 0 for the best.
func (p Peers) At(rank int) int {
	if p.near == nil {
		return p.pop.At(rank)
	}
	return int(p.near[rank].member)
}

// Fitness is a member's score, higher is better.
func (p Peers) Fitness(member int) float64 { return p.pop.spots[member].fitness }

// Record is a member's newest record.
func (p Peers) Record(member int) Record { return p.pop.records[member] }

// Goal tells whether the user's scores are better high or low.
func (p Peers) Goal() Goal { return p.pop.goal }

// Other draws one of the others uniformly; -1 when there is none.
func (p Peers) Other(r *Rand) int {
	if p.Len() < 2 {
		return -1
	}
	i := r.IntN(p.Len() - 1)
	if i >= p.Rank() {
		i++
	}
	return p.At(i)
}

// Donor draws uniformly among the first top places one whose score is finite,
// better than one's own by more than margin, and whose weights are saved.
// better is how many of those places have such a score; member is -1 when none
// of them is saved.
func (p Peers) Donor(top int, margin float64, r *Rand) (member, better int) {
	better = min(top, p.above(p.Fitness(p.self)+margin))
	return p.pick(better, r), better
}

// above is how many places have a fitness higher than a bar; they come first.
func (p Peers) above(bar float64) int {
	if p.near == nil {
		return p.pop.ranking.above(bar)
	}
	return sort.Search(len(p.near), func(i int) bool { return !(p.near[i].fitness > bar) })
}

// healthy is how many places have a finite score; they come first.
func (p Peers) healthy() int { return p.above(math.Inf(-1)) }

// first yields the members at the first n places.
func (p Peers) first(n int) iter.Seq[int] {
	all := p.pop.ranking.all()
	if p.near != nil {
		all = slices.Values(p.near)
	}
	return func(yield func(int) bool) {
		left := n
		for s := range all {
			if left == 0 || !yield(int(s.member)) {
				return
			}
			left--
		}
	}
}

// pick draws uniformly among the saved members at the first n places, oneself
// excluded; -1 if there is none.
func (p Peers) pick(n int, r *Rand) int {
	if n == 0 {
		return -1
	}
	if m := p.At(r.IntN(n)); p.mayDonate(m) {
		return m
	}
	donors := 0 // rare: count, and draw among those that remain, which keeps the draw uniform
	for m := range p.first(n) {
		if p.mayDonate(m) {
			donors++
		}
	}
	if donors == 0 {
		return -1
	}
	skip := r.IntN(donors)
	for m := range p.first(n) {
		if !p.mayDonate(m) {
			continue
		}
		if skip == 0 {
			return m
		}
		skip--
	}
	return -1 // not reached: skip < donors
}

func (p Peers) mayDonate(member int) bool {
	return member != p.self && p.pop.ranked[member] && p.pop.records[member].Saved
}

// LastSamples is what a record remembers of single results: the newest
// SampleWindow of its ancestry's and its own. A trainer that reports none counts
// its score as one.
func LastSamples(past, reported []float64, score Score) []float64 {
	if len(reported) == 0 {
		reported = []float64{float64(score)}
	}
	reported = reported[max(0, len(reported)-SampleWindow):]
	past = past[max(0, len(past)+len(reported)-SampleWindow):]
	all := make([]float64, 0, len(past)+len(reported))
	return append(append(all, past...), reported...)
}

// CompareTurns orders two members that wait for their turn: who has spent less
// goes first; among equals a draw decides, anew each turn, so that nobody is
// first for ever.
func CompareTurns(seed uint64, a int, spentA, turnA int64, b int, spentB, turnB int64) int {
	if spentA != spentB {
		return cmp.Compare(spentA, spentB)
	}
	if c := cmp.Compare(TurnKey(seed, a, turnA), TurnKey(seed, b, turnB)); c != 0 {
		return c
	}
	return cmp.Compare(a, b)
}
