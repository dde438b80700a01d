package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
)

// theme is the colours of a figure.
type theme struct {
	ink, muted, faint, grid, band, bg, accent, bad string
	hues                                           [hues]string // of families
	parts                                          [7]string    // of time
	fonts                                          float64      // how much wider than Helvetica a font may be
}

// hues is how many colours families have. They are told apart with any of the common
// colour blindnesses (after Okabe & Ito and Tol), and are those of the dashboard.
const hues = 10

// paper is for figures on their own: white, whoever looks.
var paper = theme{
	ink: "#171b21", muted: "#4b5560", faint: "#a3acb6", grid: "#e3e6ea", band: "#8c9aa9", bg: "#ffffff", accent: "#0a66b0", bad: "#c0392b",
	hues:  [hues]string{"#0a6ab6", "#d97b00", "#008a6d", "#b9528f", "#3b9fd8", "#cc4a0a", "#6d58b4", "#82821a", "#1b9e9e", "#8b5a40"},
	parts: [7]string{"#8b5a40", "#3b9fd8", "#0a6ab6", "#008a6d", "#d97b00", "#b9528f", "#d5dade"},
	fonts: 1,
}

// page follows the reader's choice of light or dark, by variables of the page's style.
var page = theme{
	ink: "var(--ink)", muted: "var(--muted)", faint: "var(--faint)", grid: "var(--grid)", band: "var(--band)", bg: "var(--card)", accent: "var(--accent)", bad: "var(--bad)",
	hues:  [hues]string{"var(--h0)", "var(--h1)", "var(--h2)", "var(--h3)", "var(--h4)", "var(--h5)", "var(--h6)", "var(--h7)", "var(--h8)", "var(--h9)"},
	parts: [7]string{"var(--h9)", "var(--h4)", "var(--h0)", "var(--h2)", "var(--h1)", "var(--h3)", "var(--wait)"},
	fonts: 1.1, // whatever the reader's system has
}

// pen draws SVG.
type pen struct {
	*theme
	name  string // of the figure: ids must differ within a page
	b     bytes.Buffer
	clips int
}

// stroke is how a line is drawn.
type stroke struct {
	color string
	width float64
	alpha float64 // 0: opaque
	dash  string
	cap   string // "": round
}

func (s stroke) attributes() string {
	end := s.cap
	if end == "" {
		end = "round"
	}
	a := fmt.Sprintf(` fill="none" stroke="%s" stroke-width="%s" stroke-linecap="%s" stroke-linejoin="round"`, s.color, short(s.width), end)
	if s.alpha != 0 && s.alpha != 1 {
		a += fmt.Sprintf(` stroke-opacity="%s"`, short(s.alpha))
	}
	if s.dash != "" {
		a += fmt.Sprintf(` stroke-dasharray="%s"`, s.dash)
	}
	return a
}

func short(x float64) string { return strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64) }

// track is the data of a path. Points are tenths of a pixel, and relative to the one
// before: a figure has up to a hundred thousand of them.
type track struct {
	d     []byte
	x, y  int
	drawn bool // a line since the last move
	down  bool
}

// edge keeps coordinates within what every viewer can draw.
const edge = 1e5

func tenths(x float64) int { return int(math.Round(10 * min(edge, max(-edge, x)))) }

// to draws a line to a point, or moves there if the track was lifted; NaN lifts it.
func (k *track) to(x, y float64) {
	if math.IsNaN(x) || math.IsNaN(y) {
		k.lift()
		return
	}
	px, py := tenths(x), tenths(y)
	if !k.down {
		k.d = appendPair(append(k.d, 'M'), px, py)
		k.x, k.y, k.down, k.drawn = px, py, true, false
		return
	}
	dx, dy := px-k.x, py-k.y
	switch {
	case dx == 0 && dy == 0:
		return
	case dy == 0:
		k.d = appendTenths(append(k.d, 'h'), dx)
	case dx == 0:
		k.d = appendTenths(append(k.d, 'v'), dy)
	default:
		k.d = appendPair(append(k.d, 'l'), dx, dy)
	}
	k.x, k.y, k.drawn = px, py, true
}

// lift ends a line; one of a single point is a dot.
func (k *track) lift() {
	if k.down && !k.drawn {
		k.d = append(k.d, "h0"...)
	}
	k.down = false
}

