package report

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to pixels, linearly or by their logarithm, and knows its ticks.
type scale struct {
	lo, hi float64 // values
	a, b   float64 // pixels there
	log    bool
	ticks  []float64
	format func(float64) string
}

// at is where a value is drawn; NaN where it cannot be.
func (s *scale) at(v float64) float64 {
	if s.log {
		if v <= 0 {
			return math.NaN()
		}
		return s.a + (s.b-s.a)*(math.Log(v)-math.Log(s.lo))/(math.Log(s.hi)-math.Log(s.lo))
	}
	return s.a + (s.b-s.a)*((v/2-s.lo/2)/(s.hi/2-s.lo/2)) // halves: the whole range may be too wide for a float
}

// tame keeps a value within what can be reckoned with.
func tame(x float64) float64 {
	const most, least = 1e300, 1e-300
	if math.Abs(x) < least {
		return 0
	}
	return min(most, max(-most, x))
}

// linear is a scale with about so many ticks. A range without width is given some.
func linear(lo, hi, a, b float64, ticks int) *scale {
	if !finite(lo) || !finite(hi) {
		lo, hi = 0, 1
	}
	if lo, hi = tame(lo), tame(hi); lo > hi {
		lo, hi = hi, lo
	}
	if room := max(math.Abs(lo)*1e-12, math.Abs(hi)*1e-12, 1e-300); hi-lo <= room {
		room = max(5*math.Abs(lo)/100, 1e-300)
		if lo == 0 {
			room = 0.5
		}
		lo, hi = lo-room, hi+room
	}
	s := &scale{lo: lo, hi: hi, a: a, b: b, ticks: linearTicks(lo, hi, ticks)}
	s.format = tickFormat(s.ticks)
	return s
}

// logarithmic is a scale by logarithms, or a linear one if that cannot be.
func logarithmic(lo, hi, a, b float64, ticks int) *scale {
	if !finite(lo) || !finite(hi) || tame(lo) <= 0 || hi < lo {
		return linear(lo, hi, a, b, ticks)
	}
	if lo, hi = tame(lo), tame(hi); hi/lo < 1+1e-9 {
		lo, hi = lo/1.5, hi*1.5
	}
	s := &scale{lo: lo, hi: hi, a: a, b: b, log: true, ticks: logTicks(lo, hi, ticks), format: plain}
	if hi/lo < 2 {
		s.format = tickFormat(s.ticks)
	}
	return s
}

// padded is a scale with a little room above and below, so that lines do not touch the frame.
func padded(lo, hi float64, log bool, a, b float64, ticks int) *scale {
	const room = 0.04
	if log && tame(lo) > 0 && finite(hi/lo) {
		f := math.Pow(hi/lo, room)
		return logarithmic(lo/f, hi*f, a, b, ticks)
	}
	d := (hi - lo) * room
	if !finite(d) {
		d = 0
	}
	return linear(lo-d, hi+d, a, b, ticks)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// maxTicks bounds every list of ticks, whatever the range.
const maxTicks = 50

// niceStep is 1, 2 or 5 times a power of ten, so that about so many steps fill a span.
func niceStep(span float64, count int) float64 {
	raw := span / float64(max(1, count))
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	switch f := raw / power; {
	case f < 1.5:
		return power
	case f < 3.5:
		return 2 * power
	case f < 7.5:
		return 5 * power
	}
	return 10 * power
}

func linearTicks(lo, hi float64, count int) []float64 {
	if !finite(lo) || !finite(hi) || hi <= lo {
		return nil
	}
	step := niceStep(hi-lo, count)
	if !finite(step) || step <= 0 {
		return []float64{lo, hi}
	}
	var out []float64
	first := math.Ceil(lo/step - 1e-9)
	for i := range maxTicks {
		v := round((first+float64(i))*step, 12)
		if v > hi+step*1e-9 {
			break
		}
		if len(out) == 0 || v > out[len(out)-1] { // beyond 2⁵³ steps one more makes no difference
			out = append(out, v)
		}
	}
	return out
}

// logTicks are powers of ten, and what lies between them where there are few.
func logTicks(lo, hi float64, count int) []float64 {
	decades := math.Log10(hi) - math.Log10(lo)
	if decades < 0.3 {
		return linearTicks(lo, hi, count)
	}
	steps := []float64{1}
	switch {
	case decades < 1:
		steps = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case decades < 2.2:
		steps = []float64{1, 2, 5}
	}
	every := max(1, int(math.Ceil(decades/float64(max(2, count)))))
	var out []float64
	for e := int(math.Floor(math.Log10(lo))); e <= int(math.Ceil(math.Log10(hi))) && len(out) < maxTicks; e++ {
		if e%every != 0 {
			continue
		}
		for _, s := range steps {
			if v := round(s*math.Pow(10, float64(e)), 6); v >= lo*0.999 && v <= hi*1.001 {
				out = append(out, v)
			}
		}
	}
	return out
}

// round keeps so many significant digits.
func round(v float64, digits int) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64)
	return r
}

