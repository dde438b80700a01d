package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

func text(b *bytes.Buffer, x, y float64, anchor, colour, more, words string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="%s" %s>%s</text>`+"\n", x, y, anchor, colour, more, words)
}

// number writes a value with a typeset minus.
func number(format string, x float64) string {
	return strings.ReplaceAll(fmt.Sprintf(format, x), "-", "−")
}

// label is a number on a contour, on a white patch that interrupts the line.
func label(b *bytes.Buffer, x, y float64, words string) {
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%d" height="13" fill="#ffffff"/>`+"\n", x-float64(3*len(words)+1), y-6.5, 6*len(words)+2)
	text(b, x, y+3.5, "middle", soft, `font-size="10"`, words)
}

// open begins a group that shows nothing outside a panel.
func open(b *bytes.Buffer, f frame, id string) {
	fmt.Fprintf(b, `<clipPath id="%s"><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f"/></clipPath>`+"\n", id, f.x, f.y, f.w, f.h)
	fmt.Fprintf(b, `<g clip-path="url(#%s)">`+"\n", id)
}

// axes draws a panel's frame, ticks and names; its left names only in the first column.
func axes(b *bytes.Buffer, f frame, first bool, xs, ys []float64, xName, yName string) {
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="none" stroke="%s"/>`+"\n", f.x, f.y, f.w, f.h, soft)
	for _, x := range xs {
		fmt.Fprintf(b, `<path d="M%.1f %.1fv5" stroke="%s"/>`+"\n", f.px(x), f.y+f.h, soft)
		text(b, f.px(x), f.y+f.h+19, "middle", soft, `font-size="12"`, number("%g", x))
	}
	text(b, f.x+f.w/2, f.y+f.h+36, "middle", ink, "", xName)
	for _, y := range ys {
		fmt.Fprintf(b, `<path d="M%.1f %.1fh-5" stroke="%s"/>`+"\n", f.x, f.py(y), soft)
		if first {
			text(b, f.x-9, f.py(y)+4, "end", soft, `font-size="12"`, number("%g", y))
		}
	}
	if first {
		text(b, f.x-44, f.y+f.h/2+4, "middle", ink, "", yName)
	}
}

// drawDots marks each step of a path. A stroke of no length with a round cap is a
// dot, in a tenth of the bytes of a circle.
func drawDots(b *bytes.Buffer, f frame, t trace, colour string) {
	fmt.Fprintf(b, `<path fill="none" stroke="%s" stroke-width="3.4" stroke-linecap="round" d="`, colour)
	for _, s := range t {
		fmt.Fprintf(b, "M%.1f %.1fh0", f.px(s.θ[0]), f.py(s.θ[1]))
	}
	b.WriteString(`"/>` + "\n")
}

// drawJumps draws how a copy moves a member to the other's weights.
func drawJumps(b *bytes.Buffer, f frame, t trace, colour string) {
	fmt.Fprintf(b, `<path fill="none" stroke="%s" stroke-opacity="0.6" d="`, colour)
	for i, s := range t {
		if s.copied {
			from := t[i-1].θ
			fmt.Fprintf(b, "M%.1f %.1fL%.1f %.1f", f.px(from[0]), f.py(from[1]), f.px(s.θ[0]), f.py(s.θ[1]))
		}
	}
	b.WriteString(`"/>` + "\n")
}

// dashOf tells members apart where their lines cover each other.
func dashOf(member int) string {
	if member == 0 {
		return ""
	}
	return ` stroke-dasharray="6 5"`
}

func star(x, y float64) string {
	var d bytes.Buffer
	for i := range 10 {
		r := 9.0
		if i%2 == 1 {
			r = 3.8
		}
		a := float64(i)*math.Pi/5 - math.Pi/2
		fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(i, 1)], x+r*math.Cos(a), y+r*math.Sin(a))
	}
	return d.String() + "z"
}

// drawLegend says what the marks mean, in one line below the panels.
func drawLegend(b *bytes.Buffer) {
	y := float64(height - 24)
	x := float64(left)
	next := func(wide float64, words string) {
		text(b, x+30, y+4.5, "start", ink, "", words)
		x += wide
	}
	for i, words := range []string{"member 1, from h = (1, 0)", "member 2, from h = (0, 1)"} {
		fmt.Fprintf(b, `<path d="M%.1f %.1fh24" stroke="%s" stroke-width="2"%s/>`+"\n", x, y, colours[i], dashOf(i))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3.4" fill="%s"/>`+"\n", x+12, y, colours[i])
		next(228, words)
	}
	fmt.Fprintf(b, `<path d="M%.1f %.1fh24" stroke="%s" stroke-opacity="0.6"/>`+"\n", x, y, colours[0])
	next(205, "a copy: jump of weights")
	fmt.Fprintf(b, `<rect x="%.1f" y="%.1f" width="9" height="9" fill="%s"/>`+"\n", x+8, y-4.5, ink)
	next(84, "start")
	fmt.Fprintf(b, `<path d="%s" fill="%s"/>`+"\n", star(x+12, y), ink)
	next(168, "optimum, Q = 1.2")
	fmt.Fprintf(b, `<path d="M%.1f %.1fh24" stroke="%s"/>`+"\n", x, y, rule)
	next(0, "contours of Q")
}
