package report

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
	"github.com/seed-7a1a2db0/pbt/view"
)

// evil is what must stay text, wherever it comes from.
const evil = `</title></text><script>alert(1)</script><img src=x onerror=alert(2)>"'&amp; {{.}} \u003c ]]>`

// script makes a journal by asking a machine what happens.
type script struct {
	t    testing.TB
	m    *machine.Machine
	j    *journal.Journal
	now  int64
	seq  int64
	rows []journal.Row
}

func newScript(t testing.TB, text string) *script {
	t.Helper()
	exp, err := config.Parse("test.yaml", []byte(text), config.Builtins("quadratic"))
	if err != nil {
		t.Fatal(err)
	}
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
	s := &script{t: t, m: m, j: j, now: 1_700_000_000_000_000_000}
	s.do(machine.Start{Experiment: stored, Version: "v-test", Source: text + "# " + evil + "\n"})
	s.do(machine.Open{Host: "here " + evil, PID: 1, Version: "v-test"})
	return s
}

// do hands an input to the machine, and its events to the journal.
func (s *script) do(in machine.Input) machine.Answer {
	s.t.Helper()
	s.now += 40e6
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

func (s *script) flush() {
	s.t.Helper()
	if err := s.j.Append(s.rows); err != nil {
		s.t.Fatal(err)
	}
	s.rows = nil
}

// train lets workers train until there is nothing left to do. Some attempts fail, and
// some outcomes are no numbers, if something is to go wrong.
func (s *script) train(workers int, wrong bool) {
	s.t.Helper()
	running := make([]*machine.Task, workers)
	for w, idle := 0, 0; idle < workers; w = (w + 1) % workers {
		if task := running[w]; task != nil {
			s.end(task, wrong)
		}
		running[w] = s.do(machine.Ask{Worker: fmt.Sprintf("slot-%d%s", w+1, evil), Member: -1}).Task
		if idle++; running[w] != nil {
			idle = 0
		}
	}
	s.flush()
}

func (s *script) end(task *machine.Task, wrong bool) {
	s.t.Helper()
	luck := task.Seed % 13
	if wrong && luck == 0 {
		s.do(machine.Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: machine.FailError, Error: "out of luck \x1b[31m" + evil + "\nline two"})
		return
	}
	lr, _ := task.Hypers.Get("lr")
	x, _ := lr.Float()
	score := (1-math.Exp(-float64(task.From+task.Steps)/400))*(1-math.Abs(math.Log10(x)+2.5)/5) + 0.02*float64(task.Seed%1000)/1000
	if wrong && luck == 1 {
		score = math.NaN()
	}
	s.do(machine.Report{
		Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: pbt.Score(score), Checkpoint: machine.Checkpoint{ID: task.Save, Bytes: 1000, Digest: "00"},
		Metrics: machine.Metrics{evil: 1}, Times: machine.Times{Load: 1e6, Train: 27e6, Eval: 1e6, Save: 5e5, Publish: 5e5},
	})
}

// experiment is a run's experiment file.
func experiment(population, turns int, more string) string {
	return fmt.Sprintf(`name: test
population: %d
seed: 5
metric: {name: %q, goal: maximize}
segment: {steps: 10}
budget: {steps: %d}
hyperparameters:
  lr: {log: [1e-5, 1e-1]}
  width: {int: [8, 512]}
  act: {choice: [relu, %q]}
trainer: {builtin: quadratic, slots: 3}
%s`, population, "q", 10*turns, evil, more)
}

// fold reads a journal from its beginning.
func fold(t testing.TB, j *journal.Journal) *view.Run {
	t.Helper()
	r := view.NewRun("checkpoints")
	if _, err := r.CatchUp(context.Background(), j); err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t testing.TB, j *journal.Journal, o Options) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, fold(t, j), j, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
