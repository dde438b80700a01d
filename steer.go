package pbt

import (
	"errors"
	"fmt"
)

// Wish is what a person wants of a member's next segment, in place of a decision of
// the policy. Exactly one of Set, Donor, Restart and Fresh is set.
type Wish struct {
	Set     Hypers  // these hyperparameters, the others as they are
	Donor   *Record // this record's weights and hyperparameters
	From    int     // the member that earned the record
	Restart bool    // fresh weights, hyperparameters drawn anew
	Fresh   *Hypers // fresh weights, these hyperparameters; what they leave open is drawn

	Branch bool   // it is how a member begins whose run was branched from a record: the donor's hyperparameters are explored
	Given  Hypers // of a branch: these hyperparameters instead, the others as the donor's
}

// What a Change says of a value that a person has set: later, or before the run began.
const (
	opSet   = "set by hand"
	opGiven = "given"
)

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
		if err := space.Check(w.Donor.Hypers); err != nil || !w.Branch {
			return err
		}
		_, err := space.with(w.Donor.Hypers, w.Given, Address{})
		return err
	}
	if w.Fresh != nil {
		_, err := space.Complete(*w.Fresh, 0, 0, 0)
		return err
	}
	_, err := space.with(own, w.Set, Address{})
	return err
}

// with puts values in the place of others. What then begins to exist is drawn.
func (s *Space) with(own, set Hypers, at Address) (Hypers, error) {
	given := own
	for name, v := range set.All() {
		p, ok := s.Param(name)
		if !ok {
			return own, fmt.Errorf("there is no hyperparameter %q", name)
		}
		given = given.With(name, p.Coerce(v))
	}
	h, _ := s.drawn(given, at, MaxDraws)
	for name := range set.All() {
		if _, exists := h.Get(name); !exists {
			return own, fmt.Errorf("%s: its condition does not hold", name)
		}
	}
	return h, s.Check(h)
}

// Fulfil decides as a person wishes. The wish has been checked. Only a branch asks the
// policy anything: how it explores.
func (w *Wish) Fulfil(policy *Policy, pop *Population, space *Space, s Standing) Decision {
	own, _ := pop.Record(s.Member)
	d := Decision{Action: Continue, Why: WhySteered, Segment: own.Segment, Score: own.Score, Hypers: s.Hypers, Parent: s.Segment}
	at := Address{Seed: pop.seed, Member: s.Member, Turn: s.Turn, Step: own.Step}
	switch {
	case w.Donor != nil:
		d.Action, d.Inherit, d.Parent = Copy, InheritBoth, w.Donor.Segment
		d.Rival = &Donor{Member: w.From, Segment: w.Donor.Segment, Score: w.Donor.Score, Step: w.Donor.Step}
		d.Hypers = space.inherit(s.Hypers, w.Donor.Hypers, at)
		at.Step = w.Donor.Step
		if w.Branch {
			d.Why = WhyBranch
			w.vary(&d, policy, space, at)
		} else if f, ok := policy.Following(); ok {
			d.Hypers, d.Changes = f.Explore(space, d.Hypers, at)
		}
	case w.Fresh != nil:
		d.Action, d.Parent = Restart, 0
		var err error
		if d.Hypers, err = space.Complete(policy.fresh(space, *w.Fresh, at), pop.seed, s.Member, s.Turn); err != nil {
			d.Hypers, _ = space.Complete(*w.Fresh, 0, 0, 0) // which Check has found to satisfy the constraints
		}
	case w.Restart:
		policy.restart(&d, space, s.Hypers, at)
	default:
		op := opSet
		if w.Branch {
			d.Why, op = WhyBranch, opGiven
		}
		d.set(space, s.Hypers, w.Set, op, at)
	}
	return d
}

// vary makes the members of a branch differ: by what was given for them, or else by
// the policy's explore, as after any copy.
func (w *Wish) vary(d *Decision, policy *Policy, space *Space, at Address) {
	if w.Given.Len() > 0 {
		d.set(space, d.Hypers, w.Given, opGiven, at)
		return
	}
	policy.vary(d, space, at)
}

// set decides on hyperparameters with some values replaced, and says which differ.
func (d *Decision) set(space *Space, own, set Hypers, op string, at Address) {
	d.Hypers = own
	if h, err := space.with(own, set, at); err == nil {
		d.Hypers = h
	}
	for name, v := range d.Hypers.All() {
		if old, _ := own.Get(name); old != v {
			d.Changes = append(d.Changes, Change{Name: name, From: old, To: v, Op: op})
		}
	}
}

// Grow adds members without a score.
func (p *Population) Grow(n int) {
	p.records = append(p.records, make([]Record, n)...)
	p.steps = append(p.steps, make([]int64, n)...)
	p.spots = append(p.spots, make([]spot, n)...)
	p.scored = append(p.scored, make([]bool, n)...)
	p.ranked = append(p.ranked, make([]bool, n)...)
	p.departed = append(p.departed, make([]bool, n)...)
	p.founders += n
	if p.trails != nil {
		p.trails = append(p.trails, make([]trail, n)...)
	}
}

// Retire takes a member out of all comparisons, and out of their size. Its record
// stays. A member retires once.
func (p *Population) Retire(member int) {
	p.unrank(member)
	p.Depart(member)
	p.retired++
}
