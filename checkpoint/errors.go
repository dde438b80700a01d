package checkpoint

import (
	"errors"
	"fmt"
	"syscall"
)

var (
	// ErrBadID: the id does not have the form that CheckID describes.
	ErrBadID = errors.New("not a checkpoint id (letters, digits, '-', '_', '.', not starting with '.')")
	// ErrExists: a checkpoint of that id is published already, and published
	// checkpoints never change.
	ErrExists = errors.New("already published")
	// ErrMissing: no checkpoint of that id is published.
	ErrMissing = errors.New("no such checkpoint")
	// ErrReadOnly: the store was opened by OpenReadOnly.
	ErrReadOnly = errors.New("the store is open read-only")
	// ErrRefused: the request, or what the trainer saved, is at fault and not
	// the disk. Trying again changes nothing.
	ErrRefused = errors.New("refused")
	// ErrChanged: files of the checkpoint were written to after the trainer had
	// reported it. A *CorruptError says which.
	ErrChanged = errors.New("was written to after it was reported")
)

// Problem says how a checkpoint differs from its manifest.
type Problem string

// What can be wrong with a checkpoint.
const (
	BadManifest Problem = "bad manifest" // unreadable, not ours, or not as it was written
	MissingFile Problem = "missing"      // in the manifest and not on the disk
	ExtraFile   Problem = "extra"        // on the disk and not in the manifest
	WrongSize   Problem = "wrong size"
	WrongHash   Problem = "wrong hash" // the right size, other bytes
	LateWrite   Problem = "late write" // by its size or time, and where no hash has told
)

// CorruptError reports the first difference found between a published
// checkpoint and its manifest.
type CorruptError struct {
	ID      string
	File    string // path inside the checkpoint
	Problem Problem
	Detail  string // what was expected and what is there; for people
}

// Error implements error.
func (e *CorruptError) Error() string {
	msg := fmt.Sprintf("checkpoint %s is corrupt: %q: %s", e.ID, e.File, e.Problem)
	if e.Detail != "" {
		msg += " (" + e.Detail + ")"
	}
	return msg
}

// Is says to errors.Is what is ErrChanged: another time, or another size.
func (e *CorruptError) Is(target error) bool {
	return target == ErrChanged && (e.Problem == LateWrite || e.Problem == WrongSize)
}

// IsDiskFull reports whether err comes from a disk, or a quota on it, that is
// full. It is the one failure that a run can wait out: free some space, go on.
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// explain says what was attempted on what, and, for the failures that have a
// common cure, what to do. The operating system's errors name the path.
func explain(verb, what string, err error) error {
	advice := ""
	switch {
	case IsDiskFull(err):
		advice = "; free space on that disk or raise the quota, then try again"
	case errors.Is(err, errUnsynced):
		advice = "; the disk may have lost data: discard what was staged and save it again"
	}
	return fmt.Errorf("checkpoint: %s %s: %w%s", verb, what, err, advice)
}
