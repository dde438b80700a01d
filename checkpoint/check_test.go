package checkpoint_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// published is a store of two checkpoints, large ones if hashing is left for later.
func published(t *testing.T, opts ...checkpoint.Option) (s *checkpoint.Store, a, b checkpoint.Info) {
	t.Helper()
	s, err := checkpoint.Open(filepath.Join(t.TempDir(), "checkpoints"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	var infos []checkpoint.Info
	for _, id := range []string{"a", "b"} {
		staged, err := s.Stage(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(staged, "weights"), bytes.Repeat([]byte(id), 100), 0o600); err != nil {
			t.Fatal(err)
		}
		info, err := s.Publish(staged, id)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, info)
	}
	return s, infos[0], infos[1]
}

func TestExpectedCheckpoints(t *testing.T) {
	var corrupt *checkpoint.CorruptError
	var another *checkpoint.AnotherError
	is := func(target any) func(error) bool { return func(err error) bool { return errors.As(err, target) } }
	missing := func(err error) bool { return errors.Is(err, checkpoint.ErrMissing) }
	fine := func(err error) bool { return err == nil }
	for name, c := range map[string]struct {
		do           func(dir string) error // to the checkpoint "a"
		sizes, whole func(error) bool
	}{
		"as published": {func(string) error { return nil }, fine, fine},
		"exchanged": {func(dir string) error {
			b := filepath.Join(filepath.Dir(dir), "b")
			return errors.Join(os.Rename(dir, dir+"x"), os.Rename(b, dir), os.Rename(dir+"x", b))
		}, is(&another), is(&another)},
		"grown":       {edit("weights", func(b []byte) []byte { return append(b, 'x') }), is(&corrupt), is(&corrupt)},
		"a bit":       {edit("weights", func(b []byte) []byte { b[7] ^= 1; return b }), fine, is(&corrupt)},
		"a file more": {write("extra"), is(&corrupt), is(&corrupt)},
		"a file less": {remove("weights"), is(&corrupt), is(&corrupt)},
		"no manifest": {remove(m), is(&corrupt), is(&corrupt)},
		"removed":     {os.RemoveAll, missing, missing},
	} {
		s, a, _ := published(t)
		if err := c.do(s.Path("a")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Sizes("a", a.Digest); !c.sizes(err) {
			t.Errorf("%s: by sizes: %v", name, err)
		}
		if _, err := s.ExamineExpected("a", a.Digest); !c.whole(err) {
			t.Errorf("%s: by every byte: %v", name, err)
		}
		if info, err := s.Expect("a", a.Digest); name != "a file more" && (!c.whole(err) || err == nil && info != a) { // it is small: its bytes are compared, but nothing is listed
			t.Errorf("%s: before a load: %v, %v", name, info, err)
		}
	}
}

// What was recorded without a digest, by an early version, is compared with its manifest alone.
func TestNoExpectation(t *testing.T) {
	s, a, b := published(t)
	for _, want := range []checkpoint.Info{a, b} {
		if info, err := s.Sizes(want.ID, ""); err != nil || info != want {
			t.Error(info, err)
		}
	}
	if _, err := s.Sizes("../b", ""); err == nil {
		t.Error("a path is taken for a name")
	}
}
