package machine

import (
	"math"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// counting starts a run of a budget and gives what trains a member's next segment.
func counting(t *testing.T, spec Spec) (*Machine, *[]Event, func(score pbt.Score, steps int64) *Finished) {
	t.Helper()
	m, err := New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	var log []Event
	do := func(in Input) Answer {
		a, events := m.Handle(int64(len(log)), in)
		log = append(log, events...)
		return a
	}
	do(Start{})
	do(Open{})
	return m, &log, func(score pbt.Score, steps int64) *Finished {
		t.Helper()
		task := do(Ask{Worker: "w"}).Task
		if task == nil {
			return nil
		}
		before := len(log)
		if err := do(Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: score, Steps: &steps, Checkpoint: Checkpoint{ID: task.Save, Bytes: 1}}).Refused; err != nil {
			t.Fatal(err)
		}
		f, _ := log[before].Body.(*Finished)
		return f
	}
}

// A segment counts what was trained: in the record, the budget, the plan of the next
// segment, and the sums.
func TestASegmentCountsOnlyWhatWasTrained(t *testing.T) {
	s := spec(1)
	s.Budget = pbt.Budget{Steps: 40}
	m, log, train := counting(t, s)
	total := int64(0)
	for _, steps := range []int64{3, 10, 13, 4} {
		f := train(1, steps)
		total += steps
		if v := m.Member(0); f.Step != total || f.Spent != total || v.Step != total || v.Spent != total || m.Spent() != total {
			t.Fatalf("after %d steps: %+v, %+v, all have spent %d", total, f, v, m.Spent())
		}
		if r, _ := m.Record(0); r.Step != total {
			t.Fatalf("the record is of step %d, not %d", r.Step, total)
		}
	}
	last := (*log)[len(*log)-1].Body
	if d, ok := last.(*Decided); !ok || d.From != 30 || d.Steps != 10 {
		t.Errorf("the rest of the budget is planned as %+v", last)
	}
	if train(1, 15); m.Spent() != 45 {
		t.Errorf("%d steps are spent", m.Spent())
	}
	if phase, _ := m.Phase(); phase != PhaseEnded || train(1, 1) != nil {
		t.Errorf("the run is %s after its budget", phase)
	}
	again, _ := New(s, nil)
	for _, e := range *log {
		if err := again.Apply(e); err != nil {
			t.Fatal(err)
		}
	}
	if again.Fingerprint() != m.Fingerprint() {
		t.Error("the journal replays to another state")
	}
}

// All members share a total budget: what one leaves of its share, another trains.
func TestStepsThatWereNotTrainedGoBackToTheTotalBudget(t *testing.T) {
	s := spec(2)
	s.Budget = pbt.Budget{Total: 30}
	m, _, train := counting(t, s)
	n := 0
	for train(1, 2) != nil {
		n++
	}
	if m.Spent() != 30 || n != 15 {
		t.Errorf("%d segments have trained %d steps", n, m.Spent())
	}
}

func TestStepsThatCannotBeAreAFailure(t *testing.T) {
	for _, steps := range []int64{0, -1, MaxTrained + 1} {
		_, log, train := counting(t, spec(1))
		if train(1, steps) != nil {
			t.Errorf("%d steps are recorded", steps)
		}
		f, ok := (*log)[len(*log)-1].Body.(*Failed)
		if !ok || f.Fault != FailError || !strings.Contains(f.Error, "want 1 to") {
			t.Errorf("%d steps: %+v", steps, f)
		}
	}
}

// A journal whose sums do not agree is not one that pbt wrote.
func TestAnOutcomeWhoseSumsDisagreeIsRefused(t *testing.T) {
	m, _, _ := counting(t, spec(1))
	a, _ := m.Handle(100, Ask{Worker: "w"})
	f := Finished{Segment: a.Task.Segment, Lease: a.Task.Lease, Step: 3, Spent: 4, Checkpoint: Checkpoint{ID: a.Task.Save}}
	if err := m.Apply(Event{At: 100, Body: &f}); err == nil {
		t.Error("step 3 with 4 steps spent is believed")
	}
}

// A member whose trainer says that it is done keeps its record, and no larger budget
// lets it train again.
func TestAMemberEndsByItself(t *testing.T) {
	s := spec(1)
	s.Budget = pbt.Budget{Steps: 100}
	m, log, train := counting(t, s)
	train(1, 10)
	at := int64(len(*log))
	a, _ := m.Handle(at, Ask{Worker: "w"})
	_, events := m.Handle(at, Report{
		Lease: a.Task.Lease, Segment: a.Task.Segment, Score: 2, Done: true, Checkpoint: Checkpoint{ID: a.Task.Save, Bytes: 1},
	})
	if f, ok := events[0].Body.(*Finished); !ok || !f.Done {
		t.Fatalf("%+v", events[0].Body)
	}
	if d, ok := events[1].Body.(*MemberDone); !ok || d.Reason != ReasonEnded {
		t.Fatalf("%+v", events[1].Body)
	}
	r, scored := m.Record(0)
	if phase, reason := m.Phase(); !scored || r.Score != 2 || m.Member(0).State != StateDone || phase != PhaseEnded || !strings.Contains(reason, "its trainer has said so") {
		t.Errorf("%+v, %+v, the run is %s: %s", r, m.Member(0), phase, reason)
	}
	s.Budget.Steps = 1000
	m.Handle(at, Open{Change: &Change{Spec: s, Paths: []string{"budget.steps"}}})
	if state := m.Member(0).State; state != StateDone {
		t.Errorf("with a larger budget, it is %s", state)
	}
}

func TestADivergedMemberIsNotDone(t *testing.T) {
	s := spec(1)
	s.Retries = 0
	m, _, _ := counting(t, s)
	a, _ := m.Handle(100, Ask{Worker: "w"})
	m.Handle(100, Report{
		Lease: a.Task.Lease, Segment: a.Task.Segment, Score: pbt.Score(math.NaN()), Done: true, Checkpoint: Checkpoint{ID: a.Task.Save, Bytes: 1},
	})
	if state := m.Member(0).State; state != StateWaiting {
		t.Errorf("it is %s", state)
	}
}

func TestPatienceEndsARunWithoutANewBest(t *testing.T) {
	s := spec(2)
	s.Budget = pbt.Budget{Patience: 40}
	m, _, train := counting(t, s)
	for _, score := range []pbt.Score{1, 1, 1, 2, 1, 2, 0} {
		train(score, 10)
	}
	if phase, _ := m.Phase(); phase != PhaseRunning {
		t.Fatalf("30 steps after the best, it is %s", phase)
	}
	train(2, 10)
	if phase, reason := m.Phase(); phase != PhaseEnded || !strings.Contains(reason, "budget.patience is 40") {
		t.Errorf("it is %s: %s", phase, reason)
	}
	if err := (pbt.Budget{Patience: -1, Steps: 1}).Validate(); err == nil {
		t.Error("negative patience")
	}
}
