package view

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How far reading may go ahead of applying, and how long it keeps readers waiting.
const (
	foldBatch = 512 // events
	foldAhead = 4   // batches
)

// read is an event that is read, but not applied.
type read struct {
	row   journal.Row // without its body
	body  machine.Body
	times [partCount]int64
}

type readBatch struct {
	events []read
	err    error // why there are no more
}

// CatchUp reads what the journal holds beyond what is known. It returns how many
// events that were. Reading and decoding are most of the work, and go ahead on a
// processor of their own.
func (r *Run) CatchUp(ctx context.Context, j *journal.Journal) (int, error) {
	r.catching.Lock()
	defer r.catching.Unlock()
	if r.broken != nil {
		return 0, r.broken
	}
	last, err := j.Last()
	if err != nil || last <= r.Seq() {
		return 0, err
	}
	before := r.Seq()
	if before == 0 {
		if err := r.readFirst(j); err != nil {
			return 0, err
		}
	}
	err = r.readOn(ctx, j, r.Seq())
	return int(r.Seq() - before), err
}

// readFirst reads the event that says what all others mean.
func (r *Run) readFirst(j *journal.Journal) error {
	return j.At([]int64{1}, func(row journal.Row) error {
		body, err := machine.Decode(machine.Kind(row.Kind), row.Body)
		if err != nil {
			return err
		}
		row.Body = nil
		return r.applyAll([]read{{row: row, body: body}})
	})
}

func (r *Run) readOn(ctx context.Context, j *journal.Journal, after int64) error {
	ahead, stop := make(chan readBatch, foldAhead), make(chan struct{})
	go r.readAhead(j, after, ahead, stop)
	defer func() {
		close(stop)
		for range ahead { // until the reader has let go of the journal
		}
	}()
	for b := range ahead {
		if err := r.applyAll(b.events); err != nil {
			return err
		}
		if b.err != nil {
			return b.err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	return nil
}

func (r *Run) applyAll(events []read) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		if err := r.apply(&events[i]); err != nil {
			r.broken = fmt.Errorf("event %d: %w", events[i].row.Seq, err)
			return r.broken
		}
	}
	return nil
}

// errUnwanted ends reading when nobody waits for more.
var errUnwanted = errors.New("no more events are wanted")

// readAhead reads and decodes a journal, batch by batch.
func (r *Run) readAhead(j *journal.Journal, after int64, out chan<- readBatch, stop <-chan struct{}) {
	defer close(out)
	var b readBatch
	pass := func() error {
		select {
		case out <- b:
			b.events = make([]read, 0, foldBatch)
			return nil
		case <-stop:
			return errUnwanted
		}
	}
	b.err = j.Read(after, func(row journal.Row) error {
		body, err := r.m.DecodeForReplay(machine.Kind(row.Kind), row.Body)
		if err != nil {
			return fmt.Errorf("event %d: %w", row.Seq, err)
		}
		e := read{row: row, body: body}
		if _, ok := body.(*machine.Finished); ok {
			e.times = scanTimes(row.Body)
		}
		e.row.Body = nil
		b.events = append(b.events, e)
		if len(b.events) == foldBatch {
			return pass()
		}
		return nil
	})
	_ = pass() // if it is unwanted, nobody asks why
}