// curve draws a cubic from the first of its points.
func (k *track) curve(x0, y0, x1, y1, x2, y2, x3, y3 float64) {
	k.lift()
	k.to(x0, y0)
	k.d = append(k.d, 'C')
	for i, x := range []float64{x1, y1, x2, y2, x3, y3} {
		if i > 0 {
			k.d = append(k.d, ' ')
		}
		k.d = appendTenths(k.d, tenths(x))
	}
	k.down = false
}

func appendPair(d []byte, x, y int) []byte {
	d = appendTenths(d, x)
	if y >= 0 {
		d = append(d, ' ')
	}
	return appendTenths(d, y)
}

func appendTenths(d []byte, n int) []byte {
	if n < 0 {
		d, n = append(d, '-'), -n
	}
	if n >= 10 || n == 0 {
		d = strconv.AppendInt(d, int64(n/10), 10)
	}
	if n%10 != 0 {
		d = append(d, '.', byte('0'+n%10))
	}
	return d
}

// line draws through points; NaN is a gap.
func (p *pen) line(xs, ys []float64, s stroke) {
	var k track
	for i := range xs {
		k.to(xs[i], ys[i])
	}
	p.track(&k, s)
}

func (p *pen) track(k *track, s stroke) {
	if k.lift(); len(k.d) > 0 {
		fmt.Fprintf(&p.b, `<path d="%s"%s/>`+"\n", k.d, s.attributes())
	}
}

// area fills between two lines.
func (p *pen) area(xs, low, high []float64, color string, alpha float64) {
	var k track
	for i := range xs {
		if !math.IsNaN(high[i]) && !math.IsNaN(low[i]) {
			k.to(xs[i], high[i])
		}
	}
	for i := len(xs) - 1; i >= 0; i-- {
		if !math.IsNaN(high[i]) && !math.IsNaN(low[i]) {
			k.to(xs[i], low[i])
		}
	}
	if len(k.d) > 0 {
		fmt.Fprintf(&p.b, `<path d="%sz" fill="%s" fill-opacity="%s"/>`+"\n", k.d, color, short(alpha))
	}
}

func (p *pen) rect(x, y, w, h float64, fill string, alpha, radius float64) {
	fmt.Fprintf(&p.b, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"`, short(x), short(y), short(max(0, w)), short(max(0, h)), fill)
	if alpha != 1 {
		fmt.Fprintf(&p.b, ` fill-opacity="%s"`, short(alpha))
	}
	if radius > 0 {
		fmt.Fprintf(&p.b, ` rx="%s"`, short(radius))
	}
	p.b.WriteString("/>\n")
}

// dot draws a disc with a ring of the background around it.
func (p *pen) dot(x, y, r float64, fill string) {
	if finite(x) && finite(y) {
		fmt.Fprintf(&p.b, `<circle cx="%s" cy="%s" r="%s" fill="%s" stroke="%s" stroke-width="2"/>`+"\n", short(x), short(y), short(r), fill, p.bg)
	}
}

// words is how a text is set.
type words struct {
	color  string
	size   float64
	anchor string // "": start
	bold   bool
	halo   bool // a rim of the background's colour, over lines
}

// text writes with the middle of small letters at y: not every viewer knows how to
// align a baseline.
func (p *pen) text(x, y float64, text string, w words) {
	fmt.Fprintf(&p.b, `<text x="%s" y="%s" font-size="%s" fill="%s"`, short(x), short(y+0.35*w.size), short(w.size), w.color)
	if w.anchor != "" {
		fmt.Fprintf(&p.b, ` text-anchor="%s"`, w.anchor)
	}
	if w.bold {
		p.b.WriteString(` font-weight="600"`)
	}
	if w.halo {
		fmt.Fprintf(&p.b, ` paint-order="stroke" stroke="%s" stroke-width="3" stroke-linejoin="round"`, p.bg)
	}
	p.b.WriteByte('>')
	p.escape(text)
	p.b.WriteString("</text>\n")
}

// escape writes text from outside as text.
func (p *pen) escape(text string) { _ = xml.EscapeText(&p.b, []byte(visible(text))) } // memory takes everything

// clip draws only what is inside a box.
func (p *pen) clip(b box, draw func()) {
	p.clips++
	fmt.Fprintf(&p.b, `<clipPath id="%s-clip%d"><rect x="%s" y="%s" width="%s" height="%s"/></clipPath><g clip-path="url(#%[1]s-clip%[2]d)">`+"\n",
		p.name, p.clips, short(b.left-1), short(b.top-6), short(b.w()+8), short(b.h()+12))
	draw()
	p.b.WriteString("</g>\n")
}
