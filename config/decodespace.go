package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
)

// declared is one hyperparameter as the file declares it.
type declared struct {
	name  string // dotted
	at    position
	node  *node
	bad   bool // complained of already
	param pbt.Param

	visiting, placed bool // place's
}

// parameters are a file's hyperparameters.
type parameters struct {
	all    []*declared // in the file's order
	placed []pbt.Param // the good ones, each after the one it depends on
	space  *pbt.Space  // nil if anything is wrong

	byName map[string]*declared
}

func (ps *parameters) names() []string {
	names := make([]string, len(ps.all))
	for i, p := range ps.all {
		names[i] = p.name
	}
	return names
}

// hyperparameters decodes the space. The file's order stands, but that a
// parameter comes after the one it depends on: a mapping has no order to rely on.
func (d *decoder) hyperparameters(n *node) *parameters {
	ps := &parameters{byName: map[string]*declared{}}
	d.flatten(ps, n, "")
	if len(ps.all) > pbt.MaxParams {
		d.addStrict(n.at, "hyperparameters", "%d are too many; want at most %d", len(ps.all), pbt.MaxParams)
		return ps
	}
	for _, p := range ps.all {
		if ps.byName[p.name] == nil {
			ps.byName[p.name] = p
		} else if !p.bad {
			d.addStrict(p.at, "hyperparameters."+p.name, "declared twice, nested and with a dot")
			p.bad = true
		}
		if !p.bad {
			p.param = d.param(p.name, p.node)
		}
	}
	for _, p := range ps.all {
		d.place(ps, p)
	}
	space, err := pbt.NewSpace(ps.placed...)
	for _, fault := range faultsOf(err) {
		d.blame(ps, n, fault)
	}
	ps.placed = nil
	if err == nil {
		ps.placed, ps.space = space.Params(), space // with every default filled in
	}
	return ps
}

// flatten lists the hyperparameters of a mapping and the groups within.
func (d *decoder) flatten(ps *parameters, n *node, prefix string) {
	for _, p := range n.pairs {
		name := join(prefix, p.key)
		if p.value.kind == mapKind && !isParameter(p.value) {
			d.flatten(ps, p.value, name)
			continue
		}
		ps.all = append(ps.all, &declared{name: name, at: p.at, node: p.value, bad: d.bad[p.value]})
	}
}

// param decodes one hyperparameter.
func (d *decoder) param(name string, n *node) pbt.Param {
	if n.isScalar() {
		return pbt.Constant(name, valueOf(n))
	}
	k, of := parameter.pick(n)
	v := d.view(k.extras, n)
	p := pbt.Param{Name: name}
	switch k.key {
	case "uniform", "log", "near_one":
		p.Type = pbt.FloatParam
	case "int", "log_int":
		p.Type = pbt.IntParam
	case "ordered":
		p.Type = pbt.OrderedParam
	case "choice":
		p.Type = pbt.ChoiceParam
	default:
		p.Type = pbt.ConstantParam
	}
	switch k.key {
	case "log", "log_int":
		p.Scale = pbt.Log
	case "near_one":
		p.Scale = pbt.NearOne
	}
	switch p.Type {
	case pbt.FloatParam, pbt.IntParam:
		p.Init = rangeOf(of)
		p.Bounds = p.Init
		if b := v.value("bounds"); b != nil {
			p.Bounds = rangeOf(b)
		}
	case pbt.ConstantParam:
		p.Values = []pbt.Value{valueOf(of)}
	default:
		p.Values = valuesOf(of)
	}
	if p.Type != pbt.ConstantParam {
		p.Keep, p.Fixed = !v.flag("inherit"), !v.flag("explore")
	}
	if fieldOf(k.extras, "zero") != nil {
		p.StickyZero = v.text("zero") == "absorbing"
	}
	if w := v.value("when"); w != nil {
		p.When = &pbt.When{Param: w.pairs[0].key, Values: valuesOf(w.pairs[0].value)}
	}
	if p.Bounds == (pbt.Range{}) && p.Init != p.Bounds {
		// To the space, a zero range is none; to the file, it is wrong.
		d.addStrict(n.get("bounds").at, "hyperparameters."+name+".bounds", "[0, 0] does not hold the range of first values")
	}
	return p
}

func rangeOf(n *node) pbt.Range {
	lo, _ := n.items[0].float()
	hi, _ := n.items[1].float()
	return pbt.Range{Lo: lo, Hi: hi}
}

