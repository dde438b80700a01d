package rehearsal

import (
	"math"
	"math/rand/v2"
	"testing"
)

// simulated is what decide says about trials with normal noise in which memory scores
// higher than the checkpoint by so much. Each score is the mean of n samples, if n > 0.
func simulated(r *rand.Rand, shift, training float64, n int) verdict {
	draw := func(shift float64) (score float64, samples []float64) {
		mean := shift + training*r.NormFloat64()
		for range n {
			samples = append(samples, mean+math.Sqrt(float64(n))*r.NormFloat64())
			score += samples[len(samples)-1] / float64(n)
		}
		if n == 0 {
			score = mean
		}
		return score, samples
	}
	var trials []trial
	for {
		var t trial
		t.held, t.heldOnes = draw(shift)
		t.loaded, t.loadedOnes = draw(0)
		t.again, t.againOnes = draw(0)
		trials = append(trials, t)
		if what := decide(trials); what != undecided {
			return what
		}
	}
}

// The check of the memory notices what it says it notices, and its false alarms are as
// rare as it says, also where training and measuring are both noisy.
func TestThePowerIsAsStated(t *testing.T) {
	t.Parallel()
	r := random(7)
	rate := func(shift, training float64, n, times int) float64 {
		found := 0
		for range times {
			if simulated(r, shift, training, n) == differs {
				found++
			}
		}
		return float64(found) / float64(times)
	}
	for _, c := range []struct {
		name            string
		shift, training float64
		n               int
		least, most     float64
	}{
		{"a difference of the stated size, by scores", detectsRuns, 1, 0, powerAt, 0.97},
		{"a difference of the stated size, by samples", detectsSamples, 0, 20, powerAt, 0.97},
		{"no difference, by scores", 0, 1, 0, 0, 2 * memoryLevel},
		{"no difference, by samples", 0, 0, 20, 0, 2 * memoryLevel},
		{"no difference, training noise among the samples'", 0, 2, 20, 0, 2 * memoryLevel},
		{"no difference, training noise above the samples'", 0, 10, 20, 0, 2 * memoryLevel},
	} {
		if got := rate(c.shift, c.training, c.n, 4000); got < c.least || got > c.most {
			t.Errorf("%s: found with probability %.4f, want %g to %g", c.name, got, c.least, c.most)
		} else {
			t.Logf("%s: %.4f", c.name, got)
		}
	}
}

// Welch's statistic against scipy 1.17.1, as in the root's welch_test.go.
func TestWelchAgreesWithScipy(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		p    float64 // one-sided
	}{
		{[]float64{1, 2, 3, 4, 5}, []float64{2, 3, 4, 5, 7}, 0.156875804731},
		{[]float64{10, 12}, []float64{11, 19}, 0.247440472932},
		{[]float64{5, 5.1, 4.9}, []float64{5.05, 5.15, 4.95, 5.2, 5, 5.1, 5.1}, 0.156372026483},
	} {
		if p, up := welch(c.b, c.a); math.Abs(p-2*c.p) > 1e-9 || !up {
			t.Errorf("%v and %v: p %v %v", c.a, c.b, p, up)
		}
	}
	for _, c := range [][2][]float64{{{1}, {2, 3}}, {{math.NaN(), 1}, {2, 3}}, {{1, 1}, {1, 1}}} {
		if p, _ := welch(c[0], c[1]); p != 1 {
			t.Errorf("%v: %v", c, p)
		}
	}
}
