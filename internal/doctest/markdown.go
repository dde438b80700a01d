package doctest

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// Problem is something in a document that is not true.
type Problem struct {
	File string
	Line int
	Text string
}

// String begins with file:line, as editors like it.
func (p Problem) String() string { return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text) }

// Document is a markdown file, taken apart.
type Document struct {
	File   string // as problems name it
	Blocks []Block
	Prose  []string // all lines; blank where a block was
}

// Block is a fenced block.
type Block struct {
	File  string
	Line  int    // of its first line inside the fence
	Lang  string // the first word after the fence
	Info  string // the other words
	Lines []string
}

// Text is what is inside the fence.
func (b *Block) Text() string { return strings.Join(b.Lines, "\n") + "\n" }

func (b *Block) problem(line int, format string, args ...any) Problem {
	return Problem{b.File, b.Line + line, fmt.Sprintf(format, args...)}
}

// shown are the languages of blocks that are looked at only.
var shown = map[string]bool{"": true, "text": true, "json": true, "sql": true, "python": true, "diff": true, "svg": true, "ts": true}

// done are those that something is done with.
var done = map[string]bool{"sh": true, "console": true, "yaml": true, "go": true}

var fence = regexp.MustCompile("^( {0,6})(```+|~~~+) *([^`]*)$")

// Parse takes a document apart.
func Parse(file, text string) (*Document, []Problem) {
	d := &Document{File: file}
	var problems []Problem
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		open := fence.FindStringSubmatch(lines[i])
		if open == nil {
			d.Prose = append(d.Prose, lines[i])
			continue
		}
		lang, info, _ := strings.Cut(strings.TrimSpace(open[3]), " ")
		b := Block{File: file, Line: i + 2, Lang: lang, Info: strings.TrimSpace(info)}
		end := i + 1
		for end < len(lines) && !closes(lines[end], open[2]) {
			b.Lines = append(b.Lines, strings.TrimPrefix(lines[end], open[1]))
			end++
		}
		if end == len(lines) {
			problems = append(problems, Problem{file, i + 1, "the fence is never closed"})
		}
		if !shown[lang] && !done[lang] {
			problems = append(problems, Problem{file, i + 1, fmt.Sprintf("a block of %q is neither run nor plainly shown: want sh, console, yaml, go, or text", lang)})
		}
		d.Blocks = append(d.Blocks, b)
		for range min(end, len(lines)-1) - i + 1 {
			d.Prose = append(d.Prose, "")
		}
		i = end
	}
	return d, problems
}

func closes(line, mark string) bool {
	line = strings.TrimSpace(line)
	return len(line) >= len(mark) && strings.Trim(line, mark[:1]) == ""
}

var (
	heading  = regexp.MustCompile(`^#{1,6} +(.*?) *#*$`)
	link     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeSpan = regexp.MustCompile("`+[^`]*`+")
)

// Anchors are the names that a link to a heading may use, as GitHub makes them.
func (d *Document) Anchors() map[string]bool {
	anchors := map[string]bool{}
	for _, line := range d.Prose {
		m := heading.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		name := slug(m[1])
		for n, base := 1, name; anchors[name]; n++ {
			name = fmt.Sprintf("%s-%d", base, n)
		}
		anchors[name] = true
	}
	return anchors
}

func slug(title string) string {
	title = link.ReplaceAllString(title, "")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, title)
}
