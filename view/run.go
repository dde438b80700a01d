// Package view is a run for those who look at it: the journal folded into tables
// and curves, kept up to date while the run goes on, and thinned out to what a
// screen can show. The dashboard, the terminal view and the report are made of it.
//
// It reads and never writes; what it shows is durable.
package view

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/internal/scan"
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

// note keeps what the machine forgets.
func (r *Run) note(e *read) error {
	switch b := e.body.(type) {
	case *machine.Opened:
		r.host, r.version, r.hardware = b.Host, b.Version, b.Machine
		r.endSpans(e.row.At)
	case *machine.SpecChanged:
		return r.setExperiment(b.Experiment)
	case *machine.Decided:
		r.noteDecided(e.row, b)
	case *machine.Leased:
		r.noteLeased(e.row.At, b)
	case *machine.Finished:
		r.noteFinished(e, b)
	case *machine.Failed:
		s := r.table.at(b.Segment)
		s.state = waiting
		if b.Final {
			s.state = failed
		}
		r.failures[b.Segment] = append(r.failures[b.Segment], e.row.Seq)
		r.endSpan(s, e.row.At, spanFailed)
	case *machine.RolledBack:
		r.dropPlan(b.Member)
		r.members[b.Member].weights = b.Segment
	case *machine.Steered:
		r.dropPlan(b.Member)
	case *machine.MemberAdded:
		r.members = append(r.members, member{})
	case *machine.MemberDone:
		if b.Reason == machine.ReasonRetired {
			r.dropPlan(b.Member)
		}
	}
	return nil
}

// dropPlan notes that the segment a member was to train next never will be. The member
// goes on with the weights that it was to start from, unless they are lost.
func (r *Run) dropPlan(i int) {
	mem := &r.members[i]
	if mem.newest == 0 {
		return
	}
	if s := r.table.at(mem.newest); s.state == waiting {
		s.state = dropped
		mem.weights = s.parent
	}
}

func (r *Run) noteDecided(row journal.Row, e *machine.Decided) {
	s := segment{
		member: int32(e.Member), parent: e.Parent, from: e.From, steps: e.Steps, hypers: e.Hypers, score: math.NaN(),
		action: codeOfAction(e.Decision.Action), slot: -1, decidedAt: row.At, decidedSeq: row.Seq,
	}
	if e.Decision.Rival != nil && e.Decision.Copies() {
		s.donor = e.Decision.Rival.Segment
	}
	mem := &r.members[e.Member]
	for _, known := range []int64{e.Parent, mem.newest} { // most segments go on under the same hyperparameters
		if known != 0 && r.table.at(known).hypers.Equal(s.hypers) {
			s.hypers = r.table.at(known).hypers
			break
		}
	}
	s.stretch = r.stretchFor(e)
	st := &r.stretches[s.stretch]
	s.place = int32(len(st.segments))
	if s.place > 0 && !s.hypers.Equal(r.table.at(st.last()).hypers) {
		st.varied = true
	}
	st.segments = append(st.segments, e.Segment)
	r.table.add(s)
	mem.newest = e.Segment
	if s.donor != 0 && r.table.at(s.donor).member != s.member {
		r.copied = append(r.copied, e.Segment)
	}
}

// stretchFor is the stretch that a segment belongs to: its parent's, if the same
// member goes on where that ends, or a new one.
func (r *Run) stretchFor(e *machine.Decided) int32 {
	at := int32(-1)
	if e.Parent != 0 {
		at = r.table.at(e.Parent).stretch
		if p := &r.stretches[at]; p.member == int32(e.Member) && p.last() == e.Parent && e.Decision.Action == pbt.Continue {
			return at
		}
	}
	n := stretch{member: int32(e.Member), root: int32(e.Member), parent: at, branch: e.Parent, action: codeOfAction(e.Decision.Action)}
	if at >= 0 {
		n.root = r.stretches[at].root
	}
	r.stretches = append(r.stretches, n)
	mem := &r.members[e.Member]
	mem.stretches = append(mem.stretches, int32(len(r.stretches)-1))
	return int32(len(r.stretches) - 1)
}

