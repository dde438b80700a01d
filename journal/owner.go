package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// lockName is the file in a run's directory whose lock makes its holder the
// run's owner. The file stays when the lock goes: deleting it would let two
// processes lock two files of the same name.
const lockName = "lock"

// Refused is not refused at once: a process killed a moment ago may not be gone
// yet, and whoever merely asks for the owner ([OwnerOf]) holds the lock for some
// microseconds.
//
// A child of a killed process holds the lock too, between its fork and its exec:
// longer, on a machine that is short of time.
const (
	lockPatience  = 250 * time.Millisecond
	lockPause     = 10 * time.Millisecond
	childPatience = 5 * time.Second
)

// Owner is the process that runs a run.
type Owner struct {
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

// String names the process for a person.
func (o Owner) String() string {
	if o.PID == 0 {
		return "another process (which did not say its name)"
	}
	return fmt.Sprintf("process %d on host %s since %s", o.PID, o.Host, o.Since.Format("2006-01-02 15:04:05 MST"))
}

// OwnedError says that a run has an owner already.
type OwnedError struct {
	Dir   string
	Owner Owner
}

func (e *OwnedError) Error() string {
	return fmt.Sprintf("run %s is in use by %s: stop that process first, or start another run in another directory", e.Dir, e.Owner)
}

// Lock makes this process the owner of a run, until it is released or the
// process ends, however it ends.
type Lock struct {
	file *os.File
}

// Own makes this process the owner of the run in a directory, or returns an
// [OwnedError] that names the present owner.
func Own(dir string, who Owner) (*Lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("take ownership of run %s: %w", dir, err)
	}
	held, err := heldByOther(f, unix.LOCK_EX, lockPatience)
	if held && err == nil && gone(readOwner(f)) {
		held, err = heldByOther(f, unix.LOCK_EX, childPatience)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("take ownership of run %s: %w", dir, err)
	case held:
		err = &OwnedError{Dir: dir, Owner: readOwner(f)}
	default:
		err = writeOwner(f, who)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{file: f}, nil
}

// Release gives the run up.
func (l *Lock) Release() error {
	// Emptied first, so that nobody reads the name of a process that left.
	if err := errors.Join(l.file.Truncate(0), l.file.Close()); err != nil {
		return fmt.Errorf("release %s: %w", l.file.Name(), err)
	}
	return nil
}

// Discard gives up a run that was not made after all: the lock's file goes.
func (l *Lock) Discard() error {
	return errors.Join(os.Remove(l.file.Name()), l.Release())
}

// OwnerOf tells whether a live process owns the run in a directory, and which.
func OwnerOf(dir string) (Owner, bool, error) {
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return Owner{}, false, nil
	}
	if err != nil {
		return Owner{}, false, fmt.Errorf("look for the owner of run %s: %w", dir, err)
	}
	defer f.Close()
	// A lock that askers can share is the only question flock answers. Own
	// outwaits it.
	held, err := heldByOther(f, unix.LOCK_SH, 0)
	if err != nil {
		return Owner{}, false, fmt.Errorf("look for the owner of run %s: %w", dir, err)
	}
	if !held {
		return Owner{}, false, nil
	}
	o := readOwner(f)
	if gone(o) { // a child that it was just starting has the lock for a moment
		return Owner{}, false, nil
	}
	return o, true, nil
}

// heldByOther tries to lock a file for some time and tells whether another
// process kept it from doing so.
func heldByOther(f *os.File, how int, patience time.Duration) (bool, error) {
	for waited := time.Duration(0); ; waited += lockPause {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		switch {
		case err == nil:
			return false, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return false, fmt.Errorf("lock %s: %w (does this file system support flock?)", f.Name(), err)
		case waited >= patience:
			return true, nil
		}
		time.Sleep(lockPause)
	}
}

// readOwner reads who holds a lock. Between taking the lock and writing its name
// an owner needs a moment, in which the file is empty or names a process that is
// no more. The zero Owner stands for one that never wrote.
func readOwner(f *os.File) Owner {
	for waited := time.Duration(0); ; waited += lockPause {
		var o Owner
		text, err := io.ReadAll(io.NewSectionReader(f, 0, 4096))
		if err == nil && json.Unmarshal(text, &o) != nil {
			o = Owner{}
		}
		if o.PID != 0 && !gone(o) || waited >= lockPatience {
			return o
		}
		time.Sleep(lockPause)
	}
}

// gone tells whether a process is known to have ended.
func gone(o Owner) bool {
	host, err := os.Hostname()
	return err == nil && o.PID != 0 && host == o.Host && errors.Is(unix.Kill(o.PID, 0), unix.ESRCH)
}

func writeOwner(f *os.File, who Owner) error {
	text, err := json.Marshal(who)
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return fmt.Errorf("write the owner's name: %w", err)
	}
	if _, err := f.WriteAt(append(text, '\n'), 0); err != nil {
		return fmt.Errorf("write the owner's name: %w", err)
	}
	return nil
}
