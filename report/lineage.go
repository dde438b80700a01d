package report

import (
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt/view"
)

// bar is a stretch of the tree where it is drawn.
type bar struct {
	s      *view.Stretch
	row    int
	x0, x1 float64
	y      float64
}

// fewBars is up to how many stretches each one says what it is, to those who point at it.
const fewBars = 400

// lineage draws the family tree (the paper's figure 6): the colours of the initial
// members flow to their descendants.
func (r *report) lineage(width float64) *figure {
	if !slices.ContainsFunc(r.tree.Stretches, func(s view.Stretch) bool { return s.To > s.From }) { // nothing came of any
		return nil
	}
	f := r.newFigure("lineage", "The family tree: whose weights came from where", width)
	p := f.p
	bars, rows := layTree(r.tree.Stretches)
	b := box{left: 38, right: width - 44}
	b.top = p.legend(8, width-8, 12, r.lineageKeys(p)) + 6
	pitch := min(17, 860/float64(rows))
	b.bottom = b.top + max(60, pitch*float64(rows)) + 4
	f.h = b.bottom + 46
	last := int64(1)
	for i := range bars {
		last = max(last, bars[i].s.To)
	}
	x := linear(0, float64(last), b.left, b.right, int(b.w()/100))
	p.xAxis(b, x, "training steps behind the weights")
	thick := min(11, max(0.7, pitch*0.62))
	of := map[int]*bar{}
	for i := range bars {
		n := &bars[i]
		n.x0, n.y = x.at(float64(n.s.From)), b.top+(float64(n.row)+0.5)*pitch
		n.x1 = max(n.x0+1.5, x.at(float64(n.s.To)))
		of[n.s.ID] = n
	}
	if pitch >= 11 {
		for i := range bars {
			if n := &bars[i]; n.s.Parent == nil && n.s.From == 0 {
				p.text(b.left-7, n.y, fmt.Sprintf("m%d", n.s.Member), words{color: p.muted, size: 11, anchor: "end"})
			}
		}
	}
	r.drawWires(p, bars, of, thick)
	r.drawBars(p, bars, thick)
	r.drawAncestry(p, bars, of, thick)
	f.Note = fmt.Sprintf("Each bar is one member's training between two copies, in the colour of the initial member that it descends from; what nobody living descends from is pale. %s of %s initial members have living descendants.",
		thousands(int64(r.tree.Roots)), thousands(int64(r.sum.Population)))
	if r.chosen != nil {
		f.Note += fmt.Sprintf(" The line through the bars is the ancestry of %s, of member %d.", r.leader(), r.chosen.Member)
	}
	if r.tree.Decimated {
		f.Note += " Some dead branches are left out."
	}
	return f
}

func (r *report) lineageKeys(p *pen) []key {
	keys := []key{
		p.boxKey("a member's training between two copies", p.hues[2], 0.8),
		p.boxKey("without living descendants", p.hues[2], 0.35),
	}
	if r.chosen != nil {
		keys = append(keys, p.lineKey("ancestry of "+r.leader(), stroke{color: p.ink, width: 2.2}))
	}
	return keys
}

// layTree gives every stretch a row: depth first, the first one near its parent's that
// is free from where it begins. Branches that died leave their row to later ones.
func layTree(stretches []view.Stretch) (bars []bar, rows int) {
	known := map[int]bool{}
	for i := range stretches {
		known[stretches[i].ID] = true
	}
	children := map[int][]*view.Stretch{} // by parent, −1 for none
	for i := range stretches {
		s, parent := &stretches[i], -1
		if s.Parent != nil && known[*s.Parent] {
			parent = *s.Parent
		}
		children[parent] = append(children[parent], s)
	}
	roots := children[-1]
	slices.SortStableFunc(roots, func(a, b *view.Stretch) int {
		if a.Root != b.Root {
			return a.Root - b.Root
		}
		return a.ID - b.ID
	})
	for _, root := range roots {
		rows += layFamily(root, children, rows, &bars)
	}
	return bars, rows
}

// layFamily places a tree from a row on, and returns how many it takes.
func layFamily(root *view.Stretch, children map[int][]*view.Stretch, base int, out *[]bar) int {
	type span struct{ from, to int64 }
	type task struct {
		s    *view.Stretch
		near int
	}
	var taken [][]span // by row
	free := func(row int, s *view.Stretch) bool {
		return row >= len(taken) || !slices.ContainsFunc(taken[row], func(t span) bool { return s.From < t.to && max(s.To, s.From+1) > t.from })
	}
	stack := []task{{root, 0}}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		row := at.near
		for !free(row, at.s) {
			row++
		}
		for len(taken) <= row {
			taken = append(taken, nil)
		}
		taken[row] = append(taken[row], span{at.s.From, max(at.s.To, at.s.From+1)})
		*out = append(*out, bar{s: at.s, row: base + row})
		kids := children[at.s.ID]
		slices.SortStableFunc(kids, func(a, b *view.Stretch) int { return int(min(1, max(-1, a.From-b.From))) })
		for _, k := range kids {
			stack = append(stack, task{k, row})
		}
	}
	return len(taken)
}

