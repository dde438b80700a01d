package trainer_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/trainer"
)

// diary is a trainer that notes what is done to it.
type diary struct {
	notes *[]string
	fail  string // the note at which it fails, with "!" at which it panics
}

func (d diary) note(what string) error {
	*d.notes = append(*d.notes, what)
	switch d.fail {
	case what:
		return errors.New("no luck")
	case what + "!":
		panic("no luck at all")
	}
	return nil
}

func (d diary) Step(context.Context, trainer.Segment) error { return d.note("step") }
func (d diary) Eval(context.Context) (trainer.Evaluation, error) {
	return trainer.Evaluation{Score: 3}, d.note("eval")
}
func (d diary) Save(dir string) error { return d.note("save " + dir) }
func (d diary) Load(dir string) error { return d.note("load " + dir) }

func job(id, parent int64) trainer.Job {
	j := trainer.Job{Segment: trainer.Segment{ID: id, Steps: 1}, Parent: parent, Save: "new", Name: "old"}
	if parent != 0 {
		j.Load = "old"
	}
	return j
}

// A trainer stays between segments, and loads only what it does not hold.
func TestASlotLoadsWhatItDoesNotHold(t *testing.T) {
	var notes []string
	made := 0
	slot := trainer.InProcess(func(uint64) (trainer.Trainer, error) {
		made++
		return diary{notes: &notes}, nil
	})
	for _, step := range []struct {
		what       string
		id, parent int64
		want       string
		made       int
	}{
		{"fresh weights", 1, 0, "step, eval, save new", 1},
		{"its own, trained on", 2, 1, "step, eval, save new", 1},
		{"another's", 4, 3, "load old, step, eval, save new", 1},
		{"an older one of its own", 5, 2, "load old, step, eval, save new", 1},
		{"fresh weights again", 6, 0, "step, eval, save new", 2},
		{"its own", 7, 6, "step, eval, save new", 2},
	} {
		notes = nil
		res, err := slot.Train(t.Context(), job(step.id, step.parent))
		if have := strings.Join(notes, ", "); err != nil || res.Score != 3 || have != step.want || made != step.made {
			t.Errorf("%s: %s (%d made), %v", step.what, have, made, err)
		}
	}
	if err := slot.Close(); err != nil {
		t.Error(err)
	}
}

// After an error or a panic nobody knows what a trainer holds: a new one is made.
func TestASlotIsAsGoodAsNewAfterAFailure(t *testing.T) {
	for _, at := range []string{"step", "eval", "save new", "load old", "step!", "eval!", "save new!", "load old!"} {
		t.Run(at, func(t *testing.T) {
			var notes []string
			made := 0
			slot := trainer.InProcess(func(uint64) (trainer.Trainer, error) {
				if made++; made == 1 {
					return diary{&notes, at}, nil
				}
				return diary{notes: &notes}, nil
			})
			_, err := slot.Train(t.Context(), job(2, 1))
			var panicked *trainer.PanicError
			if err == nil || !strings.Contains(err.Error(), "no luck") {
				t.Fatal(err)
			}
			if errors.As(err, &panicked) != strings.HasSuffix(at, "!") {
				t.Errorf("%T: %v", err, err)
			}
			notes = nil
			_, err = slot.Train(t.Context(), job(2, 1))
			if have := strings.Join(notes, ", "); err != nil || made != 2 || have != "load old, step, eval, save new" {
				t.Errorf("%s (%d made), %v", have, made, err)
			}
		})
	}
}

func TestATrainerThatCannotBeMade(t *testing.T) {
	slot := trainer.InProcess(func(uint64) (trainer.Trainer, error) { return nil, errors.New("no GPU") })
	for range 2 {
		if _, err := slot.Train(t.Context(), job(1, 0)); err == nil || !strings.Contains(err.Error(), "make a trainer: no GPU") {
			t.Error(err)
		}
	}
}

// A segment that was called off ends with the reason why, whatever the trainer says,
// and without an outcome.
func TestACalledOffSegmentSaysWhy(t *testing.T) {
	var notes []string
	slot := trainer.InProcess(func(uint64) (trainer.Trainer, error) { return diary{notes: &notes}, nil })
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("somebody pulled the plug")
	cancel(why)
	if _, err := slot.Train(ctx, job(1, 0)); !errors.Is(err, why) || strings.Join(notes, ", ") != "step" {
		t.Error(notes, err)
	}
}
