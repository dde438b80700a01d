package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt/view"
)

// slotPoints is how many spans a slot's line may have.
const slotPoints = 400

// How many slots are drawn, and up to how many in full detail.
const (
	maxSlots = 100
	fewSlots = 16
)

// slots draws what each slot was at, and when.
func (r *report) slots(width float64) *figure {
	v := r.run.Slots(0, 0, slotPoints)
	if len(v.Slots) == 0 || v.To <= v.From {
		return nil
	}
	f := r.newFigure("slots", "What the slots did over time", width)
	p := f.p
	keys := []key{p.boxKey("a segment in training", p.accent, 0.8), p.boxKey("an attempt that failed or was cut off", p.bad, 1), p.boxKey("waiting", p.grid, 1)}
	slices.SortStableFunc(v.Slots, func(a, b view.SlotView) int {
		return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	shown := thin(v.Slots, maxSlots)
	b := box{left: 66, right: width - 16}
	b.top = p.legend(8, width-8, 12, keys) + 4
	pitch := min(26, max(6, 620/float64(len(shown))))
	b.bottom = b.top + pitch*float64(len(shown)) + 6
	f.h = b.bottom + 46
	x := elapsed(float64(v.To-v.From)/1000, b.left, b.right, int(b.w()/95))
	p.xAxis(b, x, "time since the start")
	thick := min(18, max(2, pitch*0.7))
	least := 0.8 // pixels: what is narrower is drawn as wide as that, and covers others
	if len(shown) > fewSlots {
		least = 2
	}
	var tracks spanTracks
	for i := range shown {
		s := &shown[i]
		y := b.top + (float64(i)+0.5)*pitch
		p.rect(b.left, y-thick/2, b.w(), thick, p.grid, 0.8, 2)
		if pitch >= 11 {
			p.text(b.left-8, y, clip(visible(s.Name), 9), words{color: p.muted, size: 11, anchor: "end"})
		}
		tracks.draw(s.Spans, func(t int64) float64 { return x.at(float64(t-v.From) / 1000) }, y, least, len(s.Spans) < int(b.w()/4))
	}
	for i, alpha := range [2]float64{0.9, 0.68} {
		p.track(&tracks[spanFine+i], stroke{color: p.accent, width: thick, alpha: alpha, cap: "butt"})
	}
	p.track(&tracks[spanRuns], stroke{color: p.accent, width: thick, alpha: 0.4, cap: "butt"})
	p.track(&tracks[spanBroken], stroke{color: p.bad, width: thick, cap: "butt"})
	f.Note = fmt.Sprintf("%s, at work %s of the time. Where segments are too short to be told apart, several are drawn as one.", count(int64(len(v.Slots)), "slot"), percent(v.Use))
	if len(shown) < len(v.Slots) {
		f.Note += fmt.Sprintf(" %d of them are drawn.", len(shown))
	}
	return f
}

// Kinds of span, each drawn as one path.
const (
	spanRuns   = iota
	spanBroken // failed or cut off
	spanFine
	spanNext // the one after, in another shade: so that they can be told apart
	spanKinds
)

type spanTracks [spanKinds]track

// draw draws the spans of a slot. A span that others of its kind cover is left out: a run
// may have any number of them.
func (t *spanTracks) draw(spans []view.SpanView, at func(int64) float64, y, least float64, shades bool) {
	var covered [spanKinds]float64
	for n := range spans {
		span, kind := &spans[n], spanFine
		switch {
		case span.OK == nil:
			kind = spanRuns
		case !*span.OK:
			kind = spanBroken
		case shades:
			kind = spanFine + n%2
		}
		x0, x1 := at(span.T0), at(span.T1)
		x1 = max(x0+least, x1-gapOf(x1-x0))
		if x1 <= covered[kind]+least/2 {
			continue
		}
		covered[kind] = x1
		t[kind].lift()
		t[kind].to(x0, y)
		t[kind].to(x1, y)
	}
}

func gapOf(w float64) float64 {
	if w > 4 {
		return 1
	}
	return 0
}

// part is a share of the slots' time.
type part struct {
	Name    string
	Seconds float64
	Share   float64
}

// timeParts says where the time of all slots together went.
func (r *report) timeParts() (parts []part, all float64) {
	s := r.run.Health().Split
	parts = timeParts(&s)
	for i := range parts {
		all += parts[i].Seconds
	}
	for i := range parts {
		if all > 0 {
			parts[i].Share = parts[i].Seconds / all
		}
	}
	return parts, all
}

func timeParts(s *view.Split) []part {
	return []part{
		{"start programs", s.StartS, 0}, {"load weights", s.LoadS, 0}, {"train", s.TrainS, 0}, {"evaluate", s.EvalS, 0},
		{"save", s.SaveS, 0}, {"publish checkpoints", s.PublishS, 0}, {"idle", s.WaitS, 0},
	}
}

// times draws where the time went, as one bar.
func (r *report) times(width float64) *figure {
	parts, all := r.timeParts()
	if all <= 0 {
		return nil
	}
	f := r.newFigure("times", "Where the time of the slots went", width)
	p := f.p
	f.h = 64
	x := 0.0
	var keys []key
	for i, part := range parts {
		w := part.Share * width
		if w > 0.05 {
			p.rect(x, 6, max(0.5, w-gapOf(w)), 26, p.parts[i], 1, 0)
		}
		x += w
		if part.Share >= 0.0005 {
			keys = append(keys, p.boxKey(part.Name+" "+percent(part.Share), p.parts[i], 1))
		}
	}
	f.h = p.legend(0, width, 50, keys) + 2
	f.Note = fmt.Sprintf("%s of all slots together; what is left out is below 0.05 %%.", duration(all))
	return f
}
