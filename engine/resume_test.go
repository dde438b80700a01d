package engine

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// stopping is a script that stops the run when its n-th segment is being trained.
func stopping(stop context.CancelFunc, n int) script {
	var segments tally
	return func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		if segments.add("all") == n {
			stop()
			<-ctx.Done()
			return 0, ctx.Err()
		}
		return climb(ctx, s, theta)
	}
}

// interrupt makes or opens a run and stops it in the middle of its n-th segment.
func interrupt(t *testing.T, c Config, open func(Config) (*Engine, error), n int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	e, err := open(testAgain(c, stopping(stop, n)))
	if err != nil {
		t.Fatal(err)
	}
	phase, err := e.Run(ctx)
	if err != nil || phase != machine.PhaseRunning {
		t.Fatalf("%s: %v", phase, err)
	}
	check(t, c)
}

func TestAnInterruptedRunGoesOn(t *testing.T) {
	for _, slots := range []int{1, 3} {
		c := testConfig(t, testSpec(), slots, climb)
		interrupt(t, c, Create, 9)
		closed := bodies[*machine.Closed](t, c)
		if len(closed) != 1 || closed[0].Reason != "interrupted" {
			t.Errorf("closed: %v", closed)
		}
		m := mustResume(t, c)
		spentAll(t, m)
		check(t, c)
		n := m.Counts()
		if n.Failed != 0 || n.Lost < 1 || n.Lost > int64(slots) || n.Opens != 2 {
			t.Errorf("an interrupted attempt is lost, and nobody's fault: %+v", n)
		}
	}
}

// Stopped anywhere, any number of times, a run with one slot goes the same way.
func TestARestartAnywhereChangesNoDecision(t *testing.T) {
	spec := testSpec()
	whole := testConfig(t, spec, 1, climb)
	mustRun(t, whole)
	want := story(t, whole)
	for stops := 1; stops <= 8; stops++ {
		c := testConfig(t, spec, 1, climb)
		interrupt(t, c, Create, stops)
		for i := range 2 {
			interrupt(t, c, Open, 1+(stops*i)%5)
		}
		mustResume(t, c)
		have := story(t, c)
		if len(have.Tree) != len(want.Tree) {
			t.Fatalf("%d segments, %d without a stop", len(have.Tree), len(want.Tree))
		}
		for i := range want.Tree {
			a, b := &have.Tree[i], &want.Tree[i]
			if a.Member != b.Member || a.Parent != b.Parent || !a.Hypers.Equal(b.Hypers) || a.Say != b.Say || *a.Score != *b.Score {
				t.Errorf("segment %d: %+v\nwithout a stop: %+v", i+1, a, b)
			}
		}
		check(t, c)
	}
}

// What a trainer says when it is stopped is not held against it.
func TestATrainersLastWordsAreNoFailure(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	spec := testSpec()
	spec.Retries = 0
	var began tally
	c := testConfig(t, spec, 2, func(ctx context.Context, _ trainer.Segment, _ *float64) (float64, error) {
		if began.add("") == 2 {
			stop()
		}
		<-ctx.Done()
		return 0, errors.New("CUDA error: the driver is shutting down")
	})
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(ctx); err != nil || phase != machine.PhaseRunning {
		t.Fatal(phase, err)
	}
	if n := e.Machine().Counts(); n.Failed != 0 || n.Lost != 2 {
		t.Errorf("%+v", n)
	}
	m := mustResume(t, testAgain(c, climb))
	spentAll(t, m)
	if n := m.Counts(); n.Failed != 0 || n.Repairs+n.Restarts != 0 {
		t.Errorf("%+v", n)
	}
}

