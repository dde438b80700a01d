package config

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

const derivable = `population: 4
budget: {steps: 400}
metric: {name: accuracy, goal: maximize}
hyperparameters:
  lr: {log: [1e-4, 1e-1]}
  optimizer: {beta: {uniform: [0, 0.5]}}
trainer: {command: [train, "{load}", "{save}"]}
`

// Other settings give the defaults that follow from them anew; what the user wrote stays.
func TestDerivedDefaultsAreDerivedAgain(t *testing.T) {
	sets := []string{"population=20", "budget.steps=2000", "metric.name=f1", "hyperparameters.lr.log=[1e-5, 1]", "hyperparameters.optimizer.beta.uniform=[0, 0.9]"}
	derive := func(text string, sets ...string) (stored, file *Experiment) {
		t.Helper()
		old := mustParse(t, text)
		json, yaml, err := old.Underived([]byte(text), nil, sets...)
		if err != nil {
			t.Fatal(err)
		}
		if stored, err = FromJSON(json, Set(sets...)); err != nil {
			t.Fatal(err)
		}
		if json, yaml, err = stored.Underived(yaml, nil); err != nil { // a branch of the branch
			t.Fatal(err)
		}
		if again, err := FromJSON(json); err != nil || again.Policy.MinScored != stored.Policy.MinScored || again.Segment != stored.Segment {
			t.Errorf("derived once more, it is another: %v", err)
		}
		return stored, mustParse(t, string(yaml))
	}
	e, file := derive(derivable, sets...)
	for how, e := range map[string]*Experiment{"journal": e, "file": file} {
		if e.Policy.MinScored != 10 || e.Segment != 100 || e.Trainer.Score.JSON != "f1" {
			t.Errorf("%s: min_scored %d, segment %d, score %q", how, e.Policy.MinScored, e.Segment, e.Trainer.Score.JSON)
		}
		if lr, beta := e.Hyperparameters[0].Bounds, e.Hyperparameters[1].Bounds; lr != (pbt.Range{Lo: 1e-5, Hi: 1}) || beta != (pbt.Range{Lo: 0, Hi: 0.9}) {
			t.Errorf("%s: bounds %v and %v", how, lr, beta)
		}
	}
	wrote := derivable + "peers: {min_scored: 2}\nsegment: {steps: 20}\n"
	if e, _ := derive(wrote, "population=20", "budget.steps=2000"); e.Policy.MinScored != 2 || e.Segment != 20 {
		t.Errorf("what was written became min_scored %d, segment %d", e.Policy.MinScored, e.Segment)
	}
	if e, _ := derive(derivable, "population=1"); e.Policy.MinScored != 1 {
		t.Errorf("a population of 1 has min_scored %d", e.Policy.MinScored)
	}
}

// What the command line set when the run began is no derived default, although it equals one.
func TestWhatWasSetIsNotDerivedAgain(t *testing.T) {
	began := []string{"peers.min_scored=2", "segment.steps=20", "hyperparameters.lr.bounds=[1e-4, 0.1]"}
	old, err := Parse("e.yaml", []byte(derivable), Set(began...))
	if err != nil {
		t.Fatal(err)
	}
	sets := []string{"population=20", "budget.steps=2000", "hyperparameters.lr.log=[1e-3, 1e-2]"}
	json, yaml, err := old.Underived([]byte(derivable), began, sets...)
	if err != nil {
		t.Fatal(err)
	}
	e, err := FromJSON(json, Set(sets...))
	if err != nil {
		t.Fatal(err)
	}
	for how, e := range map[string]*Experiment{"journal": e, "file": mustParse(t, string(yaml))} {
		if lr := e.Hyperparameters[0].Bounds; e.Policy.MinScored != 2 || e.Segment != 20 || lr != (pbt.Range{Lo: 1e-4, Hi: 0.1}) {
			t.Errorf("%s: min_scored %d, segment %d, bounds %v", how, e.Policy.MinScored, e.Segment, lr)
		}
	}
}
