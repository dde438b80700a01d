package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// shape says what a value of the file may be. The field table is made of shapes;
// the parser's checks, the JSON Schema and the reference all come from it, so that
// they cannot drift apart.
type shape interface {
	// want says it in words, to follow "want": a whole number from 1 to 100.
	want() string
	// fits tells whether a value is of the right sort at all.
	fits(n *node) bool
	// check complains about everything that is wrong within a value that fits.
	check(c *checker, n *node, path string) bool
	// schema is the JSON Schema of it.
	schema() *node
}

// checker holds a document against shapes.
type checker struct {
	*complaints
	bad map[*node]bool // values with a fault in them, which are not decoded
}

// against checks one value; it remembers those that are bad.
func (c *checker) against(s shape, n *node, path string) bool {
	return c.field(&field{shape: s}, n, path)
}

// field is against, for a value whose field can show an example.
func (c *checker) field(f *field, n *node, path string) bool {
	ok := f.shape.fits(n)
	if ok {
		ok = f.shape.check(c, n, path)
	} else {
		help := hint(f.shape, n)
		if help == "" && len(f.example) > 0 && strings.ContainsAny(f.example[:1], "{[") {
			help = ", such as " + f.example
		}
		c.add(n.at, path, "found %s; want %s%s", n.found(), f.shape.want(), help)
	}
	if !ok {
		c.bad[n] = true
	}
	return ok
}

