package sim

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
)

// low is a constraint between all numbers of a space: on average they lie in the lower part
// of their bounds.
type low struct {
	space *pbt.Space
	share float64
}

// String implements pbt.Constraint.
func (l low) String() string {
	return fmt.Sprintf("the numbers lie on average below %.2f of their bounds", l.share)
}

// Holds implements pbt.Constraint.
func (l low) Holds(h pbt.Hypers) bool {
	sum, n := 0.0, 0
	for _, p := range l.space.Params() {
		v, exists := h.Get(p.Name)
		x, isNumber := v.Float()
		if exists && isNumber && p.Bounds.Lo < p.Bounds.Hi {
			sum += (x - p.Bounds.Lo) / (p.Bounds.Hi - p.Bounds.Lo)
			n++
		}
	}
	return n == 0 || sum <= l.share*float64(n)
}
