package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// branchOf is a run that begins with the best segment of another.
func branchOf(t *testing.T, old Config, spec machine.Spec) Config {
	t.Helper()
	h := story(t, old)
	r, member, err := h.Record(h.Best)
	if err != nil {
		t.Fatal(err)
	}
	stages, err := h.Schedule(h.Best)
	if err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.OpenReadOnly(filepath.Join(old.Dir, CheckpointDir))
	if err != nil {
		t.Fatal(err)
	}
	o := h.Outcome(h.Best)
	c := testConfig(t, spec, 2, climb)
	c.Branch = &Branch{
		Branch: machine.Branch{
			Origin: machine.Origin{Dir: old.Dir, Run: "old", Began: h.Began, Segment: h.Best, Member: member, Digest: o.Checkpoint.Digest, Stages: stages},
			Record: r,
		},
		From: store, ID: o.Checkpoint.ID,
	}
	return c
}

func TestBranch_TrainsOnFromTheWeights(t *testing.T) {
	old := testConfig(t, testSpec(), 2, climb)
	best, _ := mustRun(t, old).Best()
	spec := testSpec()
	spec.Seed, spec.Population = 7, 3
	c := branchOf(t, old, spec)
	m := mustRun(t, c)
	check(t, c)
	now, _ := m.Best()
	if m.Counts().Finished != 12 || m.Spent() != 120 || now.Score <= best.Score || now.Step <= best.Step {
		t.Errorf("%+v, best %+v after %+v", m.Counts(), now, best)
	}
	h := story(t, c)
	stages, err := h.Schedule(now.Segment)
	if err != nil || stages[0].From != 0 || stages[len(stages)-1].To != now.Step {
		t.Fatalf("%+v, %v", stages, err)
	}
	for i, s := range stages {
		if i > 0 && s.From != stages[i-1].To || s.From == s.To {
			t.Errorf("stage %d is from %d to %d, after %d", i, s.From, s.To, stages[i-1].To)
		}
	}
	check(t, old) // which nobody has touched
}

// A process that was killed before the first event has left the checkpoint there: the
// next one begins with its own copy.
func TestBranch_KilledBeforeItsFirstEvent(t *testing.T) {
	old := testConfig(t, testSpec(), 2, climb)
	mustRun(t, old)
	c := branchOf(t, old, testSpec())
	killed := errors.New("killed")
	c.journalFault = func([]journal.Row) error { return killed }
	if _, err := Create(c); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	if names := names(t, filepath.Join(c.Dir, CheckpointDir)); len(names) != 3 {
		t.Fatalf("the test tests nothing: %v", names)
	}
	c.journalFault = nil
	mustRun(t, c)
	check(t, c)
	if _, err := Create(c); !errors.Is(err, ErrExists) {
		t.Errorf("it begins a second time: %v", err)
	}
}

func TestBranch_IsNotMade(t *testing.T) {
	old := testConfig(t, testSpec(), 2, climb)
	mustRun(t, old)
	for want, spoil := range map[string]func(c *Config){
		"is gone":              func(c *Config) { c.Branch.ID = "s000000999-1" },
		"another one than its": func(c *Config) { c.Branch.Origin.Digest = "00" },
		"hyperparameters that": func(c *Config) { c.Branch.Record.Hypers = pbt.MakeHypers("h0", pbt.Float(5)) },
		"nobody would copy":    func(c *Config) { c.Branch.Record.Score = pbt.Score(nan()) },
	} {
		c := branchOf(t, old, testSpec())
		spoil(&c)
		if _, err := Create(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error that says %q", err, want)
		}
		if _, err := Open(c); err == nil {
			t.Errorf("%s: there is a run", want)
		}
		c = branchOf(t, old, testSpec())
		spoil(&c)
		around := filepath.Join(c.Dir, "a")
		c.Dir = filepath.Join(around, "b")
		if _, err := Create(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error that says %q", err, want)
		}
		if _, err := os.Stat(around); err == nil {
			t.Errorf("%s: something was left behind", want)
		}
	}
}

func TestBranch_OfADamagedCheckpoint(t *testing.T) {
	old := testConfig(t, testSpec(), 2, climb)
	mustRun(t, old)
	c := branchOf(t, old, testSpec())
	damage(t, c.Branch.From.Path(c.Branch.ID))
	if _, err := Create(c); err == nil || !strings.Contains(err.Error(), "is corrupt") {
		t.Error(err)
	}
}

func nan() float64 { var zero float64; return zero / zero }

func damage(t *testing.T, dir string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "theta"), []byte(fmt.Sprint("not ", dir)), 0o666); err != nil {
		t.Fatal(err)
	}
}
