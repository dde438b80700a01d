package pbt_test

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// Changes of the input that must change nothing, or only what they say.

// randomMembers are up to twelve members with few different scores, so that ties
// are common, and some that are broken, unsaved or without a score.
func randomMembers(r *pbt.Rand) []one {
	members := make([]one, 2+r.IntN(11))
	for i := range members {
		m := one{score: float64(r.IntN(7)) - 3, unsaved: r.IntN(6) == 0, unscored: r.IntN(10) == 0, step: int64(r.IntN(20))}
		if r.IntN(10) == 0 {
			m.score = []float64{nan, inf, minf}[r.IntN(3)]
		}
		for range r.IntN(5) {
			m.samples = append(m.samples, m.score+float64(r.IntN(8))/8)
		}
		members[i] = m
	}
	return members
}

func randomPolicy(r *pbt.Rand, rules ...pbt.Exploit) pbt.Policy {
	return pbt.Policy{
		Exploit: rules[r.IntN(len(rules))], Inherit: pbt.Inherit(r.IntN(3)), Repair: pbt.Repair(r.IntN(3)),
		ExploreAlways: r.IntN(3) == 0, Window: int64(r.IntN(2) * 6), MinScored: r.IntN(2) * 2,
	}
}

// essence is a decision without scores and test numbers, and with its outcome.
func essence(d pbt.Decision) string {
	who := -1
	if d.Rival != nil {
		who = d.Rival.Member
	}
	return fmt.Sprintf("%s %s %s of segment %d, rank %d of %d, cut %d, need %d, rival %d, inherit %s, %v, then %d %s", d.Rule, d.Action, d.Why, d.Segment, d.Rank, d.Of, d.Cut, d.Need, who, d.Inherit, d.Changes, d.Parent, d.Hypers)
}

func TestMetamorphic_ARisingFunctionOfTheScoresChangesNoRankBasedDecision(t *testing.T) {
	rising := map[string]func(float64) float64{
		"exp":   math.Exp,
		"cube":  func(x float64) float64 { return x * x * x },
		"2x+1":  func(x float64) float64 { return 2*x + 1 },
		"tiny":  func(x float64) float64 { return 1e-300 * x },
		"huge":  func(x float64) float64 { return 1e300 * x },
		"atan":  math.Atan,
		"steep": func(x float64) float64 { return math.Copysign(math.Exp(x*x)-1, x) },
	}
	for seed := range uint64(400) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		members := randomMembers(r)
		policy := randomPolicy(r, pbt.Truncation{}, pbt.Truncation{Fraction: 0.4}, pbt.Tournament{}, pbt.DefaultFounders(), pbt.NoExploit{})
		goal := bothGoals[r.IntN(2)]
		w := newWorld(t, goal, seed, members...)
		for name, f := range rising {
			mapped := append([]one{}, members...)
			for i := range mapped {
				if pbt.Score(mapped[i].score).Finite() {
					mapped[i].score = f(mapped[i].score)
				}
			}
			v := newWorld(t, goal, seed, mapped...)
			for i := range members {
				if a, b := essence(w.decide(policy, i)), essence(v.decide(policy, i)); a != b {
					t.Fatalf("seed %d, member %d, %s: %s\nbecame %s", seed, i, name, a, b)
				}
			}
		}
	}
}

func TestMetamorphic_NegatedScoresAndGoalChangeOnlySigns(t *testing.T) {
	negative := func(s *pbt.Score) {
		if *s = -*s; *s == 0 {
			*s = 0 // not −0
		}
	}
	copied := 0
	for seed := range uint64(1500) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		members := randomMembers(r)
		policy := randomPolicy(r, pbt.Truncation{}, pbt.Tournament{}, pbt.TTest{}, pbt.TTest{Alpha: 0.4})
		policy.Margin = float64(r.IntN(2))
		w, v := newWorld(t, pbt.Maximize, seed, members...), newWorld(t, pbt.Minimize, seed, turned(pbt.Minimize, members)...)
		for i := range members {
			a, b := w.decide(policy, i), v.decide(policy, i)
			if a.Copies() {
				copied++
			}
			negative(&b.Score)
			if b.Rival != nil {
				negative(&b.Rival.Score)
			}
			if b.Test != nil {
				negative(&b.Test.Mean)
				negative(&b.Test.RivalMean)
			}
			a.Score += 0
			if same, what := a.Same(&b); !same {
				t.Fatalf("seed %d, member %d: %s", seed, i, what)
			}
		}
	}
	if copied < 500 {
		t.Errorf("only %d copies: this shows little", copied)
	}
}

