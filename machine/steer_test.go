package machine

import (
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

func steerSpec() Spec {
	return Spec{
		Population: 3, Space: pbt.MustSpace(pbt.Uniform("x", 0, 1), pbt.Uniform("y", 0, 1)),
		Segment: 10, Budget: pbt.Budget{Steps: 50}, Seed: 1, Retries: 1, Keep: Keep{Best: 1},
	}
}

// steerRun is a run of three members of which one has reported a segment.
func steerRun(t *testing.T) *Machine {
	t.Helper()
	m, err := New(steerSpec(), nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	do(t, m, Ask{Worker: "w"}, 1)
	return m
}

// say hands in what a person wants, and expects the events of these kinds first.
func say(t *testing.T, m *Machine, in Input, want ...Kind) []Event {
	t.Helper()
	a, events := m.Handle(max(2, m.now), in)
	if a.Refused != nil {
		t.Fatalf("%T is refused: %v", in, a.Refused)
	}
	for i, kind := range want {
		if i >= len(events) || events[i].Body.Kind() != kind {
			t.Fatalf("%T: event %d is not %s: %+v", in, i, kind, events)
		}
	}
	return events
}

func refusal(t *testing.T, m *Machine, in Input, want string) {
	t.Helper()
	before := m.Fingerprint()
	a, events := m.Handle(max(2, m.now), in)
	if a.Refused == nil || !strings.Contains(a.Refused.Error(), want) {
		t.Errorf("%T: %v, want a refusal that says %q", in, a.Refused, want)
	}
	if len(events) > 0 || m.Fingerprint() != before {
		t.Errorf("%T was refused, and changed something", in)
	}
}

func TestSteer_PauseAndResume(t *testing.T) {
	m := steerRun(t)
	refusal(t, m, Resume{}, "not paused")
	say(t, m, Hold{By: "me"}, KindPaused)
	if m.ask(3, Ask{Worker: "w"}).Task != nil {
		t.Error("a paused run hands out work")
	}
	refusal(t, m, Hold{}, "nothing to pause")
	m.Handle(1002, Tick{})
	a, _ := m.Handle(1002, Resume{By: "me"})
	if a.Refused != nil || m.ask(1003, Ask{Worker: "w"}).Task == nil {
		t.Errorf("it does not go on: %v", a.Refused)
	}
	if worked := m.workedAt(1003); worked > 10 {
		t.Errorf("the pause counts as work: %d ns", worked)
	}
}

func TestSteer_SetCopyRestart(t *testing.T) {
	m := steerRun(t)
	first, _ := m.Record(0)
	if _, ok := m.Record(0); !ok {
		first, _ = m.Record(1)
	}
	var waiting int
	for i := range m.members {
		if m.members[i].state == StateWaiting && m.members[i].record == 0 {
			waiting = i
		}
	}
	events := say(t, m, Steer{Member: waiting, Wish: pbt.Wish{Set: pbt.MakeHypers("x", pbt.Float(0.25))}}, KindSteered, KindDecided)
	d := events[1].Body.(*Decided)
	if x := d.Hypers.Float("x"); x != 0.25 || d.Decision.Why != pbt.WhySteered || len(d.Decision.Changes) != 1 {
		t.Errorf("x is %g, decided %+v", x, d.Decision)
	}
	events = say(t, m, Steer{Member: waiting, Wish: pbt.Wish{Donor: &first, From: 0}}, KindSteered, KindDecided)
	d = events[1].Body.(*Decided)
	if d.Parent != first.Segment || !d.Hypers.Equal(first.Hypers) || d.Decision.Action != pbt.Copy || d.From != first.Step {
		t.Errorf("not the donor's: %+v", d)
	}
	if task := m.ask(3, Ask{Worker: "w", Others: 5}).Task; task == nil {
		t.Error("no task")
	}
	events = say(t, m, Steer{Member: waiting, Wish: pbt.Wish{Restart: true}}, KindSteered)
	for _, e := range events[1:] {
		if d, ok := e.Body.(*Decided); ok && d.Parent != 0 {
			t.Errorf("a restart starts from segment %d", d.Parent)
		}
	}
	refusal(t, m, Steer{Member: 7}, "no member 7")
	refusal(t, m, Steer{Member: waiting, Wish: pbt.Wish{Set: pbt.MakeHypers("x", pbt.Float(2))}}, "x")
	refusal(t, m, Steer{Member: waiting, Wish: pbt.Wish{Set: pbt.MakeHypers("z", pbt.Float(2))}}, "no hyperparameter")
	gone := first
	gone.Segment = 2
	refusal(t, m, Steer{Member: waiting, Wish: pbt.Wish{Donor: &gone}}, "no longer kept")
}

// A wish for a member in training waits for its next segment, and its donor is kept.
func TestSteer_AWishWaitsForTheNextSegment(t *testing.T) {
	m := steerRun(t)
	task := m.ask(3, Ask{Worker: "w"}).Task
	say(t, m, Steer{Member: task.Member, Wish: pbt.Wish{Set: pbt.MakeHypers("y", pbt.Float(0.5))}}, KindSteered)
	_, events := m.Handle(4, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 2, Checkpoint: Checkpoint{ID: task.Save}})
	for _, e := range events {
		if d, ok := e.Body.(*Decided); ok && (d.Hypers.Float("y") != 0.5 || d.Parent != task.Segment) {
			t.Errorf("%+v", d)
		}
	}
	if m.members[task.Member].wish != nil {
		t.Error("the wish is fulfilled, and not forgotten")
	}
}

func TestSteer_InjectRetireKillPin(t *testing.T) {
	m := steerRun(t)
	fresh := pbt.MakeHypers("x", pbt.Float(0.75))
	events := say(t, m, Inject{Wish: pbt.Wish{Fresh: &fresh}, By: "me"}, KindMemberAdded, KindDecided)
	if d := events[1].Body.(*Decided); d.Member != 3 || d.Hypers.Float("x") != 0.75 || d.Parent != 0 {
		t.Errorf("%+v", d)
	}
	if n := m.Counts(); n.Restarts != 0 {
		t.Errorf("who was added has not begun again: %+v", n)
	}
	refusal(t, m, Inject{}, "begins with")
	task := m.ask(3, Ask{Worker: "w"}).Task
	say(t, m, Kill{Member: task.Member}, KindFailed)
	refusal(t, m, Kill{Member: task.Member}, "is being trained")
	again := m.ask(3, Ask{Worker: "w"}).Task
	if again.Member != task.Member || m.members[task.Member].failures != 0 {
		t.Error("a killed segment is not trained again, or is held against its member")
	}
	say(t, m, Retire{Member: again.Member}, KindFailed, KindMemberDone)
	refusal(t, m, Retire{Member: again.Member}, "trains no more")
	refusal(t, m, Pin{Segment: 99}, "no checkpoint")
	best, _ := m.Best()
	say(t, m, Pin{Segment: best.Segment}, KindPinned)
	refusal(t, m, Pin{Segment: best.Segment}, "pinned already")
	for m.phase == PhaseRunning {
		do(t, m, Ask{Worker: "w"}, pbt.Score(m.segments))
	}
	if _, kept := m.NeedsCheckpoint(best.Segment); !kept {
		t.Error("a pinned checkpoint is gone")
	}
	say(t, m, Pin{Segment: best.Segment, Off: true}, KindPinned)
	if _, kept := m.NeedsCheckpoint(best.Segment); kept {
		t.Error("an unpinned checkpoint stays")
	}
	if c := m.Counts(); c.Finished != 5*3+0 { // members 0 to 3 but the retired one, 5 segments each
		t.Errorf("%+v", c)
	}
}

func TestSteer_Reconfigure(t *testing.T) {
	m := steerRun(t)
	spec := m.Spec()
	spec.Budget.Steps = 20
	spec.Policy.Exploit = pbt.NoExploit{}
	say(t, m, Reconfigure{Change: Change{Spec: spec, Experiment: []byte("{}"), Paths: []string{"budget.steps"}}}, KindSpecChanged)
	if m.Spec().Budget.Steps != 20 {
		t.Error("the budget did not change")
	}
	spec.Population = 9
	refusal(t, m, Reconfigure{Change: Change{Spec: spec}}, "population")
}
