package pbt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Follow trains along a schedule that an earlier run found, or that a user wrote: each
// step is trained with the hyperparameters that the schedule has for it. Fresh weights
// start with the first stage, and a segment ends where a stage begins; see Standing.Split.
type Follow struct {
	Stages []Stage // by From, the first at 0; each holds until the next

	// AtReady makes Follow an explorer like the others, as it was in the first runs: a stage
	// begins at the first ready point at which the policy explores, and initial values are drawn.
	AtReady bool
}

// MaxFollow bounds the stages of a schedule to follow.
const MaxFollow = 1_000_000

// Name returns "follow".
func (Follow) Name() string { return "follow" }

// Explore implements Explore. A stage that the space does not allow changes nothing.
func (e Follow) Explore(s *Space, h Hypers, at Address) (Hypers, []Change) {
	next := e.At(at.Step)
	if s.Check(next) != nil {
		return h, nil
	}
	var changes []Change
	for name, to := range next.All() {
		if from, _ := h.Get(name); from != to {
			changes = append(changes, Change{name, from, to, opFollow})
		}
	}
	for name, from := range h.All() {
		if _, ok := next.Get(name); !ok {
			changes = append(changes, Change{name, from, Value{}, opOff})
		}
	}
	return next, changes
}

// At is the schedule at a step.
func (e Follow) At(step int64) Hypers {
	i, found := slices.BinarySearchFunc(e.Stages, step, func(s Stage, step int64) int { return cmp.Compare(s.From, step) })
	if !found {
		i--
	}
	if i < 0 {
		return Hypers{}
	}
	return e.Stages[i].Hypers
}

// Next is the step after this one at which a stage begins; ok is false after the last.
func (e Follow) Next(step int64) (from int64, ok bool) {
	i, found := slices.BinarySearchFunc(e.Stages, step, func(s Stage, step int64) int { return cmp.Compare(s.From, step) })
	if found {
		i++
	}
	if i == len(e.Stages) {
		return 0, false
	}
	return e.Stages[i].From, true
}

// Following is the schedule that the policy keeps to at every step; ok is false if it
// keeps to none.
func (p *Policy) Following() (f Follow, ok bool) {
	f, ok = p.Explore.(Follow)
	return f, ok && !f.AtReady
}

// Start is a member's first decision: fresh weights, hyperparameters as given; what is
// left open is the schedule's, or else drawn from the space.
func (p *Policy) Start(space *Space, seed uint64, member int, given Hypers) (Decision, error) {
	return Start(space, seed, member, p.fresh(space, given, Address{Seed: seed, Member: member}))
}

// fresh adds to the given hyperparameters of fresh weights what a schedule has for them.
func (p *Policy) fresh(space *Space, given Hypers, at Address) Hypers {
	f, ok := p.Following()
	if !ok {
		return given
	}
	h, err := space.with(f.At(0), given, at)
	if err != nil {
		return given // Complete says what is wrong with it
	}
	return h
}

// restart gives a member fresh weights, and hyperparameters drawn anew or the schedule's.
func (p *Policy) restart(d *Decision, space *Space, own Hypers, at Address) {
	d.Action, d.Parent = Restart, 0
	d.Hypers = space.inherit(own, Hypers{}, at)
	if f, ok := p.Following(); ok {
		d.Hypers = f.At(0)
	}
}

// CheckStages tells whether a space allows each stage of a schedule that is followed.
func (p *Policy) CheckStages(space *Space) error {
	f, ok := p.Following()
	if !ok {
		return nil
	}
	for i, s := range f.Stages {
		if err := space.Check(s.Hypers); err != nil {
			return fmt.Errorf("stage %d of the schedule, at step %d: %w", i+1, s.From, err)
		}
	}
	return nil
}

func (e Follow) validate() error {
	if len(e.Stages) == 0 || len(e.Stages) > MaxFollow {
		return fmt.Errorf("a schedule of %d stages: want 1 to %d", len(e.Stages), MaxFollow)
	}
	if e.Stages[0].From != 0 {
		return errors.New("a schedule begins at step 0")
	}
	for i := 1; i < len(e.Stages); i++ {
		if e.Stages[i].From <= e.Stages[i-1].From {
			return fmt.Errorf("stage %d of the schedule begins at step %d, not after step %d", i+1, e.Stages[i].From, e.Stages[i-1].From)
		}
	}
	return nil
}
