package pbt_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// One test per sentence of the paper (Jaderberg et al. 2017, arXiv:1711.09846).
// Section numbers are the paper's; shared/design/ALGORITHMS.md part 1 has the
// sentences with their sources.

// tens is ten members with the scores 0…9.
func tens(t testing.TB, goal pbt.Goal) *world {
	members := make([]one, 10)
	for i := range members {
		members[i].score = float64(i)
	}
	return newWorld(t, goal, 1, turned(goal, members)...)
}

// Algorithm 1: "if θ ≠ θ′: h, θ ← explore(h′, θ′, P)". Who does not copy keeps its
// hyperparameters: "in the case of not copying, hypers stay fixed".
func TestPaperAlgorithm1_ExploreOnlyAfterARealReplacement(t *testing.T) {
	w := tens(t, pbt.Maximize)
	for member := range 10 {
		own, _ := w.pop.Record(member)
		d := w.decide(pbt.Policy{}, member)
		copies := member < 2
		if d.Copies() != copies {
			t.Errorf("member %d with score %v: %s", member, own.Score, brief(d))
		}
		if changed := !d.Hypers.Equal(own.Hypers) || d.Changes != nil; changed != copies {
			t.Errorf("member %d, copies %v: hyperparameters changed: %v", member, copies, changed)
		}
	}
}

// Algorithm 1 with ExploreAlways, which the paper does not do, explores at every
// ready point, and only there.
func TestPaperAlgorithm1_ExploreAlwaysIsTheExceptionOneAsksFor(t *testing.T) {
	w := tens(t, pbt.Maximize)
	if d := w.decide(pbt.Policy{ExploreAlways: true}, 9); len(d.Changes) == 0 || d.Copies() || d.Parent != 10 {
		t.Errorf("the best member under ExploreAlways: %s, %v", brief(d), d.Changes)
	}
	if d := w.decide(pbt.Policy{ExploreAlways: true, Ready: pbt.Every{Steps: 2000}}, 9); d.Changes != nil {
		t.Errorf("a member that was not ready explored: %v", d.Changes)
	}
}

// Algorithm 1: exploit "maybe someone else's (h, θ); else own, unchanged".
// §4.3.1: all parameters are copied, hyperparameters and weights.
func TestPaperAlgorithm1_ExploitHandsOverWeightsAndHypers(t *testing.T) {
	w := tens(t, pbt.Maximize)
	d := w.decide(pbt.Policy{Explore: pbt.NoExplore{}}, 0)
	donor, _ := w.pop.Record(d.Rival.Member)
	if d.Action != pbt.Copy || d.Parent != donor.Segment || !d.Hypers.Equal(donor.Hypers) {
		t.Errorf("copy of segment %d with %s took segment %d with %s", donor.Segment, donor.Hypers, d.Parent, d.Hypers)
	}
	d = w.decide(pbt.Policy{}, 5)
	own, _ := w.pop.Record(5)
	if d.Action != pbt.Continue || d.Parent != own.Segment || !d.Hypers.Equal(own.Hypers) {
		t.Errorf("a member that goes on holds segment %d with %s, its own is %d with %s", d.Parent, d.Hypers, own.Segment, own.Hypers)
	}
}

// Algorithm 1: after a replacement "p ← eval(θ)": the population never shows the
// loser's score beside the winner's weights. The copy stands there with the
// donor's whole record, which is the score of those very weights.
func TestPaperAlgorithm1_AfterACopyTheDonorsRecordStands(t *testing.T) {
	type seen struct {
		record pbt.Record
		d      pbt.Decision
	}
	before := map[int]seen{}
	copied := 0
	res, err := pbt.Train(walk(pbt.Options{Members: 6, Steps: 40, Seed: 3, Order: pbt.FairTurns, Watch: func(member int, r pbt.Record, d pbt.Decision) {
		if past, ok := before[member]; ok && past.d.TakesWeights() {
			copied++
			if want := past.d.Rival.Step + 1; r.Step != want {
				t.Errorf("member %d copied weights of step %d and then stood at step %d", member, past.d.Rival.Step, r.Step)
			}
			if !r.Hypers.Equal(past.d.Hypers) {
				t.Errorf("member %d trained on %s, decided was %s", member, r.Hypers, past.d.Hypers)
			}
		}
		before[member] = seen{r, d}
	}}))
	if err != nil || copied == 0 || copied > res.Copies {
		t.Fatalf("%d of %d copies seen, error %v", copied, res.Copies, err)
	}

	// The same in one population.
	w := tens(t, pbt.Maximize)
	d := w.decide(pbt.Policy{}, 0)
	donor, _ := w.pop.Record(d.Rival.Member)
	w.pop.Adopt(0, donor)
	if r, _ := w.pop.Record(0); r.Score != donor.Score || r.Segment != donor.Segment || w.pop.Scored() != 9 {
		t.Errorf("after copying %v the member stands with %v, %d members ranked", donor.Score, r.Score, w.pop.Scored())
	}
	// The loser's old score is gone: the next worst is now the worst.
	if d := w.decide(pbt.Policy{}, 1); d.Rank != 9 || d.Of != 9 || !d.Copies() {
		t.Errorf("%s", d.Say())
	}
}

