package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// assign applies one --set argument, path=value, to a document and returns the
// changed document; the one given is left alone. What the path reaches is checked
// afterwards, with the rest of the document.
func assign(doc *node, argument string, faults *complaints) *node {
	src := &source{name: "--set " + shorten(argument), assigned: true}
	path, text, ok := strings.Cut(argument, "=")
	path = strings.TrimSpace(path)
	switch {
	case !ok:
		faults.addStrict(position{src: src}, "", "want path=value, such as budget.steps=8000")
		return doc
	case path == "" || slices.Contains(strings.Split(path, "."), ""):
		faults.addStrict(position{src: src}, "", "the path %s is no name, nor names between dots", quote(path))
		return doc
	case strings.Count(path, ".") >= MaxDepth:
		faults.addStrict(position{src: src}, "", "the path is deeper than %d levels", MaxDepth)
		return doc
	}
	value := loadYAML(src, []byte(text), faults)
	if value == nil {
		return doc
	}
	parts := strings.Split(path, ".")
	if value.kind == nullKind {
		if unknown, allowed := misses(experiment, parts); unknown != "" {
			faults.addStrict(position{src: src}, "", "unknown key %s; %s", quote(unknown), instead(unknown, allowed))
			return doc
		}
	}
	return put(doc, parts, value, position{src: src})
}

// JSONValue is the value of an assignment, which is YAML, as JSON: 0.3 for .3, an object
// for {truncation: 0.3}, and "[]" for '[]'. argument is the whole of it, for complaints.
func JSONValue(argument, text string) (json.RawMessage, error) {
	var faults complaints
	value := loadYAML(&source{name: shorten(argument), assigned: true}, []byte(text), &faults)
	if value == nil {
		return nil, faults.err()
	}
	if bad := value.nonFinite(); bad != nil {
		return nil, fmt.Errorf("%s: found %s; want a finite number", shorten(argument), bad.text)
	}
	return appendJSON(nil, value), nil
}

// nonFinite finds a number that JSON cannot hold, or nil.
func (n *node) nonFinite() *node {
	if n.kind == nonFiniteKind {
		return n
	}
	for _, item := range n.items {
		if bad := item.nonFinite(); bad != nil {
			return bad
		}
	}
	for _, p := range n.pairs {
		if bad := p.value.nonFinite(); bad != nil {
			return bad
		}
	}
	return nil
}

// misses returns the first name of a path that no file can have, and the names
// that it could have there. Only a path whose value is taken away needs it: a
// value that is put there is checked with the document.
func misses(s shape, path []string) (unknown string, allowed []string) {
	if len(path) == 0 {
		return "", nil
	}
	try := func(fields []field) bool {
		allowed = append(allowed, keysOf(fields)...)
		if f := fieldOf(fields, path[0]); f != nil {
			unknown, allowed = misses(f.shape, path[1:])
			return true
		}
		return false
	}
	switch s := s.(type) {
	case record:
		if try(s.fields) {
			return unknown, allowed
		}
	case variants:
		for _, v := range s.cases {
			if try(append([]field{{key: v.key, shape: v.shape}}, v.extras...)) {
				return unknown, allowed
			}
		}
	case either:
		for _, one := range s {
			missed, names := misses(one, path)
			if missed == "" {
				return "", nil
			}
			allowed = append(allowed, names...)
		}
	case space, point, table, list: // names of the user's own, and places in a list
		return "", nil
	}
	return path[0], allowed
}

func shorten(s string) string {
	const most = 80
	s = strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// put returns n with the value at a path changed, added, or, if it is null, gone.
func put(n *node, path []string, value *node, at position) *node {
	if len(path) == 0 {
		return value
	}
	if n != nil && n.kind == listKind {
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(n.items) {
			out := *n
			out.items = slices.Clone(n.items)
			if len(path) == 1 && value.kind == nullKind {
				out.items = slices.Delete(out.items, i, i+1)
			} else {
				out.items[i] = put(n.items[i], path[1:], value, at)
			}
			return out.measure()
		}
	}
	if value.kind == nullKind && (n == nil || n.kind != mapKind) {
		return n // there is nothing to take away
	}
	out := &node{kind: mapKind, at: at}
	if n != nil && n.kind == mapKind {
		*out = *n
		out.pairs = slices.Clone(n.pairs)
	}
	i, used := out.longestKey(path)
	switch {
	case i < 0 && value.kind == nullKind:
	case i < 0:
		out.pairs = append(out.pairs, pair{path[0], at, put(nil, path[1:], value, at)})
	case used == len(path) && value.kind == nullKind:
		out.pairs = slices.Delete(out.pairs, i, i+1)
	default:
		// The key's place becomes the argument's, so that of two alternatives
		// (exploit.ttest and exploit.truncation) the assigned one is known.
		out.pairs[i] = pair{out.pairs[i].key, at, put(out.pairs[i].value, path[used:], value, at)}
	}
	return out.measure()
}

// longestKey finds the key that the most parts of a path spell: optimizer.lr may
// be written with a dot or nested.
func (n *node) longestKey(path []string) (index, parts int) {
	for used := len(path); used > 0; used-- {
		key := strings.Join(path[:used], ".")
		for i := range n.pairs {
			if n.pairs[i].key == key {
				return i, used
			}
		}
	}
	return -1, 0
}
