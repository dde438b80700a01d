package history_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// eventful is a trainer in whose life something happens: its second segment fails
// once, its third fails for good, its fourth scores NaN, and at its fifth the run is
// stopped, once.
type eventful struct {
	stop  context.CancelFunc
	tries map[int64]int
}

func (e *eventful) Step(ctx context.Context, s trainer.Segment) error {
	e.tries[s.ID]++
	switch {
	case s.ID == 2 && e.tries[2] == 1, s.ID == 3:
		return errors.New("out of luck")
	case s.ID == 5 && e.tries[5] == 1:
		e.stop()
		<-ctx.Done()
		return ctx.Err()
	}
	e.tries[0] = int(s.ID)
	return nil
}

func (e *eventful) Eval(context.Context) (trainer.Evaluation, error) {
	score := float64(10 - e.tries[0])
	if e.tries[0] == 4 {
		score = math.NaN()
	}
	return trainer.Evaluation{Score: score, Metrics: map[string]float64{"loss": math.Inf(1)}}, nil
}

func (e *eventful) Save(dir string) error {
	return os.WriteFile(filepath.Join(dir, "w"), []byte("w"), 0o666)
}

func (e *eventful) Load(string) error { return nil }

func read(t *testing.T, dir string, specOf machine.SpecFunc) *history.History {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h, err := history.Read(j, specOf)
	if err != nil {
		t.Fatal(err)
	}
	sameAsHistory(t, j, specOf)
	return h
}

// states writes down how each segment stands.
func states(h *history.History) string {
	var b strings.Builder
	for _, n := range h.Tree {
		b.WriteString(string(n.State) + " ")
	}
	return strings.TrimSpace(b.String())
}

