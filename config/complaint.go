package config

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Complaint is one fault of an experiment file: where it is, what was found and
// what is allowed.
type Complaint struct {
	Source       string // the file's name, or the --set argument
	Line, Column int    // from 1, in characters; 0 for a --set argument or a whole file
	Path         string // what it is about, such as hyperparameters.lr; "" for the file
	Message      string

	// strict marks a fault that the JSON Schema does not express: two values that
	// contradict each other, a name that must be declared elsewhere, YAML's own traps.
	strict bool
}

// String is the complaint on one line: experiment.yaml:7:3: budget: unknown key "stpes"; …
func (c Complaint) String() string {
	var b strings.Builder
	b.WriteString(c.Source)
	if c.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", c.Line, c.Column)
	}
	b.WriteString(": ")
	if c.Path != "" {
		b.WriteString(c.Path)
		b.WriteString(": ")
	}
	b.WriteString(c.Message)
	return b.String()
}

// maxComplaints bounds what is shown at once: after so many, one reads no more.
const maxComplaints = 25

// Error is everything that is wrong with an experiment file, in the file's order.
type Error struct {
	Complaints []Complaint
	More       int // further complaints, left out
}

// Error lists the complaints, one a line.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Complaints)+1)
	for _, c := range e.Complaints {
		lines = append(lines, c.String())
	}
	if e.More > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.More))
	}
	return strings.Join(lines, "\n")
}

// source is where text came from: the file or one --set argument.
type source struct {
	name     string
	assigned bool // a --set argument, which wins over the file
}

// position is a place in a source.
type position struct {
	src       *source
	line, col int
}

// complaints collects faults while a document is read and checked.
type complaints struct{ list []Complaint }

// add notes a fault that the schema, too, would find.
func (c *complaints) add(at position, path, format string, args ...any) {
	c.note(at, path, false, fmt.Sprintf(format, args...))
}

// addStrict notes a fault beyond the schema.
func (c *complaints) addStrict(at position, path, format string, args ...any) {
	c.note(at, path, true, fmt.Sprintf(format, args...))
}

func (c *complaints) note(at position, path string, strict bool, message string) {
	fault := Complaint{Line: at.line, Column: at.col, Path: path, Message: message, strict: strict}
	if at.src != nil {
		fault.Source = at.src.name
		if at.src.assigned {
			fault.Line, fault.Column = 0, 0
		}
	}
	// An aliased value is checked once per use; its fault is told once.
	if len(c.list) > 0 && slices.Contains(c.list[max(0, len(c.list)-maxComplaints):], fault) {
		return
	}
	c.list = append(c.list, fault)
}

// err returns the complaints in the order of the file, or nil.
func (c *complaints) err() error {
	if len(c.list) == 0 {
		return nil
	}
	slices.SortStableFunc(c.list, func(a, b Complaint) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	e := &Error{Complaints: c.list}
	if extra := len(c.list) - maxComplaints; extra > 0 {
		e.Complaints, e.More = c.list[:maxComplaints], extra
	}
	return e
}

// quote shows a text that a person wrote, shortened if it is long.
func quote(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// choices shows what is allowed: a, b or c.
func choices(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// instead proposes the nearest allowed name, or lists them all.
func instead(found string, allowed []string) string {
	if near := nearest(found, allowed); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "want " + choices(allowed)
}

// nearest is the allowed name most like what was written, or "" if none is.
func nearest(found string, allowed []string) string {
	best, bestDistance := "", 1+max(1, min(3, utf8.RuneCountInString(found)/3))
	for _, name := range allowed {
		if d := distance(strings.ToLower(found), strings.ToLower(name)); d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best != "" {
		return best
	}
	if i := slices.IndexFunc(allowed, func(name string) bool { return beginAlike(found, name) }); i >= 0 {
		return allowed[i]
	}
	return ""
}

// beginAlike tells whether two names share most of the shorter one at the start:
// max and maximize, hyperparams and hyperparameters.
func beginAlike(a, b string) bool {
	shorter, shared := min(len(a), len(b)), 0
	for shared < shorter && a[shared] == b[shared] {
		shared++
	}
	return shared >= 3 && 4*shared >= 3*shorter
}

// distance counts the letters to insert, drop, change or swap (optimal string
// alignment). Long texts are cut: they are no misspelt names.
func distance(a, b string) int {
	const most = 64
	x, y := []rune(a), []rune(b)
	x, y = x[:min(len(x), most)], y[:min(len(y), most)]
	var rows [3][most + 1]int
	for j := range len(y) + 1 {
		rows[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		row, above, twoAbove := &rows[i%3], &rows[(i+2)%3], &rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], twoAbove[j-2]+1)
			}
		}
	}
	return rows[len(x)%3][len(y)]
}
