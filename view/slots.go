package view

import "sort"

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
	Name  string     `json:"name"`
	Spans []SpanView `json:"spans"`
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
	first := func(spans []span) int { // the first that ends in what is asked for
		return sort.Search(len(spans), func(k int) bool { return spans[k].ok == spanRuns || millis(spans[k].t1) >= v.From })
	}
	narrow := max(1, (v.To-v.From)/int64(points))
	busy := int64(0)
	for i := range r.slots {
		s := &r.slots[i]
		view := SlotView{Name: s.name, Spans: []SpanView{}}
		for k := first(s.spans); k < len(s.spans) && millis(s.spans[k].t0) <= v.To; k++ {
			span := r.spanView(&s.spans[k], v.To)
			busy += max(0, min(span.T1, v.To)-max(span.T0, v.From))
			view.Spans = addSpan(view.Spans, span, narrow)
		}
		v.Slots = append(v.Slots, view)
	}
	if all := (v.To - v.From) * int64(len(r.slots)); all > 0 {
		v.Use = min(1, float64(busy)/float64(all))
	}
	return v
}

func (r *Run) spanView(s *span, now int64) SpanView {
	v := SpanView{T0: millis(s.t0), T1: millis(s.t1), Member: int(r.table.at(s.segment).member), Segment: s.segment, Merged: 1}
	if s.ok == spanRuns {
		v.T1 = max(v.T0, now)
		return v
	}
	ok := s.ok == spanFinished
	v.OK = &ok
	return v
}

// addSpan adds a span, or widens the last one if both are too narrow to be seen.
func addSpan(spans []SpanView, s SpanView, narrow int64) []SpanView {
	if n := len(spans); n > 0 && s.OK != nil && spans[n-1].OK != nil && *s.OK == *spans[n-1].OK {
		if last := &spans[n-1]; s.T1-last.T0 <= narrow || s.T1-s.T0 < narrow/4 && s.T0-last.T1 < narrow/4 && last.T1-last.T0 < narrow {
			last.T1 = s.T1
			last.Merged += s.Merged
			return spans
		}
	}
	return append(spans, s)
}