// hint says how to write what was probably meant.
func hint(s shape, n *node) string {
	if _, digits, err := resolve(n.text); n.kind == textKind && err == nil && digits != "" && s.fits(&node{kind: numberKind, num: digits}) {
		return "; remove the quotes"
	}
	if plain := strings.ReplaceAll(n.text, "_", ""); n.kind == textKind && plain != n.text {
		if _, digits, err := resolve(plain); err == nil && digits != "" && s.fits(&node{kind: numberKind, num: digits}) {
			return "; write " + plain
		}
	}
	if n.kind == textKind && s.fits(boolNode(true)) {
		switch strings.ToLower(n.text) {
		case "yes", "on", "y":
			return "; YAML 1.2 reads that as a text, write true"
		case "no", "off", "n":
			return "; YAML 1.2 reads that as a text, write false"
		}
	}
	if n.kind == mapKind && len(n.pairs) == 1 && n.pairs[0].value.kind == nullKind && s.fits(textNode("x")) {
		return fmt.Sprintf("; write %q, in quotes", "{"+n.pairs[0].key+"}")
	}
	if t, ok := s.(text); ok && (n.kind == numberKind || n.kind == boolKind) {
		switch {
		case t.unit != "" && n.kind == boolKind:
			return ""
		case t.unit != "":
			return fmt.Sprintf("; give a unit, such as %s%s", n.text, t.unit)
		}
		return fmt.Sprintf("; write %q, in quotes", n.text)
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// number is any finite number within limits. An open end is a limit that is not allowed itself.
type number struct {
	min, max         float64
	minOpen, maxOpen bool
}

var anyNumber = number{min: math.Inf(-1), max: math.Inf(1)}

func (s number) want() string {
	low, high := "at least ", "at most "
	if s.minOpen {
		low = "above "
	}
	if s.maxOpen {
		high = "below "
	}
	switch {
	case math.IsInf(s.min, 0) && math.IsInf(s.max, 0):
		return "a number"
	case math.IsInf(s.max, 0):
		return fmt.Sprintf("a number %s%g", low, s.min)
	case math.IsInf(s.min, 0):
		return fmt.Sprintf("a number %s%g", high, s.max)
	}
	return fmt.Sprintf("a number %s%g and %s%g", low, s.min, high, s.max)
}

func (s number) fits(n *node) bool { return n.kind == numberKind }

func (s number) check(c *checker, n *node, path string) bool {
	x, err := n.float()
	if err != nil {
		c.addStrict(n.at, path, "%s is beyond the range of numbers", quote(n.text))
		return false
	}
	if x < s.min || x > s.max || s.minOpen && x == s.min || s.maxOpen && x == s.max {
		c.add(n.at, path, "found %s; want %s", n.text, s.want())
		return false
	}
	return true
}

// whole is a whole number within limits.
type whole struct {
	min int64
	max uint64
}

// maxWhole is the largest whole number that every JSON reader keeps exact.
const maxWhole = 1 << 53

var anyWhole = whole{-maxWhole, maxWhole}

func (s whole) want() string {
	switch {
	case s.min == -maxWhole:
		return "a whole number"
	case s.max >= maxWhole:
		return fmt.Sprintf("a whole number, at least %d", s.min)
	}
	return fmt.Sprintf("a whole number from %d to %d", s.min, s.max)
}

func (s whole) fits(n *node) bool { return n.kind == numberKind }

func (s whole) check(c *checker, n *node, path string) bool {
	negative, magnitude, ok, err := n.whole()
	switch {
	case !ok:
	case err != nil:
		c.add(n.at, path, "found %s; want %s, and at most %d", n.text, s.want(), s.max)
		return false
	case negative && (s.min >= 0 || magnitude > uint64(-s.min)), !negative && s.min > 0 && magnitude < uint64(s.min):
	case !negative && magnitude > s.max:
		c.add(n.at, path, "found %s; want at most %d", n.text, s.max)
		return false
	default:
		return true
	}
	c.add(n.at, path, "found %s; want %s", n.text, s.want())
	return false
}

// flag is true or false.
type flag struct{}

func (flag) want() string                       { return "true or false" }
func (flag) fits(n *node) bool                  { return n.kind == boolKind }
func (flag) check(*checker, *node, string) bool { return true }

// words is one of a few names.
type words []string

func (s words) want() string      { return choices(s) }
func (s words) fits(n *node) bool { return n.kind == textKind }

func (s words) check(c *checker, n *node, path string) bool {
	if slices.Contains(s, n.text) {
		return true
	}
	message := fmt.Sprintf("found %s; want %s", quote(n.text), choices(s))
	if near := nearest(n.text, s); near != "" {
		message = fmt.Sprintf("unknown %s; did you mean %q?", quote(n.text), near)
	}
	c.add(n.at, path, "%s", message)
	return false
}

// text is a text, of a certain form if there is a pattern.
type text struct {
	max     int            // characters
	pattern *regexp.Regexp // nil: any text that is not empty
	form    string         // the pattern in words
	// parse refuses what the pattern cannot: the number in a duration or size.
	parse func(string) error
	unit  string // an example of the unit that a bare number lacks
	// none is a word that is allowed beside the pattern, such as "none"; "" for no such word.
	none string
}

func (s text) want() string {
	form := s.form
	if form == "" {
		form = "a text"
	}
	if s.none != "" {
		form += ", or " + s.none
	}
	return form
}

func (s text) fits(n *node) bool { return n.kind == textKind }

func (s text) check(c *checker, n *node, path string) bool {
	switch {
	case s.none != "" && n.text == s.none:
		return true
	case n.text == "":
		c.add(n.at, path, "found an empty text; want %s", s.want())
	case utf8.RuneCountInString(n.text) > s.max:
		c.add(n.at, path, "a text of %d characters; want at most %d", utf8.RuneCountInString(n.text), s.max)
	case s.pattern != nil && !s.pattern.MatchString(n.text):
		c.add(n.at, path, "found %s; want %s", quote(n.text), s.want())
	default:
		if s.parse != nil {
			if err := s.parse(n.text); err != nil {
				c.addStrict(n.at, path, "%s %v; want %s", quote(n.text), err, s.want())
				return false
			}
		}
		return true
	}
	return false
}

// duration is a positive duration; none, if not "", is the word for no limit.
func duration(none string) text {
	return text{max: 40, pattern: durationWhole, form: "a duration such as 90s, 10m or 1h30m", none: none, unit: "s",
		parse: func(s string) error { _, err := parseDuration(s); return err }}
}

// size is a positive number of bytes.
func size(none string) text {
	return text{max: 40, pattern: sizeWhole, form: "a size such as 500MB, 10GB or 1GiB", none: none, unit: "MB",
		parse: func(s string) error { _, err := parseSize(s); return err }}
}

// scalar is a number, a text, true or false.
type scalar struct {
	maxText int
	typed   bool // a whole number must fit an int64
}

func (scalar) want() string      { return "a number, a text, true or false" }
func (scalar) fits(n *node) bool { return n.isScalar() }

func (s scalar) check(c *checker, n *node, path string) bool {
	switch n.kind {
	case numberKind:
		if _, err := n.float(); err != nil {
			c.addStrict(n.at, path, "%s is beyond the range of numbers", quote(n.text))
			return false
		}
		if _, err := strconv.ParseInt(n.num, 10, 64); s.typed && n.writtenWhole() && err != nil {
			c.addStrict(n.at, path, "%s is beyond the range of whole numbers; write %s.0 for a float", n.text, n.num)
			return false
		}
	case textKind:
		if l := utf8.RuneCountInString(n.text); l > s.maxText {
			c.add(n.at, path, "a text of %d characters; want at most %d", l, s.maxText)
			return false
		}
	}
	return true
}

// either is one of several shapes, which are told apart by the sort of value.
type either []shape

func (s either) want() string {
	wants := make([]string, len(s))
	for i := range s {
		wants[i] = s[i].want()
	}
	return strings.Join(wants, ", or ")
}

func (s either) pick(n *node) shape {
	for _, one := range s {
		if one.fits(n) {
			return one
		}
	}
	return nil
}

func (s either) fits(n *node) bool { return s.pick(n) != nil }

func (s either) check(c *checker, n *node, path string) bool {
	if e, ok := s.pick(n).(words); ok { // a misspelt word: tell of the other forms, too
		if !slices.Contains(e, n.text) && nearest(n.text, e) == "" {
			c.add(n.at, path, "found %s; want %s", quote(n.text), s.want())
			return false
		}
	}
	return s.pick(n).check(c, n, path)
}
