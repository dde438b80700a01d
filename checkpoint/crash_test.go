package checkpoint_test

import (
	"context"
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

	hashesOf = "hashes of " // in a ledger: those of a checkpoint

	atOnce = 16 // bytes: of the checkpoints here, only the small one is hashed at once
)

// ledger is what the callers of a store were told before the crash.
type ledger map[string]fate

type fate int

const (
	either  fate = iota // in the middle of it: whole or absent
	present             // Publish returned
	absent              // Delete returned
)

// lives run a store through all it does, on a disk that may stop it anywhere,
// and keep account of what it was told.
var lives = map[string]func(disk checkpoint.FS, told ledger) error{
	"small and hashed large":                smallLife,
	"large, copied before it is hashed too": largeLife,
}

func openAt(disk checkpoint.FS) (*checkpoint.Store, error) {
	return checkpoint.Open(home, checkpoint.WithFS(disk), checkpoint.WithHashAtOnce(atOnce))
}

var saves = map[string]files{
	"a": {"w": "weights of a", "d/opt": "1234", "d/e/": ""}, // 16 bytes
	"b": {"w": "weights of b, which is large", "d/opt": "1234", "d/e/": ""},
	"c": {"w": "never published"},
}

func live(s *checkpoint.Store, disk checkpoint.FS, told ledger, ids ...string) error {
	for _, id := range ids {
		staged, err := s.Stage(id)
		if err != nil {
			return err
		}
		if err := checkpointtest.Save(disk, staged, saves[id]); err != nil {
			return err
		}
		if id == "c" {
			if err := s.Discard(staged); err != nil {
				return err
			}
			continue
		}
		if err := told.during(id, present, func() error { _, err := s.Publish(staged, id); return err }); err != nil {
			return err
		}
	}
	return nil
}

// during notes that anything may be until do returns.
func (told ledger) during(what string, then fate, do func() error) error {
	told[what] = either
	err := do()
	if err == nil {
		told[what] = then
	}
	return err
}

func (told ledger) hash(s *checkpoint.Store, id string) error {
	return told.during(hashesOf+id, present, func() error { _, err := s.Hash(context.Background(), id); return err })
}

func smallLife(disk checkpoint.FS, told ledger) error {
	s, err := openAt(disk)
	if err != nil {
		return err
	}
	if err := live(s, disk, told, "a", "b", "c"); err != nil {
		return err
	}
	if err := told.during("a", absent, func() error { return s.Delete("a") }); err != nil {
		return err
	}
	if err := told.hash(s, "b"); err != nil {
		return err
	}
	return told.during(best, present, func() error { return s.Copy("b", best) })
}

func largeLife(disk checkpoint.FS, told ledger) error {
	s, err := openAt(disk)
	if err != nil {
		return err
	}
	if err := live(s, disk, told, "b"); err != nil {
		return err
	}
	if err := told.during(best, present, func() error { return s.Copy("b", best) }); err != nil {
		return err
	}
	if err := told.hash(s, "b"); err != nil {
		return err
	}
	return told.during("b", absent, func() error { return s.Delete("b") })
}

// inspect opens the disk after a crash and compares it with what was told.
func inspect(disk checkpoint.FS, told ledger) error {
	s, err := openAt(disk)
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
	whole, err := agrees(around, "best", told[best])
	if err != nil {
		return err
	}
	if whole {
		if found, err := around.Examine("best"); err != nil || !found.Hashed {
			return fmt.Errorf("the copy is not hashed: %+v, %v", found, err)
		}
	}
	if err := hashTheRest(s, told); err != nil {
		return err
	}
	if ids, err := s.List(); err != nil || !slices.Equal(ids, want) {
		return fmt.Errorf("List = %v, %v, want %v", ids, err, want)
	}
	return nil
}

// hashTheRest goes on with the hashing after a crash.
func hashTheRest(s *checkpoint.Store, told ledger) error {
	waiting, err := s.Unhashed()
	if err != nil {
		return err
	}
	for _, id := range waiting {
		if told[hashesOf+id] == present {
			return fmt.Errorf("the hashes of %s were kept and are gone", id)
		}
		if err := s.Unchanged(id); err != nil {
			return err
		}
		if _, err := s.Hash(context.Background(), id); err != nil {
			return err
		}
		found, err := s.Examine(id)
		if err != nil {
			return err
		}
		if !found.Hashed {
			return fmt.Errorf("%s is not hashed after Hash", id)
		}
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

func eachLife(t *testing.T, test func(t *testing.T, life func(checkpoint.FS, ledger) error)) {
	for name, life := range lives {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, life) })
	}
}

func TestCrashAtEveryOperation(t *testing.T) {
	eachLife(t, func(t *testing.T, life func(checkpoint.FS, ledger) error) {
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
	})
}

// idle says that a disk would be the same had it stopped one operation later.
func idle(stopped *checkpointtest.Fault, at int) bool {
	ops := stopped.Ops()
	return at < len(ops) && !ops[at].Writes() && ops[at].Call != "sync"
}

