package machine

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// What the simulator has found about steering, each as small as it gets.

// sets is a wish to set x.
func sets(x float64) pbt.Wish { return pbt.Wish{Set: pbt.MakeHypers("x", pbt.Float(x))} }

// finish reports a task with a checkpoint.
func finish(t *testing.T, m *Machine, task *Task, score pbt.Score) {
	t.Helper()
	if a, _ := m.Handle(max(2, m.now), Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: score, Checkpoint: Checkpoint{ID: task.Save, Bytes: 1}}); a.Refused != nil {
		t.Fatal(a.Refused)
	}
}

// scored is a record that some member of steerRun has reported.
func scored(t *testing.T, m *Machine) (pbt.Record, int) {
	t.Helper()
	for i := range m.members {
		if r, ok := m.Record(i); ok {
			return r, i
		}
	}
	t.Fatal("nobody has")
	return pbt.Record{}, 0
}

// Wishing for the same donor twice gave its checkpoint up.
func TestSteerFound_TheSameDonorTwice(t *testing.T) {
	m := steerRun(t)
	r, from := scored(t, m)
	var tasks []*Task
	for range 3 {
		tasks = append(tasks, m.ask(3, Ask{Worker: "w"}).Task)
	}
	other := (from + 1) % 3
	say(t, m, Steer{Member: other, Wish: pbt.Wish{Donor: &r, From: from}}, KindSteered)
	for _, task := range tasks {
		if task.Member == from { // the donor moves on, and is not the best any more
			finish(t, m, task, 9)
		}
	}
	say(t, m, Steer{Member: other, Wish: pbt.Wish{Donor: &r, From: from}}, KindSteered)
	if name, kept := m.NeedsCheckpoint(r.Segment); !kept || name == "" {
		t.Error("the checkpoint to be copied is gone")
	}
}

// A wish that names a donor who is nobody ended the process.
func TestSteerFound_ADonorWhoIsNobody(t *testing.T) {
	m := steerRun(t)
	r, _ := scored(t, m)
	for _, from := range []int{-1, 3, 1000} {
		refusal(t, m, Steer{Member: 0, Wish: pbt.Wish{Donor: &r, From: from}}, "there is no member")
		refusal(t, m, Inject{Wish: pbt.Wish{Donor: &r, From: from}}, "there is no member")
	}
}

