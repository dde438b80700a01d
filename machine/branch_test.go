package machine

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// outside is a record of another run.
func outside() *Branch {
	return &Branch{
		Origin: Origin{
			Dir: "/runs/old-1", Run: "old", Began: 7, Segment: 212, Member: 9, Digest: "ab", By: "me",
			Stages: []pbt.Stage{{To: 300, Hypers: pbt.MakeHypers("x", pbt.Float(0.25), "y", pbt.Float(0.5)), Segment: 212, Member: 9, Run: "old"}},
		},
		Record: pbt.Record{
			Score: 0.75, Samples: []float64{0.5, 0.75}, Step: 300, Hypers: pbt.MakeHypers("x", pbt.Float(0.25), "y", pbt.Float(0.5)),
		},
		Metrics:    Metrics{"loss": 3},
		Checkpoint: Checkpoint{ID: ImportName, Bytes: 10, Digest: "cd"},
	}
}

// branched is a run that begins with it, and its first events.
func branched(t *testing.T, spec Spec) (*Machine, []Event) {
	t.Helper()
	m, err := New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, events := m.Handle(1, Start{Experiment: []byte("{}"), Branch: outside()})
	if a.Refused != nil {
		t.Fatal(a.Refused)
	}
	events = append([]Event(nil), events...)
	m.Handle(1, Open{})
	return m, events
}

func TestBranch_EverybodyBeginsWithTheRecord(t *testing.T) {
	m, events := branched(t, steerSpec())
	if ImportName != CheckpointName(1, 0) {
		t.Error(ImportName)
	}
	if r, _ := m.Record(0); r.Segment != 1 || r.Score != 0.75 || r.Step != 300 || len(r.Samples) != 2 || !r.Saved {
		t.Errorf("member 0 stands with %+v", r)
	}
	if m.Spent() != 0 || m.Counts().Finished != 0 || m.Origin().Segment != 212 {
		t.Errorf("%d steps are spent, %+v", m.Spent(), m.Counts())
	}
	changed := false
	for i := range 3 {
		d := events[3+i].Body.(*Decided)
		if d.Member != i || d.Parent != 1 || d.From != 300 || d.Steps != 10 {
			t.Errorf("%+v", d)
		}
		if i == 0 {
			if d.Decision.Action != pbt.Continue || d.Hypers.Float("x") != 0.25 || d.Turn != 1 {
				t.Errorf("member 0 does not go on as it is: %+v", d)
			}
			continue
		}
		changed = changed || d.Hypers.Float("x") != 0.25
		if d.Decision.Action != pbt.Copy || d.Decision.Why != pbt.WhyBranch || d.Decision.Rival.Segment != 1 || len(d.Decision.Changes) == 0 || d.Turn != 0 {
			t.Errorf("%+v", d.Decision)
		}
		if x := d.Hypers.Float("x"); x != 0.2 && x != 0.3 {
			t.Errorf("member %d explores to %g", i, x)
		}
	}
	if !changed {
		t.Error("nobody explores")
	}
	if task := m.ask(2, Ask{Worker: "w"}).Task; task == nil || task.Load != ImportName || task.From != 300 {
		t.Errorf("%+v", task)
	}
	if say := events[1].Body.(*Decided).Decision.Say(); say != "begins with segment 212 of old, member 9 (0.75)" {
		t.Error(say)
	}
}

// Values that are given for a member stand in the place of exploring.
func TestBranch_InitialValues(t *testing.T) {
	spec := steerSpec()
	spec.Initial = []pbt.Hypers{pbt.MakeHypers("y", pbt.Float(0.9)), pbt.MakeHypers("x", pbt.Float(0.1))}
	_, events := branched(t, spec)
	first, second := events[3].Body.(*Decided), events[4].Body.(*Decided)
	if first.Hypers.Float("x") != 0.25 || first.Hypers.Float("y") != 0.9 || first.Decision.Action != pbt.Continue || first.Decision.Why != pbt.WhyBranch {
		t.Errorf("%+v", first)
	}
	if second.Hypers.Float("x") != 0.1 || second.Hypers.Float("y") != 0.5 || second.Decision.Action != pbt.Copy {
		t.Errorf("%+v", second)
	}
	if say := second.Decision.Say(); !strings.Contains(say, "x 0.25 → 0.1, as given") {
		t.Error(say)
	}
}

// A member for whom the budget has no segment at first begins with the record later,
// when member 0 has long gone on.
func TestBranch_AMemberThatBeginsLate(t *testing.T) {
	spec := steerSpec()
	spec.Budget = pbt.Budget{Total: 20}
	m, _ := branched(t, spec)
	for m.phase == PhaseRunning {
		do(t, m, Ask{Worker: "w"}, pbt.Score(m.segments))
	}
	if m.members[2].plan.segment != 0 {
		t.Fatal("it has begun")
	}
	if name, kept := m.NeedsCheckpoint(1); !kept || name != ImportName {
		t.Fatal("what it begins with is gone")
	}
	more := spec
	more.Budget.Total = 200
	m.Handle(m.now, Open{Change: &Change{Spec: more, Experiment: []byte("{}")}})
	if p := m.members[2].plan; p.parent != 1 || p.from != 300 || p.turn != 0 {
		t.Errorf("it begins from segment %d at step %d, turn %d", p.parent, p.from, p.turn)
	}
}

