package sim

import (
	"fmt"
	"math"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// weights are the simulated θ. Their hash covers everything they were ever trained
// with, in order: fresh from which seed, under which hyperparameters, with which
// random numbers. Whatever is mixed up on the way, the hash shows it.
type weights struct {
	hash     uint64
	quality  float64
	diverged bool // as NaN weights do, they stay so
}

// model is what trains. All it does follows from its arguments: that is what makes
// a segment handed out twice end in the same weights.
type model struct {
	seed     uint64
	minimize bool
	grain    float64 // scores are rounded to its multiples, so that some are equal; 0: not
	samples  bool    // reports single results with its scores
	diverge  float64 // how often weights become NaN for good
	glitch   float64 // how often a score is not finite though the weights are sound
	fail     float64 // how often an attempt ends in an error or a panic
	poison   float64 // share of hyperparameters under which every attempt does
	cliff    float64 // share of steps from which on every attempt does
	done     float64 // how often a member ends by itself
	miscount float64 // how often a segment trains fewer or more steps than were asked for
}

// fresh are new weights. first is the first random number at their seed.
func (m *model) fresh(first uint64) weights { return weights{hash: mix(first ^ 0xf7e54)} }

// step trains weights. first is the first random number at the training seed.
func (m *model) step(w weights, h pbt.Hypers, first uint64) weights {
	settings := hashHypers(h)
	hash := mix(mix(w.hash^settings) + first)
	return weights{
		hash:     hash,
		quality:  w.quality*0.9 + unit(settings^m.seed)/2 + unit(hash)/2,
		diverged: w.diverged || unit(hash^1) < m.diverge,
	}
}

// trained is how many steps were trained of those asked for, on the way to weights.
func (m *model) trained(w weights, asked int64) int64 {
	if u := unit(w.hash ^ 6); u < m.miscount {
		return 1 + int64(mix(w.hash^7)%uint64(2*asked))
	}
	return asked
}

// counted is that number as a report gives it: not at all where it may be left out.
func (m *model) counted(w weights, asked int64) *int64 {
	trained := m.trained(w, asked)
	if trained == asked && w.hash%2 == 0 {
		return nil
	}
	return &trained
}

// ends tells whether the trainer says that weights need no more training.
func (m *model) ends(w weights) bool { return unit(w.hash^8) < m.done }

// score is what weights are worth.
func (m *model) score(w weights) pbt.Score {
	if w.diverged {
		return pbt.Score(math.NaN())
	}
	if unit(w.hash^2) < m.glitch {
		return [...]pbt.Score{pbt.Score(math.NaN()), pbt.Score(math.Inf(1)), pbt.Score(math.Inf(-1))}[w.hash%3]
	}
	s := w.quality
	if m.grain > 0 {
		s = math.Round(s/m.grain) * m.grain
	}
	if m.minimize {
		s = -s
	}
	return pbt.Score(s)
}

// single are the single results behind a score.
func (m *model) single(w weights) []float64 {
	if !m.samples {
		return nil
	}
	var out []float64
	for k := range w.hash % 4 {
		out = append(out, w.quality+unit(w.hash^(3+k)))
	}
	return out
}

// bytes is how much room a checkpoint of the weights takes.
func (m *model) bytes(w weights) int64 { return 50 + int64(w.hash%101) }

// fault is how an attempt at a segment fails in the trainer, "" if it does not.
// The text holds what real ones hold: quotes, newlines, bytes that are no UTF-8.
func (m *model) fault(h pbt.Hypers, from int64, seed uint64) (machine.FailureKind, string) {
	switch u := unit(seed ^ m.seed); {
	case unit(mix(uint64(from))^m.seed^5) < m.cliff:
		return machine.FailError, fmt.Sprintf("exit status 1: step %d never works", from)
	case unit(hashHypers(h)^m.seed^4) < m.poison:
		return machine.FailError, "exit status 1: these settings never work"
	case u < m.fail/2:
		return machine.FailError, "exit status 2:\nRuntimeError(\"CUDA <out of memory>\")\xff\xfe"
	case u < m.fail:
		return machine.FailPanic, "panic: index out of range ☠"
	}
	return "", ""
}

func hashHypers(h pbt.Hypers) uint64 {
	hash := uint64(0xcbf29ce484222325)
	for _, c := range h.AppendJSON(nil) {
		hash = (hash ^ uint64(c)) * 0x100000001b3
	}
	return mix(hash)
}

// first is the first number that a trainer draws from a seed it is given.
func first(seed uint64) uint64 { return mix(seed + 0x9e3779b97f4a7c15) }

// sameScore tells whether two scores are the same, NaN included.
func sameScore(a, b pbt.Score) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
}
