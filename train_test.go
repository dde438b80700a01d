package pbt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// walk is a small model for Train: a number that climbs at the rate of a
// hyperparameter, with noise.
func walk(o pbt.Options) (pbt.Options, pbt.Model[float64]) {
	if o.Space == nil {
		o.Space = pbt.MustSpace(pbt.LogUniform("rate", 1e-3, 1))
	}
	return o, pbt.Model[float64]{
		Init: func(r *pbt.Rand) float64 { return r.Float64() },
		Step: func(w float64, h pbt.Hypers, r *pbt.Rand) float64 { return w + h.Float("rate")*(1+0.1*r.Norm()) },
		Eval: func(w float64) float64 { return w },
	}
}

// story is everything Train tells, as text.
func story[W any](t *testing.T, o pbt.Options, model pbt.Model[W]) (string, pbt.Result[W]) {
	t.Helper()
	var b strings.Builder
	o.Watch = func(member int, r pbt.Record, d pbt.Decision) {
		fmt.Fprintf(&b, "%d %d %v %s | %s | %s\n", member, r.Segment, r.Score, r.Hypers, d.Say(), d.Hypers)
	}
	res, err := pbt.Train(o, model)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(&b, "%+v", res)
	return b.String(), res
}

var orders = map[string]pbt.Order{"fair": pbt.FairTurns, "random": pbt.RandomTurns, "lockstep": pbt.LockStep}

func TestTrain_OneSeedOneStory(t *testing.T) {
	for name, order := range orders {
		o, model := walk(pbt.Options{Members: 6, Steps: 30, Seed: 4, Order: order})
		first, res := story(t, o, model)
		if again, _ := story(t, o, model); again != first {
			t.Errorf("%s: the same seed told two stories", name)
		}
		o.Seed++
		if other, _ := story(t, o, model); other == first {
			t.Errorf("%s: two seeds told the same story", name)
		}
		if res.Copies == 0 {
			t.Errorf("%s: nobody copied in 30 steps", name)
		}
	}
}

func TestPain23_OneSeedMakesTheRunRepeatable(t *testing.T) { TestTrain_OneSeedOneStory(t) }

