package pbt

import (
	"errors"
	"fmt"
)

// Follow explores by the book: at each ready point it takes the hyperparameters
// that a schedule has for the weights' step. With NoExploit and ExploreAlways it
// trains along a schedule that an earlier run found, or that a person wrote.
type Follow struct {
	Stages []Stage // by From, the first at 0; each holds until the next
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
	var h Hypers
	for _, s := range e.Stages {
		if s.From > step {
			break
		}
		h = s.Hypers
	}
	return h
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
