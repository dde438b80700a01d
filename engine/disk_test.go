package engine

import (
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// fullAt is a disk on which an operation on what is staged fails for want of space,
// as long as full says so.
func fullAt(full *atomic.Bool, call, suffix string) checkpoint.Option {
	return checkpoint.WithFS(checkpointtest.NewFault(checkpoint.OS{}, func(op checkpointtest.Op) error {
		if full.Load() && op.Call == call && strings.Contains(op.Path, ".staging") && strings.HasSuffix(op.Path, suffix) {
			return syscall.ENOSPC
		}
		return nil
	}))
}

func TestAFullDiskPausesTheRun(t *testing.T) {
	for _, at := range []struct{ call, suffix string }{
		{"mkdir", ""}, {"create", "manifest.json"}, {"write", "manifest.json"}, {"sync", "theta"}, {"rename", ""},
	} {
		t.Run(at.call, func(t *testing.T) {
			var full atomic.Bool
			c := testConfig(t, testSpec(), 2, climb)
			c.Disk = []checkpoint.Option{fullAt(&full, at.call, at.suffix)}
			c.Observe = func(v View) {
				if v.Machine.Counts().Finished >= 10 {
					full.Store(true)
				}
			}
			e, err := Create(c)
			if err != nil {
				t.Fatal(err)
			}
			m := train(t, e, machine.PhasePaused)
			_, reason := m.Phase()
			if !strings.Contains(reason, "the disk is full") || !strings.Contains(reason, "no space left") {
				t.Error(reason)
			}
			if n := m.Counts(); n.Failed != 0 || n.Finished < 10 {
				t.Errorf("a full disk is not the trainer's fault: %+v", n)
			}
			c.Disk, c.Observe = nil, nil // somebody has made room
			m = mustResume(t, c)
			spentAll(t, m)
			check(t, c)
			if n := m.Counts(); n.Failed != 0 || n.Repairs+n.Restarts != 0 {
				t.Errorf("%+v", n)
			}
		})
	}
}

// start takes a run wherever it is: not begun, begun, or ended.
func start(c Config) (*Engine, error) {
	e, err := Create(c)
	if errors.Is(err, ErrExists) {
		return Open(c)
	}
	return e, err
}

// smallRun is a run of four segments.
func smallRun(t *testing.T) Config {
	spec := testSpec()
	spec.Population, spec.Budget.Steps, spec.Retries = 2, 20, 1000
	return testConfig(t, spec, 1, climb)
}

// Whatever single operation of the checkpoints' disk fails, in whatever way, the run
// ends, pauses, or stops with an error; and goes on afterwards to its whole budget.
func TestAnyOperationOfTheDiskMayFail(t *testing.T) {
	counted := checkpointtest.NewFault(checkpoint.OS{}, nil)
	c := smallRun(t)
	c.Disk = []checkpoint.Option{checkpoint.WithFS(counted)}
	mustRun(t, c)
	ops := len(counted.Ops())
	t.Logf("%d operations", ops)
	for n := range ops {
		how, disk := "full", checkpointtest.FailAt(checkpoint.OS{}, n, syscall.ENOSPC)
		switch n % 3 {
		case 1:
			how, disk = "broken", checkpointtest.FailAt(checkpoint.OS{}, n, syscall.EIO)
		case 2:
			how, disk = "stopped", checkpointtest.StopAt(checkpoint.OS{}, n)
		}
		c := smallRun(t)
		c.Spec.FailureLimit = 3
		c.Disk = []checkpoint.Option{checkpoint.WithFS(disk)}
		if e, err := Create(c); err == nil {
			_, _ = e.Run(t.Context()) // any end is as good as another
		}
		c.Disk = nil
		e, err := start(c)
		if err != nil {
			t.Fatalf("operation %d (%s): %v", n, how, err)
		}
		spentAll(t, train(t, e, machine.PhaseEnded))
		check(t, c)
		if t.Failed() {
			t.Fatalf("after operation %d of the disk failed (%s)", n, how)
		}
	}
}

// A journal that cannot be written stops the run at any commit with nothing lost:
// what was recorded stays, and the run goes on from there.
func TestAJournalThatCannotBeWrittenStopsTheRun(t *testing.T) {
	for commit := 1; ; commit++ {
		c := smallRun(t)
		commits := 0
		var last int64
		c.journalFault = func(rows []journal.Row) error {
			if commits++; commits >= commit {
				return syscall.ENOSPC
			}
			last = rows[len(rows)-1].Seq
			return nil
		}
		e, err := Create(c)
		var phase machine.Phase
		if err == nil {
			phase, err = e.Run(t.Context())
		}
		if commits < commit {
			if err != nil || phase != machine.PhaseEnded {
				t.Fatal(phase, err)
			}
			t.Logf("%d commits", commits)
			return
		}
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free some space") || !strings.Contains(err.Error(), "pbt resume") {
			t.Fatal(err)
		}
		j, err := journal.OpenReadOnly(filepath.Join(c.Dir, JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		if have, err := j.Last(); have != last || err != nil {
			t.Fatalf("the journal ends at row %d (%v), recorded were %d", have, err, last)
		}
		j.Close()
		c.journalFault = nil
		if e, err = start(c); err != nil {
			t.Fatal(err)
		}
		spentAll(t, train(t, e, machine.PhaseEnded))
		check(t, c)
	}
}

func TestAJournalThatBreaksStopsTheRun(t *testing.T) {
	c := smallRun(t)
	commits := 0
	c.journalFault = func([]journal.Row) error {
		if commits++; commits > 6 {
			return syscall.EIO
		}
		return nil
	}
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context()); !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "every recorded outcome is safe") {
		t.Error(err)
	}
	c.journalFault = nil
	spentAll(t, mustResume(t, c))
	check(t, c)
}

// A checkpoint that cannot be deleted costs space and nothing else; it is told of.
func TestACheckpointThatCannotBeDeletedIsToldOf(t *testing.T) {
	c := testConfig(t, testSpec(), 2, climb)
	c.Disk = []checkpoint.Option{checkpoint.WithFS(checkpointtest.NewFault(checkpoint.OS{}, func(op checkpointtest.Op) error {
		if op.Call == "remove" && strings.Contains(op.Path, ".trash") {
			return syscall.EPERM
		}
		return nil
	}))}
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	phase, err := e.Run(t.Context())
	if phase != machine.PhaseEnded || !errors.Is(err, syscall.EPERM) {
		t.Errorf("%s: %v", phase, err)
	}
	spentAll(t, e.Machine())
	c.Disk = nil
	o, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, c)
}
