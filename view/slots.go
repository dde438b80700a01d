package view

import (
	"slices"
	"sort"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// Slots are what each slot was at, and when.
type Slots struct {
	Seq   int64      `json:"seq"`
	From  int64      `json:"from"` // Unix milliseconds
	To    int64      `json:"to"`
	Use   float64    `json:"use"` // share of the time that slots were at work
	Slots []SlotView `json:"slots"`
}

// SlotView is one of them.
type SlotView struct {
	Name       string     `json:"name"`
	WaitsUntil int64      `json:"waits_until,omitempty"` // it gets no segment before, because all failed on it; Unix milliseconds
	Spans      []SpanView `json:"spans"`
}

// SpanView is a segment on it, or several that are too short to be told apart.
type SpanView struct {
	T0      int64 `json:"t0"`
	T1      int64 `json:"t1"`
	Member  int   `json:"member"`
	Segment int64 `json:"segment"`
	OK      *bool `json:"ok"` // null while it runs
	Merged  int   `json:"merged"`
}

// Limits of what is drawn of slots.
const (
	slotPoints = 400  // of one, unless told otherwise
	maxSpans   = 8000 // of all together
)

// Slots draws slots over time; from and to in Unix milliseconds, 0 for the whole run.
func (r *Run) Slots(from, to int64, points int) Slots {
	r.mu.RLock()
	defer r.mu.RUnlock()
	v := Slots{Seq: r.seq, From: from, To: to, Slots: []SlotView{}}
	if r.m == nil {
		return v
	}
	if v.From == 0 {
		v.From = millis(r.startedAt)
	}
	if v.To == 0 {
		v.To = millis(r.now())
	}
	if points <= 0 {
		points = slotPoints
	}
	points = min(points, max(minPoints, maxSpans/max(1, len(r.slots))))
	narrow := max(1, (v.To-v.From)/int64(points)) * 1e6
	busy := int64(0)
	benched := r.m.Benched(r.now())
	for i := range r.slots {
		view, worked := r.slotView(&r.slots[i], v.From*1e6, (v.To+1)*1e6-1, narrow)
		if k := slices.IndexFunc(benched, func(b machine.Bench) bool { return b.Worker == view.Name }); k >= 0 && r.atWork() {
			view.WaitsUntil = millis(benched[k].Until)
		}
		busy += worked
		v.Slots = append(v.Slots, view)
	}
	if all := (v.To - v.From) * 1e6 * int64(len(r.slots)); all > 0 {
		v.Use = min(1, float64(busy)/float64(all))
	}
	return v
}

// slotView draws a slot, all in nanoseconds, and says how long it was at work. What is
// narrow is drawn together: the spans of a whole run are too many to look at each.
func (r *Run) slotView(s *slot, from, to, narrow int64) (SlotView, int64) {
	v := SlotView{Name: s.name, Spans: []SpanView{}}
	end := func(k int) int64 {
		if s.spans[k].ok == spanRuns {
			return max(s.spans[k].t0, to)
		}
		return s.spans[k].t1
	}
	first := sort.Search(len(s.spans), func(k int) bool { return end(k) >= from })
	n := sort.Search(len(s.spans), func(k int) bool { return s.spans[k].t0 > to })
	if first >= n {
		return v, 0
	}
	for k := first; k < n; {
		next := s.joined(k, n, narrow)
		a, z := &s.spans[k], &s.spans[next-1]
		span := SpanView{T0: millis(a.t0), T1: millis(end(next - 1)), Member: int(r.table.at(a.segment).member), Segment: a.segment, Merged: next - k}
		if z.ok != spanRuns {
			ok := z.ok == spanFinished
			span.OK = &ok
		}
		v.Spans = append(v.Spans, span)
		k = next
	}
	worked := s.spans[n-1].busy - s.spans[first].busy + end(n-1) - s.spans[n-1].t0
	worked -= max(0, from-s.spans[first].t0) + max(0, end(n-1)-to)
	return v, max(0, worked)
}

// joined is where the spans end that are drawn together with one: they have ended as it
// has, and all of them are no wider than what is narrow.
func (s *slot) joined(k, n int, narrow int64) int {
	if s.spans[k].ok != spanFinished {
		return k + 1
	}
	if at := sort.SearchInts(s.failed, k); at < len(s.failed) {
		n = min(n, s.failed[at])
	}
	if s.spans[n-1].ok == spanRuns && n-1 > k {
		n--
	}
	wide := sort.Search(n-k, func(i int) bool { return s.spans[k+i].t1-s.spans[k].t0 > narrow })
	return k + max(1, wide)
}
