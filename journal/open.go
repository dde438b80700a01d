package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Create makes a new journal and opens it for its owner. If there is a file at
// path already, the error is [fs.ErrExist].
//
// The file appears complete or not at all: it is made in a directory beside it
// and linked into place, so that a crash on the way leaves nothing to clear up
// by hand.
func Create(path string) (*Journal, error) {
	if err := CheckPath(path); err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	if err := create(path); err != nil {
		return nil, fmt.Errorf("create journal %s: %w%s", path, err, advice(err))
	}
	return Open(path)
}

func create(path string) error {
	dir := filepath.Dir(path)
	tmp, err := os.MkdirTemp(dir, ".creating-journal-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	draft := filepath.Join(tmp, filepath.Base(path))
	if err := current.build(draft); err != nil {
		return err
	}
	if err := moveNew(draft, path); err != nil {
		return err
	}
	return syncDir(dir)
}

// moveNew gives a file its place unless that is taken. A hard link does both in
// one step; where links do not exist, looking first has to do.
func moveNew(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Open opens a journal for its owner, to read and to append. A journal of an
// older version is brought up to date, one of a newer version is refused.
// Hold the run's [Lock] before: two appenders would refuse each other's rows.
//
// A journal whose file holds triggers, views or tables that pbt did not make is refused
// with [ErrAltered]: they could change what is recorded.
func Open(path string) (*Journal, error) { return current.open(path, false) }

// OpenAltered is Open for an owner who accepts such a journal: it drops the triggers,
// views and indexes that pbt did not make, and leaves the tables. Accepted names them.
func OpenAltered(path string) (*Journal, error) { return current.open(path, true) }

func (s schema) open(path string, accept bool) (*Journal, error) {
	if err := checkPath(path, maxPath); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	w, err := s.openWriter(path, accept)
	if err != nil {
		return nil, fmt.Errorf("open journal %s: %w%s", path, err, advice(err))
	}
	r, err := s.openReader(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal %s: %w%s", path, err, advice(err)), w.close())
	}
	j := &Journal{path: path, reader: r, writer: w, accepted: w.accepted}
	j.last, err = j.Last()
	if err == nil {
		w.seals.last, err = r.linkAt(j.last)
	}
	if err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// OpenReadOnly opens a journal to read it: beside its owner, after the owner was
// killed, or on a disk or in a directory where nothing may be written. In the
// last case the journal must have been closed in good order, and it is read as
// it is: rows appended later do not show.
func OpenReadOnly(path string) (*Journal, error) {
	if err := checkPath(path, maxPath); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	r, err := current.openReader(path)
	if err != nil {
		return nil, fmt.Errorf("open journal %s for reading: %w%s", path, err, advice(err))
	}
	return &Journal{path: path, reader: r}, nil
}

// mustExist keeps SQLite's vaguer "unable to open database file" from the user.
//
// It must not open the file: when a process closes any descriptor of a file, it
// loses every POSIX lock it holds on that file, SQLite's among them, and another
// process could then take the journal for abandoned.
func mustExist(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("it is not a file but %s", info.Mode())
	}
	return nil
}
