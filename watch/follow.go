package watch

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/view"
)

// How often a run is looked at.
const (
	lookEvery  = 100 * time.Millisecond // at its journal
	ownerEvery = time.Second / 2        // whether a process trains it
	drawEvery  = time.Second            // though nothing happens: time goes on
	chartEvery = time.Second            // while it goes on
	restFactor = 3                      // a look that takes long is followed by a rest
)

// follower reads a run's journal for as long as somebody looks on: while the run goes
// on, while it is stopped, and when it is resumed.
type follower struct {
	dir  string
	run  *view.Run
	j    *journal.Journal
	feed feed

	seq       int64 // that was shown last
	live      bool
	owner     string
	nextOwner time.Time
	nextDraw  time.Time
	failed    bool // the last look did
	chart     *chart
	nextChart time.Time
}

// open begins to follow a run. Nothing is read yet.
func open(dir string) (*follower, error) {
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		return nil, err
	}
	return &follower{dir: dir, run: view.NewRun(filepath.Join(dir, engine.CheckpointDir)), j: j}, nil
}

func (f *follower) close() error { return f.j.Close() }

// follow hands on what is new until the context ends.
func (f *follower) follow(ctx context.Context, show func(*snapshot)) {
	f.first(ctx, show)
	for ctx.Err() == nil {
		began := time.Now()
		if s := f.look(ctx, began); s != nil && ctx.Err() == nil {
			show(s)
		}
		rest := time.NewTimer(max(lookEvery, restFactor*time.Since(began)))
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
		}
	}
}

// first reads what there is, and tells how far it is.
func (f *follower) first(ctx context.Context, show func(*snapshot)) {
	total, err := f.j.Last()
	if err != nil {
		return // look meets it again, and tells
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = f.run.CatchUp(ctx, f.j) // as above
	}()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			show(&snapshot{read: f.run.Seq(), total: total})
		}
	}
}

// look takes in what is new. It returns nil if nothing is, and none of it has changed.
func (f *follower) look(ctx context.Context, now time.Time) *snapshot {
	_, err := f.run.CatchUp(ctx, f.j)
	seq := f.run.Seq()
	changed := seq != f.seq || (err != nil) != f.failed
	if changed && !f.live || !now.Before(f.nextOwner) { // what nobody seems to train has gone on
		was := f.live
		if ownerErr := f.lookForOwner(); err == nil {
			err = ownerErr
		}
		changed = changed || was != f.live || (err != nil) != f.failed
		f.nextOwner = now.Add(ownerEvery)
	}
	if !changed && (!f.live || now.Before(f.nextDraw)) && !f.nextDraw.IsZero() {
		return nil
	}
	f.seq, f.failed, f.nextDraw = seq, err != nil, now.Add(drawEvery)
	s, takeErr := f.take()
	if err == nil {
		err = takeErr
	}
	s.err = err
	return s
}

func (f *follower) lookForOwner() error {
	owner, live, err := journal.OwnerOf(f.dir)
	if err != nil {
		return err
	}
	f.live, f.owner = live, ""
	if live {
		f.owner = clean(owner.String())
		if owner.PID != 0 {
			f.owner = clean(fmt.Sprintf("process %d on %s", owner.PID, owner.Host))
		}
	}
	f.run.SetLive(live)
	return nil
}

// take makes a snapshot of what is known.
func (f *follower) take() (*snapshot, error) {
	s := &snapshot{live: f.live, owner: f.owner}
	s.sum, s.begun = f.run.Summary()
	if !s.begun {
		return s, nil
	}
	s.sum.Name, s.sum.Reason = clean(s.sum.Name), clean(s.sum.Reason)
	var err error
	if s.members, err = membersOf(f.run, f.j); err != nil {
		return s, err
	}
	if err := f.feed.catchUp(f.run, f.j); err != nil {
		return s, err
	}
	s.all, s.loud = f.feed.newest()
	if s.sum.Best != nil {
		if _, s.stages, err = f.run.Schedule(s.sum.Best.Segment); err != nil {
			return s, err
		}
	}
	if s.live {
		s.busy, _ = f.run.Busy()
	}
	s.slots, s.slotsIn = slotsOf(f.run, s.live, s.sum.WorkedS)
	s.health = f.run.Health()
	s.chart = f.drawing(s)
	return s, nil
}

// drawing is the chart of a population that is small enough for one; it is made anew
// now and then only: it goes through all segments.
func (f *follower) drawing(s *snapshot) *chart {
	if s.sum.Population > chartMembers {
		return nil
	}
	if now := time.Now(); !s.live || !now.Before(f.nextChart) {
		f.chart = chartOf(f.run, s.sum.Goal)
		f.nextChart = now.Add(chartEvery)
	}
	return f.chart
}
