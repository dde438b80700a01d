package checkpoint_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
)

// How often the race exchanges a directory and a link, and publishes, at least.
const (
	leastSwaps    = 10_000
	leastSegments = 500
)

// A trainer exchanges its directory, and one in it, with links to another place, over and
// over, while the store publishes, hashes, verifies, copies, deletes and discards: nothing
// outside is deleted, changed or copied.
func TestRace_SwapsWhileTheStoreWorks(t *testing.T) {
	dir := testdir.InMemory(t)
	outside := filepath.Join(dir, "outside")
	const secret = "outside of the run"
	write := func(dir, text string) error {
		return errors.Join(os.MkdirAll(filepath.Join(dir, "in"), 0o700),
			os.WriteFile(filepath.Join(dir, "w"), []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "in", "w"), []byte(text), 0o600))
	}
	link, innerLink := filepath.Join(dir, "link"), filepath.Join(dir, "inner-link")
	if err := errors.Join(write(outside, secret), os.Symlink(outside, link), os.Symlink(filepath.Join(outside, "in"), innerLink)); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "run"), checkpoint.WithHashAtOnce(-1))
	var target atomic.Pointer[string]
	var over atomic.Bool
	var swapped atomic.Int64
	begin := s.Path("none")
	target.Store(&begin)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !over.Load() {
			at := *target.Load()
			swapped.Add(swapThereAndBack(unix.AT_FDCWD, at, link))
			fd, err := unix.Open(at, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
			if err == nil { // the directory itself, not what the link leads to
				swapped.Add(swapThereAndBack(fd, "in", innerLink))
				_ = unix.Close(fd)
			}
		}
	}()
	worked, refused := 0, 0
	count := func(err error) {
		if err == nil {
			worked++
		} else {
			refused++
		}
	}
	for n := 0; swapped.Load() < leastSwaps || n < leastSegments; n++ {
		id, to := fmt.Sprintf("s%d", n), filepath.Join(dir, "copy")
		staged, err := s.Stage(id)
		if err == nil {
			err = write(staged, "mine")
		}
		if err != nil {
			t.Fatal(err)
		}
		target.Store(&staged)
		_, err = s.Publish(staged, id)
		count(err)
		if path := s.Path(id); err == nil {
			target.Store(&path)
			_, err := s.Hash(context.Background(), id)
			count(err)
			count(s.Verify(id))
			count(s.Copy(id, to))
			_ = s.Delete(id)
		}
		_ = s.Discard(staged)
		findNot(t, secret, to)
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
		// The swaps may have left our directory under the link's name.
		for path, to := range map[string]string{link: outside, innerLink: filepath.Join(outside, "in")} {
			restore(t, path, to)
		}
	}
	over.Store(true)
	<-ended
	t.Logf("%d swaps, %d operations worked, %d were refused", swapped.Load(), worked, refused)
	for _, name := range []string{"w", "in/w"} {
		if text, err := os.ReadFile(filepath.Join(outside, name)); err != nil || string(text) != secret {
			t.Errorf("outside: %q, %v", text, err)
		}
	}
	for name, want := range map[string]int{".": 2, "in": 1} {
		if there, err := os.ReadDir(filepath.Join(outside, name)); err != nil || len(there) != want {
			t.Errorf("outside: %v, %v", there, err)
		}
	}
	if worked == 0 || refused == 0 {
		t.Error("it was no race")
	}
}

func swapThereAndBack(dir int, name, with string) (swapped int64) {
	for range 2 {
		if unix.Renameat2(dir, name, unix.AT_FDCWD, with, unix.RENAME_EXCHANGE) == nil {
			swapped++
		}
	}
	return swapped
}

// restore makes a path be the link again.
func restore(t *testing.T, path, to string) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return
	}
	_ = os.RemoveAll(path)
	if err := os.Symlink(to, path); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
}

// findNot fails if a file of a copy holds a text.
func findNot(t *testing.T, text, dir string) {
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if have, _ := os.ReadFile(path); bytes.Contains(have, []byte(text)) {
				t.Errorf("%s was copied through a link", path)
			}
		}
		return nil
	})
}
