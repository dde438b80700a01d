package checkpoint_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

func TestImport(t *testing.T) {
	saved := files{"w": "1", "d/e/x": "22", "empty/": "", "zero": ""}
	for name, atOnce := range map[string]int64{"hashed": checkpoint.HashAtOnce, "not hashed yet": 0} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			old, s := open(t, home, checkpoint.WithHashAtOnce(atOnce)), open(t, t.TempDir(), checkpoint.WithHashAtOnce(atOnce))
			was := publish(t, old, "s7", saved)
			reading, err := checkpoint.OpenReadOnly(home)
			if err != nil {
				t.Fatal(err)
			}
			there, here, err := s.Import(reading, "s7", "s1")
			if err != nil || there != was || here.ID != "s1" || here.Bytes != was.Bytes || here.Files != was.Files {
				t.Fatalf("%+v, %+v, %v", there, here, err)
			}
			if err := s.Verify("s1"); err != nil {
				t.Error(err)
			}
			if err := s.Unchanged("s1"); err != nil {
				t.Error(err)
			}
			// What happens to the one does not happen to the other.
			if err := old.Delete("s7"); err != nil {
				t.Fatal(err)
			}
			if data, _ := os.ReadFile(filepath.Join(s.Path("s1"), "d/e/x")); string(data) != "22" {
				t.Errorf("it holds %q", data)
			}
			_, _, err = s.Import(old, "s7", "s2")
			wantErr(t, err, checkpoint.ErrMissing, "import s7")
			publish(t, old, "s8", saved)
			_, _, err = s.Import(old, "s8", "s1")
			wantErr(t, err, checkpoint.ErrExists)
			if left, _ := os.ReadDir(filepath.Join(filepath.Dir(s.Path("s1")), ".staging")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// What has been written to since it was published is found, not imported.
func TestImportRefusesWhatHasChanged(t *testing.T) {
	old, s := open(t, t.TempDir()), open(t, t.TempDir())
	publish(t, old, "s7", files{"w": "weights"})
	if err := os.WriteFile(filepath.Join(old.Path("s7"), "w"), []byte("WEIGHTS"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Import(old, "s7", "s1"); err == nil || s.Has("s1") {
		t.Errorf("%v, there: %t", err, s.Has("s1"))
	}
	_, _, err := s.Import(old, "../s7", "s1")
	wantErr(t, err, checkpoint.ErrBadID)
	reading, err := checkpoint.OpenReadOnly(filepath.Dir(s.Path("x")))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = reading.Import(old, "s7", "s1")
	wantErr(t, err, checkpoint.ErrReadOnly)
}

// A full disk at any operation leaves nothing under the id, and nothing staged.
func TestFullDiskAtEveryOperationOfImport(t *testing.T) {
	old := open(t, t.TempDir())
	publish(t, old, "s7", files{"w": "1", "d/x": "2"})
	brokenAt(t, syscall.ENOSPC, func(t *testing.T, disk *checkpointtest.Fault, home string, n int) {
		s, err := checkpoint.Open(home, checkpoint.WithFS(disk))
		if err != nil {
			return
		}
		if _, _, err := s.Import(old, "s7", "s1"); err != nil {
			wantErr(t, err, syscall.ENOSPC, "free space")
			if s.Has("s1") {
				t.Error("something is published")
			}
			return
		}
		if err := s.Verify("s1"); err != nil && len(disk.Ops()) <= n { // else it is Verify's turn to fail
			t.Error(err)
		}
	})
}
