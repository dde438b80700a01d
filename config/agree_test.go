package config

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestSchemaAgrees makes documents from the table, damages most of them, and asks
// the parser and a third-party validator of the schema: both must give the same
// answer, but for faults that the schema cannot express.
func TestSchemaAgrees(t *testing.T) {
	schema := compiledSchema(t)
	const documents = 3_000
	accepted, refused := 0, 0
	for seed := range uint64(documents) {
		g := &generator{rand.New(rand.NewPCG(seed, 1))}
		doc := g.of(experiment)
		for range g.IntN(4) {
			doc = g.damaged(doc)
		}
		data := appendJSON(nil, doc)
		_, err := Parse("x.yaml", data)
		if e, ok := err.(*Error); ok && e.More > 0 {
			continue // the complaints left out may be the ones to compare
		}
		verdict, seen := judge(t, schema, data)
		if !seen {
			t.Fatalf("seed %d: unreadable: %v\n%s", seed, err, data)
		}
		if (verdict == nil) != (len(loose(err)) == 0) {
			t.Fatalf("seed %d:\n%s\nparser: %v\nschema: %v", seed, data, err, verdict)
		}
		if verdict == nil {
			accepted++
		} else {
			refused++
		}
	}
	if least := documents / 10; accepted < least || refused < least {
		t.Errorf("%d accepted, %d refused: too few of one to mean anything", accepted, refused)
	}
}

// generator makes documents.
type generator struct{ *rand.Rand }

func pick[T any](g *generator, from []T) T { return from[g.IntN(len(from))] }

var (
	someTexts = []string{"x", "digits", "none", "all", "90s", "1.5h", "10GB", "1GiB", "sgd", "a b", "é", "{lr}", "true", "", "a=b", "0s", "-5m", "../x", "q\"\\\n", "truncation", "perturb", "maximize", "http://127.0.0.1:5000", "$PBT_WEBHOOK"}
	someNames = []string{"lr", "a", "b.c", "log", "bool", "uniform", "when", "x y", "größe", "constnt", "", "steps", "name", "json", "zero"}
	someNums  = []string{"0", "1", "2", "-1", "0.5", "1.0", "1e2", "1e-5", "20", "0.2", "100001", "-0.25", "3.5", "9007199254740993"}
)

func (g *generator) anything(depth int) *node {
	switch g.IntN(7) {
	case 0:
		return (&node{kind: nullKind}).measure()
	case 1:
		return boolNode(g.IntN(2) == 0)
	case 2:
		return textNode(pick(g, someTexts))
	case 3:
		if depth > 0 {
			return listNode(g.anything(depth-1), g.anything(depth-1))
		}
	case 4:
		if depth > 0 {
			return mapNode(pick(g, someNames), g.anything(depth-1))
		}
	}
	return numberNode(pick(g, someNums))
}

// of makes a value of a shape, mostly right.
func (g *generator) of(s shape) *node {
	switch s := s.(type) {
	case number:
		lo, hi := math.Max(s.min, -10), math.Min(s.max, 10)
		return floatNode(math.Round((lo+(hi-lo)*g.Float64())*100) / 100)
	case whole:
		return wholeNode(max(s.min, -5) + g.Int64N(20))
	case flag:
		return boolNode(g.IntN(2) == 0)
	case words:
		return textNode(pick(g, s))
	case text:
		for range 20 {
			if n := textNode(pick(g, someTexts)); s.check(&checker{&complaints{}, map[*node]bool{}}, n, "") {
				return n
			}
		}
		return textNode(pick(g, someTexts))
	case scalar:
		return pick(g, []*node{numberNode(pick(g, someNums)), textNode(pick(g, someTexts)), boolNode(true)})
	case either:
		return g.of(pick(g, s))
	case list:
		n := listNode()
		for range s.least + g.IntN(min(3, s.most-s.least+1)) {
			n.items = append(n.items, g.of(s.of))
		}
		return n.measure()
	case record:
		return g.fields(mapNode(), s.fields)
	case variants:
		v := pick(g, s.cases)
		return g.fields(mapNode(v.key, g.of(v.shape)), v.extras)
	case table:
		n := mapNode()
		for range s.least + g.IntN(2) {
			n = with(n, pick(g, someNames), g.of(s.of))
		}
		return n
	case space:
		return g.space(s)
	case point:
		n := mapNode()
		for range g.IntN(3) {
			n = with(n, pick(g, someNames), g.of(pick(g, []shape{value, value, point{}})))
		}
		return n
	}
	panic(fmt.Sprintf("no generator for %T", s))
}

func (g *generator) fields(n *node, fields []field) *node {
	for i := range fields {
		if f := &fields[i]; f.required || g.IntN(3) == 0 {
			n = with(n, f.key, g.of(f.shape))
		}
	}
	return n
}

func (g *generator) space(s space) *node {
	n := mapNode()
	for range 1 + g.IntN(3) {
		name := pick(g, someNames[:4])
		if g.IntN(4) == 0 {
			name = pick(g, someNames)
		}
		switch g.IntN(5) {
		case 0:
			n = with(n, name, g.of(value))
		case 1:
			n = with(n, name, g.space(space{inner: true}))
		default:
			n = with(n, name, g.of(parameter))
		}
	}
	return n
}

// with adds a pair unless the key is there.
func with(n *node, key string, value *node) *node {
	if n.get(key) == nil {
		n.pairs = append(slices.Clone(n.pairs), pair{key: key, value: value})
	}
	return n.measure()
}

// damaged changes one random thing in a copy.
func (g *generator) damaged(n *node) *node {
	out := *n
	out.items, out.pairs = slices.Clone(n.items), slices.Clone(n.pairs)
	children := len(out.items) + len(out.pairs)
	if children > 0 && g.IntN(5) > 0 {
		if i := g.IntN(children); i < len(out.items) {
			out.items[i] = g.damaged(out.items[i])
		} else {
			p := &out.pairs[i-len(out.items)]
			p.value = g.damaged(p.value)
		}
		return out.measure()
	}
	switch {
	case n.kind == mapKind && len(n.pairs) > 0 && g.IntN(3) > 0:
		i := g.IntN(len(n.pairs))
		switch key := out.pairs[i].key; g.IntN(3) {
		case 0:
			out.pairs = slices.Delete(out.pairs, i, i+1)
		case 1:
			if renamed := strings.TrimSuffix(key+"s", "ss"); out.get(renamed) == nil {
				out.pairs[i].key = renamed
			}
		default:
			return with(&out, pick(g, someNames), g.anything(1))
		}
		return out.measure()
	case n.kind == listKind && g.IntN(2) == 0:
		out.items = append(out.items, g.anything(1))
		return out.measure()
	}
	return g.anything(2)
}
