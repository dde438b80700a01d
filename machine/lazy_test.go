package machine

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// lazyRun is a run of two members that save each third ready point, opened.
func lazyRun(t *testing.T, policy pbt.Policy, steps int64) *Machine {
	t.Helper()
	space, err := pbt.NewSpace(pbt.Uniform("x", 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := New(Spec{Population: 2, Space: space, Policy: policy, Segment: 10, Budget: pbt.Budget{Steps: steps}, Seed: 1, Retries: 1, SaveEvery: 3}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	return m
}

// do asks, scores, saves if that is wanted, and reports; it returns the task.
func do(t *testing.T, m *Machine, ask Ask, score pbt.Score) (task *Task, saved bool) {
	t.Helper()
	task = m.ask(max(1, m.now), ask).Task
	if task == nil {
		t.Fatalf("no task for %+v", ask)
	}
	saved = m.wantsSave(Scored{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: score})
	r := Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: score}
	if saved {
		r.Checkpoint = Checkpoint{ID: task.Save, Bytes: 1}
	}
	if a, _ := m.Handle(max(1, m.now), r); a.Refused != nil {
		t.Fatal(a.Refused)
	}
	return task, saved
}

func TestLazy_AWorkerGoesOnWithWhatItHolds(t *testing.T) {
	m := lazyRun(t, pbt.Policy{Exploit: pbt.NoExploit{}}, 100)
	first, saved := do(t, m, Ask{Worker: "w"}, 1)
	if !saved {
		t.Fatal("a member with nothing to fall back on was not saved")
	}
	// Saved, so the fair turn is the other member's.
	second, saved := do(t, m, Ask{Worker: "w", Holds: first.Segment, Member: first.Member}, 1)
	if !saved || second.Member == first.Member {
		t.Fatalf("member %d, saved %t", second.Member, saved)
	}
	third, saved := do(t, m, Ask{Worker: "w", Holds: second.Segment, Member: second.Member}, 1)
	if saved {
		t.Fatal("the first of three ready points was saved, and nobody may copy it")
	}
	// Unsaved: the other worker gets the other member, this one goes on in memory.
	if task := m.ask(1, Ask{Worker: "v"}).Task; task.Member == third.Member {
		t.Fatal("another worker was given weights that it does not have")
	}
	fourth, saved := do(t, m, Ask{Worker: "w", Holds: third.Segment, Member: third.Member}, 1)
	if fourth.Member != third.Member || fourth.Load != "" || fourth.Parent != third.Segment || saved {
		t.Fatalf("not the same member from memory: %+v, saved %t", fourth, saved)
	}
	fifth, saved := do(t, m, Ask{Worker: "w", Holds: fourth.Segment, Member: fourth.Member}, 1)
	if fifth.Member != third.Member || !saved {
		t.Fatalf("the third ready point of member %d was not saved (%t)", fifth.Member, saved)
	}
}

func TestLazy_WhenTheWorkerIsGoneTheMemberFallsBack(t *testing.T) {
	for name, lose := range map[string]func(m *Machine, held *Task){
		"the process lost it": func(m *Machine, held *Task) { m.Handle(1, Ask{Worker: "w"}) },
		"the engine died":     func(m *Machine, held *Task) { m.Handle(1, Open{}) },
		"the trainer failed": func(m *Machine, held *Task) {
			task := m.ask(1, Ask{Worker: "w", Holds: held.Segment}).Task
			m.Handle(1, Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: FailError, Error: "boom"})
		},
		"the run was closed": func(m *Machine, held *Task) {
			m.ask(1, Ask{Worker: "w", Holds: held.Segment})
			m.Handle(1, Close{Reason: "stop"})
			m.Handle(1, Open{})
		},
	} {
		m := lazyRun(t, pbt.Policy{Exploit: pbt.NoExploit{}}, 100)
		a, _ := do(t, m, Ask{Worker: "w"}, 1)
		other, _ := do(t, m, Ask{Worker: "w", Holds: a.Segment}, 1)
		base, _ := do(t, m, Ask{Worker: "w", Holds: other.Segment}, 2) // unsaved
		_ = base
		i := base.Member
		held, saved := do(t, m, Ask{Worker: "w", Holds: base.Segment}, 3)
		if saved || held.Member != i {
			t.Fatalf("%s: member %d saved %t", name, held.Member, saved)
		}
		before := m.members[i].base.record
		lose(m, held)
		mem := &m.members[i]
		r, _ := m.Record(i)
		if mem.held() || mem.spent != 10 || r.Segment != before.Segment || m.Counts().RolledBack != 2 {
			t.Errorf("%s: spent %d, record %d, want 10 and %d; %+v", name, mem.spent, r.Segment, before.Segment, m.Counts())
		}
		if mem.plan.parent != before.Segment || mem.careful != 3 {
			t.Errorf("%s: it starts from segment %d, want %d; careful %d", name, mem.plan.parent, before.Segment, mem.careful)
		}
		if name, kept := m.NeedsCheckpoint(before.Segment); !kept || name == "" {
			t.Error("the checkpoint it falls back on is given up")
		}
	}
}

func TestLazy_LikelyDonorsAndTheLastAreSaved(t *testing.T) {
	m := lazyRun(t, pbt.Policy{Exploit: pbt.Tournament{}, MinScored: 2}, 30)
	a, _ := do(t, m, Ask{Worker: "w"}, 5)
	b, _ := do(t, m, Ask{Worker: "v"}, 1)
	if a, saved := do(t, m, Ask{Worker: "w", Holds: a.Segment, Member: a.Member}, 6); !saved {
		t.Errorf("member %d leads, and is not saved", a.Member)
	}
	task := m.ask(1, Ask{Worker: "v", Holds: b.Segment, Member: b.Member}).Task
	ask := func(score pbt.Score) bool {
		return m.wantsSave(Scored{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: score})
	}
	if ask(0) || !ask(7) {
		t.Error("of two members, the worse need not be saved and the better must")
	}
	m.Handle(1, Pause{})
	if !ask(0) {
		t.Error("a run that stops saves what it has")
	}
}

// heldRun is a run in which the worker "w" holds a member's weights, and has been
// given the next segment from them.
func heldRun(t *testing.T, spec Spec) (m *Machine, task *Task) {
	t.Helper()
	m, err := New(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.Handle(1, Start{})
	m.Handle(1, Open{})
	a, _ := do(t, m, Ask{Worker: "w"}, 1)
	b, _ := do(t, m, Ask{Worker: "w", Holds: a.Segment}, 1)
	held, saved := do(t, m, Ask{Worker: "w", Holds: b.Segment}, 1)
	if saved {
		t.Fatalf("segment %d was saved", held.Segment)
	}
	return m, m.ask(1, Ask{Worker: "w", Holds: held.Segment}).Task
}

func heldSpec() Spec {
	return Spec{
		Population: 2, Space: pbt.MustSpace(pbt.Uniform("x", 0, 1)), Policy: pbt.Policy{Exploit: pbt.NoExploit{}},
		Segment: 10, Budget: pbt.Budget{Steps: 100}, Seed: 1, Retries: 1, SaveEvery: 3,
	}
}

// A worker whose answer was lost asked again, and the machine died of it.
func TestLazy_AWorkerThatAsksTwiceLosesNothing(t *testing.T) {
	m, task := heldRun(t, heldSpec())
	for _, holds := range []int64{task.Parent, 0, 99} {
		m.Handle(1, Ask{Worker: "w", Holds: holds})
		if !m.Live(task.Member, task.Lease) || !m.members[task.Member].held() {
			t.Fatalf("it asks, and holds segment %d: the lease is live: %t, the member held: %t", holds, m.Live(task.Member, task.Lease), m.members[task.Member].held())
		}
	}
}

// A worker that never came back kept the members that it held waiting for ever.
func TestLazy_NobodyWaitsForEverForAWorker(t *testing.T) {
	for name, set := range map[string]func(*Spec){
		"timeout": func(s *Spec) { s.Timeout = 100 },
		"silence": func(s *Spec) { s.Silence = 100 },
	} {
		spec := heldSpec()
		set(&spec)
		m, task := heldRun(t, spec)
		m.Handle(50, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1}) // unsaved: it waits for its worker
		i := task.Member
		if m.Waiting() != 2 {
			t.Errorf("%s: %d members wait, want both", name, m.Waiting())
		}
		if at, ok := m.NextDeadline(); !ok || at > 150 {
			t.Errorf("%s: the next deadline is %d (%t)", name, at, ok)
		}
		if m.Handle(149, Tick{}); !m.members[i].held() {
			t.Errorf("%s: the wait ends early", name)
		}
		if m.Handle(150, Tick{}); m.members[i].held() || m.members[i].state != StateWaiting || !m.queue.has(i) {
			t.Errorf("%s: member %d waits for a worker that is gone", name, i)
		}
	}
}

// A member whose last segment was not saved, though it should have been, or because
// others have spent the rest of the budget since, ended with weights that were gone.
func TestLazy_WhoIsDoneIsSaved(t *testing.T) {
	spec := heldSpec()
	spec.Budget.Steps, spec.SaveEvery = 30, 10
	m, task := heldRun(t, spec)
	i := task.Member
	m.Handle(1, Report{Lease: task.Lease, Segment: task.Segment, Member: i, Score: 1}) // its last, and not saved
	mem := &m.members[i]
	if mem.state != StateWaiting || mem.spent != 10 || mem.held() {
		t.Fatalf("member %d is %s, %d spent, held: %t", i, mem.state, mem.spent, mem.held())
	}
	holds := int64(0)
	for range 4 {
		task, _ := do(t, m, Ask{Worker: "w", Holds: holds}, 1)
		holds = task.Segment
	}
	if phase, why := m.Phase(); phase != PhaseEnded || m.spent != 60 {
		t.Errorf("the run is %s (%s), %d spent", phase, why, m.spent)
	}
	for i := range m.members {
		if r, _ := m.Record(i); !r.Saved {
			t.Errorf("member %d ends with weights that are not saved", i)
		}
	}
}

// A worker that never saved what it was told to trained on and on at the risk of losing it all.
func TestLazy_TheLastOfSoManyMustBeSaved(t *testing.T) {
	m, task := heldRun(t, heldSpec())
	for range 2 {
		m.Handle(1, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1})
		if next := m.ask(1, Ask{Worker: "w", Holds: task.Segment}).Task; next != nil {
			task = next
		}
	}
	if mem := &m.members[task.Member]; mem.failures != 1 || mem.held() {
		t.Errorf("the third in a row is taken without a checkpoint: %d failures, held: %t", mem.failures, mem.held())
	}
}

