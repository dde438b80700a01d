package disk

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenFile opens a regular file, or a directory to list or sync it, with the flags of
// package os. It waits for nothing: a pipe or a device is [ErrKind].
func (d Dir) OpenFile(name string, flags int, perm fs.FileMode) (*os.File, error) {
	fd, err := d.fd(name, flags|unix.O_NONBLOCK, perm)
	if errors.Is(err, unix.ENXIO) { // a pipe that nothing reads, or a socket
		err = ErrKind
	}
	if err != nil {
		return nil, d.fault("open", name, err)
	}
	var stat unix.Stat_t
	if err = do(func() error { return unix.Fstat(fd, &stat) }); err == nil && stat.Mode&unix.S_IFMT != unix.S_IFREG && stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		err = ErrKind
	}
	if err != nil {
		closeFD(fd)
		return nil, d.fault("open", name, err)
	}
	return os.NewFile(uintptr(fd), d.Path(name)), nil
}

// Open opens a file for reading, or a directory to list or sync it.
func (d Dir) Open(name string) (*os.File, error) { return d.OpenFile(name, os.O_RDONLY, 0) }

// Create makes a new file for writing; fs.ErrExist if the name is taken, by a link too.
func (d Dir) Create(name string, perm fs.FileMode) (*os.File, error) {
	return d.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
}

// ReadFile reads a file.
func (d Dir) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, math.MaxInt64)
}

// ReadDir lists a directory, sorted by name.
func (d Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.OpenFile(name, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// Lstat describes what is under a name, a link as a link.
func (d Dir) Lstat(name string) (fs.FileInfo, error) {
	fd, err := d.fd(name, unix.O_PATH, 0)
	if err != nil {
		return nil, d.fault("lstat", name, err)
	}
	f := os.NewFile(uintptr(fd), d.Path(name))
	defer f.Close()
	return f.Stat()
}

// Mkdir makes one directory; fs.ErrExist if the name is taken.
func (d Dir) Mkdir(name string, perm fs.FileMode) error {
	fd, base, err := d.parent(name)
	if err == nil {
		err = do(func() error { return unix.Mkdirat(fd, base, uint32(perm.Perm())) })
		closeFD(fd)
	}
	return d.fault("mkdir", name, err)
}

// MkdirAll makes a directory with those around it. One that exists is fine, a link is not.
func (d Dir) MkdirAll(name string, perm fs.FileMode) error {
	for i := 1; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		if err := d.Mkdir(name[:i], perm); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	info, err := d.Lstat(name)
	switch {
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return d.fault("mkdir", name, unix.ELOOP)
	case !info.IsDir():
		return d.fault("mkdir", name, unix.ENOTDIR)
	}
	return nil
}

// Rename moves a file or a directory to a name that is free; fs.ErrExist if a
// directory is there. A file or a link that is there is replaced.
func (d Dir) Rename(from, to string) error {
	source, old, err := d.parent(from)
	if err != nil {
		return d.fault("rename", from, err)
	}
	defer closeFD(source)
	target, base, err := d.parent(to)
	if err != nil {
		return d.fault("rename", to, err)
	}
	defer closeFD(target)
	var stat unix.Stat_t // rename would replace an empty directory
	if unix.Fstatat(target, base, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		return &os.LinkError{Op: "rename", Old: d.Path(from), New: d.Path(to), Err: unix.EEXIST}
	}
	if err := do(func() error { return unix.Renameat(source, old, target, base) }); err != nil {
		return &os.LinkError{Op: "rename", Old: d.Path(from), New: d.Path(to), Err: err}
	}
	return nil
}

// Remove removes a file, a link or an empty directory; fs.ErrExist if the directory is
// not empty.
func (d Dir) Remove(name string) error {
	fd, base, err := d.parent(name)
	if err != nil {
		return d.fault("remove", name, err)
	}
	defer closeFD(fd)
	err = do(func() error { return unix.Unlinkat(fd, base, 0) })
	if err == nil {
		return nil
	}
	dirErr := do(func() error { return unix.Unlinkat(fd, base, unix.AT_REMOVEDIR) })
	if dirErr == nil {
		return nil
	}
	if dirErr != unix.ENOTDIR {
		err = dirErr
	}
	return &fs.PathError{Op: "remove", Path: d.Path(name), Err: err} // the link, if it is one, is what cannot be removed
}

// RemoveAll removes what is under a name with all in it, or nothing if it is not there.
func (d Dir) RemoveAll(name string) error { return RemoveTree(d, name) }
