package view

import (
	"github.com/seed-7a1a2db0/pbt"
)

// Lineage is the family tree (the paper's figure 6), a bar for each stretch: one
// member's training between two copies.
type Lineage struct {
	Seq       int64     `json:"seq"`
	Roots     int       `json:"roots"` // initial members with living descendants
	Stretches []Stretch `json:"stretches"`
	Decimated bool      `json:"decimated"`
}

// Stretch is a bar of it.
type Stretch struct {
	ID      int        `json:"id"`
	Member  int        `json:"member"`
	Root    int        `json:"root"`
	Parent  *int       `json:"parent"`
	From    int64      `json:"from"` // steps
	To      int64      `json:"to"`
	T0      int64      `json:"t0"` // Unix milliseconds
	T1      int64      `json:"t1"`
	First   int64      `json:"first"` // segments
	Last    int64      `json:"last"`
	Score   *pbt.Score `json:"score"`
	Action  pbt.Action `json:"action"`
	Winning bool       `json:"winning"`
	Alive   bool       `json:"alive"`
}

// MaxStretches bounds a family tree. Of a larger one, what living members descend
// from is shown first.
const MaxStretches = 5000

// Lineage draws the family tree.
func (r *Run) Lineage() Lineage {
	r.mu.RLock()
	defer r.mu.RUnlock()
	l := Lineage{Seq: r.seq, Stretches: []Stretch{}}
	alive, roots := r.alive()
	l.Roots = roots
	winning := map[int32]bool{}
	if best := r.winner(); best != 0 {
		for at := r.table.at(best).stretch; at >= 0; at = r.stretches[at].parent {
			winning[at] = true
		}
	}
	shown := r.shown(alive, winning)
	l.Decimated = len(shown) < len(r.stretches)
	for _, i := range shown {
		l.Stretches = append(l.Stretches, r.stretchView(i, alive[i], winning[int32(i)]))
	}
	return l
}

// shown are the stretches to draw. Of a large tree those go first that have no living
// descendants, then those of the winner's rivals, the oldest first; of the former only
// those are left whose parents are.
func (r *Run) shown(alive []bool, winning map[int32]bool) []int {
	n := len(r.stretches)
	left := min(n, MaxStretches)
	chosen := make([]bool, n)
	choose := func(fits func(i int) bool) {
		for i := n - 1; i >= 0 && left > 0; i-- {
			if !chosen[i] && fits(i) {
				chosen[i] = true
				left--
			}
		}
	}
	choose(func(i int) bool { return winning[int32(i)] })
	choose(func(i int) bool { return alive[i] })
	choose(func(int) bool { return true })
	shown := make([]int, 0, MaxStretches)
	for i := range chosen {
		if parent := r.stretches[i].parent; chosen[i] && !alive[i] && !winning[int32(i)] && parent >= 0 && !chosen[parent] {
			chosen[i] = false
		}
		if chosen[i] {
			shown = append(shown, i)
		}
	}
	return shown
}

// alive tells which stretches living members descend from, and from how many initial
// members.
func (r *Run) alive() (alive []bool, roots int) {
	alive = make([]bool, len(r.stretches))
	seen := map[int32]bool{}
	for i := range r.members {
		newest := r.members[i].newest
		if newest == 0 {
			continue
		}
		at := r.table.at(newest).stretch
		seen[r.stretches[at].root] = true
		for ; at >= 0 && !alive[at]; at = r.stretches[at].parent {
			alive[at] = true
		}
	}
	return alive, len(seen)
}

func (r *Run) stretchView(i int, alive, winning bool) Stretch {
	s := &r.stretches[i]
	first, last := r.table.at(s.first()), r.table.at(s.last())
	v := Stretch{
		ID: i, Member: int(s.member), Root: int(s.root), From: first.from, To: last.end(), T0: millis(first.decidedAt), T1: millis(last.finished),
		First: s.first(), Last: s.last(), Action: actionNames[s.action], Winning: winning, Alive: alive,
	}
	if s.scored != 0 {
		v.Score = scoreOf(r.table.at(s.scored).score)
	}
	if s.parent >= 0 {
		parent := int(s.parent)
		v.Parent = &parent
	}
	switch last.state {
	case finished:
		return v
	case waiting, running:
		v.T1 = max(v.T0, millis(r.now()))
	default: // given up: it ends where its last outcome is
		v.T1 = v.T0
		if s.scored != 0 {
			v.T1 = millis(r.table.at(s.scored).finished)
		}
	}
	v.To = max(first.from, last.from)
	return v
}