func (r *Run) noteLeased(at int64, e *machine.Leased) {
	k, ok := r.slotOf[e.Worker]
	if !ok {
		k = len(r.slots)
		r.slotOf[e.Worker] = k
		r.slots = append(r.slots, slot{name: e.Worker})
	}
	s := r.table.at(e.Segment)
	s.state, s.leased, s.slot = running, at, int32(k)
	s.tries++
	sl := &r.slots[k]
	n := span{t0: at, segment: e.Segment}
	if len(sl.spans) > 0 {
		last := &sl.spans[len(sl.spans)-1]
		n.busy = last.busy + max(0, last.t1-last.t0)
	}
	sl.spans = append(sl.spans, n)
}

func (r *Run) noteFinished(e *read, b *machine.Finished) {
	s := r.table.at(b.Segment)
	s.state, s.score, s.finished, s.finishedSeq = finished, float64(b.Score), e.row.At, e.row.Seq
	if s.saved = b.Checkpoint.ID != ""; s.saved {
		s.kept, s.bytes = true, b.Checkpoint.Bytes
		r.kept++
	}
	r.trained += s.steps
	s.total = r.trained
	r.endSpan(s, e.row.At, spanFinished)
	mem := &r.members[b.Member]
	mem.weights = b.Segment
	mem.done = append(mem.done, b.Segment)
	r.stretches[s.stretch].scored = b.Segment
	for part, ns := range e.times {
		r.sums[part] += seconds(ns)
	}
	if s.leased != 0 { // else a branch begins with it: nobody has trained it
		r.recent = append(r.recent, outcome{e.row.At, s.steps, e.row.At - s.leased})
	}
	if len(r.recent) > 2*maxRecent {
		r.recent = append(r.recent[:0], r.recent[maxRecent:]...)
	}
	if s.scored() {
		r.bands[0].add(s.end(), s.score)
		r.bands[1].add(millis(s.finished), s.score)
		r.bands[2].add(s.total, s.score)
		if s.saved { // what has no weights is nobody's best model
			r.rankBest(e.row.Seq, b)
		}
	}
}

// rankBest keeps the best outcomes, an earlier one before an equal later one.
func (r *Run) rankBest(seq int64, b *machine.Finished) {
	goal := r.m.Spec().Goal
	at := len(r.best)
	for at > 0 && goal.Better(b.Score, pbt.Score(r.table.at(r.best[at-1]).score)) {
		at--
	}
	if at >= MaxBest {
		return
	}
	if at == 0 {
		r.bests = append(r.bests, seq)
	}
	r.best = slices.Insert(r.best, at, b.Segment)
	r.best = r.best[:min(len(r.best), MaxBest)]
}

// noteGone notes that nobody needs a checkpoint any more.
func (r *Run) noteGone(name string) {
	digits, _, _ := strings.Cut(strings.TrimPrefix(name, "s"), "-")
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !r.table.has(id) {
		return
	}
	if s := r.table.at(id); s.kept {
		s.kept = false
		r.kept--
	}
}

// endSpan ends what a segment's slot is at.
func (r *Run) endSpan(s *segment, at int64, ok spanCode) {
	if s.slot < 0 {
		return
	}
	spans := r.slots[s.slot].spans
	for k := len(spans) - 1; k >= max(0, len(spans)-maxOverlap); k-- {
		if last := &spans[k]; last.ok == spanRuns && r.table.at(last.segment) == s {
			last.t1, last.ok = at, ok
			r.busy += seconds(at - last.t0)
			if ok == spanFailed {
				r.slots[s.slot].failed = append(r.slots[s.slot].failed, k)
			}
			return
		}
	}
}

// endSpans ends what a former process was at.
func (r *Run) endSpans(at int64) {
	for i := range r.members {
		if newest := r.members[i].newest; newest != 0 {
			if s := r.table.at(newest); s.state == running {
				s.state = waiting
				r.endSpan(s, at, spanFailed)
			}
		}
	}
}

// winner is the best outcome, 0 for none.
func (r *Run) winner() int64 {
	if len(r.best) == 0 {
		return 0
	}
	return r.best[0]
}

var timeKeys = [partCount]string{"start_ns", "load_ns", "train_ns", "eval_ns", "save_ns", "publish_ns"}

// scanTimes reads where a segment's time went, in nanoseconds.
func scanTimes(body []byte) (times [partCount]int64) {
	in := scan.New(body)
	in.Object(func(key []byte) {
		if string(key) != "times" {
			in.Skip()
			return
		}
		in.Object(func(key []byte) {
			for part, name := range timeKeys {
				if string(key) == name {
					times[part] = in.Int()
					return
				}
			}
			in.Skip()
		})
	})
	return times
}
