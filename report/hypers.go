package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/view"
)

// panel is one hyperparameter, to be drawn.
type panel struct {
	def      view.HyperDef
	lines    []view.Steps
	schedule view.Steps
	all      int // lines before they were thinned out
}

// hypers draws each hyperparameter over steps in a panel of its own.
func (r *report) hypers(width float64) (*figure, error) {
	panels, left, err := r.panels()
	if err != nil || len(panels) == 0 {
		return nil, err
	}
	f := r.newFigure("hypers", "Hyperparameters over training steps, and the schedule that was found", width)
	p := f.p
	keys := []key{p.lineKey("a member", stroke{color: p.band, width: 1, alpha: 0.7})}
	if r.chosen != nil {
		keys = slices.Insert(keys, 0, p.lineKey("schedule of "+r.leader(), stroke{color: r.hue(r.lead), width: 2.75}))
	}
	top := p.legend(8, width-8, 12, keys) + 8
	const gap, below, height = 28, 66, 150
	columns := 2
	if len(panels) == 1 {
		columns = 1
	}
	w := (width - gap*float64(columns-1)) / float64(columns)
	last := r.lastStep(panels)
	for i := range panels {
		x, y := float64(i%columns)*(w+gap), top+float64(i/columns)*(height+below)
		bottomRow := i+columns >= len(panels)
		r.drawPanel(p, &panels[i], last, box{left: x + 60, top: y + 26, right: x + w - 20, bottom: y + 26 + height}, bottomRow)
	}
	rows := (len(panels) + columns - 1) / columns
	f.h = top + float64(rows)*(height+below) + 8
	f.Note = count(int64(len(panels)), "hyperparameter") + ". "
	if r.chosen != nil {
		f.Note += fmt.Sprintf("The bold line is the schedule of %s; thin", r.leader())
	} else {
		f.Note += "Thin"
	}
	f.Note += " lines are the values that members trained under."
	if most := panels[0].all; most > len(panels[0].lines) {
		f.Note += fmt.Sprintf(" Of %s members %s are drawn.", thousands(int64(most)), thousands(int64(len(panels[0].lines))))
	}
	if left > 0 {
		f.Note += fmt.Sprintf(" %s more are not drawn.", thousands(int64(left)))
	}
	return f, nil
}

// panels reads what is drawn, and how many hyperparameters are not.
func (r *report) panels() (panels []panel, left int, err error) {
	var free []view.HyperDef
	for _, d := range r.sum.Hypers {
		if d.Kind != "constant" && len(d.Values) != 1 {
			free = append(free, d)
		}
	}
	left = max(0, len(free)-maxHypers)
	free = free[:len(free)-left]
	each := maxValues / max(1, len(free)*min(maxLines, r.sum.Population))
	for _, d := range free {
		c, err := r.run.Hyper(d.Name, view.ByMember, max(2, min(maxPoints, each)))
		if err != nil {
			return nil, 0, err
		}
		n := panel{def: d, all: len(c.Series), schedule: r.schedule(&d)}
		for _, s := range thin(c.Series, maxLines) {
			n.lines = append(n.lines, s.Steps)
		}
		if _, _, ok := extent(n.ys()...); ok {
			panels = append(panels, n)
		}
	}
	return panels, left, nil
}

func (n *panel) ys() [][]float64 {
	lists := [][]float64{floats(n.schedule.Y)}
	for _, l := range n.lines {
		lists = append(lists, floats(l.Y))
	}
	return lists
}

// schedule is a hyperparameter along the ancestry that is told.
func (r *report) schedule(d *view.HyperDef) (s view.Steps) {
	last := math.Inf(-1)
	for _, stage := range r.stages {
		y := valueOf(stage.Hypers, d)
		if y != last && !(math.IsNaN(y) && math.IsNaN(last)) {
			s.X, s.Y = append(s.X, stage.From), append(s.Y, view.Number(y))
			last = y
		}
	}
	if n := len(r.stages); n > 0 {
		s.X, s.Y = append(s.X, r.stages[n-1].To), append(s.Y, view.Number(last))
	}
	s.X, s.Y = thin(s.X, maxPoints), thin(s.Y, maxPoints)
	return s
}

// valueOf is a value as a number to draw; of a choice its place among the values.
func valueOf(h pbt.Hypers, d *view.HyperDef) float64 {
	v, ok := h.Get(d.Name)
	if !ok {
		return math.NaN()
	}
	if d.Values != nil {
		return float64(slices.Index(d.Values, v))
	}
	x, _ := v.Float()
	return x
}

func (r *report) lastStep(panels []panel) float64 {
	last := 1.0
	for i := range panels {
		for _, l := range append(panels[i].lines, panels[i].schedule) {
			if n := len(l.X); n > 0 {
				last = max(last, float64(l.X[n-1]))
			}
		}
	}
	return last
}

func (r *report) drawPanel(p *pen, n *panel, last float64, b box, bottomRow bool) {
	x := linear(0, last, b.left, b.right, max(2, int(b.w()/90)))
	y := n.yScale(b)
	name := clip(visible(n.def.Name), 40)
	p.text(b.left-52, b.top-15, name, words{color: p.ink, size: nameSize, bold: true})
	if y.log {
		p.text(b.right, b.top-15, "log scale", words{color: p.muted, size: 11, anchor: "end"})
	}
	p.yAxis(b, y)
	under := ""
	if bottomRow {
		under = "training steps"
	}
	p.xAxis(b, x, under)
	alpha := 0.7
	if len(n.lines) > 60 {
		alpha = 0.5
	}
	p.clip(b, func() {
		var all track
		for _, l := range n.lines {
			all.lift()
			stairs(&all, l, x, y)
		}
		p.track(&all, stroke{color: p.band, width: 1, alpha: alpha})
		var mine, rim track
		stairs(&rim, n.schedule, x, y)
		stairs(&mine, n.schedule, x, y)
		p.track(&rim, stroke{color: p.bg, width: 6, alpha: 0.85})
		p.track(&mine, stroke{color: r.hue(r.lead), width: 2.75})
	})
	if k := len(n.schedule.X) - 1; k >= 0 {
		p.dot(x.at(float64(n.schedule.X[k])), y.at(float64(n.schedule.Y[k])), 4, r.hue(r.lead))
	}
}

// stairs draws a value that holds until it changes.
func stairs(k *track, s view.Steps, x, y *scale) {
	for i := range s.X {
		px := x.at(float64(s.X[i]))
		if i > 0 && s.X[i] < s.X[i-1] { // other weights, or fallen back
			k.lift()
		} else if i > 0 {
			k.to(px, y.at(float64(s.Y[i-1])))
		}
		k.to(px, y.at(float64(s.Y[i])))
	}
}

func (n *panel) yScale(b box) *scale {
	if n.def.Values != nil {
		s := linear(-0.5, float64(len(n.def.Values))-0.5, b.bottom, b.top, len(n.def.Values))
		s.ticks = nil
		every := max(1, int(math.Ceil(float64(len(n.def.Values))*13/b.h())))
		for i := 0; i < len(n.def.Values); i += every {
			s.ticks = append(s.ticks, float64(i))
		}
		s.format = func(v float64) string {
			text := visible(valueText(n.def.Values[int(v)]))
			for most := 12; wide(text, tickSize) > 50 && most > 2; most-- {
				text = clip(text, most)
			}
			return text
		}
		return s
	}
	lo, hi, _ := extent(n.ys()...)
	if n.def.Log && lo > 0 {
		return logarithmic(lo/1.15, hi*1.15, b.bottom, b.top, 4)
	}
	return padded(lo, hi, false, b.bottom, b.top, 4)
}
