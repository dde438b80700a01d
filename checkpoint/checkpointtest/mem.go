package checkpointtest

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

// Mem is a disk in memory that knows, of every file and directory, what has
// been synced. Crash gives the disk as it may be found after a power cut.
//
// It promises as little as POSIX does, and less than ext4 or XFS would: what was
// not synced may survive or not, each directory entry and each file on its own,
// in any order. What holds on it holds on any disk.
type Mem struct {
	mu    sync.Mutex
	root  *node
	clock int64 // moves by a millisecond with every write
	last  uint64
}

var _ checkpoint.FS = (*Mem)(nil)

// node is a file or a directory, as it is and as it was last synced.
type node struct {
	dir              bool
	inode            uint64
	mtime, syncedAt  int64
	data, syncedData []byte // only ever appended to
	kids, syncedKids map[string]*node
}

func newDir() *node {
	return &node{dir: true, kids: map[string]*node{}, syncedKids: map[string]*node{}}
}

// NewMem makes an empty disk: "/", and nothing in it.
func NewMem() *Mem { return &Mem{root: newDir()} }

// now is the time of a write.
func (m *Mem) now() int64 {
	m.clock += int64(time.Millisecond)
	return m.clock
}

// Crash returns the disk after a power cut now; m itself goes on. Everything
// synced is there. Of the rest, rng decides what is, and a nil rng keeps nothing.
func (m *Mem) Crash(rng *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Mem{root: m.root.crash(rng), clock: m.clock, last: m.last}
}

func (n *node) crash(rng *rand.Rand) *node {
	if !n.dir {
		kept, at := n.syncedData, n.syncedAt
		if rng != nil && len(n.data) > len(kept) { // nothing, all, or a part of it
			kept = n.data[:len(kept)+rng.IntN(len(n.data)-len(kept)+1)]
		}
		if rng != nil && n.mtime != at && rng.IntN(2) == 0 { // the time may last before the bytes, or after
			at = n.mtime
		}
		return &node{inode: n.inode, data: kept, syncedData: kept, mtime: at, syncedAt: at}
	}
	after := newDir()
	after.inode, after.mtime = n.inode, n.mtime
	names := maps.Clone(n.kids)
	maps.Copy(names, n.syncedKids)
	for _, name := range slices.Sorted(maps.Keys(names)) { // so that a seed repeats
		kid := n.syncedKids[name]
		if now := n.kids[name]; now != kid && rng != nil && rng.IntN(2) == 0 {
			kid = now
		}
		if kid != nil {
			after.kids[name] = kid.crash(rng)
		}
	}
	after.syncedKids = maps.Clone(after.kids)
	return after
}

// find walks to a path. It and all below are called with m.mu held.
func (m *Mem) find(path string) (*node, error) {
	at := m.root
	for name := range strings.SplitSeq(filepath.ToSlash(filepath.Clean(path)), "/") {
		if name == "" {
			continue
		}
		if !at.dir {
			return nil, syscall.ENOTDIR
		}
		if at = at.kids[name]; at == nil {
			return nil, syscall.ENOENT
		}
	}
	return at, nil
}

func (m *Mem) findDir(path string) (*node, error) {
	dir, err := m.find(path)
	if err == nil && !dir.dir {
		err = syscall.ENOTDIR
	}
	return dir, err
}

// at runs an operation on a path under the lock and names both in its error.
func (m *Mem) at(op, path string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := do(); err != nil {
		return &fs.PathError{Op: op, Path: path, Err: err}
	}
	return nil
}

// add puts a new node at a free path.
func (m *Mem) add(path string, n *node) error {
	dir, err := m.findDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	if dir.kids[filepath.Base(path)] != nil {
		return syscall.EEXIST
	}
	if n.inode == 0 {
		m.last++
		n.inode, n.mtime = m.last, m.now()
	}
	dir.kids[filepath.Base(path)] = n
	return nil
}

// Open implements checkpoint.Reader.
func (m *Mem) Open(path string) (file checkpoint.File, err error) {
	err = m.at("open", path, func() error {
		n, err := m.find(path)
		file = &memFile{disk: m, node: n, path: path}
		return err
	})
	if err != nil {
		return nil, err
	}
	return file, nil
}