// A worker that held one member's weights and reported on another's, of two leases,
// kept the first waiting for ever.
func TestLazy_AWorkerHoldsOneMember(t *testing.T) {
	m, first := heldRun(t, heldSpec())
	second := m.ask(1, Ask{Worker: "w", Holds: first.Parent}).Task // a late question: it has a lease already
	m.Handle(1, Report{Lease: first.Lease, Segment: first.Segment, Member: first.Member, Score: 1})
	if !m.members[first.Member].held() {
		t.Fatal("not held")
	}
	m.Handle(1, Report{Lease: second.Lease, Segment: second.Segment, Member: second.Member, Score: 1})
	if m.members[first.Member].held() || !m.members[second.Member].held() || m.holders["w"] != second.Member {
		t.Errorf("held are member %d: %t, and member %d: %t", first.Member, m.members[first.Member].held(), second.Member, m.members[second.Member].held())
	}
}

// Bytes without a checkpoint were counted as kept.
func TestLazy_ACheckpointWithoutANameHasNoBytes(t *testing.T) {
	m, task := heldRun(t, heldSpec())
	before := m.CheckpointBytes()
	m.Handle(1, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1, Checkpoint: Checkpoint{Bytes: 1 << 40}})
	if m.CheckpointBytes() != before || m.members[task.Member].failures != 1 {
		t.Errorf("%d bytes are kept, %d before", m.CheckpointBytes(), before)
	}
}

func TestLazy_WithoutACheckpointOnlyWhereThatIsAllowed(t *testing.T) {
	m := lazyRun(t, pbt.Policy{}, 100)
	task := m.ask(1, Ask{Worker: "w"}).Task
	m.Handle(1, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: 1})
	if c := m.Counts(); c.Finished != 0 || c.Failed != 1 {
		t.Errorf("fresh weights without a checkpoint are taken for an outcome: %+v", c)
	}
}
