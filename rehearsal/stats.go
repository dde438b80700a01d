package rehearsal

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// The statistics of noisy trainers. Levels are probabilities of a false alarm.
const (
	memoryLevel = 0.001 // that a trainer which forgets nothing is accused, over all looks at the pairs
	changeLevel = 0.01  // that a change without effect is taken for one with an effect
	sampleLevel = 0.01  // of a Welch test of the samples, in each of fewPairs pairs
	sameLevel   = 0.05  // of a Welch test by which loading twice differs: then samples tell nothing

	fewPairs   = 3   // pairs before nothing is called nothing
	mostPairs  = 6   // pairs at most
	lengths    = 2   // segments are compared at so many lengths, one step and more
	hopeless   = 3.0 // the t statistic below which more pairs are not worth their time
	replicates = 3   // segments on each side where a change is to be told from noise
	fewSamples = 5   // samples of an evaluation that are worth a test

	powerAt = 0.9 // a difference is said to be noticed if it is so with this probability
	// How large such a difference is, in standard deviations of a segment's score (of one
	// sample, divided by the root of their number): TestThePowerIsAsStated finds it so.
	detectsRuns    = 6.8
	detectsSamples = 5.8
	detectsChange  = 6.0
)

// Power is how small an effect an experiment would have noticed.
type Power struct {
	Detects     float64 `json:"detects"`     // a difference of the score
	Probability float64 `json:"probability"` // with which it is noticed
	Level       float64 `json:"level"`       // probability of a false alarm; 0 where the trainer is exact
}

// difference is Student's t of the pairs, and the standard deviation of one score. Were
// memory and checkpoint the same, the three scores of a pair would have the same
// distribution: their noise is what the two loads differ by.
func difference(pairs []pair) (t, sigma float64) {
	sum, squares := 0.0, 0.0
	finest := math.Inf(1)
	for _, p := range pairs {
		sum += p.held - (p.loaded+p.again)/2
		squares += p.noise() * p.noise()
		for _, x := range []float64{p.held, p.loaded, p.again} {
			if finest > 0 {
				finest = min(finest, quantum(x))
			}
		}
	}
	k := float64(len(pairs))
	sigma = math.Sqrt(squares / (2 * k))
	if finest > 0 && !math.IsInf(finest, 1) { // equal coarse scores are no proof that there is no noise
		sigma = max(sigma, finest)
	}
	t = math.Abs(sum/k) / (sigma * math.Sqrt(1.5/k))
	return t, sigma
}

// critical is the t statistic above which pairs differ.
func critical(pairs int) float64 {
	look := memoryLevel / (mostPairs * lengths)
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(pairs)}.Quantile(1 - look/2)
}

// judge decides whether going on in memory differs from loading.
func judge(pairs []pair) verdict {
	for _, p := range pairs {
		switch {
		case p.gap() == 0 && (!finite(p.held) || !finite(p.loaded) || !finite(p.again)):
			return agrees // it diverges by chance
		case math.IsInf(p.gap(), 1):
			return differs
		case p.gap() <= rounding*p.scale() && (p.gap() > 0 || p.noise() == 0):
			return agrees
		case p.exact():
			return differs
		}
	}
	t, _ := difference(pairs)
	k := len(pairs)
	switch {
	case t > critical(k) && oneSided(pairs):
		return differs
	case k < fewPairs:
		return undecided
	case t < hopeless || k >= mostPairs:
		return agrees
	}
	return undecided
}

// oneSided tells whether memory scores above both loads in each pair, or below both:
// with noise that is larger in some pairs than in others, t alone would see too much.
func oneSided(pairs []pair) bool {
	above, below := true, true
	for _, p := range pairs {
		above = above && p.held > max(p.loaded, p.again)
		below = below && p.held < min(p.loaded, p.again)
	}
	return above || below
}

// exact tells whether two loads agree to the last of many digits: not by chance.
func (p pair) exact() bool {
	return p.noise() == 0 && finite(p.loaded) && !(coarse(p.held) && coarse(p.loaded))
}

// trial is a pair with the samples behind its scores.
type trial struct {
	pair
	heldOnes, loadedOnes, againOnes []float64
}

func trialOf(held, loaded, again *outcome) trial {
	return trial{pair{held.Score, loaded.Score, again.Score}, held.Samples, loaded.Samples, again.Samples}
}

func pairsOf(trials []trial) []pair {
	pairs := make([]pair, len(trials))
	for i, t := range trials {
		pairs[i] = t.pair
	}
	return pairs
}