// Create implements checkpoint.Writer.
func (m *Mem) Create(path string) (checkpoint.File, error) {
	n := &node{}
	if err := m.at("create", path, func() error { return m.add(path, n) }); err != nil {
		return nil, err
	}
	return &memFile{disk: m, node: n, path: path, writable: true}, nil
}

// Mkdir implements checkpoint.Writer.
func (m *Mem) Mkdir(path string) error {
	return m.at("mkdir", path, func() error {
		if filepath.Dir(path) == path {
			return syscall.EEXIST // the root
		}
		return m.add(path, newDir())
	})
}

// ReadDir implements checkpoint.Reader.
func (m *Mem) ReadDir(path string) (entries []fs.DirEntry, err error) {
	err = m.at("readdir", path, func() error {
		dir, err := m.findDir(path)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(dir.kids)) {
			entries = append(entries, fs.FileInfoToDirEntry(dir.kids[name].info(name)))
		}
		return nil
	})
	return entries, err
}

// Lstat implements checkpoint.Reader.
func (m *Mem) Lstat(path string) (info fs.FileInfo, err error) {
	err = m.at("lstat", path, func() error {
		n, err := m.find(path)
		if err == nil {
			info = n.info(filepath.Base(path))
		}
		return err
	})
	return info, err
}

// Rename implements checkpoint.Writer.
func (m *Mem) Rename(from, to string) error {
	return m.at("rename", from, func() error {
		n, err := m.find(from)
		if err != nil {
			return err
		}
		if err := m.add(to, n); err != nil {
			return err
		}
		dir, err := m.findDir(filepath.Dir(from))
		if err == nil {
			delete(dir.kids, filepath.Base(from))
		}
		return err
	})
}

// Remove implements checkpoint.Writer.
func (m *Mem) Remove(path string) error {
	return m.at("remove", path, func() error {
		n, err := m.find(path)
		if err != nil {
			return err
		}
		if len(n.kids) > 0 {
			return syscall.ENOTEMPTY
		}
		dir, err := m.findDir(filepath.Dir(path))
		if err == nil {
			delete(dir.kids, filepath.Base(path))
		}
		return err
	})
}

// memFile is an open file or directory.
type memFile struct {
	disk     *Mem
	node     *node
	path     string
	writable bool
	offset   int
}

func (f *memFile) Read(p []byte) (n int, err error) {
	eof := false
	err = f.disk.at("read", f.path, func() error {
		if f.node.dir {
			return syscall.EISDIR
		}
		if f.writable {
			return syscall.EBADF
		}
		n = copy(p, f.node.data[f.offset:])
		f.offset += n
		eof = n == 0 && len(p) > 0
		return nil
	})
	if eof {
		return 0, io.EOF // bare, as io.Reader demands
	}
	return n, err
}

func (f *memFile) Write(p []byte) (n int, err error) {
	err = f.disk.at("write", f.path, func() error {
		if !f.writable {
			return syscall.EBADF
		}
		f.node.data = append(f.node.data, p...)
		f.node.mtime = f.disk.now()
		n = len(p)
		return nil
	})
	return n, err
}

func (f *memFile) Sync() error {
	return f.disk.at("sync", f.path, func() error {
		f.node.syncedData, f.node.syncedAt = bytes.Clone(f.node.data), f.node.mtime
		f.node.syncedKids = maps.Clone(f.node.kids)
		return nil
	})
}

func (f *memFile) Close() error { return nil }

// info describes a node under its name.
func (n *node) info(name string) fs.FileInfo {
	return nodeInfo{name: name, size: int64(len(n.data)), dir: n.dir, inode: n.inode, mtime: n.mtime}
}

type nodeInfo struct {
	name  string
	size  int64
	dir   bool
	inode uint64
	mtime int64
}

func (i nodeInfo) Name() string       { return i.name }
func (i nodeInfo) Size() int64        { return i.size }
func (i nodeInfo) ModTime() time.Time { return time.Unix(0, i.mtime) }
func (i nodeInfo) IsDir() bool        { return i.dir }
func (i nodeInfo) Sys() any           { return &syscall.Stat_t{Ino: i.inode} }
func (i nodeInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
