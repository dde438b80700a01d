package config

import (
	"encoding/json"
	"strconv"
	"strings"
)

// kind is the sort of a value in a document.
type kind uint8

const (
	nullKind      kind = iota
	boolKind           // true or false
	numberKind         // a finite number, whole or not
	nonFiniteKind      // .inf or .nan, which no setting takes
	textKind
	listKind
	mapKind
)

// node is one value of a document, whatever language it was written in, and where
// it stands. Everything after loading works on nodes: --set, checking, decoding;
// and encoding builds them. Nodes are not changed once built: aliases share them.
type node struct {
	kind  kind
	text  string // a scalar as written; a text's content
	num   string // a number as JSON writes it
	items []*node
	pairs []pair
	at    position
	size  int // values in it, itself included, aliases expanded
	depth int // levels in it, itself included
}

type pair struct {
	key   string
	at    position
	value *node
}

// get finds a key's value, or nil. Of a key given twice, the first counts.
func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return n.pairs[i].value
		}
	}
	return nil
}

func (n *node) isScalar() bool {
	return n.kind == boolKind || n.kind == numberKind || n.kind == textKind
}

// measure fills in size and depth from the children's.
func (n *node) measure() *node {
	n.size, n.depth = 1, 1
	for _, item := range n.items {
		n.size += item.size
		n.depth = max(n.depth, 1+item.depth)
	}
	for _, p := range n.pairs {
		n.size += p.value.size
		n.depth = max(n.depth, 1+p.value.depth)
	}
	return n
}

// found says what a value is, for a complaint.
func (n *node) found() string {
	switch n.kind {
	case nullKind:
		return "nothing"
	case boolKind:
		return n.text
	case nonFiniteKind:
		return n.text + ", which is not finite"
	case numberKind:
		return "the number " + n.text
	case textKind:
		return "the text " + quote(n.text)
	case listKind:
		if len(n.items) == 0 {
			return "an empty list"
		}
		return "a list"
	}
	if len(n.pairs) == 0 {
		return "an empty mapping"
	}
	return "a mapping"
}

// Constructors, for defaults, encoding and the schema.

func textNode(s string) *node { return (&node{kind: textKind, text: s}).measure() }

func boolNode(b bool) *node {
	return (&node{kind: boolKind, text: strconv.FormatBool(b)}).measure()
}

func numberNode(num string) *node {
	return (&node{kind: numberKind, text: num, num: num}).measure()
}

func wholeNode[T int | int64 | uint64](x T) *node {
	if x < 0 {
		return numberNode(strconv.FormatInt(int64(x), 10))
	}
	return numberNode(strconv.FormatUint(uint64(x), 10))
}

// floatNode writes the shortest number that reads back as x: 1e-5, not 1e-05.
func floatNode(x float64) *node {
	s := strconv.FormatFloat(x, 'g', -1, 64)
	if mantissa, exp, ok := strings.Cut(s, "e"); ok {
		sign := ""
		if exp[0] == '-' {
			sign = "-"
		}
		s = mantissa + "e" + sign + strings.TrimLeft(exp, "+-0")
	}
	return numberNode(s)
}

func listNode(items ...*node) *node { return (&node{kind: listKind, items: items}).measure() }

func textsNode(texts []string) *node {
	items := make([]*node, len(texts))
	for i, s := range texts {
		items[i] = textNode(s)
	}
	return listNode(items...)
}

// mapNode takes keys (string) and values (*node or string) in turn; a nil value
// leaves its key out.
func mapNode(keysAndValues ...any) *node {
	n := &node{kind: mapKind}
	for i := 0; i < len(keysAndValues); i += 2 {
		key := keysAndValues[i].(string)
		switch v := keysAndValues[i+1].(type) {
		case string:
			n.pairs = append(n.pairs, pair{key: key, value: textNode(v)})
		case *node:
			if v != nil {
				n.pairs = append(n.pairs, pair{key: key, value: v})
			}
		}
	}
	return n.measure()
}

// appendJSON appends a node as JSON: one line, keys in order.
func appendJSON(b []byte, n *node) []byte {
	switch n.kind {
	case boolKind:
		return append(b, strings.ToLower(n.text)...)
	case numberKind:
		return append(b, n.num...)
	case textKind:
		return appendText(b, n.text)
	case listKind:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendJSON(b, item)
		}
		return append(b, ']')
	case mapKind:
		b = append(b, '{')
		for i, p := range n.pairs {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendText(b, p.key), ':')
			b = appendJSON(b, p.value)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendText(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}
