package rehearsal

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

// compareHeld decides whether something that matters is in memory only.
func (r *rehearsal) compareHeld(held, loaded, again []*outcome) error {
	var power Power
	for i := range held {
		trials, what, err := r.compareAt(trialOf(held[i], loaded[i], again[i]), held[i].steps)
		switch {
		case err != nil:
			return firstOf(r.trouble(err, CheckHold, "the comparison of memory and checkpoint fails"), err)
		case what == undecided:
			r.leaveOut(CheckHold, fmt.Sprintf("whether the scores from the checkpoint (%s, %s) differ from %s in memory", pbt.Score(loaded[i].Score), pbt.Score(again[i].Score), pbt.Score(held[i].Score)))
			return nil
		case what == differs:
			r.tellDifference(held[i].steps, pairsOf(trials))
			return nil
		}
		power = powerOf(trials) // of the longer segment, which comes last
	}
	if names := metricsApart(held, loaded, again); len(names) > 0 {
		r.find(Warning, CheckHold, forgotten, "metrics differ between memory and checkpoint, the score does not: %s", strings.Join(names, ", "))
		return nil
	}
	r.tellAgreement(power)
	return nil
}

// compareAt makes pairs of segments in memory and from the checkpoint until they tell.
func (r *rehearsal) compareAt(first trial, steps int64) (trials []trial, what verdict, err error) {
	trials = []trial{first}
	for what = decide(trials); what == undecided; what = decide(trials) {
		if !r.spare(r.base, 4) {
			return trials, undecided, nil
		}
		t, err := r.anotherTrial(steps, int64(len(trials)))
		if err != nil {
			return nil, undecided, err
		}
		trials = append(trials, t)
	}
	return trials, what, nil
}

// tellAgreement says what the comparison would have shown.
func (r *rehearsal) tellAgreement(power Power) {
	l := r.ref.loaded
	switch {
	case !r.moves():
		r.notTested(CheckHold, "the score never changes, so it cannot show what a checkpoint lacks")
		return
	case power.Level > 0:
		r.find(OK, CheckHold, "", "from the checkpoint it trains as in memory, within its noise; a difference of %.2g in the score (%.2g %%) would have been noticed with probability %.0f %%",
			power.Detects, 100*power.Detects/math.Abs(l.Score), 100*power.Probability)
	case coarse(l.Score) && !telling(l, r.ref.metrics):
		power.Detects = quantum(l.Score)
		r.find(OK, CheckHold, "", "from the checkpoint it scores the same as in memory; the score is coarse: a loss that changes it by less than %.2g goes unnoticed", power.Detects)
	default:
		r.find(OK, CheckHold, "", "from the checkpoint it scores to the last digit what it scores in memory; a loss that changes the score by one part in %.0g would have shown", 1/rounding)
	}
	r.powerIs(power)
}

const forgotten = "something is not in the checkpoint: the optimiser's state, batch-norm statistics, normalisers of inputs or rewards, a step counter that a schedule follows; " +
	"or random numbers go on from a generator in memory: make it from the segment's seed"

func (r *rehearsal) tellDifference(steps int64, pairs []pair) {
	p := pairs[0]
	level, how := Wrong, ""
	if p.size() < slight {
		level, how = Warning, " slightly"
	}
	r.find(level, CheckHold, forgotten, "%s later the score is%s another one from the checkpoint (%s) than in memory (%s), with the same seed", plural.Of(steps, "step"), how, digits(p.loaded, p.held), digits(p.held, p.loaded))
}

// digits shows as much of a number as sets it apart from another.
func digits(x, other float64) string {
	for n := 4; n < 17; n++ {
		if text := fmt.Sprintf("%.*g", n, x); text != fmt.Sprintf("%.*g", n, other) {
			return text
		}
	}
	return fmt.Sprintf("%.17g", x)
}

// anotherTrial trains on from the base in a fresh process: first a segment in memory, so
// that there is something to lose, then one in memory and twice from its checkpoint. All
// trials begin at the same point, where noise is as large.
func (r *rehearsal) anotherTrial(steps, k int64) (trial, error) {
	r.say("comparing once more")
	r.closeAll()
	p := r.living()
	warm, err := r.train(p, task{parent: r.base, steps: r.steps, seed: r.seed(seedWarm + k), hypers: r.hypers})
	if err != nil {
		return trial{}, err
	}
	h, err := r.train(p, task{parent: warm, steps: steps, seed: r.seed(seedExtra + k), hypers: r.hypers})
	if err != nil {
		return trial{}, err
	}
	var loads []*outcome
	for range 2 {
		r.closeAll()
		loaded, err := r.loadAll([]*outcome{h})
		if err != nil {
			return trial{}, err
		}
		loads = append(loads, loaded[0])
	}
	return trialOf(h, loads[0], loads[1]), nil
}

// metricsApart are the metrics that loading the checkpoint twice agrees on, and going
// on in memory does not.
func metricsApart(held, loaded, again []*outcome) (names []string) {
	for i := range held {
		for _, name := range stable(loaded[i], again[i]) {
			p := pair{held[i].Metrics[name], loaded[i].Metrics[name], again[i].Metrics[name]}
			if p.size() > slight && !coarse(p.held) && !coarse(p.loaded) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
