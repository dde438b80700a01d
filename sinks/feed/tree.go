package feed

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// tree is a run folded as far as sinks need it. Of a segment that is over it keeps
// three numbers: the rest is in the journal.
type tree struct {
	seq      int64 // of the newest event in it
	goal     pbt.Goal
	segments []place
	open     map[int64]*plan // planned and not over
	newest   map[int]int64   // the newest segment of each member
	spent    map[int]int64   // steps of each member
	best     int64           // segment of the best outcome, 0 for none
	score    pbt.Score       // of that
	total    int64           // steps of all members
	row      int             // failures since a segment finished
}

// plan is a segment that is not over.
type plan struct {
	*machine.Decided
	running bool
}

// place is where a segment stands in the journal.
type place struct {
	parent            int64
	decided, finished int64 // positions; 0 for not yet
}

func newTree(goal pbt.Goal) tree {
	return tree{goal: goal, open: map[int64]*plan{}, newest: map[int]int64{}, spent: map[int]int64{}}
}

// add takes in the next event.
func (t *tree) add(r journal.Row) (Event, error) {
	if r.Seq != t.seq+1 {
		return Event{}, fmt.Errorf("event %d follows event %d", r.Seq, t.seq)
	}
	body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
	if err != nil {
		return Event{}, fmt.Errorf("event %d: %w", r.Seq, err)
	}
	t.seq = r.Seq
	e := Event{Seq: r.Seq, At: r.At, Body: body}
	switch b := body.(type) {
	case *machine.Decided:
		if b.Segment != int64(len(t.segments))+1 {
			return e, fmt.Errorf("event %d: segment %d follows segment %d", r.Seq, b.Segment, len(t.segments))
		}
		t.segments = append(t.segments, place{parent: b.Parent, decided: r.Seq})
		t.open[b.Segment], t.newest[b.Member], e.Plan = &plan{Decided: b}, b.Segment, b
	case *machine.Leased:
		if p := t.open[b.Segment]; p != nil {
			p.running, e.Plan = true, p.Decided
		}
	case *machine.Finished:
		if err := t.finished(&e, b); err != nil {
			return e, err
		}
	case *machine.Failed:
		t.failed(&e, b)
	case *machine.RolledBack:
		t.drop(b.Member) // it was planned from weights that are gone
		t.total -= b.Lost
		t.spent[b.Member] -= b.Lost
	case *machine.Steered:
		t.drop(b.Member)
	case *machine.MemberDone:
		t.drop(b.Member)
	case *machine.Opened:
		t.row = 0
		for _, p := range t.open { // whoever trained them is gone
			p.running = false
		}
	}
	_, member := body.Subject()
	e.Total, e.Row, e.Spent = t.total, t.row, t.spent[member]
	return e, nil
}

// drop forgets the segment that a member was to train next.
func (t *tree) drop(member int) {
	if p := t.open[t.newest[member]]; p != nil && !p.running {
		delete(t.open, p.Segment)
	}
}

func (t *tree) finished(e *Event, b *machine.Finished) error {
	p := t.open[b.Segment]
	if p == nil {
		return fmt.Errorf("event %d: segment %d has finished, and was not planned", e.Seq, b.Segment)
	}
	e.Plan = p.Decided
	delete(t.open, b.Segment)
	t.segments[b.Segment-1].finished = e.Seq
	trained := b.Step - e.Plan.From
	t.total += trained
	t.spent[b.Member] += trained
	if !b.Score.Finite() {
		return nil
	}
	t.row = 0
	if b.Checkpoint.ID != "" && (t.best == 0 || t.goal.Better(b.Score, t.score)) {
		t.best, t.score, e.Best = b.Segment, b.Score, true
	}
	return nil
}

func (t *tree) failed(e *Event, b *machine.Failed) {
	if p := t.open[b.Segment]; p != nil {
		p.running, e.Plan = false, p.Decided
	}
	if b.Fault != machine.FailLost && b.Fault != machine.FailPreempted {
		t.row++
	}
	if b.Final {
		delete(t.open, b.Segment)
	}
}

// Best is the segment of the best outcome that has been read, 0 for none.
func (r *Run) Best() int64 { return r.tree.best }

// Outcome is a finished segment, whole.
type Outcome struct {
	At int64
	machine.Finished
	Plan machine.Decided
}

// Ancestry lists the segments on the way from fresh weights to a segment, itself
// included, oldest first.
func (r *Run) Ancestry(segment int64) ([]int64, error) {
	var path []int64
	for at := segment; at != 0; at = r.tree.segments[at-1].parent {
		if at < 1 || at > int64(len(r.tree.segments)) {
			return nil, fmt.Errorf("there is no segment %d", at)
		}
		path = append(path, at)
	}
	slices.Reverse(path)
	return path, nil
}

// Outcomes reads finished segments from the journal again, in the order asked for.
func (r *Run) Outcomes(segments []int64) ([]Outcome, error) {
	out := make([]Outcome, len(segments))
	where := map[int64]*Outcome{}
	var wanted []int64
	for i, id := range segments {
		p := r.tree.segments[id-1]
		if p.finished == 0 {
			return nil, fmt.Errorf("segment %d has not finished", id)
		}
		where[p.decided], where[p.finished] = &out[i], &out[i]
		wanted = append(wanted, p.decided, p.finished)
	}
	slices.Sort(wanted)
	err := r.source.rows(wanted, func(row journal.Row) error {
		o := where[row.Seq]
		if machine.Kind(row.Kind) == machine.KindDecided {
			return json.Unmarshal(row.Body, &o.Plan)
		}
		o.At = row.At
		return json.Unmarshal(row.Body, &o.Finished)
	})
	return out, err
}
