package verify

import (
	"errors"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How far reading may go ahead of verifying.
const (
	batchEvents = 512
	batchAhead  = 4 // batches
)

// item is an event that is read, but not verified.
type item struct {
	row     journal.Row
	body    machine.Body
	err     error // why it cannot be read
	altered error // the first row that is not as it was written; nil as long as there is none
}

type batch struct {
	items  []item
	bodies []byte // back the rows' bodies
	err    error  // why there are no more
}

// add appends an event, with a copy of its row's body.
func (b *batch) add(it item) {
	start := len(b.bodies)
	b.bodies = append(b.bodies, it.row.Body...)
	it.row.Body = b.bodies[start:len(b.bodies):len(b.bodies)]
	b.items = append(b.items, it)
}

var errUnwanted = errors.New("no more events are wanted")

// eachEvent calls fn with the journal's events in order. Reading, sealing and decoding are half
// of the work, and go ahead on a processor of their own.
func eachEvent(j *journal.Journal, specOf machine.SpecFunc, fn func(item) error) error {
	ahead, stop := make(chan batch, batchAhead), make(chan struct{})
	go readAhead(j, specOf, ahead, stop)
	defer func() {
		close(stop)
		for range ahead { // until the reader has let go of the journal
		}
	}()
	for b := range ahead {
		for _, it := range b.items {
			if err := fn(it); err != nil {
				return err
			}
		}
		if b.err != nil {
			return b.err
		}
	}
	return nil
}

func readAhead(j *journal.Journal, specOf machine.SpecFunc, out chan<- batch, stop <-chan struct{}) {
	defer close(out)
	var b batch
	pass := func() error {
		select {
		case out <- b:
			b = batch{items: make([]item, 0, batchEvents), bodies: make([]byte, 0, cap(b.bodies))}
			return nil
		case <-stop:
			return errUnwanted
		}
	}
	d := decoder{specOf: specOf}
	b.err = j.ReadVerified(func(r journal.Row, altered error) error {
		body, err := d.decode(r)
		b.add(item{r, body, err, altered})
		if len(b.items) == batchEvents {
			return pass()
		}
		return nil
	})
	_ = pass() // if it is unwanted, nobody reads it
}

// decoder reads of most events what Apply needs. The explanation of a decision is compared as
// text, which is many times faster than reading it.
type decoder struct {
	specOf machine.SpecFunc
	m      *machine.Machine // of the same spec as the one that is verified; it stays as new
}

func (d *decoder) decode(r journal.Row) (machine.Body, error) {
	if d.m != nil {
		return d.m.DecodeForReplay(machine.Kind(r.Kind), r.Body)
	}
	body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
	if started, ok := body.(*machine.RunStarted); ok && err == nil {
		if spec, err := d.specOf(started.Experiment); err == nil { // if not, the verifier says so
			d.m, _ = machine.New(spec, d.specOf)
		}
	}
	return body, err
}
