package pbt

import (
	"fmt"
	"math"
)

// Explore varies hyperparameters. It draws from the streams at an address, one
// per parameter, so that adding a parameter changes no other's draws. What it
// returns obeys the space; it keeps no state.
type Explore interface {
	Name() string
	Explore(s *Space, h Hypers, at Address) (Hypers, []Change)
}

// NoExplore leaves hyperparameters as they are.
type NoExplore struct{}

// Name returns "none".
func (NoExplore) Name() string { return "none" }

// Explore implements Explore.
func (NoExplore) Explore(_ *Space, h Hypers, _ Address) (Hypers, []Change) { return h, nil }

// DefaultResample is how likely a choice is drawn again when others are
// perturbed, and a parameter when exploring by resampling. The paper states none;
// a quarter is the custom (Ray Tune's default, too).
const DefaultResample = 0.25

// Perturb is the paper's perturbation (§4.1.1): each hyperparameter is multiplied
// by a factor drawn uniformly from Factors, in the declaration's own space, and
// kept within its bounds. An ordered list moves to a neighbour, up for a factor
// above 1. A choice has no neighbours: it is drawn again with probability Resample.
type Perturb struct {
	Factors  []float64 // positive, none of them 1; nil means 0.8 and 1.2
	Resample float64   // for choices; 0 means DefaultResample, negative never
}

var paperFactors = []float64{0.8, 1.2}

// Name returns "perturb".
func (Perturb) Name() string { return "perturb" }

// Explore implements Explore.
func (e Perturb) Explore(s *Space, h Hypers, at Address) (Hypers, []Change) {
	factors := e.Factors
	if len(factors) == 0 {
		factors = paperFactors
	}
	return s.rebuild(h, at, func(p *Param, v Value, at Address) (Value, string) {
		if !p.moves() {
			return v, ""
		}
		r := at.rand(purposeExplore, p.Name)
		if p.Type == ChoiceParam {
			return resample(p, v, orDefault(e.Resample, DefaultResample), &r)
		}
		return p.scale(v, factors[r.IntN(len(factors))])
	})
}

// Resample is the paper's other explorer: each hyperparameter is drawn anew from
// its initial range with probability P.
type Resample struct {
	P float64 // in (0, 1]; 0 means DefaultResample
}

// Name returns "resample".
func (Resample) Name() string { return "resample" }

// Explore implements Explore.
func (e Resample) Explore(s *Space, h Hypers, at Address) (Hypers, []Change) {
	return s.rebuild(h, at, func(p *Param, v Value, at Address) (Value, string) {
		if !p.moves() {
			return v, ""
		}
		r := at.rand(purposeExplore, p.Name)
		return resample(p, v, orDefault(e.P, DefaultResample), &r)
	})
}

func resample(p *Param, v Value, probability float64, r *Rand) (Value, string) {
	if !(r.Float64() < probability) {
		return v, ""
	}
	return p.draw(r), opDrawn
}

func orDefault(x, def float64) float64 {
	if x == 0 {
		return def
	}
	return x
}

// AddNoise adds a normal number with standard deviation Sigma, in the parameter's
// own units, to every float; other types are left alone. Reproductions of the
// paper's figure 2 explore so.
type AddNoise struct {
	Sigma float64 // positive
}

// Name returns "noise".
func (AddNoise) Name() string { return "noise" }

// Explore implements Explore.
func (e AddNoise) Explore(s *Space, h Hypers, at Address) (Hypers, []Change) {
	return s.rebuild(h, at, func(p *Param, v Value, at Address) (Value, string) {
		if !p.moves() || p.Type != FloatParam {
			return v, ""
		}
		r := at.rand(purposeExplore, p.Name)
		x, _ := v.Float()
		return p.bounded(x+e.Sigma*r.Norm(), opAdd)
	})
}

// Pipeline explores by several rules in turn, each on what the one before left.
type Pipeline []Explore

// Name returns "pipeline".
func (Pipeline) Name() string { return "pipeline" }

// Explore implements Explore.
func (e Pipeline) Explore(s *Space, h Hypers, at Address) (Hypers, []Change) {
	return e.run(s, h, &at)
}

// run counts the stages through pipelines within pipelines: no two draw the same.
func (e Pipeline) run(s *Space, h Hypers, at *Address) (Hypers, []Change) {
	var all, changes []Change
	for _, stage := range e {
		if inner, ok := stage.(Pipeline); ok {
			h, changes = inner.run(s, h, at)
		} else {
			h, changes = stage.Explore(s, h, *at)
			at.Stage++
		}
		all = append(all, changes...)
	}
	return h, all
}

// MaxStages and MaxFactors bound an explorer's lists.
const (
	MaxStages  = 10
	MaxFactors = 100
)

func (e Perturb) validate() error {
	if len(e.Factors) > MaxFactors {
		return fmt.Errorf("perturb has %d factors, at most %d are allowed", len(e.Factors), MaxFactors)
	}
	for _, f := range e.Factors {
		if !(f > 0) || math.IsInf(f, 0) || f == 1 {
			return fmt.Errorf("perturb factor %g: want a positive number other than 1, such as 0.8 or 1.2", f)
		}
	}
	if e.Resample > 1 || math.IsNaN(e.Resample) {
		return fmt.Errorf("perturb: the probability of drawing a choice anew is %g: want at most 1", e.Resample)
	}
	return nil
}

func (e Resample) validate() error {
	if e.P == 0 {
		return nil
	}
	return checkFraction("the probability of resampling", e.P, 1)
}

func (e AddNoise) validate() error {
	if !(e.Sigma > 0) || math.IsInf(e.Sigma, 0) {
		return fmt.Errorf("the noise's standard deviation is %g: want a positive number", e.Sigma)
	}
	return nil
}

func (e Pipeline) validate() error {
	if len(e) == 0 || len(e) > MaxStages {
		return fmt.Errorf("a pipeline of %d explorers: want 1 to %d", len(e), MaxStages)
	}
	for i, stage := range e {
		if stage == nil {
			return fmt.Errorf("stage %d of the pipeline is missing", i+1)
		}
		if f, ok := stage.(Follow); ok && !f.AtReady {
			return fmt.Errorf("rule %d of the pipeline follows a schedule at every step, and the rules beside it change values at ready points: follow the schedule alone, or set AtReady", i+1)
		}
		if err := validateRule(stage); err != nil {
			return err
		}
	}
	return nil
}

// validateRule asks a rule of this package to check its settings; a user's own
// rule checks itself.
func validateRule(rule any) error {
	if v, ok := rule.(interface{ validate() error }); ok {
		return v.validate()
	}
	return nil
}

func (t Truncation) validate() error {
	if t.Fraction == 0 {
		return nil
	}
	return checkFraction("truncation's fraction", t.Fraction, 0.5)
}

func (t TTest) validate() error {
	if t.Alpha == 0 {
		return nil
	}
	return checkFraction("the t-test's alpha", t.Alpha, 0.5)
}
