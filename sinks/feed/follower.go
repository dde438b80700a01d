package feed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How long a follower waits.
const (
	firstPause = 500 * time.Millisecond // after a fault; doubled with each
	longPause  = 2 * time.Minute        // at most
	hurryPause = time.Second            // at most, once the run is over
)

// Config is one sink to be fed.
type Config struct {
	Name   string // of its cursor, and for people
	Sink   Sink
	Linger time.Duration // events of so long go together
	// FromNow begins, where there is no cursor, with the newest sitting and not with
	// the run: what is long past is no news.
	FromNow bool
	Warn    func(string) // a sink is away, or back; from the follower's goroutine
}

// Left is what a follower has not delivered when it ends.
type Left struct {
	Name   string
	Events int64 // 0: it has got everything
	Err    error // the last fault, nil if there was none since the last success
}

// Follower feeds one sink.
type Follower struct {
	config Config
	info   Info
	source *Source

	wake   chan struct{}
	hurry  chan struct{} // closed: deliver what is there, and end
	ended  chan struct{}
	cancel context.CancelFunc

	desk    *desk
	run     *Run
	cursor  cursor
	ready   bool    // the sink is open
	pending []Event // read and not delivered
	ahead   cursor  // what it will be once they are
	fault   error   // since the last success
	faults  int
}

// Follow starts to feed a sink from a run's journal.
func Follow(ctx context.Context, source *Source, info Info, c Config) *Follower {
	f := &Follower{
		config: c, info: info, source: source,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}), ended: make(chan struct{}),
	}
	if f.config.Warn == nil {
		f.config.Warn = func(string) {}
	}
	ctx, f.cancel = context.WithCancel(ctx)
	go f.live(ctx)
	return f
}

// Wake says that the journal has grown. It never waits.
func (f *Follower) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Hurry says that the journal grows no more: the follower ends when it has
// delivered everything.
func (f *Follower) Hurry() { close(f.hurry) }

// Wait waits for the end after Hurry, until ctx is done, and returns what is left.
func (f *Follower) Wait(ctx context.Context) Left {
	select {
	case <-f.ended:
	case <-ctx.Done():
	}
	f.cancel()
	<-f.ended
	return Left{f.config.Name, f.behind(), f.fault}
}

// live is the follower's goroutine.
func (f *Follower) live(ctx context.Context) {
	defer close(f.ended)
	defer f.leave(ctx)
	for {
		hurry := isClosed(f.hurry) // asked first: what comes after it is seen below
		begun := time.Now()
		err := f.catchUp(ctx)
		if ctx.Err() != nil {
			return
		}
		f.note(err)
		if err == nil && hurry {
			return
		}
		if !f.rest(ctx, begun, err) {
			return
		}
	}
}

// rest waits until there may be something to do.
func (f *Follower) rest(ctx context.Context, begun time.Time, err error) bool {
	if err == nil {
		select {
		case <-f.wake:
		case <-f.hurry:
			return true
		case <-ctx.Done():
			return false
		}
	}
	pause := f.config.Linger - time.Since(begun)
	if err != nil {
		pause = min(longPause, firstPause<<min(max(0, f.faults-1), 10))
	}
	if errors.Is(err, errResting) {
		pause = firstPause
	}
	hurry := f.hurry
	if isClosed(f.hurry) {
		pause, hurry = min(pause, hurryPause), nil
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-hurry:
	case <-ctx.Done():
		return false
	}
	return true
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// note remembers a fault, and tells of the first and of its end.
func (f *Follower) note(err error) {
	switch {
	case errors.Is(err, errResting):
	case err != nil:
		f.fault = err
		if f.faults++; f.faults == 1 {
			f.config.Warn(fmt.Sprintf("sink %s: %v; the run goes on, and it is tried again", f.config.Name, err))
		}
	case f.faults > 0:
		f.config.Warn(fmt.Sprintf("sink %s: works again, and has got everything", f.config.Name))
		f.fault, f.faults = nil, 0
	}
}

// catchUp delivers all that the journal holds.
func (f *Follower) catchUp(ctx context.Context) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	for {
		if len(f.pending) == 0 {
			if err := f.readNext(); err != nil || len(f.pending) == 0 {
				return err
			}
		}
		state, err := f.config.Sink.Deliver(ctx, f.pending)
		if err != nil {
			f.ready = false
			return err
		}
		next := f.ahead
		next.State = state
		if err := f.desk.save(next); err != nil {
			f.ready = false // it has got more than the cursor says
			return err
		}
		f.cursor, f.pending = next, nil
	}
}

// prepare makes the sink ready to go on where its cursor stands.
func (f *Follower) prepare(ctx context.Context) (err error) {
	if f.ready {
		return nil
	}
	if f.desk == nil {
		if f.desk, err = takeDesk(f.info.Dir, f.config.Name); err != nil {
			return err
		}
	}
	if f.run == nil {
		if err := f.begin(ctx); err != nil {
			f.run = nil
			return err
		}
	}
	err = f.config.Sink.Open(ctx, f.run, f.cursor.State)
	if errors.Is(err, ErrStartOver) {
		f.fromTheStart()
		err = f.config.Sink.Open(ctx, f.run, nil)
	}
	f.ready = err == nil
	return err
}

