package digits

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-7a1a2db0/pbt/examples/digits/data"
)

// naiveLoss is the summed cross-entropy by the book: loops, float64, no BLAS.
func naiveLoss(weights []float64, x matrix, labels []uint8, dropout float32, rng *rand.Rand) (loss float64) {
	w1, w2 := weights[:split], weights[split:]
	for image, label := range labels {
		var h [hidden]float64
		for j := range h {
			for p := range data.Pixels {
				h[j] += float64(x.Data[image*data.Pixels+p]) * w1[p*hidden+j]
			}
			h[j] = max(0, h[j]) / (1 - float64(dropout))
			if dropout > 0 && rng.Float32() < dropout {
				h[j] = 0
			}
		}
		var out [data.Classes]float64
		sum := 0.0
		for k := range out {
			for j := range h {
				out[k] += h[j] * w2[j*data.Classes+k]
			}
			sum += math.Exp(out[k])
		}
		loss += math.Log(sum) - out[label]
	}
	return loss
}

// Every gradient agrees with the finite difference of the naive loss.
func TestGradient(t *testing.T) {
	for _, dropout := range []float32{0, 0.5} {
		n := fresh(t, 1)
		const seed, step, tolerance = 5, 1e-6, 1e-3
		x, labels := draw(data.Train(), 0.3, rand.New(rand.NewPCG(seed, 1)))
		weights := make([]float64, len(n.Weights))
		for i, w := range n.Weights {
			weights[i] = float64(w)
		}
		lossAt := func(i int, w float64) float64 {
			old := weights[i]
			defer func() { weights[i] = old }()
			weights[i] = w
			return naiveLoss(weights, x, labels, dropout, rand.New(rand.NewPCG(seed, 2)))
		}
		gradient := n.gradient(x, labels, dropout, rand.New(rand.NewPCG(seed, 2)))
		if len(gradient) != len(weights) {
			t.Fatalf("%d gradients for %d weights", len(gradient), len(weights))
		}
		for i := 0; i < len(weights); i += 37 { // a prime: all rows and columns have their turn
			want := (lossAt(i, weights[i]+step) - lossAt(i, weights[i]-step)) / (2 * step)
			if got := float64(gradient[i]); math.Abs(got-want) > tolerance*(1+math.Abs(want)) {
				t.Errorf("dropout %g, weight %d: gradient %g, finite difference %g", dropout, i, got, want)
			}
		}
	}
}

// What Eval reports is the naive loss, too.
func TestMeasuredLoss(t *testing.T) {
	n, set := fresh(t, 1), data.Validation()
	weights := make([]float64, len(n.Weights))
	for i, w := range n.Weights {
		weights[i] = float64(w)
	}
	want := naiveLoss(weights, columns(data.Pixels, set.Ink), set.Labels, 0, nil) / float64(set.Len())
	if got := evaluate(t, n).Score; math.Abs(got-want) > 1e-4 {
		t.Errorf("Eval scores %v, the naive loss is %v", got, want)
	}
}

// One weight's update, by hand: momentum, mean gradient, weight decay.
func TestDescent(t *testing.T) {
	n := fresh(t, 1)
	n.Velocity[3] = 0.5
	const seed = 9
	rng := rand.New(rand.NewPCG(seed, 0))
	x, labels := draw(data.Train(), 0.2, rng)
	gradient := n.gradient(x, labels, 0.2, rng)[3]
	velocity := 0.8*0.5 + float64(gradient)/batch + 1e-4*float64(n.Weights[3])
	weight := float64(n.Weights[3]) - 0.05*velocity
	train(t, n, 1, sensible, seed)
	if math.Abs(float64(n.Velocity[3])-velocity) > 1e-6 || math.Abs(float64(n.Weights[3])-weight) > 1e-6 {
		t.Errorf("weight %v and velocity %v, want %v and %v", n.Weights[3], n.Velocity[3], weight, velocity)
	}
}
