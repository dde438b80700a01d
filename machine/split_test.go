package machine

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// followingSpec is a run along a schedule, drawn from a seed: stages begin anywhere.
func followingSpec(r *pbt.Rand) (Spec, pbt.Follow) {
	s := spec(1 + r.IntN(4))
	s.Retries, s.Policy.Ready = 0, pbt.Every{Steps: int64(r.IntN(2)) * 10, BurnIn: int64(r.IntN(30))}
	s.Space = pbt.MustSpace(pbt.Uniform("lr", 0, 100))
	s.Segment, s.Budget = int64(1+r.IntN(12)), pbt.Budget{Steps: int64(20 + r.IntN(40))}
	if r.IntN(3) == 0 {
		s.Budget.Total = s.Budget.Steps * 2
	}
	var f pbt.Follow
	for from := int64(0); from < 70; from += int64(1 + r.IntN(20)) {
		f.Stages = append(f.Stages, pbt.Stage{From: from, Hypers: pbt.MakeHypers("lr", pbt.Float(float64(from)+0.5))})
	}
	s.Policy.Explore, s.Policy.Exploit, s.Policy.MinScored = f, pbt.NoExploit{}, 1
	if r.IntN(2) == 0 {
		s.Policy.Exploit = pbt.Truncation{Fraction: 0.5}
	}
	switch r.IntN(3) {
	case 0:
		s.Policy.Repair = pbt.RepairRestart
	case 1:
		s.Policy.Repair = pbt.RepairNone
	}
	if r.IntN(2) == 0 {
		s.Policy.Barrier = &pbt.Barrier{Quorum: 0.5 * float64(1+r.IntN(2)), Deadline: time.Duration(r.IntN(2)) * 20}
	}
	return s, f
}

// Each step of each member is trained with what the schedule has for it: at step 0, after
// a copy, after a restart, behind a barrier, and where a stage begins within a segment.
func TestAScheduleIsFollowedAtEveryStep(t *testing.T) {
	splits, restarts, copies := 0, int64(0), int64(0)
	for seed := range uint64(300) {
		r := pbt.NewRand(seed, 0, 0, "follow", "")
		s, f := followingSpec(r)
		m, err := New(s, nil)
		if err != nil {
			t.Fatal(err)
		}
		var events []Event
		now := int64(0)
		handle := func(in Input) Answer {
			now += int64(1 + r.IntN(10))
			a, out := m.Handle(now, in)
			events = append(events, out...)
			return a
		}
		handle(Start{})
		handle(Open{})
		var held []Task
		for range 5000 {
			if a := handle(Ask{Worker: "w"}); a.Task != nil {
				task := *a.Task
				next, more := f.Next(task.From)
				switch {
				case !task.Hypers.Equal(f.At(task.From)):
					t.Fatalf("seed %d: at step %d it trains with %s, want %s", seed, task.From, task.Hypers, f.At(task.From))
				case more && task.From+task.Steps > next:
					t.Fatalf("seed %d: from step %d it trains %d steps, and a stage begins at %d", seed, task.From, task.Steps, next)
				case task.Steps < s.Segment && more && task.From+task.Steps == next:
					splits++
				}
				held = append(held, task)
			}
			if len(held) == 0 || r.IntN(3) == 0 {
				if phase, _ := m.Phase(); phase != PhaseRunning {
					break
				}
				if len(held) == 0 {
					continue
				}
			}
			k := r.IntN(len(held))
			task := held[k]
			held = append(held[:k], held[k+1:]...)
			score := r.Float64()
			if r.IntN(15) == 0 {
				score = math.NaN()
			}
			handle(Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: pbt.Score(score), Checkpoint: Checkpoint{ID: task.Save, Bytes: 1}})
		}
		if phase, reason := m.Phase(); phase != PhaseEnded {
			t.Fatalf("seed %d: %s %s", seed, phase, reason)
		}
		for i := range m.Members() {
			if spent := m.Member(i).Spent; spent > s.Budget.Steps || spent < s.Budget.Steps && s.Budget.Total == 0 {
				t.Errorf("seed %d: member %d has trained %d steps of %d", seed, i, spent, s.Budget.Steps)
			}
		}
		again, _ := New(s, nil)
		for _, e := range events {
			if err := again.Apply(e); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if again.Fingerprint() != m.Fingerprint() {
			t.Fatalf("seed %d: replayed, the run is another", seed)
		}
		restarts, copies = restarts+m.counts.Restarts, copies+m.counts.Copies
	}
	if splits == 0 || restarts == 0 || copies == 0 {
		t.Errorf("%d splits, %d restarts, %d copies: something was not tried", splits, restarts, copies)
	}
}

// A stage that begins between two ready points moves none of them.
func TestASplitIsNoReadyPoint(t *testing.T) {
	s := spec(1)
	s.Budget.Steps, s.Policy.Ready, s.Policy.Exploit = 40, nil, pbt.NoExploit{}
	at := func(lr float64) pbt.Hypers {
		return pbt.MakeHypers("lr", pbt.Float(lr), "dropout", pbt.Float(0.1), "batch", pbt.Int(16))
	}
	s.Policy.Explore = pbt.Follow{Stages: []pbt.Stage{{From: 0, Hypers: at(1e-2)}, {From: 13, Hypers: at(1e-3)}, {From: 17, Hypers: at(1e-4)}}}
	m, err := New(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	var steps []int64
	var whys []pbt.Why
	for now := int64(2); ; now++ {
		a, _ := m.Handle(now, Ask{Worker: "w"})
		if a.Task == nil {
			break
		}
		steps = append(steps, a.Task.Steps)
		_, out := m.Handle(now, Report{Lease: a.Task.Lease, Segment: a.Task.Segment, Score: 1, Checkpoint: Checkpoint{ID: a.Task.Save}})
		for _, e := range out {
			if d, ok := e.Body.(*Decided); ok {
				whys = append(whys, d.Decision.Why)
			}
		}
	}
	wantSteps, wantWhys := []int64{10, 3, 4, 3, 10, 10}, []pbt.Why{pbt.WhyAlone, pbt.WhyNotReady, pbt.WhyNotReady, pbt.WhyAlone, pbt.WhyAlone}
	if !slices.Equal(steps, wantSteps) || !slices.Equal(whys, wantWhys) {
		t.Errorf("segments of %v steps, want %v; decided because %v, want %v", steps, wantSteps, whys, wantWhys)
	}
}
