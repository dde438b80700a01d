package rehearsal

import (
	"maps"
	"math"
	"slices"
)

// How different results must be.
const (
	rounding = 1e-7 // of the larger: what single precision makes
	slight   = 1e-4 // of the larger: more than a checkpoint in half precision makes
	// A score that is a share of at most so many things, such as games won, is coarse:
	// two of them may be equal by chance. In single precision only fewer can be told.
	coarsest       = 10_000
	coarsestSingle = 1_000
)

// pair is a job done three times: in memory, and twice from the checkpoint.
type pair struct{ held, loaded, again float64 }

// gap is how far going on in memory is from loading.
func (p pair) gap() float64 {
	if same(p.held, p.loaded) && same(p.held, p.again) {
		return 0
	}
	if !finite(p.held) || !finite(p.loaded) || !finite(p.again) {
		if same(p.loaded, p.again) {
			return math.Inf(1)
		}
		return 0 // it diverges by chance
	}
	return min(math.Abs(p.held-p.loaded), math.Abs(p.held-p.again))
}

// noise is how far two loads are apart.
func (p pair) noise() float64 {
	if same(p.loaded, p.again) {
		return 0
	}
	return math.Abs(p.loaded - p.again)
}

// scale is what a gap is measured by.
func (p pair) scale() float64 { return max(math.Abs(p.held), math.Abs(p.loaded)) }

// verdict is what pairs say about a checkpoint.
type verdict int

const (
	agrees    verdict = iota
	undecided         // more pairs are needed
	differs
)

// size is a pair's gap as a part of the score.
func (p pair) size() float64 { return p.gap() / p.scale() }

func same(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

// coarse tells whether a number is a share of few things, or has few digits: equal
// ones mean little.
func coarse(x float64) bool { return quantum(x) > 0 }

// sameResult tells whether two outcomes say the same to the last digit. Of the
// metrics those count that are the same whenever the job is.
func sameResult(a, b *outcome, metrics []string) bool {
	if !same(a.Score, b.Score) || !slices.EqualFunc(a.Samples, b.Samples, same) {
		return false
	}
	for _, name := range metrics {
		if !same(a.Metrics[name], b.Metrics[name]) {
			return false
		}
	}
	return true
}

// stable are the metrics that two outcomes of the same job agree on.
func stable(a, b *outcome) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(a.Metrics)) {
		if other, ok := b.Metrics[name]; ok && same(a.Metrics[name], other) {
			names = append(names, name)
		}
	}
	return names
}

// telling tells whether an outcome holds a number that is not coarse.
func telling(o *outcome, metrics []string) bool {
	if !coarse(o.Score) {
		return true
	}
	return slices.ContainsFunc(metrics, func(name string) bool { return !coarse(o.Metrics[name]) })
}
