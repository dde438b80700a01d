package engine

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// hashAfter is how long a run that has ended waits for the hashes of what it keeps.
// What is left then is hashed when it is opened again.
const hashAfter = 10 * time.Second

// endHashing lets the hasher finish, if the run has ended, or stop.
func (e *Engine) endHashing() {
	patience := time.Duration(0)
	if e.machine != nil {
		if phase, _ := e.machine.Phase(); phase == machine.PhaseEnded {
			patience = hashAfter
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	e.hasher.Close(ctx)
}

// hashed hears of a hash that was made, or why not. A checkpoint that was written to
// after its report stays recorded, as what was reported; whoever is to load it is
// refused, and `pbt verify` tells.
func hashed(string, string, error) {}

// hashLater queues what was published without being read.
func (e *Engine) hashLater(batch []message) {
	for _, msg := range batch {
		if r, ok := msg.report.(machine.Report); ok && e.store.HashesLater(r.Checkpoint.Bytes) && e.machine.Keeps(r.Checkpoint.ID) {
			e.hasher.Add(r.Checkpoint.ID)
		}
	}
}

// deleteGarbage lets go of the checkpoints that nobody needs any more. The events that
// say why are durable.
func (e *Engine) deleteGarbage() {
	e.sweeper.sweep(e.garbage...)
	e.garbage = e.garbage[:0]
}

// sweeper deletes checkpoints beside the loop: a directory of gigabytes takes its
// time. What a killed process leaves undone, the next one finds as orphans.
type sweeper struct {
	store *checkpoint.Store
	mu    sync.Mutex
	wake  *sync.Cond
	ids   []string
	done  bool
	ended chan struct{}
	fault error
}

func newSweeper(store *checkpoint.Store) *sweeper {
	s := &sweeper{store: store, ended: make(chan struct{})}
	s.wake = sync.NewCond(&s.mu)
	go s.run()
	return s
}

func (s *sweeper) sweep(ids ...string) {
	if len(ids) == 0 {
		return
	}
	s.mu.Lock()
	s.ids = append(s.ids, ids...)
	s.mu.Unlock()
	s.wake.Signal()
}

func (s *sweeper) run() {
	defer close(s.ended)
	for {
		s.mu.Lock()
		for len(s.ids) == 0 && !s.done {
			s.wake.Wait()
		}
		ids := s.ids
		s.ids = nil
		s.mu.Unlock()
		if len(ids) == 0 {
			return
		}
		for _, id := range ids {
			if err := s.store.Delete(id); err != nil {
				s.fault = errors.Join(s.fault, err)
			}
		}
	}
}

// close waits until everything is deleted. A checkpoint that could not be deleted
// is reported; it costs space, and nothing else.
func (s *sweeper) close() error {
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	s.wake.Signal()
	<-s.ended
	return s.fault
}
