package pbt_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

const drawings = 5000

// drawn are many members' first values of one parameter.
func drawn(p pbt.Param) []pbt.Value {
	space := pbt.MustSpace(p)
	out := make([]pbt.Value, drawings)
	for i := range out {
		h := space.Draw(7, i, 0)
		if err := space.Check(h); err != nil {
			panic(err)
		}
		out[i], _ = h.Get(p.Name)
	}
	return out
}

// checkUniform tests numbers that should be uniform in [0, 1] (Kolmogorov and
// Smirnov). The bound of 2.5/√n is exceeded by chance once in 130,000 seeds; this
// one is fixed.
func checkUniform(t *testing.T, what string, us []float64) {
	t.Helper()
	slices.Sort(us)
	n, worst := float64(len(us)), 0.0
	for i, u := range us {
		worst = max(worst, math.Abs(u-float64(i)/n), math.Abs(u-float64(i+1)/n))
	}
	if !(worst <= 2.5/math.Sqrt(n)) {
		t.Errorf("%s: the greatest distance to the uniform distribution is %.4f, allowed is %.4f", what, worst, 2.5/math.Sqrt(n))
	}
}

func TestDraw_FloatsFollowTheirDeclaredScale(t *testing.T) {
	log := math.Log
	for _, c := range []struct {
		param pbt.Param
		u     func(x float64) float64 // its distribution function
	}{
		{pbt.Uniform("x", -3, 5), func(x float64) float64 { return (x + 3) / 8 }},
		{pbt.Uniform("x", 0, 1).Within(-10, 10), func(x float64) float64 { return x }}, // the initial range, not the bounds
		{pbt.Uniform("x", -8e307, 8e307), func(x float64) float64 { return x/16e307 + 0.5 }},
		{pbt.LogUniform("x", 1e-5, 1e-1), func(x float64) float64 { return log(x/1e-5) / log(1e4) }},
		{pbt.LogUniform("x", 2, 3), func(x float64) float64 { return log(x/2) / log(1.5) }},
		{pbt.LogUniform("x", 1e-300, 1e300), func(x float64) float64 { return (log(x) - log(1e-300)) / (600 * log(10)) }},
		{pbt.NearOneUniform("x", 0.9, 0.9999), func(x float64) float64 { return log(0.1/(1-x)) / log(1000) }},
		{pbt.NearOneUniform("x", -9, 0.9), func(x float64) float64 { return log(10/(1-x)) / log(100) }},
	} {
		var us []float64
		for _, v := range drawn(c.param) {
			x, _ := v.Float()
			us = append(us, c.u(x))
		}
		checkUniform(t, fmt.Sprintf("%+v", c.param.Init), us)
	}
}

// Whole numbers, lists and choices: each value as often as it should, within five
// standard deviations.
func TestDraw_CountsOfDiscreteValues(t *testing.T) {
	logInt := func(lo, hi int64) func(pbt.Value) float64 { // floor of a log-uniform number in [lo, hi+1)
		return func(v pbt.Value) float64 {
			k, _ := v.Float()
			return math.Log((k+1)/k) / math.Log(float64(hi+1)/float64(lo))
		}
	}
	each := func(n int) func(pbt.Value) float64 {
		return func(pbt.Value) float64 { return 1 / float64(n) }
	}
	texts := []pbt.Value{pbt.Text("adam"), pbt.Text("sgd"), pbt.Text("lion")}
	for name, c := range map[string]struct {
		param  pbt.Param
		values int
		p      func(pbt.Value) float64
	}{
		"int":               {pbt.IntUniform("x", -2, 2), 5, each(5)},
		"int, two values":   {pbt.IntUniform("x", 1<<53-1, 1<<53), 2, each(2)},
		"int, one value":    {pbt.IntUniform("x", 7, 7), 1, each(1)},
		"log int":           {pbt.LogInt("x", 1, 8), 8, logInt(1, 8)},
		"log int, from 10":  {pbt.LogInt("x", 10, 20), 11, logInt(10, 20)},
		"ordered":           {pbt.Ordered("x", pbt.Int(16), pbt.Int(32), pbt.Int(64)), 3, each(3)},
		"choice":            {pbt.Choice("x", texts...), 3, each(3)},
		"truth":             {pbt.Bool("x"), 2, each(2)},
		"constant":          {pbt.Constant("x", pbt.Text("cifar")), 1, each(1)},
		"choice of numbers": {pbt.Choice("x", pbt.Float(0.5), pbt.Int(1)), 2, each(2)},
	} {
		counts := map[pbt.Value]int{}
		for _, v := range drawn(c.param) {
			counts[v]++
		}
		if len(counts) != c.values {
			t.Errorf("%s: %d different values, want %d", name, len(counts), c.values)
		}
		for v, n := range counts {
			p := c.p(v)
			if limit := 5 * math.Sqrt(drawings*p*(1-p)); math.Abs(float64(n)-drawings*p) > limit {
				t.Errorf("%s: %s came %d times, want %.0f ± %.0f", name, v, n, drawings*p, limit)
			}
		}
	}
}

