package checkpoint_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

const (
	runs = "/runs" // does not exist at first: making it last is Open's business
	home = "/runs/r1/checkpoints"
	best = "/runs/best"
)

// ledger is what the callers of a store were told before the crash.
type ledger map[string]fate

type fate int

const (
	either  fate = iota // in the middle of it: whole or absent
	present             // Publish returned
	absent              // Delete returned
)

// life runs a store through all it does, on a disk that may stop it anywhere,
// and keeps account of what it was told.
func life(disk checkpoint.FS, told ledger) error {
	s, err := checkpoint.Open(home, checkpoint.WithFS(disk))
	if err != nil {
		return err
	}
	for _, id := range []string{"a", "b", "c"} {
		staged, err := s.Stage(id)
		if err != nil {
			return err
		}
		if err := checkpointtest.Save(disk, staged, files{"w": "weights of " + id, "d/opt": "1234", "d/e/": ""}); err != nil {
			return err
		}
		if id == "c" {
			if err := s.Discard(staged); err != nil {
				return err
			}
			continue
		}
		told[id] = either
		if _, err := s.Publish(staged, id); err != nil {
			return err
		}
		told[id] = present
	}
	told["a"] = either
	if err := s.Delete("a"); err != nil {
		return err
	}
	told["a"] = absent
	told[best] = either
	if err := s.Copy("b", best); err != nil {
		return err
	}
	told[best] = present
	return nil
}

// inspect opens the disk after a crash and compares it with what was told.
func inspect(disk checkpoint.FS, told ledger) error {
	s, err := checkpoint.Open(home, checkpoint.WithFS(disk))
	if err != nil {
		return err
	}
	for _, dir := range []string{home + "/.staging", home + "/.trash"} {
		if left, err := disk.ReadDir(dir); err != nil || len(left) > 0 {
			return fmt.Errorf("%s holds %v (%v) after Open", dir, left, err)
		}
	}
	around, err := checkpoint.OpenReadOnly(runs, checkpoint.WithFS(disk))
	if err != nil {
		return err
	}
	var want []string
	for _, id := range []string{"a", "b", "c"} {
		whole, err := agrees(s, id, told[id])
		if err != nil {
			return err
		}
		if whole {
			want = append(want, id)
		}
	}
	if _, err := agrees(around, "best", told[best]); err != nil {
		return err
	}
	if ids, err := s.List(); err != nil || !slices.Equal(ids, want) {
		return fmt.Errorf("List = %v, %v, want %v", ids, err, want)
	}
	return nil
}

// agrees says whether the checkpoint is there, or why that cannot be.
func agrees(s *checkpoint.Store, id string, told fate) (whole bool, err error) {
	switch err := s.Verify(id); {
	case err == nil && told == absent:
		return true, fmt.Errorf("%s was deleted and is there", id)
	case err == nil:
		return true, nil
	case !errors.Is(err, checkpoint.ErrMissing):
		return false, err
	case told == present:
		return false, fmt.Errorf("%s was published and is gone", id)
	case s.Has(id):
		return false, fmt.Errorf("Has %s, and Verify says it is missing", id)
	}
	return false, nil
}

// aftermaths are the disks that may be found after a crash: the process killed,
// power lost with nothing unsynced kept, and power lost with luck of any kind.
func aftermaths(disk *checkpointtest.Mem, seeds uint64) func(yield func(string, *checkpointtest.Mem) bool) {
	return func(yield func(string, *checkpointtest.Mem) bool) {
		if !yield("power lost", disk.Crash(nil)) {
			return
		}
		for seed := range seeds {
			if !yield(fmt.Sprintf("power lost, seed %d", seed), disk.Crash(rand.New(rand.NewPCG(seed, 0)))) {
				return
			}
		}
		yield("process killed", disk) // last, as inspecting it changes it
	}
}

func TestCrashAtEveryOperation(t *testing.T) {
	for stop := 0; ; stop++ {
		disk := checkpointtest.NewMem()
		told := ledger{}
		fault := checkpointtest.StopAt(disk, stop)
		err := life(fault, told)
		if err != nil && !errors.Is(err, checkpointtest.ErrStopped) {
			t.Fatalf("stopped before operation %d: %v", stop, err)
		}
		for how, left := range aftermaths(disk, 10) {
			if bad := inspect(left, told); bad != nil {
				ops := fault.Ops()
				t.Errorf("stopped at %v, %s: %v", ops[min(stop, len(ops)-1)], how, bad)
			}
		}
		if err == nil {
			t.Logf("%d operations", stop)
			return
		}
	}
}

