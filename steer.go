package pbt

import (
	"errors"
	"fmt"
)

// Wish is what a person wants of a member's next segment, in place of a decision of
// the policy. Exactly one of its parts is set.
type Wish struct {
	Set     Hypers  // these hyperparameters, the others as they are
	Donor   *Record // this record's weights and hyperparameters
	From    int     // the member that earned the record
	Restart bool    // fresh weights, hyperparameters drawn anew
	Fresh   *Hypers // fresh weights, these hyperparameters; what they leave open is drawn
}

// opSet is what a Change says of a value that a person has set.
const opSet = "set by hand"

// parts is how many things it wants.
func (w *Wish) parts() (n int) {
	for _, wanted := range []bool{w.Set.Len() > 0, w.Donor != nil, w.Restart, w.Fresh != nil} {
		if wanted {
			n++
		}
	}
	return n
}

// Check tells whether a wish can be fulfilled for a member with these hyperparameters.
func (w *Wish) Check(space *Space, own Hypers) error {
	if w.parts() != 1 {
		return errors.New("want one thing: hyperparameters to set, a segment to copy, or a fresh start")
	}
	if w.Donor != nil {
		if !w.Donor.Saved {
			return fmt.Errorf("segment %d has no checkpoint to copy", w.Donor.Segment)
		}
		return space.Check(w.Donor.Hypers)
	}
	if w.Fresh != nil {
		_, err := space.Complete(*w.Fresh, 0, 0, 0)
		return err
	}
	_, err := w.hypers(space, own, Address{})
	return err
}

// hypers are the member's own with those that are set.
func (w *Wish) hypers(space *Space, own Hypers, at Address) (Hypers, error) {
	given := own
	for name, v := range w.Set.All() {
		p, ok := space.Param(name)
		if !ok {
			return own, fmt.Errorf("there is no hyperparameter %q", name)
		}
		given = given.With(name, p.Coerce(v))
	}
	h, _ := space.rebuild(given, at, func(_ *Param, v Value, _ Address) (Value, string) { return v, "" })
	for name := range w.Set.All() {
		if _, exists := h.Get(name); !exists {
			return own, fmt.Errorf("%s: its condition does not hold", name)
		}
	}
	return h, space.Check(h)
}

// Fulfil decides as a person wishes. The wish has been checked.
func (w *Wish) Fulfil(pop *Population, space *Space, s Standing) Decision {
	own, _ := pop.Record(s.Member)
	d := Decision{Action: Continue, Why: WhySteered, Segment: own.Segment, Score: own.Score, Hypers: s.Hypers, Parent: s.Segment}
	at := Address{Seed: pop.seed, Member: s.Member, Turn: s.Turn, Step: own.Step}
	switch {
	case w.Donor != nil:
		d.Action, d.Inherit, d.Parent = Copy, InheritBoth, w.Donor.Segment
		d.Rival = &Donor{Member: w.From, Segment: w.Donor.Segment, Score: w.Donor.Score, Step: w.Donor.Step}
		d.Hypers = space.inherit(s.Hypers, w.Donor.Hypers, at)
	case w.Fresh != nil:
		d.Action, d.Parent = Restart, 0
		d.Hypers, _ = space.Complete(*w.Fresh, pop.seed, s.Member, s.Turn)
	case w.Restart:
		d.Action, d.Parent = Restart, 0
		d.Hypers = space.inherit(s.Hypers, Hypers{}, at)
	default:
		h, err := w.hypers(space, s.Hypers, at)
		if err == nil {
			d.Hypers = h
		}
		for name, v := range d.Hypers.All() {
			if old, _ := s.Hypers.Get(name); old != v {
				d.Changes = append(d.Changes, Change{Name: name, From: old, To: v, Op: opSet})
			}
		}
	}
	return d
}

// Grow adds members without a score.
func (p *Population) Grow(n int) {
	p.records = append(p.records, make([]Record, n)...)
	p.steps = append(p.steps, make([]int64, n)...)
	p.spots = append(p.spots, make([]spot, n)...)
	p.scored = append(p.scored, make([]bool, n)...)
	p.ranked = append(p.ranked, make([]bool, n)...)
}

// Retire takes a member out of all comparisons, and out of their size. Its record
// stays. A member retires once.
func (p *Population) Retire(member int) {
	p.unrank(member)
	p.retired++
}
