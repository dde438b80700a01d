package checkpoint_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// precious is a directory outside of the run, and a check that nothing happened to it.
func precious(t *testing.T) (dir string, untouched func()) {
	dir = filepath.Join(t.TempDir(), "precious")
	if err := errors.Join(os.MkdirAll(filepath.Join(dir, "d"), 0o700), os.WriteFile(filepath.Join(dir, "d", "file"), []byte("keep"), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir, func() {
		t.Helper()
		if text, err := os.ReadFile(filepath.Join(dir, "d", "file")); err != nil || string(text) != "keep" {
			t.Errorf("outside of the run: %q, %v", text, err)
		}
		if there, err := os.ReadDir(dir); err != nil || len(there) != 1 {
			t.Errorf("outside of the run: %v, %v", there, err)
		}
	}
}

// A trainer replaces its staging directory, or one in it, by a link.
func TestLinkInPlaceOfAStagingDirectory(t *testing.T) {
	for _, inner := range []string{"", "inner"} {
		dir := t.TempDir()
		s := open(t, dir)
		outside, untouched := precious(t)
		replace := func(staged string) {
			at := filepath.Join(staged, inner)
			if err := errors.Join(os.RemoveAll(at), os.Symlink(outside, at)); err != nil {
				t.Fatal(err)
			}
		}
		staged := stage(t, s, "s1", files{"w": "1"})
		replace(staged)
		_, err := s.Publish(staged, "s1")
		wantErr(t, err, checkpoint.ErrRefused, "publish s1")
		if err := s.Discard(staged); err != nil {
			t.Error(err)
		}
		wantEmpty(t, filepath.Join(dir, ".staging"))
		untouched()

		replace(stage(t, s, "s2", files{"w": "1"}))
		open(t, dir) // sweeps
		wantEmpty(t, filepath.Join(dir, ".staging"))
		untouched()
	}
}

// A published checkpoint is moved elsewhere and linked back: it counts as corrupt, with the
// reason, and deleting it deletes the link.
func TestLinkInPlaceOfACheckpoint(t *testing.T) {
	for _, path := range []string{"s1", "s1/d", "s1/w"} {
		dir := t.TempDir()
		s := open(t, dir, checkpoint.WithHashAtOnce(-1))
		publish(t, s, "s1", files{"w": "1", "d/x": "2"})
		moved := filepath.Join(t.TempDir(), "moved")
		at := filepath.Join(dir, path)
		if err := errors.Join(os.Rename(at, moved), os.Symlink(moved, at)); err != nil {
			t.Fatal(err)
		}
		_, hashErr := s.Hash(context.Background(), "s1")
		for what, err := range map[string]error{
			"Unchanged": s.Unchanged("s1"), "Verify": s.Verify("s1"), "Hash": hashErr, "Copy": s.Copy("s1", filepath.Join(t.TempDir(), "copy")),
		} {
			if bad := (*checkpoint.CorruptError)(nil); !errors.As(err, &bad) || bad.Problem != checkpoint.ExtraFile {
				t.Errorf("%s with a link at %s: %v", what, path, err)
			}
		}
		if err := s.Delete("s1"); err != nil {
			t.Error(err)
		}
		wantEmpty(t, filepath.Join(dir, ".trash"))
		if _, err := os.Stat(moved); err != nil {
			t.Errorf("deleted behind the link at %s: %v", path, err)
		}
		if path != "s1" {
			continue
		}
		if there, err := os.ReadDir(moved); err != nil || len(there) != 3 {
			t.Errorf("behind the link: %v, %v", there, err)
		}
	}
}

// A named pipe in place of a file does not make anything wait.
func TestPipeInPlaceOfAFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "1"})
	at := filepath.Join(dir, "s1", "manifest.json")
	if err := errors.Join(os.Remove(at), makePipe(at)); err != nil {
		t.Fatal(err)
	}
	if bad := (*checkpoint.CorruptError)(nil); !errors.As(s.Verify("s1"), &bad) {
		t.Errorf("Verify: %v", s.Verify("s1"))
	}
}

func makePipe(path string) error { return unix.Mkfifo(path, 0o600) }
