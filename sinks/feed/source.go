package feed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Limits of one reading.
const (
	maxEvents = 500     // of one delivery
	maxBodies = 4 << 20 // bytes of the bodies of one delivery; one larger body goes alone
	maxReplay = 5_000   // rows that are read before the journal is let go for a moment
)

// Source is the journal of a run that may be going on. It is opened for a moment
// at a time, so that the last to close it can be the engine, which folds its log.
type Source struct {
	path string

	mu      sync.Mutex // guards all below, and is held during a reading
	resting bool
	open    *journal.Journal // during a reading
}

// NewSource is the source of a journal.
func NewSource(path string) *Source { return &Source{path: path} }

// errResting is a reading while the engine closes its journal.
var errResting = errors.New("the journal is being closed")

// errEnough ends a reading that has got all it may take.
var errEnough = errors.New("enough")

// Rest lets the journal go, until Resume. It waits for a reading to end.
func (s *Source) Rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting = true
	s.shut()
}

// Resume ends a Rest.
func (s *Source) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resting = false
}

// Close lets the journal go.
func (s *Source) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut()
}

func (s *Source) shut() {
	if s.open != nil {
		s.open.Close() // it was only read
		s.open = nil
	}
}

func (s *Source) journal() (*journal.Journal, error) {
	if s.resting {
		return nil, errResting
	}
	if s.open == nil {
		j, err := journal.OpenReadOnly(s.path)
		if err != nil {
			return nil, err
		}
		s.open = j
	}
	return s.open, nil
}

// mark is a row, and by its seal all rows before it.
type mark struct {
	Seq  int64  `json:"seq"`
	Seal string `json:"seal,omitempty"`
}

// read calls fn with the rows after a position, until fn or a limit ends it. It
// returns the last row that fn has taken, 0 for none.
func (s *Source) read(after int64, fn func(journal.Row) error) (last mark, more bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.journal()
	if err != nil {
		return last, false, err
	}
	defer s.shut()
	n := 0
	err = j.Read(after, func(r journal.Row) error {
		if n++; n > maxReplay {
			return errEnough
		}
		err := fn(r)
		if err == nil {
			last.Seq = r.Seq
		}
		return err
	})
	if more = errors.Is(err, errEnough); more {
		err = nil
	}
	if err == nil && last.Seq > 0 {
		last.Seal, err = j.SealAt(last.Seq)
	}
	return last, more, err
}

// holds tells whether the journal has a row, and has had the same ones before it.
func (s *Source) holds(m mark) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.journal()
	if err != nil || m.Seq == 0 {
		return true, err
	}
	defer s.shut()
	seal, err := j.SealAt(m.Seq)
	return seal != "" && (m.Seal == "" || seal == m.Seal), err
}

// nearby is how many rows are rather read over than the next one looked up.
const nearby = 1000

// rows calls fn with single rows, whose positions rise.
func (s *Source) rows(wanted []int64, fn func(journal.Row) error) error {
	for len(wanted) > 0 {
		s.mu.Lock()
		n, err := s.someRows(wanted[:min(len(wanted), maxEvents)], fn)
		s.mu.Unlock()
		if err != nil {
			return err
		}
		wanted = wanted[n:]
	}
	return nil
}

// someRows reads the first of the rows, those that are near each other in one go.
func (s *Source) someRows(wanted []int64, fn func(journal.Row) error) (n int, err error) {
	j, err := s.journal()
	if err != nil {
		return 0, err
	}
	defer s.shut()
	for err == nil && n < len(wanted) {
		before := n
		err = j.Read(wanted[n]-1, func(r journal.Row) error {
			if n == len(wanted) || wanted[n] > r.Seq+nearby {
				return errEnough
			}
			if r.Seq < wanted[n] {
				return nil
			}
			n++
			return fn(r)
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		if err == nil && n == before {
			err = fmt.Errorf("event %d is not in the journal", wanted[n])
		}
	}
	return n, err
}

// last is the position of the newest row.
func (s *Source) last() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	j, err := s.journal()
	if err != nil {
		return 0, err
	}
	defer s.shut()
	return j.Last()
}

// identify reads who the run is.
func (s *Source) identify(info Info) (*Run, error) {
	run := &Run{Info: info, source: s, tree: newTree(info.Goal)}
	_, _, err := s.read(0, func(r journal.Row) error {
		body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
		if err != nil {
			return err
		}
		started, ok := body.(*machine.RunStarted)
		if !ok {
			return fmt.Errorf("the journal begins with %s", r.Kind)
		}
		sum := sha256.Sum256(append(fmt.Appendf(nil, "%d ", r.At), r.Body...))
		run.ID, run.Started, run.Version = hex.EncodeToString(sum[:8]), r.At, started.Version
		return errEnough
	})
	if err == nil && run.ID == "" {
		err = errors.New("the journal holds no event yet")
	}
	return run, err
}