// fromTheStart takes the sink back to the run's first event.
func (f *Follower) fromTheStart() {
	f.cursor = cursor{Run: f.cursor.Run, Target: f.cursor.Target, Anew: f.cursor.Anew}
	f.run.tree, f.pending = newTree(f.info.Goal), nil
}

// begin reads the run as far as the cursor says.
func (f *Follower) begin(ctx context.Context) (err error) {
	if f.run, err = f.source.identify(f.info); err != nil {
		return err
	}
	known := false
	if f.cursor, known, err = f.desk.load(f.run.ID, f.config.Sink.Target()); err != nil {
		return err
	}
	if known {
		if err := f.checkCursor(); err != nil {
			return err
		}
	} else if f.config.FromNow {
		if err := f.toNewestSitting(0); err != nil {
			return err
		}
	}
	if n := f.cursor.Anew + 1; n > 1 {
		f.run.ID = fmt.Sprintf("%s-%d", f.run.ID, n)
		if !f.config.FromNow {
			f.run.Name = fmt.Sprintf("%s (%d)", f.run.Name, n)
		}
	}
	for f.run.tree.seq < f.cursor.Seq && err == nil {
		before := f.run.tree.seq
		_, _, err = f.source.read(before, func(r journal.Row) error {
			if r.Seq > f.cursor.Seq {
				return errEnough
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			_, err := f.run.tree.add(r)
			return err
		})
		if err == nil && f.run.tree.seq == before {
			err = fmt.Errorf("the journal ends at event %d, and event %d has been delivered", before, f.cursor.Seq)
		}
	}
	return err
}

// checkCursor looks whether the journal still holds what has been delivered. After a
// loss of power its newest events may be gone, and others in their place. Then the
// sink begins anew, under another name of the run, so that what it has been given and
// what it is given now do not mix; one that tells news goes on with what is new.
func (f *Follower) checkCursor() error {
	same, err := f.source.holds(f.cursor.mark)
	if err != nil || same {
		return err
	}
	lost, opened := f.cursor.Seq, f.cursor.Opened
	f.fromTheStart()
	f.cursor.Anew++
	how := "it gets the run from its beginning"
	if f.config.FromNow {
		how = "it goes on with what is new"
		if err := f.toNewestSitting(opened); err != nil {
			return err
		}
	}
	if err := f.desk.save(f.cursor); err != nil {
		return err
	}
	f.config.Warn(fmt.Sprintf("sink %s: the journal no longer holds event %d, which it had got, as after a loss of power; %s", f.config.Name, lost, how))
	return nil
}

// toNewestSitting sets the cursor before the event by which a process last took the
// run; after the journal's last event, if that one has been delivered.
func (f *Follower) toNewestSitting(delivered int64) error {
	var before, last mark
	var opened int64
	for more := true; more; {
		at, m, err := last.Seq, mark{}, error(nil)
		m, more, err = f.source.read(at, func(r journal.Row) error {
			if machine.Kind(r.Kind) == machine.KindOpened {
				before, opened = mark{Seq: r.Seq - 1}, r.At
			}
			return nil
		})
		if err != nil {
			return err
		}
		if m.Seq > 0 {
			last = m
		}
	}
	f.cursor.mark = before
	if delivered != 0 && opened == delivered {
		f.cursor.mark, f.cursor.Opened = last, opened
	}
	return nil
}

// readNext reads what is delivered next.
func (f *Follower) readNext() error {
	size, opened := 0, f.cursor.Opened
	last, _, err := f.source.read(f.run.tree.seq, func(r journal.Row) error {
		if n := len(f.pending); n == maxEvents || n > 0 && size+len(r.Body) > maxBodies {
			return errEnough
		}
		size += len(r.Body)
		e, err := f.run.tree.add(r)
		if err != nil {
			return err
		}
		f.pending = append(f.pending, e)
		if e.Body.Kind() == machine.KindOpened {
			opened = r.At
		}
		return nil
	})
	f.ahead = f.cursor
	f.ahead.mark, f.ahead.Opened = last, opened
	return err
}

// behind is how many events of the journal have not been delivered.
func (f *Follower) behind() int64 {
	last, err := f.source.last()
	if err != nil {
		return 1 // whoever asks must not think that all is there
	}
	return last - f.cursor.Seq
}

// closeTime is how long a sink may take to let go when time is over already.
const closeTime = 2 * time.Second

func (f *Follower) leave(ctx context.Context) {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), closeTime)
		defer cancel()
	}
	if err := f.config.Sink.Close(ctx); err != nil && f.fault == nil {
		f.fault = err
	}
	if f.desk != nil {
		f.desk.leave()
	}
}
