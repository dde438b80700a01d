package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Copy writes the checkpoint id to the directory `to`, with its manifest,
// verifying every byte on the way. `to` must not exist or be empty, its parent
// must exist. A copy is complete or absent: it grows under a hidden name beside
// `to` and is renamed at its end. Read-only stores may copy too, as long as `to`
// lies outside the store.
func (s *Store) Copy(id, to string) error {
	verb := "copy to " + to + ":"
	if err := CheckID(id); err != nil {
		return explain(verb, id, err)
	}
	target, err := filepath.Abs(to)
	if err != nil {
		return explain(verb, id, err)
	}
	if err := s.copy(id, target); err != nil {
		return explain(verb, id, s.orMissing(id, err))
	}
	return nil
}

func (s *Store) copy(id, to string) (err error) {
	occupied, err := s.checkTarget(to)
	if err != nil {
		return err
	}
	m, encoded, err := s.readManifest(id)
	if err != nil {
		return err
	}
	t, err := s.compareTree(id, m)
	if err != nil {
		return err
	}
	part := filepath.Join(filepath.Dir(to), "."+filepath.Base(to)+".pbt-copy")
	if err := s.disk.Mkdir(part); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%w: an earlier copy was interrupted, or another one is running; if none is, remove it and try again", err)
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removeTree(s.disk, part))
		}
	}()
	if err := s.fill(part, id, m, t, encoded); err != nil {
		return err
	}
	if occupied {
		if err := s.disk.Remove(to); err != nil {
			return err
		}
	}
	return moveDurably(s.disk, part, to)
}

// checkTarget refuses before, rather than after, gigabytes were copied.
func (s *Store) checkTarget(to string) (occupied bool, err error) {
	if to == s.dir || strings.HasPrefix(to, s.dir+string(filepath.Separator)) {
		return false, fmt.Errorf("%w: the target lies inside the store %s: choose one outside", ErrRefused, s.dir)
	}
	switch info, err := s.disk.Lstat(to); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.IsDir():
		return false, fmt.Errorf("%w: the target is not a directory: choose a new name", ErrRefused)
	}
	entries, err := s.disk.ReadDir(to)
	if err != nil {
		return false, err
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("%w: the target is not empty: choose a new name", ErrRefused)
	}
	return true, nil
}

// fill writes the files, the manifest and the directories, and makes them last.
func (s *Store) fill(part, id string, m *manifest, t tree, encoded []byte) error {
	for _, dir := range append(slices.Clone(t.dirs), t.emptyDirs...) {
		if err := s.disk.Mkdir(filepath.Join(part, filepath.FromSlash(dir))); err != nil {
			return err
		}
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for _, want := range m.Files {
		if err := s.copyFile(h, part, id, want); err != nil {
			return err
		}
	}
	if err := writeNew(s.disk, filepath.Join(part, manifestName), encoded); err != nil {
		return err
	}
	for _, dir := range append(t.dirs, ".") {
		if err := syncDir(s.disk, filepath.Join(part, filepath.FromSlash(dir))); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) copyFile(h *hasher, part, id string, want fileEntry) (err error) {
	out, err := s.disk.Create(filepath.Join(part, filepath.FromSlash(want.Path)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := s.compareFile(h, id, want, out); err != nil {
		return err
	}
	return syncFile(out)
}
