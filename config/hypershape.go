package config

import (
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// value is a hyperparameter's value.
var value = scalar{maxText: pbt.MaxNameLength, typed: true}

func ends(of shape, name string) list { return list{of: of, least: 2, most: 2, name: name} }

var (
	numberEnds = ends(anyNumber, "two numbers [low, high]")
	aboveEnds  = ends(number{min: 0, minOpen: true, max: math.Inf(1)}, "two numbers above 0 [low, high]")
	belowEnds  = ends(number{min: math.Inf(-1), max: 1, maxOpen: true}, "two numbers below 1 [low, high]")
	wholeEnds  = ends(anyWhole, "two whole numbers [low, high]")
	countEnds  = ends(whole{1, maxWhole}, "two whole numbers above 0 [low, high]")
	valueList  = list{of: value, least: 1, most: pbt.MaxValues, unique: true, name: "a list of values"}
)

// Modifiers of a hyperparameter.
var (
	boundsField = func(s shape, example string) field {
		return field{key: "bounds", shape: s, example: example,
			doc: "Limits of exploring. They may be wider than the range of initial values.", unset: "the range of initial values"}
	}
	zeroField = field{key: "zero", shape: words{"leaves", "absorbing"}, def: `"leaves"`, example: "absorbing",
		doc: "Whether perturbing changes a 0. `absorbing` multiplies only, as in the paper, so that a 0 stays 0."}
	exploreField = field{key: "explore", shape: flag{}, def: "true", example: "false",
		doc: "`false`: drawn once and copied, but never explored. Use it for values that belong to the weights, such as a layer's width."}
	inheritField = field{key: "inherit", shape: flag{}, def: "true", example: "false",
		doc: "`false`: a copy keeps its own value, which is never explored."}
	whenField = field{key: "when", example: "{optimizer.name: sgd}",
		doc: "The hyperparameter exists only while another one has this value, or one of these values.", unset: "it always exists",
		shape: table{of: either{value, list{of: value, least: 1, most: pbt.MaxValues, unique: true, name: "a list of values"}}, least: 1, most: 1,
			name: "one other hyperparameter's name and value(s)"}}
)

func kindOf(key, doc, example string, values shape, own ...field) variant {
	return variant{key: key, doc: doc, shape: values, ex: example, extras: append(own, exploreField, inheritField, whenField)}
}

// parameter is one hyperparameter that is not a bare constant.
var parameter = variants{
	what: "kinds",
	cases: []variant{
		kindOf("uniform", "A number, first drawn uniformly between two ends.", "[0, 0.8]", numberEnds, boundsField(numberEnds, "[-1, 2]"), zeroField),
		kindOf("log", "A number above 0, initially drawn log-uniformly. Use it for learning rates.", "[1e-5, 1e-1]", aboveEnds, boundsField(aboveEnds, "[1e-6, 1]")),
		kindOf("near_one", "A number just under 1, such as a discount: 1−x is drawn log-uniformly, and 1−x is what exploring multiplies.", "[0.9, 0.9999]", belowEnds, boundsField(belowEnds, "[0.5, 0.99999]")),
		kindOf("int", "A whole number, first drawn uniformly; both ends may be drawn.", "[1, 4]", wholeEnds, boundsField(wholeEnds, "[0, 8]"), zeroField),
		kindOf("log_int", "A whole number above 0, first drawn log-uniformly: widths, batch sizes.", "[16, 512]", countEnds, boundsField(countEnds, "[1, 1024]")),
		kindOf("ordered", "One of a list whose order means something: exploring moves to a neighbour. Each value keeps the type that it is written with: 1 is a whole number, 1.0 is not.", "[16, 32, 64]", valueList),
		kindOf("choice", "One of a set without order: exploring draws again. A truth value is {choice: [false, true]}. Each value keeps its type, as in `ordered`.", "[relu, gelu]", valueList),
		{key: "constant", doc: "A value that is passed to the trainer and never changes. A bare value, `epochs: 3`, means the same.",
			shape: value, extras: []field{whenField}, ex: "3"},
	},
	hints: map[string]string{
		"bool":        "a truth value is {choice: [false, true]}",
		"float":       "a number is {uniform: [low, high]} or {log: [low, high]}",
		"categorical": `did you mean "choice"?`,
		"values":      `did you mean "choice" or "ordered"?`,
		"loguniform":  `did you mean "log"?`,
		"log_uniform": `did you mean "log"?`,
		"randint":     `did you mean "int"?`,
	},
}

// reserved are the keys that make a mapping a hyperparameter; any other mapping
// is a group of hyperparameters. Nothing in a group can have such a name, unless
// the group is written with a dot: optimizer.log.
var reserved = []string{
	"uniform", "log", "near_one", "int", "log_int", "ordered", "choice", "constant", "bool",
	"bounds", "zero", "explore", "inherit", "when",
}

// reservedScalars are those a person may write with a plain value, so that a
// misspelt one could be taken for a constant in a group.
var reservedScalars = []string{"constant", "bool", "zero", "explore", "inherit"}

// space is the mapping of all hyperparameters, or, inner, a group within it.
type space struct{ inner bool }

func (space) want() string { return "a mapping of names to hyperparameters" }

func (s space) fits(n *node) bool { return n.kind == mapKind }

func (s space) check(c *checker, n *node, path string) bool {
	if len(n.pairs) == 0 {
		c.add(n.at, path, "found an empty mapping; want at least one hyperparameter, such as lr: {log: [1e-5, 1e-1]}")
		return false
	}
	ok := true
	for _, p := range n.pairs {
		good := s.checkEntry(c, p, path)
		if p.key == "" {
			c.add(p.at, path, "a hyperparameter needs a name")
			good = false
		}
		if !good {
			c.bad[p.value] = true
			ok = false
		}
	}
	return ok
}

// checkEntry checks a constant, a hyperparameter or a group.
func (s space) checkEntry(c *checker, p pair, path string) bool {
	at := join(path, p.key)
	switch {
	case p.value.isScalar():
		if near := nearest(p.key, reservedScalars); s.inner && near != "" {
			c.addStrict(p.at, path, "unknown key %q; did you mean %q? (A constant of that name is %s: {constant: %s})", p.key, near, p.key, p.value.text)
			return false
		}
		return c.against(value, p.value, at)
	case p.value.kind == mapKind && isParameter(p.value):
		return c.against(parameter, p.value, at)
	case p.value.kind == mapKind:
		return c.against(space{inner: true}, p.value, at)
	case p.value.kind == listKind:
		hint := parameter.hints[p.key]
		if hint == "" && nearest(p.key, parameter.keys()) != "" {
			hint = instead(p.key, parameter.keys())
		}
		if s.inner && hint != "" {
			c.add(p.at, path, "unknown key %s; %s", quote(p.key), hint)
		} else {
			c.add(p.value.at, at, "found a list; want its kind, too, such as {uniform: […]} or {choice: […]}")
		}
		return false
	}
	c.add(p.value.at, at, "found %s; want a value, or a mapping with one of %s", p.value.found(), choices(parameter.keys()))
	return false
}

func isParameter(n *node) bool {
	return slices.ContainsFunc(n.pairs, func(p pair) bool { return slices.Contains(reserved, p.key) })
}

// point is hyperparameters by name, nested or dotted: one member's first values.
type point struct{}

func (point) want() string      { return "a mapping of hyperparameters to values, such as {lr: 1e-3}" }
func (point) fits(n *node) bool { return n.kind == mapKind }

func (point) check(c *checker, n *node, path string) bool {
	ok := true
	for _, p := range n.pairs {
		if !c.against(either{value, point{}}, p.value, join(path, p.key)) {
			ok = false
		}
	}
	return ok
}
