package sim

import (
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// row is one line of the journal, as it lies on the disk.
type row struct {
	at   int64
	kind machine.Kind
	body []byte
}

// journal is the durable list of rows. Appending several is one transaction.
type journal struct{ rows []row }

// encode writes events down as they go to the disk.
func encode(events []machine.Event) ([]row, error) {
	rows := make([]row, 0, len(events))
	for _, e := range events {
		body, err := machine.Encode(nil, e.Body)
		if err != nil {
			return nil, err
		}
		rows = append(rows, row{e.At, e.Body.Kind(), body})
	}
	return rows, nil
}

// fold replays rows, as engine.Fold does.
func fold(rows []row, specOf machine.SpecFunc) (*machine.Machine, error) {
	var m *machine.Machine
	for i, r := range rows {
		if m == nil {
			body, err := machine.Decode(r.kind, r.body)
			if err != nil {
				return nil, err
			}
			spec, err := specOf(body.(*machine.RunStarted).Experiment)
			if err != nil {
				return nil, err
			}
			if m, err = machine.New(spec, specOf); err != nil {
				return nil, err
			}
		}
		if err := replay(m, r); err != nil {
			return nil, fmt.Errorf("event %d: %w", i+1, err)
		}
	}
	return m, nil
}

func replay(m *machine.Machine, r row) error {
	body, err := m.DecodeForReplay(r.kind, r.body)
	if err != nil {
		return err
	}
	return m.Apply(machine.Event{At: r.at, Body: body})
}

// content is a checkpoint.
type content struct {
	segment int64
	weights weights
}

// store is the directory of checkpoints.
type store struct {
	held  map[string]content
	names []string // in the order of publishing
	full  bool     // the disk is: nothing can be published
}

func newStore() store { return store{held: map[string]content{}} }

func (s *store) get(name string) (content, bool) {
	c, ok := s.held[name]
	return c, ok
}

// publish reports whether the name was free.
func (s *store) publish(name string, c content) bool {
	if _, taken := s.held[name]; taken {
		return false
	}
	s.held[name] = c
	s.names = append(s.names, name)
	return true
}

func (s *store) remove(name string) {
	if _, ok := s.held[name]; !ok {
		return
	}
	delete(s.held, name)
	s.names = slices.DeleteFunc(s.names, func(n string) bool { return n == name })
}