// A crash, a restart that crashes too, at any operation, and then a power cut.
func TestCrashWhileOpeningAfterACrash(t *testing.T) {
	eachLife(t, func(t *testing.T, life func(checkpoint.FS, ledger) error) {
		for stop := 0; ; stop++ {
			told := ledger{}
			first := checkpointtest.StopAt(checkpointtest.NewMem(), stop)
			err := life(first, told)
			if err != nil && !errors.Is(err, checkpointtest.ErrStopped) {
				t.Fatalf("stopped before operation %d: %v", stop, err)
			}
			if len(told) == 0 || idle(first, stop) {
				continue // see makeDirs: its own crash test is above
			}
			for again := 0; ; again++ {
				disk := checkpointtest.NewMem()
				_ = life(checkpointtest.StopAt(disk, stop), ledger{})
				restarted := checkpointtest.StopAt(disk, again)
				s, err := openAt(restarted)
				if err == nil {
					err = hashTheRest(s, told)
				}
				if idle(restarted, again) {
					continue
				}
				for how, left := range aftermaths(disk, 3) {
					if bad := inspect(left, told); bad != nil {
						t.Errorf("stopped at %d, restart stopped at %d, %s: %v", stop, again, how, bad)
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
	})
}

// Each fsync costs a user milliseconds, so each must earn them: on a disk that
// skips it, some crash breaks a promise. This is also the crash test's own test.
func TestEveryFsyncIsNeeded(t *testing.T) {
	eachLife(t, everyFsyncIsNeeded)
}

func everyFsyncIsNeeded(t *testing.T, life func(checkpoint.FS, ledger) error) {
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

// What Publish costs: n files, d directories: n+d+3 fsyncs, and a look at each
// file and at what holds them; a large file is looked at twice, and not read.
func TestOperationsOfOnePublish(t *testing.T) {
	one, more := files{"w": "1"}, files{"w": "1", "d/x": "2", "d/y": "3", "e/": ""}
	for _, c := range []struct {
		saved        files
		atOnce       int64
		syncs, looks int
		reads        bool
	}{
		{one, atOnce, 4, 1 + 1, true},
		{more, atOnce, 3 + 1 + 3, 1 + 3, true},
		{one, 0, 4, 1 + 2 + 1, false},
		{more, 2, 3 + 1 + 3, 1 + 2*3 + 1, false},
	} {
		mem := checkpointtest.NewMem()
		disk := checkpointtest.NewFault(mem, nil)
		s := open(t, "/c", checkpoint.WithFS(disk), checkpoint.WithHashAtOnce(c.atOnce))
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
		got := map[string]int{}
		for _, op := range disk.Ops()[before:] {
			got[op.Call]++
		}
		if got["sync"] != c.syncs || got["lstat"] != c.looks || (got["read"] > 0) != c.reads {
			t.Errorf("Publish of %v, %d bytes at once: %v, want %+v", c.saved, c.atOnce, got, c)
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
	for _, atOnce := range []int64{checkpoint.HashAtOnce, 0} {
		t.Run(fmt.Sprint(atOnce), func(t *testing.T) { fullDiskAtEveryOperationOfPublish(t, atOnce) })
	}
}

func fullDiskAtEveryOperationOfPublish(t *testing.T, atOnce int64) {
	brokenAt(t, syscall.ENOSPC, func(t *testing.T, disk *checkpointtest.Fault, home string, n int) {
		s, err := checkpoint.Open(home, checkpoint.WithFS(disk), checkpoint.WithHashAtOnce(atOnce))
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
	for _, atOnce := range []int64{checkpoint.HashAtOnce, 0} {
		t.Run(fmt.Sprint(atOnce), func(t *testing.T) { fullDiskAtEveryOperationOfCopy(t, atOnce) })
	}
}

func fullDiskAtEveryOperationOfCopy(t *testing.T, atOnce int64) {
	brokenAt(t, syscall.EDQUOT, func(t *testing.T, disk *checkpointtest.Fault, home string, _ int) {
		s, err := checkpoint.Open(home+"/store", checkpoint.WithFS(disk), checkpoint.WithHashAtOnce(atOnce))
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

func TestFullDiskAtEveryOperationOfHash(t *testing.T) {
	brokenAt(t, syscall.ENOSPC, func(t *testing.T, disk *checkpointtest.Fault, home string, _ int) {
		s, err := checkpoint.Open(home, checkpoint.WithFS(disk), checkpoint.WithHashAtOnce(-1))
		if err != nil {
			return
		}
		staged, err := s.Stage("s1")
		if err == nil {
			err = checkpointtest.Save(disk, staged, files{"w": "1", "d/x": "2"})
		}
		if err == nil {
			_, err = s.Publish(staged, "s1")
		}
		if err != nil {
			return
		}
		first, err := s.Hash(t.Context(), "s1")
		if err != nil {
			wantErr(t, err, syscall.ENOSPC, "hash s1")
			if !checkpoint.IsDiskFull(err) || errors.Is(err, checkpoint.ErrChanged) {
				t.Errorf("not recognised as a full disk: %v", err)
			}
			if found, err := s.Examine("s1"); err != nil || found.Hashed {
				t.Errorf("after a Hash that failed: %+v, %v", found, err)
			}
		}
		again, err2 := s.Hash(t.Context(), "s1")
		if err2 != nil && err != nil || err == nil && err2 == nil && first != again {
			t.Errorf("a second Hash: %s, %v; the first gave %s", again, err2, first)
		}
		if found, err := s.Examine("s1"); err != nil && !errors.Is(err, syscall.ENOSPC) || err == nil && !found.Hashed {
			t.Errorf("after the second Hash: %+v, %v", found, err)
		}
		consistent(t, s, disk, home, "s1")
	})
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
