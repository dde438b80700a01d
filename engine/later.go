package engine

import (
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// syncLag is how long an event that may wait for the disk waits at most.
const syncLag = 50 * time.Millisecond

// mayWait tells whether this turn's events can do without an fsync of their own: none
// of them is worth more than the memory of the processes that train, which a power cut
// takes too. The next event that is worth it, or the clock, brings them to the disk.
func (e *Engine) mayWait() bool {
	if !e.lazy.Load() {
		return false
	}
	for _, ev := range e.events {
		if !machine.MayWait(ev.Body) {
			return false
		}
	}
	now := e.clock()
	if !e.unsynced {
		e.syncBy = now + int64(syncLag)
	}
	return now < e.syncBy
}

// sync brings what waits for the disk there, once it has waited long enough.
func (e *Engine) sync() error {
	if !e.unsynced || e.clock() < e.syncBy {
		return nil
	}
	e.unsynced = false
	if err := e.journal.Sync(); err != nil {
		return e.explainCommit(err)
	}
	return nil
}