// decide judges by the scores, and by the samples where they can tell more.
func decide(trials []trial) verdict {
	for _, t := range trials {
		if repeated(t.loadedOnes, t.againOnes) { // the same samples twice: there is no noise
			if repeated(t.loadedOnes, t.heldOnes) {
				return agrees
			}
			return differs
		}
	}
	what := judge(pairsOf(trials))
	if what == differs || len(trials) < fewPairs || !sampled(trials) {
		return what
	}
	above := 0
	for _, t := range trials {
		p, up := welch(t.heldOnes, append(append([]float64(nil), t.loadedOnes...), t.againOnes...))
		if p >= sampleLevel {
			return what
		}
		if up {
			above++
		}
	}
	if above == 0 || above == len(trials) {
		return differs
	}
	return what
}

// repeated tells whether two lists of enough different samples are the same.
func repeated(a, b []float64) bool {
	if len(a) < fewSamples || len(a) != len(b) || stat.Variance(a, nil) == 0 {
		return false
	}
	for i := range a {
		if !finite(a[i]) || math.Abs(a[i]-b[i]) > rounding*math.Abs(a[i]) {
			return false
		}
	}
	return true
}

// sampled tells whether all the noise is in the samples: then a test of them is one.
func sampled(trials []trial) bool {
	for _, t := range trials {
		for _, list := range [][]float64{t.heldOnes, t.loadedOnes, t.againOnes} {
			if len(list) < fewSamples || !(stat.Variance(list, nil) > 0) { // NaN as well
				return false
			}
		}
		if p, _ := welch(t.loadedOnes, t.againOnes); p < sameLevel {
			return false
		}
	}
	return true
}

// welch is the two-sided p of Welch's t-test, and whether the first mean is larger.
func welch(a, b []float64) (p float64, up bool) {
	if len(a) < 2 || len(b) < 2 {
		return 1, false
	}
	ma, va := stat.MeanVariance(a, nil)
	mb, vb := stat.MeanVariance(b, nil)
	ea, eb := va/float64(len(a)), vb/float64(len(b))
	if !(ea+eb > 0) {
		if ma != mb && ea+eb == 0 {
			return 0, ma > mb
		}
		return 1, false
	}
	t := (ma - mb) / math.Sqrt(ea+eb)
	nu := (ea + eb) * (ea + eb) / (ea*ea/float64(len(a)-1) + eb*eb/float64(len(b)-1))
	return 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: nu}.Survival(math.Abs(t)), t > 0
}

// powerOf is how small a difference of the score the trials would have shown.
func powerOf(trials []trial) Power {
	for _, t := range trials {
		if t.exact() || repeated(t.loadedOnes, t.againOnes) {
			return Power{Detects: rounding * t.scale(), Probability: 1}
		}
	}
	_, sigma := difference(pairsOf(trials))
	p := Power{Detects: detectsRuns * sigma, Probability: powerAt, Level: memoryLevel}
	if len(trials) >= fewPairs && sampled(trials) {
		sum, n := 0.0, 0.0
		for _, t := range trials {
			sum += stat.Variance(t.loadedOnes, nil) / float64(len(t.loadedOnes))
			n++
		}
		p.Detects = min(p.Detects, detectsSamples*math.Sqrt(sum/n))
	}
	return p
}

// acts tells by the scores of some segments with a change and without whether the
// change has an effect beyond the noise.
func acts(without, with []*outcome) bool {
	a, b := scoresOf(without), scoresOf(with)
	if len(a) < replicates || len(b) < replicates {
		return false
	}
	p, _ := welch(a, b)
	return p < changeLevel
}

// noiseOf is the standard deviation of a score, by two of the same job.
func noiseOf(a, b *outcome) float64 { return math.Abs(a.Score-b.Score) / math.Sqrt2 }

func scoresOf(list []*outcome) (scores []float64) {
	for _, o := range list {
		if finite(o.Score) {
			scores = append(scores, o.Score)
		}
	}
	return scores
}

// quantum is the step in which a coarse number moves: 1/n for a share of n; 0 for a
// number with many digits, infinite for one that is not finite.
func quantum(x float64) float64 {
	if !finite(x) {
		return math.Inf(1)
	}
	n := shareOf(x, coarsest, 1e-15)
	if n == 0 && float64(float32(x)) == x {
		n = shareOf(x, coarsestSingle, 1e-7)
	}
	if n == 0 {
		return 0
	}
	return 1 / float64(n)
}

// shareOf is the denominator, up to most, of the fraction that a number is, but for a
// relative error; 0 if it is none.
func shareOf(x float64, most int, precision float64) int {
	for n := 1; n <= most; n++ {
		if y := x * float64(n); math.Abs(y-math.Round(y)) <= precision*math.Abs(y) {
			return n
		}
	}
	return 0
}
