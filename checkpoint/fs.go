package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// FS is the disk as this package uses it. Everything goes through it, so that a
// test can stop, fail or record any single operation. Paths are absolute;
// errors are recognised with errors.Is and name the path. No link in a path is
// followed: see package disk.
type FS interface {
	Reader
	Writer
}

// Reader is the half of FS that changes nothing.
type Reader interface {
	// Open opens a file for reading, or a directory to Sync it.
	Open(path string) (File, error)
	// ReadDir lists a directory, sorted by name.
	ReadDir(path string) ([]fs.DirEntry, error)
	// Lstat describes what is at path, a link as a link. The time of a file moves
	// with each write, and stays when it, or a directory above it, is renamed. So
	// does its number, if Sys gives a *syscall.Stat_t.
	Lstat(path string) (fs.FileInfo, error)
}

// Writer is the half of FS that changes the disk.
type Writer interface {
	// Mkdir makes one directory; fs.ErrExist if the path is taken.
	Mkdir(path string) error
	// Create makes a new file for writing; fs.ErrExist if the path is taken.
	Create(path string) (File, error)
	// Rename moves a directory or a file, in one indivisible step, to a path on
	// the same disk that is free; fs.ErrExist if a directory is there.
	Rename(from, to string) error
	// Remove removes a file, a link or an empty directory; fs.ErrExist if the
	// directory is not empty.
	Remove(path string) error
}

// File is an open file, or a directory opened to Sync it.
type File interface {
	io.ReadWriteCloser
	// Sync returns once the file's bytes, or the directory's entries, survive a
	// power cut.
	Sync() error
}

// OS is the operating system's file system.
//
// Files are created with the process's umask, so a user shares or hides a run
// in the usual way. Published files are not made read-only. It would cost a
// call per file on the hot path and protect little: root ignores it, and
// containers train as root; it would make `rm -r` ask about every file, and a
// trainer that copies its load directory would inherit files that it cannot
// overwrite. What a program does to a published checkpoint, Verify finds.
type OS struct{}

var _ FS = OS{}

// Open implements Reader.
func (OS) Open(path string) (File, error) { return noNil(disk.Absolute().Open(path)) }

// ReadDir implements Reader.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return disk.Absolute().ReadDir(path) }

// Lstat implements Reader.
func (OS) Lstat(path string) (fs.FileInfo, error) { return disk.Absolute().Lstat(path) }

// Mkdir implements Writer.
func (OS) Mkdir(path string) error { return disk.Absolute().Mkdir(path, 0o777) }

// Create implements Writer.
func (OS) Create(path string) (File, error) { return noNil(disk.Absolute().Create(path, 0o666)) }

// Rename implements Writer.
func (OS) Rename(from, to string) error { return disk.Absolute().Rename(from, to) }

// Remove implements Writer.
func (OS) Remove(path string) error { return disk.Absolute().Remove(path) }

// resolve follows the links in the path of a store, which the user has set: nothing
// below it is resolved later.
func (OS) resolve(path string) (string, error) { return disk.Real(path) }

// noNil keeps a nil *os.File from becoming a File that is not nil.
func noNil(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// errUnsynced marks a failed fsync: the one failure after which the same files
// must not be tried again.
var errUnsynced = errors.New("fsync failed")

// syncFile makes an open file or directory last.
func syncFile(f File) error {
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errUnsynced, err)
	}
	return nil
}

// syncPath makes the bytes of a file, or the entries of a directory, last.
func syncPath(disk Reader, path string) error {
	f, err := disk.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return syncFile(f)
}

// moveDurably renames a directory or a file and makes that last. On an error it is where
// it was; only a disk that fails twice in a row can leave it at its new place,
// and then the error says so.
func moveDurably(disk FS, from, to string) error {
	if err := disk.Rename(from, to); err != nil {
		return err
	}
	err := syncPath(disk, filepath.Dir(to))
	if err == nil {
		return nil
	}
	if back := disk.Rename(to, from); back != nil {
		return fmt.Errorf("%w (and %s could not be taken back: %w)", err, to, back)
	}
	return err
}

// writeNew creates a file with the given bytes and makes them last.
func writeNew(disk Writer, path string, data []byte) (err error) {
	f, err := disk.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return syncFile(f)
}

// makeDirs makes a directory with all its parents, each made to last in its own.
func makeDirs(disk FS, path string) error {
	err := disk.Mkdir(path)
	parent := filepath.Dir(path)
	if errors.Is(err, fs.ErrNotExist) && parent != path {
		if err := makeDirs(disk, parent); err != nil {
			return err
		}
		err = disk.Mkdir(path)
	}
	switch {
	case err == nil:
		return syncPath(disk, parent)
	case errors.Is(err, fs.ErrExist):
		return nil // if it is a file, the first use says so
	default:
		return err
	}
}