func TestAnEventfulHistory(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	spec := machine.Spec{
		Population: 1, Space: pbt.MustSpace(pbt.Uniform("lr", 0, 1)), Goal: pbt.Minimize,
		Segment: 10, Budget: pbt.Budget{Steps: 50}, Retries: 1, Keep: machine.Keep{Everything: true},
	}
	specOf := func([]byte) (machine.Spec, error) { return spec, nil }
	tries := map[int64]int{}
	c := engine.Config{
		Dir: testdir.InMemory(t), Spec: spec, Experiment: []byte("{}"), Source: []byte("# mine"), SpecOf: specOf, Slots: 1, Version: "v9",
		NewSlot: func(int) trainer.Slot {
			return trainer.InProcess(func(uint64) (trainer.Trainer, error) { return &eventful{stop, tries}, nil })
		},
	}
	e, err := engine.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(ctx); err != nil || phase != machine.PhaseRunning {
		t.Fatal(phase, err)
	}
	h := read(t, c.Dir, specOf)
	if have := states(h); have != "finished finished failed finished waiting" || h.Reason != "" {
		t.Errorf("stopped: %s, %q", have, h.Reason)
	}
	if e, err = engine.Open(c); err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(t.Context()); err != nil || phase != machine.PhaseEnded {
		t.Fatal(phase, err)
	}

	h = read(t, c.Dir, specOf)
	if have := states(h); have != "finished finished failed finished finished finished" || h.Reason == "" {
		t.Errorf("ended: %s, %q", have, h.Reason)
	}
	if h.Started.Version != "v9" || h.Started.Source != "# mine" || h.Goal != pbt.Minimize {
		t.Errorf("%+v", h.Started)
	}
	var failures []string
	for _, f := range h.Failures {
		failures = append(failures, string(f.Fault))
		if f.At == 0 {
			t.Errorf("when? %+v", f)
		}
	}
	if have := strings.Join(failures, " "); have != "error error error error error diverged lost" {
		t.Errorf("failures: %s", have)
	}
	for segment, want := range map[int64]int{1: 0, 2: 0, 3: 2, 4: 1, 5: 0} {
		if n, _ := h.Tree.Node(segment); n.Failures != want {
			t.Errorf("segment %d: %d failures, want %d", segment, n.Failures, want)
		}
	}
	best, err := h.Choose(0)
	if m := e.Machine(); err != nil || best == 0 {
		t.Error(best, err)
	} else if o, _ := m.Best(); o.Segment != best {
		t.Errorf("the best is segment %d, the run's is %d", best, o.Segment)
	}
	if n, _ := h.Tree.Node(4); n.Score == nil || n.Score.Finite() || float64(n.Metrics["loss"]) != math.Inf(1) || n.Checkpoint == "" {
		t.Errorf("%+v", n)
	}
	if h.Outcome(3) != nil || h.Outcome(0) != nil || h.Outcome(99) != nil || h.Outcome(2).Segment != 2 {
		t.Error("outcomes")
	}
	for _, segment := range []int64{-1, 99} {
		if _, err := h.Choose(segment); err == nil {
			t.Errorf("segment %d", segment)
		}
		if _, err := h.Decision(segment); err == nil {
			t.Errorf("segment %d", segment)
		}
	}
	if d, err := h.Decision(4); err != nil || d.Decision.Why != pbt.WhyFailed {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestAHistoryWithoutEvents(t *testing.T) {
	j, err := journal.Create(filepath.Join(testdir.InMemory(t), "j.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if _, err := history.Read(j, nil); err == nil {
		t.Error("no error")
	}
}

func TestEventsOutOfPlaceAreErrors(t *testing.T) {
	for _, row := range []journal.Row{
		{Kind: "decided", Body: []byte(`{"segment": 2, "member": 0, "hypers": {}, "decision": {"action": "start", "why": "start", "score": 0}}`)},
		{Kind: "leased", Body: []byte(`{"segment": 1}`)},
		{Kind: "finished", Body: []byte(`{"segment": 1, "score": 1}`)},
		{Kind: "failed", Body: []byte(`{"segment": 1}`)},
		{Kind: "magic", Body: []byte(`{}`)},
	} {
		j, err := journal.Create(filepath.Join(testdir.InMemory(t), "j.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		row.Seq, row.Member = 1, -1
		if err := j.Append([]journal.Row{row}); err != nil {
			t.Fatal(err)
		}
		if _, err := history.Read(j, nil); err == nil || !strings.Contains(err.Error(), "event 1: ") {
			t.Errorf("%s: %v", row.Kind, err)
		}
		j.Close()
	}
}

// A run in the hands of a person: plans are replaced, members come and go.
func TestASteeredHistory(t *testing.T) {
	spec := machine.Spec{Population: 2, Space: pbt.MustSpace(pbt.Uniform("lr", 0, 1)), Segment: 10, Budget: pbt.Budget{Steps: 50}}
	m, err := machine.New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Create(filepath.Join(testdir.InMemory(t), "j.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	seq := int64(0)
	do := func(in machine.Input) machine.Answer {
		t.Helper()
		a, events := m.Handle(1, in)
		if a.Refused != nil {
			t.Fatal(a.Refused)
		}
		for _, e := range events {
			body, err := machine.Encode(nil, e.Body)
			if err != nil {
				t.Fatal(err)
			}
			segment, member := e.Body.Subject()
			seq++
			if err := j.Append([]journal.Row{{Seq: seq, At: e.At, Kind: string(e.Body.Kind()), Segment: segment, Member: int64(member), Body: body}}); err != nil {
				t.Fatal(err)
			}
		}
		return a
	}
	story := func() *history.History {
		t.Helper()
		h, err := history.Read(j, func([]byte) (machine.Spec, error) { return spec, nil })
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	do(machine.Start{Experiment: []byte("{}")})
	do(machine.Open{})
	task := do(machine.Ask{Worker: "w"}).Task
	do(machine.Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1, Samples: []float64{3, 4}, Checkpoint: machine.Checkpoint{ID: task.Save, Bytes: 1}})
	first, member, err := story().Record(task.Segment)
	if want, _ := m.Record(task.Member); err != nil || member != task.Member || first.Segment != want.Segment || len(first.Samples) != 2 || !first.Hypers.Equal(want.Hypers) {
		t.Errorf("%+v, %v; it was %+v", first, err, want)
	}
	do(machine.Hold{By: "me"})
	if h := story(); h.Reason == "" {
		t.Error("nobody says why it is paused")
	}
	do(machine.Inject{Wish: pbt.Wish{Fresh: &pbt.Hypers{}}})                       // decided on later
	do(machine.Steer{Member: 2, Wish: pbt.Wish{Donor: &first, From: task.Member}}) // which has no segment yet
	do(machine.Resume{})
	h := story()
	if have := states(h); have != "finished waiting waiting waiting" || h.Reason != "" {
		t.Errorf("%s, %q", have, h.Reason)
	}
	do(machine.Steer{Member: 2, Wish: pbt.Wish{Restart: true}})
	do(machine.Retire{Member: task.Member})
	h = story()
	if have := states(h); have != "finished waiting dropped dropped waiting" {
		t.Error(have)
	}
	if n, _ := h.Tree.Node(4); n.Parent != task.Segment || !n.Copied || n.Turn != 0 {
		t.Errorf("%+v", n)
	}
	if stages, err := h.Tree.Schedule(4); err != nil || len(stages) != 2 || stages[0].Segment != task.Segment || stages[1].From != 10 {
		t.Errorf("%+v, %v", stages, err)
	}
	for _, segment := range []int64{0, 4, 99} {
		if _, _, err := h.Record(segment); err == nil {
			t.Errorf("segment %d has a record", segment)
		}
	}
}
