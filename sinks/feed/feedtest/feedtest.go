// Package feedtest makes journals for the tests of sinks: of a real run, in which
// members copy, fail and diverge.
package feedtest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// Population is how many members the run has.
const Population = 6

// Goal of the run: its score is a loss.
const Goal = pbt.Minimize

// Info is what sinks know of the run, in a directory.
func Info(dir string) feed.Info {
	return feed.Info{Dir: dir, Name: "tour", Metric: "loss", Goal: Goal, Settings: [][2]string{{"population", "6"}}}
}

// Spec is what the run follows.
func Spec(segments int64) machine.Spec {
	return machine.Spec{
		Population: Population, Goal: Goal, Segment: 10, Budget: pbt.Budget{Steps: 10 * segments}, Seed: 5, Retries: 1,
		Space: pbt.MustSpace(pbt.LogUniform("lr", 1e-4, 2), pbt.Choice("act", pbt.Text("relu"), pbt.Text("gelu")),
			pbt.Ordered("batch", pbt.Int(16), pbt.Int(32)), pbt.Bool("nesterov")),
		Policy: pbt.Policy{Exploit: pbt.Truncation{Fraction: 0.34}, Explore: pbt.Perturb{Factors: []float64{0.5, 2}, Resample: 0.5}},
		Keep:   machine.Keep{Best: 1},
	}
}

// fickle is a trainer of a quadratic that fails at some segments and diverges at
// large rates.
type fickle struct {
	x     float64
	tries map[int64]int
	last  trainer.Segment
}

func (f *fickle) Step(_ context.Context, s trainer.Segment) error {
	f.last = s
	if f.tries[s.ID]++; s.ID%11 == 0 && f.tries[s.ID] == 1 {
		return errors.New("out of luck")
	}
	f.x *= 1 - 0.1*math.Min(1, s.Hypers.Float("lr"))
	return nil
}

func (f *fickle) Eval(context.Context) (trainer.Evaluation, error) {
	score := f.x * f.x
	if f.last.Hypers.Float("lr") > 1.5 {
		score = math.NaN()
	}
	return trainer.Evaluation{Score: score, Metrics: map[string]float64{"x": f.x, "odd one": float64(f.last.ID)}}, nil
}

func (f *fickle) Save(dir string) error {
	return os.WriteFile(filepath.Join(dir, "x"), fmt.Append(nil, f.x), 0o666)
}

func (f *fickle) Load(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "x"))
	if err == nil {
		_, err = fmt.Sscan(string(text), &f.x)
	}
	return err
}

// Rows are the events of a run in which each member has so many turns.
func Rows(t testing.TB, segments int64) []journal.Row {
	t.Helper()
	spec := Spec(segments)
	dir := testdir.InMemory(t)
	tries := map[int64]int{}
	e, err := engine.Create(engine.Config{
		Dir: dir, Spec: spec, Experiment: []byte("{}"), SpecOf: func([]byte) (machine.Spec, error) { return spec, nil }, Slots: 1, Version: "v9",
		NewSlot: func(int) trainer.Slot {
			return trainer.InProcess(func(uint64) (trainer.Trainer, error) { return &fickle{x: 3, tries: tries}, nil })
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(t.Context()); err != nil || phase != machine.PhaseEnded {
		t.Fatal(phase, err)
	}
	return ReadRows(t, dir)
}

// ReadRows are the events of the run in a directory.
func ReadRows(t testing.TB, dir string) (rows []journal.Row) {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	err = j.Read(0, func(r journal.Row) error {
		r.Body = slices.Clone(r.Body)
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Journal makes a run's directory whose journal holds rows, and can grow.
func Journal(t testing.TB, rows []journal.Row) (dir string, j *journal.Journal) {
	t.Helper()
	dir = testdir.InMemory(t)
	j, err := journal.Create(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	Grow(t, j, rows)
	return dir, j
}

// Grow appends rows to a journal.
func Grow(t testing.TB, j *journal.Journal, rows []journal.Row) {
	t.Helper()
	if err := j.Append(rows); err != nil {
		t.Fatal(err)
	}
}

// Source is the journal of a run's directory.
func Source(dir string) *feed.Source { return feed.NewSource(filepath.Join(dir, engine.JournalFile)) }

// Feed brings a sink up to date with a run's directory, as one process would, and
// returns what is left.
func Feed(t testing.TB, dir string, c feed.Config) feed.Left {
	t.Helper()
	s := Source(dir)
	defer s.Close()
	f := feed.Follow(t.Context(), s, Info(dir), c)
	f.Hurry()
	return f.Wait(t.Context())
}