// The last outcome arrives while the run stops, and opens a barrier behind which the
// other slots are waiting: what it finished is recorded, and nobody gets new work.
func TestABarrierThatOpensWhileTheRunStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		spec := testSpec()
		spec.Population = 3
		spec.Policy.Barrier = &pbt.Barrier{}
		c := testConfig(t, spec, 3, nil)
		c.NewSlot = func(int) trainer.Slot {
			return stubborn(func(job trainer.Job) error {
				if job.Member == 1 {
					synctest.Wait() // the others have reported and wait for work
					stop()
					synctest.Wait() // and the run waits for this one
				}
				return nil
			})
		}
		e, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		if phase, err := e.Run(ctx); err != nil || phase != machine.PhaseRunning {
			t.Fatal(phase, err)
		}
		m := check(t, c)
		if n := m.Counts(); n.Finished != 3 || m.Waiting() != 3 || m.Running() != 0 {
			t.Errorf("%+v, %d waiting, %d running", n, m.Waiting(), m.Running())
		}
		c.NewSlot = func(int) trainer.Slot { return stubborn(func(trainer.Job) error { return nil }) }
		spentAll(t, mustResume(t, c))
		check(t, c)
	})
}

func TestARunHasOneOwner(t *testing.T) {
	c := testConfig(t, testSpec(), 1, climb)
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, take := range map[string]func(Config) (*Engine, error){"create": Create, "open": Open} {
		_, err := take(c)
		var owned *journal.OwnedError
		if !errors.As(err, &owned) || owned.Owner.PID != os.Getpid() || owned.Owner.Since.IsZero() {
			t.Errorf("%s: %v", name, err)
		}
	}
	spentAll(t, train(t, e, machine.PhaseEnded))
	check(t, c)
	if _, err := Create(c); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "pbt resume") {
		t.Error(err)
	}
	o, err := Open(c) // now it is free
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, c)
}

