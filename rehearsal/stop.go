package rehearsal

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// measurable is a time beside which waking a process up is nothing.
const measurable = 20 * time.Millisecond

// sideBySide trains in several slots at once, as the run will.
func (r *rehearsal) sideBySide() error {
	n := min(r.Slots, mostAtOnce, r.Spec.Population)
	switch {
	case n < 2 || r.ref.loaded == nil:
		return nil
	case !r.spare(r.base, n):
		r.leaveOut(CheckStart, "whether trainers side by side get in each other's way")
		return nil
	}
	r.say("%d trainers side by side", n)
	r.closeAll()
	r.alone = len(r.all)
	times, errs := make([]time.Duration, n), make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		p := r.open(i + 1)
		group.Go(func() { times[i], errs[i] = r.beside(p) })
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, err := range errs {
			if err != nil {
				return r.trouble(err, CheckStart, "%d trainers side by side get in each other's way", n)
			}
		}
	}
	var all time.Duration
	for _, t := range times {
		all += t
	}
	if alone := r.ref.loaded.Train + r.ref.loaded.Eval; alone >= measurable {
		r.together = max(1, float64(all)/float64(n)/float64(alone))
	}
	r.closeAll()
	r.find(OK, CheckStart, "", "%d trainers side by side train as well", n)
	return nil
}

// beside is the time of a segment in a place that has warmed up.
func (r *rehearsal) beside(p *place) (time.Duration, error) {
	t := r.ref.loaded.task
	if r.Kind == Client {
		warm := t
		warm.steps = 1
		if _, err := r.train(p, warm); err != nil {
			return 0, err
		}
	}
	o, err := r.train(p, t)
	if err != nil {
		return 0, err
	}
	return o.Train + o.Eval, nil
}

// Times of the trial whether a trainer stops.
const (
	settling  = 300 * time.Millisecond // until it trains
	slack     = time.Second            // between its end and our knowledge of it
	mostSteps = 1_000_000_000          // of a segment that is to be cut short
	longest   = 1000                   // times as long as the experiment's
)

// stop calls a long segment off and looks how long that takes.
func (r *rehearsal) stop() error {
	if r.ref.loaded == nil {
		return nil
	}
	r.say("stopping it in the middle of a segment")
	p := r.living()
	t := r.ref.loaded.task
	if r.Kind == Client { // so that it is alive and has the weights
		t.steps = 1
		if _, err := r.train(p, t); err != nil {
			return r.trouble(err, CheckStop, "a segment of 1 step fails")
		}
	}
	t.steps = r.longSteps()
	took, told, err := r.callOff(p, t)
	const hint = "look often whether the run stops: iterate over the segment (Python), return when ctx is done (Go), do not ignore SIGTERM"
	switch {
	case r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	case !told:
		r.notTested(CheckStop, "whether it stops when asked: the segment of "+plural.Of(t.steps, "step")+" was over too soon")
	case took >= r.Grace || errors.Is(err, errStuck):
		r.find(Warning, CheckStop, hint, "in the middle of a segment it does not stop within %s of being asked: it is killed then, and what it has trained of the segment is lost", round(r.Grace))
	case r.Kind == Client && err != nil && !errors.Is(err, trainer.ErrPreempted):
		r.find(Warning, CheckStop, hint, "asked to stop, it fails instead of giving the segment up: %s", strings.TrimSpace(err.Error()))
	case r.wontLeave > 0:
		r.find(Warning, CheckStop, "end the program when the segments are over", "told that there is no more work, it does not exit within %s", round(r.Grace))
	default:
		r.find(OK, CheckStop, "", "it stops %s after being asked", round(took))
	}
	return nil
}

// longSteps are more than can be trained within the grace, but not absurdly many: a
// program may make room for each.
func (r *rehearsal) longSteps() int64 {
	enough := float64(mostSteps)
	if each := r.times().PerStep; each > 0 {
		enough = min(enough, 20*(r.Grace+r.settling).Seconds()/each)
	}
	return max(10*r.steps, min(int64(enough), longest*r.Spec.Segment))
}

// callOff begins a segment and asks its trainer to stop. told is whether it got that far.
func (r *rehearsal) callOff(p *place, t task) (took time.Duration, told bool, err error) {
	o := &outcome{task: t, segment: r.lease + 1}
	r.lease++
	staged, err := r.Store.Stage(checkpointName(o.segment))
	if err != nil {
		return 0, false, err
	}
	defer func() { _ = r.Store.Discard(staged) }() // what could not be removed goes with the directory
	job := r.job(o, staged)
	asked := make(chan struct{})
	job.Stop, job.Grace = asked, r.Grace
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		_, err := r.attempt(ctx, p, job, r.Grace)
		done <- err
	}()
	select {
	case err := <-done:
		return 0, false, err
	case <-time.After(r.settling + 2*r.ref.loaded.Load + r.ref.loaded.Start):
	case <-r.ctx.Done():
		return 0, false, <-done
	}
	start := time.Now()
	close(asked)
	if r.Kind != Client {
		cancel(trainer.ErrPreempted)
	}
	select {
	case err = <-done:
	case <-time.After(r.Grace + slack):
		cancel(trainer.ErrPreempted)
		err = <-done
	}
	return time.Since(start), true, err
}
