// Package machine is one run as a pure state machine: inputs in, events out, time
// as data. It holds leases, barriers, budgets, retries and the rule which
// checkpoints are still needed; it does no I/O, so that the engine, the simulator
// and `pbt verify` all use the very same decisions.
package machine

import (
	"errors"
	"fmt"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// Spec is everything a run's decisions depend on.
type Spec struct {
	Population int
	Goal       pbt.Goal
	Space      *pbt.Space
	Policy     pbt.Policy
	Initial    []pbt.Hypers // first hyperparameters the user gave, member by member; what they leave open is drawn
	Segment    int64        // training steps between two ready points
	Budget     pbt.Budget
	Seed       uint64

	Retries      int           // how often a failed segment is tried again before the member is repaired
	FailureLimit int           // so many failures in a row, with nothing finished between, pause the run
	OnFault      OnFault       // what becomes of the run when the machine fails; "" means FaultPause
	Timeout      time.Duration // a segment may take so long; 0: for ever
	Silence      time.Duration // a worker may be silent so long; 0: for ever (workers of the same process)
	Keep         Keep
	SaveEvery    int // 0 or 1: each ready point is saved; n: at least each n-th of a member, likely donors, and the last one
}

// Keep says which checkpoints stay beyond those a member, lease or pin needs.
type Keep struct {
	Best       int   // the best so many outcomes; at least 1
	Lineage    bool  // every ancestor of a member's weights; at the end, those of the best outcomes
	Everything bool  // all of them
	Bytes      int64 // above so many bytes, what is kept beyond need goes, oldest first; 0: no limit
}

// Limits of a run.
const (
	MaxPopulation = 100_000
	MaxRetries    = 1000
	MaxKeepBest   = 1000
	MaxSaveEvery  = 1_000_000
	MaxTrained    = 1 << 40 // steps that a report may count; sums of them stay far from overflow
	// DefaultFailureLimit keeps a trainer that can never work from burning an
	// hour: twenty failures with not one segment finished between them.
	DefaultFailureLimit = 20
)

// Validate checks the spec; its error lists every fault.
func (s *Spec) Validate() error {
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	add(s.Population < 1 || s.Population > MaxPopulation, "population is %d: want 1 to %d members", s.Population, MaxPopulation)
	add(s.Space == nil, "the run has no space of hyperparameters")
	add(s.Segment < 1, "a segment of %d steps: want at least 1", s.Segment)
	add(s.Retries < 0 || s.Retries > MaxRetries, "retries is %d: want 0 to %d", s.Retries, MaxRetries)
	add(s.FailureLimit < 0, "the failure limit cannot be negative")
	add(s.OnFault != "" && s.OnFault != FaultPause && s.OnFault != FaultRetry, "on_fault is %q: want %s or %s", s.OnFault, FaultPause, FaultRetry)
	add(s.Timeout < 0 || s.Silence < 0, "a timeout cannot be negative")
	add(s.Keep.Best < 0 || s.Keep.Best > MaxKeepBest || s.Keep.Bytes < 0, "keep: want 0 to %d best checkpoints, and no negative bytes", MaxKeepBest)
	add(s.SaveEvery < 0 || s.SaveEvery > MaxSaveEvery, "save each %d-th ready point: want 1 to %d", s.SaveEvery, MaxSaveEvery)
	add(s.Policy.ComparesFounders() && s.Budget.Steps == 0 && s.Budget.Total == 0, "exploit: founders gives up founders as the budget is spent: set budget.steps or budget.total_steps")
	add(len(s.Initial) > s.Population, "%d initial points are given for %d members", len(s.Initial), s.Population)
	faults = append(faults, s.Policy.Validate(), s.Budget.Validate())
	if s.Space != nil {
		faults = append(faults, s.Policy.CheckStages(s.Space))
		for i, given := range s.Initial {
			if _, err := s.Policy.Start(s.Space, s.Seed, i, given); err != nil {
				faults = append(faults, fmt.Errorf("initial point %d: %w", i+1, err))
			}
		}
	}
	return errors.Join(faults...)
}