func (r *report) isWinning(s *view.Stretch) bool {
	_, ok := r.winning[s.ID]
	return ok
}

// wire leads from the donor at that moment to where the copy begins.
func wire(k *track, n, from *bar) {
	x, y0, y1 := n.x0-2, from.y, n.y
	k.curve(x, y0, x, y0+(y1-y0)*0.6, x, y1, n.x0+3, y1)
}

func (r *report) drawWires(p *pen, bars []bar, of map[int]*bar, thick float64) {
	if thick < 1.2 { // a thousand rows have no room for wires
		return
	}
	alpha := 0.6
	if len(bars) > fewBars {
		alpha = 0.35
	}
	var wires [hues]track
	for i := range bars {
		n := &bars[i]
		if n.s.Parent == nil || r.isWinning(n.s) || n.s.To <= n.s.From {
			continue
		}
		if from := of[*n.s.Parent]; from != nil {
			wire(&wires[slices.Index(p.hues[:], r.hue(n.s.Root))], n, from)
		}
	}
	for i := range wires {
		p.track(&wires[i], stroke{color: p.hues[i], width: 1.1, alpha: alpha})
	}
}

// drawBars draws all bars of a colour as one path, or each on its own if they are few.
func (r *report) drawBars(p *pen, bars []bar, thick float64) {
	alphas := [3]float64{0.35, 0.8, 1}
	var tracks [hues][3]track
	for i := range bars {
		n := &bars[i]
		if n.s.To <= n.s.From { // nothing came of it
			continue
		}
		kind := 0
		switch {
		case r.isWinning(n.s):
			kind = 2
		case n.s.Alive:
			kind = 1
		}
		gap := 0.0
		if n.x1-n.x0 > 6 && thick > 3 {
			gap = 1
		}
		hue := slices.Index(p.hues[:], r.hue(n.s.Root))
		if len(bars) > fewBars {
			tracks[hue][kind].lift()
			tracks[hue][kind].to(n.x0, n.y)
			tracks[hue][kind].to(n.x1-gap, n.y)
			continue
		}
		p.b.WriteString("<g><title>")
		p.escape(fmt.Sprintf("member %d, segments %d … %d, steps %s–%s, score %s", n.s.Member, n.s.First, n.s.Last, thousands(n.s.From), thousands(n.s.To), scoreText(n.s.Score)))
		p.b.WriteString("</title>")
		p.rect(n.x0, n.y-thick/2, max(1, n.x1-n.x0-gap), thick, p.hues[hue], alphas[kind], min(3, thick/2))
		p.b.WriteString("</g>\n")
	}
	for hue := range tracks {
		for kind := range alphas {
			p.track(&tracks[hue][kind], stroke{color: p.hues[hue], width: thick, alpha: alphas[kind], cap: "butt"})
		}
	}
}

// drawAncestry draws the way that the weights took.
func (r *report) drawAncestry(p *pen, bars []bar, of map[int]*bar, thick float64) {
	var k track
	ends := map[int]float64{} // where a stretch is left
	for i := range bars {
		if n := &bars[i]; r.isWinning(n.s) && n.s.Parent != nil && of[*n.s.Parent] != nil {
			wire(&k, n, of[*n.s.Parent])
			ends[*n.s.Parent] = n.x0 - 2
		}
	}
	var last *bar
	var tip float64
	for i := range bars {
		n := &bars[i]
		if !r.isWinning(n.s) {
			continue
		}
		end, left := ends[n.s.ID]
		if !left {
			last = n
			end = n.x1
			if to := r.winning[n.s.ID]; n.s.To > n.s.From {
				end = n.x0 + (n.x1-n.x0)*float64(to-n.s.From)/float64(n.s.To-n.s.From)
			}
			tip = end
		}
		k.lift()
		k.to(n.x0, n.y)
		k.to(max(n.x0, end), n.y)
	}
	p.track(&k, stroke{color: p.ink, width: max(1.4, min(2.4, thick*0.3))})
	if last != nil {
		p.dot(tip, last.y, max(3.5, thick*0.45), p.ink)
		if !slices.ContainsFunc(bars, func(n bar) bool { return n.row == last.row && n.x1 > tip+1 && n.x0 < tip+44 }) {
			p.text(tip+9, last.y, fmt.Sprintf("m%d", r.chosen.Member), words{color: p.ink, size: tickSize, bold: true})
		}
	}
}
