package view

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Segment is one segment with all that is known of it.
type Segment struct {
	ID         int64           `json:"id"`
	Member     int             `json:"member"`
	Turn       int64           `json:"turn"`
	Parent     int64           `json:"parent"`
	State      pbt.NodeState   `json:"state"`
	From       int64           `json:"from"`
	Steps      int64           `json:"steps"`
	Hypers     pbt.Hypers      `json:"hypers"`
	Action     pbt.Action      `json:"action"`
	Why        pbt.Why         `json:"why"`
	Say        string          `json:"say"`
	Donor      *Donor          `json:"donor"`
	Changes    []pbt.Change    `json:"changes"`
	Score      *pbt.Score      `json:"score"`
	Metrics    machine.Metrics `json:"metrics"`
	Checkpoint *Checkpoint     `json:"checkpoint"`
	Worker     string          `json:"worker"`
	Tries      int             `json:"tries"`
	Times      *Times          `json:"times"`
	DecidedAt  int64           `json:"decided_at"`
	LeasedAt   *int64          `json:"leased_at"`
	FinishedAt *int64          `json:"finished_at"`
	Failures   []Failure       `json:"failures"`
}

// SegmentDetail is a segment with its relatives.
type SegmentDetail struct {
	Segment
	Children  []int64 `json:"children"`
	Ancestors []int64 `json:"ancestors"` // nearest first
}

// Donor is whose weights or hyperparameters were copied.
type Donor struct {
	Member  int       `json:"member"`
	Segment int64     `json:"segment"`
	Score   pbt.Score `json:"score"`
}

// Checkpoint is what a segment saved.
type Checkpoint struct {
	ID     string `json:"id"`
	Bytes  int64  `json:"bytes"`
	Kept   bool   `json:"kept"`
	Pinned bool   `json:"pinned"` // by hand
	Path   string `json:"path"`
}

// Times say where a segment's time went.
type Times struct {
	StartS   float64 `json:"start_s"`
	LoadS    float64 `json:"load_s"`
	TrainS   float64 `json:"train_s"`
	EvalS    float64 `json:"eval_s"`
	SaveS    float64 `json:"save_s"`
	PublishS float64 `json:"publish_s"`
}

func timesOf(t machine.Times) Times {
	return Times{seconds(t.Start), seconds(t.Load), seconds(t.Train), seconds(t.Eval), seconds(t.Save), seconds(t.Publish)}
}

// Failure is a failed attempt.
type Failure struct {
	At      int64               `json:"at"`
	Kind    machine.FailureKind `json:"kind"`
	Error   string              `json:"error"`
	Attempt int                 `json:"attempt"`
	Final   bool                `json:"final"`
}

// Limits of answers.
const (
	MaxSegments  = 1000
	MaxAncestors = 10_000
	MaxChildren  = 1000
)

// SegmentFilter chooses segments.
type SegmentFilter struct {
	Member *int64
	Action pbt.Action    // "": any
	State  pbt.NodeState // "": any
	After  int64         // those behind this one in order; 0: from the beginning
	Limit  int
	Newest bool // newest first
}

// Segments is a page of segments. next is the After of the next page, 0 if there is none.
func (r *Run) Segments(j *journal.Journal, f SegmentFilter) (seq int64, page []Segment, next int64, err error) {
	if f.Limit <= 0 || f.Limit > MaxSegments {
		f.Limit = MaxSegments
	}
	r.mu.RLock()
	ids := r.choose(f)
	if len(ids) > f.Limit {
		ids = ids[:f.Limit]
		next = ids[len(ids)-1]
	}
	seq = r.seq
	page = make([]Segment, len(ids))
	from := make([]sources, len(ids))
	for i, id := range ids {
		page[i], from[i] = r.segmentView(id), r.sourcesOf(id)
	}
	r.mu.RUnlock()
	for i := range page {
		if err := r.fill(j, &page[i], from[i]); err != nil {
			return seq, nil, 0, err
		}
	}
	return seq, page, next, nil
}

