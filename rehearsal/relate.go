package rehearsal

import (
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// relation is what two outcomes say about the one thing in which their jobs differ.
type relation int

const (
	unclear relation = iota // the difference is lost in noise, or the results are too coarse
	equal                   // it has no effect
	unequal                 // it has one
)

// settle notes what the same job has in common. Coarse scores may agree by chance.
func (ref *reference) settle() {
	other := ref.other()
	ref.metrics = stable(ref.loaded, other)
	ref.exactBytes = ref.loaded.saved.digest != "" && ref.loaded.saved.digest == other.saved.digest
	sure := ref.exactBytes || telling(ref.loaded, ref.metrics) || repeated(ref.loaded.Samples, other.Samples)
	ref.exact = sure && sameResult(ref.loaded, other, nil)
}

// relate compares the outcomes of two jobs that differ in one thing. If that may be
// saved (a seed, hyperparameters), another checkpoint proves nothing.
func (r *rehearsal) relate(a, b *outcome, ref *reference, isSaved bool) relation {
	if a.saved.digest != "" && a.saved.digest == b.saved.digest && !r.isFrozen() {
		return equal
	}
	if !ref.exact {
		return unclear
	}
	if !sameResult(a, b, nil) {
		return unequal
	}
	if !coarse(a.Score) && r.moves() {
		return equal
	}
	seen := false
	for _, name := range ref.metrics {
		if copies(a, name) && copies(b, name) {
			continue // it reports a hyperparameter, and not what that does
		}
		x, y := a.Metrics[name], b.Metrics[name]
		switch {
		case coarse(x) || coarse(y):
		case !same(x, y):
			return unequal
		default:
			seen = seen || r.metricMoves(name)
		}
	}
	switch {
	case seen:
		return equal
	case !isSaved && ref.exactBytes && a.saved.digest != b.saved.digest:
		return unequal
	}
	return unclear
}

// copies tells whether a metric is the value of a hyperparameter.
func copies(o *outcome, metric string) bool {
	for _, v := range o.hypers.All() {
		if x, ok := v.Float(); ok && x == o.Metrics[metric] {
			return true
		}
	}
	return false
}

// moves tells whether the score has ever changed.
func (r *rehearsal) moves() bool {
	return slices.ContainsFunc(r.all, func(o *outcome) bool { return !same(o.Score, r.first.Score) })
}

// metricMoves tells whether a metric has ever changed.
func (r *rehearsal) metricMoves(name string) bool {
	return slices.ContainsFunc(r.all, func(o *outcome) bool { return !same(o.Metrics[name], r.first.Metrics[name]) })
}

// relateNoisy is relate; where noise hides the effect, each job is repeated and the
// scores are compared by a Welch test.
func (r *rehearsal) relateNoisy(without, with []*outcome, ref *reference, isSaved bool) (relation, error) {
	rel := r.relate(without[0], with[0], ref, isSaved)
	if rel != unclear || ref.exact || !r.moves() {
		return rel, nil
	}
	for _, side := range []*[]*outcome{&without, &with} {
		for len(*side) < replicates {
			if !r.spare(r.base, 1) {
				return unclear, nil
			}
			r.say("again, to tell an effect from noise")
			if (*side)[0].parent == nil {
				r.closeAll()
			}
			o, err := r.train(r.living(), (*side)[0].task)
			if err != nil {
				return unclear, err
			}
			*side = append(*side, o)
			if err := r.drop(o); err != nil {
				return unclear, err
			}
		}
	}
	if acts(without, with) {
		return unequal, nil
	}
	return unclear, nil
}

// tooCoarse says why an experiment has told nothing.
func (r *rehearsal) tooCoarse(ref *reference) string {
	switch {
	case !r.moves():
		return "the score never changes"
	case ref.exact:
		return "the score is too coarse: it is the same to the last digit, which may be chance"
	}
	return "it is lost in the noise: the same segment twice, with the same seed, scores " + digits(ref.loaded.Score, ref.other().Score) + " and " + digits(ref.other().Score, ref.loaded.Score)
}

// checkRepeat tells whether the same job gives the same result.
func (r *rehearsal) checkRepeat() {
	a, b := r.ref.loaded, r.ref.other()
	switch {
	case r.ref.exact:
		r.find(OK, CheckRepeat, "", "the same segment twice, with the same seed, gives the same result")
	case sameResult(a, b, nil):
		r.notTested(CheckRepeat, "the same segment twice scores "+pbt.Score(a.Score).String()+", but that is coarse: it may be by chance")
	default:
		r.find(Note, CheckRepeat, "", "noisy: the same segment twice, with the same seed, scores %s and %s; what follows is judged by statistical tests", digits(a.Score, b.Score), digits(b.Score, a.Score))
	}
}