func TestBranch_Refused(t *testing.T) {
	target := pbt.Score(0.5)
	for want, spoil := range map[string]func(*Spec, *Branch){
		"nobody would copy":    func(_ *Spec, b *Branch) { b.Record.Score = pbt.Score(math.NaN()) },
		"reaches the target":   func(s *Spec, _ *Branch) { s.Budget.Target = &target },
		"does not allow":       func(_ *Spec, b *Branch) { b.Record.Hypers = pbt.MakeHypers("x", pbt.Float(2)) },
		"initial point 2":      func(s *Spec, _ *Branch) { s.Initial = []pbt.Hypers{{}, pbt.MakeHypers("x", pbt.Float(0.1))} },
		"is called s000000001": func(_ *Spec, b *Branch) { b.Checkpoint.ID = "s000000002-0" },
		"at step -1":           func(_ *Spec, b *Branch) { b.Record.Step = -1 },
	} {
		spec, b := steerSpec(), outside()
		spoil(&spec, b)
		m, err := New(spec, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want == "initial point 2" { // y depends on nothing: only a bad one is refused
			m.spec.Initial[1] = pbt.MakeHypers("x", pbt.Float(7))
		}
		if a, events := m.Handle(1, Start{Branch: b}); a.Refused == nil || !strings.Contains(a.Refused.Error(), want) || len(events) > 0 {
			t.Errorf("%v, %d events; want a refusal that says %q", a.Refused, len(events), want)
		}
	}
}

// A journal that claims what no branch can have had is refused, event by event.
func TestBranch_EventsThatNobodyHasWritten(t *testing.T) {
	_, events := branched(t, steerSpec())
	for name, spoil := range map[string]func(started *RunStarted, d *Decided, f *Finished){
		"no origin":          func(s *RunStarted, _ *Decided, _ *Finished) { s.Origin = nil },
		"steps":              func(_ *RunStarted, d *Decided, _ *Finished) { d.Steps = 5 },
		"another segment":    func(_ *RunStarted, d *Decided, _ *Finished) { d.Segment = 2 },
		"another member":     func(_ *RunStarted, d *Decided, _ *Finished) { d.Member = 1 },
		"another step":       func(_ *RunStarted, _ *Decided, f *Finished) { f.Step++ },
		"another checkpoint": func(_ *RunStarted, _ *Decided, f *Finished) { f.Checkpoint.ID = "s000000001-1" },
		"a lease":            func(_ *RunStarted, _ *Decided, f *Finished) { f.Lease = 1 },
	} {
		s, d, f := *events[0].Body.(*RunStarted), *events[1].Body.(*Decided), *events[2].Body.(*Finished)
		spoil(&s, &d, &f)
		m, err := New(steerSpec(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, body := range []Body{&s, &d, &f} {
			if err == nil {
				err = m.Apply(Event{At: 1, Body: body})
			}
		}
		if err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestBranch_TheScheduleBeforeIsTheOtherRuns(t *testing.T) {
	_, events := branched(t, steerSpec())
	started := events[0].Body.(*RunStarted)
	own := []pbt.Stage{{From: 300, To: 300, Segment: 1}, {From: 300, To: 310, Segment: 2}}
	if got := started.Schedule(own); len(got) != 2 || got[0].Run != "old" || got[0].To != 300 || got[1].Segment != 2 {
		t.Errorf("%+v", got)
	}
	restarted := []pbt.Stage{{To: 10, Segment: 9}} // fresh weights
	if got := started.Schedule(restarted); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	text, err := json.Marshal(started)
	if err != nil || !strings.Contains(string(text), `"origin":{"dir":"/runs/old-1","run":"old","began":7,"segment":212,"member":9,"digest":"ab","schedule":[`) {
		t.Errorf("%s, %v", text, err)
	}
}

// What the live machine and its replay hold is the same, wishes included.
func TestBranch_Replays(t *testing.T) {
	m, err := New(steerSpec(), nil)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := New(steerSpec(), nil)
	feed := func(in Input) {
		a, events := m.Handle(1, in)
		if a.Refused != nil {
			t.Fatal(a.Refused)
		}
		for _, e := range events {
			text, err := Encode(nil, e.Body)
			if err != nil {
				t.Fatal(err)
			}
			body, err := again.DecodeForReplay(e.Body.Kind(), text)
			if err != nil {
				t.Fatal(err)
			}
			if err := again.Apply(Event{At: e.At, Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		if x, y := m.Fingerprint(), again.Fingerprint(); x != y {
			t.Fatalf("%s\n\nreplayed:\n%s", x, y)
		}
	}
	feed(Start{Experiment: []byte("{}"), Branch: outside()})
	feed(Open{})
	feed(Ask{Worker: "w"})
}

// A wish that nobody could have had ended the process that read it.
func TestSteerFound_AnUnknownWish(t *testing.T) {
	m := steerRun(t)
	if err := m.Apply(Event{At: m.now, Body: &Steered{Member: 0, Verb: "dance"}}); err == nil {
		t.Error("accepted")
	}
}
