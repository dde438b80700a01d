package checkpoint_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

func TestCopy(t *testing.T) {
	s := open(t, t.TempDir())
	saved := files{"w": "1", "d/e/x": "22", "empty/": "", "zero": ""}
	publish(t, s, "s1", saved)
	for name, to := range map[string]string{
		"absent": filepath.Join(t.TempDir(), "best"),
		"empty":  t.TempDir(),
	} {
		t.Run(name, func(t *testing.T) {
			if err := s.Copy("s1", to); err != nil {
				t.Fatal(err)
			}
			// A copy is a checkpoint like any other, so a store can verify it.
			around, err := checkpoint.OpenReadOnly(filepath.Dir(to))
			if err != nil {
				t.Fatal(err)
			}
			if err := around.Verify(filepath.Base(to)); err != nil {
				t.Error(err)
			}
			if data, _ := os.ReadFile(filepath.Join(to, "d/e/x")); string(data) != "22" {
				t.Errorf("the copy holds %q", data)
			}
			if err := s.Verify("s1"); err != nil {
				t.Error(err)
			}
			wantErr(t, s.Copy("s1", to), checkpoint.ErrRefused, "not empty", to)
		})
	}
}

func TestCopyToARelativePath(t *testing.T) {
	s := open(t, t.TempDir())
	publish(t, s, "s1", files{"w": "1"})
	t.Chdir(t.TempDir())
	if err := s.Copy("s1", "best"); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("best/w"); err != nil {
		t.Error(err)
	}
}

func TestCopyRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "1"})
	elsewhere := t.TempDir()
	at := func(name string) string { return filepath.Join(elsewhere, name) }
	if err := errors.Join(
		os.WriteFile(at("file"), []byte("precious"), 0o600),
		os.Symlink(t.TempDir(), at("link")),
		os.Mkdir(at(".running.pbt-copy"), 0o700),
	); err != nil {
		t.Fatal(err)
	}
	wantErr(t, s.Copy("s1", at("file")), checkpoint.ErrRefused, "not a directory")
	wantErr(t, s.Copy("s1", at("link")), checkpoint.ErrRefused, "not a directory")
	wantErr(t, s.Copy("s1", at("no/parent")), os.ErrNotExist, "no/")
	wantErr(t, s.Copy("s1", at("running")), os.ErrExist, "interrupted")
	wantErr(t, s.Copy("s1", dir), checkpoint.ErrRefused, "inside the store")
	wantErr(t, s.Copy("s1", filepath.Join(dir, "s2")), checkpoint.ErrRefused, "inside the store")
	wantErr(t, s.Copy("s9", at("new")), checkpoint.ErrMissing, "s9")
	if data, _ := os.ReadFile(at("file")); string(data) != "precious" {
		t.Error("a user's file was overwritten")
	}
}
