package sim

import (
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// What the simulator has found in the machine, each as small as it gets.

func foundSpec() machine.Spec {
	return machine.Spec{
		Population: 2, Space: pbt.MustSpace(pbt.Uniform("lr", 0, 1)), Segment: 10,
		Budget: pbt.Budget{Steps: 100}, Seed: 1, Timeout: time.Minute,
	}
}

// hand is a machine with its journal.
type hand struct {
	t      *testing.T
	specOf machine.SpecFunc
	m      *machine.Machine
	rows   []row
}

func begun(t *testing.T, specs ...machine.Spec) *hand {
	h := &hand{t: t, specOf: func(text []byte) (machine.Spec, error) { return specs[text[0]-'0'], nil }}
	m, err := machine.New(specs[0], h.specOf)
	if err != nil {
		t.Fatal(err)
	}
	h.m = m
	h.do(0, machine.Start{Experiment: experiment(0)})
	h.do(0, machine.Open{})
	return h
}

// do hands the machine an input and checks that its state is that of its journal.
func (h *hand) do(at time.Duration, in machine.Input) machine.Answer {
	h.t.Helper()
	a, events := h.m.Handle(epoch+int64(at), in)
	rows, err := encode(events)
	if err != nil {
		h.t.Fatal(err)
	}
	h.rows = append(h.rows, rows...)
	again, err := fold(h.rows, h.specOf)
	if err != nil {
		h.t.Fatal(err)
	}
	if x, y := h.m.Fingerprint(), again.Fingerprint(); x != y {
		h.t.Fatal(difference(x, y))
	}
	return a
}

func (h *hand) report(at time.Duration, task *machine.Task, score pbt.Score) {
	h.t.Helper()
	h.do(at, machine.Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: score, Checkpoint: machine.Checkpoint{ID: task.Save, Bytes: 1}})
}

// A resumed run forgot when its members had last been ready.
func TestReplayKnowsWhoWasReady(t *testing.T) {
	s := foundSpec()
	s.Policy.Ready = pbt.Every{Steps: 20}
	h := begun(t, s)
	for i := range 8 {
		h.report(0, h.do(0, machine.Ask{Worker: "w"}).Task, pbt.Score(i))
	}
}

// A remote worker could end the coordinator by naming a member that does not exist.
func TestAReportFromNobodyIsRefused(t *testing.T) {
	h := begun(t, foundSpec())
	for _, member := range []int{-5, -1, 2, 1 << 40} {
		if h.do(0, machine.Report{Lease: 1, Segment: 1, Member: member}).Refused == nil || h.do(0, machine.Fail{Lease: 1, Segment: 1, Member: member}).Refused == nil {
			t.Errorf("a report on member %d is taken", member)
		}
		h.do(0, machine.Beat{Lease: 1, Member: member})
	}
}

// A report that named another segment's checkpoint took it over, and took it along
// when it was deleted.
func TestAReportNamesItsOwnCheckpoint(t *testing.T) {
	h := begun(t, foundSpec())
	first := h.do(0, machine.Ask{Worker: "w"}).Task
	h.report(0, first, 1)
	next := h.do(0, machine.Ask{Worker: "w"}).Task
	for _, c := range []machine.Checkpoint{{ID: first.Save, Bytes: 1}, {ID: next.Save, Bytes: -1 << 40}} {
		h.do(0, machine.Report{Lease: next.Lease, Segment: next.Segment, Member: next.Member, Score: 2, Checkpoint: c})
		if h.m.Counts().Finished != 1 {
			t.Fatalf("an outcome with checkpoint %+v is recorded", c)
		}
		next = h.do(0, machine.Ask{Worker: "w"}).Task
	}
}

// A trainer's last words are bytes; the journal holds UTF-8.
func TestAnErrorNeedNotBeText(t *testing.T) {
	h := begun(t, foundSpec())
	task := h.do(0, machine.Ask{Worker: "caf\xe9"}).Task
	h.do(0, machine.Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: machine.FailDisk, Error: "\xff\xfe"})
}

// A clock set back by hours kept every lease alive for hours.
func TestLeasesEndThoughTheClockIsSetBack(t *testing.T) {
	h := begun(t, foundSpec())
	h.do(3*time.Hour, machine.Ask{Worker: "w"})
	h.do(0, machine.Tick{})
	at, ok := h.m.NextDeadline()
	if !ok || at > epoch+int64(time.Minute) {
		t.Fatalf("the next deadline is %s after the clock's now", time.Duration(at-epoch))
	}
	h.do(time.Minute, machine.Tick{})
	if h.m.Running() != 0 {
		t.Error("the lease is live after its timeout")
	}
}

// A run whose barrier was overdue while it was paused woke its loop a thousand
// times a second.
func TestAPausedRunHasNoBarrierToWaitFor(t *testing.T) {
	s := foundSpec()
	s.Policy.Barrier = &pbt.Barrier{Deadline: time.Second}
	h := begun(t, s)
	task := h.do(0, machine.Ask{Worker: "w"}).Task
	h.report(0, task, 1)
	h.do(0, machine.Pause{Reason: "test"})
	h.do(time.Hour, machine.Tick{})
	if at, ok := h.m.NextDeadline(); ok {
		t.Errorf("something is due at %d", at)
	}
}

// A member for which the total budget had no segment was let in later, by a larger
// one, without hyperparameters.
func TestALargerBudgetLetsInWhoFoundNone(t *testing.T) {
	small := foundSpec()
	small.Budget = pbt.Budget{Total: 10}
	large := small
	large.Budget.Total = 40
	h := begun(t, small, large)
	h.report(0, h.do(0, machine.Ask{Worker: "w"}).Task, 1)
	h.do(0, machine.Open{Change: &machine.Change{Spec: large, Experiment: experiment(1)}})
	for range 2 {
		if task := h.do(0, machine.Ask{Worker: "w"}).Task; small.Space.Check(task.Hypers) != nil {
			t.Errorf("member %d trains with %q", task.Member, task.Hypers)
		}
	}
}

// The failure limit was declared, counted, and never looked at.
func TestARunInWhichNothingWorksPauses(t *testing.T) {
	s := foundSpec()
	s.FailureLimit = 3
	h := begun(t, s)
	for range 2 { // on its only worker, in the same way
		task := h.do(0, machine.Ask{Worker: "w"}).Task
		h.do(0, machine.Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: machine.FailError, Error: "no torch"})
	}
	if phase, why := h.m.Phase(); phase != machine.PhasePaused {
		t.Errorf("the run is %s %s", phase, why)
	}
}

// Keeping fewer of the best took effect at the next good score only.
func TestKeepingFewerFreesTheOthers(t *testing.T) {
	many := foundSpec()
	many.Keep.Best = 5
	few := many
	few.Keep.Best = 1
	h := begun(t, many, few)
	for _, score := range []pbt.Score{9, 8, 7, 6, 5, 4} {
		h.report(0, h.do(0, machine.Ask{Worker: "w"}).Task, score)
	}
	before := h.m.CheckpointBytes()
	h.do(0, machine.Open{Change: &machine.Change{Spec: few, Experiment: experiment(1)}})
	if after := h.m.CheckpointBytes(); after >= before {
		t.Errorf("%d checkpoints are kept, and were before %d", after, before)
	}
}
