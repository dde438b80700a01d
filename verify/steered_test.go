package verify_test

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/verify"
)

// steered is a trainer during whose segments somebody says something.
type steered struct {
	trainer.Trainer
	say func()
}

func (s steered) Step(ctx context.Context, seg trainer.Segment) error {
	s.say()
	return s.Trainer.Step(ctx, seg)
}

// more are the settings of spec, with more steps.
func more() machine.Spec {
	s := spec()
	s.Budget.Steps += 10
	return s
}

func specOf(text []byte) (machine.Spec, error) {
	if string(text) == `{"more":1}` {
		return more(), nil
	}
	return spec(), nil
}

// steeredRun is a run with everything that can be said by hand, and its last story.
func steeredRun(t *testing.T) (dir string, h *history.History) {
	t.Helper()
	dir = testdir.InMemory(t)
	var e *engine.Engine
	story := func() *history.History {
		j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		h, err := history.Read(j, specOf)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	donor := func(segment int64) pbt.Wish {
		r, member, err := story().Record(segment)
		if err != nil {
			t.Error(err)
		}
		return pbt.Wish{Donor: &r, From: member}
	}
	fresh := pbt.MakeHypers("h1", pbt.Float(0.25))
	script := map[int]func() machine.Input{ // by how many segments have begun
		4: func() machine.Input { return machine.Pin{Segment: 1, By: "me"} },
		6: func() machine.Input { return machine.Inject{Wish: donor(1), By: "me"} },
		7: func() machine.Input {
			return machine.Steer{Member: 0, Wish: pbt.Wish{Set: pbt.MakeHypers("h0", pbt.Float(0.5))}, By: "me"}
		},
		9:  func() machine.Input { return machine.Inject{Wish: pbt.Wish{Fresh: &fresh}} },
		12: func() machine.Input { return machine.Steer{Member: 1, Wish: donor(1)} },
		14: func() machine.Input { return machine.Steer{Member: 2, Wish: pbt.Wish{Restart: true}} },
		16: func() machine.Input { return machine.Retire{Member: 3, By: "me"} },
		18: func() machine.Input { return machine.Hold{By: "me"} },
		22: func() machine.Input {
			return machine.Reconfigure{Change: machine.Change{Spec: more(), Experiment: []byte(`{"more":1}`), Paths: []string{"budget.steps"}}, By: "me"}
		},
		26: func() machine.Input { return machine.Pin{Segment: 1, Off: true} },
	}
	begun := 0
	say := func() {
		begun++
		next := script[begun]
		if next == nil {
			return
		}
		script[begun] = nil
		in := next()
		if _, err := e.Steer(in, 0); err != nil {
			t.Errorf("during the %d. segment: %T: %v", begun, in, err)
		}
		if _, held := in.(machine.Hold); held {
			if _, err := e.Steer(machine.Resume{By: "me"}, 0); err != nil {
				t.Error(err)
			}
		}
	}
	e, err := engine.Create(engine.Config{
		Dir: dir, Spec: spec(), Experiment: []byte("{}"), SpecOf: specOf, Slots: 1,
		NewSlot: func(int) trainer.Slot {
			return trainer.InProcess(func(seed uint64) (trainer.Trainer, error) {
				q, err := quadratic.New(seed)
				return steered{q, say}, err
			})
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(t.Context()); err != nil || phase != machine.PhaseEnded {
		t.Fatal(phase, err)
	}
	for n, left := range script {
		if left != nil {
			t.Errorf("there is no %d. segment", n)
		}
	}
	h = story()
	for i := range e.Machine().Members() {
		want, scored := e.Machine().Record(i)
		have, member, err := h.Record(want.Segment)
		if scored && (err != nil || len(have.Samples) != len(want.Samples) || have.Samples[0] != want.Samples[0] || have.Step != want.Step || !have.Hypers.Equal(want.Hypers) || have.Score != want.Score || !have.Saved) {
			t.Errorf("member %d's record, of member %d: %+v, %v; it was %+v", i, member, have, err, want)
		}
	}
	return dir, h
}

// checkSteered is check for a run with changed settings.
func checkSteered(t *testing.T, dir string, rows []journal.Row) *verify.Report {
	t.Helper()
	j, err := journal.Create(filepath.Join(testdir.InMemory(t), "forged.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Append(rows); err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.OpenReadOnly(filepath.Join(dir, engine.CheckpointDir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Run(j, store, specOf)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestASteeredRunIsOK(t *testing.T) {
	dir, h := steeredRun(t)
	rows := read(t, filepath.Join(dir, engine.JournalFile))
	kinds := map[machine.Kind]int{}
	byHand := 0
	for _, r := range rows {
		kinds[machine.Kind(r.Kind)]++
		if strings.Contains(string(r.Body), string(pbt.WhySteered)) {
			byHand++
		}
	}
	for _, kind := range []machine.Kind{machine.KindSteered, machine.KindMemberAdded, machine.KindPinned, machine.KindPaused, machine.KindResumed, machine.KindSpecChanged} {
		if kinds[kind] == 0 {
			t.Errorf("there is no %s", kind)
		}
	}
	if byHand != 5 {
		t.Errorf("%d decisions by hand, want 5", byHand)
	}
	if r := checkSteered(t, dir, rows); !r.OK || r.Decisions != int64(len(h.Tree)) || r.Mismatches != 0 || r.Checkpoints.Checked == 0 {
		t.Errorf("%+v", r)
	}
	for n := 1; n < len(rows); n += 3 {
		if r := checkSteered(t, dir, rows[:n]); r.Mismatches > 0 || !r.OK && !strings.Contains(r.First, "missing") {
			t.Errorf("%d events: %+v", n, r)
		}
	}
	dropped := 0
	for _, n := range h.Tree {
		if n.State == pbt.NodeDropped {
			dropped++
		}
		if path, err := h.Tree.Ancestry(n.ID); err != nil || path[0].Parent != 0 {
			t.Errorf("segment %d: %v", n.ID, err)
		}
	}
	if dropped != 3 { // of four members that are steered or retired, one is at work just then
		t.Errorf("%d segments are dropped, want 3", dropped)
	}
}

// forge changes the n-th event of a kind.
func forge(t *testing.T, rows []journal.Row, kind machine.Kind, n int, change func(doc map[string]any)) []journal.Row {
	t.Helper()
	forged := make([]journal.Row, len(rows))
	copy(forged, rows)
	for i := range forged {
		if forged[i].Kind != string(kind) {
			continue
		}
		if n--; n > 0 {
			continue
		}
		var doc map[string]any
		in := json.NewDecoder(bytes.NewReader(forged[i].Body))
		in.UseNumber()
		if err := in.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		change(doc)
		forged[i].Body, _ = json.Marshal(doc)
		return forged
	}
	t.Fatalf("there are not so many of %s", kind)
	return nil
}

func TestAForgedWishIsFound(t *testing.T) {
	dir, _ := steeredRun(t)
	rows := read(t, filepath.Join(dir, engine.JournalFile))
	donor := func(key string, v any) func(map[string]any) {
		return func(doc map[string]any) { doc["donor"].(map[string]any)[key] = v }
	}
	for name, c := range map[string]struct {
		kind   machine.Kind
		n      int
		change func(doc map[string]any)
		says   string
	}{
		"a value":              {machine.KindSteered, 1, func(doc map[string]any) { doc["hypers"] = map[string]any{"h0": 0.75} }, "hyperparameters"},
		"the member":           {machine.KindSteered, 1, func(doc map[string]any) { doc["member"] = 2 }, "its columns say"},
		"the verb":             {machine.KindSteered, 1, func(doc map[string]any) { doc["verb"] = "restart"; delete(doc, "hypers") }, "decides on segment"},
		"a verb without sense": {machine.KindSteered, 1, func(doc map[string]any) { doc["verb"] = "copy" }, "lacks what it needs"},
		"a donor's score":      {machine.KindSteered, 2, donor("score", 77.5), "the record to be copied"},
		"a donor's step":       {machine.KindSteered, 2, donor("step", 11), "the record to be copied"},
		"a donor's samples":    {machine.KindSteered, 2, donor("samples", []any{77.5}), "the record to be copied"},
		"a donor's hypers":     {machine.KindSteered, 2, donor("hypers", map[string]any{"h0": 0.5, "h1": 0.5}), "the record to be copied"},
		"a donor's member":     {machine.KindSteered, 2, donor("member", 4), "the record to be copied"},
		"a donor":              {machine.KindSteered, 2, donor("segment", 3), "is to be copied"},
		"a restart":            {machine.KindSteered, 3, func(doc map[string]any) { doc["verb"] = "set"; doc["hypers"] = map[string]any{"h0": 0.5} }, "decides on segment"},
		"a newcomer's donor":   {machine.KindMemberAdded, 1, donor("score", 77.5), "the record to be copied"},
		"a newcomer's values":  {machine.KindMemberAdded, 2, func(doc map[string]any) { doc["hypers"] = map[string]any{"h1": 0.5} }, "hyperparameters"},
		"a newcomer's number":  {machine.KindMemberAdded, 1, func(doc map[string]any) { doc["member"] = 6 }, "is added to 5"},
		"who is retired":       {machine.KindMemberDone, 1, func(doc map[string]any) { doc["reason"] = "failed" }, ""},
		"the settings":         {machine.KindSpecChanged, 1, func(doc map[string]any) { doc["experiment"] = map[string]any{} }, "steps"},
		"a pin":                {machine.KindPinned, 2, func(doc map[string]any) { doc["off"] = false }, "pinned already"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := checkSteered(t, dir, forge(t, rows, c.kind, c.n, c.change)); r.OK || !strings.Contains(r.First, c.says) {
				t.Errorf("%+v", r)
			}
		})
	}
	for _, kind := range []machine.Kind{machine.KindSteered, machine.KindMemberAdded, machine.KindResumed} {
		var left []journal.Row
		done := false
		for _, r := range rows {
			if r.Kind == string(kind) && !done {
				done = true
				continue
			}
			r.Seq = int64(len(left)) + 1
			left = append(left, r)
		}
		if r := checkSteered(t, dir, left); r.OK {
			t.Errorf("without the first %s: %+v", kind, r)
		}
	}
}