// valueOf is a scalar's value. A number is whole if it is written so.
func valueOf(n *node) pbt.Value {
	switch n.kind {
	case boolKind:
		return pbt.Truth(strings.EqualFold(n.text, "true"))
	case textKind:
		return pbt.Text(n.text)
	}
	if n.writtenWhole() {
		x, _ := strconv.ParseInt(n.num, 10, 64) // the check saw that it fits
		return pbt.Int(x)
	}
	x, _ := n.float()
	return pbt.Float(x)
}

// valuesOf is a value or a list of values. Each keeps the type that it is written
// with: to a program, 1 may mean something else than 1.0.
func valuesOf(n *node) []pbt.Value {
	items := n.items
	if n.kind != listKind {
		items = []*node{n}
	}
	out := make([]pbt.Value, len(items))
	for i, item := range items {
		out[i] = valueOf(item)
	}
	return out
}

// place puts a parameter after the one it depends on. It tells whether it could:
// if not, a complaint says why.
func (d *decoder) place(ps *parameters, p *declared) bool {
	if p.bad || p.placed {
		return !p.bad
	}
	if w := p.param.When; w != nil {
		at, path := p.node.get("when").pairs[0].at, "hyperparameters."+p.name+".when"
		parent := ps.byName[w.Param]
		p.visiting = true
		switch {
		case parent == nil:
			d.addStrict(at, path, "there is no hyperparameter %s; %s", quote(w.Param), instead(w.Param, ps.names()))
			p.bad = true
		case parent == p:
			d.addStrict(at, path, "depends on itself")
			p.bad = true
		case parent.visiting:
			d.addStrict(at, path, "depends on %s, which in the end depends on %s", w.Param, p.name)
			p.bad = true
		default:
			p.bad = !d.place(ps, parent)
		}
		p.visiting = false
		if p.bad {
			return false
		}
		for i := range w.Values {
			w.Values[i] = parent.param.Coerce(w.Values[i])
		}
	}
	p.placed = true
	ps.placed = append(ps.placed, p.param)
	return true
}

// faultsOf takes a joined error apart.
func faultsOf(err error) []error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// blame puts a fault of the space, "NAME: what", at its hyperparameter.
func (d *decoder) blame(ps *parameters, n *node, fault error) {
	var at *declared
	for _, p := range ps.all {
		if strings.HasPrefix(fault.Error(), p.name+": ") && (at == nil || len(p.name) >= len(at.name)) {
			at = p
		}
	}
	if at == nil {
		d.addStrict(n.at, "hyperparameters", "%v", fault)
		return
	}
	at.bad = true
	where := at.at
	if at.node.at.src != nil {
		where = at.node.at
	}
	d.addStrict(where, "hyperparameters."+at.name, "%s", strings.TrimPrefix(fault.Error(), at.name+": "))
}

// initial decodes the first members' values.
func (d *decoder) initial(n *node, e *Experiment, ps *parameters) []pbt.Hypers {
	if n == nil || ps.space == nil {
		return nil
	}
	if e.Population > 0 && len(n.items) > e.Population {
		d.addStrict(n.at, "initial", "gives %d members' values; the population is %d", len(n.items), e.Population)
		return nil
	}
	var out []pbt.Hypers
	for i, item := range n.items {
		path := fmt.Sprintf("initial[%d]", i)
		if h, ok := d.point(item, path, ps); ok {
			if _, err := ps.space.Complete(h, e.Seed, i, 0); err != nil {
				d.addStrict(item.at, path, "%v", err)
			}
			out = append(out, h)
		}
	}
	return out
}

// point decodes one member's first values.
func (d *decoder) point(n *node, path string, ps *parameters) (pbt.Hypers, bool) {
	var pairs []any
	given := map[string]bool{}
	ok := true
	d.eachValue(n, "", func(name string, at position, n *node) {
		p := ps.byName[name]
		switch {
		case p == nil:
			d.addStrict(at, path, "there is no hyperparameter %s; %s", quote(name), instead(name, ps.names()))
			ok = false
			return
		case given[name]:
			d.addStrict(at, path, "gives %s twice, nested and with a dot", name)
			ok = false
		}
		given[name] = true
		pairs = append(pairs, name, p.param.Coerce(valueOf(n)))
	})
	return pbt.MakeHypers(pairs...), ok
}

// eachValue walks nested values by dotted name.
func (d *decoder) eachValue(n *node, prefix string, visit func(name string, at position, n *node)) {
	for _, p := range n.pairs {
		if name := join(prefix, p.key); p.value.kind == mapKind {
			d.eachValue(p.value, name, visit)
		} else {
			visit(name, p.at, p.value)
		}
	}
}
