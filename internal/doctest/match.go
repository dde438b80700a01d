package doctest

import (
	"regexp"
	"strings"
)

// Output is compared by its words and its shape. The same words must come in the
// same order, on the same lines. Numbers stand for any number, a long row of
// hexadecimal digits for any other, a row of bars for any bars, a blank for any
// blanks. "…" within a line stands for anything, and on a line of its own for any
// lines, or none.
const anything = "…"

var (
	volatile = regexp.MustCompile(`…|[-−]?\d+(\.\d+)?(e[-+]?\d+)?|\b[0-9a-f]{12,}\b|[▁▂▃▄▅▆▇█]+|\s+`)
	hexRow   = regexp.MustCompile(`^[0-9a-f]{12,}$`)
	color    = regexp.MustCompile("\x1b\\[[0-9;]*[A-Za-z]")
)

// pattern is what a line of a document stands for.
func pattern(line string) *regexp.Regexp {
	line = strings.TrimSpace(line)
	var b strings.Builder
	b.WriteString("^")
	for line != "" {
		at := nextVolatile(line)
		if at == nil {
			b.WriteString(regexp.QuoteMeta(line))
			break
		}
		b.WriteString(regexp.QuoteMeta(line[:at[0]]))
		b.WriteString(standsFor(line[at[0]:at[1]]))
		line = line[at[1]:]
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}

// nextVolatile finds the next piece that need not be the same. A row of hexadecimal
// digits may begin with decimal ones.
func nextVolatile(line string) []int {
	at := volatile.FindStringIndex(line)
	if at == nil {
		return nil
	}
	row := regexp.MustCompile(`^[0-9a-f]{12,}\b`).FindString(line[at[0]:])
	if at[1] = max(at[1], at[0]+len(row)); row == "" {
		return at
	}
	return at
}

func standsFor(piece string) string {
	switch {
	case piece == anything:
		return ".*"
	case strings.TrimSpace(piece) == "":
		return `\s+`
	case strings.ContainsAny(piece, "▁▂▃▄▅▆▇█"):
		return "[▁▂▃▄▅▆▇█ ]+"
	case hexRow.MatchString(piece):
		return "[0-9a-f]{12,}"
	}
	return `([-−]?\d+(\.\d+)?(e[-+]?\d+)?|NaN)`
}

// clean prepares output for comparing: no colours, no blank end.
func clean(output string) []string {
	lines := strings.Split(strings.TrimRight(color.ReplaceAllString(output, ""), " \n\t"), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return lines
}

// Match compares what a document shows with what was printed. It returns -1, or
// the first line of the document that found no match.
func Match(want []string, output string) int {
	have := clean(output)
	want = trimEnd(want)
	if len(want) == 0 {
		if len(have) == 1 && have[0] == "" {
			return -1
		}
		return 0
	}
	// reach[j] tells whether the lines of want so far can be have[:j].
	reach := make([]bool, len(have)+1)
	reach[0] = true
	if len(have) == 1 && have[0] == "" {
		have, reach = nil, reach[:1]
	}
	for i, line := range want {
		next := make([]bool, len(have)+1)
		some := false
		if strings.TrimSpace(line) == anything {
			for j, open := range reach {
				some = some || open
				next[j] = some
			}
		} else {
			p := pattern(line)
			for j := range have {
				if next[j+1] = reach[j] && p.MatchString(have[j]); next[j+1] {
					some = true
				}
			}
		}
		if !some {
			return i
		}
		reach = next
	}
	if !reach[len(have)] {
		return len(want) - 1 // more was printed than is shown
	}
	return -1
}

func trimEnd(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}
