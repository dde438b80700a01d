// Package checkpoint keeps the checkpoints of one run as immutable directories,
// and is the only door through which pbt touches them on disk.
//
//	checkpoints/
//	├── s000000212/            one published checkpoint, named by its segment
//	│   ├── weights.pt         whatever the trainer saved
//	│   ├── manifest.json      path and size of every file above; its SHA-256, or its time
//	│   └── hashes.json        of a large checkpoint, once Hash has read it: the SHA-256s
//	├── .staging/              where trainers write; swept by Open
//	└── .trash/                what Delete is removing; swept by Open
//
// A checkpoint's life is Stage, the trainer saves, Publish, any number of
// readers, Delete. It appears under its id by one rename, after everything in it
// is on the disk, and leaves it by one rename, before anything in it is removed:
// under an id there is a whole checkpoint or nothing, whenever the power fails.
//
// Publish reads a small checkpoint to hash it (HashAtOnce). Of a larger one it
// reads nothing: what it costs is the fsync of its data and a rename. Its
// manifest holds the time at which each file was last written instead, by which
// Unchanged and Hash find a trainer that went on writing; and Hash, later and in
// the background (Hasher), adds the hashes. Neither ever changes a manifest.
//
// The package decides nothing: which checkpoint may be deleted, and when, is
// decided by its callers. It needs a file system with POSIX renames and an fsync
// for directories. A link below the store's directory is an error, or is removed as a
// link: what it leads to is never read, and never changed.
package checkpoint

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// Limits. They turn a trainer's runaway loop or a damaged manifest into an
// error, instead of into a process out of memory.
const (
	// MaxIDBytes bounds an id, so that an id with a staging suffix is still one
	// legal file name everywhere (255 bytes).
	MaxIDBytes = 128
	// MaxFiles bounds the files and directories of one checkpoint together. The
	// largest sharded formats write a few thousand.
	MaxFiles = 10_000
	// MaxPathBytes bounds a file's path inside its checkpoint.
	MaxPathBytes = 1024
	// MaxManifestBytes bounds manifest.json: MaxFiles lines of ordinary length,
	// with room to spare.
	MaxManifestBytes = 16 << 20
)

// HashAtOnce is the size up to which Publish hashes a checkpoint's files itself,
// all of them together. So much takes 0.8 ms where SHA-256 has instructions of its
// own, beside 1.7 ms for the fsyncs of a fast disk; and it is less work than Hash,
// which needs two fsyncs more (BenchmarkHashAtOnce).
const HashAtOnce = 1 << 20

const (
	stagingName = ".staging"
	trashName   = ".trash"
)

// Info describes one published checkpoint. It is what a run's journal records.
type Info struct {
	ID    string `json:"id"`
	Bytes int64  `json:"bytes"` // of the trainer's files, without the manifest
	Files int    `json:"files"` // the trainer's files, without the manifest
	// Digest is the SHA-256 of the manifest, hex. Of a checkpoint that was hashed
	// at once it stands for every byte; of a larger one for names, sizes and
	// times, and what Hash returns stands for every byte.
	Digest string `json:"digest"`
}

// Store is the checkpoints of one run. Its methods may be called from many
// goroutines at once.
//
// A directory has one writing Store at a time, because Open sweeps away what a
// former owner was staging; the run's journal holds the lock that ensures it.
// Any number of read-only stores may look on.
type Store struct {
	disk       FS
	readOnly   bool
	hashAtOnce int64
	dir        string // absolute
	staging    string
	trash      string

	// nonce sets apart the staging directories of this Store from those of the
	// process before a restart: a trainer that outlived that process still
	// writes to its old path, and must not write into its replacement's.
	nonce string
	seq   atomic.Uint64

	// spent holds the staged directories in which an fsync failed. After such a
	// failure the kernel may drop the data and report the next fsync as a
	// success, so a second Publish of the same files would promise what it
	// cannot know.
	spent sync.Map

	// hashing holds the calls of Hash that are under way. The lock is also held
	// over the two renames that must not cross: Delete's, and the one by which
	// hashes get their name in a checkpoint that is still the one they are of.
	mu      sync.Mutex
	hashing map[*hashing]struct{}
}

// Option adjusts a Store when it is opened.
type Option func(*Store)

