// Package quadratic is the smallest trainer there is: the paper's toy problem
// (§4, figure 2) as a model of two weights. It is built into the binary as
// `builtin: quadratic`, for trying out everything but the learning.
package quadratic

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

const weightsFile = "theta.json"

// rate is the paper's learning rate α for the surrogate.
const rate = 0.01

// model maximises Q(θ) = 1.2 − θ₀² − θ₁² by gradient ascent on the surrogate
// 1.2 − h₀θ₀² − h₁θ₁².
type model struct{ theta [2]float64 }

// New returns the paper's starting point, θ = (0.9, 0.9).
func New(uint64) (trainer.Trainer, error) { return &model{[2]float64{0.9, 0.9}}, nil }

// Step follows the surrogate's gradient, with noise if `noise` is among the
// hyperparameters.
func (m *model) Step(ctx context.Context, s trainer.Segment) error {
	h := [2]float64{s.Hypers.Float("h0"), s.Hypers.Float("h1")}
	noise := 0.0
	if v, ok := s.Hypers.Get("noise"); ok {
		noise, _ = v.Float()
	}
	r := pbt.NewRand(s.Seed, 0, 0, "noise", "")
	for range s.Steps {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for i := range m.theta {
			m.theta[i] -= rate * (2*h[i]*m.theta[i] + noise*r.Norm())
		}
	}
	return nil
}

// Eval returns Q.
func (m *model) Eval(context.Context) (trainer.Evaluation, error) {
	q := 1.2 - m.theta[0]*m.theta[0] - m.theta[1]*m.theta[1]
	return trainer.Evaluation{Score: q, Metrics: map[string]float64{"distance": math.Hypot(m.theta[0], m.theta[1])}}, nil
}

// Save writes θ.
func (m *model) Save(dir string) error {
	text, err := json.Marshal(m.theta)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, weightsFile), text, 0o666)
}

// Load reads θ.
func (m *model) Load(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, weightsFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &m.theta); err != nil {
		return fmt.Errorf("%s is not what Save wrote: %w", weightsFile, err)
	}
	return nil
}
