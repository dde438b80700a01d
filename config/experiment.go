// Package config reads the experiment file: YAML becomes an [Experiment], plain
// data with every default filled in, and that becomes the machine.Spec that a run
// is made of.
//
// One table, in fields.go, says what the file may hold. The parser checks against
// it, [Schema] and [Reference] are printed from it, and it holds the defaults.
// A document goes through these steps:
//
//	text ── load ──▶ nodes ── assign (--set) ──▶ nodes ── check ──▶ decode ──▶ Experiment
//
// Each complaint names file, line and column, what was found and what is allowed;
// all of them are told at once. An Experiment encodes to JSON that is itself an
// experiment file, with nothing left to default: that is what a journal stores.
package config

import (
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Experiment is one experiment, with every default filled in.
type Experiment struct {
	Name       string
	Seed       uint64
	Population int
	Metric     string // the metric's name
	Goal       pbt.Goal
	Segment    int64 // steps between two ready points
	Budget     pbt.Budget

	Hyperparameters []pbt.Param  // parents before those that depend on them
	Constraints     []string     // between hyperparameters; expressions
	Initial         []pbt.Hypers // the first members' values, what they leave open left open
	Policy          pbt.Policy   // every rule there, none left to default

	Retries      int
	Timeout      time.Duration // 0: none
	FailureLimit int           // failures in a row
	OnFault      machine.OnFault
	Keep         machine.Keep
	SaveEvery    int // 1: every ready point; N: lazily, but at least each N-th of a member
	Trainer      Trainer
	Sinks        Sinks
	Notify       Notify
}

// Trainer says what trains: one of Builtin and Command is set. For a built-in
// one only Slots means something.
type Trainer struct {
	Builtin string
	Slots   int

	Command []string          // see IsTemplate
	Score   Score             // where a template's score is found
	Env     map[string]string // beside the environment pbt runs with; nil for none
	Workdir string            // see Dir

	GPUs        []string // the GPUs' numbers or names, see GPUsOf; nil for none, or all
	AllGPUs     bool     // all that the machine has
	GPUsPerSlot float64  // a whole number, or just 1/n: n slots share one
	CPUsPerSlot int      // threads for libraries
	Pin         bool     // bind each slot to CPUs of its own
	Memory      int64    // bytes for all processes of a slot; 0: no limit

	StartTimeout time.Duration // of a client, until it is ready
	StepTimeout  time.Duration // from the start of a segment to its report; 0: none
	SaveTimeout  time.Duration // 0: none
	Silence      time.Duration // a client may be silent so long; 0: for ever
	Grace        time.Duration // between asking a trainer to stop and killing it
}

// Score is where a template leaves its score; one field is set, none for a
// built-in trainer and a client.
type Score struct {
	JSON  string // dotted path of keys in the last line of output that is a JSON object
	Regex string // with one group; the last match counts
	File  string // beside the checkpoint
	CSV   CSVScore
}

// CSVScore is a column of a CSV file beside the checkpoint: its last row counts.
type CSVScore struct{ File, Column string }

// Spec is what the run's decisions depend on.
func (e *Experiment) Spec() (machine.Spec, error) {
	space, err := pbt.NewSpace(e.Hyperparameters...)
	if err != nil {
		return machine.Spec{}, err
	}
	if space, err = constrained(space, e.Constraints); err != nil {
		return machine.Spec{}, err
	}
	spec := machine.Spec{
		Population: e.Population, Goal: e.Goal, Space: space, Policy: e.Policy, Initial: e.Initial,
		Segment: e.Segment, Budget: e.Budget, Seed: e.Seed,
		Retries: e.Retries, FailureLimit: e.FailureLimit, OnFault: e.OnFault, Timeout: e.Timeout, Keep: e.Keep, SaveEvery: e.SaveEvery,
	}
	return spec, spec.Validate()
}
