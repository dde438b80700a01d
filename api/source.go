package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/view"
)

// How often a journal is looked at.
const (
	liveEvery    = 50 * time.Millisecond  // at most, of a run that this process trains
	watchedEvery = 100 * time.Millisecond // of another process's, while somebody looks on
	idleEvery    = 2 * time.Second        // while nobody does
	ownerEvery   = 2 * time.Second        // whether a process trains it
	watchedFor   = 10 * time.Second       // so long after a question somebody looks on
)

// Source is a run to serve: its directory, and its journal folded into a view.
type Source struct {
	Dir     string
	id      string
	number  int // of the server's sources: ids come again
	run     *view.Run
	steerer Steerer
	local   bool // this process trains it
	hub     *hub

	wake    chan struct{}   // there may be news
	loaded  chan struct{}   // closed when the journal has been read for the first time
	asked   atomic.Int64    // when somebody last asked, in Unix nanoseconds
	live    atomic.Bool     // a process trains it
	gone    atomic.Bool     // its journal is not the one that was opened: deleted, replaced, or cut
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	started bool
	stopped chan struct{}

	mu      sync.Mutex
	journal *journal.Journal
	file    fs.FileInfo // the journal's, when it was opened
	closed  bool
	fault   error // why the journal cannot be read
}

// Open serves a run that is finished, or that another process trains.
func Open(dir string) *Source { return newSource(dir, nil, false) }

// Live serves a run that this process trains: tell it what happens by Observe and
// Progress. The steerer may be nil.
func Live(dir string, steerer Steerer) *Source {
	s := newSource(dir, steerer, true)
	s.setLive(true)
	return s
}

func newSource(dir string, steerer Steerer, local bool) *Source {
	s := &Source{
		Dir: dir, run: view.NewRun(filepath.Join(dir, engine.CheckpointDir)), steerer: steerer, local: local, hub: newHub(),
		wake: make(chan struct{}, 1), loaded: make(chan struct{}), stopped: make(chan struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// start begins to follow the run.
func (s *Source) start() {
	s.started = true
	go s.follow(s.ctx)
	if s.local {
		go s.tell(s.ctx)
	}
}

// tell tells readers now and then how far segments are.
func (s *Source) tell(ctx context.Context) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.hub.tellProgress(s.run)
		}
	}
}

// Observe is for engine.Config: it says that there are new events, and never waits.
func (s *Source) Observe(engine.View) {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Progress is for engine.Config: it says how far a segment is, and hardly waits.
func (s *Source) Progress(p trainer.Progress) {
	s.run.Hear(p.Member, p.Segment, p.Step)
	s.hub.hear(p)
}

// Ended says that this process trains the run no more.
func (s *Source) Ended() { s.setLive(false); s.Observe(engine.View{}) }

func (s *Source) setLive(live bool) {
	s.live.Store(live)
	s.run.SetLive(live)
}

// Close stops following the run, after one last look.
func (s *Source) Close() error {
	s.cancel()
	if s.started {
		<-s.stopped
	}
	s.hub.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.journal == nil {
		s.closed = true
		return nil
	}
	err := s.journal.Close()
	s.journal, s.closed = nil, true
	return err
}

var errClosed = errors.New("the server is shutting down")

// follow reads the journal on for as long as the run is served.
func (s *Source) follow(ctx context.Context) {
	defer close(s.stopped)
	var nextOwner time.Time
	first := true
	for {
		if !s.local && time.Now().After(nextOwner) {
			_, alive, err := journal.OwnerOf(s.Dir)
			s.setLive(alive && err == nil)
			s.gone.Store(s.isGone())
			nextOwner = time.Now().Add(ownerEvery)
		}
		s.catchUp(ctx)
		if first {
			close(s.loaded)
			first = false
		}
		if !s.pause(ctx) {
			s.catchUp(context.Background()) // the last word
			return
		}
	}
}

// pause waits until it is time to look again; false at the end.
func (s *Source) pause(ctx context.Context) bool {
	every := idleEvery
	switch {
	case s.local && s.live.Load():
		every = ownerEvery // a wake comes sooner
	case s.watched():
		every = watchedEvery
	}
	timer := time.NewTimer(every)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	case <-s.wake:
	}
	if s.local {
		rest := time.NewTimer(liveEvery) // what comes meanwhile is read at once
		defer rest.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-rest.C:
		}
	}
	return true
}

func (s *Source) watched() bool {
	return s.hub.watched() || time.Now().UnixNano()-s.asked.Load() < int64(watchedFor)
}

// ask notes that somebody looks on.
func (s *Source) ask() {
	if !s.watched() {
		s.asked.Store(time.Now().UnixNano())
		s.Observe(engine.View{})
		return
	}
	s.asked.Store(time.Now().UnixNano())
}

func (s *Source) catchUp(ctx context.Context) {
	j, err := s.Journal()
	if err == nil {
		_, err = s.run.CatchUp(ctx, j)
	}
	if ctx.Err() == nil {
		s.setErr(err)
	}
	s.hub.advance(s.run, j)
}

// Journal is the run's journal, open for reading.
func (s *Source) Journal() (*journal.Journal, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, errClosed
	case s.journal != nil:
		return s.journal, nil
	}
	path := filepath.Join(s.Dir, engine.JournalFile)
	s.file, _ = os.Stat(path) // first: if it is replaced meanwhile, isGone finds that out
	var err error
	s.journal, err = journal.OpenReadOnly(path)
	return s.journal, err
}

// isGone tells whether the journal that has been read is not there any more: somebody
// has deleted the run, maybe begun another one in its place, or put back an older copy.
func (s *Source) isGone() bool {
	s.mu.Lock()
	j, file := s.journal, s.file
	s.mu.Unlock()
	if j == nil {
		return false
	}
	now, err := os.Stat(filepath.Join(s.Dir, engine.JournalFile))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	last, err := j.Last()
	return !os.SameFile(now, file) || err == nil && last < s.run.Seq()
}

func (s *Source) err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault
}

func (s *Source) setErr(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = nil
	if err != nil && !(s.local && errors.Is(err, fs.ErrNotExist)) { // this process is about to make it
		s.fault = fmt.Errorf("the journal of %s cannot be read: %w", s.Dir, err)
	}
}

// wait waits until the journal has been read for the first time.
func (s *Source) wait(ctx context.Context) error {
	select {
	case <-s.loaded:
		return s.err()
	case <-ctx.Done():
		return errLoading
	}
}

var errLoading = errors.New("the run's journal is still being read: ask again")

// IsRun tells whether a directory is a run's.
func IsRun(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, engine.JournalFile))
	return err == nil && info.Mode().IsRegular()
}
