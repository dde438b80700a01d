package watch

import (
	"math"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/view"
)

var bars = []rune("▁▂▃▄▅▆▇█")

// scale maps values to bars.
type scale struct {
	lo, hi float64
	log    bool
}

// over is the scale that values span. The lowest and highest shares of them are left
// out, so that one that went astray does not flatten the others.
func over(values []float64, astray float64) scale {
	values = slices.DeleteFunc(values, func(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) })
	if len(values) == 0 {
		return scale{}
	}
	slices.Sort(values)
	skip := int(astray * float64(len(values)))
	return scale{lo: values[skip], hi: values[len(values)-1-skip]}
}

// bar is a value as a bar; a cross if it is no number.
func (s scale) bar(x float64) rune {
	lo, hi := s.lo, s.hi
	if s.log {
		x, lo, hi = math.Log(x), math.Log(lo), math.Log(hi)
	}
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return '×'
	case !(hi > lo):
		return bars[len(bars)/2]
	}
	share := min(1, max(0, (x-lo)/(hi-lo)))
	return bars[int(share*float64(len(bars)-1)+0.5)]
}

// line draws the last values, one a cell.
func (s scale) line(values view.Numbers, w int) string {
	var b strings.Builder
	for _, x := range values[max(0, len(values)-w):] {
		b.WriteRune(s.bar(float64(x)))
	}
	return b.String()
}

// number is a hyperparameter as a number.
func number(h pbt.Hypers, name string) (float64, bool) {
	v, ok := h.Get(name)
	if !ok {
		return 0, false
	}
	return v.Float()
}

// spark draws a hyperparameter over the steps of a schedule, from its lowest to its
// highest value, on a log axis where that spans a factor of ten; blank where it is no
// number.
func spark(stages []pbt.Stage, name string, w int) string {
	var values []float64
	for _, s := range stages {
		if x, ok := number(s.Hypers, name); ok {
			values = append(values, x)
		}
	}
	if len(values) == 0 || w <= 0 {
		return spaces(w)
	}
	axis := over(values, 0)
	axis.log = axis.lo > 0 && axis.hi/axis.lo >= 10
	var b strings.Builder
	at := 0
	for i := range w {
		step := stages[len(stages)-1].To * int64(i) / int64(w)
		for at < len(stages)-1 && stages[at].To <= step {
			at++
		}
		if x, ok := number(stages[at].Hypers, name); ok {
			b.WriteRune(axis.bar(x))
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String()
}
