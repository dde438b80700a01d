package pbt

import (
	"fmt"
	"slices"
)

// Node is one segment of a run's tree, for readers: where its weights come from
// and what came of it.
type Node struct {
	ID     int64  `json:"id"`     // 1, 2, 3, … in the order of decision
	Member int    `json:"member"` // whose turn it was
	Turn   int64  `json:"turn"`   // the how manieth of that member, from 0
	Parent int64  `json:"parent"` // whose weights it started from; 0: fresh ones
	Copied bool   `json:"copied"` // whether weights or hyperparameters are another member's
	From   int64  `json:"from"`   // steps in the weights' ancestry at its start
	Step   int64  `json:"step"`   // and at its end
	Hypers Hypers `json:"hypers"`

	State      NodeState        `json:"state"`
	Score      *Score           `json:"score"` // null until it has finished
	Metrics    map[string]Score `json:"metrics,omitempty"`
	Checkpoint string           `json:"checkpoint,omitempty"`
	Failures   int              `json:"failures,omitempty"` // failures of it that count against retries
	Say        string           `json:"say,omitempty"`      // its decision in words
}

// NodeState is how far a segment has come.
type NodeState string

// The states of a segment.
const (
	NodeWaiting  NodeState = "waiting"
	NodeRunning  NodeState = "running"
	NodeFinished NodeState = "finished"
	NodeFailed   NodeState = "failed"  // given up after its retries
	NodeDropped  NodeState = "dropped" // planned from weights that were lost before it ran
)

// Tree is a run as a tree of segments. Segment n is at index n−1.
type Tree []Node

// Node returns a segment by its number.
func (t Tree) Node(id int64) (*Node, error) {
	if len(t) == 0 {
		return nil, fmt.Errorf("there is no segment %d: this run has none yet", id)
	}
	if id < 1 || id > int64(len(t)) {
		return nil, fmt.Errorf("there is no segment %d: this run has segments 1 to %d", id, len(t))
	}
	return &t[id-1], nil
}

// Ancestry is the path from the fresh weights to a segment, oldest first, the
// segment included: the lineage of the paper's figure 6.
func (t Tree) Ancestry(id int64) ([]*Node, error) {
	var path []*Node
	for {
		n, err := t.Node(id)
		if err != nil {
			return nil, err
		}
		path = append(path, n)
		if n.Parent == 0 {
			slices.Reverse(path)
			return path, nil
		}
		if n.Parent >= id {
			return nil, fmt.Errorf("segment %d has segment %d as its parent, which is not an earlier one", id, n.Parent)
		}
		id = n.Parent
	}
}

// Root is the number of the initial segment a segment descends from.
func (t Tree) Root(id int64) (int64, error) {
	path, err := t.Ancestry(id)
	if err != nil {
		return 0, err
	}
	return path[0].ID, nil
}

// Stage is one stretch of a schedule: the hyperparameters that weights saw from
// one step of theirs to another.
type Stage struct {
	From    int64  `json:"from"`
	To      int64  `json:"to"`
	Hypers  Hypers `json:"hypers"`
	Segment int64  `json:"segment"`
	Member  int    `json:"member"`
	Run     string `json:"run,omitempty"` // the run that they are of, if it is another: a branch goes on from its weights
}

// Schedule is the hyperparameters along a segment's ancestry: what PBT found.
func (t Tree) Schedule(id int64) ([]Stage, error) {
	path, err := t.Ancestry(id)
	if err != nil {
		return nil, err
	}
	stages := make([]Stage, len(path))
	for i, n := range path {
		stages[i] = Stage{From: n.From, To: n.Step, Hypers: n.Hypers, Segment: n.ID, Member: n.Member}
	}
	return stages, nil
}

// Compact joins neighbouring stages whose hyperparameters are the same; a joined
// stage names its last segment.
func Compact(stages []Stage) []Stage {
	var out []Stage
	for _, s := range stages {
		if n := len(out); n > 0 && out[n-1].Hypers.Equal(s.Hypers) {
			s.From = out[n-1].From
			out[n-1] = s
			continue
		}
		out = append(out, s)
	}
	return out
}
