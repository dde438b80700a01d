package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// A run that is resumed may have been altered while no process had it. What pbt believes
// of it is checked first: the journal's seals and the needed checkpoints' manifests and
// sizes when the run is opened, every byte of a checkpoint before its first use.

// ErrAltered says that a run is not as it was recorded.
var ErrAltered = errors.New("the run was altered")

// maxNamed bounds how many differences an error names.
const maxNamed = 8

// trust knows the checkpoints of earlier sessions of which every byte was compared.
type trust struct {
	mu    sync.Mutex
	until int64 // segments of earlier sessions have numbers up to this one
	whole map[string]bool
}

func (e *Engine) openJournal() (*journal.Journal, error) {
	path := e.path(JournalFile)
	if !e.config.AcceptAltered {
		return journal.Open(path)
	}
	j, err := journal.OpenAltered(path)
	if err == nil {
		for _, what := range j.Accepted() {
			e.accepted = append(e.accepted, machine.Accepted{What: "the journal holds " + what + ", which pbt did not make"})
		}
	}
	return j, err
}

// distrust refuses a run of which something is altered, unless that is accepted.
func (e *Engine) distrust(altered error) error {
	switch {
	case altered == nil:
		return nil
	case e.config.AcceptAltered:
		e.accepted = append(e.accepted, machine.Accepted{What: altered.Error()})
		return nil
	}
	return e.refuseAltered(altered.Error())
}

func (e *Engine) refuseAltered(what ...string) error {
	if n := len(what) - maxNamed; n > 0 {
		what = append(what[:maxNamed:maxNamed], fmt.Sprintf("and %d more", n))
	}
	return fmt.Errorf("%s: %w, and what follows would rest on that: %s; restore it from a copy, or train on regardless with `pbt resume %[1]s --accept-altered`; `pbt verify %[1]s` checks all of it, and it can still be read",
		e.config.Dir, ErrAltered, strings.Join(what, "; "))
}

// checkNeeded compares the checkpoints that may be handed out with the journal, by their
// manifests and their files' sizes. Those that are missing are left to the segments that
// need them.
func (e *Engine) checkNeeded() error {
	e.trust.until, e.trust.whole = e.machine.Segments(), map[string]bool{}
	var altered []string
	for _, segment := range e.machine.Needed() {
		c, _ := e.machine.Checkpoint(segment)
		info, err := e.store.Sizes(c.ID, c.Digest)
		if !isAltered(err) {
			continue // it is whole or missing, or the disk cannot say: its first use will tell
		}
		what := fmt.Sprintf("segment %d: %v", segment, err)
		altered = append(altered, what)
		e.accepted = append(e.accepted, machine.Accepted{What: what, Segment: segment, Digest: info.Digest})
	}
	if len(altered) > 0 && !e.config.AcceptAltered {
		return e.refuseAltered(altered...)
	}
	return nil
}

func isAltered(err error) bool {
	var another *checkpoint.AnotherError
	var corrupt *checkpoint.CorruptError
	return errors.As(err, &another) || errors.As(err, &corrupt)
}

// Accepted is what was found altered when the run was opened, and was accepted.
func (e *Engine) Accepted() []machine.Accepted { return e.accepted }

// checkLoad compares a checkpoint with what was recorded of it, before it is handed out,
// and returns its digest. Of one of an earlier session every byte is read, the first time.
func (e *Engine) checkLoad(t *machine.Task) (digest string, err error) {
	if e.trust.mustRead(t) {
		found, err := e.store.ExamineExpected(t.Load, t.LoadDigest)
		if err == nil {
			e.trust.read(t.Load)
		}
		return found.Digest, err
	}
	info, err := e.store.Expect(t.Load, t.LoadDigest)
	if errors.Is(err, checkpoint.ErrChanged) { // where the clock of the files cannot tell, their hashes must
		err = e.store.Verify(t.Load)
	}
	return info.Digest, err
}

func (t *trust) mustRead(task *machine.Task) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return task.Parent <= t.until && !t.whole[task.Load]
}

func (t *trust) read(id string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.whole[id] = true
}