// §4.1.1: "rank all agents by episodic reward; if the current agent is in the
// bottom 20% of the population, we sample another agent uniformly from the top
// 20%, and copy its weights and hyperparameters".
func TestPaperSection411_TruncationBottomCopiesTop(t *testing.T) {
	for _, goal := range bothGoals {
		w := tens(t, goal)
		counts := map[int]int{}
		const draws = 4000
		for turn := range int64(draws) {
			s := w.standing(1)
			s.Turn = turn
			d := (&pbt.Policy{}).Decide(w.pop, w.space, s)
			if !d.Copies() || d.Cut != 2 || d.Rank != 9 || d.Of != 10 {
				t.Fatalf("%v: %s, cut %d, rank %d of %d", goal, brief(d), d.Cut, d.Rank, d.Of)
			}
			counts[d.Rival.Member]++
		}
		// Uniform: binomial(4000, ½), five standard deviations are 158.
		if len(counts) != 2 || math.Abs(float64(counts[8]-draws/2)) > 158 {
			t.Errorf("%v: donors %v, want members 8 and 9 half of the time each", goal, counts)
		}
		for member := 2; member < 10; member++ {
			if d := w.decide(pbt.Policy{}, member); d.Why != pbt.WhyNotBottom || d.Copies() {
				t.Errorf("%v: member %d: %s", goal, member, brief(d))
			}
		}
	}
}

// §4.1.1: "uniformly sample another agent in the population, and compare the last
// 10 episodic rewards using Welch's t-test; if the sampled agent has a higher mean
// episodic reward and satisfies the t-test, the weights and hyperparameters are
// copied".
func TestPaperSection411_TTestNeedsHigherMeanAndSignificance(t *testing.T) {
	low := []float64{1, 2, 1, 2, 1, 2, 1, 2, 1, 2}
	slightly := []float64{1.2, 2.1, 1, 2, 1, 2, 1.1, 2, 1, 2}
	high := []float64{4, 5, 4, 5, 4, 5, 4, 5, 4, 5}
	for _, c := range []struct {
		name       string
		own, other []float64
		want       string
	}{
		{"clearly better", low, high, "copy 1: significantly_worse"},
		{"better, not significantly", low, slightly, "continue: not_significant"},
		{"worse", high, low, "continue: rival_is_not_better"},
		{"equal", low, low, "continue: rival_is_not_better"},
	} {
		for _, goal := range bothGoals {
			w := newWorld(t, goal, 1, turned(goal, []one{{score: 1, samples: c.own}, {score: 2, samples: c.other}})...)
			d := w.decide(pbt.Policy{Exploit: pbt.TTest{}}, 0)
			if got := brief(d); got != c.want {
				t.Errorf("%s, %v: %s, want %s", c.name, goal, got, c.want)
			}
			if d.Test == nil || d.Test.N != 10 || d.Test.RivalN != 10 || d.Test.Alpha != pbt.DefaultAlpha {
				t.Errorf("%s: the test's numbers are %+v", c.name, d.Test)
			}
		}
	}
	if pbt.SampleWindow != 10 {
		t.Errorf("a record remembers %d samples, the paper's agents 10", pbt.SampleWindow)
	}
}

// §4.3.1: "each member of the population randomly selects another member, and
// copies it if the other's score is better": strictly.
func TestPaperSection431_TournamentIsStrict(t *testing.T) {
	for _, goal := range bothGoals {
		for _, c := range []struct {
			other float64
			want  string
		}{{2, "copy 1: rival_is_better"}, {1, "continue: rival_is_not_better"}, {0, "continue: rival_is_not_better"}} {
			w := newWorld(t, goal, 1, turned(goal, scores(1, c.other))...)
			if got := brief(w.decide(pbt.Policy{Exploit: pbt.Tournament{}}, 0)); got != c.want {
				t.Errorf("%v, 1 against %g: %s, want %s", goal, c.other, got, c.want)
			}
		}
	}
}

// §4.3.1: the opponent is any other member, each as likely as the next.
func TestPaperSection431_TournamentDrawsAnyOther(t *testing.T) {
	w := tens(t, pbt.Maximize)
	const draws = 9000
	counts := map[int]int{}
	for turn := range int64(draws) {
		s := w.standing(4)
		s.Turn = turn
		policy := pbt.Policy{Exploit: pbt.Tournament{}}
		counts[policy.Decide(w.pop, w.space, s).Rival.Member]++
	}
	for member := range 10 {
		want := draws / 9.
		if member == 4 {
			want = 0
		}
		// Binomial(9000, 1/9): five standard deviations are 149.
		if math.Abs(float64(counts[member])-want) > 149 {
			t.Errorf("member %d was met %d times, want about %.0f", member, counts[member], want)
		}
	}
}