// A crash, a restart that crashes too, at any operation, and then a power cut.
func TestCrashWhileOpeningAfterACrash(t *testing.T) {
	for stop := 0; ; stop++ {
		told := ledger{}
		err := life(checkpointtest.StopAt(checkpointtest.NewMem(), stop), told)
		if err != nil && !errors.Is(err, checkpointtest.ErrStopped) {
			t.Fatalf("stopped before operation %d: %v", stop, err)
		}
		if len(told) == 0 {
			continue // see makeDirs: its own crash test is above
		}
		for again := 0; ; again++ {
			disk := checkpointtest.NewMem()
			_ = life(checkpointtest.StopAt(disk, stop), ledger{})
			_, err := checkpoint.Open(home, checkpoint.WithFS(checkpointtest.StopAt(disk, again)))
			for how, left := range aftermaths(disk, 3) {
				if bad := inspect(left, told); bad != nil {
					t.Errorf("stopped at %d, Open stopped at %d, %s: %v", stop, again, how, bad)
				}
			}
			if err == nil {
				break
			}
			if !errors.Is(err, checkpointtest.ErrStopped) {
				t.Fatal(err)
			}
		}
		if err == nil {
			return
		}
	}
}

// Each fsync costs a user milliseconds, so each must earn them: on a disk that
// skips it, some crash breaks a promise. This is also the crash test's own test.
func TestEveryFsyncIsNeeded(t *testing.T) {
	record := checkpointtest.NewFault(checkpointtest.NewMem(), nil)
	if err := life(record, ledger{}); err != nil {
		t.Fatal(err)
	}
	ops := record.Ops()
	breaks := func(skip, stop int) bool {
		disk := checkpointtest.NewMem()
		told := ledger{}
		_ = life(checkpointtest.NewFault(disk, func(op checkpointtest.Op) error {
			switch {
			case op.N == skip:
				return checkpointtest.ErrPretend
			case op.N >= stop:
				return checkpointtest.ErrStopped
			}
			return nil
		}), told)
		for _, left := range aftermaths(disk, 20) {
			if inspect(left, told) != nil {
				return true
			}
		}
		return false
	}
	for _, op := range ops {
		if op.Call != "sync" {
			continue
		}
		needed := false
		for stop := op.N + 1; stop <= len(ops) && !needed; stop++ {
			needed = breaks(op.N, stop)
		}
		if !needed {
			t.Errorf("nothing is lost without %v", op)
		}
	}
}

func TestFsyncsOfOnePublish(t *testing.T) {
	for _, c := range []struct {
		saved files
		want  int
	}{
		{files{"w": "1"}, 4},
		{files{"w": "1", "d/x": "2", "d/y": "3", "e/": ""}, 3 + 1 + 3},
	} {
		mem := checkpointtest.NewMem()
		disk := checkpointtest.NewFault(mem, nil)
		s := open(t, "/c", checkpoint.WithFS(disk))
		staged, err := s.Stage("s1")
		if err == nil {
			err = checkpointtest.Save(mem, staged, c.saved)
		}
		before := len(disk.Ops())
		if err == nil {
			_, err = s.Publish(staged, "s1")
		}
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, op := range disk.Ops()[before:] {
			if op.Call == "sync" {
				got++
			}
			if op.Call == "lstat" {
				t.Errorf("Publish does not need %v", op)
			}
		}
		if got != c.want {
			t.Errorf("Publish of %v: %d fsyncs, want %d", c.saved, got, c.want)
		}
	}
}

// brokenAt runs do with one operation after another failing, number n, until one
// run comes through without meeting its failure.
func brokenAt(t *testing.T, fail error, do func(t *testing.T, disk *checkpointtest.Fault, home string, n int)) {
	t.Helper()
	for name, under := range map[string]func(*testing.T) (checkpoint.FS, string){
		"Mem": func(*testing.T) (checkpoint.FS, string) { return checkpointtest.NewMem(), "/c" },
		"OS":  func(t *testing.T) (checkpoint.FS, string) { return checkpoint.OS{}, t.TempDir() },
	} {
		t.Run(name, func(t *testing.T) {
			for n, met := 0, true; met && !t.Failed(); n++ {
				disk, home := under(t)
				fault := checkpointtest.FailAt(disk, n, fail)
				do(t, fault, home, n)
				met = len(fault.Ops()) > n
				if t.Failed() && met {
					t.Logf("with a failure of %v", fault.Ops()[n])
				}
			}
		})
	}
}

