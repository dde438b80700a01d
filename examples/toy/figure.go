package main

import (
	"bytes"
	"fmt"
	"math"

	"github.com/seed-7a1a2db0/pbt"
)

// panels are the figure's columns.
var panels = []struct {
	title string
	variant
}{
	{"PBT", both},
	{"Explore only", exploreOnly},
	{"Exploit only", exploitOnly},
	{"Grid search", grid},
}

// trace is where one member has been.
type trace []spot

// spot is a member's weights after a step, or after it copied the other's.
type spot struct {
	θ      point
	step   int
	copied bool
}

// record trains a variant and keeps each member's path. Train shows scores, not
// weights, so the model notes them: in random turns one member steps at a time,
// and Watch and Copy, which follow, tell which.
func record(v variant, interval int64, seed uint64) ([members]trace, error) {
	var (
		paths  [members]trace
		newest point
		who    int
	)
	for i := range paths {
		paths[i] = trace{{θ: point{start, start}}}
	}
	noting := model
	noting.Step = func(θ point, h pbt.Hypers, r *pbt.Rand) point {
		newest = model.Step(θ, h, r)
		return newest
	}
	noting.Copy = func(θ point) point {
		paths[who] = append(paths[who], spot{θ, paths[who].steps(), true})
		return θ
	}
	watch := func(i int, _ pbt.Record, _ pbt.Decision) {
		who = i
		paths[i] = append(paths[i], spot{newest, paths[i].steps() + 1, false})
	}
	r, err := train(v, interval, seed, noting, watch)
	if err != nil {
		return paths, err
	}
	for i := range paths { // a member's last step has no decision to watch
		paths[i] = append(paths[i], spot{r.Weights[i], paths[i].steps() + 1, false})
	}
	return paths, nil
}

func (t trace) steps() int { return t[len(t)-1].step }

// Sizes in pixels, and the colours: blue and vermilion of Okabe and Ito, which
// every kind of colour vision tells apart.
const (
	side, gap                  = 236, 26 // of a panel, and between two
	left, top, between, bottom = 66, 104, 62, 92
	below                      = 190 // height of a lower panel
	width                      = left + 4*side + 3*gap + 24
	height                     = top + side + between + below + bottom
	ink, soft, rule            = "#222222", "#666666", "#b8c0c8"
)

var colours = [members]string{"#0072B2", "#D55E00"}

// frame maps values to pixels in one panel.
type frame struct {
	x, y, w, h     float64 // pixels
	x0, x1, y0, y1 float64 // values at its edges
}

func (f frame) px(x float64) float64 { return f.x + (x-f.x0)/(f.x1-f.x0)*f.w }
func (f frame) py(y float64) float64 { return f.y + f.h - (y-f.y0)/(f.y1-f.y0)*f.h }

// figure draws figure 2: above, the members' paths over the contours of Q; below,
// their Q against their steps.
func figure(interval int64, seed uint64) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="13" fill="%s">`+"\n", width, height, ink)
	b.WriteString("<title>Population Based Training on the toy quadratic of the paper's figure 2</title>\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	text(&b, left, 32, "start", ink, `font-size="20" font-weight="bold"`, "Exploit, explore, both and neither, on the toy quadratic of the paper (figure 2)")
	text(&b, left, 56, "start", soft, `font-size="14"`, fmt.Sprintf("Two members climb Q = 1.2 − (θ₀² + θ₁²) but see the gradient of 1.2 − (h₀θ₀² + h₁θ₁²) only; %d steps each, ready every %d, seed %d", steps, interval, seed))
	for i, p := range panels {
		paths, err := record(p.variant, interval, seed)
		if err != nil {
			return nil, err
		}
		x := float64(left + i*(side+gap))
		drawPlane(&b, i, frame{x, top, side, side, -0.05, 1.05, -0.05, 1.05}, p.title, paths)
		drawScores(&b, i, frame{x, top + side + between, side, below, 0, steps, -0.6, 1.3}, paths)
	}
	drawLegend(&b)
	b.WriteString("</svg>\n")
	return b.Bytes(), nil
}

// drawPlane draws the paths in the plane of θ.
func drawPlane(b *bytes.Buffer, column int, f frame, title string, paths [members]trace) {
	best := math.Inf(-1)
	for _, p := range paths {
		best = max(best, quality(p[len(p)-1].θ))
	}
	text(b, f.x, f.y-12, "start", ink, `font-size="15" font-weight="bold"`, title)
	text(b, f.x+f.w, f.y-12, "end", soft, "", "best Q "+number("%.3f", best))
	open(b, f, fmt.Sprintf("plane%d", column))
	drawContours(b, f)
	for i, p := range paths {
		drawJumps(b, f, p, colours[i])
	}
	for i, p := range paths {
		drawDots(b, f, p, colours[i])
	}
	fmt.Fprintf(b, `<path d="%s" fill="%s"/>`+"\n", star(f.px(0), f.py(0)), ink)
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="9" height="9" fill="%s"/>`+"\n", f.px(start)-4.5, f.py(start)-4.5, ink)
	b.WriteString("</g>\n")
	axes(b, f, column == 0, []float64{0, 0.5, 1}, []float64{0, 0.5, 1}, "θ₀", "θ₁")
}

// drawContours draws Q's contours, labelled off the diagonal where paths run.
func drawContours(b *bytes.Buffer, f frame) {
	const angle = 62 * math.Pi / 180
	for _, level := range []float64{1.1, 0.9, 0.6, 0.3, 0, -0.4} {
		r := math.Sqrt(optimum - level)
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="%.1f" fill="none" stroke="%s"/>`+"\n", f.px(0), f.py(0), r*f.w/(f.x1-f.x0), rule)
		if x, y := r*math.Cos(angle), r*math.Sin(angle); y < f.y1 {
			label(b, f.px(x), f.py(y), number("%g", level))
		}
	}
}

// drawScores draws Q against the steps that a member has taken.
func drawScores(b *bytes.Buffer, column int, f frame, paths [members]trace) {
	open(b, f, fmt.Sprintf("scores%d", column))
	fmt.Fprintf(b, `<path d="M%.1f %.1fh%.1f" stroke="%s" stroke-dasharray="5 4"/>`+"\n", f.x, f.py(optimum), f.w, soft)
	for i, p := range paths {
		fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" stroke-linejoin="round"%s points="`, colours[i], dashOf(i))
		for _, s := range p {
			fmt.Fprintf(b, "%.1f,%.1f ", f.px(float64(s.step)), f.py(quality(s.θ)))
		}
		b.WriteString(`"/>` + "\n")
	}
	b.WriteString("</g>\n")
	axes(b, f, column == 0, []float64{0, 100, 200}, []float64{-0.5, 0, 0.5, 1}, "steps", "Q")
}
