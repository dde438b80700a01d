package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// lazySpec saves each fourth ready point; nobody copies.
func lazySpec() machine.Spec {
	spec := testSpec()
	spec.Budget.Steps, spec.SaveEvery, spec.Policy.Exploit = 120, 4, pbt.NoExploit{}
	return spec
}

// counted counts what trainers load and save.
type counted struct {
	scripted
	loads, saves *tally
}

func (c *counted) Save(dir string) error { c.saves.add("all"); return c.scripted.Save(dir) }
func (c *counted) Load(dir string) error { c.loads.add("all"); return c.scripted.Load(dir) }

func TestLazy_SavesAFewAndLoadsAsFew(t *testing.T) {
	var loads, saves tally
	c := testConfig(t, lazySpec(), 2, nil)
	c.NewSlot = func(int) trainer.Slot {
		return trainer.InProcess(func(seed uint64) (trainer.Trainer, error) {
			return &counted{scripted{script: climb, theta: unit(seed)}, &loads, &saves}, nil
		})
	}
	m := mustRun(t, c)
	spentAll(t, m)
	check(t, c)
	// Of 12 segments a member saves its first, two each fourth after that, and its last.
	if n := saves.n["all"]; n > 6*4 || n < 6*3 {
		t.Errorf("%d saves of 72 segments", n)
	}
	if n := loads.n["all"]; n > 6*4 {
		t.Errorf("%d loads of 72 segments: a worker should go on with what it holds", n)
	}
}

// A failure in the middle of an unsaved stretch falls back, and the run still ends
// with its whole budget, saved.
func TestLazy_AFailureFallsBackAndTheBudgetIsSpent(t *testing.T) {
	spec := lazySpec()
	failed := false
	c := testConfig(t, spec, 1, func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		if s.From == 40 && !failed {
			failed = true
			return 0, errBroken
		}
		return climb(ctx, s, theta)
	})
	m := mustRun(t, c)
	spentAll(t, m)
	check(t, c)
	if n := m.Counts(); n.RolledBack == 0 || n.Failed != 1 {
		t.Errorf("%+v: want a failure and what it rolled back", n)
	}
}

// draining is a slot that drains its run when it comes to a step, and waits until
// it has been told.
type draining struct {
	trainer.Slot
	at   int64
	tell func()
}

func (d *draining) Train(ctx context.Context, job trainer.Job) (trainer.Result, error) {
	if job.From == d.at && d.tell != nil {
		d.tell()
		d.tell = nil
		<-job.Stop
	}
	return d.Slot.Train(ctx, job)
}

// Drain lets the segments at work finish, and saves them.
func TestDrain_FinishesWhatIsAtWorkAndSavesIt(t *testing.T) {
	var e *Engine
	c := testConfig(t, lazySpec(), 1, climb)
	plain := c.NewSlot
	c.NewSlot = func(n int) trainer.Slot {
		return &draining{plain(n), 20, func() { e.Drain("preempted") }}
	}
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	phase, err := e.Run(t.Context())
	if err != nil || phase != machine.PhaseRunning {
		t.Fatalf("%s, %v", phase, err)
	}
	if n := e.Machine().Counts(); n.Lost != 0 || n.Finished == 0 {
		t.Errorf("%+v: want the segment at work finished, and nothing lost", n)
	}
	c.NewSlot = plain
	m := mustResume(t, c)
	spentAll(t, m)
	check(t, c)
	if n := m.Counts(); n.RolledBack != 0 {
		t.Errorf("%d segments were lost with the process, though there was time to save them", n.RolledBack)
	}
}

// What does not finish within the grace is given up, without blame.
func TestDrain_GivesUpWhatTakesLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e *Engine
		c := testConfig(t, testSpec(), 1, nil)
		c.NewSlot = func(int) trainer.Slot {
			return trainer.InProcess(script(func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
				e.Drain("preempted")
				<-ctx.Done()
				return 0, ctx.Err()
			}).fresh)
		}
		e, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := e.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < DefaultGrace || took > 2*DefaultGrace {
			t.Errorf("it stopped after %s, and the grace is %s", took, DefaultGrace)
		}
		if n := e.Machine().Counts(); n.Lost != 1 || n.Failed != 0 {
			t.Errorf("%+v: want one attempt lost, and none blamed", n)
		}
	})
}
