package engine

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Fold replays a journal into a machine. It returns nil without an error for a
// journal that holds no event yet.
func Fold(j *journal.Journal, specOf machine.SpecFunc) (m *machine.Machine, last int64, err error) {
	err = j.Read(0, func(r journal.Row) error {
		if m == nil {
			if m, err = firstEvent(r, specOf); err != nil {
				return fmt.Errorf("event %d: %w", r.Seq, err)
			}
		}
		body, err := m.DecodeForReplay(machine.Kind(r.Kind), r.Body)
		if err == nil {
			err = m.Apply(machine.Event{At: r.At, Body: body})
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", r.Seq, err)
		}
		last = r.Seq
		return nil
	})
	return m, last, err
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
