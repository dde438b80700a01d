// Package feed brings a run's events to where people look: each sink has a
// follower of its own, which reads the journal beside the engine, delivers what it
// finds, and writes down how far it has come. A sink that is slow or away delays
// nobody and loses nothing: what it has not got is in the journal.
//
// A follower delivers each event at least once. It is once and for all where the
// sink can tell what it has already: the cursor carries the sink's own state, and
// after any fault the sink is opened anew with the state of its last success.
package feed

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Sink is somewhere events go. Its methods are called by one goroutine; a context
// that ends means that the run's process is to end.
type Sink interface {
	// Target names the place. Another one gets the whole run from its beginning.
	Target() string
	// Open makes ready to go on from a state that Deliver returned, nil for the
	// run's beginning. It is called again after every error. ErrStartOver says that
	// the place does not hold what the state says: it will get the run from its beginning.
	Open(ctx context.Context, run *Run, state json.RawMessage) error
	// Deliver takes over events, all of them, or returns an error and gets them again.
	Deliver(ctx context.Context, events []Event) (state json.RawMessage, err error)
	// Close lets go, after the last event or in the middle.
	Close(ctx context.Context) error
}

// ErrStartOver is what Open returns when what was delivered is not there.
var ErrStartOver = errors.New("what was delivered before is gone")

// Info is what sinks show of an experiment.
type Info struct {
	Dir      string // the run's
	Name     string
	Metric   string
	Goal     pbt.Goal
	Settings [][2]string // names and values, for people
}

// Run is the run that is followed, as far as it has been read.
type Run struct {
	Info
	ID      string // names this run, wherever its directory goes
	Started int64  // Unix nanoseconds
	Version string // of the pbt that began it

	source *Source
	tree   tree
}

// Event is one event with what a sink wants to know beside it.
type Event struct {
	Seq  int64
	At   int64 // Unix nanoseconds
	Body machine.Body

	Plan *machine.Decided // of a decided, leased, finished or failed segment
	// Spent is how many steps the member concerned has trained itself.
	Spent int64
	Best  bool // of a finished one: better than all before it
	// Total is how many steps all the members have trained together.
	Total int64
	// Row is how many failures there have been since a segment last finished.
	Row int
}

// Number is a hyperparameter's value as a number: true is 1, and a text is none.
func Number(v pbt.Value) (float64, bool) {
	if b, ok := v.Truth(); ok {
		if b {
			return 1, true
		}
		return 0, true
	}
	return v.Float()
}
