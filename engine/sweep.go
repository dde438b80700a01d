package engine

import (
	"errors"
	"sync"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
)

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
