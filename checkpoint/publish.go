package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Publish makes a staged directory the checkpoint id, for good: once it
// returns, the checkpoint survives a power cut, and only then may anyone be told
// about it.
//
// It refuses (ErrRefused) an empty directory, links, devices and sockets, files
// with another name outside, more
// than MaxFiles files, and a trainer's own manifest.json or hashes.json;
// ErrExists says that the id is taken. On any error nothing is published and the
// staged directory is left for Discard. Where the disk failed (see IsDiskFull),
// Publish may be tried again on it, unless what failed was an fsync: that one is
// refused.
//
// The trainer must have finished. Files that do not come to rest are refused
// (ErrChanged); what is written to them later, Unchanged, Hash and Verify find.
//
// A checkpoint of n files with d sub-directories that are not empty costs n+d+3
// fsyncs: each file, the manifest, each directory, the checkpoint's own, and the
// store's. For one file that is 4, and they are nearly all of its time: files of
// more than HashAtOnce are not read. Leaving any one out can lose a checkpoint
// to a power cut (TestEveryFsyncIsNeeded). fdatasync in their place gains
// nothing, as all these files are new; running them in parallel gained nothing
// for one file and 30 % for 32 (ext4), and would give up a fixed order of
// operations, which the crash tests walk through.
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
	info, err := s.disk.Lstat(staged)
	if err != nil {
		return tree{}, err
	}
	if !info.IsDir() { // a link, perhaps, to what the next Open sweeps away
		return tree{}, &treeError{".", "is no directory any more: save into the one that was named, and leave it where it is"}
	}
	t, err := readTree(s.disk, staged)
	if err != nil {
		return tree{}, err
	}
	for _, path := range slices.Concat(t.files, t.emptyDirs) {
		if isHashes(path) {
			return tree{}, &treeError{path, "was written by the trainer, and that name is pbt's: save under another one"}
		}
	}
	switch {
	case t.hasManifest:
		return tree{}, &treeError{manifestName, "was written by the trainer, and that name is pbt's: save under another one"}
	case len(t.files) == 0:
		return tree{}, &treeError{".", "holds no files: the trainer reported a checkpoint and saved none"}
	}
	return t, nil
}

// ownBytes refuses a file that has another name outside: who writes to it under
// that name, as a trainer does that saves over its latest file and links it,
// alters the checkpoint. Names within the checkpoint are all given up with it.
func ownBytes(files []string, infos []fs.FileInfo) error {
	within := map[uint64]uint64{} // names of an inode
	for _, info := range infos {
		within[inode(info)]++
	}
	for i, info := range infos {
		if names(info) > within[inode(info)] {
			return &treeError{files[i], "has another name outside the checkpoint (a hard link), through which it could be changed: save a copy"}
		}
	}
	return nil
}

// seal writes the manifest and makes everything in the staged directory last,
// from the leaves up.
func (s *Store) seal(staged, id string, t tree) (Info, error) {
	m := &manifest{Version: hashedVersion, Files: make([]fileEntry, len(t.files)), EmptyDirs: t.emptyDirs}
	infos := make([]fs.FileInfo, len(t.files))
	var total int64
	for i, path := range t.files {
		info, err := s.look(staged, path)
		if err != nil {
			return Info{}, err
		}
		infos[i], m.Files[i] = info, stamped(path, info)
		total += info.Size()
	}
	if err := ownBytes(t.files, infos); err != nil {
		return Info{}, err
	}
	seal := s.sealHashed
	if s.HashesLater(total) {
		seal = s.sealStamped
	}
	encoded, err := seal(staged, m)
	if err != nil {
		return Info{}, err
	}
	for i := len(t.dirs) - 1; i >= 0; i-- {
		if err := syncPath(s.disk, filepath.Join(staged, filepath.FromSlash(t.dirs[i]))); err != nil {
			return Info{}, err
		}
	}
	if err := syncPath(s.disk, staged); err != nil {
		return Info{}, err
	}
	return m.info(id, encoded), nil
}

// sealHashed makes the files last, and writes a manifest with their hashes.
func (s *Store) sealHashed(staged string, m *manifest) ([]byte, error) {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for i, f := range m.Files {
		entry, err := s.hashAndSync(h, staged, f.Path)
		if err != nil {
			return nil, err
		}
		m.Files[i] = entry
	}
	encoded, err := m.encode()
	if err != nil {
		return nil, err
	}
	return encoded, writeNew(s.disk, filepath.Join(staged, manifestName), encoded)
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

// sealStamped makes the files last, and writes a manifest with their times. They
// go into a manifest that exists already, because it holds its own inode.
func (s *Store) sealStamped(staged string, m *manifest) (encoded []byte, err error) {
	m.Version = stampedVersion
	for i := range m.Files {
		if err := s.settle(staged, &m.Files[i]); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(staged, manifestName)
	f, err := s.disk.Create(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := s.disk.Lstat(path)
	if err != nil {
		return nil, err
	}
	m.Made = &made{Inode: inode(info), AtNS: info.ModTime().UnixNano()}
	if encoded, err = m.encode(); err != nil {
		return nil, err
	}
	if _, err := f.Write(encoded); err != nil {
		return nil, err
	}
	return encoded, syncFile(f)
}

// settleAttempts is how often a file is synced that does not come to rest.
const settleAttempts = 3

// settle makes a file last, as it was before the fsync: were its stamp taken
// afterwards, what a trainer writes meanwhile could pass for durable. Once more
// is for network disks that give a file its time when its bytes arrive.
func (s *Store) settle(staged string, entry *fileEntry) error {
	for range settleAttempts {
		if err := syncPath(s.disk, filepath.Join(staged, filepath.FromSlash(entry.Path))); err != nil {
			return err
		}
		now, err := s.stamp(staged, entry.Path)
		if err != nil {
			return err
		}
		if now == *entry {
			return nil
		}
		*entry = now
	}
	return fmt.Errorf("%w: %.200q %w, and still is: report a checkpoint when its files are complete and closed", ErrRefused, entry.Path, ErrChanged)
}
