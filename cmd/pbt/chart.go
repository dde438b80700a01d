package main

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/view"
)

// chartWidth is the width of a schedule's chart, in characters.
const chartWidth = 50

var bars = []rune("▁▂▃▄▅▆▇█")

// chart draws each number of a schedule over the steps, from its lowest to its
// highest value, on a log axis where that spans a factor of ten.
func chart(w io.Writer, stages []pbt.Stage) {
	names := view.HyperNames(stages)
	width := 0
	for _, name := range names {
		width = max(width, len([]rune(clean(name))))
	}
	for _, name := range names {
		first, last := stages[0], stages[len(stages)-1]
		from, _ := first.Hypers.Get(name)
		to, _ := last.Hypers.Get(name)
		fmt.Fprintf(w, "  %-*s %s  %s → %s\n", width, clean(name), spark(stages, name), clean(from.String()), clean(to.String()))
	}
}

// spark is one hyperparameter as a row of bars, blank where it does not exist.
func spark(stages []pbt.Stage, name string) string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, s := range stages {
		if x, ok := numberOf(s.Hypers, name); ok {
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	scale := func(x float64) float64 { return x }
	if lo > 0 && hi/lo >= 10 {
		scale = math.Log
	}
	end := stages[len(stages)-1].To
	var b strings.Builder
	at := 0
	for i := range chartWidth {
		step := end * int64(i) / chartWidth
		for at < len(stages)-1 && stages[at].To <= step {
			at++
		}
		x, ok := numberOf(stages[at].Hypers, name)
		switch {
		case !ok:
			b.WriteByte(' ')
		case hi == lo:
			b.WriteRune(bars[len(bars)/2])
		default:
			b.WriteRune(bars[int((scale(x)-scale(lo))/(scale(hi)-scale(lo))*float64(len(bars)-1)+0.5)])
		}
	}
	return b.String()
}

func numberOf(h pbt.Hypers, name string) (float64, bool) {
	v, ok := h.Get(name)
	if !ok {
		return 0, false
	}
	return v.Float()
}
