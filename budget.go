package pbt

import (
	"errors"
	"time"
)

// Budget says when training ends: whichever of its limits comes first. A zero
// field sets no limit; at least one must be set.
type Budget struct {
	Steps  int64         // steps spent by each member
	Total  int64         // steps spent by all members together
	Wall   time.Duration // time the run has been at work, stops left out
	Target *Score        // a score that is good enough

	Patience int64 // steps spent by all members together without a new best score
}

// Validate checks the limits.
func (b Budget) Validate() error {
	switch {
	case b.Steps < 0 || b.Total < 0 || b.Wall < 0 || b.Patience < 0:
		return errors.New("a budget cannot be negative")
	case b.Target != nil && !b.Target.Finite():
		return errors.New("the target score must be a finite number")
	case b.Steps == 0 && b.Total == 0 && b.Wall == 0 && b.Target == nil && b.Patience == 0:
		return errors.New("a run needs a budget: steps per member, total steps, wall time, a target score or patience")
	}
	return nil
}

// Grant is how many steps a member may train next: a segment, or what is left of
// the budgets; 0 when it is done. promised are the steps that other members'
// unfinished segments will spend.
func (b Budget) Grant(segment, spent, spentByAll, promised int64) int64 {
	grant := segment
	if b.Steps > 0 {
		grant = min(grant, b.Steps-spent)
	}
	if b.Total > 0 {
		grant = min(grant, b.Total-spentByAll-promised)
	}
	return max(grant, 0)
}

// Progress is the share of the budget in steps that a member has spent, in [0, 1]: of its own
// budget, or else of the budget of all members together; 0 without either.
func (b Budget) Progress(spent, spentByAll int64) float64 {
	switch {
	case b.Steps > 0:
		return min(1, float64(spent)/float64(b.Steps))
	case b.Total > 0:
		return min(1, float64(spentByAll)/float64(b.Total))
	}
	return 0
}

// Reached tells whether a score meets the target.
func (b Budget) Reached(g Goal, s Score) bool {
	return b.Target != nil && s.Finite() && !g.Better(*b.Target, s)
}
