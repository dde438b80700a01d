// Package trainer is the side of a run that trains: the interface a Go model
// implements to become a member, and the programs that train as child processes.
package trainer

import (
	"context"

	"github.com/seed-7a1a2db0/pbt"
)

// Trainer trains one model at a time. The engine calls it from one goroutine:
// Load if the segment starts from a checkpoint it does not hold already, then
// Step, Eval, Save. After an error it is thrown away and a new one is made.
type Trainer interface {
	// Step trains the model for segment.Steps steps under segment.Hypers. It should
	// return soon after ctx is done: a trainer that does not is abandoned.
	Step(ctx context.Context, segment Segment) error
	// Eval measures the model on validation data: the score that decides.
	Eval(ctx context.Context) (Evaluation, error)
	// Save writes everything that training goes on from (weights, optimiser state,
	// counters, but no random generator) into an empty directory.
	Save(dir string) error
	// Load reads what Save wrote, in this process or another.
	Load(dir string) error
}

// Segment is one stretch of training.
type Segment struct {
	Member int
	ID     int64      // the segment's number in the run
	From   int64      // training steps the weights have behind them
	Steps  int64      // training steps to do now
	Hypers pbt.Hypers // in force throughout
	Seed   uint64     // for this segment's randomness; clones get different ones
}

// Evaluation is what a segment achieved.
type Evaluation struct {
	Score   float64            // the metric the experiment optimises
	Samples []float64          // single results behind the score (episode returns), if there are any
	Metrics map[string]float64 // anything else worth recording; decides nothing
	Steps   *int64             // steps that were trained; nil: as many as the segment asked for
	Done    bool               // the member has converged, or solved its task: it trains no further
}

// New makes a trainer with fresh weights, drawn from seed.
type New func(seed uint64) (Trainer, error)