// §4.1.1: "perturb: each hyperparameter independently is randomly perturbed by a
// factor of 1.2 or 0.8". §4.3: "more aggressive 2.0 or 0.5" for GANs.
func TestPaperSection411_PerturbByEitherFactorIndependently(t *testing.T) {
	space := pbt.MustSpace(pbt.LogUniform("a", 1e-6, 1e6), pbt.LogUniform("b", 1e-6, 1e6))
	h := pbt.MakeHypers("a", pbt.Float(1), "b", pbt.Float(1))
	for _, factors := range [][]float64{nil, {0.5, 2}} {
		counts := map[string]int{}
		const draws = 4000
		for turn := range int64(draws) {
			out, _ := pbt.Perturb{Factors: factors}.Explore(space, h, pbt.Address{Seed: 7, Turn: turn})
			counts[fmt.Sprint(out.Float("a"), out.Float("b"))]++
		}
		lo, hi := 0.8, 1.2
		if factors != nil {
			lo, hi = 0.5, 2
		}
		for _, pair := range [][2]float64{{lo, lo}, {lo, hi}, {hi, lo}, {hi, hi}} {
			// Binomial(4000, ¼): five standard deviations are 137.
			if n := counts[fmt.Sprint(pair[0], pair[1])]; math.Abs(float64(n-draws/4)) > 137 || len(counts) != 4 {
				t.Errorf("factors %v: the pair %v came %d times of %d (%v)", factors, pair, n, draws, counts)
			}
		}
	}
}

// §4.1.1: "resample: each hyperparameter is resampled from the original prior
// distribution with some probability".
func TestPaperSection411_ResampleFromThePrior(t *testing.T) {
	space := pbt.MustSpace(pbt.Uniform("x", 0, 1).Within(-10, 10))
	h := pbt.MakeHypers("x", pbt.Float(5)) // outside the initial range, within the bounds
	drawn := 0
	const draws = 4000
	for turn := range int64(draws) {
		out, changes := pbt.Resample{P: 0.3}.Explore(space, h, pbt.Address{Seed: 7, Turn: turn})
		if x := out.Float("x"); x != 5 {
			drawn++
			if x < 0 || x > 1 || len(changes) != 1 {
				t.Fatalf("resampled to %g, which the prior cannot give (%v)", x, changes)
			}
		}
	}
	if math.Abs(float64(drawn)-0.3*draws) > 145 { // binomial: five standard deviations
		t.Errorf("resampled %d times of %d, want 30%%", drawn, draws)
	}
}

// Algorithm 1: "return θ with the highest p in P", by the user's goal.
func TestPaperAlgorithm1_ReturnsTheBestOfThePopulation(t *testing.T) {
	for _, goal := range bothGoals {
		o, model := walk(pbt.Options{Members: 5, Steps: 20, Seed: 5, Goal: goal})
		res, err := pbt.Train(o, model)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range res.Members {
			if goal.Better(r.Score, res.Best.Score) {
				t.Errorf("%v: member %d has %v, the best is said to have %v", goal, i, r.Score, res.Best.Score)
			}
		}
		if got := pbt.Score(model.Eval(res.Theta)); got != res.Best.Score {
			t.Errorf("%v: the weights returned are worth %v, the best record says %v", goal, got, res.Best.Score)
		}
	}
}

// Appendix A.1: members may run semi-serially "with partial synchrony": all advance
// a fixed number of steps, then exploit and explore. Deciding at once, they see
// the same population: what one copies cannot depend on who decided before it.
func TestPaperAppendixA1_LockStepDecidesFromOneSnapshot(t *testing.T) {
	seen := map[int64]map[int]pbt.Decision{} // by turn
	records := map[int64]map[int]pbt.Record{}
	var turn int64
	n := 0
	const members = 8
	_, err := pbt.Train(walk(pbt.Options{Members: members, Steps: 12, Seed: 9, Order: pbt.LockStep, Watch: func(member int, r pbt.Record, d pbt.Decision) {
		if n%members == 0 {
			turn++
			seen[turn], records[turn] = map[int]pbt.Decision{}, map[int]pbt.Record{}
		}
		n++
		seen[turn][member], records[turn][member] = d, r
	}}))
	if err != nil || turn < 10 {
		t.Fatalf("%d turns, error %v", turn, err)
	}
	for turn, all := range seen {
		for member, d := range all {
			if d.Copies() && records[turn][d.Rival.Member].Segment != d.Rival.Segment {
				t.Errorf("turn %d: member %d copied segment %d of member %d, which had reported %d", turn, member, d.Rival.Segment, d.Rival.Member, records[turn][d.Rival.Member].Segment)
			}
			if d.Of != members {
				t.Errorf("turn %d: member %d compared %d members", turn, member, d.Of)
			}
		}
	}
}