// So did steering a run that had not started.
func TestSteerFound_BeforeTheStart(t *testing.T) {
	m, err := New(spec(2), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []Input{
		Hold{}, Resume{}, Kill{}, Steer{Wish: sets(0.5)}, Inject{Wish: pbt.Wish{Fresh: &pbt.Hypers{}}}, Retire{}, Pin{}, Pin{Off: true},
		Reconfigure{Change: Change{Spec: spec(2)}}, Open{},
	} {
		if a, events := m.Handle(1, in); a.Refused == nil || len(events) > 0 {
			t.Errorf("%T is accepted", in)
		}
	}
}

// A member that was to begin with fresh weights went on with its old ones when its
// hyperparameters were set: with weights that were not even there any more if they
// had been in memory.
func TestSteerFound_SetAfterARestart(t *testing.T) {
	m := steerRun(t)
	_, i := scored(t, m)
	say(t, m, Steer{Member: i, Wish: pbt.Wish{Restart: true}}, KindSteered, KindDecided)
	events := say(t, m, Steer{Member: i, Wish: sets(0.5)}, KindSteered, KindDecided)
	if d := events[1].Body.(*Decided); d.Parent != 0 || d.From != 0 || d.Hypers.Float("x") != 0.5 {
		t.Errorf("it starts from segment %d at step %d with %s", d.Parent, d.From, d.Hypers)
	}
}

// A newcomer for whom the budget had no segment forgot how it was to begin.
func TestSteerFound_ANewcomerWithoutBudget(t *testing.T) {
	small := steerSpec()
	small.Budget = pbt.Budget{Total: 30}
	large := small
	large.Budget.Total = 200
	m, err := New(small, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	do(t, m, Ask{Worker: "w"}, 1)
	r, from := scored(t, m)
	say(t, m, Inject{Wish: pbt.Wish{Donor: &r, From: from}}, KindMemberAdded, KindMemberDone)
	do(t, m, Ask{Worker: "w"}, 5)
	do(t, m, Ask{Worker: "w"}, 6)
	m.Handle(2, Open{Change: &Change{Spec: large, Experiment: []byte("{}")}})
	if p := &m.members[3].plan; p.parent != r.Segment || p.turn != 0 {
		t.Errorf("it begins from segment %d as turn %d", p.parent, p.turn)
	}
	if m.members[3].wish != nil {
		t.Error("and wishes so again")
	}
}

// A newcomer has not begun: there is nothing to set.
func TestSteerFound_ANewcomerBeginsAsItIsAdded(t *testing.T) {
	m := steerRun(t)
	say(t, m, Hold{}, KindPaused)
	say(t, m, Inject{Wish: pbt.Wish{Fresh: &pbt.Hypers{}}}, KindMemberAdded)
	refusal(t, m, Steer{Member: 3, Wish: sets(0.5)}, "has not begun")
	events := say(t, m, Resume{}, KindResumed, KindDecided)
	d := events[1].Body.(*Decided)
	if want := m.space.Draw(m.spec.Seed, 3, 0); d.Turn != 0 || !d.Hypers.Equal(want) {
		t.Errorf("turn %d with %s, want the first with %s", d.Turn, d.Hypers, want)
	}
}

// The weights of a retired member were in nobody's memory and in no checkpoint.
func TestSteerFound_ARetiredMemberIsSaved(t *testing.T) {
	m := lazyRun(t, pbt.Policy{Exploit: pbt.NoExploit{}}, 100)
	first, _ := do(t, m, Ask{Worker: "w"}, 1)
	second, _ := do(t, m, Ask{Worker: "w", Holds: first.Segment}, 1)
	third, saved := do(t, m, Ask{Worker: "w", Holds: second.Segment}, 1)
	if saved || m.Spent() != 30 {
		t.Fatal("nothing is held")
	}
	say(t, m, Retire{Member: third.Member}, KindRolledBack, KindMemberDone)
	r, _ := m.Record(third.Member)
	if _, kept := m.NeedsCheckpoint(r.Segment); !r.Saved || !kept || m.Spent() != 20 {
		t.Errorf("it stands with %+v, %d steps are spent", r, m.Spent())
	}
	if err := m.Apply(Event{At: m.now, Body: &MemberDone{Member: third.Member, Reason: ReasonRetired}}); err == nil {
		t.Error("a member retires twice")
	}
}

// While a run was paused by hand, its members in memory were given up as if their
// workers had stayed away, and its time at work went on.
func TestSteerFound_APauseIsNoTime(t *testing.T) {
	m := lazyRun(t, pbt.Policy{Exploit: pbt.NoExploit{}}, 100)
	m.spec.Timeout = time.Minute
	first, _ := do(t, m, Ask{Worker: "w"}, 1)
	second, _ := do(t, m, Ask{Worker: "w", Holds: first.Segment}, 1)
	third, _ := do(t, m, Ask{Worker: "w", Holds: second.Segment}, 1)
	say(t, m, Hold{By: "me"}, KindPaused)
	later := m.now + int64(time.Hour)
	if _, events := m.Handle(later, Tick{}); len(events) > 0 {
		t.Fatalf("%s while the run is paused", events[0].Body.Kind())
	}
	if at, ok := m.NextDeadline(); ok {
		t.Errorf("something is due at %d", at)
	}
	if worked := m.Worked(later); worked > time.Second {
		t.Errorf("it has worked %s", worked)
	}
	m.Handle(later, Resume{})
	if at, ok := m.NextDeadline(); !ok || at != later+int64(time.Minute) {
		t.Errorf("the worker has until %d (%t)", at, ok)
	}
	if a, _ := m.Handle(later+int64(time.Minute)-1, Ask{Worker: "w", Holds: third.Segment}); a.Task == nil || a.Task.Parent != third.Segment {
		t.Errorf("%+v: the worker cannot go on", a)
	}
}

// Failures before a pause by hand still counted after it, so that the next attempt
// that was lost paused the run.
func TestSteerFound_ResumingForgetsFailures(t *testing.T) {
	m := steerRun(t)
	m.spec.FailureLimit, m.spec.Retries = 1, 3
	task := m.ask(3, Ask{Worker: "w"}).Task
	other := m.ask(3, Ask{Worker: "v"}).Task
	say(t, m, Hold{}, KindPaused)
	m.Handle(3, Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: FailError, Error: "boom"})
	say(t, m, Resume{}, KindResumed)
	say(t, m, Kill{Member: other.Member}, KindFailed)
	if m.phase != PhaseRunning {
		t.Errorf("the run is %s: %s", m.phase, m.reason)
	}
}

// A worker that was told that it need not save was blamed for it when the settings
// changed before it had reported.
func TestSteerFound_NobodyIsBlamedForANewRuleOfSaving(t *testing.T) {
	m := lazyRun(t, pbt.Policy{Exploit: pbt.NoExploit{}}, 100)
	first, _ := do(t, m, Ask{Worker: "w"}, 1)
	second, _ := do(t, m, Ask{Worker: "w", Holds: first.Segment}, 1)
	task := m.ask(2, Ask{Worker: "w", Holds: second.Segment}).Task
	if a, _ := m.Handle(2, Scored{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1}); a.Save {
		t.Fatal("it must save")
	}
	strict := m.Spec()
	strict.SaveEvery = 1
	say(t, m, Reconfigure{Change: Change{Spec: strict, Experiment: []byte("{}")}}, KindSpecChanged)
	_, events := m.Handle(2, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1})
	if f, ok := events[0].Body.(*Failed); !ok || f.Fault != FailLost || m.members[task.Member].failures != 0 {
		t.Errorf("%+v", events[0].Body)
	}
}

