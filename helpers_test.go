package pbt_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

var (
	nan  = math.NaN()
	inf  = math.Inf(1)
	minf = math.Inf(-1)
)

// one is a member of a small world.
type one struct {
	score    float64
	unscored bool // has no record yet
	unsaved  bool // its weights have no checkpoint
	adopted  bool // stands with a record that it copied
	step     int64
	samples  []float64
	hypers   pbt.Hypers
}

func scores(xs ...float64) []one {
	out := make([]one, len(xs))
	for i, x := range xs {
		out[i].score = x
	}
	return out
}

// world is a population with its space. Member i's record is that of segment i+1
// unless told; its hyperparameters are drawn.
type world struct {
	t     testing.TB
	pop   *pbt.Population
	space *pbt.Space
	goal  pbt.Goal
	seed  uint64
}

var smallSpace = pbt.MustSpace(pbt.LogUniform("lr", 1e-4, 1), pbt.IntUniform("batch", 1, 64), pbt.Bool("augment"))

func newWorld(t testing.TB, goal pbt.Goal, seed uint64, members ...one) *world {
	w := &world{t: t, pop: pbt.NewPopulation(len(members), goal, seed), space: smallSpace, goal: goal, seed: seed}
	for i := range members {
		if members[i].ranked() {
			w.pop.Set(i, w.record(i, members[i]))
		} else if members[i].adopted {
			w.pop.Adopt(i, w.record(i, members[i]))
		}
	}
	return w
}

func (w *world) record(i int, m one) pbt.Record {
	if m.hypers.Len() == 0 {
		m.hypers = w.space.Draw(w.seed, i, 0)
	}
	return pbt.Record{
		Segment: int64(i + 1), Score: pbt.Score(m.score), Samples: m.samples,
		Step: m.step, Hypers: m.hypers, Saved: !m.unsaved,
	}
}

// standing is a member long past every burn-in, at its second segment.
func (w *world) standing(member int) pbt.Standing {
	r, _ := w.pop.Record(member)
	return pbt.Standing{
		Member: member, Turn: 1, Segment: int64(member + 1), Hypers: r.Hypers,
		Spent: 1000, SinceReady: 1000, SinceCopy: 1000,
	}
}

func (w *world) decide(p pbt.Policy, member int) pbt.Decision {
	return p.Decide(w.pop, w.space, w.standing(member))
}

// turned is the same world for the other goal: scores negated.
func turned(goal pbt.Goal, members []one) []one {
	if goal == pbt.Maximize {
		return members
	}
	out := make([]one, len(members))
	for i, m := range members {
		m.score = -m.score
		samples := make([]float64, len(m.samples))
		for k, x := range m.samples {
			samples[k] = -x
		}
		m.samples = samples
		out[i] = m
	}
	return out
}

var bothGoals = []pbt.Goal{pbt.Maximize, pbt.Minimize}

// brief says a decision in a few words: what it does, from whom, and why.
func brief(d pbt.Decision) string {
	if d.Copies() {
		return fmt.Sprintf("%s %d: %s", d.Action, d.Rival.Member, d.Why)
	}
	return fmt.Sprintf("%s: %s", d.Action, d.Why)
}

func isFinite(x pbt.Score) bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }

// mustPanic runs f and fails the test if it returns.
func mustPanic(t *testing.T, what string, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Errorf("%s did not panic", what)
		}
	}()
	f()
}