func TestFullDiskAtEveryOperationOfPublish(t *testing.T) {
	brokenAt(t, syscall.ENOSPC, func(t *testing.T, disk *checkpointtest.Fault, home string, n int) {
		s, err := checkpoint.Open(home, checkpoint.WithFS(disk))
		if err != nil {
			wantErr(t, err, syscall.ENOSPC, "open", home, "free space")
			return
		}
		staged, err := s.Stage("s1")
		if err != nil {
			wantErr(t, err, syscall.ENOSPC, "stage s1", "free space")
			return
		}
		if err := checkpointtest.Save(disk, staged, files{"w": "1", "d/x": "2"}); err != nil {
			return
		}
		if _, err = s.Publish(staged, "s1"); err != nil {
			wantErr(t, err, syscall.ENOSPC, "publish s1")
			if !checkpoint.IsDiskFull(err) || errors.Is(err, checkpoint.ErrRefused) {
				t.Errorf("not recognised as a full disk: %v", err)
			}
			if s.Has("s1") {
				t.Error("something is published")
			}
			// A user frees space: the same files go through, unless an fsync
			// failed and they are in doubt.
			_, err = s.Publish(staged, "s1")
			if disk.Ops()[n].Call == "sync" {
				wantErr(t, err, checkpoint.ErrRefused, "save again")
				err = s.Discard(staged)
				if err == nil {
					staged, err = s.Stage("s1")
				}
				if err == nil {
					err = checkpointtest.Save(disk, staged, files{"w": "1"})
				}
				if err == nil {
					_, err = s.Publish(staged, "s1")
				}
			}
			if err != nil {
				t.Errorf("after space was freed: %v", err)
			}
		}
		consistent(t, s, disk, home, "s1")
	})
}

func TestBrokenDiskAtEveryOperationOfDelete(t *testing.T) {
	brokenAt(t, syscall.EIO, func(t *testing.T, disk *checkpointtest.Fault, home string, _ int) {
		s, err := checkpoint.Open(home, checkpoint.WithFS(disk))
		if err != nil {
			return
		}
		for _, id := range []string{"gone", "stays"} {
			staged, err := s.Stage(id)
			if err == nil {
				err = checkpointtest.Save(disk, staged, files{"w": "1", "d/x": "2"})
			}
			if err == nil {
				_, err = s.Publish(staged, id)
			}
			if err != nil {
				return
			}
		}
		if err := s.Delete("gone"); err != nil {
			wantErr(t, err, syscall.EIO, "delete gone")
			if s.Has("gone") && s.Verify("gone") != nil {
				t.Error("half deleted under its id")
			}
			if err := s.Delete("gone"); err != nil {
				t.Errorf("a second Delete: %v", err)
			}
		}
		if s.Has("gone") {
			t.Error("deleted and there")
		}
		if s, err = checkpoint.Open(home, checkpoint.WithFS(disk)); err == nil {
			consistent(t, s, disk, home, "stays")
		}
	})
}

func TestFullDiskAtEveryOperationOfCopy(t *testing.T) {
	brokenAt(t, syscall.EDQUOT, func(t *testing.T, disk *checkpointtest.Fault, home string, _ int) {
		s, err := checkpoint.Open(home+"/store", checkpoint.WithFS(disk))
		if err != nil {
			return
		}
		staged, err := s.Stage("s1")
		if err == nil {
			err = checkpointtest.Save(disk, staged, files{"w": "1", "d/x": "2", "e/": ""})
		}
		if err == nil {
			_, err = s.Publish(staged, "s1")
		}
		if err != nil {
			return
		}
		to := home + "/best"
		if err := s.Copy("s1", to); err != nil {
			wantErr(t, err, syscall.EDQUOT, "copy", to)
			if !checkpoint.IsDiskFull(err) {
				t.Errorf("not recognised as a full disk: %v", err)
			}
			if left, err := disk.ReadDir(home); err != nil || len(left) != 1 {
				t.Errorf("the failed copy left %v (%v)", left, err)
			}
			if err := s.Copy("s1", to); err != nil {
				t.Errorf("a second Copy: %v", err)
			}
		}
		around, err := checkpoint.OpenReadOnly(home, checkpoint.WithFS(disk))
		if err == nil {
			err = around.Verify("best")
		}
		if err != nil && !errors.Is(err, syscall.EDQUOT) {
			t.Error(err)
		}
	})
}

// consistent checks that exactly this checkpoint is there, whole, and nothing
// temporary with it.
func consistent(t *testing.T, s *checkpoint.Store, disk checkpoint.FS, home, id string) {
	t.Helper()
	if err := s.Verify(id); err != nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	for _, dir := range []string{home + "/.staging", home + "/.trash"} {
		if left, err := disk.ReadDir(dir); err == nil && len(left) > 0 {
			t.Errorf("%s holds %v", dir, left)
		}
	}
	if ids, err := s.List(); err == nil && !slices.Equal(ids, []string{id}) {
		t.Errorf("List = %v", ids)
	}
}

func TestIsDiskFull(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOSPC: true, syscall.EDQUOT: true, fmt.Errorf("x: %w", syscall.ENOSPC): true,
		syscall.EIO: false, checkpoint.ErrRefused: false, nil: false,
	} {
		if checkpoint.IsDiskFull(err) != want {
			t.Errorf("IsDiskFull(%v) = %v", err, !want)
		}
	}
}
