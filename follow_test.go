package pbt

import "testing"

// A schedule found by one run, followed by another: the hyperparameters at every
// step are the schedule's.
func TestFollowTrainsAlongASchedule(t *testing.T) {
	space := MustSpace(LogUniform("lr", 1e-4, 1), Choice("act", Text("relu"), Text("gelu")))
	relu := func(lr float64) Hypers { return MakeHypers("lr", Float(lr), "act", Text("relu")) }
	follow := Follow{Stages: []Stage{{From: 0, Hypers: relu(0.5)}, {From: 30, Hypers: relu(0.1)}, {From: 40, Hypers: MakeHypers("lr", Float(0.01), "act", Text("gelu"))}}}
	var seen []float64
	var says []string
	_, err := Train(Options{
		Members: 1, Steps: 60, Block: 10, Space: space, Initial: []Hypers{follow.At(0)},
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
