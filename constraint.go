package pbt

import "fmt"

// Constraint is a condition between hyperparameters, such as minibatch <= batch. It is a
// function of the values alone. It holds where a hyperparameter that it names does not exist.
type Constraint interface {
	String() string // as a person writes it
	Holds(h Hypers) bool
}

// Limits of constraints.
const (
	MaxConstraints = 100
	MaxDraws       = 1000 // of first values, until they satisfy the constraints
	maxVaries      = 100  // of an explorer, until what it makes satisfies them
)

// Constrain returns the space with constraints: what is drawn, explored, copied or set by
// hand satisfies them. A draw that does not is made again, at an address of its own, so
// that a draw that does is the same as without constraints.
func (s *Space) Constrain(list ...Constraint) *Space {
	return &Space{params: s.params, constraints: list}
}

// Constraints returns the constraints. Do not change them.
func (s *Space) Constraints() []Constraint { return s.constraints }

// broken is the first constraint that does not hold; nil if all do.
func (s *Space) broken(h Hypers) Constraint {
	for _, c := range s.constraints {
		if !c.Holds(h) {
			return c
		}
	}
	return nil
}

// drawn rebuilds until the constraints hold, or the draws are used up; ok tells which.
func (s *Space) drawn(h Hypers, at Address, most int) (out Hypers, ok bool) {
	keep := func(_ *Param, v Value, _ Address) (Value, string) { return v, "" }
	for at.Try = 0; at.Try < most; at.Try++ {
		out, _ = s.rebuild(h, at, keep)
		if s.broken(out) == nil {
			return out, true
		}
		if !out.hasMore(h) { // nothing was drawn: again comes to the same
			return out, false
		}
	}
	return out, false
}

// hasMore tells whether there is a hyperparameter that others lack.
func (h Hypers) hasMore(others Hypers) bool {
	for name := range h.All() {
		if _, ok := others.Get(name); !ok {
			return true
		}
	}
	return false
}

// vary explores hyperparameters that satisfy the constraints until the result does, too. In
// the second half of the draws a change is taken over with probability one half only: where
// one hyperparameter cannot move, the others still do.
func (p *Policy) vary(d *Decision, space *Space, at Address) {
	base := d.Hypers
	for at.Try = 0; at.Try < maxVaries; at.Try++ {
		h, changes := p.explorer().Explore(space, base, at)
		if at.Try >= maxVaries/2 {
			h, changes = space.some(base, h, changes, at)
		}
		c := space.broken(h)
		if c == nil {
			d.Hypers, d.Changes = h, changes
			d.Redrawn = at.Try
			return
		}
		if d.Constraint == "" {
			d.Constraint = c.String()
		}
	}
	d.Redrawn = maxVaries
}

// some takes over a part of what exploring changed.
func (s *Space) some(base, explored Hypers, changes []Change, at Address) (Hypers, []Change) {
	return s.rebuild(base, at, func(p *Param, v Value, at Address) (Value, string) {
		r := at.rand(purposeConstraint, p.Name)
		to, exists := explored.Get(p.Name)
		if !exists || to == v || r.Float64() < 0.5 {
			return v, ""
		}
		for _, c := range changes {
			if c.Name == p.Name {
				return to, c.Op
			}
		}
		return to, opDrawn
	})
}

// sayConstraint tells what a constraint did to a decision.
func (d *Decision) sayConstraint() string {
	switch {
	case d.Redrawn == 0:
		return ""
	case len(d.Changes) == 0 && d.Redrawn >= maxVaries:
		return fmt.Sprintf("; none of %d draws satisfies %s: hyperparameters stay", d.Redrawn, d.Constraint)
	case d.Redrawn == 1:
		return fmt.Sprintf("; explored again once, to satisfy %s", d.Constraint)
	}
	return fmt.Sprintf("; explored again %d times, to satisfy %s", d.Redrawn, d.Constraint)
}
