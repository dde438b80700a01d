// Package disk is the only door to the file system for pbt's own files: every
// walk, hash, copy, rename and deletion goes through it. It works on descriptors
// and never follows a symbolic link below the directory that it was given, also
// while a program renames files there. A test (disk_rules_test.go) keeps the other
// packages from calling package os instead.
//
// A user may reach a run's directory through links. So the path given to [In] is
// resolved as usual, and what lies below it is not: a link there may come from a
// trainer. Removing or replacing a link acts on the link itself; everything else
// returns [ErrLink].
//
// The package decides nothing, and knows nothing of runs. It needs Linux; where the
// kernel or a sandbox has no openat2, it opens one component at a time.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ErrLink says that a symbolic link stands where a file or directory was expected.
var ErrLink = errors.New("a symbolic link, which pbt does not follow here")

// ErrKind says that a path leads to something that holds no bytes of its own: a named
// pipe, a socket or a device.
var ErrKind = errors.New("neither a file nor a directory")

// Dir is a directory on the disk. Its methods take names of what lies in it, such as
// "logs/slot-0.log".
type Dir struct{ root string } // "": names are absolute paths

// In is the directory at a path that the user chose: links on the way to it are
// followed, at every call anew.
func In(path string) Dir { return Dir{filepath.Clean(path)} }

// Absolute takes absolute paths as names and follows no link in them at all. Use
// [Real] to resolve once, in advance, the links that the user has set.
func Absolute() Dir { return Dir{} }

// Beside splits the path of a file that a user named: its directory, and its name there.
func Beside(path string) (Dir, string) { return In(filepath.Dir(path)), filepath.Base(path) }

// Path is the path of what lies in the directory under a name, for messages and for programs.
func (d Dir) Path(name string) string {
	if d.root == "" {
		return name
	}
	return filepath.Join(d.root, name)
}

// Real resolves the links in a path of which the end may not exist yet.
func Real(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if _, look := os.Lstat(at); !errors.Is(err, fs.ErrNotExist) || look == nil || at == filepath.Dir(at) {
			return "", err // also a link to nothing
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// begin opens where names begin. AT_FDCWD, for absolute names, is not to be closed.
func (d Dir) begin(name string) (fd int, err error) {
	switch {
	case d.root == "" && filepath.IsAbs(name):
		return unix.AT_FDCWD, nil
	case d.root == "" || !filepath.IsLocal(name):
		return 0, unix.EINVAL
	}
	return again(func() (int, error) {
		return unix.Open(d.root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
}

// fd opens a name without following a link.
func (d Dir) fd(name string, flags int, perm fs.FileMode) (int, error) {
	root, err := d.begin(name)
	if err != nil {
		return 0, err
	}
	defer closeFD(root)
	return openIn(root, name, flags|unix.O_CLOEXEC|unix.O_NOFOLLOW, uint32(perm.Perm()))
}

// parent opens the directory that a name lies in.
func (d Dir) parent(name string) (fd int, base string, err error) {
	dir, base := filepath.Split(filepath.Clean(name))
	if dir == "" {
		dir = "."
	}
	if base == "" || base == "." || base == ".." {
		return 0, "", unix.EINVAL
	}
	fd, err = d.fd(filepath.Clean(dir), unix.O_PATH|unix.O_DIRECTORY, 0)
	return fd, base, err
}

// openIn opens a path below a directory. It is chosen once.
var openIn = func() func(int, string, int, uint32) (int, error) {
	probe := sync.OnceValue(func() bool {
		fd, err := openAtOnce(unix.AT_FDCWD, "/", unix.O_PATH|unix.O_CLOEXEC, 0)
		closeFD(fd)
		return err == nil
	})
	return func(root int, name string, flags int, perm uint32) (int, error) {
		if probe() {
			return openAtOnce(root, name, flags, perm)
		}
		return openByParts(root, name, flags, perm)
	}
}()

// openAtOnce leaves it to the kernel to refuse links.
func openAtOnce(root int, name string, flags int, perm uint32) (int, error) {
	if flags&unix.O_CREAT == 0 {
		perm = 0 // else openat2 refuses it
	}
	how := unix.OpenHow{Flags: uint64(flags), Mode: uint64(perm), Resolve: unix.RESOLVE_NO_SYMLINKS}
	return again(func() (int, error) { return unix.Openat2(root, name, &how) })
}

// openByParts does the same with openat.
func openByParts(root int, name string, flags int, perm uint32) (int, error) {
	at, owned := root, false
	step := func(name string, flags int, perm uint32) error {
		next, err := again(func() (int, error) { return unix.Openat(at, name, flags, perm) })
		if owned {
			closeFD(at)
		}
		at, owned = next, true
		return err
	}
	const onTheWay = unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	name = filepath.Clean(name)
	if rest, absolute := strings.CutPrefix(name, "/"); absolute {
		if err := step("/", onTheWay, 0); err != nil {
			return -1, err
		}
		if name = rest; name == "" {
			name = "."
		}
	}
	for {
		part, rest, more := strings.Cut(name, "/")
		if !more {
			err := step(part, flags, perm)
			return at, err
		}
		if err := step(part, onTheWay, 0); err != nil {
			return -1, err
		}
		name = rest
	}
}

// again repeats a call that a signal interrupts.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

func do(call func() error) error {
	_, err := again(func() (int, error) { return 0, call() })
	return err
}

func closeFD(fd int) {
	if fd >= 0 {
		_ = unix.Close(fd)
	}
}

// fault says what failed, and names the link if one was in the way.
func (d Dir) fault(op, name string, err error) error {
	if err == nil {
		return nil
	}
	path := d.Path(name)
	if err == unix.ELOOP || err == unix.ENOTDIR {
		if link := d.firstLink(name); link != "" {
			return &fs.PathError{Op: op, Path: path, Err: linkError(link)}
		}
		if err == unix.ELOOP { // it was one
			return &fs.PathError{Op: op, Path: path, Err: linkError(path)}
		}
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

type linkError string

func (e linkError) Error() string {
	return fmt.Sprintf("%s is %v: put the file or directory itself there", string(e), ErrLink)
}

func (linkError) Is(target error) bool { return target == ErrLink }

// firstLink looks for the link that was in the way.
func (d Dir) firstLink(name string) string {
	at := d.root
	if filepath.IsAbs(name) {
		at = "/"
	}
	for part := range strings.SplitSeq(strings.Trim(filepath.Clean(name), "/"), "/") {
		at = filepath.Join(at, part)
		if info, err := os.Lstat(at); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return at
		}
	}
	return ""
}
