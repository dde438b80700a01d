package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// field is one key of a record: its line in the reference, its property in the
// schema, its check and its default.
type field struct {
	key      string
	doc      string // what it is; the first sentence stands alone
	shape    shape
	required bool
	def      string // the default, as JSON; "" if there is none
	unset    string // what holds without it, where that is not one value
	example  string // as in the file, for the reference and for editors
	resume   bool   // `pbt resume --set` may change it
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i := range fields {
		keys[i] = fields[i].key
	}
	return keys
}

func fieldOf(fields []field, key string) *field {
	for i := range fields {
		if fields[i].key == key {
			return &fields[i]
		}
	}
	return nil
}

// record is a mapping with known keys.
type record struct {
	fields []field
	least  int // so many keys at least
}

func (s record) want() string    { return "a mapping with " + choices(keysOf(s.fields)) }
func (record) fits(n *node) bool { return n.kind == mapKind }

func (s record) check(c *checker, n *node, path string) bool {
	ok := checkFields(c, s.fields, n, path)
	if len(n.pairs) < s.least {
		c.add(n.at, path, "found an empty mapping; want at least one of %s", choices(keysOf(s.fields)))
		return false
	}
	return ok
}

// checkFields checks the values of known keys, refuses unknown ones, and misses required ones.
func checkFields(c *checker, fields []field, n *node, path string) bool {
	ok := true
	var misspelt []string // what unknown keys seem to mean
	for _, p := range n.pairs {
		f := fieldOf(fields, p.key)
		if f == nil {
			c.add(p.at, path, "unknown key %s; %s", quote(p.key), instead(p.key, keysOf(fields)))
			misspelt = append(misspelt, nearest(p.key, keysOf(fields)))
			ok = false
			continue
		}
		if !c.field(f, p.value, join(path, p.key)) {
			ok = false
		}
	}
	for i := range fields {
		if f := &fields[i]; f.required && n.get(f.key) == nil && !slices.Contains(misspelt, f.key) {
			c.add(n.at, path, "%q is missing; want %s, such as %s: %s", f.key, f.shape.want(), f.key, f.example)
			ok = false
		}
	}
	return ok
}

// variant is one alternative of a mapping, named by the key that must be there.
type variant struct {
	key    string
	doc    string
	shape  shape
	extras []field // keys that go with this alternative
	ex     string  // an example of the value
	resume bool    // `pbt resume --set` may change it
	def    string  // the value, as JSON, that the bare word stands for; "" if it cannot be bare
}

// variants is a mapping with just one of several keys, which says what else may
// stand beside it: {log: [1e-5, 1e-1], bounds: [1e-6, 1]}.
type variants struct {
	what  string // what the alternatives are, in the plural: "kinds", "rules"
	cases []variant
	words []string          // alternatives that are written as a bare word instead
	hints map[string]string // what to write for keys from elsewhere, such as bool
}

func (s variants) keys() []string {
	keys := make([]string, len(s.cases))
	for i := range s.cases {
		keys[i] = s.cases[i].key
	}
	return keys
}

func (s variants) find(key string) *variant {
	for i := range s.cases {
		if s.cases[i].key == key {
			return &s.cases[i]
		}
	}
	return nil
}

func (s variants) want() string    { return "a mapping with one of " + choices(s.keys()) }
func (variants) fits(n *node) bool { return n.kind == mapKind }

