package pbt_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// moves are all the results that one exploration can have, with how often each
// came of 400, and what was said about it.
func moves(space *pbt.Space, h pbt.Hypers, e pbt.Explore) (map[string]int, map[string]bool) {
	counts, said := map[string]int{}, map[string]bool{}
	for turn := range int64(400) {
		out, changes := e.Explore(space, h, pbt.Address{Seed: 1, Turn: turn})
		if err := space.Check(out); err != nil {
			panic(err)
		}
		counts[out.String()]++
		for _, c := range changes {
			said[c.String()] = true
		}
	}
	return counts, said
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

// Perturb in each type's own space. want lists the two results, for 0.8 and 1.2,
// as a person reads them.
func TestPerturb_EveryTypeInItsOwnSpace(t *testing.T) {
	ladder := func(name string) pbt.Param {
		return pbt.Ordered(name, pbt.Int(16), pbt.Int(32), pbt.Int(64), pbt.Int(128))
	}
	for _, c := range []struct {
		name  string
		param pbt.Param
		from  pbt.Value
		want  []string
	}{
		{"float", pbt.Uniform("x", 1, 10), pbt.Float(5), []string{"x 5 × 0.8 = 4", "x 5 × 1.2 = 6"}},
		{"log float", pbt.LogUniform("x", 1e-5, 1), pbt.Float(0.01), []string{"x 0.01 × 0.8 = 0.008", "x 0.01 × 1.2 = 0.012"}},
		{"all negative", pbt.Uniform("x", -10, -1), pbt.Float(-5), []string{"x -5 × 0.8 = -4", "x -5 × 1.2 = -6"}},
		{"upper bound, outward", pbt.LogUniform("x", 1e-3, 1), pbt.Float(1), []string{"x 1 × 0.8 = 0.8", "x 1 × 1.2, bounded = 1"}},
		{"lower bound, outward", pbt.LogUniform("x", 1e-3, 1), pbt.Float(1e-3), []string{"x 0.001 × 0.8, bounded = 0.001", "x 0.001 × 1.2 = 0.0012"}},
		{"beyond the initial range", pbt.Uniform("x", 1, 2).Within(0.5, 20), pbt.Float(10), []string{"x 10 × 0.8 = 8", "x 10 × 1.2 = 12"}},
		{"zero is no trap", pbt.Uniform("x", 0, 1), pbt.Float(0), []string{"x 0 − 0.02, bounded = 0", "x 0 + 0.02 = 0.02"}},
		{"zero within", pbt.Uniform("x", -1, 1), pbt.Float(0), []string{"x 0 − 0.04 = -0.04", "x 0 + 0.04 = 0.04"}},
		{"near zero", pbt.Uniform("x", 0, 1), pbt.Float(0.05), []string{"x 0.05 − 0.02 = 0.03", "x 0.05 + 0.02 = 0.07"}},
		{"near zero, below", pbt.Uniform("x", -1, 1), pbt.Float(-0.05), []string{"x -0.05 + 0.04 = -0.01", "x -0.05 − 0.04 = -0.09"}},
		{"far from a zero within", pbt.Uniform("x", -10, 10), pbt.Float(-5), []string{"x -5 × 0.8 = -4", "x -5 × 1.2 = -6"}},
		{"absorbing zero", pbt.Uniform("x", 0, 1).AbsorbingZero(), pbt.Float(0), []string{"x 0 × 0.8 = 0", "x 0 × 1.2 = 0"}},
		{"absorbing, not zero", pbt.Uniform("x", 0, 1).AbsorbingZero(), pbt.Float(0.01), []string{"x 0.01 × 0.8 = 0.008", "x 0.01 × 1.2 = 0.012"}},
		{"near one", pbt.NearOneUniform("x", 0.9, 0.9999), pbt.Float(0.99), []string{"x 0.99 (1−x) × 0.8 = 0.992", "x 0.99 (1−x) × 1.2 = 0.988"}},
		{"near one, bounded", pbt.NearOneUniform("x", 0.9, 0.99), pbt.Float(0.99), []string{"x 0.99 (1−x) × 0.8, bounded = 0.99", "x 0.99 (1−x) × 1.2 = 0.988"}},
		{"int", pbt.IntUniform("x", 1, 100), pbt.Int(50), []string{"x 50 × 0.8 = 40", "x 50 × 1.2 = 60"}},
		{"int rounds half away", pbt.LogInt("x", 1, 100), pbt.Int(16), []string{"x 16 × 0.8 = 13", "x 16 × 1.2 = 19"}},
		{"int 1 moves", pbt.LogInt("x", 1, 8), pbt.Int(1), []string{"x 1 − 1, bounded = 1", "x 1 + 1 = 2"}},
		{"int 2 moves", pbt.LogInt("x", 1, 8), pbt.Int(2), []string{"x 2 − 1 = 1", "x 2 + 1 = 3"}},
		{"int 0 moves", pbt.IntUniform("x", 0, 8), pbt.Int(0), []string{"x 0 − 1, bounded = 0", "x 0 + 1 = 1"}},
		{"int 0 moves both ways", pbt.IntUniform("x", -8, 8), pbt.Int(0), []string{"x 0 − 1 = -1", "x 0 + 1 = 1"}},
		{"int -1 of negatives", pbt.IntUniform("x", -9, -1), pbt.Int(-1), []string{"x -1 + 1, bounded = -1", "x -1 − 1 = -2"}},
		{"absorbing int 0", pbt.IntUniform("x", 0, 8).AbsorbingZero(), pbt.Int(0), []string{"x 0 × 0.8 = 0", "x 0 × 1.2 = 0"}},
		{"absorbing int 1 may fall", pbt.IntUniform("x", 0, 8).AbsorbingZero(), pbt.Int(1), []string{"x 1 − 1 = 0", "x 1 + 1 = 2"}},
		{"int at 2^53", pbt.LogInt("x", 1, 1<<53), pbt.Int(1 << 53), []string{"x 9007199254740992 × 0.8 = 7205759403792794", "x 9007199254740992 × 1.2, bounded = 9007199254740992"}},
		{"ordered", ladder("x"), pbt.Int(32), []string{"x 32 next down = 16", "x 32 next up = 64"}},
		{"ordered turns round at the top", ladder("x"), pbt.Int(128), []string{"x 128 next down = 64"}},
		{"ordered turns round at the bottom", ladder("x"), pbt.Int(16), []string{"x 16 next up = 32"}},
		{"ordered of two flips", pbt.Ordered("x", pbt.Text("s"), pbt.Text("l")), pbt.Text("s"), []string{"x s next up = l"}},
		{"one value: untouched", pbt.Ordered("x", pbt.Int(3)), pbt.Int(3), nil},
		{"one choice: untouched", pbt.Choice("x", pbt.Int(3)), pbt.Int(3), nil},
		{"one float: untouched", pbt.Uniform("x", 3, 3), pbt.Float(3), nil},
		{"one int: untouched", pbt.IntUniform("x", 3, 3), pbt.Int(3), nil},
		{"constant: untouched", pbt.Constant("x", pbt.Float(3)), pbt.Float(3), nil},
		{"not explored", pbt.Uniform("x", 1, 9).NotExplored(), pbt.Float(3), nil},
		{"not inherited", pbt.Uniform("x", 1, 9).NotInherited(), pbt.Float(3), nil},
	} {
		space := pbt.MustSpace(c.param)
		counts, said := moves(space, pbt.MakeHypers("x", c.from), pbt.Perturb{})
		for _, want := range c.want {
			if !said[want] {
				t.Errorf("%s: nobody said %q, but %q", c.name, want, keys(said))
			}
		}
		if len(said) != len(c.want) || (c.want == nil && len(counts) != 1) {
			t.Errorf("%s: %q, want %q (%v)", c.name, keys(said), c.want, counts)
		}
		for result, n := range counts {
			if len(counts) == 2 && (n < 150 || n > 250) { // binomial(400, ½) ± five standard deviations
				t.Errorf("%s: %s came %d times of 400", c.name, result, n)
			}
		}
	}
}

// Which way a value goes is the factor's, also where rounding forces the step.
func TestPerturb_DirectionFollowsTheFactor(t *testing.T) {
	for _, c := range []struct {
		param    pbt.Param
		from     pbt.Value
		down, up string // by a factor just below and above 1
	}{
		{pbt.LogInt("x", 1, 9), pbt.Int(4), "3", "5"},
		{pbt.IntUniform("x", -9, -1), pbt.Int(-4), "-3", "-5"}, // towards zero and away from it, as all multiplication
		{pbt.IntUniform("x", -9, 9), pbt.Int(-4), "-3", "-5"},
		{pbt.IntUniform("x", -9, 9), pbt.Int(0), "-1", "1"},
		{pbt.Uniform("x", -1, 1), pbt.Float(0.05), "0.048", "0.052"}, // near zero: by a share of the width
		{pbt.Uniform("x", -1, 1), pbt.Float(-0.05), "-0.048", "-0.052"},
		{pbt.Ordered("x", pbt.Int(1), pbt.Int(2), pbt.Int(3)), pbt.Int(2), "1", "3"},
	} {
		space := pbt.MustSpace(c.param)
		for factor, want := range map[float64]string{0.99: c.down, 1.01: c.up} {
			out, _ := pbt.Perturb{Factors: []float64{factor}}.Explore(space, pbt.MakeHypers("x", c.from), pbt.Address{})
			if got := out.String(); got != "x="+want {
				t.Errorf("%+v from %s by %g: %s, want %s", c.param.Init, c.from, factor, got, want)
			}
		}
	}
}

func TestPain7_IntOneMovesAndZeroIsNoTrap(t *testing.T) {
	space := pbt.MustSpace(pbt.IntUniform("epochs", 1, 10), pbt.Uniform("clip", 0, 1))
	h := pbt.MakeHypers("epochs", pbt.Int(1), "clip", pbt.Float(0))
	epochs, clips := map[int]bool{}, map[float64]bool{}
	for turn := range int64(500) {
		h, _ = pbt.Perturb{}.Explore(space, h, pbt.Address{Turn: turn})
		epochs[h.Int("epochs")] = true
		clips[h.Float("clip")] = true
	}
	if len(epochs) < 8 || !epochs[1] || !epochs[10] || len(clips) < 50 { // nothing times 0.8 or 1.2 rounds to 9
		t.Errorf("in 500 moves, epochs had %d values and clip %d", len(epochs), len(clips))
	}
}

func TestPerturb_ChoicesAreDrawnAgainWithTheGivenProbability(t *testing.T) {
	space := pbt.MustSpace(pbt.Choice("x", pbt.Int(0), pbt.Int(1), pbt.Int(2), pbt.Int(3)), pbt.Bool("b"))
	h := pbt.MakeHypers("x", pbt.Int(0), "b", pbt.Truth(false))
	const draws = 4000
	for resample, p := range map[float64]float64{0: 0.25, 0.5: 0.5, 1: 1, -1: 0} {
		redrawn, moved, truths := 0, 0, 0
		for turn := range int64(draws) {
			out, changes := pbt.Perturb{Resample: resample}.Explore(space, h, pbt.Address{Turn: turn})
			for _, c := range changes {
				if c.Op != "drawn anew" {
					t.Fatalf("a choice was changed by %q", c.Op)
				}
				if c.Name == "x" {
					redrawn++
				}
			}
			if out.Int("x") != 0 {
				moved++
			}
			if out.Truth("b") {
				truths++
			}
		}
		five := func(p float64) float64 { return 5*math.Sqrt(draws*p*(1-p)) + 1e-9 } // standard deviations
		if math.Abs(float64(redrawn)-draws*p) > five(p) || math.Abs(float64(moved)-draws*p*3/4) > five(p*3/4) || math.Abs(float64(truths)-draws*p/2) > five(p/2) {
			t.Errorf("resample %g: of %d, %d were drawn again, %d moved, %d truths", resample, draws, redrawn, moved, truths)
		}
	}
}

func TestExplore_ChildrenComeAndGoWithTheirParents(t *testing.T) {
	space := pbt.MustSpace(
		pbt.Ordered("layers", pbt.Int(1), pbt.Int(2)), // flips each time
		pbt.Uniform("skip", 1, 2).OnlyWhen("layers", pbt.Int(2)),
		pbt.LogUniform("lr", 1e-3, 1),
	)
	h := pbt.MakeHypers("layers", pbt.Int(1), "lr", pbt.Float(0.1))
	seen := map[float64]bool{}
	for turn := range int64(100) {
		out, changes := pbt.Perturb{}.Explore(space, h, pbt.Address{Turn: turn})
		if err := space.Check(out); err != nil {
			t.Fatal(err)
		}
		if v, exists := out.Get("skip"); exists {
			x, _ := v.Float()
			seen[x] = true
			if want := fmt.Sprintf("skip now exists, %s", v); changes[1].String() != want || changes[1].From.Kind() != 0 {
				t.Fatalf("said %q, want %q", changes[1], want)
			}
		} else if changes[1].String() != "skip exists no longer" || changes[1].To.Kind() != 0 {
			t.Fatalf("said %q", changes[1])
		}
		h = out
	}
	if len(seen) != 50 {
		t.Errorf("in 50 appearances the child was drawn as %d values", len(seen))
	}
}

// A copy takes the donor's values, but its own where `inherit: false` says so; a
// kept child that exists for the donor only is drawn. What is not explored is
// copied all the same: it belongs to the weights.
func TestInherit_KeepAndFixed(t *testing.T) {
	space := pbt.MustSpace(
		pbt.LogUniform("lr", 1e-3, 1),
		pbt.IntUniform("width", 1, 99).NotExplored(),
		pbt.Choice("mode", pbt.Int(0), pbt.Int(1)).NotExplored(),
		pbt.Uniform("noise", 0, 1).OnlyWhen("mode", pbt.Int(1)).NotInherited(),
		pbt.Constant("data", pbt.Text("digits")),
		pbt.IntUniform("fold", 0, 9).NotInherited(),
	)
	hypers := func(lr float64, width, mode, fold int64, noise ...float64) pbt.Hypers {
		h := pbt.MakeHypers("lr", pbt.Float(lr), "width", pbt.Int(width), "mode", pbt.Int(mode))
		for _, x := range noise {
			h = h.With("noise", pbt.Float(x))
		}
		return h.With("data", pbt.Text("digits")).With("fold", pbt.Int(fold))
	}
	for _, c := range []struct {
		name       string
		own, donor pbt.Hypers
		want       func(h pbt.Hypers) bool
	}{
		{"the kept child is one's own", hypers(0.1, 5, 1, 3, 0.25), hypers(0.5, 50, 1, 7, 0.75), func(h pbt.Hypers) bool { return h.Float("noise") == 0.25 }},
		{"no child when the donor's mode has none", hypers(0.1, 5, 1, 3, 0.25), hypers(0.5, 50, 0, 7), func(h pbt.Hypers) bool { _, ok := h.Get("noise"); return !ok }},
		{"a kept child oneself never had is drawn", hypers(0.1, 5, 0, 3), hypers(0.5, 50, 1, 7, 0.75), func(h pbt.Hypers) bool { return h.Float("noise") != 0.75 }},
		{"no child on either side", hypers(0.1, 5, 0, 3), hypers(0.5, 50, 0, 7), func(h pbt.Hypers) bool { return h.Len() == 5 }},
	} {
		for _, score := range []float64{1, nan} { // an exploit and a repair
			w := newWorld(t, pbt.Maximize, 1, one{unscored: true}, one{unscored: true})
			w.space = space
			w.pop.Set(0, w.record(0, one{score: score, hypers: c.own}))
			w.pop.Set(1, w.record(1, one{score: 2, hypers: c.donor}))
			d := w.decide(pbt.Policy{}, 0)
			h := d.Hypers
			if err := space.Check(h); err != nil || !d.Copies() {
				t.Fatalf("%s: %s: %v", c.name, brief(d), err)
			}
			if h.Int("width") != 50 || h.Int("fold") != 3 || h.Text("data") != "digits" || h.Int("mode") != c.donor.Int("mode") || !c.want(h) {
				t.Errorf("%s: %s from its own %s and the donor's %s", c.name, h, c.own, c.donor)
			}
			if lr := h.Float("lr"); lr != 0.5*0.8 && lr != 0.5*1.2 {
				t.Errorf("%s: lr %g is not the donor's, explored", c.name, lr)
			}
			// A restart draws all but what it keeps.
			d = w.decide(pbt.Policy{Repair: pbt.RepairRestart}, 0)
			if h := d.Hypers; score != score && (h.Int("fold") != 3 || h.Float("lr") == 0.1 || space.Check(h) != nil) {
				t.Errorf("%s: restarted with %s", c.name, h)
			}
		}
	}
}

func TestExplore_StagesOfAPipelineDrawIndependently(t *testing.T) {
	space := pbt.MustSpace(pbt.LogUniform("x", 1e-9, 1e9))
	h := pbt.MakeHypers("x", pbt.Float(1))
	twice := pbt.Pipeline{pbt.Perturb{}, pbt.Perturb{}}
	for name, pipeline := range map[string]pbt.Pipeline{
		"flat": twice, "nested last": {pbt.Perturb{}, pbt.Pipeline{pbt.Perturb{}}},
		"nested first": {pbt.Pipeline{pbt.Perturb{}}, pbt.Perturb{}}, "nested twice": {pbt.Pipeline{pbt.Pipeline{pbt.Perturb{}, pbt.Perturb{}}}},
	} {
		counts, _ := moves(space, h, pipeline)
		if len(counts) != 3 || counts["x=0.96"] < 150 || counts["x=0.96"] > 250 { // 0.64, 0.96 twice as often, 1.44
			t.Errorf("%s: %v", name, counts)
		}
		for turn := range int64(50) {
			a, _ := pipeline.Explore(space, h, pbt.Address{Turn: turn})
			if b, _ := twice.Explore(space, h, pbt.Address{Turn: turn}); !a.Equal(b) {
				t.Fatalf("%s draws otherwise than the flat pipeline: %s and %s", name, a, b)
			}
		}
	}
}

func TestExplore_AddNoiseMovesFloatsOnly(t *testing.T) {
	space := pbt.MustSpace(pbt.Uniform("x", -100, 100), pbt.IntUniform("n", 0, 9), pbt.Bool("b"), pbt.Uniform("k", 0, 1).NotExplored(), pbt.Uniform("edge", 0, 1))
	h := pbt.MakeHypers("x", pbt.Float(1), "n", pbt.Int(5), "b", pbt.Truth(true), "k", pbt.Float(0.5), "edge", pbt.Float(1))
	var xs []float64
	for turn := range int64(4000) {
		out, changes := pbt.AddNoise{Sigma: 0.5}.Explore(space, h, pbt.Address{Turn: turn})
		xs = append(xs, out.Float("x"))
		if out.Int("n") != 5 || !out.Truth("b") || out.Float("k") != 0.5 || len(changes) != 2 || out.Float("edge") > 1 {
			t.Fatalf("noise made %s of %s (%v)", out, h, changes)
		}
		if said := changes[1].Op; (said == "+ noise, bounded") != (out.Float("edge") == 1 || out.Float("edge") == 0) {
			t.Fatalf("said %q of %g", said, out.Float("edge"))
		}
	}
	// Five standard errors of 4000 normal draws with σ = 0.5: 0.04 of the mean, 0.028 of σ.
	if mean, variance := moments(xs); math.Abs(mean-1) > 0.04 || math.Abs(math.Sqrt(variance)-0.5) > 0.028 {
		t.Errorf("mean %.3f and standard deviation %.3f of the noise, want 1 and 0.5", mean, math.Sqrt(variance))
	}
}

func TestNoExplore_LeavesEverything(t *testing.T) {
	h := smallSpace.Draw(1, 2, 3)
	if out, changes := (pbt.NoExplore{}).Explore(smallSpace, h, pbt.Address{}); !out.Equal(h) || changes != nil {
		t.Errorf("%s became %s", h, out)
	}
}

func TestExplore_NamesOfTheRules(t *testing.T) {
	var names []string
	for _, rule := range []interface{ Name() string }{
		pbt.Truncation{}, pbt.TTest{}, pbt.Tournament{}, pbt.NoExploit{}, pbt.Perturb{}, pbt.Resample{}, pbt.AddNoise{}, pbt.Pipeline{}, pbt.NoExplore{},
	} {
		names = append(names, rule.Name())
	}
	if got := strings.Join(names, " "); got != "truncation ttest tournament none perturb resample noise pipeline none" {
		t.Error("journals and files use these names; they are now:", got)
	}
}

// Adding a parameter to a space changes nobody else's draws, in the first
// hyperparameters and in every explorer.
func TestExplore_AnotherParameterChangesNoDraw(t *testing.T) {
	a, b, c := pbt.LogUniform("a", 1e-3, 1), pbt.Choice("b", pbt.Int(1), pbt.Int(2), pbt.Int(3)), pbt.LogInt("c", 1, 1000)
	small, large := pbt.MustSpace(a, c), pbt.MustSpace(b, a, pbt.Uniform("d", 0, 1), c)
	for turn := range int64(300) {
		at := pbt.Address{Seed: 5, Member: 3, Turn: turn}
		h, g := small.Draw(5, 3, turn), large.Draw(5, 3, turn)
		for _, e := range []pbt.Explore{pbt.NoExplore{}, pbt.Perturb{}, pbt.Resample{P: 0.5}, pbt.AddNoise{Sigma: 0.1}, pbt.Pipeline{pbt.Perturb{}, pbt.Resample{}}} {
			x, _ := e.Explore(small, h, at)
			y, _ := e.Explore(large, g, at)
			if x.Float("a") != y.Float("a") || x.Int("c") != y.Int("c") {
				t.Fatalf("%s, turn %d: %s in the small space, %s in the large one", e.Name(), turn, x, y)
			}
		}
	}
}
