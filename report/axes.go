package report

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
)

// box is where curves are drawn, in pixels.
type box struct{ left, top, right, bottom float64 }

func (b box) w() float64 { return max(1, b.right-b.left) }
func (b box) h() float64 { return max(1, b.bottom-b.top) }

// Sizes of a figure's text.
const (
	tickSize   = 12.0
	legendSize = 12.0
	nameSize   = 13.0
)

// yAxis draws horizontal rules, with their values at the left.
func (p *pen) yAxis(b box, y *scale) {
	var rules track
	for _, v := range y.ticks {
		at := math.Round(y.at(v)) + 0.5
		if at < b.top-1 || at > b.bottom+1 {
			continue
		}
		rules.lift()
		rules.to(b.left, at)
		rules.to(b.right, at)
		p.text(b.left-8, at, y.format(v), words{color: p.muted, size: tickSize, anchor: "end"})
	}
	p.track(&rules, stroke{color: p.grid, width: 1, cap: "butt"})
}

// xAxis draws the axis below, with its name in the middle.
func (p *pen) xAxis(b box, x *scale, name string) {
	at := math.Round(b.bottom) + 0.5
	var marks track
	marks.to(b.left, at)
	marks.to(b.right, at)
	free := math.Inf(-1)
	for _, v := range x.ticks {
		px := math.Round(x.at(v)) + 0.5
		if px < b.left-1 || px > b.right+1 {
			continue
		}
		marks.lift()
		marks.to(px, at)
		marks.to(px, at+4)
		label := x.format(v)
		half := wide(label, tickSize) / 2
		if px-half < free {
			continue
		}
		free = px + half + 8
		p.text(px, at+14, label, words{color: p.muted, size: tickSize, anchor: "middle"})
	}
	p.track(&marks, stroke{color: p.faint, width: 1, cap: "butt"})
	if name != "" {
		p.text((b.left+b.right)/2, at+32, name, words{color: p.muted, size: nameSize, anchor: "middle"})
	}
}

// key is an entry of a legend: a mark of so many pixels, and what it means.
type key struct {
	name string
	wide float64
	draw func(x, y float64)
}

// legend writes keys in lines from y on and returns where it ends.
func (p *pen) legend(left, right, y float64, keys []key) float64 {
	const gap, line = 20, 19
	x := left
	for _, k := range keys {
		need := k.wide + 7 + p.fonts*wide(k.name, legendSize)
		if x > left && x+need > right {
			x, y = left, y+line
		}
		k.draw(x, y)
		p.text(x+k.wide+7, y, k.name, words{color: p.muted, size: legendSize})
		x += need + gap
	}
	return y + line
}

func (p *pen) lineKey(name string, s stroke) key {
	return key{name, 22, func(x, y float64) { p.line([]float64{x + 1, x + 21}, []float64{y, y}, s) }}
}

func (p *pen) boxKey(name, color string, alpha float64) key {
	return key{name, 14, func(x, y float64) { p.rect(x, y-5, 14, 10, color, alpha, 2) }}
}

// figure is a drawing that is done.
type figure struct {
	Name  string
	Title string // what it shows
	Note  string // how to read it
	w, h  float64
	p     *pen
}

// Number is the figure's, counted from one.
func (f *figure) Number(i int) int { return i + 1 }

// Inline is the figure as part of a page.
func (f *figure) Inline() template.HTML { return template.HTML(f.svg("", "")) }

// alone is the figure as a file.
func (f *figure) alone() []byte {
	head := `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	return append([]byte(head), f.svg(` xmlns="http://www.w3.org/2000/svg" font-family="Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"`,
		fmt.Sprintf(`<rect width="%s" height="%s" fill="%s"/>`+"\n", short(f.w), short(f.h), f.p.bg))...)
}

func (f *figure) svg(more, background string) []byte {
	out := &pen{}
	fmt.Fprintf(&out.b, `<svg%s width="%s" height="%s" viewBox="0 0 %[2]s %[3]s" role="img" aria-labelledby="%[4]s-title %[4]s-desc">`+"\n<title id=\"%[4]s-title\">", more, short(f.w), short(f.h), f.Name)
	out.escape(f.Title)
	fmt.Fprintf(&out.b, "</title>\n<desc id=\"%s-desc\">", f.Name)
	out.escape(f.Note)
	out.b.WriteString("</desc>\n" + background)
	out.b.Write(f.p.b.Bytes())
	out.b.WriteString("</svg>\n")
	return bytes.Clone(out.b.Bytes())
}
