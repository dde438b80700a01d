package view

import (
	"slices"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// Limits of what is drawn at once.
const (
	MaxPoints    = 2000   // of one line
	maxAllPoints = 60_000 // of all lines together
	minPoints    = 12     // of one line, however many there are
	maxCopies    = 1500   // arcs, the newest
)

// Curves are scores over steps or time.
type Curves struct {
	Seq       int64   `json:"seq"`
	By        string  `json:"by"`
	X         string  `json:"x"`
	Series    []Curve `json:"series"`
	Band      Band    `json:"band"`
	Copies    []Copy  `json:"copies"`
	Decimated bool    `json:"decimated"`
}

// Curve is one line: a member's, or a lineage's that ends in a member.
type Curve struct {
	Member   int     `json:"member"`
	Root     int     `json:"root"`
	Winning  bool    `json:"winning"`
	Done     bool    `json:"done"`
	X        []int64 `json:"x"`
	Y        Numbers `json:"y"`
	Segments []int64 `json:"segments"`
}

// Copy is a member that took over another's weights: its score before and the
// donor's.
type Copy struct {
	Seq          int64  `json:"seq"`
	Segment      int64  `json:"segment"`
	Member       int    `json:"member"`
	Donor        int    `json:"donor"`
	DonorSegment int64  `json:"donor_segment"`
	X            int64  `json:"x"`
	From         Number `json:"from"`
	To           Number `json:"to"`
}

// Axes of curves.
const (
	ByLineage = "lineage"
	ByMember  = "member"
	XStep     = "step"
	XTime     = "time"
	XTotal    = "total" // steps of all members together: what a run has cost
)

// Curves draws the scores of all members. points is how many a line may have, 0 for
// as many as are sensible.
func (r *Run) Curves(by, x string, points int) Curves {
	r.mu.RLock()
	defer r.mu.RUnlock()
	c := Curves{Seq: r.seq, By: by, X: x, Series: []Curve{}, Copies: []Copy{}, Band: Band{X: []int64{}}}
	if r.m == nil {
		return c
	}
	c.Copies, c.Band = r.copies(x), r.band(x)
	per := r.pointsPerLine(points)
	winner := r.bestMember()
	for i := range r.members {
		kept, all := r.line(i, by, per)
		if len(kept) == 0 {
			continue
		}
		c.Decimated = c.Decimated || len(kept) < all
		line := Curve{
			Member: i, Root: r.rootOf(kept[len(kept)-1]), Winning: i == winner, Done: done(r.m.Member(i).State),
			X: make([]int64, len(kept)), Y: make(Numbers, len(kept)), Segments: kept,
		}
		for k, id := range kept {
			s := r.table.at(id)
			line.X[k], line.Y[k] = r.xOf(s, x), Number(s.score)
		}
		c.Series = append(c.Series, line)
	}
	return c
}

// done tells whether a member trains no more.
func done(s machine.MemberState) bool {
	return s != machine.StateWaiting && s != machine.StateRunning && s != machine.StateDeciding
}

func (r *Run) pointsPerLine(points int) int {
	if points <= 0 || points > MaxPoints {
		points = MaxPoints
	}
	return min(points, max(minPoints, maxAllPoints/max(1, len(r.members))))
}

// line is the finished segments of a member, or of its weights' ancestry, oldest
// first: at most so many, evenly chosen, of all.
func (r *Run) line(i int, by string, most int) (kept []int64, all int) {
	if by == ByMember {
		list := r.members[i].done
		return thin(list, most), len(list)
	}
	chain := r.chain(r.weights(i))
	for _, l := range chain {
		all += l.n
	}
	kept = make([]int64, 0, min(all, most))
	k, before := 0, 0 // the link, and how many segments are in those before
	for i := range cap(kept) {
		at := place(i, cap(kept), all)
		for at-before >= chain[k].n {
			before += chain[k].n
			k++
		}
		kept = append(kept, r.stretches[chain[k].stretch].segments[at-before])
	}
	return kept, all
}

// link is the part of a stretch that belongs to an ancestry: its first n segments.
type link struct {
	stretch int32
	n       int
}

// chain is the ancestry of a segment, itself included, stretch by stretch, oldest first.
func (r *Run) chain(id int64) (chain []link) {
	for id != 0 {
		s := r.table.at(id)
		chain = append(chain, link{s.stretch, int(s.place) + 1})
		id = r.stretches[s.stretch].branch
	}
	slices.Reverse(chain)
	return chain
}

// place is where the i-th of n points is taken from a longer list: the first and the
// last always are.
func place(i, n, all int) int {
	if n < 2 {
		return 0
	}
	return i * (all - 1) / (n - 1)
}

// weights is the segment whose weights a member trains on with, 0 for fresh ones.
func (r *Run) weights(i int) int64 {
	mem := &r.members[i]
	if mem.newest == 0 {
		return 0
	}
	switch s := r.table.at(mem.newest); s.state {
	case finished:
		return mem.newest
	case dropped: // what it was to start from is lost
		return mem.weights
	default: // after a copy its weights are already the donor's
		return s.parent
	}
}

// ancestry is the path to a segment, oldest first.
func (r *Run) ancestry(id int64) []int64 {
	var path []int64
	for id != 0 {
		path = append(path, id)
		id = r.table.at(id).parent
	}
	slices.Reverse(path)
	return path
}

// thin keeps at most n of a list, evenly, the first and the last always.
func thin[T any](list []T, n int) []T {
	if len(list) <= n || n < 2 {
		return list
	}
	out := make([]T, 0, n)
	for i := range n {
		out = append(out, list[place(i, n, len(list))])
	}
	return out
}

func (r *Run) xOf(s *segment, x string) int64 {
	switch x {
	case XTime:
		return millis(s.finished)
	case XTotal:
		return s.total
	}
	return s.end()
}

func (r *Run) rootOf(id int64) int { return int(r.stretches[r.table.at(id).stretch].root) }

// bestMember is who holds the best outcome, −1 for nobody.
func (r *Run) bestMember() int {
	if r.winner() == 0 {
		return -1
	}
	return int(r.table.at(r.winner()).member)
}

// copies are the newest copies, oldest first.
func (r *Run) copies(x string) []Copy {
	newest := r.copied[max(0, len(r.copied)-maxCopies):]
	out := make([]Copy, 0, len(newest))
	for _, id := range newest {
		s := r.table.at(id)
		d := r.table.at(s.donor)
		c := Copy{Seq: s.decidedSeq, Segment: id, Member: int(s.member), Donor: int(d.member), DonorSegment: s.donor, X: s.from, From: gap, To: Number(d.score)}
		switch x {
		case XTime:
			c.X = millis(s.decidedAt)
		case XTotal:
			c.X = 0 // or where its member stood, below
		}
		if before := r.before(id); before != 0 {
			c.From = Number(r.table.at(before).score)
			if x == XTotal {
				c.X = r.table.at(before).total
			}
		}
		out = append(out, c)
	}
	return out
}

// before is the segment that the same member had finished before this one, 0 for none.
func (r *Run) before(id int64) int64 {
	list := r.members[r.table.at(id).member].done
	if at, _ := slices.BinarySearch(list, id); at > 0 {
		return list[at-1]
	}
	return 0
}

func (r *Run) band(x string) Band {
	r.bandMu.Lock() // other readers order the same scores
	defer r.bandMu.Unlock()
	b := &r.bands[0]
	switch x {
	case XTime:
		b = &r.bands[1]
	case XTotal:
		b = &r.bands[2]
	}
	b.sort()
	return b.draw(r.m.Spec().Goal)
}
