package view

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// experiment is a run's experiment file, with more settings at its end.
func experiment(t testing.TB, population int, more string) *config.Experiment {
	t.Helper()
	goal := "maximize"
	if strings.Contains(more, "# minimize") {
		goal = "minimize"
	}
	text := fmt.Sprintf(`name: test
population: %d
metric: {name: q, goal: %s}
segment: {steps: 10}
hyperparameters:
  lr: {log: [1e-5, 1e-1]}
  width: {int: [8, 512]}
  act: {choice: [relu, tanh]}
trainer: {builtin: quadratic, slots: 4}
%s
`, population, goal, more)
	exp, err := config.Parse("test.yaml", []byte(text), config.Builtins("quadratic"))
	if err != nil {
		t.Fatal(err)
	}
	return exp
}

// script makes a journal by asking a machine what happens.
type script struct {
	t    testing.TB
	m    *machine.Machine
	now  int64
	step int64 // nanoseconds between inputs
	rows []journal.Row
	j    *journal.Journal
	seq  int64
	turn int // the worker's whose turn it is
}

// t0 is when scripts begin.
const t0 = int64(1_700_000_000_000_000_000)

func newScript(t testing.TB, exp *config.Experiment) *script {
	t.Helper()
	spec, err := exp.Spec()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(exp)
	if err != nil {
		t.Fatal(err)
	}
	m, err := machine.New(spec, config.SpecOf)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Create(filepath.Join(testdir.InMemory(t), "journal.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	s := &script{t: t, m: m, now: t0, step: 1e6, j: j}
	s.do(machine.Start{Experiment: stored, Version: "test", Source: "a test"})
	s.do(machine.Open{Host: "here", PID: 1, Version: "test"})
	return s
}

// do hands an input to the machine, and its events to the journal.
func (s *script) do(in machine.Input) machine.Answer {
	s.t.Helper()
	s.now += s.step
	answer, events := s.m.Handle(s.now, in)
	for _, e := range events {
		s.seq++
		body, err := machine.Encode(nil, e.Body)
		if err != nil {
			s.t.Fatal(err)
		}
		segment, member := e.Body.Subject()
		s.rows = append(s.rows, journal.Row{Seq: s.seq, At: e.At, Kind: string(e.Body.Kind()), Segment: segment, Member: int64(member), Body: body})
	}
	if len(s.rows) > 4096 {
		s.flush()
	}
	return answer
}

// flush appends what has happened to the journal.
func (s *script) flush() {
	s.t.Helper()
	if err := s.j.Append(s.rows); err != nil {
		s.t.Fatal(err)
	}
	s.rows = s.rows[:0]
}

// report finishes a task.
func (s *script) report(task *machine.Task, score float64, saved bool) {
	s.t.Helper()
	c := machine.Checkpoint{}
	if saved {
		c = machine.Checkpoint{ID: task.Save, Bytes: 1000 + task.Segment, Digest: "00"}
	}
	s.do(machine.Report{
		Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: pbt.Score(score), Checkpoint: c,
		Metrics: machine.Metrics{"loss": pbt.Score(1 - score)}, Times: machine.Times{Load: 1e6, Train: 7e6, Eval: 1e6, Save: 5e5, Publish: 5e5},
	})
}

// unit is a number in [0, 1) that depends on a seed alone.
func unit(seed uint64) float64 {
	seed += 0x9e3779b97f4a7c15
	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb
	return float64((seed^(seed>>31))>>11) / (1 << 53)
}

// scoreOfTask is what a task's training would come to.
func scoreOfTask(task *machine.Task) float64 {
	lr, _ := task.Hypers.Get("lr")
	x, _ := lr.Float()
	closeness := 1 - math.Abs(math.Log10(x)+2.5)/5
	return (1-math.Exp(-float64(task.From+task.Steps)/400))*closeness + 0.02*unit(task.Seed)
}

// train lets workers train until the budget is spent or so many segments are done.
func (s *script) train(workers, segments int) {
	s.t.Helper()
	running := make([]*machine.Task, workers)
	for done, idle := 0, 0; idle < workers; {
		w := s.turn % workers
		s.turn++
		if task := running[w]; task != nil {
			s.report(task, scoreOfTask(task), true)
			running[w] = nil
			done++
		}
		if done+workers <= segments {
			running[w] = s.do(machine.Ask{Worker: fmt.Sprintf("slot-%d", w+1), Member: -1}).Task
		}
		if idle++; running[w] != nil {
			idle = 0
		}
	}
}

// fold reads a journal from its beginning.
func fold(t testing.TB, j *journal.Journal) *Run {
	t.Helper()
	r := NewRun("checkpoints")
	if _, err := r.CatchUp(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	return r
}
