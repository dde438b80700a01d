package main

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/seed-7a1a2db0/pbt"
)

const (
	members = 2
	steps   = 200  // per member
	alpha   = 0.01 // of the gradient ascent
	start   = 0.9  // θ₀ and θ₁ of both members
	optimum = 1.2  // of Q, at θ = (0, 0)
)

// point is θ, the weights.
type point [2]float64

// quality is Q, what one really wants. Training never sees its gradient.
func quality(θ point) float64 { return optimum - (θ[0]*θ[0] + θ[1]*θ[1]) }

// model climbs the surrogate Q̂(θ|h) = 1.2 − (h₀θ₀² + h₁θ₁²).
var model = pbt.Model[point]{
	Init: func(*pbt.Rand) point { return point{start, start} },
	Step: func(θ point, h pbt.Hypers, _ *pbt.Rand) point {
		θ[0] -= alpha * 2 * h.Float("h0") * θ[0]
		θ[1] -= alpha * 2 * h.Float("h1") * θ[1]
		return θ
	},
	Eval: quality,
}

// space leaves h all the room it wants, as the paper does: no run comes near the
// bounds. Zero is absorbing, because that is what multiplying a 0 does.
var space = pbt.MustSpace(
	pbt.Uniform("h0", 0, 1).Within(-100, 100).AbsorbingZero(),
	pbt.Uniform("h1", 0, 1).Within(-100, 100).AbsorbingZero(),
)

// initial is the grid: each member's surrogate sees one of the two coordinates.
var initial = []pbt.Hypers{
	pbt.MakeHypers("h0", pbt.Float(1), "h1", pbt.Float(0)),
	pbt.MakeHypers("h0", pbt.Float(0), "h1", pbt.Float(1)),
}

// variant is one way to train the two members.
type variant struct {
	Name   string
	Order  pbt.Order
	Policy pbt.Policy // without its Ready, which the interval gives
}

var (
	add      = pbt.AddNoise{Sigma: 0.1}
	multiply = pbt.Perturb{Factors: []float64{0.8, 1.2}}

	grid        = asynchronous("grid", pbt.NoExploit{}, pbt.InheritBoth, pbt.NoExplore{})
	exploitOnly = asynchronous("exploit only, copy theta", pbt.Tournament{}, pbt.InheritWeights, pbt.NoExplore{})
	exploreOnly = always(asynchronous("explore only additive", pbt.NoExploit{}, pbt.InheritBoth, add))
	both        = asynchronous("exploit+explore, copy theta, add", pbt.Tournament{}, pbt.InheritWeights, add)
)

// variants are what the table shows: asynchronous ones, in which a random member
// steps next, and then those that exploit once more in lock-step, in which the two
// members step together and decide from one snapshot.
var variants = withLockStep([]variant{
	grid,
	exploitOnly,
	asynchronous("exploit only, copy theta+h", pbt.Tournament{}, pbt.InheritBoth, pbt.NoExplore{}),
	exploreOnly,
	both,
	asynchronous("exploit+explore, copy theta, x1.2/0.8", pbt.Tournament{}, pbt.InheritWeights, multiply),
	asynchronous("exploit+explore, copy theta+h, add", pbt.Tournament{}, pbt.InheritBoth, add),
	asynchronous("exploit+explore, copy theta+h, x1.2/0.8", pbt.Tournament{}, pbt.InheritBoth, multiply),
})

func asynchronous(name string, exploit pbt.Exploit, inherit pbt.Inherit, explore pbt.Explore) variant {
	return variant{name, pbt.RandomTurns, pbt.Policy{Exploit: exploit, Inherit: inherit, Explore: explore}}
}

// always explores at every ready point: without a copy, the paper's rule never would.
func always(v variant) variant {
	v.Policy.ExploreAlways = true
	return v
}

func withLockStep(vs []variant) []variant {
	for _, v := range slices.Clone(vs) {
		if v.Policy.Exploit != (pbt.NoExploit{}) {
			vs = append(vs, variant{"lock-step: " + v.Name, pbt.LockStep, v.Policy})
		}
	}
	return vs
}

// train runs a variant once. watch may be nil.
func train(v variant, interval int64, seed uint64, m pbt.Model[point], watch func(int, pbt.Record, pbt.Decision)) (pbt.Result[point], error) {
	policy := v.Policy
	policy.Ready = pbt.Every{Steps: interval}
	return pbt.Train(pbt.Options{
		Members: members, Steps: steps, Space: space, Initial: initial,
		Policy: policy, Order: v.Order, Seed: seed, Watch: watch,
	}, m)
}

// row is a line of the table: the best member's Q at the end, over all seeds.
type row struct {
	Variant  string  `json:"variant"`
	Interval int64   `json:"interval"`
	Mean     float64 `json:"mean"`
	P5       float64 `json:"p5"`
	Median   float64 `json:"median"`
	P95      float64 `json:"p95"`
}

// finals trains a variant once per seed and returns the best final Qs in order.
func finals(v variant, interval int64, first uint64, seeds int) ([]float64, error) {
	best := make([]float64, seeds)
	for i := range best {
		r, err := train(v, interval, first+uint64(i), model, nil)
		if err != nil {
			return nil, fmt.Errorf("training %s: %w", v.Name, err)
		}
		best[i] = float64(r.Best.Score)
	}
	slices.Sort(best)
	return best, nil
}

// summarise makes a row of the best final Qs, which must be in order.
func summarise(v variant, interval int64, best []float64) row {
	at := func(p float64) float64 { return stat.Quantile(p, stat.LinInterp, best, nil) }
	return row{v.Name, interval, stat.Mean(best, nil), at(0.05), at(0.5), at(0.95)}
}
