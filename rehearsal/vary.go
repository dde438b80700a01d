package rehearsal

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

// Numbers of the seeds that the rehearsal's segments train with, beside those by
// which it grows.
const (
	seedShort = 1000
	seedLong  = 1001
	seedExtra = 1002
	seedOther = 2000
)

// living is the open place; one is opened if need be.
func (r *rehearsal) living() *place {
	if len(r.places) == 0 {
		return r.open(1)
	}
	return r.places[0]
}

// goOn trains on in memory and in fresh processes, and compares.
func (r *rehearsal) goOn() error {
	p := r.living()
	if r.Kind == Template {
		return r.loadOnly()
	}
	lengths := []int64{1, r.steps}
	if r.steps == 1 {
		lengths = lengths[:1]
	}
	r.say("training on in memory")
	var held []*outcome
	at := r.base
	for i, steps := range lengths {
		o, err := r.train(p, task{parent: at, steps: steps, seed: r.seed(seedShort + int64(i)), hypers: r.hypers})
		if err == nil && !o.held || err != nil && hasLeft(err) {
			return r.leaves()
		}
		if err != nil {
			return firstOf(r.trouble(err, CheckHold, "training on in memory fails"), err)
		}
		held, at = append(held, o), o
	}
	if r.Memory != nil {
		r.memory = r.Memory()
	}
	r.lookForWriters()
	r.close(p)
	r.say("the same from the checkpoint, in a fresh process")
	loaded, err := r.loadAll(held)
	if err != nil {
		return firstOf(r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint"), err)
	}
	r.find(OK, CheckLoad, "", "a fresh process goes on from the checkpoint")
	last := len(held) - 1
	r.ref.held, r.ref.loaded = held[last], loaded[last]
	var again []*outcome
	if !slices.EqualFunc(held, loaded, func(a, b *outcome) bool { return same(a.Score, b.Score) }) {
		r.say("once more, to see how much it varies by itself")
		r.closeAll()
		if again, err = r.loadAll(held); err != nil {
			return firstOf(r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint the second time"), err)
		}
		r.ref.again = again[last]
	}
	r.ref.settle()
	return r.compareHeld(held, loaded, again)
}

// hasLeft tells whether a program had decided to end when it was handed a segment.
func hasLeft(err error) bool {
	return strings.Contains(err.Error(), "ended in the middle of a segment: exit status 0")
}

// leaves tells of a program that does not stay alive.
func (r *rehearsal) leaves() error {
	const says = "the program ends after a segment instead of waiting for the next"
	r.find(Wrong, CheckHold, "make it a loop over the segments: one that is about to end when it is handed a segment fails it (a program per segment is a command with placeholders)", says)
	return &jobError{err: errors.New(says)}
}

// firstOf ends the rehearsal after trouble: told, or the machine's own.
func firstOf(told, err error) error {
	if told != nil {
		return told
	}
	return err
}

// loadAll does in a fresh process what was done in memory.
func (r *rehearsal) loadAll(held []*outcome) (loaded []*outcome, err error) {
	p := r.open(1)
	for _, h := range held {
		o, err := r.train(p, h.task)
		if err != nil {
			return nil, err
		}
		loaded = append(loaded, o)
	}
	return loaded, nil
}

// settle notes what the same job has in common.
func (ref *reference) settle() {
	other := ref.again
	if other == nil {
		other = ref.held
	}
	ref.metrics = stable(ref.loaded, other)
	ref.exact = sameResult(ref.loaded, other, nil)
	ref.exactBytes = ref.loaded.saved.digest != "" && ref.loaded.saved.digest == other.saved.digest
}

// loadOnly is for what holds nothing in memory between segments.
func (r *rehearsal) loadOnly() error {
	r.say("the same segment twice from a checkpoint")
	t := task{parent: r.base, steps: 1, seed: r.seed(seedShort), hypers: r.hypers}
	short, err := r.train(r.living(), t)
	if err == nil {
		t = task{parent: short, steps: r.steps, seed: r.seed(seedLong), hypers: r.hypers}
		r.ref.loaded, err = r.train(r.living(), t)
	}
	if err == nil {
		r.ref.again, err = r.train(r.living(), t)
	}
	if err != nil {
		return firstOf(r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint"), err)
	}
	r.ref.settle()
	r.lookForWriters()
	r.find(OK, CheckLoad, "", "each program goes on from what the one before has saved")
	return nil
}

// compareHeld decides whether something that matters is in memory only.
func (r *rehearsal) compareHeld(held, loaded, again []*outcome) error {
	if again == nil {
		r.find(OK, CheckHold, "", "from the checkpoint it does to the last digit what it does in memory")
		return nil
	}
	for i := range held {
		pairs := []pair{{held[i].Score, loaded[i].Score, again[i].Score}}
		what := judge(pairs)
		for what == undecided {
			if !r.spare(r.base, 3) {
				r.leaveOut(CheckHold, fmt.Sprintf("whether the scores from the checkpoint (%s, %s) really differ from %s in memory", pbt.Score(loaded[i].Score), pbt.Score(again[i].Score), pbt.Score(held[i].Score)))
				return nil
			}
			p, err := r.anotherPair(held[i].steps, int64(len(pairs)))
			if err != nil {
				return firstOf(r.trouble(err, CheckHold, "going on fails the next time"), err)
			}
			pairs = append(pairs, p)
			what = judge(pairs)
		}
		if what == differs {
			r.tellDifference(held[i].steps, pairs)
			return nil
		}
	}
	if names := metricsApart(held, loaded, again); len(names) > 0 {
		r.find(Warning, CheckHold, forgotten, "from the checkpoint some metrics are others than in memory, and the score is not: %s", strings.Join(names, ", "))
		return nil
	}
	r.find(OK, CheckHold, "", "from the checkpoint it does what it does in memory, as far as its own noise lets one see (%.1g)", pair{0, loaded[0].Score, again[0].Score}.noise())
	return nil
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

// anotherPair goes on from where the living trainer is, in memory and twice from its checkpoint.
func (r *rehearsal) anotherPair(steps, k int64) (pair, error) {
	r.say("comparing once more")
	p := r.living()
	at := r.all[len(r.all)-1]
	h, err := r.train(p, task{parent: at, steps: steps, seed: r.seed(seedExtra + k), hypers: r.hypers})
	if err != nil {
		return pair{}, err
	}
	var scores []float64
	for range 2 {
		r.closeAll()
		loaded, err := r.loadAll([]*outcome{h})
		if err != nil {
			return pair{}, err
		}
		scores = append(scores, loaded[0].Score)
	}
	return pair{h.Score, scores[0], scores[1]}, nil
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

// vary does the reference's job with one thing changed at a time.
func (r *rehearsal) vary() error {
	if r.ref.loaded == nil {
		return nil
	}
	if err := r.varySeed(); err != nil {
		return err
	}
	return r.varyHypers()
}

func (r *rehearsal) varySeed() error {
	if !r.spare(r.base, 1) {
		r.leaveOut(CheckSeed, "whether copies with other seeds train differently")
		return nil
	}
	r.say("the same with another seed")
	t := r.ref.loaded.task
	t.seed = r.seed(seedOther)
	o, err := r.train(r.living(), t)
	if err != nil {
		return r.trouble(err, CheckSeed, "another seed makes the segment fail")
	}
	if r.identical(r.ref.loaded, o, &r.ref, false) {
		r.find(Warning, CheckSeed, "draw what is random (batches, dropout, environments) from the segment's seed, and save no generator; if nothing is random in your training, all is well",
			"another seed changes nothing: members that copy the same checkpoint with the same hyperparameters stay identical")
	} else {
		r.find(OK, CheckSeed, "", "another seed trains differently")
	}
	return r.drop(o)
}

func (r *rehearsal) varyHypers() error {
	list := changes(r.Spec.Space, r.hypers)
	if len(list) == 0 {
		return nil
	}
	if !r.spare(r.base, 1) {
		r.leaveOut(CheckHypers, "whether hyperparameters do anything")
		return nil
	}
	r.say("the same with other hyperparameters")
	t := r.ref.loaded.task
	t.hypers = allOf(r.hypers, list)
	o, err := r.train(r.living(), t)
	if err != nil {
		return r.trouble(err, CheckHypers, "from a checkpoint that was trained with other hyperparameters (%s), with %s, the segment fails", r.hypers, t.hypers)
	}
	switch {
	case r.identical(r.ref.loaded, o, &r.ref, true):
		level := Warning
		if r.steps >= r.Spec.Segment {
			level = Wrong
		}
		r.find(level, CheckHypers, "set them after loading, and read them from the segment every time, not once at the start",
			"hyperparameters do nothing: from the same checkpoint %s and %s score the same to the last digit", r.hypers, t.hypers)
		return r.drop(o)
	case len(list) == 1:
		r.find(OK, CheckHypers, "", "%s is in force after loading, and does something", list[0].name)
		return r.drop(o)
	}
	return firstOf(r.drop(o), r.varyEach(list))
}

// varyEach changes one hyperparameter after the other.
func (r *rehearsal) varyEach(list []change) error {
	if !r.ref.exact {
		r.find(Unknown, CheckHypers, "", "together the hyperparameters are taken; what each does is lost in the noise: the same segment twice scores %s and %s",
			digits(r.ref.loaded.Score, r.ref.other().Score), digits(r.ref.other().Score, r.ref.loaded.Score))
		return nil
	}
	var idle, left []string
	for _, c := range list {
		if !r.spare(r.base, 1) {
			left = append(left, c.name)
			continue
		}
		r.say("the same with another %s", c.name)
		t := r.ref.loaded.task
		t.hypers = c.hypers
		o, err := r.train(r.living(), t)
		if err != nil {
			return r.trouble(err, CheckHypers, "with %s the segment fails", t.hypers)
		}
		if r.identical(r.ref.loaded, o, &r.ref, true) {
			idle = append(idle, c.name)
		}
		if err := r.drop(o); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		r.leaveOut(CheckHypers, "what each of these does: "+strings.Join(left, ", "))
	}
	if len(idle) > 0 {
		r.find(Warning, CheckHypers, "is it set after loading, and read anew for each segment? (One that acts seldom, such as a limit, shows in longer segments only: --steps)",
			"over %s these hyperparameters changed nothing: %s", plural.Of(r.steps, "step"), strings.Join(idle, ", "))
	} else if len(left) < len(list) {
		r.find(OK, CheckHypers, "", "each hyperparameter does something (%d tried, from the checkpoint)", len(list)-len(left))
	}
	return nil
}

// other is the reference's job done another time.
func (ref *reference) other() *outcome {
	if ref.again != nil {
		return ref.again
	}
	return ref.held
}

// identical tells whether changing something has changed nothing. Where the change
// itself is saved, other bytes of the checkpoint mean nothing.
func (r *rehearsal) identical(a, b *outcome, ref *reference, isSaved bool) bool {
	if a.saved.digest != "" && a.saved.digest == b.saved.digest && !r.isFrozen() {
		return true
	}
	moves := !same(r.first.Score, r.ref.loaded.Score)
	return ref.exact && moves && (isSaved || !ref.exactBytes) && telling(a, ref.metrics) && sameResult(a, b, ref.metrics)
}

// isFrozen tells whether training changes nothing in the checkpoint.
func (r *rehearsal) isFrozen() bool {
	l := r.ref.loaded
	return l != nil && l.saved.digest != "" && l.saved.digest == r.first.saved.digest && l.saved.digest == l.parent.saved.digest
}

// startAgain begins with fresh weights where something has trained before, and with
// others.
func (r *rehearsal) startAgain() error {
	if !r.spare(r.first, 2) {
		r.leaveOut(CheckWeights, "whether members begin with different weights")
		return nil
	}
	r.say("fresh weights again, and others")
	again, err := r.train(r.living(), r.first.task)
	if err != nil {
		return r.trouble(err, CheckFresh, "a fresh start in a place that has trained before fails")
	}
	r.restarted = again.Start > 0
	ref := reference{loaded: r.first, again: again}
	ref.settle()
	if r.Kind != Template {
		if err := r.checkFresh(again, &ref); err != nil {
			return err
		}
	}
	t := r.first.task
	t.weights = pbt.WeightSeed(r.Spec.Seed, r.member, seedOther)
	if r.Kind == Template { // its weights may well come from its one {seed}
		t.seed = r.seed(seedOther)
	}
	other, err := r.train(r.living(), t)
	if err != nil {
		return r.trouble(err, CheckWeights, "fresh weights from another seed fail")
	}
	noise := 2 * overNoise * pair{0, r.first.Score, again.Score}.noise()
	switch {
	case r.identical(again, other, &ref, false):
		r.find(Warning, CheckWeights, "draw fresh weights from the weight seed (pbt.weight_seed(), segment.weight_seed, {seed}); if all are meant to begin with the same ones, such as pretrained weights, all is well",
			"another weight seed changes nothing: all members begin with identical weights")
	case ref.exact || r.isFrozen() || pair{again.Score, other.Score, other.Score}.gap() > noise:
		r.find(OK, CheckWeights, "", "another weight seed gives other weights")
	default:
		r.find(Unknown, CheckWeights, "", "whether another weight seed gives other weights is lost in the noise: the same start twice scores %s and %s", pbt.Score(r.first.Score), pbt.Score(again.Score))
	}
	return r.drop(other)
}

// checkFresh compares a fresh start in a place that has trained before with the very
// first one, and, if they differ, with one more in a new place.
func (r *rehearsal) checkFresh(again *outcome, ref *reference) error {
	switch {
	case ref.exact && r.Kind == Client:
		r.find(OK, CheckFresh, "", "a fresh start is one, also after other training")
		return nil
	case ref.exact || !r.ref.exact || !telling(r.first, nil): // a new trainer; or nothing is ever the same, or seems so by chance
		return nil
	}
	r.closeAll()
	third, err := r.train(r.living(), r.first.task)
	if err != nil {
		return r.trouble(err, CheckFresh, "a fresh start fails")
	}
	if sameResult(r.first, third, nil) {
		r.find(Wrong, CheckFresh, "make new weights and a new optimiser, and reset every counter, when a segment is fresh; or do not say fresh=True, and each fresh start gets a new process",
			"a fresh start in a process that has trained before is not one: it scores %s, and in a new process, with the same seeds, %s", digits(again.Score, third.Score), digits(third.Score, again.Score))
	}
	*ref = reference{loaded: r.first, again: third}
	ref.settle()
	r.closeAll() // for other weights, which need a start that is one
	return nil
}