// Everybody spends exactly its steps, in any order; under FairTurns nobody is ever
// more than one block ahead.
func TestTrain_OrdersSpendTheSameSteps(t *testing.T) {
	for name, order := range orders {
		const members, steps, block = 5, 23, 4
		stepped := map[float64]int{}
		o := pbt.Options{Members: members, Steps: steps, Block: block, Seed: 2, Order: order, Policy: pbt.Policy{Exploit: pbt.NoExploit{}}}
		ahead := 0
		res, err := pbt.Train(o, pbt.Model[float64]{
			Init: func(r *pbt.Rand) float64 { return r.Float64() },
			Step: func(w float64, _ pbt.Hypers, _ *pbt.Rand) float64 {
				stepped[w]++
				if order == pbt.FairTurns {
					for _, n := range stepped {
						ahead = max(ahead, stepped[w]-n)
					}
				}
				return w
			},
			Eval: func(w float64) float64 { return w },
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range res.Members {
			if r.Step != steps {
				t.Errorf("%s: a member that never copied stands at step %d, want %d", name, r.Step, steps)
			}
		}
		for w, n := range stepped {
			if n != 6 { // ⌈23/4⌉
				t.Errorf("%s: weights %g were stepped %d times, want 6", name, w, n)
			}
		}
		if ahead > 1 {
			t.Errorf("%s: somebody was %d turns ahead", name, ahead)
		}
	}
}

func TestTrain_RandomTurnsAreUneven(t *testing.T) {
	o, model := walk(pbt.Options{Members: 4, Steps: 50, Seed: 1, Order: pbt.RandomTurns, Policy: pbt.Policy{Exploit: pbt.NoExploit{}}})
	count, spread := map[int]int{}, 0
	o.Watch = func(member int, _ pbt.Record, _ pbt.Decision) {
		count[member]++
		for i := range 4 {
			spread = max(spread, count[member]-count[i])
		}
	}
	if _, err := pbt.Train(o, model); err != nil || spread < 3 {
		t.Errorf("the most uneven moment was %d turns, want asynchrony (error %v)", spread, err)
	}
}

// Copy is called for weights that share memory: after a copy, training the one
// must not train the other.
func TestTrain_MutableWeightsAreNotShared(t *testing.T) {
	type weights struct{ x []float64 }
	copies := 0
	model := pbt.Model[*weights]{
		Init: func(r *pbt.Rand) *weights { return &weights{[]float64{r.Float64()}} },
		Step: func(w *weights, h pbt.Hypers, _ *pbt.Rand) *weights {
			w.x[0] += h.Float("rate") // in place
			return w
		},
		Eval: func(w *weights) float64 { return w.x[0] },
		Copy: func(w *weights) *weights { copies++; return &weights{[]float64{w.x[0]}} },
	}
	o, _ := walk(pbt.Options{Members: 6, Steps: 40, Seed: 8})
	for name, order := range orders {
		o.Order, copies = order, 0
		res, err := pbt.Train(o, model)
		if err != nil || copies == 0 || copies != res.Copies {
			t.Fatalf("%s: Copy was called %d times for %d copies, error %v", name, copies, res.Copies, err)
		}
		held := map[*weights]bool{}
		for i, w := range res.Weights {
			if held[w] {
				t.Errorf("%s: two members hold the same weights", name)
			}
			held[w] = true
			if got := pbt.Score(w.x[0]); got != res.Members[i].Score {
				t.Errorf("%s: member %d is recorded with %v, its weights are worth %v", name, i, res.Members[i].Score, got)
			}
		}
	}
}

// The weights themselves follow the decisions: in a model whose weights are their
// own history, every member's weights are exactly its recorded ancestry. Behind a
// barrier (LockStep) a donor may itself copy in the same turn; it hands over what
// it held when the decisions were made, as the decision says.
func TestTrain_WeightsAreWhatTheDecisionsSay(t *testing.T) {
	for name, order := range orders {
		chains := 0 // copies of a member that copied in the same turn, and was served before
		for seed := range uint64(10) {
			chains += followWeights(t, name, order, seed)
		}
		if order == pbt.LockStep && chains < 20 {
			t.Errorf("only %d donors copied in the same turn: this shows little", chains)
		}
	}
}

func followWeights(t *testing.T, name string, order pbt.Order, seed uint64) (chains int) {
	o, _ := walk(pbt.Options{Members: 5, Steps: 20, Seed: seed, Order: order, Policy: pbt.Policy{Exploit: pbt.Tournament{}}})
	expect := map[int]string{} // what each member should hold before its next step
	model := pbt.Model[string]{
		Init: func(*pbt.Rand) string { return "" },
		Step: func(w string, h pbt.Hypers, _ *pbt.Rand) string { return w + h.String() + ";" },
		Eval: func(w string) float64 { return pbt.NewRand(0, 0, 0, w, "").Float64() }, // a number like no other's
	}
	made := map[int64]string{} // weights by segment
	inForce := map[int]pbt.Hypers{}
	step := func(member int, h pbt.Hypers) string { return model.Step(expect[member], h, nil) }
	copied := map[int]int64{} // by member, the segment it last decided on by copying
	o.Watch = func(member int, r pbt.Record, d pbt.Decision) {
		made[r.Segment] = step(member, r.Hypers)
		if _, watched := made[d.Parent]; !watched { // a donor that has finished, or that is told after this member
			donor := d.Rival.Member
			made[d.Parent] = step(donor, inForce[donor])
		}
		if d.Copies() {
			copied[member] = r.Segment
			if copied[d.Rival.Member] == d.Rival.Segment {
				chains++
			}
		}
		expect[member], inForce[member] = made[d.Parent], d.Hypers
	}
	for i := range o.Members {
		inForce[i] = o.Space.Draw(o.Seed, i, 0)
	}
	res, err := pbt.Train(o, model)
	if err != nil || res.Copies == 0 {
		t.Fatalf("%s: %d copies, error %v", name, res.Copies, err)
	}
	for i, w := range res.Weights {
		if want := step(i, res.Members[i].Hypers); w != want {
			t.Errorf("%s, seed %d: member %d holds\n%s\nbut the decisions lead to\n%s", name, seed, i, w, want)
		}
	}
	return chains
}

// A record's samples are those of its weights' ancestry: a copy goes on from its
// donor's, fresh weights from none.
func TestTrain_SamplesFollowTheWeights(t *testing.T) {
	restarts, copies := 0, 0
	last := map[int]pbt.Record{}
	decided := map[int]pbt.Decision{}
	records := map[int64]pbt.Record{}
	o, model := walk(pbt.Options{Members: 3, Steps: 30, Seed: 7, Policy: pbt.Policy{Repair: pbt.RepairRestart}})
	model.Step = func(w float64, h pbt.Hypers, r *pbt.Rand) float64 {
		if r.Float64() < 0.15 {
			return nan
		}
		return w + h.Float("rate")
	}
	o.Watch = func(member int, r pbt.Record, d pbt.Decision) {
		past := last[member].Samples
		switch before := decided[member]; {
		case before.Action == pbt.Restart:
			past = nil
			restarts++
		case before.TakesWeights():
			past = records[before.Rival.Segment].Samples
			copies++
		}
		if want := pbt.LastSamples(past, nil, r.Score); fmt.Sprint(r.Samples) != fmt.Sprint(want) {
			t.Errorf("member %d after %q: samples %v, want %v", member, decided[member].Action, r.Samples, want)
		}
		last[member], decided[member], records[r.Segment] = r, d, r
	}
	if _, err := pbt.Train(o, model); err != nil || restarts == 0 || copies == 0 {
		t.Errorf("%d restarts and %d copies seen, error %v", restarts, copies, err)
	}
}

// Result.Schedule is the hyperparameters along the best weights' ancestry: from 0
// to their step without a gap, and as many steps as the weights trained.
func TestPain19_ScheduleFollowsTheRealAncestry(t *testing.T) {
	type trained struct{ rates []float64 }
	for name, order := range orders {
		o, _ := walk(pbt.Options{Members: 6, Steps: 33, Block: 2, Seed: 6, Order: order})
		res, err := pbt.Train(o, pbt.Model[trained]{
			Init: func(*pbt.Rand) trained { return trained{} },
			Step: func(w trained, h pbt.Hypers, _ *pbt.Rand) trained {
				return trained{append(w.rates[:len(w.rates):len(w.rates)], h.Float("rate"))}
			},
			Eval: func(w trained) float64 {
				sum := 0.0
				for _, r := range w.rates {
					sum += r
				}
				return sum
			},
		})
		if err != nil || res.Copies == 0 {
			t.Fatalf("%s: %d copies, error %v", name, res.Copies, err)
		}
		at := int64(0)
		for _, stage := range res.Schedule {
			if stage.From != at || stage.To <= stage.From {
				t.Errorf("%s: stage %d–%d after step %d", name, stage.From, stage.To, at)
			}
			for i := stage.From / 2; i < (stage.To+1)/2; i++ {
				if rate := stage.Hypers.Float("rate"); res.Theta.rates[i] != rate {
					t.Errorf("%s: block %d was trained with rate %g, the schedule says %g", name, i, res.Theta.rates[i], rate)
				}
			}
			at = stage.To
		}
		if at != res.Best.Step {
			t.Errorf("%s: the schedule ends at step %d, the weights at %d", name, at, res.Best.Step)
		}
		for i := 1; i < len(res.Schedule); i++ {
			if res.Schedule[i].Hypers.Equal(res.Schedule[i-1].Hypers) {
				t.Errorf("%s: neighbouring stages with the same hyperparameters", name)
			}
		}
	}
}

// A member whose score is NaN gets healthy weights at once, without a ready point.
func TestPain9_NaNIsRepairedAndNeverCopied(t *testing.T) {
	for name, order := range orders {
		mended := 0
		o, model := walk(pbt.Options{
			Members: 5, Steps: 40, Seed: 12, Order: order, Policy: pbt.Policy{Ready: pbt.Every{Steps: 10}},
			Space: pbt.MustSpace(pbt.Uniform("rate", 0, 1)),
		})
		model.Step = func(w float64, h pbt.Hypers, r *pbt.Rand) float64 {
			if r.Float64() < 0.1 {
				return nan
			}
			return w + h.Float("rate")
		}
		o.Watch = func(member int, r pbt.Record, d pbt.Decision) {
			if d.Copies() && !isFinite(d.Rival.Score) {
				t.Errorf("%s: member %d copied a score of %v", name, member, d.Rival.Score)
			}
			if isFinite(r.Score) {
				return
			}
			switch {
			case d.Action == pbt.Mend:
				mended++
			case d.Action == pbt.Restart && d.Parent == 0:
			default:
				t.Errorf("%s: a score of %v: %s", name, r.Score, d.Say())
			}
		}
		res, err := pbt.Train(o, model)
		if err != nil || mended == 0 || !isFinite(res.Best.Score) {
			t.Errorf("%s: %d repairs, best %v, error %v", name, mended, res.Best.Score, err)
		}
	}
}

// When nobody is healthy there is nobody to copy: members start again.
func TestTrain_EverybodyNaNRestarts(t *testing.T) {
	inits, restarts := 0, 0
	o, model := walk(pbt.Options{Members: 3, Steps: 4, Seed: 1, Watch: func(_ int, _ pbt.Record, d pbt.Decision) {
		if d.Action == pbt.Restart {
			restarts++
		}
	}})
	model.Init = func(r *pbt.Rand) float64 { inits++; return r.Float64() }
	model.Eval = func(float64) float64 { return nan }
	res, err := pbt.Train(o, model)
	if err != nil || restarts != 9 || inits != 3+restarts || isFinite(res.Best.Score) {
		t.Errorf("%d fresh weights for %d restarts, best %v, error %v", inits, restarts, res.Best.Score, err)
	}
}

func TestTrain_WatchSeesEveryDecision(t *testing.T) {
	for name, order := range orders {
		const members, steps, block = 4, 21, 5
		seen, copies := map[int64]bool{}, 0
		o, model := walk(pbt.Options{Members: members, Steps: steps, Block: block, Seed: 3, Order: order})
		o.Watch = func(member int, r pbt.Record, d pbt.Decision) {
			if seen[r.Segment] || d.Segment != r.Segment {
				t.Errorf("%s: segment %d was decided twice, or under another's number %d", name, r.Segment, d.Segment)
			}
			seen[r.Segment] = true
			if d.Copies() {
				copies++
			}
		}
		res, err := pbt.Train(o, model)
		// Each member reports ⌈21/5⌉ = 5 times; on its last report there is nothing left to decide.
		if err != nil || len(seen) != members*4 || copies != res.Copies {
			t.Errorf("%s: %d decisions and %d of %d copies seen, error %v", name, len(seen), copies, res.Copies, err)
		}
	}
}

func TestTrain_InitialPointsAreUsedAndCompleted(t *testing.T) {
	space := pbt.MustSpace(pbt.Uniform("a", 0, 1), pbt.Uniform("b", 0, 1))
	first := map[int]pbt.Hypers{}
	o, model := walk(pbt.Options{Members: 3, Steps: 2, Space: space, Initial: []pbt.Hypers{
		pbt.MakeHypers("a", pbt.Float(0.25), "b", pbt.Float(0.5)), pbt.MakeHypers("b", pbt.Int(1)),
	}, Watch: func(m int, r pbt.Record, _ pbt.Decision) { first[m] = r.Hypers }})
	model.Step = func(w float64, h pbt.Hypers, _ *pbt.Rand) float64 { return w + h.Float("a") }
	if _, err := pbt.Train(o, model); err != nil {
		t.Fatal(err)
	}
	if first[0].String() != "a=0.25 b=0.5" || first[1].Float("b") != 1 {
		t.Errorf("the members began with %s and %s", first[0], first[1])
	}
	// What is left open is drawn as if nothing had been given.
	if drawn := space.Draw(0, 1, 0); first[1].Float("a") != drawn.Float("a") || !first[2].Equal(space.Draw(0, 2, 0)) {
		t.Errorf("members 1 and 2 began with %s and %s", first[1], first[2])
	}
}

func TestTrain_OptionErrorsNameTheFault(t *testing.T) {
	good := func() (pbt.Options, pbt.Model[float64]) { return walk(pbt.Options{Members: 2, Steps: 3}) }
	for _, c := range []struct {
		name  string
		spoil func(*pbt.Options, *pbt.Model[float64])
		want  string
	}{
		{"no members", func(o *pbt.Options, _ *pbt.Model[float64]) { o.Members = 0 }, "want at least one member, not 0"},
		{"no steps", func(o *pbt.Options, _ *pbt.Model[float64]) { o.Steps = 0 }, "want at least one step, not 0 in blocks of 1"},
		{"negative block", func(o *pbt.Options, _ *pbt.Model[float64]) { o.Block = -1 }, "want at least one step, not 3 in blocks of -1"},
		{"no init", func(_ *pbt.Options, m *pbt.Model[float64]) { m.Init = nil }, "a Model needs Init, Step and Eval"},
		{"no step", func(_ *pbt.Options, m *pbt.Model[float64]) { m.Step = nil }, "a Model needs Init, Step and Eval"},
		{"no eval", func(_ *pbt.Options, m *pbt.Model[float64]) { m.Eval = nil }, "a Model needs Init, Step and Eval"},
		{"bad policy", func(o *pbt.Options, _ *pbt.Model[float64]) { o.Policy.Margin = -1 }, "the margin is -1"},
		{"unknown order", func(o *pbt.Options, _ *pbt.Model[float64]) { o.Order = 9 }, "unknown order 9: want FairTurns, RandomTurns or LockStep"},
		{"too many points", func(o *pbt.Options, _ *pbt.Model[float64]) { o.Initial = make([]pbt.Hypers, 3) }, "3 initial points are given for 2 members"},
		{"bad point", func(o *pbt.Options, _ *pbt.Model[float64]) {
			o.Initial = []pbt.Hypers{{}, pbt.MakeHypers("rate", pbt.Float(7))}
		}, "initial hyperparameters 2: rate: 7 is not a number in [0.001, 1]"},
	} {
		o, model := good()
		c.spoil(&o, &model)
		_, err := pbt.Train(o, model)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "pbt.Train: ") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	o, model := good()
	o.Space = nil
	model.Step = func(w float64, h pbt.Hypers, _ *pbt.Rand) float64 { return w + float64(h.Len()) }
	if res, err := pbt.Train(o, model); err != nil || res.Best.Hypers.Len() != 0 {
		t.Errorf("no space is a space without hyperparameters: %v, %v", res.Best.Hypers, err)
	}
}
