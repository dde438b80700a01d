package pbt_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// Every complaint names the parameter and the fault.
func TestNewSpace_ErrorsNameParameterAndFault(t *testing.T) {
	x := func(lo, hi float64) pbt.Param { return pbt.Uniform("x", lo, hi) }
	long := strings.Repeat("n", pbt.MaxNameLength+1)
	two := pbt.Choice("kind", pbt.Text("a"), pbt.Text("b"))
	many := make([]pbt.Value, pbt.MaxValues+1)
	for i := range many {
		many[i] = pbt.Int(int64(i))
	}
	for _, c := range []struct {
		params []pbt.Param
		want   string
	}{
		{[]pbt.Param{pbt.Uniform("", 0, 1)}, ": a hyperparameter needs a name"},
		{[]pbt.Param{pbt.Uniform(long, 0, 1)}, long + ": a name has at most 200 bytes"},
		{[]pbt.Param{pbt.Uniform("a..b", 0, 1)}, "a..b: a name has no empty part between dots"},
		{[]pbt.Param{pbt.Uniform("a.", 0, 1)}, "a.: a name has no empty part between dots"},
		{[]pbt.Param{pbt.Uniform("a\nb", 0, 1)}, `a` + "\n" + `b: a name has no '\n' in it`},
		{[]pbt.Param{pbt.Uniform("a{b", 0, 1)}, `a{b: a name has no '{' in it`},
		{[]pbt.Param{pbt.Uniform(`a"b`, 0, 1)}, `a"b: a name has no '"' in it`},
		{[]pbt.Param{pbt.Uniform("a\xffb", 0, 1)}, "a\xffb: a name must be valid UTF-8"},
		{[]pbt.Param{x(0, 1), x(0, 1)}, "x: declared twice"},
		{[]pbt.Param{pbt.Uniform("opt", 0, 1), pbt.Uniform("opt.lr", 0, 1)}, "opt.lr: is both a value and the group of opt"},
		{[]pbt.Param{pbt.Uniform("opt.lr", 0, 1), pbt.Uniform("opt", 0, 1)}, "opt: is both a value and the group of opt.lr"},
		{[]pbt.Param{{Name: "x"}}, "x: unknown type 0"},
		{[]pbt.Param{{Name: "x", Type: pbt.FloatParam, Scale: 9, Init: pbt.Range{Lo: 1, Hi: 2}}}, "x: unknown scale 9"},
		{[]pbt.Param{x(nan, 1)}, "x: range [NaN, 1]: both ends must be finite numbers"},
		{[]pbt.Param{x(0, inf)}, "x: range [0, +Inf]: both ends must be finite numbers"},
		{[]pbt.Param{x(0, 1).Within(minf, 1)}, "x: bounds [-Inf, 1]: both ends must be finite numbers"},
		{[]pbt.Param{x(1e-3, 1e-7)}, "x: range [0.001, 1e-07] is reversed: the lower end comes first"},
		{[]pbt.Param{x(0, 1).Within(2, -2)}, "x: bounds [2, -2] is reversed: the lower end comes first"},
		{[]pbt.Param{x(-1e308, 1e308)}, "x: range [-1e+308, 1e+308] is wider than a float64"},
		{[]pbt.Param{x(0, 1).Within(0.5, 2)}, "x: the initial range [0, 1] leaves the bounds [0.5, 2]"},
		{[]pbt.Param{x(0, 1).Within(-1, 0.5)}, "x: the initial range [0, 1] leaves the bounds [-1, 0.5]"},
		{[]pbt.Param{pbt.LogUniform("x", 0, 1)}, "x: range [0, 1]: a log scale needs a lower end above 0"},
		{[]pbt.Param{pbt.LogUniform("x", 0.1, 1).Within(0, 1)}, "x: bounds [0, 1]: a log scale needs a lower end above 0"},
		{[]pbt.Param{pbt.LogInt("x", 0, 9)}, "x: range [0, 9]: a log scale needs a lower end above 0"},
		{[]pbt.Param{pbt.NearOneUniform("x", 0.9, 1)}, "x: range [0.9, 1]: the upper end must be below 1"},
		{[]pbt.Param{pbt.NearOneUniform("x", 0.9, 0.99).Within(0, 1)}, "x: bounds [0, 1]: the upper end must be below 1"},
		{[]pbt.Param{pbt.IntUniform("x", 0, 5).Within(0, 9.5)}, "x: bounds [0, 9.5]: both ends must be whole numbers"},
		{[]pbt.Param{pbt.IntUniform("x", 0, 1<<54)}, "x: range [0, 1.8014398509481984e+16]: whole numbers reach to 2^53"},
		{[]pbt.Param{{Name: "x", Type: pbt.IntParam, Scale: pbt.NearOne, Init: pbt.Range{Lo: -5, Hi: 0}}}, "x: a whole number has no near-one scale"},
		{[]pbt.Param{pbt.Ordered("x")}, "x: needs at least one value"},
		{[]pbt.Param{pbt.Choice("x", many...)}, "x: has 1001 values, at most 1000 are allowed"},
		{[]pbt.Param{{Name: "x", Type: pbt.ConstantParam, Values: many[:2]}}, "x: a constant has one value"},
		{[]pbt.Param{pbt.Choice("x", pbt.Int(1), pbt.Float(nan))}, "x: value 2 is not a finite number, a text or a truth value"},
		{[]pbt.Param{pbt.Constant("x", pbt.Value{})}, "x: value 1 is not a finite number, a text or a truth value"},
		{[]pbt.Param{pbt.Constant("x", pbt.Text(long))}, "x: value 1 is longer than 200 bytes"},
		{[]pbt.Param{pbt.Constant("x", pbt.Text("\xff"))}, "x: value 1 must be valid UTF-8"},
		{[]pbt.Param{pbt.Choice("x", pbt.Text("a"), pbt.Text("a"))}, "x: lists a twice"},
		{[]pbt.Param{x(0, 1).OnlyWhen("kind", pbt.Text("a")), two}, "x: exists when kind …, which must be declared before it"},
		{[]pbt.Param{x(0, 1).OnlyWhen("x", pbt.Float(1))}, "x: exists when x …, which must be declared before it"},
		{[]pbt.Param{x(0, 1), pbt.Uniform("y", 0, 1).OnlyWhen("x", pbt.Float(1))}, "y: cannot depend on x, which is a float"},
		{[]pbt.Param{two, x(0, 1).OnlyWhen("kind")}, "x: exists when kind has which values?"},
		{[]pbt.Param{two, x(0, 1).OnlyWhen("kind", pbt.Text("c"))}, "x: can never exist: kind: c is not one of its values"},
		{[]pbt.Param{pbt.IntUniform("n", 1, 3), x(0, 1).OnlyWhen("n", pbt.Int(4))}, "x: can never exist: n: 4 is not a whole number in 1…3"},
		{[]pbt.Param{x(1, 0), pbt.Ordered("y")}, "x: range [1, 0] is reversed: the lower end comes first\ny: needs at least one value"},
		{make([]pbt.Param, pbt.MaxParams+1), "a space has at most 1000 hyperparameters, not 1001"},
	} {
		_, err := pbt.NewSpace(c.params...)
		// Range ends are shown as %g shows them.
		if got := fmt.Sprint(err); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
	mustPanic(t, "MustSpace", func() { pbt.MustSpace(x(1, 0)) })
}

func TestPain28_ReversedBoundsAreRefused(t *testing.T) {
	if _, err := pbt.NewSpace(pbt.LogUniform("lr", 1e-3, 1e-7)); err == nil || !strings.Contains(err.Error(), "reversed") {
		t.Error(err)
	}
}

func TestNewSpace_WhatIsAllowed(t *testing.T) {
	space, err := pbt.NewSpace(
		pbt.Uniform("a", -1e308, 1e307).Within(-1e308, 7e307),
		pbt.Uniform("b", 5, 5),
		pbt.LogUniform("c", 5e-324, 1),
		pbt.NearOneUniform("d", -5, 0.9999999999999999),
		pbt.IntUniform("e", -1<<53, 1<<53),
		pbt.LogInt("f.g", 1, 1<<53),
		pbt.Choice("f.h", pbt.Int(1), pbt.Float(1), pbt.Text("1"), pbt.Truth(true)),
		pbt.Uniform("größe im raum", 0, 1).OnlyWhen("f.h", pbt.Text("1"), pbt.Truth(true)),
		pbt.Bool("i").OnlyWhen("e", pbt.Int(0)),
		pbt.Constant("j", pbt.Text("")),
		pbt.Ordered("ff", pbt.Float(0.1)), // not the group of f.g
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(space.Params()) != 11 {
		t.Errorf("%d parameters", len(space.Params()))
	}
	if p, ok := space.Param("c"); !ok || p.Bounds != (pbt.Range{Lo: 5e-324, Hi: 1}) {
		t.Errorf("bounds that are not given are the initial range, got %+v", p)
	}
	if _, ok := space.Param("f"); ok {
		t.Error("a group is no parameter")
	}
	if empty := pbt.MustSpace(); empty.Draw(1, 2, 3).Len() != 0 || empty.Check(pbt.Hypers{}) != nil {
		t.Error("an empty space draws nothing")
	}
}

var checked = pbt.MustSpace(
	pbt.Uniform("lr", 0, 1).Within(0, 2),
	pbt.IntUniform("batch", 1, 64),
	pbt.Choice("opt", pbt.Text("sgd"), pbt.Text("adam")),
	pbt.Bool("nesterov").OnlyWhen("opt", pbt.Text("sgd")),
	pbt.Uniform("momentum", 0, 1).OnlyWhen("nesterov", pbt.Truth(true)),
	pbt.Constant("data", pbt.Text("digits")),
)

func TestSpace_CheckNamesTheFirstFault(t *testing.T) {
	good := pbt.MakeHypers("lr", pbt.Float(1.5), "batch", pbt.Int(8), "opt", pbt.Text("adam"), "data", pbt.Text("digits"))
	sgd := pbt.MakeHypers("lr", pbt.Float(0), "batch", pbt.Int(64), "opt", pbt.Text("sgd"), "nesterov", pbt.Truth(true), "momentum", pbt.Float(1), "data", pbt.Text("digits"))
	for _, c := range []struct {
		h    pbt.Hypers
		want string
	}{
		{good, "<nil>"},
		{sgd, "<nil>"},
		{good.With("lr", pbt.Float(2.5)), "lr: 2.5 is not a number in [0, 2]"},
		{good.With("lr", pbt.Float(nan)), "lr: NaN is not a number in [0, 2]"},
		{good.With("lr", pbt.Int(1)), "lr: 1 is not a number in [0, 2]"},
		{good.With("lr", pbt.Text("1")), "lr: 1 is not a number in [0, 2]"},
		{good.With("batch", pbt.Int(0)), "batch: 0 is not a whole number in 1…64"},
		{good.With("batch", pbt.Float(8)), "batch: 8 is not a whole number in 1…64"},
		{good.With("opt", pbt.Text("lion")), "opt: lion is not one of its values"},
		{good.With("data", pbt.Text("mnist")), "data: mnist is not one of its values"},
		{good.With("opt", pbt.Text("sgd")), "nesterov is missing from lr=1.5 batch=8 opt=sgd data=digits"},
		{sgd.With("nesterov", pbt.Truth(false)), "data is missing from lr=0 batch=64 opt=sgd nesterov=false momentum=1 data=digits"},
		{good.With("warmup", pbt.Int(1)), "warmup is not declared, or its condition does not hold"},
		{good.With("momentum", pbt.Float(0.5)), "momentum is not declared, or its condition does not hold"},
		{pbt.Hypers{}, "lr is missing from "},
		{pbt.MakeHypers("batch", pbt.Int(8), "lr", pbt.Float(1), "opt", pbt.Text("adam"), "data", pbt.Text("digits")), "lr is missing from batch=8 lr=1 opt=adam data=digits"}, // the order counts
	} {
		if err := checked.Check(c.h); fmt.Sprint(err) != c.want {
			t.Errorf("%s: %v, want %s", c.h, err, c.want)
		}
	}
}

func TestSpace_CompleteDrawsOnlyWhatIsOpen(t *testing.T) {
	for _, c := range []struct {
		given pbt.Hypers
		want  string // of the result, or the error
	}{
		{pbt.Hypers{}, checked.Draw(3, 4, 0).String()},
		{pbt.MakeHypers("lr", pbt.Int(1)), "lr=1 "},                                                     // becomes a float
		{pbt.MakeHypers("opt", pbt.Text("adam"), "batch", pbt.Int(5)), " batch=5 opt=adam data=digits"}, // in the space's order
		{pbt.MakeHypers("momentum", pbt.Float(0.5), "nesterov", pbt.Truth(true), "opt", pbt.Text("sgd")), " opt=sgd nesterov=true momentum=0.5 data=digits"},
		{pbt.MakeHypers("data", pbt.Text("digits")), " data=digits"},
		{pbt.MakeHypers("lr", pbt.Float(3)), "lr: 3 is not a number in [0, 2]"},
		{pbt.MakeHypers("batch", pbt.Float(5.5)), "batch: 5.5 is not a whole number in 1…64"},
		{pbt.MakeHypers("lerning", pbt.Float(1)), "lerning is not declared, or its condition does not hold"},
		{pbt.MakeHypers("opt", pbt.Text("adam"), "momentum", pbt.Float(1)), "momentum is not declared, or its condition does not hold"},
		{pbt.MakeHypers("opt", pbt.Text("lion"), "nesterov", pbt.Truth(true)), "opt: lion is not one of its values"},
		{pbt.MakeHypers("data", pbt.Text("mnist")), "data: mnist is not one of its values"},
	} {
		h, err := checked.Complete(c.given, 3, 4, 0)
		got := h.String()
		if err != nil {
			got = err.Error()
		} else if checked.Check(h) != nil {
			t.Errorf("%s: completed to %s, which is not allowed", c.given, h)
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: %s, want %s", c.given, got, c.want)
		}
	}
}

func TestPain38_InitialRangeIsApartFromTheBounds(t *testing.T) {
	space := pbt.MustSpace(pbt.Uniform("x", 0.4, 0.6).Within(0, 1))
	h := space.Draw(1, 0, 0)
	most := 0.0
	for turn := range int64(200) {
		h, _ = pbt.Perturb{}.Explore(space, h, pbt.Address{Turn: turn})
		most = max(most, h.Float("x"))
	}
	if first := space.Draw(1, 0, 0).Float("x"); first < 0.4 || first > 0.6 || most <= 0.6 {
		t.Errorf("drawn as %g, at most %g in 200 moves", first, most)
	}
	if _, err := space.Complete(pbt.MakeHypers("x", pbt.Float(0.9)), 1, 0, 0); err != nil {
		t.Errorf("a first value between the range and the bounds is the user's to give: %v", err)
	}
}

func TestParam_CoerceGivesANumberTheTypeOfItsDeclaration(t *testing.T) {
	lr, _ := checked.Param("lr")
	batch, _ := checked.Param("batch")
	opt, _ := checked.Param("opt")
	mixed := pbt.Ordered("max_features", pbt.Text("sqrt"), pbt.Int(1), pbt.Float(0.5), pbt.Float(2))
	for _, c := range []struct {
		p          pbt.Param
		from, want pbt.Value
	}{
		{lr, pbt.Int(1), pbt.Float(1)},
		{lr, pbt.Float(1), pbt.Float(1)},
		{lr, pbt.Text("1"), pbt.Text("1")},
		{batch, pbt.Int(1), pbt.Int(1)},
		{batch, pbt.Float(1), pbt.Int(1)},
		{batch, pbt.Float(1.5), pbt.Float(1.5)},
		{mixed, pbt.Float(1), pbt.Int(1)},
		{mixed, pbt.Int(2), pbt.Float(2)},
		{mixed, pbt.Float(0.5), pbt.Float(0.5)},
		{mixed, pbt.Int(3), pbt.Int(3)},
		{opt, pbt.Int(1), pbt.Int(1)},
	} {
		if got := c.p.Coerce(c.from); got != c.want {
			t.Errorf("%s: %v of kind %d became %v of kind %d", c.p.Name, c.from, c.from.Kind(), got, got.Kind())
		}
	}
}