// Every sitting ends with a word, for those who follow the events: also one that is
// over before it began. About a run that has ended there is nothing more to say.
func TestASittingWithoutARun(t *testing.T) {
	c := testConfig(t, testSpec(), 1, climb)
	e, err := Create(c)
	for range 2 {
		if err == nil {
			err = e.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		e, err = Open(c)
	}
	if err != nil {
		t.Fatal(err)
	}
	train(t, e, machine.PhaseEnded)
	sittings := func() [2]int {
		return [2]int{len(bodies[*machine.Opened](t, c)), len(bodies[*machine.Closed](t, c))}
	}
	if n := sittings(); n != [2]int{3, 3} {
		t.Errorf("opened and closed: %v", n)
	}
	spentAll(t, mustResume(t, c))
	if e, err = Open(c); err == nil {
		err = e.Close()
	}
	if n := sittings(); n != [2]int{3, 3} || err != nil {
		t.Errorf("opened and closed: %v, %v", n, err)
	}
	check(t, c)
}

// A process that was killed between a run's end and its own leaves a journal that
// was not closed, and checkpoints that nobody needs.
func TestARunKilledAtItsVeryEnd(t *testing.T) {
	c := testConfig(t, testSpec(), 2, climb)
	c.journalFault = func(rows []journal.Row) error {
		if rows[0].Kind == string(machine.KindClosed) {
			return errBroken
		}
		return nil
	}
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(t.Context()); phase != machine.PhaseEnded || !errors.Is(err, errBroken) {
		t.Fatal(phase, err)
	}
	c.journalFault = nil
	spentAll(t, mustResume(t, c))
	check(t, c)
	if n := len(bodies[*machine.Closed](t, c)); n != 1 {
		t.Errorf("closed %d times", n)
	}
}

func TestARunKilledBeforeItsFirstEvent(t *testing.T) {
	c := testConfig(t, testSpec(), 1, climb)
	j, err := journal.Create(filepath.Join(c.Dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(c); err == nil || !strings.Contains(err.Error(), "pbt run FILE --dir") {
		t.Errorf("open says %v", err)
	}
	spentAll(t, mustRun(t, c))
	check(t, c)
}

func TestWhatAKilledProcessLeftIsSweptAway(t *testing.T) {
	c := testConfig(t, testSpec(), 2, climb)
	interrupt(t, c, Create, 7)
	dir := filepath.Join(c.Dir, CheckpointDir)
	store, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"s000000002-77", "s000000900-900", "whatever"} { // published, never reported
		staged, err := store.Stage(id)
		if err == nil {
			err = checkpointtest.Save(checkpoint.OS{}, staged, map[string]string{"theta": "1"})
		}
		if err == nil {
			_, err = store.Publish(staged, id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	half, err := store.Stage("s000000901-901")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(half, "theta"))
	for _, path := range []string{"checkpoints/.trash/s000000001-1.x-1/theta", ".creating-journal-123/journal.sqlite", "checkpoints/mine/notes"} {
		write(t, filepath.Join(c.Dir, path))
	}
	e, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "mine", "notes")); err != nil {
		t.Error("a directory of the user's own is left alone:", err)
	}
	if err := os.Remove(filepath.Join(dir, "mine")); err != nil {
		t.Error(err)
	}
	check(t, c)
}

// write writes a file, with its directories.
func write(t *testing.T, path string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o777)
	if err == nil {
		err = os.WriteFile(path, []byte("x"), 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A checkpoint that somebody has deleted fails the segment that needs it; the member
// is repaired from another, and the run goes on.
func TestAMissingCheckpointIsRepaired(t *testing.T) {
	spec := testSpec()
	spec.Policy.Exploit = pbt.Truncation{}
	c := testConfig(t, spec, 1, climb)
	interrupt(t, c, Create, 9)
	m := check(t, c)
	r, _ := m.Record(0)
	name, _ := m.NeedsCheckpoint(r.Segment)
	if err := os.RemoveAll(filepath.Join(c.Dir, CheckpointDir, name)); err != nil {
		t.Fatal(err)
	}
	m = mustResume(t, c)
	spentAll(t, m)
	failed := bodies[*machine.Failed](t, c)
	if n := m.Counts(); n.Repairs != 1 || !strings.Contains(failed[len(failed)-1].Error, "is missing") {
		t.Errorf("%+v; %+v", n, failed)
	}
}

// Law 2: a checkpoint is durable before its outcome is recorded, and what anybody is
// told is recorded before.
func TestNothingIsToldBeforeItIsRecorded(t *testing.T) {
	var c Config
	recorded := func(kind machine.Kind, segment int64) bool {
		j, err := journal.OpenReadOnly(filepath.Join(c.Dir, JournalFile))
		if err != nil {
			t.Error(err)
			return false
		}
		defer j.Close()
		found := false
		err = j.Read(0, func(r journal.Row) error {
			found = found || r.Kind == string(kind) && r.Segment == segment
			return nil
		})
		return err == nil && found
	}
	c = testConfig(t, testSpec(), 3, func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		if !recorded(machine.KindLeased, s.ID) {
			t.Errorf("segment %d is trained before its lease is recorded", s.ID)
		}
		return climb(ctx, s, theta)
	})
	var store *checkpoint.Store
	c.Observe = func(v View) {
		for _, e := range v.Events {
			f, ok := e.Body.(*machine.Finished)
			if !ok {
				continue
			}
			if !recorded(machine.KindFinished, f.Segment) {
				t.Errorf("segment %d is shown before it is recorded", f.Segment)
			}
			if store == nil {
				store, _ = checkpoint.OpenReadOnly(filepath.Join(c.Dir, CheckpointDir))
			}
			if err := store.Verify(f.Checkpoint.ID); err != nil {
				t.Errorf("segment %d: %v", f.Segment, err)
			}
		}
	}
	spentAll(t, mustRun(t, c))
}

func TestBudgets(t *testing.T) {
	target := pbt.Score(2)
	minute := func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		time.Sleep(time.Minute)
		return climb(ctx, s, theta)
	}
	for name, b := range map[string]pbt.Budget{
		"steps":             {Steps: 40},
		"uneven steps":      {Steps: 33},
		"total":             {Total: 150},
		"uneven total":      {Total: 123},
		"less than one all": {Total: 25},
		"wall":              {Wall: 15 * time.Minute},
		"target":            {Target: &target},
		"all of them":       {Steps: 400, Total: 2000, Wall: time.Hour, Target: &target},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := testSpec()
				spec.Budget = b
				c := testConfig(t, spec, 2, minute)
				start := time.Now()
				m := mustRun(t, c)
				took := time.Since(start)
				check(t, c)
				switch best, _ := m.Best(); {
				case b.Target != nil && (best.Score < target || took > time.Hour):
					t.Errorf("the best is %s after %s", best.Score, took)
				case b.Target == nil && b.Wall > 0 && (took < b.Wall || took > b.Wall+time.Minute):
					t.Errorf("it took %s", took)
				case b.Target == nil && b.Total > 0 && m.Spent() != b.Total:
					t.Errorf("%d steps of %d", m.Spent(), b.Total)
				case b.Target == nil && b.Steps > 0:
					spentAll(t, m)
				}
			})
		})
	}
}

