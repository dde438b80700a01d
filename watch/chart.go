package watch

import (
	"math"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/seed-7a1a2db0/pbt/view"
)

// A chart of the scores, where a tall terminal has space for it: each member's, and the
// leader's along the ancestry of its weights, in Braille patterns, of which a cell has
// two dots by four.

const (
	chartMembers = 64  // up to which there is one: more have no space beside their table
	chartPoints  = 240 // of a line
	fewestPoints = 3   // of the longest line: less is no curve
	leastChart   = 8   // lines
	mostChart    = 24
	dotsWide     = 2
	dotsHigh     = 4
	axisWidth    = 9
)

// chart is what is drawn: the members' scores, and last the leader's lineage.
type chart struct {
	copied map[int64]bool // segments that begin with another member's weights
	lines  []view.Curve
	last   int64 // step
	lo, hi float64
	log    bool
}

// chartOf is the chart of a run; nil if there is nothing to draw.
func chartOf(run *view.Run, goal string) *chart {
	curves := run.Curves(view.ByMember, view.XStep, chartPoints)
	c := &chart{copied: map[int64]bool{}}
	for _, copied := range curves.Copies {
		c.copied[copied.Segment] = true
	}
	var all []float64
	longest := 0
	for _, line := range curves.Series {
		longest = max(longest, len(line.X))
		for i := range line.X {
			c.last, all = max(c.last, line.X[i]), append(all, float64(line.Y[i]))
		}
		line.Winning = false
		c.lines = append(c.lines, line)
	}
	for _, line := range run.Curves(view.ByLineage, view.XStep, chartPoints).Series {
		if line.Winning {
			c.lines = append(c.lines, line)
		}
	}
	axis := over(all, astray)
	c.lo, c.hi = axis.lo, axis.hi
	if !(c.hi > c.lo) || longest < fewestPoints {
		return nil
	}
	const wide = 5 // a loss that falls by more than this is seen better by its logarithm
	c.log = goal == "minimize" && c.lo > 0 && c.hi/c.lo > wide
	return c
}

// dots are a cell's.
type dots struct {
	pattern rune
	winning bool
}

// bit is a dot of a Braille pattern.
var bit = [dotsWide][dotsHigh]rune{{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}

// drawChart draws it in exactly so many lines, its axes among them.
func (m *model) drawChart(c *chart, w, h int) []string {
	wide, high := w-axisWidth-1, h-2
	if wide < 2 || high < 2 {
		return m.fill(nil, h)
	}
	grid := make([][]dots, high)
	for y := range grid {
		grid[y] = make([]dots, wide)
	}
	for _, line := range c.lines {
		c.trace(grid, &line)
	}
	t := &m.look
	lines := []string{""}
	for y, row := range grid {
		label := ""
		switch y {
		case 0:
			label = digits(c.hi)
		case high - 1:
			label = digits(c.lo)
		}
		lines = append(lines, paint(t.dim, fitRight(label, axisWidth)+"┤")+drawDots(t, row))
	}
	left := spaces(axisWidth) + "0"
	note := " (the leader's lineage is bright)"
	if c.log {
		note = ", log scale (the leader's lineage is bright)"
	}
	text := both(left+"  "+cut(metric(&m.snap.sum)+" over steps"+note, max(0, wide-12)), short(c.last), w)
	return append(lines, paint(t.dim, text))
}

// trace marks a line's dots.
func (c *chart) trace(grid [][]dots, line *view.Curve) {
	wide, high := len(grid[0])*dotsWide, len(grid)*dotsHigh
	px, py := 0.0, math.NaN()
	for i := range line.X {
		x := float64(line.X[i]) / float64(c.last) * float64(wide-1)
		y := (1 - c.share(float64(line.Y[i]))) * float64(high-1)
		steps := 1
		if !line.Winning && c.copied[line.Segments[i]] {
			py = math.NaN() // its line goes on from there, it does not jump
		}
		if !math.IsNaN(py) && x >= px {
			steps = max(1, int(math.Ceil(max(x-px, math.Abs(y-py)))))
		} else {
			px, py = x, y
		}
		for k := 1; k <= steps && !math.IsNaN(y); k++ {
			f := float64(k) / float64(steps)
			at, up := int(math.Round(px+(x-px)*f)), int(math.Round(py+(y-py)*f))
			cell := &grid[up/dotsHigh][at/dotsWide]
			if line.Winning && !cell.winning { // it covers the others
				*cell = dots{winning: true}
			}
			cell.pattern |= bit[at%dotsWide][up%dotsHigh]
		}
		px, py = x, y
	}
}

// share is where a score is between the lowest and the highest that are drawn; NaN for
// what is no number.
func (c *chart) share(y float64) float64 {
	lo, hi := c.lo, c.hi
	if c.log {
		y, lo, hi = math.Log(max(y, c.lo)), math.Log(lo), math.Log(hi)
	}
	if math.IsNaN(y) || math.IsInf(y, 0) {
		return math.NaN()
	}
	return min(1, max(0, (y-lo)/(hi-lo)))
}

// drawDots draws a line of cells; cells of a colour together.
func drawDots(t *theme, row []dots) string {
	var b, run strings.Builder
	const empty = 0x2800
	styleOf := func(d dots) lipgloss.Style {
		if d.winning {
			return t.accent
		}
		return t.dim
	}
	for x, d := range row {
		if d.pattern == 0 {
			run.WriteByte(' ')
		} else {
			run.WriteRune(empty + d.pattern)
		}
		if x == len(row)-1 || row[x+1].winning != d.winning {
			b.WriteString(paint(styleOf(d), run.String()))
			run.Reset()
		}
	}
	return b.String()
}