// WithFS makes the store work on another disk than the operating system's: a
// faulty one, or one in memory (package checkpointtest has both).
func WithFS(disk FS) Option { return func(s *Store) { s.disk = disk } }

// WithHashAtOnce sets another limit than HashAtOnce: -1 leaves all hashing to
// Hash, math.MaxInt64 none, for a disk whose file times are not to be relied on.
func WithHashAtOnce(bytes int64) Option { return func(s *Store) { s.hashAtOnce = bytes } }

// Open opens the checkpoints in dir for their one owner. It creates dir if
// needed, and removes what a crash left in dir/.staging and dir/.trash. dir must not be a
// symbolic link: its checkpoints are deleted, and may be another run's.
func Open(dir string, opts ...Option) (*Store, error) {
	s, err := newStore(dir, false, opts)
	if err != nil {
		return nil, err
	}
	if err := s.prepare(); err != nil {
		return nil, explain("open", dir, err)
	}
	return s, nil
}

// OpenReadOnly opens the checkpoints in dir beside a live owner. It writes
// nothing below dir, now or later: methods that would return ErrReadOnly.
func OpenReadOnly(dir string, opts ...Option) (*Store, error) {
	s, err := newStore(dir, true, opts)
	if err != nil {
		return nil, err
	}
	s.readOnly = true
	if _, err := s.disk.ReadDir(s.dir); err != nil {
		return nil, explain("open", dir, err)
	}
	return s, nil
}

// newStore resolves the links on the way to dir, and dir itself if that may be one.
func newStore(dir string, mayBeLink bool, opts []Option) (*Store, error) {
	s := &Store{
		disk:       OS{},
		hashAtOnce: HashAtOnce,
		nonce:      strings.ToLower(rand.Text()[:8]),
		hashing:    map[*hashing]struct{}{},
	}
	for _, opt := range opts {
		opt(s)
	}
	abs, err := s.resolve(dir, mayBeLink)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: open %s: %w", dir, err)
	}
	s.dir, s.staging, s.trash = abs, filepath.Join(abs, stagingName), filepath.Join(abs, trashName)
	return s, nil
}

// resolve makes a user's path absolute, with no link on the way.
func (s *Store) resolve(path string, mayBeLink bool) (string, error) {
	abs, err := filepath.Abs(path)
	links, ok := s.disk.(interface {
		resolve(path string) (string, error)
	})
	switch {
	case err != nil || !ok: // a disk in memory has no links
		return abs, err
	case mayBeLink:
		return links.resolve(abs)
	}
	parent, err := links.resolve(filepath.Dir(abs))
	return filepath.Join(parent, filepath.Base(abs)), err
}

