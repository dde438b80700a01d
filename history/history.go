// Package history reads a journal as a story: the tree of segments, the decision
// behind each, the failures on the way. It is what the commands that look back
// (schedule, lineage, explain) are made of; a run in progress needs none of it.
package history

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// History is one run, read to the end of its journal.
type History struct {
	Started  machine.RunStarted
	Began    int64 // when that was, Unix nanoseconds
	Goal     pbt.Goal
	Tree     pbt.Tree
	Best     int64 // segment of the best finished outcome, 0 for none
	Failures []Failure
	Reason   string // why the run ended or paused; "" while it goes on
	Altered  error  // the first row that is not as it was written; nil for none

	decisions []*machine.Decided // by segment
	outcomes  []*machine.Finished
}

// Failure is one failed attempt.
type Failure struct {
	At int64 `json:"at"` // Unix nanoseconds
	machine.Failed
}

// Read reads a journal. The experiment's spec tells which scores are better.
func Read(j *journal.Journal, specOf machine.SpecFunc) (*History, error) {
	h := &History{}
	err := j.ReadVerified(func(r journal.Row, altered error) error {
		h.Altered = altered
		body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
		if err == nil {
			err = h.add(r.At, body, specOf)
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", r.Seq, err)
		}
		return nil
	})
	if err == nil && h.Started.Experiment == nil {
		err = errors.New("the journal holds no event yet")
	}
	return h, err
}

func (h *History) add(at int64, body machine.Body, specOf machine.SpecFunc) error {
	switch e := body.(type) {
	case *machine.RunStarted:
		spec, err := specOf(e.Experiment)
		if err != nil {
			return err
		}
		h.Started, h.Began, h.Goal = *e, at, spec.Goal
	case *machine.Decided:
		return h.decided(e)
	case *machine.Leased:
		return h.set(e.Segment, pbt.NodeRunning)
	case *machine.Finished:
		return h.finished(e)
	case *machine.Failed:
		return h.failed(at, e)
	case *machine.RolledBack:
		return h.dropPlan(e.Member)
	case *machine.Steered:
		h.replan(e.Member)
	case *machine.MemberDone:
		if e.Reason == machine.ReasonRetired {
			h.replan(e.Member)
		}
	case *machine.Resumed:
		h.Reason = ""
	case *machine.Opened:
		h.Reason = ""
		for i := range h.Tree {
			if h.Tree[i].State == pbt.NodeRunning {
				h.Tree[i].State = pbt.NodeWaiting
			}
		}
	case *machine.Paused:
		h.Reason = e.Reason
	case *machine.RunEnded:
		h.Reason = e.Reason
	case *machine.SpecChanged:
		h.Reason = ""
	}
	return nil
}

func (h *History) decided(e *machine.Decided) error {
	if e.Segment != int64(len(h.Tree))+1 {
		return fmt.Errorf("segment %d follows segment %d", e.Segment, len(h.Tree))
	}
	h.Tree = append(h.Tree, pbt.Node{
		ID: e.Segment, Member: e.Member, Turn: e.Turn, Parent: e.Parent, Copied: e.Decision.Copies(),
		From: e.From, Step: e.From + e.Steps, Hypers: e.Hypers, State: pbt.NodeWaiting, Say: e.Decision.Say(),
	})
	h.decisions = append(h.decisions, e)
	h.outcomes = append(h.outcomes, nil)
	return nil
}

func (h *History) set(segment int64, s pbt.NodeState) error {
	n, err := h.Tree.Node(segment)
	if err == nil {
		n.State = s
	}
	return err
}

func (h *History) finished(e *machine.Finished) error {
	n, err := h.Tree.Node(e.Segment)
	if err != nil {
		return err
	}
	n.State, n.Score, n.Metrics, n.Checkpoint = pbt.NodeFinished, &e.Score, e.Metrics, e.Checkpoint.ID
	n.Step = e.Step // fewer or more steps may have been trained than were planned
	h.outcomes[e.Segment-1] = e
	if e.Score.Finite() && e.Checkpoint.ID != "" && (h.Best == 0 || h.Goal.Better(e.Score, *h.Tree[h.Best-1].Score)) {
		h.Best = e.Segment
	}
	return nil
}

// dropPlan drops the segment that a member was to train next: its weights are gone.
func (h *History) dropPlan(member int) error {
	if !h.replan(member) {
		return fmt.Errorf("member %d has no segment to drop", member)
	}
	return nil
}

// replan drops the segment that a member was to train next, if there is one: somebody
// wants something else of it. It tells whether the member has begun at all.
func (h *History) replan(member int) (begun bool) {
	for i := len(h.Tree) - 1; i >= 0; i-- {
		n := &h.Tree[i]
		if n.Member != member {
			continue
		}
		if n.State == pbt.NodeWaiting {
			n.State = pbt.NodeDropped
		}
		return true
	}
	return false
}

func (h *History) failed(at int64, e *machine.Failed) error {
	n, err := h.Tree.Node(e.Segment)
	if err != nil {
		return err
	}
	n.State = pbt.NodeWaiting
	if e.Final {
		n.State = pbt.NodeFailed
	}
	n.Failures = max(n.Failures, e.Attempt)
	h.Failures = append(h.Failures, Failure{at, *e})
	return nil
}

// Decision is the decision that planned a segment.
func (h *History) Decision(segment int64) (*machine.Decided, error) {
	if _, err := h.Tree.Node(segment); err != nil {
		return nil, err
	}
	return h.decisions[segment-1], nil
}

// Outcome is what a segment ended in; nil if it has not finished.
func (h *History) Outcome(segment int64) *machine.Finished {
	if segment < 1 || segment > int64(len(h.outcomes)) {
		return nil
	}
	return h.outcomes[segment-1]
}

// Record is an outcome as it stood in the population, whole: what a member takes over
// that copies it. The error says why there is none.
func (h *History) Record(segment int64) (r pbt.Record, member int, err error) {
	n, err := h.Tree.Node(segment)
	if err != nil {
		return r, 0, err
	}
	f := h.outcomes[segment-1]
	if f == nil {
		return r, 0, fmt.Errorf("segment %d has no outcome: it is %s", segment, n.State)
	}
	samples := pbt.LastSamples(nil, f.Samples, f.Score)
	for id := n.Parent; id != 0 && len(samples) < pbt.SampleWindow; { // its ancestry's come before its own
		parent, err := h.Tree.Node(id)
		if err != nil {
			return r, 0, err
		}
		past := h.outcomes[id-1]
		if past == nil {
			return r, 0, fmt.Errorf("segment %d descends from segment %d, which has no outcome", segment, id)
		}
		samples = pbt.LastSamples(pbt.LastSamples(nil, past.Samples, past.Score), samples, 0)
		id = parent.Parent
	}
	return pbt.Record{
		Segment: segment, Score: f.Score, Samples: samples, Step: f.Step, Hypers: n.Hypers, Saved: f.Checkpoint.ID != "",
	}, n.Member, nil
}

// Schedule is the hyperparameters along a segment's ancestry, from fresh weights on: of a
// branch, those of the run that it comes from are the first.
func (h *History) Schedule(segment int64) ([]pbt.Stage, error) {
	stages, err := h.Tree.Schedule(segment)
	return h.Started.Schedule(stages), err
}

// Choose returns the segment a user named, or the best one for 0.
func (h *History) Choose(segment int64) (int64, error) {
	if segment != 0 {
		_, err := h.Tree.Node(segment)
		return segment, err
	}
	if h.Best == 0 {
		return 0, errors.New("no segment has finished with a score yet")
	}
	return h.Best, nil
}
