package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

const noLoad = "read the checkpoint: {load} in a command (such as \"{load?--load}\"), segment.load in Python, Load in Go"

// checkLoad reports whether a segment continues from its checkpoint: by a fresh segment
// that is the same in all else, and by a checkpoint that cannot be read.
func (r *rehearsal) checkLoad() error {
	if r.ref.loaded == nil {
		return nil
	}
	r.checkRepeat()
	if !r.spare(r.first, 2) || !r.spare(r.base, 2) {
		if r.NeverLoads {
			r.neverLoads()
		}
		r.leaveOut(CheckLoad, "whether a segment from a checkpoint differs from a fresh one")
		r.leaveOut(CheckDamage, "whether the program notices a damaged checkpoint")
		return nil
	}
	r.say("the same from fresh weights")
	t := r.ref.loaded.task
	t.parent, t.weights = nil, r.first.weights
	r.closeAll()
	fresh, err := r.train(r.living(), t)
	if err != nil {
		return r.trouble(err, CheckFresh, "a fresh segment of the same length fails")
	}
	direct, reloaded, err := r.loadTwice()
	if err != nil {
		return r.trouble(err, CheckLoad, "a fresh process cannot go on from the checkpoint")
	}
	rel, err := r.relateNoisy([]*outcome{direct, r.ref.other()}, []*outcome{fresh}, &r.ref, false)
	if err != nil {
		return r.trouble(err, CheckLoad, "the segment fails when it is repeated")
	}
	r.say("the same from a damaged checkpoint")
	spoilt, err := r.trainDamaged()
	if err != nil {
		return err
	}
	r.tellLoad(rel, loads{direct, reloaded, fresh, spoilt})
	if spoilt != nil {
		err = r.drop(spoilt)
	}
	return errors.Join(err, r.drop(fresh)) // what else there is goes in tidy
}

// loadTwice does the reference's job in a process that has trained other weights, and
// then as the first one of a process.
func (r *rehearsal) loadTwice() (direct, reloaded *outcome, err error) {
	if r.Kind == Template {
		return r.ref.loaded, r.ref.loaded, nil
	}
	r.say("the same from the checkpoint, in a process that has other weights and in a fresh one")
	if reloaded, err = r.train(r.living(), r.ref.loaded.task); err != nil {
		return nil, nil, err
	}
	r.closeAll()
	direct, err = r.train(r.living(), r.ref.loaded.task)
	return direct, reloaded, err
}

// loads are outcomes of the same job: from a checkpoint in a fresh process and in one
// that had other weights, from fresh weights, and from a destroyed checkpoint, which is
// nil if it failed as it should.
type loads struct{ direct, reloaded, fresh, spoilt *outcome }

// tellLoad judges by the relation of a fresh segment to one from the checkpoint, and by
// the destroyed one.
func (r *rehearsal) tellLoad(rel relation, o loads) {
	direct, reloaded, spoilt := o.direct, o.reloaded, o.spoilt
	blind := spoilt != nil && r.relate(direct, spoilt, &r.ref, false) == equal
	proven := rel == unequal && !blind
	neverLoads := r.NeverLoads && (!proven || spoilt != nil) // else its program reads PBT_LOAD
	stale := r.relate(direct, reloaded, &r.ref, false) == unequal
	r.unloaded = rel == equal || blind || neverLoads || stale
	switch {
	case neverLoads:
		r.neverLoads()
	case rel == equal && r.isFrozen() && r.moves():
		r.notTested(CheckLoad, "training changes nothing in the checkpoint")
	case rel == equal:
		r.find(Wrong, CheckLoad, noLoad, "the program does not go on from its checkpoint: with the same seed, a segment from the checkpoint and a fresh one both score %s", pbt.Score(direct.Score))
	case blind:
		r.find(Wrong, CheckLoad, noLoad, "the program does not read its checkpoint: from a destroyed one, the segment scores the same to the last digit (%s)", pbt.Score(direct.Score))
	case stale:
		r.find(Wrong, CheckLoad, "load everything from segment.load for each segment that has one, also when the process has trained before", "loading gives another result in a process that has trained before (%s) than in a fresh one (%s)", digits(reloaded.Score, direct.Score), digits(direct.Score, reloaded.Score))
	case proven:
		r.find(OK, CheckLoad, "", "a fresh process goes on from the checkpoint: with the same seed, a fresh segment gives another result")
	default:
		r.notTested(CheckLoad, "whether a segment from the checkpoint differs from a fresh one: "+r.tooCoarse(&r.ref))
	}
	const hint = "let an error in loading end the program; never begin with fresh weights instead"
	switch {
	case spoilt == nil:
		r.find(OK, CheckDamage, "", "a checkpoint with destroyed contents makes the segment fail, as it should")
	case r.unloaded:
		r.notTested(CheckDamage, "the program does not read its checkpoint")
	case r.relate(o.fresh, spoilt, &r.ref, false) == equal:
		r.find(Wrong, CheckDamage, hint, "a checkpoint with destroyed contents goes unnoticed: the segment begins with fresh weights and scores %s", pbt.Score(spoilt.Score))
	default:
		r.find(Warning, CheckDamage, hint, "a checkpoint with destroyed contents goes unnoticed: the segment succeeds and scores %s", pbt.Score(spoilt.Score))
	}
}

