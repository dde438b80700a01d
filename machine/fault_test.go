package machine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// shop is a machine with one worker, whose trainer fails as a test says.
type shop struct {
	t      *testing.T
	m      *Machine
	now    int64
	events []Event
	tried  int // attempts, probes included
}

func newShop(t *testing.T, population int, change func(*Spec)) *shop {
	s := Spec{
		Population: population, Space: pbt.MustSpace(pbt.Uniform("lr", 0, 1)), Segment: 10, Budget: pbt.Budget{Steps: 40}, Seed: 3,
		Policy: pbt.Policy{Exploit: pbt.NoExploit{}},
	}
	if change != nil {
		change(&s)
	}
	m, err := New(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	shop := &shop{t: t, m: m}
	shop.do(Start{})
	shop.do(Open{})
	return shop
}

func (s *shop) do(in Input) Answer {
	s.now += int64(time.Millisecond)
	a, events := s.m.Handle(s.now, in)
	s.events = append(s.events, events...)
	return a
}

// attempt trains one segment; wrong says how it fails, "" for not at all.
func (s *shop) attempt(wrong func(task *Task) FailureKind) *Task {
	task := s.do(Ask{Worker: "w"}).Task
	if task == nil {
		return nil
	}
	s.tried++
	if kind := wrong(task); kind != "" {
		s.do(Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: kind, Error: "Traceback\n  line 3\nOSError: data set is not mounted"})
		return task
	}
	s.do(Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: pbt.Score(task.Seed % 1000), Checkpoint: Checkpoint{ID: task.Save, Bytes: 1}})
	return task
}

// train trains until the run ends or pauses.
func (s *shop) train(wrong func(task *Task) FailureKind) (Phase, string) {
	for range 1000 {
		if s.attempt(wrong) == nil {
			return s.m.Phase()
		}
	}
	s.t.Fatalf("the run does not end: %+v", s.m.Counts())
	return "", ""
}

func never1(*Task) FailureKind { return "" }

// decisions is what was decided, without the times.
func (s *shop) decisions() string {
	var b strings.Builder
	for _, e := range s.events {
		if d, ok := e.Body.(*Decided); ok {
			fmt.Fprintf(&b, "%d %d %d %s %s\n", d.Segment, d.Member, d.Parent, d.Decision.Action, d.Hypers)
		}
	}
	return b.String()
}

// An outage costs no member anything, whatever the population, without a retry and
// without anybody to copy. It pauses the run within a few attempts, each time that it
// is resumed too early.
func TestAnOutageChangesNoDecision(t *testing.T) {
	for _, population := range []int{1, 2, 8} {
		for _, exploit := range []pbt.Exploit{pbt.NoExploit{}, pbt.Truncation{Fraction: 0.5}} {
			for _, kind := range []FailureKind{FailError, FailPanic, FailTimeout, FailStart, FailMachine} {
				t.Run(fmt.Sprintf("%d-%s-%s", population, exploit.Name(), kind), func(t *testing.T) {
					spec := func(s *Spec) { s.Policy.Exploit = exploit }
					calm, hit := newShop(t, population, spec), newShop(t, population, spec)
					calm.train(never1)
					for range population { // something has finished
						hit.attempt(never1)
					}
					for range 3 {
						before := hit.tried
						phase, reason := hit.train(func(*Task) FailureKind { return kind })
						if n := hit.tried - before; phase != PhasePaused || n > doubtAfter+1 || !strings.Contains(reason, "OSError: data set is not mounted") || strings.Contains(reason, "Traceback") {
							t.Fatalf("%s after %d attempts: %s", phase, n, reason)
						}
						hit.do(Open{})
					}
					if phase, reason := hit.train(never1); phase != PhaseEnded || reason != "every member has spent its budget" {
						t.Errorf("%s: %s", phase, reason)
					}
					if a, b := calm.decisions(), hit.decisions(); a != b {
						t.Errorf("without an outage\n%swith one\n%s", a, b)
					}
				})
			}
		}
	}
}

