package config_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt/config"
)

// What Apply returns makes the old experiment the new one, but for what may not change.
func TestApply(t *testing.T) {
	const text = "budget: {steps: 100, wall: 1h}\nexploit: truncation\nhyperparameters: {lr: {log: [0.1, 1]}}\ntrainer: {command: [a, b c], env: {A: x}}\n"
	old, err := config.Parse("a.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	changed, err := config.Parse("a.yaml", []byte("budget: {steps: 200}\nexploit: {ttest: {alpha: 0.01}}\nkeep: {best: 5}\npopulation: 5\npeers: {min_scored: 5}\nhyperparameters: {lr: {log: [0.1, 1]}}\ntrainer: {command: [a, \"d e\"], env: {B: \"=\"}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	sets, refused := config.Apply(old, changed)
	if !slices.Equal(refused, []string{"population: 20 → 5", "segment.steps: 5 → 10"}) {
		t.Errorf("refused: %q", refused)
	}
	if config.Gives([]byte(text), "segment") || !config.Gives([]byte(text), "budget") || config.Gives([]byte("["), "budget") {
		t.Error("Gives is wrong")
	}
	stored, err := json.Marshal(old)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := config.FromJSON(stored, config.Set(sets...))
	if err != nil {
		t.Fatalf("%q: %v", sets, err)
	}
	if allowed, left := config.Changes(applied, changed); len(allowed) > 0 || len(left) != 2 {
		t.Errorf("after %q: %q, %q", sets, allowed, left)
	}
}
