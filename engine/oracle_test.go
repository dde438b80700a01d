package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// pbt.Train is the oracle. The engine with one slot must do what Train does in fair
// turns, and behind a barrier with any number of slots what Train does in lock step:
// the same records, scores to the last bit, decisions, and schedule.

// vector is the weights that both train.
type vector [2]float64

// source is what a model draws from: a *pbt.Rand in Train, a splitMix here.
type source interface{ Uint64() uint64 }

func draw(r source) float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// world is a model for both: pure functions.
type world struct {
	noise float64
	grid  float64 // scores are rounded to this, so that some tie; 0: they are not
	fails bool    // some weights score NaN or Inf
}

func (w world) start(r source) vector { return vector{0.5 + draw(r), 0.5 + draw(r)} }

func (w world) step(theta vector, h pbt.Hypers, r source) vector {
	for i, name := range []string{"h0", "h1"} {
		theta[i] -= 0.05 * h.Float(name) * theta[i]
		theta[i] += w.noise * (draw(r) - 0.5)
	}
	return theta
}

func (w world) eval(theta vector) float64 {
	q := 1.2 - theta[0]*theta[0] - theta[1]*theta[1]
	switch digit := int(math.Abs(q) * 1e6); {
	case w.fails && digit%7 == 0:
		return math.NaN()
	case w.fails && digit%11 == 0:
		return math.Inf(1)
	case w.grid > 0:
		return math.Round(q/w.grid) * w.grid
	}
	return q
}

// student is the world as a trainer.
type student struct {
	world
	theta vector
}

func (w world) fresh(seed uint64) (trainer.Trainer, error) {
	r := splitMix(seed)
	return &student{w, w.start(&r)}, nil
}

func (s *student) Step(_ context.Context, segment trainer.Segment) error {
	r := splitMix(segment.Seed)
	s.theta = s.step(s.theta, segment.Hypers, &r)
	return nil
}

func (s *student) Eval(context.Context) (trainer.Evaluation, error) {
	return trainer.Evaluation{Score: s.eval(s.theta)}, nil
}

func (s *student) Save(dir string) error {
	text, err := json.Marshal(s.theta)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "theta.json"), text, 0o666)
}

func (s *student) Load(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "theta.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &s.theta)
}

// seen is one of Train's decisions, with the record it was made on.
type seen struct {
	member   int
	record   pbt.Record
	decision pbt.Decision
}

// oracle asks Train.
func oracle(t *testing.T, spec machine.Spec, w world, order pbt.Order) (pbt.Result[vector], []seen) {
	t.Helper()
	var decisions []seen
	res, err := pbt.Train(pbt.Options{
		Members: spec.Population, Steps: spec.Budget.Steps, Block: spec.Segment, Goal: spec.Goal, Space: spec.Space,
		Policy: spec.Policy, Initial: spec.Initial, Seed: spec.Seed, Order: order,
		Watch: func(member int, r pbt.Record, d pbt.Decision) { decisions = append(decisions, seen{member, r, d}) },
	}, pbt.Model[vector]{
		Init: func(r *pbt.Rand) vector { return w.start(r) },
		Step: func(theta vector, h pbt.Hypers, r *pbt.Rand) vector { return w.step(theta, h, r) },
		Eval: w.eval,
	})
	if err != nil {
		t.Fatal(err)
	}
	return res, decisions
}

// agrees compares a run with what the oracle said. It returns how many were copied.
func agrees(t *testing.T, c Config, m *machine.Machine, res pbt.Result[vector], decisions []seen) int {
	t.Helper()
	h := story(t, c)
	n := m.Spec().Population
	if len(h.Tree) != n+len(decisions) {
		t.Fatalf("%d segments, the oracle has %d", len(h.Tree), n+len(decisions))
	}
	records := slices.Clone(res.Members)
	for i, want := range decisions {
		records = append(records, want.record)
		have, err := h.Decision(int64(n + i + 1))
		if err != nil {
			t.Fatal(err)
		}
		if have.Member != want.member {
			t.Fatalf("segment %d is of member %d, the oracle's of member %d", have.Segment, have.Member, want.member)
		}
		if same, what := want.decision.Same(&have.Decision); !same {
			t.Fatalf("segment %d, of member %d: %s", have.Segment, have.Member, what)
		}
	}
	for _, want := range records {
		node, err := h.Tree.Node(want.Segment)
		if err != nil || node.Score == nil {
			t.Fatalf("segment %d: %v %v", want.Segment, node, err)
		}
		sameScore(t, fmt.Sprint("segment ", want.Segment), *node.Score, want.Score)
		if node.Step != want.Step || !node.Hypers.Equal(want.Hypers) {
			t.Errorf("segment %d ended at step %d under %v, the oracle's at %d under %v", node.ID, node.Step, node.Hypers, want.Step, want.Hypers)
		}
	}
	for i, want := range res.Members {
		have, ok := m.Record(i)
		if !ok || have.Segment != want.Segment || have.Step != want.Step || !slices.EqualFunc(have.Samples, want.Samples, sameBits) {
			t.Errorf("member %d stands with %+v, the oracle's with %+v", i, have, want)
		}
		sameScore(t, fmt.Sprint("member ", i), have.Score, want.Score)
	}
	stages, err := h.Tree.Schedule(res.Best.Segment)
	if err != nil {
		t.Fatal(err)
	}
	have, _ := json.Marshal(pbt.Compact(stages))
	want, _ := json.Marshal(res.Schedule)
	if string(have) != string(want) {
		t.Errorf("the schedule is\n%s\nthe oracle's\n%s", have, want)
	}
	copies := m.Counts().Copies + m.Counts().Repairs
	if int(copies) != res.Copies {
		t.Errorf("%d copies and repairs, the oracle made %d", copies, res.Copies)
	}
	return int(copies)
}

