package pbt_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// randomSpace declares up to twelve parameters of every type, with plain and with
// extreme ranges, conditions included.
func randomSpace(r *pbt.Rand) *pbt.Space {
	var params []pbt.Param
	for i := range 1 + r.IntN(12) {
		p := randomParam(fmt.Sprintf("p%d", i), r)
		if len(params) > 0 && r.IntN(3) == 0 {
			if parent := params[r.IntN(len(params))]; parent.Type == pbt.ChoiceParam || parent.Type == pbt.OrderedParam {
				p = p.OnlyWhen(parent.Name, parent.Values[r.IntN(len(parent.Values))])
			}
		}
		p.Keep, p.Fixed, p.StickyZero = r.IntN(6) == 0, r.IntN(6) == 0, r.IntN(4) == 0
		params = append(params, p)
	}
	return pbt.MustSpace(params...)
}

func randomParam(name string, r *pbt.Rand) pbt.Param {
	pick := func(params ...pbt.Param) pbt.Param { return params[r.IntN(len(params))] }
	const most = 1 << 53
	switch r.IntN(6) {
	case 0:
		return pick(
			pbt.Uniform(name, 0, 1), pbt.Uniform(name, -1, 1).Within(-3, 3), pbt.Uniform(name, -0.5e308, 0.5e308),
			pbt.Uniform(name, 0, 5e-324), pbt.Uniform(name, -5e-324, 1e-310), pbt.Uniform(name, 1, math.Nextafter(1, 2)),
			pbt.Uniform(name, -9, -1), pbt.Uniform(name, 3, 3), pbt.Uniform(name, 0.2, 0.3).Within(-1e300, 1e300),
		)
	case 1:
		return pick(pbt.LogUniform(name, 1e-5, 1e-1), pbt.LogUniform(name, 5e-324, 1e308), pbt.LogUniform(name, 5e-324, 1e-322), pbt.LogUniform(name, 1, 2).Within(0.5, 1e9))
	case 2:
		return pick(pbt.NearOneUniform(name, 0.9, 0.9999), pbt.NearOneUniform(name, -1e308, 0.5), pbt.NearOneUniform(name, 0.5, math.Nextafter(1, 0)), pbt.NearOneUniform(name, 0.99, 0.995).Within(0, 0.999))
	case 3:
		return pick(
			pbt.IntUniform(name, 0, 1), pbt.IntUniform(name, 1, 8), pbt.IntUniform(name, -most, most), pbt.IntUniform(name, most-1, most),
			pbt.IntUniform(name, -5, -1), pbt.IntUniform(name, 4, 4), pbt.LogInt(name, 1, most), pbt.LogInt(name, 16, 512).Within(1, 4096),
		)
	case 4:
		return pick(pbt.Ordered(name, pbt.Int(1)), pbt.Ordered(name, pbt.Int(16), pbt.Float(0.5), pbt.Text("x")), pbt.Constant(name, pbt.Text("c")))
	}
	return pick(pbt.Bool(name), pbt.Choice(name, pbt.Text("only")), pbt.Choice(name, pbt.Text("a"), pbt.Text("b"), pbt.Int(3)))
}

func randomExplorer(r *pbt.Rand) pbt.Explore {
	explorers := []pbt.Explore{
		pbt.Perturb{}, pbt.Perturb{Factors: []float64{0.5, 2}, Resample: 1}, pbt.Perturb{Factors: []float64{1e-300, 1e300, math.MaxFloat64, 5e-324}},
		pbt.Perturb{Factors: []float64{math.Nextafter(1, 2), math.Nextafter(1, 0)}}, pbt.Resample{P: 0.5}, pbt.AddNoise{Sigma: 0.1}, pbt.AddNoise{Sigma: math.MaxFloat64},
	}
	e := explorers[r.IntN(len(explorers))]
	if r.IntN(4) == 0 {
		return pbt.Pipeline{e, explorers[r.IntN(len(explorers))]}
	}
	return e
}

// A hundred thousand moves in random spaces, by every explorer and by copying
// between members: nothing ever leaves its bounds, type or condition.
func TestPain6_HypersNeverLeaveTheirBounds(t *testing.T) {
	moved := 0
	for seed := range uint64(1000) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		space := randomSpace(r)
		pop := pbt.NewPopulation(4, pbt.Maximize, seed)
		var held [4]pbt.Hypers
		for i := range held {
			held[i] = space.Draw(seed, i, 0)
		}
		policy := pbt.Policy{Exploit: pbt.Tournament{}, Inherit: pbt.Inherit(r.IntN(3)), ExploreAlways: r.IntN(2) == 0}
		for turn := range int64(120) {
			i := r.IntN(len(held))
			policy.Explore = randomExplorer(r)
			score := pbt.Score(r.Float64())
			if r.IntN(20) == 0 {
				score, policy.Repair = pbt.Score(nan), pbt.Repair(r.IntN(3))
			}
			pop.Set(i, pbt.Record{Segment: turn + 1, Score: score, Hypers: held[i], Saved: true})
			d := policy.Decide(pop, space, pbt.Standing{Member: i, Turn: turn + 1, Segment: turn + 1, Hypers: held[i]})
			if err := space.Check(d.Hypers); err != nil {
				t.Fatalf("seed %d, turn %d, %s by %s: %s became %s: %v", seed, turn, brief(d), policy.Explore.Name(), held[i], d.Hypers, err)
			}
			checkUntouched(t, space, held[i], d)
			held[i] = d.Hypers
			moved++
		}
	}
	if moved < 100_000 {
		t.Errorf("only %d moves", moved)
	}
}