func TestMetamorphic_OrderOfArrivalChangesNoDecision(t *testing.T) {
	for seed := range uint64(600) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		members := randomMembers(r)
		policy := randomPolicy(r, pbt.Truncation{}, pbt.Tournament{}, pbt.TTest{Alpha: 0.4})
		w := newWorld(t, pbt.Maximize, seed, members...)
		v := newWorld(t, pbt.Maximize, seed, make([]one, len(members))...) // older records, since replaced
		v.pop = pbt.NewPopulation(len(members), pbt.Maximize, seed)
		order := make([]int, len(members))
		for i := range order {
			order[i] = i
			if !members[i].unscored && r.IntN(2) == 0 {
				v.pop.Set(i, pbt.Record{Segment: 999, Score: pbt.Score(r.Float64())})
			}
		}
		for i := range order {
			k := r.IntN(i + 1)
			order[i], order[k] = order[k], order[i]
		}
		for _, i := range order {
			if !members[i].unscored {
				v.pop.Set(i, v.record(i, members[i]))
			}
		}
		for i := range members {
			a, b := w.decide(policy, i), v.decide(policy, i)
			if same, what := a.Same(&b); !same {
				t.Fatalf("seed %d, member %d, set in the order %v: %s", seed, i, order, what)
			}
		}
	}
}

// Deciding reads the population and changes nothing: twice is once, and one
// member's decision is no other's business.
func TestMetamorphic_DecidingChangesNothing(t *testing.T) {
	for seed := range uint64(300) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		members := randomMembers(r)
		policy := randomPolicy(r, pbt.Truncation{}, pbt.Tournament{}, pbt.TTest{Alpha: 0.4})
		w := newWorld(t, pbt.Maximize, seed, members...)
		first := make([]pbt.Decision, len(members))
		for i := range members {
			first[i] = w.decide(policy, i)
		}
		for i := len(members) - 1; i >= 0; i-- {
			d := w.decide(policy, i)
			if same, what := first[i].Same(&d); !same || !reflect.DeepEqual(first[i].Changes, d.Changes) {
				t.Fatalf("seed %d, member %d: %s", seed, i, what)
			}
		}
	}
}

// Renaming nobody, adding members who have no score: they are not there yet.
func TestMetamorphic_MembersWithoutAScoreChangeNoDecision(t *testing.T) {
	for seed := range uint64(300) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		members := randomMembers(r)
		policy := randomPolicy(r, pbt.Truncation{}, pbt.Tournament{}, pbt.TTest{Alpha: 0.4})
		policy.MinScored = 2
		w := newWorld(t, pbt.Maximize, seed, members...)
		v := newWorld(t, pbt.Maximize, seed, append(members, one{unscored: true}, one{unscored: true})...)
		for i := range members {
			a, b := w.decide(policy, i), v.decide(policy, i)
			if same, what := a.Same(&b); !same {
				t.Fatalf("seed %d, member %d: %s", seed, i, what)
			}
		}
	}
}

// Train and the rules agree on goals: minimising the negative is maximising.
func TestMetamorphic_TrainMinimisesTheNegative(t *testing.T) {
	for name, order := range orders {
		o, model := walk(pbt.Options{Members: 5, Steps: 25, Seed: 2, Order: order})
		up, err := pbt.Train(o, model)
		if err != nil {
			t.Fatal(err)
		}
		o.Goal = pbt.Minimize
		model.Eval = func(w float64) float64 { return -w }
		down, err := pbt.Train(o, model)
		if err != nil || !reflect.DeepEqual(up.Weights, down.Weights) || !reflect.DeepEqual(up.Schedule, down.Schedule) || up.Copies != down.Copies || up.Best.Score != -down.Best.Score {
			t.Errorf("%s: %v and %v (%v)", name, up.Best, down.Best, err)
		}
	}
}
