package disk

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// OpenNamed opens a file that the user named, for reading only, wherever it leads:
// through links, to a pipe or to a terminal.
func OpenNamed(path string) (*os.File, error) { return os.Open(path) }

// MkdirTemp makes a directory that only this user may enter, with a name of its own.
func MkdirTemp(parent, pattern string) (string, error) { return os.MkdirTemp(parent, pattern) }

// MakeDir makes a directory that the user named, with those around it. The user's
// links on the way are followed.
func MakeDir(path string) error { return os.MkdirAll(path, 0o777) }

// RemoveAll removes what is at a path with all in it. The links on the way to it are
// followed, no other.
func RemoveAll(path string) error {
	d, name := Beside(path)
	err := d.RemoveAll(name)
	if errors.Is(err, fs.ErrNotExist) { // what it lies in
		return nil
	}
	return err
}

// WriteFile gives a file its content as a whole: see [Dir.Replace].
func WriteFile(path string, text []byte) error {
	d, name := Beside(path)
	return d.WriteFile(name, text)
}

// WriteFile gives a file its content as a whole: see [Dir.Replace].
func (d Dir) WriteFile(name string, text []byte) error {
	return d.Replace(name, 0o666, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

// Replace writes a file beside the one with that name, and renames it once it is whole: other
// names of the old file keep the old content. A link under that name is [ErrLink]. A pipe
// or a device there, such as /dev/null, is written to.
func (d Dir) Replace(name string, perm fs.FileMode, fill func(*os.File) error) error {
	info, err := d.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return d.fault("write", name, unix.ELOOP)
	case info.IsDir():
		return d.fault("write", name, unix.EISDIR)
	case !info.Mode().IsRegular():
		return d.writeTo(name, fill)
	}
	draft := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"-"+strings.ToLower(rand.Text()[:8]))
	f, err := d.Create(draft, perm)
	if err != nil {
		return err
	}
	err = fill(f)
	if err == nil && info != nil && info.Mode().Perm() != perm { // it keeps its permissions
		err = f.Chmod(info.Mode().Perm())
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Rename(draft, name)
	}
	if err != nil {
		if rest := d.Remove(draft); !errors.Is(rest, fs.ErrNotExist) {
			err = errors.Join(err, rest)
		}
	}
	return err
}

// writeTo writes to what holds no bytes of its own. A pipe waits for its reader.
func (d Dir) writeTo(name string, fill func(*os.File) error) error {
	fd, err := d.fd(name, os.O_WRONLY, 0)
	if err != nil {
		return d.fault("write", name, err)
	}
	f := os.NewFile(uintptr(fd), d.Path(name))
	return errors.Join(fill(f), f.Close())
}

// Append opens a file to append to, or makes it.
func (d Dir) Append(name string) (*os.File, error) {
	f, err := d.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o666)
	if err != nil && errors.Is(err, ErrLink) {
		return nil, fmt.Errorf("%w, or remove it", err)
	}
	return f, err
}

// readAll reads a file, but no more of it than most bytes.
func readAll(f io.Reader, most int64) ([]byte, error) { return io.ReadAll(io.LimitReader(f, most)) }

// WriteFileAlone is WriteFile for a file that only the caller writes. Its draft has always
// the same name: one that a killed process left gives way to the next.
func (d Dir) WriteFileAlone(name string, text []byte, perm fs.FileMode) error {
	draft := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".draft")
	if err := d.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if info, err := d.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return d.fault("write", name, unix.ELOOP)
	}
	f, err := d.Create(draft, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.Rename(draft, name)
	}
	if err != nil {
		err = errors.Join(err, d.RemoveAll(draft))
	}
	return err
}