// A wish of nothing, or of two things of which one was forgotten.
func TestSteerFound_WishForOneThing(t *testing.T) {
	m := steerRun(t)
	r, from := scored(t, m)
	two := sets(0.5)
	two.Restart = true
	for _, w := range []pbt.Wish{{}, two, {Donor: &r, From: from, Fresh: &pbt.Hypers{}}} {
		refusal(t, m, Steer{Member: 0, Wish: w}, "one thing")
	}
	refusal(t, m, Inject{Wish: pbt.Wish{Donor: &r, From: from, Fresh: &pbt.Hypers{}}}, "one thing")
}

// Members that are retired are not waited for before the first copy.
func TestSteerFound_TheRetiredDoNotCount(t *testing.T) {
	s := steerSpec()
	s.Population, s.Policy.Ready, s.Policy.Exploit = 8, pbt.Every{}, pbt.Truncation{Fraction: 0.5}
	m, err := New(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	for i := range 6 {
		say(t, m, Retire{Member: i}, KindMemberDone)
	}
	do(t, m, Ask{Worker: "w"}, 1)
	_, events := m.Handle(2, Ask{Worker: "w"})
	task := m.task(events[0].Body.(*Leased).Member)
	_, events = m.Handle(2, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 0.5, Checkpoint: Checkpoint{ID: task.Save, Bytes: 1}})
	if d := events[1].Body.(*Decided).Decision; d.Why != pbt.WhyBottom || d.Of != 2 {
		t.Errorf("of two members that are left, the worse one: %s", d.Say())
	}
}

// Settings that cannot change ended the process when they were changed on resuming.
func TestSteerFound_ResumingWithAnotherPopulation(t *testing.T) {
	m := steerRun(t)
	other := m.Spec()
	other.Population++
	if a, events := m.Handle(math.MaxInt32, Open{Change: &Change{Spec: other}}); a.Refused == nil || !strings.Contains(a.Refused.Error(), "population") || len(events) > 0 {
		t.Errorf("%v", a.Refused)
	}
}
