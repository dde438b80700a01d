package disk

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// swaps is how often each race exchanges a directory and a link.
const swaps = 20_000

// secret is the content of what lies outside.
const secret = "outside"

// A program exchanges a directory and a link to another place, in one system call, over
// and over, at the top and further in, while pbt deletes, walks, reads, writes and renames.
// Nothing outside changes, and nothing outside is read.
func TestRace_SwappedDirectoryAndLink(t *testing.T) {
	for _, name := range []string{"at once", "by parts"} {
		t.Run(name, func(t *testing.T) {
			if name == "by parts" {
				was := openIn
				openIn = openByParts
				defer func() { openIn = was }()
			}
			race(t)
		})
	}
}

func race(t *testing.T) {
	top := t.TempDir()
	outside := filepath.Join(top, "outside")
	must(t, os.MkdirAll(filepath.Join(outside, "in"), 0o700), os.WriteFile(filepath.Join(outside, "in", "f"), []byte(secret), 0o600))
	run := In(filepath.Join(top, "run"))
	must(t, os.Mkdir(run.root, 0o700), os.Symlink(outside, run.Path("link")))

	var done atomic.Bool
	var refused, worked atomic.Int64
	var all sync.WaitGroup
	count := func(err error) {
		if err == nil {
			worked.Add(1)
		} else {
			refused.Add(1)
		}
	}
	loop := func(do func()) {
		all.Go(func() {
			for !done.Load() {
				do()
			}
		})
	}
	loop(func() { count(run.RemoveAll("d")) })
	loop(func() { count(walk(t, run)) })
	loop(func() { count(run.WriteFile("d/in/f", []byte("x"))) })
	loop(func() { count(run.Rename("d/in", "d/new")) })
	loop(func() { count(run.MkdirAll("d/in/more", 0o700)) })
	loop(func() { count(appendTo(run, "d/in/f")) })

	swapped := 0
	for swapped < swaps {
		err := unix.Renameat2(unix.AT_FDCWD, run.Path("d"), unix.AT_FDCWD, run.Path("link"), unix.RENAME_EXCHANGE)
		if err == nil {
			swapped++
			continue
		}
		// Deleted: a new directory, or a new link, whichever is gone.
		_ = os.Symlink(outside, run.Path("fresh"))
		_ = os.Rename(run.Path("fresh"), run.Path("link"))
		_ = os.MkdirAll(run.Path("d/in"), 0o700)
		_ = os.WriteFile(run.Path("d/in/f"), []byte("mine"), 0o600)
	}
	done.Store(true)
	all.Wait()
	t.Logf("%d swaps, %d operations worked, %d were refused", swapped, worked.Load(), refused.Load())

	text, err := os.ReadFile(filepath.Join(outside, "in", "f"))
	there, listErr := os.ReadDir(filepath.Join(outside, "in"))
	around, aroundErr := os.ReadDir(outside)
	if err := errors.Join(err, listErr, aroundErr); err != nil || string(text) != secret || len(there) != 1 || len(around) != 1 {
		t.Errorf("outside: %q, %v, %v, %v", text, there, around, err)
	}
	if worked.Load() == 0 || refused.Load() == 0 {
		t.Errorf("%d operations worked and %d were refused: it was no race", worked.Load(), refused.Load())
	}
}

func walk(t *testing.T, run Dir) error {
	return run.WalkFiles("d", func(name string, _ fs.FileInfo) error {
		f, err := run.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err := io.ReadAll(f)
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s was read through a link", name)
		}
		return err
	})
}

func appendTo(run Dir, name string) error {
	f, err := run.Append(name)
	if err != nil {
		return err
	}
	_, err = f.WriteString("more")
	return errors.Join(err, f.Close())
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
