package verify_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/verify"
)

// Runs of every version that was ever released are opened, verified and gone on
// with by this one. Never change a directory in testdata: add one.
func TestRunsOfEarlierVersionsGoOn(t *testing.T) {
	for version, decisions := range map[string][2]int64{
		"v1":        {90, 110},
		"v1-branch": {76, 136}, // begins with a segment of v1, and was steered in every way
	} {
		t.Run(version, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", version))); err != nil {
				t.Fatal(err)
			}
			verifyRun(t, dir, decisions[0], 5)
			trainOn(t, dir)
			verifyRun(t, dir, decisions[1], 5)
		})
	}
}

func verifyRun(t *testing.T, dir string, decisions, checkpoints int64) {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	store, err := checkpoint.OpenReadOnly(filepath.Join(dir, engine.CheckpointDir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Run(j, store, config.SpecOf)
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK || r.Decisions != decisions || r.Checkpoints.Checked < checkpoints {
		t.Errorf("%+v: want %d decisions and at least %d checkpoints, all well", r, decisions, checkpoints)
	}
}

// trainOn resumes the run with four segments more for each member.
func trainOn(t *testing.T, dir string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, engine.ExperimentFile))
	if err != nil {
		t.Fatal(err)
	}
	exp, err := config.Parse("golden.yaml", text, config.Set("budget.steps=110", "keep.lineage=false"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := exp.Spec()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := exp.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.Open(engine.Config{
		Dir: dir, Version: "test", SpecOf: config.SpecOf, Slots: 2,
		NewSlot: func(int) trainer.Slot { return trainer.InProcess(quadratic.New) },
		Change:  &machine.Change{Spec: spec, Experiment: stored, Paths: []string{"budget.steps"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(context.Background()); err != nil || phase != machine.PhaseEnded {
		t.Fatalf("%s: %v", phase, err)
	}
}
