package report

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// none stands where there is nothing to tell.
const none = "–"

// scoreText is a score as a person wants to read it.
func scoreText(s *pbt.Score) string {
	if s == nil {
		return none
	}
	return number(float64(*s), 4)
}

// number writes a float with at least so many digits, and no more than tell it apart.
func number(v float64, digits int) string {
	a := math.Abs(v)
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "+∞"
	case math.IsInf(v, -1):
		return "−∞"
	case v == 0:
		return "0"
	case a >= 1e7 || a < 1e-5:
		return exponential(v, digits-1)
	case a >= math.Pow(10, float64(digits)):
		return thousands(int64(math.Round(v)))
	}
	return minus(strconv.FormatFloat(round(v, digits), 'f', -1, 64))
}

// valueText is a hyperparameter's value.
func valueText(v pbt.Value) string {
	if text, ok := v.Text(); ok {
		return text
	}
	x, ok := v.Float()
	if !ok {
		return v.String()
	}
	if x == math.Trunc(x) {
		return number(x, 5)
	}
	return number(x, 3)
}

// aligned writes a number of a column: zeros at its end stay, so that digits stand
// below each other.
func aligned(v float64, digits int) string {
	if a := math.Abs(v); !finite(v) || a >= 1e4 || a < 1e-4 {
		return number(v, digits)
	}
	v = round(v, digits)
	return minus(strconv.FormatFloat(v, 'f', max(0, digits-1-int(math.Floor(math.Log10(math.Abs(v))+1e-9))), 64))
}

// scoreCell is a score in a column.
func scoreCell(s *pbt.Score) string {
	if s == nil {
		return none
	}
	return aligned(float64(*s), 4)
}

// valueCell is a hyperparameter in a column.
func valueCell(h pbt.Hypers, name string) string {
	v, ok := h.Get(name)
	if !ok {
		return none
	}
	if v.Kind() == pbt.KindFloat {
		x, _ := v.Float()
		return aligned(x, 3)
	}
	return clip(valueText(v), 40)
}

// thousands writes 12,400.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "−", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// count writes a number of things: 1 copy, 2 copies.
func count(n int64, thing string) string {
	return thousands(n) + " " + plural.Thing(n, thing)
}

// duration writes seconds.
func duration(s float64) string {
	n := int64(math.Round(s))
	m := int64(math.Round(s / 60))
	switch {
	case !finite(s) || s < 0:
		return none
	case s < 0.0005:
		return "0 s"
	case s < 1:
		return strconv.FormatFloat(s*1000, 'f', 0, 64) + " ms"
	case s < 10:
		return trimZeros(strconv.FormatFloat(s, 'f', 1, 64)) + " s"
	case n < 60:
		return strconv.FormatInt(n, 10) + " s"
	case n < 600:
		return withRest(n/60, "min", n%60, "s")
	case m < 120:
		return strconv.FormatInt(m, 10) + " min"
	case m < 48*60:
		return withRest(m/60, "h", m%60, "min")
	}
	return withRest(m/1440, "days", m%1440/60, "h")
}

func withRest(n int64, unit string, rest int64, smaller string) string {
	s := thousands(n) + " " + unit
	if rest > 0 {
		s += " " + strconv.FormatInt(rest, 10) + " " + smaller
	}
	return s
}

func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB", "PB"}
	x, i := float64(n), 0
	for ; x >= 1000 && i < len(units)-1; i++ {
		x /= 1000
	}
	return strconv.FormatFloat(round(x, 3), 'f', -1, 64) + " " + units[i]
}

func percent(f float64) string {
	if f > 0 && f < 0.0995 {
		return strconv.FormatFloat(100*f, 'f', 1, 64) + " %"
	}
	return strconv.FormatFloat(100*f, 'f', 0, 64) + " %"
}

// date is when something was, everywhere the same: a report travels.
func date(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }

var escapeSequence = regexp.MustCompile("\x1b\\[[0-9;?]*[A-Za-z]")

// visible shows what could rearrange a page or a line: control characters, and those
// that turn the direction of writing.
func visible(s string) string {
	s = safe.Text(strings.ReplaceAll(escapeSequence.ReplaceAllString(s, ""), "\r", ""))
	return strings.Map(func(r rune) rune {
		if r == 0xfffe || r == 0xffff { // no characters, and not allowed in HTML
			return utf8.RuneError
		}
		return r
	}, s)
}

// clip shortens a text to so many characters.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return string(runes[:most-1]) + "…"
}

// wide is about how many pixels a line of text takes.
func wide(s string, size float64) (w float64) {
	for _, r := range s {
		switch {
		case strings.ContainsRune("ijltf.,:;|'!()[]I ", r):
			w += 0.3
		case strings.ContainsRune("mwMW@%—", r):
			w += 0.88
		case r >= 0x1100:
			w += 1
		case unicode.IsUpper(r):
			w += 0.68
		default:
			w += 0.56
		}
	}
	return w * size
}