func sameBits(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func sameScore(t *testing.T, what string, have, want pbt.Score) {
	t.Helper()
	nan := math.IsNaN(float64(have)) && math.IsNaN(float64(want)) // a journal keeps that it is one, not which
	if !nan && !sameBits(float64(have), float64(want)) {
		t.Errorf("%s scores %v, the oracle's %v", what, float64(have), float64(want))
	}
}

// oracleCases are runs in which something happens.
func oracleCases() map[string]func(*machine.Spec, *world) {
	return map[string]func(*machine.Spec, *world){
		"the paper's defaults": func(*machine.Spec, *world) {},
		"minimize":             func(s *machine.Spec, _ *world) { s.Goal = pbt.Minimize },
		"ties":                 func(_ *machine.Spec, w *world) { w.grid = 0.25 },
		"all equal":            func(_ *machine.Spec, w *world) { w.grid = 100 },
		"a last short segment": func(s *machine.Spec, _ *world) { s.Budget.Steps = 47 },
		"founders":             func(s *machine.Spec, _ *world) { s.Policy.Exploit = pbt.DefaultFounders() },
		"bold founders": func(s *machine.Spec, _ *world) {
			s.Policy.Exploit = pbt.Founders{Slope: 2, Keep: 0.375, Pool: 0.4, Probe: 0.5}
		},
		"tournament":     func(s *machine.Spec, _ *world) { s.Policy.Exploit = pbt.Tournament{} },
		"t-test":         func(s *machine.Spec, _ *world) { s.Policy.Exploit = pbt.TTest{Alpha: 0.3} },
		"nobody copies":  func(s *machine.Spec, _ *world) { s.Policy.Exploit = pbt.NoExploit{} },
		"weights only":   func(s *machine.Spec, _ *world) { s.Policy.Inherit = pbt.InheritWeights },
		"hypers only":    func(s *machine.Spec, _ *world) { s.Policy.Inherit = pbt.InheritHypers },
		"a margin":       func(s *machine.Spec, _ *world) { s.Policy.Margin = 0.05 },
		"a window":       func(s *machine.Spec, _ *world) { s.Policy.Window = 10 },
		"resample":       func(s *machine.Spec, _ *world) { s.Policy.Explore = pbt.Resample{P: 0.5} },
		"explore always": func(s *machine.Spec, _ *world) { s.Policy.ExploreAlways = true },
		"ready after two segments": func(s *machine.Spec, _ *world) {
			s.Policy.Ready = pbt.Every{Steps: 2 * s.Segment, BurnIn: 15, AfterCopy: 25}
		},
		"diverged, copied":    func(_ *machine.Spec, w *world) { w.fails = true },
		"diverged, restarted": func(s *machine.Spec, w *world) { w.fails, s.Policy.Repair = true, pbt.RepairRestart },
		"diverged, left":      func(s *machine.Spec, w *world) { w.fails, s.Policy.Repair = true, pbt.RepairNone },
		"one member":          func(s *machine.Spec, _ *world) { s.Population = 1 },
		"two members":         func(s *machine.Spec, _ *world) { s.Population = 2; s.Policy.Exploit = pbt.Truncation{Fraction: 0.5} },
		"given values": func(s *machine.Spec, _ *world) {
			s.Initial = []pbt.Hypers{pbt.MakeHypers("h0", pbt.Float(0.25)), pbt.MakeHypers("h0", pbt.Float(0.5), "h1", pbt.Float(0.75))}
		},
	}
}

func oracleSpec(change func(*machine.Spec, *world)) (machine.Spec, world) {
	s, w := testSpec(), world{noise: 0.1}
	s.Population, s.Budget.Steps, s.Seed, s.Retries = 7, 60, 42, 0
	change(&s, &w)
	return s, w
}

func TestOneSlotIsTrainInFairTurns(t *testing.T) {
	copies := 0
	for name, change := range oracleCases() {
		t.Run(name, func(t *testing.T) {
			spec, w := oracleSpec(change)
			res, decisions := oracle(t, spec, w, pbt.FairTurns)
			c := testConfig(t, spec, 1, nil)
			c.NewSlot = func(int) trainer.Slot { return trainer.InProcess(w.fresh) }
			copies += agrees(t, c, mustRun(t, c), res, decisions)
			check(t, c)
		})
	}
	if copies < 50 {
		t.Errorf("only %d copies in all cases: they test too little", copies)
	}
}

func TestBehindABarrierAnyNumberOfSlotsIsTrainInLockStep(t *testing.T) {
	for name, change := range oracleCases() {
		spec, w := oracleSpec(change)
		spec.Policy.Barrier = &pbt.Barrier{}
		res, decisions := oracle(t, spec, w, pbt.LockStep)
		for _, slots := range []int{1, 2, 5} {
			t.Run(fmt.Sprintf("%s/%d", name, slots), func(t *testing.T) {
				c := testConfig(t, spec, slots, nil)
				c.NewSlot = func(int) trainer.Slot { return trainer.InProcess(w.fresh) }
				agrees(t, c, mustRun(t, c), res, decisions)
				check(t, c)
			})
		}
	}
}
