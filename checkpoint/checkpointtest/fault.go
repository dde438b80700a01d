package checkpointtest

import (
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// Op is one operation on a disk.
type Op struct {
	N    int    // counts from 0
	Call string // the method: "open", "readdir", "lstat", "mkdir", "create", "rename", "remove", "read", "write", "sync", "close"
	Path string // for a rename, where from
}

// String implements fmt.Stringer.
func (op Op) String() string { return fmt.Sprintf("#%d %s %s", op.N, op.Call, op.Path) }

// Writes reports whether the operation changes the disk.
func (op Op) Writes() bool {
	switch op.Call {
	case "mkdir", "create", "rename", "remove", "write":
		return true
	}
	return false
}

// Rule decides before each operation whether it fails, and how.
type Rule func(Op) error

var (
	// ErrStopped is what a stopped disk answers: to the program, it died.
	ErrStopped = errors.New("the disk has stopped")
	// ErrPretend, returned by a Rule, makes the operation do nothing and report
	// success, as a disk does that lies about its fsyncs.
	ErrPretend = errors.New("pretend that it worked")
)

// Fault is a disk that records every operation on another disk, and fails those
// its rule names. A write that fails writes half of its bytes first. Fault may
// be used from many goroutines; its rule is asked by one at a time.
type Fault struct {
	under checkpoint.FS
	rule  Rule

	mu  sync.Mutex
	ops []Op
}

var _ checkpoint.FS = (*Fault)(nil)

// NewFault makes a disk that fails by rule; a nil rule only records.
func NewFault(under checkpoint.FS, rule Rule) *Fault {
	return &Fault{under: under, rule: rule}
}

// FailAt makes a disk on which the operation number n fails, and no other.
func FailAt(under checkpoint.FS, n int, err error) *Fault {
	return NewFault(under, func(op Op) error {
		if op.N == n {
			return err
		}
		return nil
	})
}

// StopAt makes a disk that does n operations and then none: the process died
// between two system calls, or in the middle of a write.
func StopAt(under checkpoint.FS, n int) *Fault {
	return NewFault(under, func(op Op) error {
		if op.N >= n {
			return ErrStopped
		}
		return nil
	})
}

// Ops returns all operations so far, those that failed included.
func (f *Fault) Ops() []Op {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Op(nil), f.ops...)
}

func (f *Fault) do(call, path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	op := Op{N: len(f.ops), Call: call, Path: path}
	f.ops = append(f.ops, op)
	if f.rule == nil {
		return nil
	}
	err := f.rule(op)
	if err == nil || err == ErrPretend {
		return err
	}
	return &fs.PathError{Op: call, Path: path, Err: err}
}

// change runs an operation that has no result but its error.
func (f *Fault) change(call, path string, under func() error) error {
	switch err := f.do(call, path); err {
	case nil:
		return under()
	case ErrPretend:
		return nil
	default:
		return err
	}
}

// Open implements checkpoint.Reader.
func (f *Fault) Open(path string) (checkpoint.File, error) {
	return f.file("open", path, f.under.Open)
}

// Create implements checkpoint.Writer.
func (f *Fault) Create(path string) (checkpoint.File, error) {
	return f.file("create", path, f.under.Create)
}

func (f *Fault) file(call, path string, under func(string) (checkpoint.File, error)) (checkpoint.File, error) {
	if err := f.do(call, path); err != nil {
		return nil, err
	}
	file, err := under(path)
	if err != nil {
		return nil, err
	}
	return &faultFile{f, file, path}, nil
}

// ReadDir implements checkpoint.Reader.
func (f *Fault) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := f.do("readdir", path); err != nil {
		return nil, err
	}
	return f.under.ReadDir(path)
}

// Lstat implements checkpoint.Reader.
func (f *Fault) Lstat(path string) (fs.FileInfo, error) {
	if err := f.do("lstat", path); err != nil {
		return nil, err
	}
	return f.under.Lstat(path)
}

// Mkdir implements checkpoint.Writer.
func (f *Fault) Mkdir(path string) error {
	return f.change("mkdir", path, func() error { return f.under.Mkdir(path) })
}

// Rename implements checkpoint.Writer.
func (f *Fault) Rename(from, to string) error {
	return f.change("rename", from, func() error { return f.under.Rename(from, to) })
}

// Remove implements checkpoint.Writer.
func (f *Fault) Remove(path string) error {
	return f.change("remove", path, func() error { return f.under.Remove(path) })
}

type faultFile struct {
	disk  *Fault
	under checkpoint.File
	path  string
}

func (f *faultFile) Read(p []byte) (int, error) {
	if err := f.disk.do("read", f.path); err != nil {
		return 0, err
	}
	return f.under.Read(p)
}

func (f *faultFile) Write(p []byte) (int, error) {
	switch err := f.disk.do("write", f.path); err {
	case nil:
		return f.under.Write(p)
	case ErrPretend:
		return len(p), nil
	default:
		n, _ := f.under.Write(p[:len(p)/2])
		return n, err
	}
}

func (f *faultFile) Sync() error {
	return f.disk.change("sync", f.path, f.under.Sync)
}

// Close releases the file below in any case: a failed close leaks nothing.
func (f *faultFile) Close() error {
	err := f.under.Close()
	return f.disk.change("close", f.path, func() error { return err })
}
