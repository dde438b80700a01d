package watch

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// clean makes text from the run (names, errors of trainers) safe for one line of a
// terminal.
func clean(s string) string { return safe.Line(s) }

// width is how many cells a text takes; its colours take none.
func width(s string) int { return ansi.StringWidth(s) }

// cut shortens a text to so many cells, and shows that it did.
func cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	return ansi.Truncate(s, w, "…")
}

// fit makes a text exactly so wide.
func fit(s string, w int) string {
	s = cut(s, w)
	return s + spaces(w-width(s))
}

// fitRight is fit for numbers: they end in the same column.
func fitRight(s string, w int) string {
	s = cut(s, w)
	return spaces(w-width(s)) + s
}

func spaces(n int) string { return strings.Repeat(" ", max(0, n)) }

// wrap breaks a text into lines of at most so many cells, and at most so many lines.
func wrap(s string, w, most int) []string {
	if w <= 0 || most <= 0 || s == "" {
		return nil
	}
	lines := strings.Split(ansi.Wrap(s, w, ""), "\n")
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = cut(lines[most-1]+" …", w)
		if width(lines[most-1]) < w && !strings.HasSuffix(lines[most-1], "…") {
			lines[most-1] += "…"
		}
	}
	return lines
}

// leastRight is how much of a line's right end is worth showing.
const leastRight = 8

// both puts one text at the left and one at the right end of a line; the right one
// gives way.
func both(left, right string, w int) string {
	room := w - width(left) - 2
	if room < width(right) && room < leastRight {
		return fit(left, w)
	}
	right = cut(right, room)
	return left + spaces(w-width(left)-width(right)) + right
}

// lasting is a duration as people say it.
func lasting(seconds float64) string {
	d := time.Duration(min(max(seconds, 0), 1e9) * float64(time.Second))
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return strings.TrimSuffix(d.Round(time.Second).String(), "0s")
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return strings.TrimSuffix((d/(24*time.Hour)*24).Round(time.Hour).String(), "0s") + " days"
}

// short is a number of at most seven digits, or else in millions.
func short(n int64) string {
	switch {
	case n < 1e7:
		return strconv.FormatInt(n, 10)
	case n < 1e10:
		return fmt.Sprintf("%.5gM", float64(n)/1e6)
	}
	return fmt.Sprintf("%.4gG", float64(n)/1e9)
}