func TestAFinishedRunTrainsOnWithALargerBudget(t *testing.T) {
	const more = 80
	unreachable := pbt.Score(math.MaxFloat64)
	for name, budgets := range map[string][2]pbt.Budget{
		"steps":  {{Steps: 40}, {Steps: more}},
		"total":  {{Total: 150}, {Steps: more}},
		"tiny":   {{Total: 25}, {Steps: more}},
		"wall":   {{Steps: more, Wall: 3 * time.Minute}, {Steps: more}},
		"target": {{Steps: more, Target: new(pbt.Score)}, {Steps: more, Target: &unreachable}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				spec := testSpec()
				spec.Budget = budgets[0]
				later := spec
				later.Budget = budgets[1]
				c := testConfig(t, spec, 2, func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
					time.Sleep(time.Minute)
					return climb(ctx, s, theta)
				})
				c.SpecOf = func(stored []byte) (machine.Spec, error) {
					if string(stored) == `{"later":true}` {
						return later, nil
					}
					return spec, nil
				}
				mustRun(t, c)
				finished := check(t, c).Counts().Finished
				time.Sleep(5 * time.Hour) // not at work
				c.Change = &machine.Change{Spec: later, Experiment: []byte(`{"later":true}`), Paths: []string{"budget"}}
				m := mustResume(t, c)
				if m.Counts().Finished <= finished {
					t.Error("nothing was trained")
				}
				spentAll(t, m)
				check(t, c)
				c.Change = nil
				if again := mustResume(t, c).Counts(); again.Finished != m.Counts().Finished {
					t.Errorf("opened once more, it trained on: %+v", again)
				}
				check(t, c)
			})
		})
	}
}

// The wall time counts sittings, not the time between them.
func TestAStopDoesNotUseUpTheWallTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := testSpec()
		spec.Budget = pbt.Budget{Wall: time.Hour}
		c := testConfig(t, spec, 2, nil)
		minute := func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
			time.Sleep(time.Minute)
			return climb(ctx, s, theta)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Minute)
		defer cancel()
		e, err := Create(testAgain(c, minute))
		if err != nil {
			t.Fatal(err)
		}
		if phase, err := e.Run(ctx); phase != machine.PhaseRunning || err != nil {
			t.Fatal(phase, err)
		}
		time.Sleep(5 * time.Hour)
		start := time.Now()
		mustResume(t, testAgain(c, minute))
		if took := time.Since(start); took < 18*time.Minute || took > 22*time.Minute {
			t.Errorf("40 minutes of an hour were used, and the rest took %s", took)
		}
		check(t, c)
	})
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	c := testConfig(t, testSpec(), 1, climb)
	interrupt(t, c, Create, 5)
	bad := testSpec()
	bad.Budget = pbt.Budget{}
	c.Change = &machine.Change{Spec: bad, Experiment: []byte(`{}`), Paths: []string{"budget"}}
	if _, err := Open(c); err == nil {
		t.Error("a run without a budget was opened")
	}
	c.Change = nil
	spentAll(t, mustResume(t, c))
	check(t, c)
	for _, slots := range []int{-1, 0, MaxSlots + 1} {
		c.Slots = slots
		if _, err := Open(c); err == nil {
			t.Errorf("%d slots", slots)
		}
	}
}

func TestMoreSlotsThanMembers(t *testing.T) {
	for _, members := range []int{1, 2, 3} {
		spec := testSpec()
		spec.Population = members
		c := testConfig(t, spec, 8, climb)
		m := mustRun(t, c)
		spentAll(t, m)
		check(t, c)
		if n := m.Counts().Finished; n != int64(4*members) {
			t.Errorf("%d segments", n)
		}
	}
}