// A failure that follows one member while others succeed is that member's, even when it
// is the last one that trains: a probe shows that the machine works.
func TestAMembersOwnFailureIsConfirmed(t *testing.T) {
	for _, population := range []int{1, 2, 8} {
		for _, retries := range []int{0, 2} {
			t.Run(fmt.Sprintf("%d-%d", population, retries), func(t *testing.T) {
				s := newShop(t, population, func(s *Spec) { s.Retries = retries })
				bad := int64(0)
				phase, reason := s.train(func(task *Task) FailureKind {
					if task.Member == 0 && task.From == 20 && !task.Probe {
						bad = task.Segment
					}
					if task.Segment == bad && !task.Probe {
						return FailError
					}
					return ""
				})
				if v := s.m.Member(0); phase != PhaseEnded || v.State != StateFailed || v.Failures != int64(2*(retries+1)) || s.m.Failed() != 1 {
					t.Errorf("%s (%s): %+v", phase, reason, v)
				}
				s.do(Open{Revive: true})
				if phase, _ := s.train(never1); phase != PhaseEnded || s.m.Member(0).State != StateDone || s.m.Member(0).Spent != 40 {
					t.Errorf("revived: %s, %+v", phase, s.m.Member(0))
				}
			})
		}
	}
}

// A person's word is evidence, too.
func TestFailuresAreChargedWhereAPersonSaysSo(t *testing.T) {
	s := newShop(t, 1, nil)
	always := func(*Task) FailureKind { return FailError }
	if phase, _ := s.train(always); phase != PhasePaused || s.m.Member(0).State != StateWaiting {
		t.Fatalf("%s: %+v", phase, s.m.Member(0))
	}
	s.do(Open{Charge: true})
	if phase, _ := s.train(always); phase != PhaseEnded || s.m.Member(0).State != StateFailed {
		t.Errorf("%s: %+v", phase, s.m.Member(0))
	}
}

// Under on_fault: retry the run waits, longer each time, tries one segment, and says
// when the fault was noticed and that it is gone.
func TestARunTriesAgainByItself(t *testing.T) {
	s := newShop(t, 4, func(s *Spec) { s.OnFault = FaultRetry; s.Budget.Wall = time.Minute })
	for range 4 {
		s.attempt(never1)
	}
	broken := func(*Task) FailureKind { return FailError }
	s.train(broken)
	for wait := FirstBackOff; wait < 2*MaxBackOff; wait *= 2 {
		phase, _ := s.m.Phase()
		at, ok := s.m.NextDeadline()
		if d := time.Duration(at - s.now); phase != PhasePaused || s.m.PausedBy() != ByPolicy || !ok || d > min(wait, MaxBackOff) || d < min(wait, MaxBackOff)-time.Second {
			t.Fatalf("%s by %q for %s, want %s", phase, s.m.PausedBy(), time.Duration(at-s.now), wait)
		}
		s.now = at
		s.do(Tick{})
		if task := s.attempt(broken); task == nil || !task.Probe {
			t.Fatalf("after %s: %+v", wait, task)
		}
	}
	at, _ := s.m.NextDeadline()
	s.now = at
	if phase, _ := s.train(never1); phase != PhaseEnded { // the waits are not at the cost of the wall time
		t.Errorf("the run is %s", phase)
	}
	recovered := 0
	for _, e := range s.events {
		if r, ok := e.Body.(*Recovered); ok {
			recovered++
			if r.Since == 0 || r.Waits < 5 {
				t.Errorf("%+v", r)
			}
		}
	}
	if n := s.m.Counts(); recovered != 1 || n.Finished != 16 || s.m.Failed() != 0 {
		t.Errorf("recovered %d times: %+v", recovered, n)
	}
}

// A worker on which everything fails, while others finish, waits longer and longer.
func TestAWorkerThatFailsIsBenched(t *testing.T) {
	s := newShop(t, 12, nil)
	fail := func(w string) bool {
		task := s.do(Ask{Worker: w}).Task
		if task != nil {
			s.do(Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: FailError, Error: "no GPU"})
		}
		return task != nil
	}
	good := func() {
		task := s.do(Ask{Worker: "good"}).Task
		s.do(Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1, Checkpoint: Checkpoint{ID: task.Save, Bytes: 1}})
	}
	for range benchAfter {
		good()
		if !fail("bad") {
			t.Fatal("it gets nothing")
		}
	}
	good()
	a := s.do(Ask{Worker: "bad"})
	benched := s.m.Benched(s.now)
	if a.Task != nil || !a.Benched || len(benched) != 1 || benched[0].Worker != "bad" || benched[0].Failures != benchAfter {
		t.Errorf("%+v %+v", a, benched)
	}
	if at, ok := s.m.NextDeadline(); !ok || at > benched[0].Until {
		t.Errorf("the next deadline is %d, the worker waits until %d", at, benched[0].Until)
	}
	s.now = benched[0].Until
	s.do(Tick{})
	if !fail("bad") {
		t.Error("it still gets nothing")
	}
}