func (r *rehearsal) neverLoads() {
	r.find(Wrong, CheckLoad, `add it, such as "{load?--load}", and let the program load from there`, "trainer.command never mentions {load}: every segment begins with fresh weights, and a copy copies nothing")
}

// trainDamaged trains from a checkpoint with destroyed contents. It is nil if that fails.
func (r *rehearsal) trainDamaged() (*outcome, error) {
	t := r.ref.loaded.task
	bad, err := r.damage(t.parent)
	if err != nil {
		return nil, fmt.Errorf("make a damaged copy of a checkpoint: %w", err)
	}
	t.parent, t.weights = bad, r.first.weights // with which a program may begin instead
	r.closeAll()
	o, err := r.train(r.living(), t)
	r.closeAll() // what has met a damaged checkpoint is no reference
	var failed *jobError
	switch {
	case r.ctx.Err() != nil:
		return nil, context.Cause(r.ctx)
	case errors.As(err, &failed):
		return nil, r.drop(bad)
	case err != nil:
		return nil, err
	}
	r.all = r.all[:len(r.all)-1] // it says nothing about the trainer's scores and times
	if !finite(o.Score) {
		return nil, errors.Join(r.drop(o), r.drop(bad))
	}
	return o, r.drop(bad)
}

// damageText is what a damaged checkpoint's files hold, over and over.
const damageText = "pbt check has destroyed this copy of a checkpoint. "

// damage makes a copy of a checkpoint with the same files, each half as long and with
// other contents.
func (r *rehearsal) damage(of *outcome) (*outcome, error) {
	r.lease++
	bad := &outcome{task: of.task, segment: r.lease, from: of.from}
	id := checkpointName(bad.segment)
	staged, err := r.Store.Stage(id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Store.Discard(staged) }() // what could not be removed goes with the directory
	var s saved
	files, err := s.measure(r.Store.Path(of.checkpoint))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := writeDamage(staged, f.path, (f.bytes+1)/2); err != nil {
			return nil, err
		}
	}
	if _, err := r.Store.Publish(staged, id); err != nil {
		return nil, err
	}
	bad.checkpoint = id
	bad.saved, err = inspect(r.Store.Path(id), staged)
	return bad, err
}

func writeDamage(dir, name string, size int64) error {
	d, base := disk.Beside(dir)
	path := filepath.Join(base, name)
	if err := d.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	f, err := d.Create(path, 0o666)
	if err != nil {
		return err
	}
	piece := []byte(strings.Repeat(damageText, 1000))
	for ; size > 0 && err == nil; size -= int64(len(piece)) {
		_, err = f.Write(piece[:min(int64(len(piece)), size)])
	}
	return errors.Join(err, f.Close())
}