// tickFormat writes ticks with digits enough to tell neighbours apart, thousands as 12k.
func tickFormat(ticks []float64) func(float64) string {
	big, step := 0.0, math.Inf(1)
	for i, v := range ticks {
		big = max(big, math.Abs(v))
		if i > 0 {
			step = min(step, v-ticks[i-1])
		}
	}
	if !finite(step) || step <= 0 {
		step = max(big/10, 1e-300)
	}
	decimals := func(unit float64) int { return min(12, max(0, -int(math.Floor(math.Log10(step/unit)+1e-9)))) }
	return func(v float64) string {
		a := math.Abs(v)
		switch {
		case a < step/1e6:
			return "0"
		case big >= 1e4 && big < 1e12 && step >= 100:
			unit, letter := 1e3, "k"
			if big >= 1e9 {
				unit, letter = 1e9, "G"
			} else if big >= 1e6 {
				unit, letter = 1e6, "M"
			}
			return minus(trimZeros(strconv.FormatFloat(v/unit, 'f', decimals(unit), 64))) + letter
		case big < 1e-3 || big >= 1e7:
			return exponential(v, min(12, max(0, int(math.Floor(math.Log10(a)+1e-9))-int(math.Floor(math.Log10(step)+1e-9)))))
		}
		return minus(strconv.FormatFloat(v, 'f', decimals(1), 64))
	}
}

// plain writes a tick of a logarithmic axis.
func plain(v float64) string {
	if a := math.Abs(v); v != 0 && (a < 1e-3 || a >= 1e5) {
		return exponential(v, 1)
	}
	return minus(strconv.FormatFloat(round(v, 3), 'f', -1, 64))
}

// exponential writes 1.5e-7: so many decimals, without zeros at their end.
func exponential(v float64, decimals int) string {
	digits, power, _ := strings.Cut(strconv.FormatFloat(v, 'e', decimals, 64), "e")
	n, _ := strconv.Atoi(power)
	return minus(trimZeros(digits)) + "e" + strconv.Itoa(n)
}

func trimZeros(s string) string {
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

// minus typesets a number's sign.
func minus(s string) string {
	if strings.HasPrefix(s, "-") {
		return "−" + s[1:]
	}
	return s
}

// timeSteps are the distances between ticks of an axis in seconds.
var timeSteps = []float64{1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800}

// elapsed is a scale in seconds since the start.
func elapsed(hi, a, b float64, ticks int) *scale {
	const least, most = 1e-3, 1e12
	if math.IsNaN(hi) {
		hi = least
	}
	hi = min(most, max(least, hi))
	step := timeSteps[len(timeSteps)-1]
	for i := len(timeSteps) - 1; i >= 0 && hi/timeSteps[i] <= float64(ticks); i-- {
		step = timeSteps[i]
	}
	if hi/step > maxTicks {
		step = math.Ceil(hi/step/float64(ticks)) * step
	}
	s := &scale{hi: hi, a: a, b: b, format: func(v float64) string { return clock(v, step) }}
	for k := 0.0; k <= maxTicks && k*step <= hi; k++ {
		s.ticks = append(s.ticks, k*step)
	}
	return s
}

// clock writes a time since the start as ticks want it that are a step apart.
func clock(v, step float64) string {
	switch n := int64(math.Round(v)); {
	case v == 0:
		return "0"
	case step < 0.1:
		return trimZeros(strconv.FormatFloat(v*1000, 'f', 0, 64)) + " ms"
	case step < 1:
		return strconv.FormatFloat(v, 'f', 1, 64) + " s"
	case step < 60 && n < 60:
		return strconv.FormatInt(n, 10) + " s"
	case step < 60:
		return strconv.FormatInt(n/60, 10) + ":" + two(n%60)
	case step < 3600 && n < 3600:
		return strconv.FormatInt(n/60, 10) + " min"
	case step < 3600:
		return strconv.FormatInt(n/3600, 10) + ":" + two(n%3600/60) + " h"
	case step < 86400:
		return strconv.FormatInt(n/3600, 10) + " h"
	default:
		return strconv.FormatInt(n/86400, 10) + " d"
	}
}

func two(n int64) string {
	if n < 10 {
		return "0" + strconv.FormatInt(n, 10)
	}
	return strconv.FormatInt(n, 10)
}
