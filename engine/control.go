package engine

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// order is what a person wants, on its way into the loop.
type order struct {
	in    machine.Input
	slots int // how many there shall be; 0: as many as there are
	done  chan result
}

type result struct {
	seq int64
	err error
}

// errNotRun says that there is no loop to steer.
var errNotRun = errors.New("the run is not being trained any more")

// MaxMoreSlots is how many slots a run may get beyond those that it began with,
// without being resumed.
const MaxMoreSlots = 256

// Steer hands in what a person wants of a run that is being Run, and returns the
// journal position of the event that records it, which is durable then. slots, if it
// is not 0, is how many slots there shall be. An error says why it makes no sense, and
// that nothing was done. It may be called from any goroutine.
func (e *Engine) Steer(in machine.Input, slots int) (seq int64, err error) {
	o := order{in, slots, make(chan result, 1)}
	select {
	case e.orders <- o:
	case <-e.finished:
		return 0, errNotRun
	}
	select {
	case r := <-o.done:
		return r.seq, r.err
	case <-e.finished:
		select {
		case r := <-o.done: // it was the last thing done
			return r.seq, r.err
		default:
			return 0, errNotRun
		}
	}
}

// obey does what a person wants. The answer goes out once it is durable.
func (e *Engine) obey(o order) error {
	if o.slots < 0 || o.slots > e.most {
		o.done <- result{err: fmt.Errorf("%d slots: want 1 to %d; for more, stop the run and resume it with --slots", o.slots, e.most)}
		return nil
	}
	if a := e.handle(o.in); a.Refused != nil {
		o.done <- result{err: a.Refused}
		return nil
	}
	if e.machine.Spec().SaveEvery > 1 { // never back: segments at work may not be saved, and the machine knows when they must be
		e.lazy.Store(true)
	}
	at := e.seq + 1
	if o.slots > 0 {
		e.resize(o.slots)
	}
	err := e.turn(nil, nil)
	o.done <- result{at, err}
	return err
}

// resize starts slots, or lets some go once their segments are done: the last ones.
func (e *Engine) resize(n int) {
	e.config.Slots = n
	there := map[int]bool{}
	for _, s := range e.slots {
		if s.abandoned {
			continue
		}
		s.leaving = s.number > n
		there[s.number] = true
	}
	for i := 1; i <= n; i++ {
		if !there[i] {
			e.startSlot(i)
		}
	}
	waiting := e.parked
	e.parked = nil
	for _, s := range waiting {
		e.park(s)
	}
}

// park lets a slot wait for work, or go.
func (e *Engine) park(s *slot) {
	switch {
	case !s.leaving:
		e.parked = append(e.parked, s)
	case !s.closed:
		s.closed = true
		close(s.tasks)
		e.slots = remove(e.slots, s)
		e.gone = append(e.gone, s)
	}
}

// remove takes a slot out of a list.
func remove(slots []*slot, s *slot) []*slot {
	for i, other := range slots {
		if other == s {
			return append(slots[:i:i], slots[i+1:]...)
		}
	}
	return slots
}
