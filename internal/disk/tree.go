package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Remover is what deleting a tree needs of a disk. ReadDir must not list what is behind
// a link, and Remove must not follow one.
type Remover interface {
	ReadDir(name string) ([]fs.DirEntry, error)
	Remove(name string) error
}

// removeAttempts is how often RemoveTree empties a directory that something
// else, such as a trainer that should be dead, keeps filling.
const removeAttempts = 3

// RemoveTree removes what is under a name with all in it, or nothing if it is not there. A
// link is removed and not followed.
func RemoveTree(d Remover, name string) error {
	for attempt := 1; ; attempt++ {
		err := RemoveInside(d, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !isNoDir(err) {
			return err
		}
		err = d.Remove(name)
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

// RemoveInside empties a directory.
func RemoveInside(d Remover, name string) error {
	entries, err := d.ReadDir(name)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inner := filepath.Join(name, entry.Name())
		if err = fs.ErrExist; !entry.IsDir() {
			err = d.Remove(inner)
		}
		if errors.Is(err, fs.ErrExist) { // a directory, or replaced by one since it was listed
			err = RemoveTree(d, inner)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// isNoDir says that there is nothing to list: a link or a file is there, perhaps since
// a moment ago.
func isNoDir(err error) bool { return errors.Is(err, ErrLink) || errors.Is(err, unix.ENOTDIR) }

// WalkFiles calls visit for every file in a directory and below, sorted by name within
// each directory. A link or something else that holds no bytes of its own is an error.
func (d Dir) WalkFiles(name string, visit func(name string, info fs.FileInfo) error) error {
	entries, err := d.ReadDir(name)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		inner := filepath.Join(name, entry.Name())
		info, err := d.Lstat(inner)
		switch {
		case err != nil:
		case info.IsDir():
			err = d.WalkFiles(inner, visit)
		case info.Mode().IsRegular():
			err = visit(inner, info)
		case info.Mode()&fs.ModeSymlink != 0:
			err = d.fault("walk", inner, unix.ELOOP)
		default:
			err = d.fault("walk", inner, ErrKind)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