// checkUntouched: what is constant, kept or not explored has no change on record,
// and what a copy may not take over is still one's own.
func checkUntouched(t *testing.T, space *pbt.Space, own pbt.Hypers, d pbt.Decision) {
	t.Helper()
	for _, c := range d.Changes {
		p, _ := space.Param(c.Name)
		comes := c.From.Kind() == 0 || c.To.Kind() == 0
		if (p.Keep || p.Fixed || p.Type == pbt.ConstantParam) && !comes {
			t.Fatalf("%s was explored: %s", c.Name, c)
		}
	}
	for _, p := range space.Params() {
		before, had := own.Get(p.Name)
		after, has := d.Hypers.Get(p.Name)
		if p.Keep && had && has && before != after && p.When == nil {
			t.Fatalf("%s is not inherited, but went from %s to %s", p.Name, before, after)
		}
	}
}

// What a change says is what happened: From and To are the values before and after.
func TestExplore_ChangesTellTheWholeStory(t *testing.T) {
	for seed := range uint64(2000) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		space := randomSpace(r)
		h := space.Draw(seed, 0, 0)
		var e pbt.Explore
		for e == nil || e.Name() == "pipeline" { // its stages change one after the other
			e = randomExplorer(r)
		}
		out, changes := e.Explore(space, h, pbt.Address{Seed: seed})
		told := map[string]pbt.Change{}
		for _, c := range changes {
			told[c.Name] = c
		}
		for _, p := range space.Params() {
			before, _ := h.Get(p.Name)
			after, _ := out.Get(p.Name)
			c, ok := told[p.Name]
			if ok && (c.From != before || c.To != after) || !ok && before != after {
				t.Fatalf("seed %d, %s: %s went from %v to %v, the change says %v", seed, e.Name(), p.Name, before, after, c)
			}
		}
	}
}

func FuzzSpace(f *testing.F) {
	f.Add(0.0, 1.0, 0.0, 0.0, uint8(1), uint8(0), 0.8, uint64(1))
	f.Add(1e-5, 0.1, 1e-6, 1.0, uint8(1), uint8(1), 1.2, uint64(2))
	f.Add(0.9, 0.9999, 0.0, 0.0, uint8(1), uint8(2), 2.0, uint64(3))
	f.Add(1.0, 64.0, -64.0, 128.0, uint8(2), uint8(0), 0.5, uint64(4))
	f.Add(-1e308, 5e-324, -1e308, 7e307, uint8(1), uint8(0), 1e300, uint64(5))
	f.Add(1.0, 9007199254740992.0, 0.0, 0.0, uint8(2), uint8(1), math.MaxFloat64, uint64(6))
	f.Fuzz(func(t *testing.T, lo, hi, boundLo, boundHi float64, kind, flags uint8, factor float64, seed uint64) {
		p := pbt.Param{
			Name: "x", Type: pbt.ParamType(kind), Scale: pbt.Scale(flags & 3), StickyZero: flags&4 != 0,
			Init: pbt.Range{Lo: lo, Hi: hi}, Bounds: pbt.Range{Lo: boundLo, Hi: boundHi},
		}
		if kind > 2 {
			p.Values = []pbt.Value{pbt.Float(lo), pbt.Float(hi), pbt.Int(int64(seed))}
		}
		space, err := pbt.NewSpace(pbt.Bool("on"), p, pbt.Uniform("child", 0, 1).OnlyWhen("on", pbt.Truth(true)))
		if err != nil {
			return
		}
		e := pbt.Pipeline{pbt.Perturb{Factors: []float64{factor, 1 / factor}, Resample: 0.5}, pbt.Resample{P: 0.1}}
		if (&pbt.Policy{Explore: e}).Validate() != nil {
			e = pbt.Pipeline{pbt.Perturb{}, pbt.AddNoise{Sigma: 1}}
		}
		h := space.Draw(seed, 0, 0)
		for turn := range int64(30) {
			if err := space.Check(h); err != nil {
				t.Fatalf("%+v, factor %g, turn %d: %v", p, factor, turn, err)
			}
			h, _ = e.Explore(space, h, pbt.Address{Seed: seed, Turn: turn})
		}
	})
}
