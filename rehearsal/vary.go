package rehearsal

import (
	"fmt"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

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

// moreSeeds are tried where a coarse score is the same with another seed by chance.
const moreSeeds = 3

func (r *rehearsal) varySeed() error {
	if !r.spare(r.base, 1) {
		r.leaveOut(CheckSeed, "whether copies with other seeds train differently")
		return nil
	}
	r.say("the same with another seed")
	rel := unclear
	for k := int64(0); rel == unclear && k < moreSeeds && r.spare(r.base, 1) && (k == 0 || r.ref.exact && r.moves()); k++ {
		t := r.ref.loaded.task
		t.seed = r.seed(seedOther + k)
		o, err := r.train(r.living(), t)
		if err != nil {
			return r.trouble(err, CheckSeed, "another seed makes the segment fail")
		}
		rel = r.relate(r.ref.loaded, o, &r.ref, true)
		if err := r.drop(o); err != nil {
			return err
		}
	}
	switch rel {
	case equal:
		r.find(Warning, CheckSeed, "draw what is random (batches, dropout, environments) from the segment's seed, and save no generator; if nothing is random in your training, all is well",
			"another seed changes nothing: members that copy the same checkpoint with the same hyperparameters stay identical")
	case unequal:
		r.find(OK, CheckSeed, "", "another seed trains differently")
	default:
		r.notTested(CheckSeed, "whether another seed trains differently: "+r.tooCoarse(&r.ref))
	}
	return nil
}

func (r *rehearsal) varyHypers() error {
	list := changes(r.Spec.Space, r.hypers)
	switch {
	case len(list) == 0:
		r.notTested(CheckHypers, "no hyperparameter varies")
		return nil
	case r.unloaded:
		r.notTested(CheckHypers, "whether hyperparameters act on a loaded checkpoint: the program does not go on from its checkpoint")
		return nil
	case !r.spare(r.base, 1):
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
	rel, err := r.relateNoisy([]*outcome{r.ref.loaded, r.ref.other()}, []*outcome{o}, &r.ref, true)
	if err != nil {
		return r.trouble(err, CheckHypers, "the segment fails when it is repeated")
	}
	switch {
	case rel == equal:
		level := Warning
		if r.steps >= r.Spec.Segment {
			level = Wrong
		}
		r.find(level, CheckHypers, "set them after loading, and read them from the segment every time, not once at the start",
			"hyperparameters do nothing: from the same checkpoint %s and %s score the same to the last digit", r.hypers, t.hypers)
	case rel == unclear:
		r.notTested(CheckHypers, "whether hyperparameters do anything: "+r.tooCoarse(&r.ref))
	case len(list) == 1:
		r.find(OK, CheckHypers, "", "%s acts on a loaded checkpoint: another value gives another result", list[0].name)
	case !r.ref.exact:
		r.find(OK, CheckHypers, "", "changed together, the hyperparameters act on a loaded checkpoint (Welch test of %d scores each, level %g)", replicates, changeLevel)
		r.powerIs(Power{Probability: powerAt, Level: changeLevel, Detects: detectsChange * noiseOf(r.ref.loaded, r.ref.other())})
		r.notTested(CheckHypers, "what each hyperparameter does: "+r.tooCoarse(&r.ref))
	default:
		return firstOf(r.drop(o), r.varyEach(list))
	}
	return r.drop(o)
}

// varyEach changes one hyperparameter after the other.
func (r *rehearsal) varyEach(list []change) error {
	var idle, left, dim []string
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
		switch r.relate(r.ref.loaded, o, &r.ref, true) {
		case equal:
			idle = append(idle, c.name)
		case unclear:
			dim = append(dim, c.name)
		}
		if err := r.drop(o); err != nil {
			return err
		}
	}
	if len(left) > 0 {
		r.leaveOut(CheckHypers, "what each of these does: "+strings.Join(left, ", "))
	}
	if len(dim) > 0 {
		r.notTested(CheckHypers, fmt.Sprintf("what each of these does: %s: %s", strings.Join(dim, ", "), r.tooCoarse(&r.ref)))
	}
	if len(idle) > 0 {
		r.find(Warning, CheckHypers, "is it set after loading, and read anew for each segment? (One that acts seldom, such as a limit, shows in longer segments only: --steps)",
			"over %s these hyperparameters changed nothing: %s", plural.Of(r.steps, "step"), strings.Join(idle, ", "))
	} else if acting := len(list) - len(left) - len(dim); acting > 0 {
		r.find(OK, CheckHypers, "", "each hyperparameter acts on a loaded checkpoint (%d tried, one at a time)", acting)
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

// isFrozen tells whether training changes nothing in the checkpoint.
func (r *rehearsal) isFrozen() bool {
	l := r.ref.loaded
	return l != nil && l.saved.digest != "" && l.saved.digest == r.first.saved.digest && l.saved.digest == l.parent.saved.digest
}

// startAgain begins with fresh weights where something has trained before, and with
// others.
func (r *rehearsal) startAgain() error {
	if !r.spare(r.first, 2) {
		r.leaveOut(CheckFresh, "whether a fresh start after other training is one")
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
	if r.Kind == Template {
		r.notTested(CheckFresh, "a program per segment begins each segment in a new process")
	} else {
		if err := r.checkFresh(again, &ref); err != nil {
			return err
		}
	}
	return r.varyWeights(again, &ref)
}

// varyWeights begins with weights from another seed. A template's weights may well come
// from its one {seed}: then that is varied.
func (r *rehearsal) varyWeights(again *outcome, ref *reference) error {
	t := r.first.task
	t.weights = pbt.WeightSeed(r.Spec.Seed, r.member, seedOther)
	says := "another weight seed gives other weights"
	other, err := r.train(r.living(), t)
	rel := unclear
	if err == nil {
		rel, err = r.relateNoisy([]*outcome{again, r.first}, []*outcome{other}, ref, false)
	}
	if err == nil && r.Kind == Template && rel != unequal {
		t.seed = r.seed(seedOther)
		says = "fresh members differ: another {seed} gives another first segment, by its weights or by its training"
		if err := r.drop(other); err != nil {
			return err
		}
		if other, err = r.train(r.living(), t); err == nil {
			rel, err = r.relateNoisy([]*outcome{again, r.first}, []*outcome{other}, ref, true)
		}
	}
	if err != nil {
		return r.trouble(err, CheckWeights, "fresh weights from another seed fail")
	}
	switch rel {
	case equal:
		r.find(Warning, CheckWeights, "draw fresh weights from the weight seed (pbt.weight_seed(), segment.weight_seed, {seed}); if all are meant to begin with the same ones, such as pretrained weights, all is well",
			"another weight seed changes nothing: all members begin with identical weights")
	case unequal:
		r.find(OK, CheckWeights, "", "%s", says)
	default:
		r.notTested(CheckWeights, "whether another weight seed gives other weights: "+r.tooCoarse(ref))
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
	case ref.exact: // a Go trainer's fresh start is a new value
		r.find(OK, CheckFresh, "", "a fresh start gives the same result as the first one")
		return nil
	case !r.ref.exact || !telling(r.first, nil): // nothing is ever the same, or seems so by chance
		r.notTested(CheckFresh, "whether a fresh start after other training is one: "+r.tooCoarse(ref))
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
	if !r.report.has(CheckFresh) {
		r.notTested(CheckFresh, "fresh starts in new processes differ from each other")
	}
	r.closeAll() // for other weights, which need a start that is one
	return nil
}
