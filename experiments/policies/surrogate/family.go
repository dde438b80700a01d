package main

import (
	"math"

	"github.com/seed-7a1a2db0/pbt"
)

// A family is a kind of training curve: what a segment does to a member's state under its
// hyperparameters. One seed is one instance of a family. All policies see the same
// instance, the same first hyperparameters and weights and, member by member and turn by turn, the same
// random numbers: a policy that never copies is the random search, number for number.
type family struct {
	name string
	says string // what it stands for

	// params are its hyperparameters: decades of a log range, or 0 for the range 0 to 1.
	params []float64
	lowest float64 // the first value of a uniform range, as a share; 0 unless said

	// begin draws what differs between the first weights of members; may be nil.
	begin func(s *numbers, inst instance, r *pbt.Rand)
	// segment trains for one segment; h are hyperparameters as shares of their ranges, of is the budget in segments.
	segment func(s *numbers, h []float64, inst instance, of float64, r *pbt.Rand)
	// worth is the true score. A reported one has normal noise with standard deviation noise.
	worth   func(s *numbers) float64
	noise   float64
	heldOut bool // written after the policies of the study were fixed
}

// numbers are a member's weights: six numbers with a meaning of their own in each family.
type numbers [6]float64

// state is what a copy takes over, and the newest report's noise.
type state struct {
	s     numbers
	noise float64
}

// instance is what differs between two seeds of a family: uniform in [0, 1).
type instance [3]float64

var paramNames = [...]string{"rate", "second", "third"}

// space declares the family's hyperparameters.
func (f *family) space() *pbt.Space {
	var params []pbt.Param
	for i, decades := range f.params {
		if decades > 0 {
			params = append(params, pbt.LogUniform(paramNames[i], 1, math.Pow(10, decades)))
		} else {
			params = append(params, pbt.Uniform(paramNames[i], f.lowest, 1).Within(0, 1))
		}
	}
	return pbt.MustSpace(params...)
}

// shares gives hyperparameters as shares of their ranges, in the order of params.
func (f *family) shares(h pbt.Hypers) (x [len(paramNames)]float64) {
	for i, decades := range f.params {
		v, _ := h.Get(paramNames[i])
		x[i], _ = v.Float()
		if decades > 0 {
			x[i] = math.Log10(x[i]) / decades
		}
	}
	return x
}

// model is one instance of the family as pbt.Train trains it.
func (f *family) model(seed uint64, segments int) pbt.Model[state] {
	var inst instance
	r := pbt.NewRand(seed, 0, 0, "surrogate", f.name)
	for i := range inst {
		inst[i] = r.Float64()
	}
	return pbt.Model[state]{
		Init: func(r *pbt.Rand) (w state) {
			if f.begin != nil {
				f.begin(&w.s, inst, r)
			}
			return w
		},
		Step: func(w state, h pbt.Hypers, r *pbt.Rand) state {
			w.noise = f.noise * r.Norm() // first, so that it does not depend on how many numbers the training draws
			x := f.shares(h)
			f.segment(&w.s, x[:], inst, float64(segments), r)
			return w
		},
		Eval: func(w state) float64 { return f.worth(&w.s) + w.noise },
	}
}

func sq(x float64) float64 { return x * x }

// bump is a bell of height 1 around the best value.
func bump(x, best, width float64) float64 { return math.Exp(-sq((x - best) / width)) }
