package pbt

import (
	"math"
	"strings"
	"testing"
)

// A schedule found by one run, followed by another: the hyperparameters at every
// step are the schedule's.
func TestFollowTrainsAlongASchedule(t *testing.T) {
	space := MustSpace(LogUniform("lr", 1e-4, 1), Choice("act", Text("relu"), Text("gelu")))
	relu := func(lr float64) Hypers { return MakeHypers("lr", Float(lr), "act", Text("relu")) }
	follow := Follow{Stages: []Stage{{From: 0, Hypers: relu(0.5)}, {From: 30, Hypers: relu(0.1)}, {From: 40, Hypers: MakeHypers("lr", Float(0.01), "act", Text("gelu"))}}}
	var seen []float64
	var says []string
	_, err := Train(Options{
		Members: 1, Steps: 60, Block: 10, Space: space,
		Policy: Policy{Exploit: NoExploit{}, Explore: follow, ExploreAlways: true, MinScored: 1},
		Watch:  func(_ int, _ Record, d Decision) { says = append(says, d.Say()) },
	}, Model[int]{
		Init: func(*Rand) int { return 0 },
		Step: func(theta int, h Hypers, _ *Rand) int { seen = append(seen, h.Float("lr")); return theta + 1 },
		Eval: func(int) float64 { return 1 },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []float64{0.5, 0.5, 0.5, 0.1, 0.01, 0.01}
	for i, x := range want {
		if i >= len(seen) || seen[i] != x {
			t.Fatalf("learning rates %v, want %v", seen, want)
		}
	}
	if got := says[2]; got != "only 1 members have a score, 1 are needed; goes on; lr 0.5 → 0.1" && got != "nobody to compare with; goes on; lr 0.5 → 0.1" {
		t.Errorf("the decision says %q", got)
	}
}

func TestFollowRefusesASchedule(t *testing.T) {
	for name, stages := range map[string][]Stage{
		"empty":        nil,
		"starts late":  {{From: 10}},
		"out of order": {{From: 0}, {From: 20}, {From: 10}},
		"same step":    {{From: 0}, {From: 20}, {From: 20}},
	} {
		if err := (&Policy{Explore: Follow{Stages: stages}}).Validate(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func lrStages(froms ...int64) Follow {
	var f Follow
	for _, from := range froms {
		f.Stages = append(f.Stages, Stage{From: from, Hypers: MakeHypers("lr", Float(float64(from)+1))})
	}
	return f
}

// Fresh weights start with the first stage, whatever the policy says about exploring: every
// member of a population, and one that restarts after its score was not finite.
func TestFollowStartsAndRestartsWithTheFirstStage(t *testing.T) {
	for _, exploit := range []Exploit{NoExploit{}, Truncation{}} {
		age := 0
		_, err := Train(Options{
			Members: 3, Steps: 40, Block: 10, Space: MustSpace(Uniform("lr", 0, 100)), Seed: 9, Order: LockStep,
			Policy: Policy{Exploit: exploit, Explore: lrStages(0, 20, 30), Repair: RepairRestart, Ready: Every{BurnIn: 25}},
		}, Model[int]{
			Init: func(*Rand) int { return 0 },
			Step: func(theta int, h Hypers, _ *Rand) int {
				if want := lrStages(0, 20, 30).At(int64(theta)); !h.Equal(want) {
					t.Errorf("%s: at step %d it trains with %s, want %s", exploit.Name(), theta, h, want)
				}
				return theta + 10
			},
			Eval: func(theta int) float64 {
				if age++; age == 5 {
					return math.NaN()
				}
				return float64(age)
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFollowInTrainRefusesAStageWithinABlock(t *testing.T) {
	model := Model[int]{Init: func(*Rand) int { return 0 }, Step: func(x int, _ Hypers, _ *Rand) int { return x }, Eval: func(int) float64 { return 0 }}
	for want, o := range map[string]Options{
		"begins at step 15, within a block of 10 steps": {Members: 1, Steps: 40, Block: 10, Space: MustSpace(Uniform("lr", 0, 100)), Policy: Policy{Explore: lrStages(0, 15)}},
		"stage 2 of the schedule, at step 20: lr":       {Members: 1, Steps: 40, Block: 10, Space: MustSpace(Uniform("lr", 0, 10)), Policy: Policy{Explore: lrStages(0, 20)}},
		"follow the schedule alone":                     {Members: 1, Steps: 40, Policy: Policy{Explore: Pipeline{lrStages(0), Perturb{}}}},
	} {
		if _, err := Train(o, model); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// A person's restart, and a copy by hand, keep to the schedule; values given by hand hold
// until the member decides again.
func TestFollowAfterSteering(t *testing.T) {
	space := MustSpace(Uniform("lr", 0, 100), Uniform("x", 0, 1))
	at := func(lr float64) Hypers { return MakeHypers("lr", Float(lr), "x", Float(0.5)) }
	policy := &Policy{Explore: Follow{Stages: []Stage{{From: 0, Hypers: at(1)}, {From: 10, Hypers: at(2)}}}}
	given := MakeHypers("x", Float(0.25))
	donor := Record{Segment: 3, Step: 10, Saved: true, Hypers: at(1)}
	for _, c := range []struct {
		wish Wish
		want Hypers
	}{
		{Wish{Restart: true}, at(1)},
		{Wish{Fresh: &Hypers{}}, at(1)},
		{Wish{Fresh: &given}, MakeHypers("lr", Float(1), "x", Float(0.25))},
		{Wish{Donor: &donor}, at(2)},
		{Wish{Donor: &donor, Branch: true}, at(2)},
		{Wish{Set: given}, MakeHypers("lr", Float(2), "x", Float(0.25))},
	} {
		d := c.wish.Fulfil(policy, NewPopulation(2, Maximize, 1), space, Standing{Hypers: at(2)})
		if !d.Hypers.Equal(c.want) {
			t.Errorf("%+v: %s, want %s", c.wish, d.Hypers, c.want)
		}
	}
}

// Runs of earlier versions explored by a schedule at ready points: their decisions stay.
func TestFollowAtReadyPointsOnly(t *testing.T) {
	space, f := MustSpace(Uniform("lr", 0, 100)), lrStages(0, 10)
	f.AtReady = true
	policy := &Policy{Explore: f}
	d, err := policy.Start(space, 9, 0, Hypers{})
	if drawn := space.Draw(9, 0, 0); err != nil || !d.Hypers.Equal(drawn) {
		t.Errorf("it starts with %s, want %s drawn (%v)", d.Hypers, drawn, err)
	}
	pop := NewPopulation(1, Maximize, 1)
	pop.Set(0, Record{Segment: 1, Score: 1, Step: 10, Hypers: d.Hypers, Saved: true})
	if next := policy.Decide(pop, space, Standing{Segment: 1, Hypers: d.Hypers}); !next.Hypers.Equal(d.Hypers) {
		t.Errorf("without explore_always it goes on with %s", next.Hypers)
	}
}