// chosen are a mapping's pairs, less the alternatives that an assigned one
// replaces: --set exploit.ttest.alpha=0.01 wins over the file's truncation.
func (s variants) chosen(n *node) []pair {
	assigned := func(p pair) bool { return p.at.src != nil && p.at.src.assigned && s.find(p.key) != nil }
	last := -1
	for i, p := range n.pairs {
		if assigned(p) {
			last = i
		}
	}
	if last < 0 {
		return n.pairs
	}
	var kept []pair
	for i, p := range n.pairs {
		if i == last || s.find(p.key) == nil || assigned(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// pick returns the alternative that a mapping holds, and its value.
func (s variants) pick(n *node) (*variant, *node) {
	for _, p := range s.chosen(n) {
		if v := s.find(p.key); v != nil {
			return v, p.value
		}
	}
	return nil, nil
}

// settle returns which alternative a value holds, bare word or mapping, and its
// settings; "" if there is no value.
func (s variants) settle(n *node) (key string, settings *node) {
	switch {
	case n == nil:
		return "", nil
	case n.kind == mapKind:
		v, settings := s.pick(n)
		return v.key, settings
	}
	if v := s.find(n.text); v != nil {
		return v.key, (&field{key: v.key, def: v.def}).defaultNode()
	}
	return n.text, nil
}

func (s variants) check(c *checker, n *node, path string) bool {
	pairs := s.chosen(n)
	var v *variant
	ok := true
	for _, p := range pairs {
		switch found := s.find(p.key); {
		case found == nil:
		case v == nil:
			v = found
		default:
			c.add(p.at, path, "has both %q and %q; keep one", v.key, found.key)
			ok = false
		}
	}
	for _, p := range pairs {
		if !s.checkPair(c, v, p, path) {
			ok = false
		}
	}
	if v == nil && ok {
		c.add(n.at, path, "found %s; want one of %s in it", n.found(), choices(s.keys()))
		return false
	}
	if v == nil {
		return false
	}
	return ok
}

// checkPair checks one key of a mapping whose alternative is v, nil if there is none.
func (s variants) checkPair(c *checker, v *variant, p pair, path string) bool {
	if found := s.find(p.key); found != nil {
		return c.field(&field{shape: found.shape, example: found.ex}, p.value, join(path, p.key))
	}
	if v != nil {
		if f := fieldOf(v.extras, p.key); f != nil {
			return c.field(f, p.value, join(path, p.key))
		}
	}
	var goesWith, allowed []string
	for i := range s.cases {
		if fieldOf(s.cases[i].extras, p.key) != nil {
			goesWith = append(goesWith, s.cases[i].key)
		}
	}
	if allowed = s.keys(); v != nil {
		allowed = keysOf(v.extras)
	}
	switch {
	case len(goesWith) > 0 && v != nil:
		c.add(p.at, path, "%q does not go with %q, only with %s", p.key, v.key, choices(goesWith))
	case len(goesWith) > 0: // the missing alternative is what to complain about
		return true
	case slices.Contains(s.words, p.key):
		c.add(p.at, path, "%q takes no settings; write just the word, without braces", p.key)
	case s.hints[p.key] != "":
		c.add(p.at, path, "unknown key %q; %s", p.key, s.hints[p.key])
	default:
		c.add(p.at, path, "unknown key %s; %s", quote(p.key), instead(p.key, allowed))
	}
	return false
}

// list is a list of values of one shape.
type list struct {
	of     shape
	least  int
	most   int
	unique bool
	name   string // what it is called: "two numbers [low, high]"
}

func (s list) want() string {
	if s.name != "" {
		return s.name
	}
	return "a list, each " + s.of.want()
}

func (list) fits(n *node) bool { return n.kind == listKind }

func (s list) check(c *checker, n *node, path string) bool {
	if len(n.items) < s.least || len(n.items) > s.most {
		c.add(n.at, path, "found a list of %d; want %s%s", len(n.items), s.want(), howMany(s.least, s.most))
		return false
	}
	ok := true
	for i, item := range n.items {
		if !c.against(s.of, item, fmt.Sprintf("%s[%d]", path, i)) {
			ok = false
		}
	}
	if s.unique && ok {
		return s.checkUnique(c, n, path)
	}
	return ok
}

func howMany(least, most int) string {
	if least == most { // the words say it already: two numbers, one name
		return ""
	}
	return fmt.Sprintf(", with %d to %d in it", least, most)
}

// checkUnique refuses equal values; 1 and 1.0 are equal, 1 and "1" are not.
func (s list) checkUnique(c *checker, n *node, path string) bool {
	seen := make(map[string]bool, len(n.items))
	for _, item := range n.items {
		id := fmt.Sprint(item.kind, strings.ToLower(item.text))
		switch item.kind {
		case numberKind:
			negative, digits, exponent := item.decimal()
			id = fmt.Sprint("#", negative, digits, "e", exponent)
		case textKind:
			id = `"` + item.text
		}
		if seen[id] {
			c.add(item.at, path, "lists %s twice", item.text)
			return false
		}
		seen[id] = true
	}
	return true
}

// table is a mapping with keys of the user's own choice.
type table struct {
	of      shape
	least   int
	most    int
	key     *regexp.Regexp // what a key looks like; nil: anything
	keyForm string         // in words
	name    string
}

func (s table) want() string    { return s.name }
func (table) fits(n *node) bool { return n.kind == mapKind }

func (s table) check(c *checker, n *node, path string) bool {
	ok := true
	if len(n.pairs) < s.least || len(n.pairs) > s.most {
		c.add(n.at, path, "found a mapping of %d; want %s%s", len(n.pairs), s.want(), howMany(s.least, s.most))
		ok = false
	}
	for _, p := range n.pairs {
		if s.key != nil && !s.key.MatchString(p.key) {
			c.add(p.at, path, "found the key %s; want %s", quote(p.key), s.keyForm)
			ok = false
		}
		if !c.against(s.of, p.value, join(path, p.key)) {
			ok = false
		}
	}
	return ok
}
