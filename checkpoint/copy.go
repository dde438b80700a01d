package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// Copy writes the checkpoint id to the directory `to`, with its manifest,
// verifying every byte on the way. A checkpoint that has not been hashed yet is
// hashed on the way, as Hash does, and the copy has the hashes. `to` must not exist or be empty, its parent
// must exist. A copy is complete or absent: it grows under a hidden name beside
// `to` and is renamed at its end. Read-only stores may copy too, as long as `to`
// lies outside the store.
func (s *Store) Copy(id, to string) error {
	verb := "copy to " + to + ":"
	if err := CheckID(id); err != nil {
		return explain(verb, id, err)
	}
	target, err := s.resolve(to, false)
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
	o, err := s.readOriginal(id)
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
			err = errors.Join(err, disk.RemoveTree(s.disk, part))
		}
	}()
	if err := s.fill(s.disk, part, o); err != nil {
		return err
	}
	if err := writeOwn(s.disk, part, o.m, o.encoded); err != nil {
		return err
	}
	for _, dir := range append(o.t.dirs, ".") {
		if err := syncPath(s.disk, filepath.Join(part, filepath.FromSlash(dir))); err != nil {
			return err
		}
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

// original is a checkpoint that is to be copied.
type original struct {
	id      string
	m       *manifest
	encoded []byte // the manifest as it is
	t       tree
	before  []fileEntry // the files' stamps, if there are no hashes yet
}

func (s *Store) readOriginal(id string) (o original, err error) {
	o.id = id
	if o.m, o.encoded, err = s.readManifest(id); err != nil {
		return o, err
	}
	if o.t, err = s.compareTree(id, o.m); err != nil {
		return o, err
	}
	hashed, err := s.addHashes(id, o.m, o.encoded)
	if err == nil && !hashed {
		o.before, err = s.unchanged(id, o.m)
	}
	return o, err
}

// fill makes the directories and copies the files, to another disk perhaps. It notes
// their hashes, and finds what was written to them meanwhile.
func (s *Store) fill(disk Writer, part string, o original) error {
	for _, dir := range append(slices.Clone(o.t.dirs), o.t.emptyDirs...) {
		if err := disk.Mkdir(filepath.Join(part, filepath.FromSlash(dir))); err != nil {
			return err
		}
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for i, want := range o.m.Files {
		have, err := s.copyFile(h, disk, part, o.id, want)
		if err != nil {
			return err
		}
		o.m.Files[i].SHA256 = have.SHA256
	}
	if o.before == nil {
		return nil
	}
	return s.stillUnchanged(o.id, o.m, o.before)
}

func (s *Store) copyFile(h *hasher, disk Writer, part, id string, want fileEntry) (have fileEntry, err error) {
	out, err := disk.Create(filepath.Join(part, filepath.FromSlash(want.Path)))
	if err != nil {
		return have, err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if have, err = s.compareFile(h, id, want, out); err != nil {
		return have, err
	}
	return have, syncFile(out)
}

// writeOwn writes what belongs to pbt: the manifest, as it was, and the hashes
// that it does not hold.
func writeOwn(disk Writer, part string, m *manifest, encoded []byte) error {
	if err := writeNew(disk, filepath.Join(part, manifestName), encoded); err != nil {
		return err
	}
	if m.Version == hashedVersion {
		return nil
	}
	sums, err := m.encodeHashes(encoded)
	if err != nil {
		return err
	}
	return writeNew(disk, filepath.Join(part, hashesName), sums)
}
