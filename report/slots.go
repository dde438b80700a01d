package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt/view"
)

// slotPoints is how many spans a slot's line may have.
const slotPoints = 400

// maxSlots is how many slots are drawn.
const maxSlots = 100

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
	var fine [2]track // one segment and the next: so that they can be told apart
	var broken, running track
	for i := range shown {
		s := &shown[i]
		y := b.top + (float64(i)+0.5)*pitch
		p.rect(b.left, y-thick/2, b.w(), thick, p.grid, 0.8, 2)
		if pitch >= 11 {
			p.text(b.left-8, y, clip(visible(s.Name), 9), words{color: p.muted, size: 11, anchor: "end"})
		}
		for n := range s.Spans {
			span := &s.Spans[n]
			x0, x1 := x.at(float64(span.T0-v.From)/1000), x.at(float64(span.T1-v.From)/1000)
			k := &fine[0]
			if len(s.Spans) < int(b.w()/4) {
				k = &fine[n%2]
			}
			switch {
			case span.OK == nil:
				k = &running
			case !*span.OK:
				k = &broken
			}
			k.lift()
			k.to(x0, y)
			k.to(max(x0+0.8, x1-gapOf(x1-x0)), y)
		}
	}
	for i, alpha := range [2]float64{0.9, 0.68} {
		p.track(&fine[i], stroke{color: p.accent, width: thick, alpha: alpha, cap: "butt"})
	}
	p.track(&running, stroke{color: p.accent, width: thick, alpha: 0.4, cap: "butt"})
	p.track(&broken, stroke{color: p.bad, width: thick, cap: "butt"})
	f.Note = fmt.Sprintf("%s, at work %s of the time. Where segments are too short to be told apart, several are drawn as one.", count(int64(len(v.Slots)), "slot", "slots"), percent(v.Use))
	if len(shown) < len(v.Slots) {
		f.Note += fmt.Sprintf(" %d of them are drawn.", len(shown))
	}
	return f
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
