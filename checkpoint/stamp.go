package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// stamp describes a file without reading it: its size, and when it was written.
//
// The time is that of the last write. The inode's own time of change is of no
// use: chmod, chown and a backup by hard links move it as well. A write within
// the same tick of the disk's clock as the one before it (4 ms; none since Linux
// 6.13) leaves no mark.
func (s *Store) stamp(dir, path string) (fileEntry, error) {
	info, err := s.look(dir, path)
	if err != nil {
		return fileEntry{}, err
	}
	return stamped(path, info), nil
}

func stamped(path string, info fs.FileInfo) fileEntry {
	return fileEntry{Path: path, Bytes: info.Size(), MtimeNS: info.ModTime().UnixNano()}
}

// look returns what the disk says of a file, if it still is one.
func (s *Store) look(dir, path string) (fs.FileInfo, error) {
	info, err := s.disk.Lstat(filepath.Join(dir, filepath.FromSlash(path)))
	if err != nil {
		return nil, err
	}
	if err := checkKind(path, info.Mode().Type()); err != nil {
		return nil, err
	}
	if info.IsDir() {
		return nil, &treeError{path, "is a directory now"}
	}
	return info, nil
}

// inode is the number of a file on its disk, or 0 if the disk gives none.
func inode(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Ino
	}
	return 0
}

// names is how many names a file has on its disk, or 0 if the disk does not say.
func names(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // 32 bits on some platforms
	}
	return 0
}

// Unchanged looks whether the files of the checkpoint id are as they were when
// they were published, by their sizes and times. Of files it reads only those of a
// checkpoint that was hashed at once, which are small, and whose times were not
// recorded; so it suits the moment before a load. It returns ErrMissing, a
// *CorruptError, which is ErrChanged for files that were written to, or the
// disk's own error.
//
// In a copy of the run (cp -r, rsync, another disk) files have other times; so
// they have after a touch of everything. There only the sizes are compared, and
// the hashes tell the rest: Verify. A file that was touched alone is ErrChanged here, and
// in good order to Verify, if it has been hashed.
func (s *Store) Unchanged(id string) error {
	_, err := s.Expect(id, "")
	return err
}

func (s *Store) lookUnchanged(id string, m *manifest, encoded []byte) error {
	if m.Version == hashedVersion && !s.HashesLater(m.info(id, encoded).Bytes) {
		return s.compareFiles(id, m)
	}
	_, err := s.unchanged(id, m)
	return err
}

// unchanged compares the files' stamps with the manifest, and returns them.
func (s *Store) unchanged(id string, m *manifest) ([]fileEntry, error) {
	inPlace, err := s.inPlace(id, m)
	if err != nil {
		return nil, err
	}
	stamps := make([]fileEntry, len(m.Files))
	for i, want := range m.Files {
		have, err := s.stamp(s.path(id), want.Path)
		if bad := (*treeError)(nil); errors.As(err, &bad) {
			return nil, &CorruptError{id, want.Path, ExtraFile, bad.why}
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &CorruptError{id, want.Path, MissingFile, ""}
		}
		if err != nil {
			return nil, err
		}
		switch {
		case have.Bytes != want.Bytes && !inPlace:
			return nil, wrongSize(id, want.Path, want.Bytes, have.Bytes)
		case have.Bytes != want.Bytes:
			return nil, lateWrite(id, want.Path, fmt.Sprintf("it had %d bytes, and has %d", want.Bytes, have.Bytes))
		case inPlace && have.MtimeNS != want.MtimeNS:
			return nil, lateWrite(id, want.Path, fmt.Sprintf("it was of %v, and is of %v", clock(want.MtimeNS), clock(have.MtimeNS)))
		}
		stamps[i] = have
	}
	return stamps, nil
}

func lateWrite(id, path, detail string) *CorruptError {
	return &CorruptError{id, path, LateWrite, ErrChanged.Error() + ": " + detail}
}

func wrongSize(id, path string, want, have int64) *CorruptError {
	return &CorruptError{id, path, WrongSize, fmt.Sprintf("%d bytes were published, %d are there", want, have)}
}

func clock(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// madeWindow bounds the time from a manifest's creation to its last byte. A disk
// that takes longer costs that checkpoint the comparison of times; a longer window
// would take for a late write what is a touch, or a copy, of a new checkpoint.
const madeWindow = time.Second

// inPlace tells whether the checkpoint lies where it was published, so that its
// files' times mean something. A manifest knows its own inode, and when that was
// made. In a copy the inode is another one; or, if a disk gave the same number
// again, the manifest was written later; or else the copy has kept all times.
// The device's number would add nothing, and does change when a machine restarts.
func (s *Store) inPlace(id string, m *manifest) (bool, error) {
	if m.Made == nil || m.Made.Inode == 0 {
		return false, nil
	}
	info, err := s.disk.Lstat(s.manifestPath(id))
	if err != nil {
		return false, err
	}
	after := info.ModTime().Sub(time.Unix(0, m.Made.AtNS))
	return inode(info) == m.Made.Inode && after >= 0 && after <= madeWindow, nil
}
