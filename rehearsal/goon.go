package rehearsal

import (
	"errors"
	"strings"
)

// Numbers of the seeds that the rehearsal's segments train with, beside those by
// which it grows.
const (
	seedShort = 1000
	seedLong  = 1001
	seedExtra = 1002
	seedWarm  = 1500
	seedOther = 2000
)

// living is the open place; one is opened if need be.
func (r *rehearsal) living() *place {
	if len(r.places) == 0 {
		return r.open(1)
	}
	return r.places[0]
}

// goOn trains on in memory and in fresh processes, and compares.
func (r *rehearsal) goOn() error {
	p := r.living()
	if r.Kind == Template {
		return r.loadOnly()
	}
	lengths := []int64{1, r.steps}
	if r.steps == 1 {
		lengths = lengths[:1]
	}
	r.say("training on in memory")
	var held []*outcome
	at := r.base
	for i, steps := range lengths {
		o, err := r.train(p, task{parent: at, steps: steps, seed: r.seed(seedShort + int64(i)), hypers: r.hypers})
		if err == nil && !o.held || err != nil && hasLeft(err) {
			return r.leaves()
		}
		if err != nil {
			return firstOf(r.trouble(err, CheckHold, "training on in memory fails"), err)
		}
		held, at = append(held, o), o
	}
	if r.Memory != nil {
		r.memory = r.Memory()
	}
	r.lookForWriters()
	r.close(p)
	r.say("the same from the checkpoint, in a fresh process")
	loaded, err := r.loadAll(held)
	if err != nil {
		return firstOf(r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint"), err)
	}
	last := len(held) - 1
	r.ref.held, r.ref.loaded = held[last], loaded[last]
	r.say("once more, to see how much it varies by itself")
	r.closeAll()
	again, err := r.loadAll(held)
	if err != nil {
		return firstOf(r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint the second time"), err)
	}
	r.ref.again = again[last]
	r.ref.settle()
	return r.compareHeld(held, loaded, again)
}

// hasLeft tells whether a program had decided to end when it was handed a segment.
func hasLeft(err error) bool {
	return strings.Contains(err.Error(), "ended in the middle of a segment: exit status 0")
}

// leaves tells of a program that does not stay alive.
func (r *rehearsal) leaves() error {
	const says = "the program ends after a segment instead of waiting for the next"
	r.find(Wrong, CheckHold, "make it a loop over the segments: one that is about to end when it is handed a segment fails it (a program per segment is a command with placeholders)", says)
	return &jobError{err: errors.New(says)}
}

// firstOf ends the rehearsal after trouble: told, or the machine's own.
func firstOf(told, err error) error {
	if told != nil {
		return told
	}
	return err
}

// loadAll does in a fresh process what was done in memory.
func (r *rehearsal) loadAll(held []*outcome) (loaded []*outcome, err error) {
	p := r.open(1)
	for _, h := range held {
		o, err := r.train(p, h.task)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded, o)
	}
	return loaded, nil
}

// loadOnly is for what holds nothing in memory between segments.
func (r *rehearsal) loadOnly() error {
	r.say("the same segment twice from a checkpoint")
	t := task{parent: r.base, steps: 1, seed: r.seed(seedShort), hypers: r.hypers}
	short, err := r.train(r.living(), t)
	if err == nil {
		t = task{parent: short, steps: r.steps, seed: r.seed(seedLong), hypers: r.hypers}
		r.ref.loaded, err = r.train(r.living(), t)
	}
	if err == nil {
		r.ref.again, err = r.train(r.living(), t)
	}
	if err != nil {
		return firstOf(r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint"), err)
	}
	r.ref.settle()
	r.lookForWriters()
	r.notTested(CheckHold, "a program per segment keeps nothing in memory between segments")
	return nil
}
