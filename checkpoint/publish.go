package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// Publish makes a staged directory the checkpoint id, for good: once it
// returns, the checkpoint survives a power cut, and only then may anyone be told
// about it.
//
// It refuses (ErrRefused) an empty directory, links, devices and sockets, more
// than MaxFiles files, and a trainer's own manifest.json; ErrExists says that
// the id is taken. On any error nothing is published and the staged directory is
// left for Discard. Where the disk failed (see IsDiskFull), Publish may be tried
// again on it, unless what failed was an fsync: that one is refused.
//
// The trainer must have finished: what it writes during or after Publish is not
// what was hashed, and Verify will say so.
//
// A checkpoint of n files with d sub-directories that are not empty costs n+d+3
// fsyncs: each file, the manifest, each directory, the checkpoint's own, and the
// store's. For one file that is 4, and they are nearly all of its time. Leaving
// any one out can lose a checkpoint to a power cut (TestEveryFsyncIsNeeded).
// fdatasync in their place
// gains nothing, as all these files are new; running them in parallel gained
// nothing for one file and 30 % for 32 (ext4), and would give up a fixed order
// of operations, which the crash tests walk through.
func (s *Store) Publish(staged, id string) (Info, error) {
	info, err := s.publish(filepath.Clean(staged), id)
	if err != nil {
		return Info{}, explain("publish", id, err)
	}
	return info, nil
}

func (s *Store) publish(staged, id string) (Info, error) {
	if err := s.mayChange(id); err != nil {
		return Info{}, err
	}
	if err := s.checkStaged(staged); err != nil {
		return Info{}, err
	}
	if _, spent := s.spent.Load(staged); spent {
		return Info{}, fmt.Errorf("%w: an fsync failed in %s before, so its files are in doubt: discard it and save again", ErrRefused, staged)
	}
	t, err := s.readStaged(staged)
	if err != nil {
		return Info{}, refusal(err)
	}
	info, err := s.seal(staged, id, t)
	if err == nil {
		// No look beforehand whether the id is free: the rename itself tells,
		// and is the only one who knows when two publish the same id at once.
		err = moveDurably(s.disk, staged, s.path(id))
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%w: %s", ErrExists, s.path(id))
		}
	}
	switch {
	case err == nil:
		return info, nil
	case errors.Is(err, errUnsynced):
		s.spent.Store(staged, struct{}{})
	default:
		// So that a second attempt does not take our manifest for the trainer's.
		// If this fails too, that attempt is refused, and nothing is lost.
		_ = s.disk.Remove(filepath.Join(staged, manifestName))
	}
	return Info{}, refusal(err)
}

// readStaged lists what the trainer saved and refuses what cannot be published.
func (s *Store) readStaged(staged string) (tree, error) {
	t, err := readTree(s.disk, staged)
	switch {
	case err != nil:
		return tree{}, err
	case t.hasManifest:
		return tree{}, &treeError{manifestName, "was written by the trainer, and that name is pbt's: save under another one"}
	case len(t.files) == 0:
		return tree{}, &treeError{".", "holds no files: the trainer reported a checkpoint and saved none"}
	}
	return t, nil
}

// seal writes the manifest and makes everything in the staged directory last,
// from the leaves up.
func (s *Store) seal(staged, id string, t tree) (Info, error) {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	m := manifest{Version: manifestVersion, Files: make([]fileEntry, 0, len(t.files)), EmptyDirs: t.emptyDirs}
	for _, path := range t.files {
		entry, err := s.hashAndSync(h, staged, path)
		if err != nil {
			return Info{}, err
		}
		m.Files = append(m.Files, entry)
	}
	encoded, err := m.encode()
	if err != nil {
		return Info{}, err
	}
	if err := writeNew(s.disk, filepath.Join(staged, manifestName), encoded); err != nil {
		return Info{}, err
	}
	for i := len(t.dirs) - 1; i >= 0; i-- {
		if err := syncDir(s.disk, filepath.Join(staged, filepath.FromSlash(t.dirs[i]))); err != nil {
			return Info{}, err
		}
	}
	if err := syncDir(s.disk, staged); err != nil {
		return Info{}, err
	}
	return m.info(id, encoded), nil
}

// hashAndSync reads a file once, from the page cache that its writer just
// filled, and makes it last through the same descriptor.
func (s *Store) hashAndSync(h *hasher, staged, path string) (fileEntry, error) {
	f, err := s.disk.Open(filepath.Join(staged, filepath.FromSlash(path)))
	if err != nil {
		return fileEntry{}, err
	}
	defer f.Close()
	entry, err := h.measure(path, f, nil)
	if err != nil {
		return fileEntry{}, err
	}
	return entry, syncFile(f)
}
