package engine

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How far reading may go ahead of applying.
const (
	foldBatch = 512 // events
	foldAhead = 4   // batches
)

// pending is a batch of events that are read, but not applied.
type pending struct {
	machine *machine.Machine // that they are for
	events  []machine.Event
	err     error // why there are no more
}

// Fold replays a journal into a machine. It returns nil without an error for a
// journal that holds no event yet.
//
// Reading and decoding are half of the work, and go ahead on a processor of
// their own.
func Fold(j *journal.Journal, specOf machine.SpecFunc) (m *machine.Machine, last int64, err error) {
	return fold(func(fn func(journal.Row) error) error { return j.Read(0, fn) }, specOf)
}

// foldVerified is Fold that recomputes the journal's seals on the way. altered names the
// first row that is not as it was written.
func foldVerified(j *journal.Journal, specOf machine.SpecFunc) (m *machine.Machine, last int64, altered, err error) {
	m, last, err = fold(func(fn func(journal.Row) error) error {
		return j.ReadVerified(func(r journal.Row, why error) error {
			altered = why
			return fn(r)
		})
	}, specOf)
	return m, last, altered, err
}

// rowsOf calls a function with every row of a journal.
type rowsOf func(func(journal.Row) error) error

func fold(read rowsOf, specOf machine.SpecFunc) (m *machine.Machine, last int64, err error) {
	ahead, stop := make(chan pending, foldAhead), make(chan struct{})
	go readAhead(read, specOf, ahead, stop)
	defer func() {
		close(stop)
		for range ahead { // until the reader has let go of the journal
		}
	}()
	for p := range ahead {
		m = p.machine
		for _, ev := range p.events {
			if err := m.Apply(ev); err != nil {
				return m, last, fmt.Errorf("event %d: %w", last+1, err)
			}
			last++
		}
		if p.err != nil {
			return m, last, p.err
		}
	}
	return m, last, nil
}

// errUnwanted ends reading when applying has failed.
var errUnwanted = errors.New("no more events are wanted")

// readAhead reads and decodes a journal, batch by batch.
func readAhead(read rowsOf, specOf machine.SpecFunc, out chan<- pending, stop <-chan struct{}) {
	defer close(out)
	var p pending
	pass := func() error {
		select {
		case out <- p:
			p.events = make([]machine.Event, 0, foldBatch)
			return nil
		case <-stop:
			return errUnwanted
		}
	}
	p.err = read(func(r journal.Row) (err error) {
		if p.machine == nil {
			if p.machine, err = firstEvent(r, specOf); err != nil {
				return fmt.Errorf("event %d: %w", r.Seq, err)
			}
		}
		body, err := p.machine.DecodeForReplay(machine.Kind(r.Kind), r.Body)
		if err != nil {
			return fmt.Errorf("event %d: %w", r.Seq, err)
		}
		p.events = append(p.events, machine.Event{At: r.At, Body: body})
		if len(p.events) == foldBatch {
			return pass()
		}
		return nil
	})
	_ = pass() // if it is unwanted, nobody asks why
}

// firstEvent makes the machine that a journal's first event describes.
func firstEvent(r journal.Row, specOf machine.SpecFunc) (*machine.Machine, error) {
	body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
	if err != nil {
		return nil, err
	}
	started, ok := body.(*machine.RunStarted)
	if !ok {
		return nil, fmt.Errorf("a journal begins with run_started, not %s", r.Kind)
	}
	spec, err := specOf(started.Experiment)
	if err != nil {
		return nil, fmt.Errorf("its experiment: %w", err)
	}
	return machine.New(spec, specOf)
}
