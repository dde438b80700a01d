package checkpointtest

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// TestFS is the exam for an implementation of checkpoint.FS. root is an
// existing, empty directory on it.
func TestFS(t *testing.T, disk checkpoint.FS, root string) {
	t.Helper()
	e := &exam{t, disk}
	at := func(path string) string { return filepath.Join(root, filepath.FromSlash(path)) }

	e.must("mkdir", disk.Mkdir(at("d")))
	e.fails("mkdir where something is", disk.Mkdir(at("d")), fs.ErrExist)
	e.fails("mkdir without a parent", disk.Mkdir(at("no/such")), fs.ErrNotExist)

	e.create(at("d/b"), "content")
	e.create(at("d/a"), "")
	_, err := disk.Create(at("d/b"))
	e.fails("create where something is", err, fs.ErrExist)
	_, err = disk.Create(at("no/such"))
	e.fails("create without a parent", err, fs.ErrNotExist)
	e.contains(at("d/b"), "content")
	e.contains(at("d/a"), "")
	_, err = disk.Open(at("d/no"))
	e.fails("open what is not there", err, fs.ErrNotExist)

	e.lists(at("d"), "a", "b")
	e.lists(root, "d/")
	_, err = disk.ReadDir(at("no"))
	e.fails("readdir what is not there", err, fs.ErrNotExist)
	_, err = disk.Lstat(at("no"))
	e.fails("lstat what is not there", err, fs.ErrNotExist)
	info, err := disk.Lstat(at("d/b"))
	e.must("lstat", err)
	if info.IsDir() || !info.Mode().IsRegular() || info.Size() != int64(len("content")) {
		t.Errorf("lstat d/b: %v, want a file of %d bytes", info, len("content"))
	}

	dir, err := disk.Open(root)
	e.must("open a directory", err)
	e.must("sync a directory", dir.Sync())
	e.must("close a directory", dir.Close())

	e.fails("rename what is not there", disk.Rename(at("no"), at("new")), fs.ErrNotExist)
	e.must("mkdir", disk.Mkdir(at("full")))
	e.create(at("full/x"), "x")
	e.fails("rename onto a full directory", disk.Rename(at("d"), at("full")), fs.ErrExist)
	e.must("mkdir", disk.Mkdir(at("empty")))
	e.fails("rename onto an empty directory", disk.Rename(at("d"), at("empty")), fs.ErrExist)
	e.must("rename", disk.Rename(at("d"), at("empty/moved")))
	e.contains(at("empty/moved/b"), "content")
	e.lists(root, "empty/", "full/")

	e.keepsTime(root)

	e.fails("remove a full directory", disk.Remove(at("full")), fs.ErrExist)
	e.fails("remove what is not there", disk.Remove(at("no")), fs.ErrNotExist)
	e.must("remove a file", disk.Remove(at("full/x")))
	e.must("remove an empty directory", disk.Remove(at("full")))
	e.lists(root, "empty/")
}

// keepsTime checks what tells a file that was written to from one that was moved.
func (e *exam) keepsTime(root string) {
	e.t.Helper()
	was, is := filepath.Join(root, "full", "old"), filepath.Join(root, "full", "new")
	f, err := e.disk.Create(was)
	e.must("create", err)
	before := e.stamp(was)
	time.Sleep(timeMoves)
	_, err = io.WriteString(f, "1")
	e.must("write", err)
	written := e.stamp(was)
	if !written.time.After(before.time) || written.inode != before.inode {
		e.t.Errorf("a write has changed %v to %v: want a later time of the same file", before, written)
	}
	time.Sleep(timeMoves)
	e.must("rename a file", e.disk.Rename(was, is))
	e.must("rename what it lies in", e.disk.Rename(filepath.Dir(is), filepath.Join(root, "moved")))
	e.must("rename it back", e.disk.Rename(filepath.Join(root, "moved"), filepath.Dir(is)))
	e.must("sync", f.Sync())
	e.must("close", f.Close())
	if moved := e.stamp(is); moved != written {
		e.t.Errorf("two renames have changed %v to %v", written, moved)
	}
	if x := e.stamp(filepath.Join(root, "full", "x")); x.inode == written.inode && x.inode != 0 {
		e.t.Errorf("two files have the number %d", x.inode)
	}
	e.must("remove", e.disk.Remove(is))
}

// timeMoves is how long any disk's clock needs to move on.
const timeMoves = 20 * time.Millisecond

type stamp struct {
	time  time.Time
	inode uint64
}

func (e *exam) stamp(path string) stamp {
	e.t.Helper()
	info, err := e.disk.Lstat(path)
	e.must("lstat", err)
	s := stamp{time: info.ModTime()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		s.inode = stat.Ino
	}
	return s
}

type exam struct {
	t    *testing.T
	disk checkpoint.FS
}

func (e *exam) must(what string, err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatalf("%s: %v", what, err)
	}
}

func (e *exam) fails(what string, err, want error) {
	e.t.Helper()
	if !errors.Is(err, want) {
		e.t.Errorf("%s: %v, want an error that is %v", what, err, want)
	}
}

func (e *exam) create(path, content string) {
	e.t.Helper()
	f, err := e.disk.Create(path)
	e.must("create", err)
	_, err = io.WriteString(f, content)
	e.must("write", err)
	e.must("sync", f.Sync())
	e.must("close", f.Close())
}

func (e *exam) contains(path, want string) {
	e.t.Helper()
	f, err := e.disk.Open(path)
	e.must("open", err)
	defer f.Close()
	got, err := io.ReadAll(f)
	e.must("read", err)
	e.must("sync a file that is open for reading", f.Sync())
	if string(got) != want {
		e.t.Errorf("%s holds %q, want %q", path, got, want)
	}
}

// lists compares a directory with names, those of directories ending in '/'.
func (e *exam) lists(path string, want ...string) {
	e.t.Helper()
	entries, err := e.disk.ReadDir(path)
	e.must("readdir", err)
	var got []string
	for _, entry := range entries {
		name := entry.Name()
		if entry.IsDir() {
			name += "/"
		}
		got = append(got, name)
	}
	if len(got) != len(want) {
		e.t.Fatalf("%s lists %q, want %q", path, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			e.t.Fatalf("%s lists %q, want %q", path, got, want)
		}
	}
}
