package pbt_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// Every population of up to four members whose scores are of NaN, −Inf, 0, 1, 2
// and +Inf, saved or not, or copied and not reported on since, or without a score;
// under every rule; both goals.

var smallStates = func() []one {
	out := []one{{unscored: true}, {adopted: true, score: 2}}
	for _, score := range []float64{nan, minf, 0, 1, 2, inf} {
		samples := []float64{score, score}
		out = append(out, one{score: score, samples: samples}, one{score: score, samples: samples, unsaved: true})
	}
	return out
}()

// ranked tells whether the member has a score of its own.
func (m one) ranked() bool { return !m.unscored && !m.adopted }

// everyWorld calls visit with all populations of n members. The slice is reused.
func everyWorld(n int, visit func(members []one)) {
	members := make([]one, n)
	var place func(i int)
	place = func(i int) {
		if i == n {
			visit(members)
			return
		}
		for _, state := range smallStates {
			members[i] = state
			place(i + 1)
		}
	}
	place(0)
}

// worthOf turns a score so that higher is better; ok is false for what is broken
// or missing.
func worthOf(goal pbt.Goal, m one) (worth float64, ok bool) {
	if m.unscored || m.adopted || !pbt.Score(m.score).Finite() {
		return 0, false
	}
	if goal == pbt.Minimize {
		return -m.score, true
	}
	return m.score, true
}

// paperTruncation is the naive twin, written from the paper's sentence alone:
// rank all agents; if oneself is in the bottom k, copy one of the top k. Best to
// worst is given; what it returns are the members that may be copied.
func paperTruncation(goal pbt.Goal, members []one, ranked []int, self, k int, margin float64) (inBottom bool, donors []int) {
	inBottom = slices.Contains(ranked[len(ranked)-k:], self)
	own, _ := worthOf(goal, members[self])
	for _, m := range ranked[:k] {
		if worth, ok := worthOf(goal, members[m]); ok && worth > own+margin && !members[m].unsaved && m != self {
			donors = append(donors, m)
		}
	}
	if !inBottom {
		donors = nil
	}
	return inBottom, donors
}

// naiveRanks checks the population's order by its meaning alone: everybody with a
// score once, better before worse, broken ones last.
func naiveRanks(t *testing.T, goal pbt.Goal, members []one, pop *pbt.Population) []int {
	var ranked []int
	for place := range pop.Scored() {
		m := pop.At(place)
		if pop.Rank(m) != place || slices.Contains(ranked, m) || !members[m].ranked() {
			t.Fatalf("%v: member %d at place %d", members, m, place)
		}
		if place > 0 {
			before, healthyBefore := worthOf(goal, members[ranked[place-1]])
			worth, healthy := worthOf(goal, members[m])
			if healthy && (!healthyBefore || worth > before) {
				t.Fatalf("%v %v: member %d stands after %d", goal, members, m, ranked[place-1])
			}
		}
		ranked = append(ranked, m)
	}
	scored := 0
	for _, m := range members {
		if m.ranked() {
			scored++
		}
	}
	if scored != len(ranked) {
		t.Fatalf("%v: %d members ranked, %d have a score", members, len(ranked), scored)
	}
	return ranked
}

var smallPolicies = []pbt.Policy{
	{MinScored: 2},
	{MinScored: 2, Exploit: pbt.Truncation{Fraction: 0.5}, Margin: 1, Repair: pbt.RepairRestart},
	{Exploit: pbt.Tournament{}, Inherit: pbt.InheritWeights, Margin: 0.5},
	{Exploit: pbt.TTest{}, Inherit: pbt.InheritHypers, Repair: pbt.RepairNone},
	{Exploit: pbt.NoExploit{}, ExploreAlways: true},
	{Exploit: pbt.NoExploit{}, Repair: pbt.RepairRestart},
}

