package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt/view"
)

// branch is a stretch of the tree as a line: it begins at its donor's point.
type branch struct {
	root  int
	alive bool
	x, y  []float64
}

// population draws score against step: a line for each lineage, an arc for each copy.
func (r *report) population(width float64) *figure {
	c := r.run.Curves(view.ByMember, view.XStep, maxPoints)
	lines, ok := r.branches(&c)
	if !ok { // too many to draw them all
		c = r.run.Curves(view.ByLineage, view.XStep, maxPoints)
		lines = lines[:0]
		for _, s := range c.Series {
			lines = append(lines, branch{s.Root, true, floats(s.X), floats(s.Y)})
		}
	}
	lo, hi, ok := r.scoreRange(lines)
	if !ok {
		return nil
	}
	minimize := r.sum.Goal == "minimize"
	f := r.newFigure("population", "Score against training step, a line for each lineage", width)
	p := f.p
	b := box{left: 60, right: width - 74}
	if n := len(r.path.y); n > 0 {
		b.right = width - 28 - max(46, 1.08*wide(r.endLabel(), nameSize))
	}
	b.top = p.legend(8, width-8, 12, r.populationKeys(p, len(c.Copies) > 0)) + 24
	b.bottom = b.top + 340
	f.h = b.bottom + 46
	last := 0.0
	for _, l := range lines {
		last = max(last, l.x[len(l.x)-1])
	}
	x := linear(0, last, b.left, b.right, int(b.w()/100))
	y := padded(lo, hi, minimize && lo > 0 && hi/lo > 5, b.bottom, b.top, 6)
	p.yAxis(b, y)
	p.xAxis(b, x, "training steps behind the weights")
	better := "higher is better"
	if minimize {
		better = "lower is better"
	}
	p.text(8, b.top-17, clip(visible(r.sum.Metric), 60)+" ("+better+")", words{color: p.muted, size: nameSize})
	p.clip(b, func() {
		r.drawBand(p, &c.Band, x, y)
		r.drawLines(p, lines, x, y)
		r.drawCopies(p, &c, x, y)
		p.line(mapped(floats(c.Band.X), x), mapped(floats(c.Band.Median), y), stroke{color: p.muted, width: 1.5, dash: "1 4"})
		p.line(mapped(floats(c.Band.X), x), mapped(floats(c.Band.Best), y), stroke{color: p.ink, width: 1, dash: "5 3", alpha: 0.8})
		p.line(mapped(r.path.x, x), mapped(r.path.y, y), stroke{color: p.bg, width: 5.5, alpha: 0.85})
		p.line(mapped(r.path.x, x), mapped(r.path.y, y), stroke{color: r.hue(r.lead), width: 2.6})
	})
	r.endLabels(p, b, &c.Band, x, y)
	f.Note = fmt.Sprintf("%s. Lines have the colour of the initial member that their weights descend from; an arc leads from a member's score to that of the weights it copied, where its line goes on. The bold line is the history of %s.",
		count(int64(len(c.Series)), "member"), r.leader())
	if c.Decimated {
		f.Note += " Lines are thinned out."
	}
	return f
}

func (r *report) populationKeys(p *pen, copies bool) []key {
	var keys []key
	if r.chosen != nil {
		keys = append(keys, p.lineKey("history of "+r.leader(), stroke{color: r.hue(r.lead), width: 2.6}))
	}
	keys = append(keys, p.lineKey("a lineage, coloured by its first member", stroke{color: p.hues[2], width: 1.3}))
	if copies {
		keys = append(keys, key{"a copy", 12, func(x, y float64) {
			var k track
			k.curve(x+2, y-7, x+11, y-5, x+11, y+5, x+2, y+7)
			p.track(&k, stroke{color: p.muted, width: 1.2})
		}})
	}
	return append(keys, p.lineKey("best so far", stroke{color: p.ink, width: 1, dash: "5 3", alpha: 0.8}),
		p.lineKey("median", stroke{color: p.muted, width: 1.5, dash: "1 4"}),
		key{"middle 50 %, 80 %", 18, func(x, y float64) {
			p.rect(x, y-6, 18, 12, p.band, 0.2, 2)
			p.rect(x, y-3, 18, 6, p.band, 0.3, 0)
		}})
}

// branches cuts the members' lines where they copied: stretches of the tree, each with
// the colour of its root. It is false if some points or stretches are left out.
func (r *report) branches(c *view.Curves) (lines []branch, ok bool) {
	if c.Decimated || r.tree.Decimated {
		return nil, false
	}
	of := map[int][]*view.Stretch{}
	for i := range r.tree.Stretches {
		s := &r.tree.Stretches[i]
		of[s.Member] = append(of[s.Member], s)
	}
	points := map[int]branch{} // by stretch
	for _, s := range c.Series {
		for i, seg := range s.Segments {
			k := slices.IndexFunc(of[s.Member], func(st *view.Stretch) bool { return st.First <= seg && seg <= st.Last })
			if k < 0 {
				continue
			}
			id := of[s.Member][k].ID
			b := points[id]
			b.x, b.y = append(b.x, float64(s.X[i])), append(b.y, float64(s.Y[i]))
			points[id] = b
		}
	}
	for i := range r.tree.Stretches {
		s := &r.tree.Stretches[i]
		b, ok := points[s.ID]
		if !ok {
			continue
		}
		line := branch{root: s.Root, alive: s.Alive, x: b.x, y: b.y}
		if s.Parent != nil {
			donor := points[*s.Parent]
			if k, found := slices.BinarySearch(donor.x, float64(s.From)); found {
				line.x, line.y = append([]float64{donor.x[k]}, b.x...), append([]float64{donor.y[k]}, b.y...)
			}
		}
		lines = append(lines, line)
	}
	return lines, true
}