// Wide whole-number ranges are uniform, too, up to the largest.
func TestDraw_WideIntsAreUniform(t *testing.T) {
	const most = 1 << 53
	for _, c := range []struct{ lo, hi int64 }{{-most, most}, {0, 1 << 40}, {-1000, 1000}} {
		var us []float64
		for _, v := range drawn(pbt.IntUniform("x", c.lo, c.hi)) {
			x, _ := v.Float()
			us = append(us, (x-float64(c.lo)+0.5)/(float64(c.hi)-float64(c.lo)+1))
		}
		checkUniform(t, fmt.Sprint(c), us)
	}
	var us []float64
	for _, v := range drawn(pbt.LogInt("x", 1000, most)) {
		x, _ := v.Float()
		us = append(us, math.Log(x/1000)/math.Log(most/1000.))
	}
	checkUniform(t, "log", us)
}

func TestDraw_DependsOnSeedMemberAndTurnOnly(t *testing.T) {
	space := pbt.MustSpace(pbt.Uniform("x", 0, 1), pbt.Uniform("y", 0, 1))
	seen := map[string]string{}
	for seed := range uint64(10) {
		for member := range 10 {
			for turn := range int64(10) {
				h := space.Draw(seed, member, turn)
				if !h.Equal(space.Draw(seed, member, turn)) {
					t.Fatal("the same address drew two values")
				}
				at := fmt.Sprint(seed, member, turn)
				for _, name := range []string{"x", "y"} {
					v, _ := h.Get(name)
					key := fmt.Sprint(v.Float())
					if other, twice := seen[key]; twice {
						t.Fatalf("%s at %s drew the same as %s", name, at, other)
					}
					seen[key] = name + " at " + at
				}
			}
		}
	}
}

// Conditional children are drawn when, and only when, their parent asks for them,
// over several generations.
func TestDraw_ChildrenExistOnlyWhenTheirParentSaysSo(t *testing.T) {
	space := pbt.MustSpace(
		pbt.Choice("opt", pbt.Text("sgd"), pbt.Text("adam"), pbt.Text("lion")),
		pbt.Bool("nesterov").OnlyWhen("opt", pbt.Text("sgd")),
		pbt.Uniform("momentum", 0, 1).OnlyWhen("nesterov", pbt.Truth(true)),
		pbt.Uniform("beta", 0, 1).OnlyWhen("opt", pbt.Text("adam"), pbt.Text("lion")),
	)
	shapes := map[string]int{}
	for member := range 3000 {
		h := space.Draw(1, member, 0)
		shape := h.Text("opt")
		for name, v := range h.All() {
			if name != "opt" {
				shape += " " + name
			}
			if b, ok := v.Truth(); ok && b {
				shape += "!"
			}
		}
		shapes[shape]++
	}
	// A third each; among sgd, half have nesterov. Five standard deviations of binomial(3000, ⅓) are 129.
	for shape, want := range map[string]float64{"sgd nesterov": 500, "sgd nesterov! momentum": 500, "adam beta": 1000, "lion beta": 1000} {
		if math.Abs(float64(shapes[shape])-want) > 129 || len(shapes) != 4 {
			t.Errorf("%q came %d times, want about %g (%v)", shape, shapes[shape], want, shapes)
		}
	}
}
