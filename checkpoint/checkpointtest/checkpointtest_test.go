package checkpointtest_test

import (
	"errors"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

func TestEveryDiskPassesTheExam(t *testing.T) {
	t.Run("OS", func(t *testing.T) { checkpointtest.TestFS(t, checkpoint.OS{}, t.TempDir()) })
	t.Run("Mem", func(t *testing.T) { checkpointtest.TestFS(t, checkpointtest.NewMem(), "/") })
	t.Run("Fault", func(t *testing.T) {
		checkpointtest.TestFS(t, checkpointtest.NewFault(checkpoint.OS{}, nil), t.TempDir())
	})
}

func read(t *testing.T, disk checkpoint.FS, path string) (string, error) {
	t.Helper()
	f, err := disk.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	return string(data), err
}

// The crash tests of package checkpoint are worth what Mem's crash is worth.
func TestMemLosesWhatWasNotSynced(t *testing.T) {
	disk := checkpointtest.NewMem()
	f, err := disk.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	f.Write([]byte("synced"))
	if _, err := disk.Crash(nil).Lstat("/f"); err == nil {
		t.Fatal("a file survived without a sync of its directory")
	}
	root, _ := disk.Open("/")
	root.Sync()
	if got, err := read(t, disk.Crash(nil), "/f"); got != "" || err != nil {
		t.Fatalf("before the file's sync: %q, %v; want an empty file", got, err)
	}
	f.Sync()
	f.Write([]byte(", not synced"))
	if got, _ := read(t, disk.Crash(nil), "/f"); got != "synced" {
		t.Fatalf("after the file's sync: %q", got)
	}
	seen := map[string]bool{}
	for seed := range uint64(200) {
		got, _ := read(t, disk.Crash(rand.New(rand.NewPCG(seed, 0))), "/f")
		seen[got] = true
	}
	if !seen["synced"] || !seen["synced, not"] || !seen["synced, not synced"] {
		t.Errorf("random crashes left only %v", seen)
	}
	if got, _ := read(t, disk, "/f"); got != "synced, not synced" {
		t.Errorf("the crash changed the disk it was taken from: %q", got)
	}
	disk.Remove("/f")
	if _, err := disk.Crash(nil).Lstat("/f"); err != nil {
		t.Error("a removal survived without a sync of its directory")
	}
}

func TestFaultStopsAndTears(t *testing.T) {
	mem := checkpointtest.NewMem()
	disk := checkpointtest.StopAt(mem, 1)
	f, err := disk.Create("/f")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.Write([]byte("abcd")); n != 2 || !errors.Is(err, checkpointtest.ErrStopped) {
		t.Errorf("a stopped write: %d, %v", n, err)
	}
	if err := disk.Mkdir("/d"); !errors.Is(err, checkpointtest.ErrStopped) {
		t.Errorf("mkdir after the stop: %v", err)
	}
	if got, _ := read(t, mem, "/f"); got != "ab" {
		t.Errorf("the torn write left %q", got)
	}
	if ops := disk.Ops(); len(ops) != 3 || ops[2].String() != "#2 mkdir /d" || !ops[2].Writes() {
		t.Errorf("recorded %v", ops)
	}

	disk = checkpointtest.FailAt(checkpointtest.NewMem(), 0, syscall.EIO)
	if err := disk.Mkdir("/d"); !errors.Is(err, syscall.EIO) {
		t.Errorf("the first mkdir: %v", err)
	}
	if err := disk.Mkdir("/d"); err != nil {
		t.Errorf("the second mkdir: %v", err)
	}
}
