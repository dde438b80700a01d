package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/examples/digits"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// The quickstart's files, shortened, from training to the table it prints. The
// two runs start from the same hyperparameters and weights.
func TestTheQuickstartsTwoRunsAreCompared(t *testing.T) {
	var dirs []string
	var first []string
	for _, name := range []string{"pbt", "random"} {
		text, err := os.ReadFile(filepath.Join("..", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		exp, err := config.Parse(name+".yaml", text, config.Set("population=6", "segment.steps=20", "budget.steps=100"))
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(t.TempDir(), name)
		hypers := train(t, exp, dir)
		dirs, first = append(dirs, dir), append(first, hypers)
	}
	if first[0] != first[1] {
		t.Errorf("the runs start from different hyperparameters:\n%s\n%s", first[0], first[1])
	}
	var out bytes.Buffer
	if err := compare(&out, dirs); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 3 || !strings.Contains(lines[1], "%") {
		t.Errorf("printed\n%s", out.String())
	}
}

// train runs an experiment and returns its members' first hyperparameters.
func train(t *testing.T, exp *config.Experiment, dir string) string {
	t.Helper()
	spec, err := exp.Spec()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := exp.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Create(engine.Config{
		Dir: dir, Version: "test", Spec: spec, Experiment: stored, Slots: 2,
		SpecOf:  func([]byte) (machine.Spec, error) { return spec, nil },
		NewSlot: func(int) trainer.Slot { return trainer.InProcess(digits.New) },
	})
	if err != nil {
		t.Fatal(err)
	}
	var first strings.Builder
	for i := range exp.Population {
		first.WriteString(e.Machine().Member(i).Hypers.String() + "\n")
	}
	if phase, err := e.Run(context.Background()); err != nil || phase != machine.PhaseEnded {
		t.Fatalf("%s: %v", phase, err)
	}
	return first.String()
}

func TestCompareSaysWhatIsWrong(t *testing.T) {
	for _, dirs := range [][]string{nil, {t.TempDir()}} {
		if err := compare(&bytes.Buffer{}, dirs); err == nil {
			t.Errorf("%v: accepted", dirs)
		}
	}
}