// prepare makes the three directories and sweeps the two temporary ones.
func (s *Store) prepare() error {
	if err := makeDirs(s.disk, s.dir); err != nil {
		return err
	}
	for _, dir := range []string{s.staging, s.trash} {
		if err := s.disk.Mkdir(dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	trashed, err := s.disk.ReadDir(s.trash)
	if err != nil {
		return err
	}
	if len(trashed) > 0 {
		// As in Delete: the renames into the trash must be on the disk before
		// anything in it goes.
		if err := syncPath(s.disk, s.dir); err != nil {
			return err
		}
	}
	for _, dir := range []string{s.trash, s.staging} {
		if err := disk.RemoveInside(s.disk, dir); err != nil {
			return fmt.Errorf("sweep what a crash left behind (stop trainers of the former run, or remove it by hand): %w", err)
		}
	}
	return nil
}

// Stage makes a fresh, empty directory for a trainer to write the checkpoint id
// into. Every call returns another one, also for the same id: two trainers that
// were handed the same segment never share a directory.
func (s *Store) Stage(id string) (staged string, err error) {
	if err := s.mayChange(id); err != nil {
		return "", explain("stage", id, err)
	}
	staged = filepath.Join(s.staging, s.uniqueName(id))
	if err := s.disk.Mkdir(staged); err != nil {
		return "", explain("stage", id, err)
	}
	return staged, nil
}

// Discard removes a staged directory, published or not: after Publish there is
// nothing left to remove, so it is safe to defer.
func (s *Store) Discard(staged string) error {
	if s.readOnly {
		return explain("discard", staged, ErrReadOnly)
	}
	if err := s.checkStaged(staged); err != nil {
		return explain("discard", staged, err)
	}
	if err := disk.RemoveTree(s.disk, staged); err != nil {
		return explain("discard", staged, err)
	}
	s.spent.Delete(filepath.Clean(staged))
	return nil
}

// Path returns the absolute path of the checkpoint id, whether or not it
// exists, or "" for something that is no id (opening "" fails everywhere).
func (s *Store) Path(id string) string {
	if CheckID(id) != nil {
		return ""
	}
	return s.path(id)
}

// Has reports whether the checkpoint id is published. It looks and does not
// read: see Verify. A disk that cannot answer counts as no.
func (s *Store) Has(id string) bool {
	if CheckID(id) != nil {
		return false
	}
	_, err := s.disk.Lstat(s.manifestPath(id))
	return err == nil
}

// List returns the ids of all published checkpoints, sorted. A directory
// without a manifest is not one of ours: a caller that deletes what it does not
// know must never be led to a user's own directory.
func (s *Store) List() ([]string, error) {
	entries, err := s.disk.ReadDir(s.dir)
	if err != nil {
		return nil, explain("list", s.dir, err)
	}
	ids := make([]string, 0, len(entries))
	for _, entry := range entries { // ReadDir sorts
		id := entry.Name()
		if !entry.IsDir() || CheckID(id) != nil {
			continue
		}
		switch _, err := s.disk.Lstat(s.manifestPath(id)); {
		case err == nil:
			ids = append(ids, id)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, explain("list", s.dir, err)
		}
	}
	return ids, nil
}

// Delete removes the checkpoint id. One that does not exist is deleted already.
// A Hash of it that is under way gives up soon, and Delete does not wait for it.
//
// The checkpoint moves into the trash first, and one fsync makes that last
// before its files go: without it a file system may keep the removals and lose
// the rename, and a power cut would leave a half-empty checkpoint under its id.
// If removing fails then, the id is gone, the error is reported and the next
// Open sweeps the rest.
func (s *Store) Delete(id string) error {
	if err := s.mayChange(id); err != nil {
		return explain("delete", id, err)
	}
	trashed := filepath.Join(s.trash, s.uniqueName(id))
	if err := s.callOffAndRename(id, trashed); err != nil {
		// A missing trash directory fails the same way as a missing checkpoint.
		if _, look := s.disk.Lstat(s.path(id)); errors.Is(look, fs.ErrNotExist) {
			return nil
		}
		return explain("delete", id, err)
	}
	if err := syncPath(s.disk, s.dir); err != nil {
		return explain("delete", id, err)
	}
	if err := disk.RemoveTree(s.disk, trashed); err != nil {
		return explain("delete", id, fmt.Errorf("it is no longer published, but its bytes stay until the next start: %w", err))
	}
	return nil
}

// CheckID says whether id can name a checkpoint: 1 to MaxIDBytes of ASCII
// letters, digits, '-', '_' and '.', not starting with '.'. So no id leaves the
// store's directory or meets its own hidden ones.
func CheckID(id string) error {
	if id == "" || len(id) > MaxIDBytes || id[0] == '.' {
		return fmt.Errorf("%w: %.160q", ErrBadID, id)
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
		default:
			return fmt.Errorf("%w: %.160q", ErrBadID, id)
		}
	}
	return nil
}

func (s *Store) path(id string) string { return filepath.Join(s.dir, id) }

func (s *Store) manifestPath(id string) string { return filepath.Join(s.dir, id, manifestName) }

func (s *Store) uniqueName(id string) string {
	return id + "." + s.nonce + "-" + strconv.FormatUint(s.seq.Add(1), 10)
}

func (s *Store) mayChange(id string) error {
	if s.readOnly {
		return ErrReadOnly
	}
	return CheckID(id)
}

// checkStaged keeps Publish and Discard, which move and remove whole trees, to
// the directories that Stage made.
func (s *Store) checkStaged(staged string) error {
	if filepath.Dir(filepath.Clean(staged)) != s.staging {
		return fmt.Errorf("%w: %s is not a directory from Stage, which lie in %s", ErrRefused, staged, s.staging)
	}
	return nil
}
