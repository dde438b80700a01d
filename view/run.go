// Package view is a run for those who look at it: the journal folded into tables
// and curves, kept up to date while the run goes on, and thinned out to what a
// screen can show. The dashboard, the terminal view and the report are made of it.
//
// It reads and never writes; what it shows is durable.
package view

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Run is one run. Its methods may be called from many goroutines.
type Run struct {
	checkpoints string     // their directory
	catching    sync.Mutex // held by whoever reads the journal on
	broken      error      // why it cannot be read on: an event that no such run can have had

	mu        sync.RWMutex // guards what follows
	m         *machine.Machine
	exp       *config.Experiment
	started   machine.RunStarted
	host      string
	hardware  string
	version   string
	live      bool
	seq       int64
	startedAt int64 // Unix nanoseconds
	table     table
	members   []member
	stretches []stretch
	slots     []slot
	slotOf    map[string]int
	kinds     []kindCode        // by seq
	subjects  []int32           // by seq: the member, −1 for none
	failures  map[int64][]int64 // by segment: the seqs of its failed attempts
	copied    []int64           // segments that began with a copy
	sums      [partCount]float64
	busy      float64 // seconds that slots were at work
	recent    []outcome
	best      []int64    // segments, best first
	bests     []int64    // seqs of outcomes that were the best so far
	kept      int        // checkpoints
	trained   int64      // steps of all finished segments
	bands     [3]band    // by step, by time, by steps of all together
	bandMu    sync.Mutex // held besides mu, for reading, to order their scores

	heardMu sync.Mutex
	heard   map[int]heard // by member

	saidMu sync.Mutex
	said   map[int]Said // by member
}

// outcome is what throughput is measured by.
type outcome struct{ at, steps, took int64 }

// heard is what a trainer says on its way.
type heard struct{ segment, step int64 }

// Parts of a segment's time.
const (
	partStart = iota
	partLoad
	partTrain
	partEval
	partSave
	partPublish
	partCount
)

// Limits of what is remembered.
const (
	maxRecent = 256 // outcomes that throughput is measured over
	MaxBest   = 100 // outcomes that Best can tell

	maxOverlap = 64 // spans of a slot at a time: one, but for journals that say otherwise
)

// NewRun returns a run of which nothing is known yet. It is told the directory of its
// checkpoints for their paths.
func NewRun(checkpoints string) *Run {
	return &Run{
		checkpoints: checkpoints, slotOf: map[string]int{}, kinds: []kindCode{0}, subjects: []int32{-1}, failures: map[int64][]int64{},
		heard: map[int]heard{}, said: map[int]Said{},
	}
}

// Seq is the journal position that the run is shown at; 0 before its first event.
func (r *Run) Seq() int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.seq
}

// SetLive says whether a process trains the run now: then time goes on between events.
func (r *Run) SetLive(live bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = live
}

// Hear notes how far a segment is: so many steps are done.
func (r *Run) Hear(member int, segment, step int64) {
	r.heardMu.Lock()
	defer r.heardMu.Unlock()
	r.heard[member] = heard{segment, step}
}

// Source is the experiment file as its user wrote it, and as it is in force now.
func (r *Run) Source() (source, resolved string, err error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.exp == nil {
		return "", "", errNotBegun
	}
	text, err := r.exp.YAML()
	return r.started.Source, string(text), err
}

// Trainer is the command that trains, word by word, or the name of a trainer that is
// built in.
func (r *Run) Trainer() (command []string, builtin string) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.exp == nil {
		return nil, ""
	}
	return r.exp.Trainer.Command, r.exp.Trainer.Builtin
}

var errNotBegun = errors.New("the run has not begun, no event is recorded")

// now is the time that the run is shown at, in Unix nanoseconds.
func (r *Run) now() int64 {
	if r.m == nil {
		return 0
	}
	if r.live {
		return max(r.m.LastEvent(), time.Now().UnixNano())
	}
	return r.m.LastEvent()
}

// begin makes the machine from the journal's first event.
func (r *Run) begin(row journal.Row, body machine.Body) error {
	e, ok := body.(*machine.RunStarted)
	if !ok {
		return errors.New("a journal begins with run_started")
	}
	if err := r.setExperiment(e.Experiment); err != nil {
		return err
	}
	spec, err := r.exp.Spec()
	if err != nil {
		return err
	}
	if r.m, err = machine.New(spec, config.SpecOf); err != nil {
		return err
	}
	r.started, r.startedAt, r.version = *e, row.At, e.Version
	r.members = make([]member, spec.Population)
	r.bands = [3]band{
		newBand(0, spec.Segment), newBand(millis(row.At), firstTimeColumn), newBand(0, spec.Segment*int64(spec.Population)),
	}
	return nil
}

func (r *Run) setExperiment(stored []byte) error {
	exp, err := config.FromJSON(stored)
	if err == nil {
		r.exp = exp
	}
	return err
}

// apply takes in one event.
func (r *Run) apply(e *read) error {
	if e.row.Seq != r.seq+1 {
		return fmt.Errorf("it follows event %d", r.seq)
	}
	if r.m == nil {
		if err := r.begin(e.row, e.body); err != nil {
			return err
		}
	}
	if err := r.m.Apply(machine.Event{At: e.row.At, Body: e.body}); err != nil {
		return err
	}
	r.seq = e.row.Seq
	r.kinds = append(r.kinds, codeOf(machine.Kind(e.row.Kind)))
	r.subjects = append(r.subjects, int32(e.row.Member))
	if err := r.note(e); err != nil {
		return err
	}
	for _, name := range r.m.Garbage() {
		r.noteGone(name)
	}
	return nil
}

// winner is the best outcome, 0 for none.
func (r *Run) winner() int64 {
	if len(r.best) == 0 {
		return 0
	}
	return r.best[0]
}
