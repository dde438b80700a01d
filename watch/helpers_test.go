package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// t0 is when the runs of these tests begin: so late that the newest event, and not this
// host's clock, is what a live run is shown at.
var t0 = time.Date(2200, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

// script makes a run's journal by asking a machine what happens.
type script struct {
	t    testing.TB
	dir  string
	m    *machine.Machine
	j    *journal.Journal
	now  int64
	seq  int64
	rows []journal.Row
	work []*machine.Task // by worker
}

// newScript begins a run of so many members; more settings may follow.
func newScript(t testing.TB, population, workers int, more ...string) *script {
	t.Helper()
	text := fmt.Sprintf(`name: digits
population: %d
metric: {name: accuracy, goal: maximize}
segment: {steps: 10}
hyperparameters:
  learning_rate: {log: [1e-5, 1e-1]}
  width: {int: [8, 512]}
  act: {choice: [relu, tanh]}
trainer: {builtin: quadratic, slots: %d}
%s
`, population, workers, strings.Join(more, "\n"))
	exp, err := config.Parse("test.yaml", []byte(text), config.Builtins("quadratic"))
	must(t, err)
	spec, err := exp.Spec()
	must(t, err)
	stored, err := json.Marshal(exp)
	must(t, err)
	m, err := machine.New(spec, config.SpecOf)
	must(t, err)
	dir := testdir.InMemory(t)
	j, err := journal.Create(filepath.Join(dir, engine.JournalFile))
	must(t, err)
	t.Cleanup(func() { must(t, j.Close()) })
	s := &script{t: t, dir: dir, m: m, j: j, now: t0, work: make([]*machine.Task, workers)}
	s.do(machine.Start{Experiment: stored, Version: "test", Source: text})
	s.do(machine.Open{Host: "here", PID: 1, Version: "test"})
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// do hands an input to the machine a while later, and its events to the journal.
func (s *script) do(in machine.Input) machine.Answer {
	s.t.Helper()
	s.now += 137e6
	answer, list := s.m.Handle(s.now, in)
	if answer.Refused != nil {
		s.t.Fatal(answer.Refused)
	}
	s.write(list)
	return answer
}

func (s *script) write(list []machine.Event) {
	for _, e := range list {
		s.seq++
		body, err := machine.Encode(nil, e.Body)
		must(s.t, err)
		segment, member := e.Body.Subject()
		s.rows = append(s.rows, journal.Row{Seq: s.seq, At: e.At, Kind: string(e.Body.Kind()), Segment: segment, Member: int64(member), Body: body})
	}
}

// flush appends what has happened to the journal.
func (s *script) flush() {
	s.t.Helper()
	must(s.t, s.j.Append(s.rows))
	s.rows = s.rows[:0]
}

// train finishes so many segments, or as many as there are, and leaves the workers
// with others.
func (s *script) train(segments int) {
	s.t.Helper()
	for going := true; going; {
		going = false
		for w := range s.work {
			if task := s.work[w]; task != nil && segments > 0 {
				s.report(task, scoreOf(task))
				s.work[w] = nil
				segments--
				going = true
			}
			if s.work[w] == nil {
				s.work[w] = s.do(machine.Ask{Worker: fmt.Sprintf("slot-%d", w+1), Member: -1}).Task
				going = going || s.work[w] != nil
			}
		}
	}
	s.flush()
}

func (s *script) report(task *machine.Task, score float64) {
	s.do(machine.Report{
		Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: pbt.Score(score),
		Checkpoint: machine.Checkpoint{ID: task.Save, Bytes: 1000, Digest: "00"},
		Times:      machine.Times{Load: 1e6, Train: 7e6, Eval: 1e6, Save: 5e5, Publish: 5e5},
	})
}

// fail ends a worker's attempt with a fault that is confirmed.
func (s *script) fail(w int, text string) {
	task := s.work[w]
	s.now += 137e6
	e := machine.Event{At: s.now, Body: &machine.Failed{
		Segment: task.Segment, Member: task.Member, Lease: task.Lease, Fault: machine.FailError, Error: text,
		Attempt: 1, Final: s.m.Spec().Retries == 0, Blame: machine.BlameMember,
	}}
	must(s.t, s.m.Apply(e))
	s.write([]machine.Event{e})
	s.now -= 137e6
	s.do(machine.Tick{})
	s.work[w] = nil
}

// scoreOf is what a task's training would come to.
func scoreOf(task *machine.Task) float64 {
	lr, _ := task.Hypers.Get("learning_rate")
	x, _ := lr.Float()
	luck := float64(task.Seed%1000) / 1000
	return (1-math.Exp(-float64(task.From+task.Steps)/80))*(1-math.Abs(math.Log10(x)+2.5)/5) + 0.02*luck
}

// snapshot is the run as a follower shows it, trained by a process or not.
func (s *script) snapshot(live bool) *snapshot {
	s.t.Helper()
	s.flush()
	f, err := open(s.dir)
	must(s.t, err)
	defer func() { must(s.t, f.close()) }()
	_, err = f.run.CatchUp(context.Background(), f.j)
	must(s.t, err)
	if f.live = live; live {
		f.owner = "process 123 on here"
	}
	f.run.SetLive(live)
	snap, err := f.take()
	must(s.t, err)
	return snap
}

// asked is what a screen has asked for, and what it is answered.
type asked struct {
	commands []string
	answer   string
	err      error
}

func (a *asked) ask(c api.Command) (api.Steered, error) {
	text, _ := json.Marshal(c)
	a.commands = append(a.commands, string(text))
	return api.Steered{Say: a.answer}, a.err
}

// hypers reads NAME=NUMBER.
func hypers(given []string) (*pbt.Hypers, error) {
	h := pbt.Hypers{}
	for _, text := range given {
		name, value, ok := strings.Cut(text, "=")
		var v pbt.Value
		if !ok || json.Unmarshal([]byte(value), &v) != nil {
			return nil, errors.New(text + ": want NAME=VALUE")
		}
		h = h.With(name, v)
	}
	return &h, nil
}

// user is a model with somebody who types.
type user struct {
	*model
	t     testing.TB
	asked *asked
	quit  bool
}

func newUser(t testing.TB, s *snapshot, w, h int) *user {
	a := &asked{answer: "it is done"}
	u := &user{newModel(Config{Dir: "runs/digits-1", Zone: time.UTC, Ask: a.ask, Hypers: hypers}), t, a, false}
	u.Update(tea.WindowSizeMsg{Width: w, Height: h})
	if s != nil {
		u.Update(s)
	}
	return u
}

var namedKeys = map[string]tea.Key{
	"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight}, "home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd},
	"pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown}, "backspace": {Code: tea.KeyBackspace}, "delete": {Code: tea.KeyDelete},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl}, "ctrl+a": {Code: 'a', Mod: tea.ModCtrl}, "ctrl+e": {Code: 'e', Mod: tea.ModCtrl},
	"space": {Code: ' ', Text: " "},
}

// press types keys: names, or else texts letter by letter.
func (u *user) press(keys ...string) *user {
	u.t.Helper()
	for _, key := range keys {
		if k, ok := namedKeys[key]; ok {
			u.do(k)
			continue
		}
		for _, r := range key {
			u.do(tea.Key{Code: r, Text: string(r)})
		}
	}
	return u
}

func (u *user) do(k tea.Key) {
	_, cmd := u.Update(tea.KeyPressMsg(k))
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case tea.QuitMsg:
		u.quit = true
	default:
		u.Update(msg)
	}
}

// sees tells what is on the screen, and checks that each line is as wide as it.
func (u *user) sees() string {
	u.t.Helper()
	lines := strings.Split(u.View().Content, "\n")
	if len(lines) != u.h {
		u.t.Errorf("the screen has %d lines, want %d", len(lines), u.h)
	}
	for i, line := range lines {
		if width(line) != u.w {
			u.t.Errorf("line %d is %d wide, want %d: %q", i, width(line), u.w, line)
		}
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

// golden compares a screen with a file; UPDATE=1 writes it.
func golden(t *testing.T, name, screen string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	screen = strings.ReplaceAll(screen, "\x1b", "␛")
	if os.Getenv("UPDATE") != "" {
		must(t, os.MkdirAll("testdata", 0o777))
		must(t, os.WriteFile(path, []byte(screen), 0o666))
		return
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if screen != string(want) {
		t.Errorf("%s is not as it was (UPDATE=1 accepts it):\n%s\nwant\n%s", path, screen, want)
	}
}