// scoreRange is the scores worth showing. Of many, the worst few are left out: a single
// diverged member must not squeeze all the others into a line.
func (r *report) scoreRange(lines []branch) (lo, hi float64, ok bool) {
	const many, cut = 60, 0.005
	all := slices.Clone(r.path.y)
	for _, l := range lines {
		for _, y := range l.y {
			if finite(y) {
				all = append(all, y)
			}
		}
	}
	slices.Sort(all)
	if len(all) > many {
		drop := int(float64(len(all)) * cut)
		if r.sum.Goal == "minimize" {
			all = all[:len(all)-drop]
		} else {
			all = all[drop:]
		}
	}
	return extent(all)
}

func (r *report) drawBand(p *pen, b *view.Band, x, y *scale) {
	if len(b.X) < 2 {
		return
	}
	xs := mapped(floats(b.X), x)
	p.area(xs, mapped(floats(b.Q10), y), mapped(floats(b.Q90), y), p.band, 0.13)
	p.area(xs, mapped(floats(b.Q25), y), mapped(floats(b.Q75), y), p.band, 0.17)
}

// drawLines draws all lines of a colour as one path.
func (r *report) drawLines(p *pen, lines []branch, x, y *scale) {
	n := r.sum.Population
	alpha, width := 0.75, 1.3
	switch {
	case n > 300:
		alpha, width = 0.3, 0.7
	case n > 60:
		alpha, width = 0.4, 0.9
	}
	for _, alive := range []bool{false, true} {
		var tracks [hues]track
		for i := range lines {
			l := &lines[i]
			if l.alive != alive {
				continue
			}
			k := &tracks[slices.Index(p.hues[:], r.hue(l.root))]
			k.lift()
			for i := range l.x {
				if i > 0 && l.x[i] < l.x[i-1] { // fresh weights, or fallen back
					k.lift()
				}
				k.to(x.at(l.x[i]), y.at(l.y[i]))
			}
		}
		a := alpha
		if !alive {
			a *= 0.75
		}
		for i := range tracks {
			p.track(&tracks[i], stroke{color: p.hues[i], width: width, alpha: a})
		}
	}
}

// drawCopies draws an arc for each copy, in the donor's colour.
func (r *report) drawCopies(p *pen, c *view.Curves, x, y *scale) {
	const most = 600
	shown := c.Copies[max(0, len(c.Copies)-most):]
	alpha := 0.5
	switch {
	case len(shown) > 200:
		alpha = 0.2
	case len(shown) > 80:
		alpha = 0.35
	}
	roots := map[int64]int{} // by the first segment of a stretch
	for i := range r.tree.Stretches {
		roots[r.tree.Stretches[i].First] = r.tree.Stretches[i].Root
	}
	var arcs, dots [hues]track
	for _, copied := range shown {
		px, y0, y1 := x.at(float64(copied.X)), y.at(float64(copied.From)), y.at(float64(copied.To))
		root, known := roots[copied.Segment]
		if !known || math.IsNaN(y0) || math.IsNaN(y1) {
			continue
		}
		k := slices.Index(p.hues[:], r.hue(root))
		bend := min(26, 5+math.Abs(y1-y0)*0.12)
		arcs[k].curve(px, y0, px+bend, y0+(y1-y0)*0.15, px+bend, y1-(y1-y0)*0.15, px, y1)
		if len(shown) <= 200 {
			dots[k].lift()
			dots[k].to(px, y0)
		}
	}
	for k := range arcs {
		p.track(&arcs[k], stroke{color: p.hues[k], width: 1, alpha: alpha})
		p.track(&dots[k], stroke{color: p.hues[k], width: 3.4})
	}
}

// endLabel names the highlighted line.
func (r *report) endLabel() string {
	return fmt.Sprintf("m%d  %s", r.chosen.Member, number(r.path.y[len(r.path.y)-1], 4))
}

// endLabels names the lines at the right.
func (r *report) endLabels(p *pen, b box, band *view.Band, x, y *scale) {
	type label struct {
		y    float64
		text string
		w    words
	}
	var labels []label
	within := func(at float64) float64 { return min(b.bottom, max(b.top, at)) }
	if n := len(r.path.x); n > 0 {
		px, py := x.at(r.path.x[n-1]), y.at(r.path.y[n-1])
		if finite(py) && py >= b.top-4 && py <= b.bottom+4 {
			p.dot(px, py, 4.5, r.hue(r.lead))
		}
		if finite(py) {
			labels = append(labels, label{within(py), r.endLabel(), words{color: r.hue(r.lead), size: nameSize, bold: true}})
		}
	}
	if n := len(band.X); n > 0 {
		if at := y.at(float64(band.Median[n-1])); finite(at) {
			labels = append(labels, label{within(at), "median", words{color: p.muted, size: tickSize}})
		}
	}
	slices.SortFunc(labels, func(a, b label) int { return int(math.Copysign(1, a.y-b.y)) })
	for i := range labels {
		if i > 0 && labels[i].y-labels[i-1].y < 16 {
			labels[i].y = labels[i-1].y + 16
		}
		p.text(b.right+12, labels[i].y, labels[i].text, labels[i].w)
	}
}
