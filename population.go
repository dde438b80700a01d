package pbt

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// Record is one outcome as the population sees it: the score, and the weights
// and hyperparameters that earned it. It never changes; when a member copies
// another, it stands in the population with the other's record.
type Record struct {
	Segment int64     // the segment that ended in this outcome
	Score   Score     // as the user measures it
	Samples []float64 // the last scores behind it, oldest first, for rules that need more than one
	Step    int64     // training steps in the weights' ancestry
	Hypers  Hypers    // in force during the segment
	Saved   bool      // whether a checkpoint of these weights exists: without one, never a donor
}

// Population holds each member's newest record, ranked. Setting a record costs
// a binary search and one move of a few kilobytes at 10,000 members; nothing
// else grows. It is not safe for concurrent use.
type Population struct {
	goal    Goal
	seed    uint64
	records []Record
	fitness []float64
	tie     []uint64
	scored  []bool
	order   []int32 // scored members, best first
	scratch []int32 // order, narrowed to comparable members, for one decision
}

// NewPopulation returns a population of n members without scores. The seed
// orders equal scores at random, but always the same way.
func NewPopulation(n int, goal Goal, seed uint64) *Population {
	return &Population{
		goal: goal, seed: seed,
		records: make([]Record, n), fitness: make([]float64, n), tie: make([]uint64, n), scored: make([]bool, n),
		order: make([]int32, 0, n), scratch: make([]int32, 0, n),
	}
}

// Size is the number of members, scored or not.
func (p *Population) Size() int { return len(p.records) }

// Scored is the number of members with a record.
func (p *Population) Scored() int { return len(p.order) }

// Goal tells whether a high score is good.
func (p *Population) Goal() Goal { return p.goal }

// Set gives a member a new record.
func (p *Population) Set(member int, r Record) {
	if p.scored[member] {
		at := p.find(p.order, member)
		p.order = slices.Delete(p.order, at, at+1)
	}
	p.records[member], p.scored[member] = r, true
	p.fitness[member] = p.goal.fitness(r.Score)
	tie := randAt(p.seed, member, r.Segment, purposeTie, "")
	p.tie[member] = tie.state
	at := p.find(p.order, member)
	p.order = slices.Insert(p.order, at, int32(member))
}

// Record returns a member's newest record, and whether it has one.
func (p *Population) Record(member int) (Record, bool) { return p.records[member], p.scored[member] }

// Rank is a scored member's place, 0 for the best.
func (p *Population) Rank(member int) int { return p.find(p.order, member) }

// At is the member at a place, 0 for the best.
func (p *Population) At(rank int) int { return int(p.order[rank]) }

// find is the place of a member in a ranked list, or where it belongs.
func (p *Population) find(order []int32, member int) int {
	at, _ := slices.BinarySearchFunc(order, int32(member), p.compare)
	return at
}

// compare orders members: better score, then a draw, then number.
func (p *Population) compare(a, b int32) int {
	if p.fitness[a] != p.fitness[b] {
		return cmp.Compare(p.fitness[b], p.fitness[a])
	}
	if p.tie[a] != p.tie[b] {
		return cmp.Compare(p.tie[a], p.tie[b])
	}
	return cmp.Compare(a, b)
}

// peers returns the members that self is compared with, itself included:
// everybody with a record, or only records at most window steps away from its own.
func (p *Population) peers(self int, window int64) Peers {
	order := p.order
	if window > 0 && p.scored[self] {
		own := p.records[self].Step
		order = p.scratch[:0]
		for _, m := range p.order {
			if away := p.records[m].Step - own; away <= window && -away <= window {
				order = append(order, m)
			}
		}
		p.scratch = order
	}
	return Peers{pop: p, self: self, order: order}
}

// Peers is what an exploit rule sees: one member among those it is compared
// with, in order of rank. Fitness is the score turned so that higher is better,
// and −Inf for a score that is not finite.
type Peers struct {
	pop   *Population
	self  int
	order []int32
}

// Self is the number of the member that decides.
func (p Peers) Self() int { return p.self }

// Len is the number of members compared, oneself included.
func (p Peers) Len() int { return len(p.order) }

// Rank is one's own place, 0 for the best.
func (p Peers) Rank() int { return p.pop.find(p.order, p.self) }

// At is the member at a place, 0 for the best.
func (p Peers) At(rank int) int { return int(p.order[rank]) }

// Fitness is a member's score, higher is better.
func (p Peers) Fitness(member int) float64 { return p.pop.fitness[member] }

// Record is a member's newest record.
func (p Peers) Record(member int) Record { return p.pop.records[member] }

// Goal tells whether the user's scores are better high or low.
func (p Peers) Goal() Goal { return p.pop.goal }

// Other draws one of the others uniformly; -1 when there is none.
func (p Peers) Other(r *Rand) int {
	if len(p.order) < 2 {
		return -1
	}
	i := r.IntN(len(p.order) - 1)
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
	bar := p.Fitness(p.self) + margin
	better = sort.Search(min(top, len(p.order)), func(i int) bool {
		return !(p.Fitness(p.At(i)) > bar) // the ranks are in order: the rest is not better either
	})
	return p.pick(better, r), better
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
	for _, m := range p.order[:n] {
		if p.mayDonate(int(m)) {
			donors++
		}
	}
	if donors == 0 {
		return -1
	}
	skip := r.IntN(donors)
	for _, m := range p.order[:n] {
		if !p.mayDonate(int(m)) {
			continue
		}
		if skip == 0 {
			return int(m)
		}
		skip--
	}
	return -1 // not reached: skip < donors
}

func (p Peers) mayDonate(member int) bool { return member != p.self && p.pop.records[member].Saved }

// finite is how many places have a finite score; they come first.
func (p Peers) finite() int {
	return sort.Search(len(p.order), func(i int) bool { return math.IsInf(p.Fitness(p.At(i)), -1) })
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