func TestExhaustive_EverySmallPopulationUnderEveryRule(t *testing.T) {
	space := pbt.MustSpace(pbt.LogUniform("lr", 1e-3, 1), pbt.IntUniform("fold", 0, 99).NotInherited())
	hypers := make([]pbt.Hypers, 4)
	for i := range hypers {
		hypers[i] = space.Draw(9, i, 0)
	}
	worlds, decided := 0, map[string]int{}
	for n := 1; n <= 4; n++ {
		everyWorld(n, func(members []one) {
			worlds++
			for _, goal := range bothGoals {
				if n == 4 && (worlds%2 == 0) != (goal == pbt.Maximize) {
					continue // the largest ones: one goal each, in turn
				}
				pop := pbt.NewPopulation(n, goal, uint64(worlds))
				for i, m := range members {
					r := pbt.Record{Segment: int64(i + 1), Score: pbt.Score(m.score), Samples: m.samples, Hypers: hypers[i], Saved: !m.unsaved}
					if m.ranked() {
						pop.Set(i, r)
					} else if m.adopted {
						pop.Adopt(i, r)
					}
				}
				ranked := naiveRanks(t, goal, members, pop)
				for k := range n * len(smallPolicies) {
					self, p := k%n, k/n
					d := smallPolicies[p].Decide(pop, space, pbt.Standing{Member: self, Turn: 1, Segment: int64(self + 1), Hypers: hypers[self], Spent: 1, SinceReady: 1, SinceCopy: 1})
					decided[brief(d)]++
					if fault := invariant(goal, members, ranked, self, &smallPolicies[p], d, space, hypers); fault != "" {
						t.Fatalf("%v, members %+v, policy %+v, member %d: %s: %s", goal, members, smallPolicies[p], self, d.Say(), fault)
					}
				}
			}
		})
	}
	if worlds < 30_000 || len(decided) < 25 {
		t.Errorf("%d worlds and %d kinds of decision seen", worlds, len(decided))
	}
}

// invariant is what must hold of every decision, "" if it does.
func invariant(goal pbt.Goal, members []one, ranked []int, self int, p *pbt.Policy, d pbt.Decision, space *pbt.Space, hypers []pbt.Hypers) string {
	own, healthy := worthOf(goal, members[self])
	broken := !healthy && members[self].ranked()
	if err := space.Check(d.Hypers); err != nil {
		return err.Error()
	}
	if fold, _ := d.Hypers.Get("fold"); fold != mustGet(hypers[self], "fold") {
		return "it took over what is not inherited"
	}
	switch {
	case d.Copies():
		donor := members[d.Rival.Member]
		worth, ok := worthOf(goal, donor)
		switch {
		case d.Rival.Member == self:
			return "copied itself"
		case !ok || donor.unsaved:
			return "the donor is broken, missing or not saved"
		case d.Rival.Segment != int64(d.Rival.Member+1) || d.Rival.Score != pbt.Score(donor.score):
			return "the donor's record is not the donor's"
		case broken != (d.Action == pbt.Mend):
			return "a repair of the healthy, or an exploit by the broken"
		case !broken && !(worth > own+p.Margin):
			return "the donor is not better by more than the margin"
		case d.TakesWeights() && d.Parent != d.Rival.Segment || !d.TakesWeights() && d.Parent != int64(self+1):
			return fmt.Sprintf("the parent is segment %d", d.Parent)
		case broken && d.Inherit != pbt.InheritBoth || !broken && d.Inherit != p.Inherit:
			return "inherits otherwise than the policy says"
		}
	case d.Action == pbt.Restart:
		if !broken || d.Parent != 0 {
			return "restarted without need, or with old weights"
		}
	case d.Action == pbt.Continue:
		if d.Parent != int64(self+1) || !p.ExploreAlways && !d.Hypers.Equal(hypers[self]) {
			return "went on with other weights or hyperparameters"
		}
	default:
		return "an action that has no place here"
	}
	return expected(goal, members, ranked, self, p, d, broken)
}

func mustGet(h pbt.Hypers, name string) pbt.Value {
	v, _ := h.Get(name)
	return v
}

// expected says whether the decision is the one that its rule's sentence calls for.
func expected(goal pbt.Goal, members []one, ranked []int, self int, p *pbt.Policy, d pbt.Decision, broken bool) string {
	_, none := p.Exploit.(pbt.NoExploit)
	if broken {
		donors := 0
		for i, m := range members {
			if _, ok := worthOf(goal, m); ok && !m.unsaved && i != self {
				donors++
			}
		}
		want := pbt.Mend
		switch {
		case p.Repair == pbt.RepairNone || none && p.Repair == pbt.RepairCopy:
			want = pbt.Continue
		case p.Repair == pbt.RepairRestart || donors == 0:
			want = pbt.Restart
		}
		if d.Action != want {
			return fmt.Sprintf("want %s", want)
		}
		return ""
	}
	truncation, ok := p.Exploit.(pbt.Truncation)
	if p.Exploit != nil && !ok || !members[self].ranked() || len(ranked) < 2 {
		if none && d.Copies() {
			return "copied in a random search"
		}
		return ""
	}
	k := 1 // a fifth of up to four
	if truncation.Fraction == 0.5 {
		k = len(ranked) / 2
	}
	inBottom, donors := paperTruncation(goal, members, ranked, self, k, p.Margin)
	if d.Copies() != (len(donors) > 0) || d.Copies() && !slices.Contains(donors, d.Rival.Member) {
		return fmt.Sprintf("the paper's sentence allows the donors %v", donors)
	}
	if inBottom == (d.Why == pbt.WhyNotBottom) || d.Cut != k {
		return fmt.Sprintf("in the bottom %d: %v", k, inBottom)
	}
	return ""
}
