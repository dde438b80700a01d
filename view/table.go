package view

import (
	"math"

	"github.com/seed-7a1a2db0/pbt"
)

// chunkSize is how many segments are kept together: a table that grows copies nothing.
const chunkSize = 4096

// table is the segments of a run, by number.
type table struct {
	chunks [][]segment
	n      int64 // the newest
}

// at is a segment that exists.
func (t *table) at(id int64) *segment {
	return &t.chunks[(id-1)/chunkSize][(id-1)%chunkSize]
}

// has tells whether a segment exists.
func (t *table) has(id int64) bool { return id >= 1 && id <= t.n }

func (t *table) add(s segment) {
	if t.n%chunkSize == 0 {
		t.chunks = append(t.chunks, make([]segment, 0, chunkSize))
	}
	last := &t.chunks[len(t.chunks)-1]
	*last = append(*last, s)
	t.n++
}

// segment is a row of the table. Its details stay in the journal, at its seqs.
type segment struct {
	parent, donor     int64
	from, steps       int64
	hypers            pbt.Hypers // the parent's own, if they are the same
	score             float64
	decidedAt, leased int64
	finished          int64
	decidedSeq        int64
	finishedSeq       int64
	total             int64 // steps that all members together had trained when it finished
	bytes             int64 // of its checkpoint
	member, stretch   int32
	place             int32 // in its stretch
	slot              int32 // −1: none yet
	tries             int32
	action            actionCode
	state             stateCode
	saved             bool // it has a checkpoint
	kept              bool // which is still there
}

// end is the step that the segment trains to.
func (s *segment) end() int64 { return s.from + s.steps }

// scored tells whether the segment has an outcome that can be drawn.
func (s *segment) scored() bool {
	return s.state == finished && !math.IsNaN(s.score) && !math.IsInf(s.score, 0)
}

// stateCode is a segment's state in a byte.
type stateCode uint8

const (
	waiting stateCode = iota
	running
	finished
	failed
	dropped
)

var stateNames = [...]pbt.NodeState{pbt.NodeWaiting, pbt.NodeRunning, pbt.NodeFinished, pbt.NodeFailed, pbt.NodeDropped}

func (c stateCode) String() string { return string(stateNames[c]) }

// actionCode is an action in a byte.
type actionCode uint8

var actionNames = [...]pbt.Action{"", pbt.Begin, pbt.Continue, pbt.Copy, pbt.Mend, pbt.Restart}

func codeOfAction(a pbt.Action) actionCode {
	for i, name := range actionNames {
		if name == a {
			return actionCode(i)
		}
	}
	return 0
}

func (c actionCode) String() string { return string(actionNames[c]) }

type member struct {
	newest    int64   // planned segment
	weights   int64   // whose weights it has trained last, or fallen back on
	done      []int64 // finished segments
	stretches []int32
}

// stretch is one member's training between two copies. Each of its segments but the
// first goes on from the one before.
type stretch struct {
	segments     []int64
	branch       int64 // the segment that the first goes on from, 0 for none
	scored       int64 // its newest finished segment
	member, root int32
	parent       int32 // the branch's stretch, −1 for none
	action       actionCode
	varied       bool // hyperparameters change within it
}

func (s *stretch) first() int64 { return s.segments[0] }
func (s *stretch) last() int64  { return s.segments[len(s.segments)-1] }

type slot struct {
	name   string
	spans  []span
	failed []int // which of them did not come to an outcome
}

// span is a segment on a slot.
type span struct {
	t0, t1  int64
	busy    int64 // of the spans before it, in nanoseconds
	segment int64
	ok      spanCode
}

type spanCode uint8

const (
	spanRuns spanCode = iota
	spanFinished
	spanFailed
)