// choose are the segments that a filter lets through, one more than it asks for.
func (r *Run) choose(f SegmentFilter) (ids []int64) {
	fits := func(id int64) bool {
		s := r.table.at(id)
		return (f.Member == nil || int64(s.member) == *f.Member) && (f.Action == "" || actionNames[s.action] == f.Action) &&
			(f.State == "" || r.state(s) == f.State)
	}
	id, step := f.After+1, int64(1)
	if f.Newest {
		step = -1
		if id = f.After - 1; f.After == 0 {
			id = r.table.n
		}
	}
	for ; r.table.has(id) && len(ids) <= f.Limit; id += step {
		if fits(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// state is a segment's state: what a process had at work that is gone, waits.
func (r *Run) state(s *segment) pbt.NodeState {
	if s.state == running && !r.live {
		return pbt.NodeWaiting
	}
	return stateNames[s.state]
}

// ErrNoSegment is a segment that the run does not have.
var ErrNoSegment = errors.New("there is no segment")

func (r *Run) noSegment(id int64) error {
	return fmt.Errorf("%w %d: this run has %d", ErrNoSegment, id, r.table.n)
}

// Segment is one segment with its relatives.
func (r *Run) Segment(j *journal.Journal, id int64) (SegmentDetail, error) {
	r.mu.RLock()
	if !r.table.has(id) {
		defer r.mu.RUnlock()
		return SegmentDetail{}, r.noSegment(id)
	}
	d := SegmentDetail{Segment: r.segmentView(id), Children: r.children(id), Ancestors: []int64{}}
	for at := r.table.at(id).parent; at != 0 && len(d.Ancestors) < MaxAncestors; at = r.table.at(at).parent {
		d.Ancestors = append(d.Ancestors, at)
	}
	from := r.sourcesOf(id)
	r.mu.RUnlock()
	return d, r.fill(j, &d.Segment, from)
}

// children are the segments that go on from one: the next of its own stretch, and
// those that branch off there.
func (r *Run) children(id int64) []int64 {
	out := []int64{}
	at := r.table.at(id)
	if own := r.stretches[at.stretch].segments; int(at.place)+1 < len(own) {
		out = append(out, own[at.place+1])
	}
	for i := range r.stretches {
		if s := &r.stretches[i]; s.branch == id && len(out) < MaxChildren {
			out = append(out, s.first())
		}
	}
	slices.Sort(out)
	return out
}

// segmentView is what the table knows of a segment.
func (r *Run) segmentView(id int64) Segment {
	s := r.table.at(id)
	v := Segment{
		ID: id, Member: int(s.member), Parent: s.parent, State: r.state(s), From: s.from, Steps: s.steps, Hypers: s.hypers,
		Action: actionNames[s.action], Changes: []pbt.Change{}, Metrics: machine.Metrics{}, Tries: int(s.tries),
		DecidedAt: millis(s.decidedAt), LeasedAt: moment(s.leased), FinishedAt: moment(s.finished), Failures: []Failure{},
	}
	if s.slot >= 0 {
		v.Worker = r.slots[s.slot].name
	}
	if s.donor != 0 {
		v.Donor = &Donor{int(r.table.at(s.donor).member), s.donor, pbt.Score(r.table.at(s.donor).score)}
	}
	if s.state == finished {
		v.Score = scoreOf(s.score)
	}
	if s.saved {
		v.Checkpoint = &Checkpoint{Bytes: s.bytes, Kept: s.kept, Pinned: r.m.Pinned(id)}
	}
	return v
}

// sources are the journal's events on a segment.
type sources struct {
	decided, finished int64
	failures          []int64
}

func (r *Run) sourcesOf(id int64) sources {
	s := r.table.at(id)
	return sources{s.decidedSeq, s.finishedSeq, slices.Clone(r.failures[id])}
}

// fill adds what only the journal knows.
func (r *Run) fill(j *journal.Journal, v *Segment, from sources) error {
	seqs := append([]int64{from.decided}, from.failures...)
	if from.finished != 0 {
		seqs = append(seqs, from.finished)
	}
	return j.At(seqs, func(row journal.Row) error {
		body, err := machine.Decode(machine.Kind(row.Kind), row.Body)
		if err != nil {
			return err
		}
		switch b := body.(type) {
		case *machine.Decided:
			v.Turn, v.Why, v.Say = b.Turn, b.Decision.Why, b.Decision.Say()
			v.Changes = append(v.Changes, b.Decision.Changes...)
		case *machine.Failed:
			v.Failures = append(v.Failures, Failure{millis(row.At), b.Fault, b.Error, b.Attempt, b.Final})
		case *machine.Finished:
			times := timesOf(b.Times)
			v.Times = &times
			if b.Metrics != nil {
				v.Metrics = b.Metrics
			}
			if v.Checkpoint != nil {
				v.Checkpoint.ID = b.Checkpoint.ID
				v.Checkpoint.Path = filepath.Join(r.checkpoints, b.Checkpoint.ID)
			}
		}
		return nil
	})
}

// Schedule is the hyperparameters along a segment's ancestry in this run, oldest first; of the
// best outcome's for 0.
func (r *Run) Schedule(id int64) (int64, []pbt.Stage, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if id == 0 {
		if id = r.winner(); id == 0 {
			return 0, nil, fmt.Errorf("%w with a score yet", ErrNoSegment)
		}
	}
	if !r.table.has(id) {
		return 0, nil, r.noSegment(id)
	}
	path := r.ancestry(id)
	stages := make([]pbt.Stage, len(path))
	for i, at := range path {
		s := r.table.at(at)
		stages[i] = pbt.Stage{From: s.from, To: s.end(), Hypers: s.hypers, Segment: at, Member: int(s.member)}
	}
	return id, stages, nil
}

// WholeSchedule is Schedule from fresh weights on: of a branch, what the run did that it
// comes from is the first.
func (r *Run) WholeSchedule(id int64) (int64, []pbt.Stage, error) {
	id, stages, err := r.Schedule(id)
	r.mu.RLock()
	defer r.mu.RUnlock()
	return id, r.started.Schedule(stages), err
}

// Worker is the slot that a segment was trained on last, "" for none yet.
func (r *Run) Worker(id int64) (string, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.table.has(id) {
		return "", r.noSegment(id)
	}
	if k := r.table.at(id).slot; k >= 0 {
		return r.slots[k].name, nil
	}
	return "", nil
}

// From is the step that a segment starts at, and whether there is such a segment.
func (r *Run) From(id int64) (step int64, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.table.has(id) {
		return 0, false
	}
	return r.table.at(id).from, true
}
