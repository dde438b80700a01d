package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// FS is the disk as this package uses it. Everything goes through it, so that a
// test can stop, fail or record any single operation. Paths are absolute;
// errors are recognised with errors.Is and name the path.
type FS interface {
	Reader
	Writer
}

// Reader is the half of FS that changes nothing.
type Reader interface {
	// Open opens a file for reading, or a directory to Sync it.
	Open(path string) (File, error)
	// ReadDir lists a directory, sorted by name. Links are not followed inside
	// it, while path itself may be one.
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
func (OS) Open(path string) (File, error) { return noNil(os.Open(path)) }

// ReadDir implements Reader.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Lstat implements Reader.
func (OS) Lstat(path string) (fs.FileInfo, error) { return os.Lstat(path) }

// Mkdir implements Writer.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o777) }

// Create implements Writer.
func (OS) Create(path string) (File, error) {
	return noNil(os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666))
}

// Rename implements Writer.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements Writer.
func (OS) Remove(path string) error { return os.Remove(path) }

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

// removeAttempts is how often removeTree empties a directory that something
// else, such as a trainer that should be dead, keeps filling.
const removeAttempts = 3

// removeTree removes a directory and all in it, or nothing if it is not there.
func removeTree(disk FS, path string) error {
	for attempt := 1; ; attempt++ {
		err := removeInside(disk, path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = disk.Remove(path)
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, fs.ErrExist):
			return err
		case attempt == removeAttempts:
			return fmt.Errorf("%w (something still writes there)", err)
		}
	}
}

// removeInside empties a directory. Links are removed, never followed.
func removeInside(disk FS, path string) error {
	entries, err := disk.ReadDir(path)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inner := filepath.Join(path, entry.Name())
		if entry.IsDir() {
			err = removeTree(disk, inner)
		} else {
			err = disk.Remove(inner)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
