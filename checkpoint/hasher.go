package checkpoint

import (
	"context"
	"errors"
	"sync"
)

// MaxQueued bounds the ids that a Hasher keeps in mind. Beyond them it looks on
// the disk for what is left (Unhashed), which forgets nothing.
const MaxQueued = 4096

// Hasher hashes checkpoints in the background, one at a time. What it has not
// done when the process ends, Unhashed tells the next one.
//
// Its goroutine yields to all others but runs at the usual priority for the
// operating system: a thread of a lower one would hold up every pause of the
// garbage collector until it is given a processor, and a gigabyte takes no more
// than a second or two of one.
type Hasher struct {
	store  *Store
	tell   func(id, digest string, err error)
	ctx    context.Context
	cancel context.CancelFunc
	ended  chan struct{}

	mu     sync.Mutex
	wake   *sync.Cond
	queue  []string
	missed bool // ids that found no room in the queue
	done   bool

	failed map[string]bool // belongs to the goroutine: not to be tried again
}

// NewHasher starts a Hasher. It calls tell, in its own goroutine and for one
// checkpoint after the other, with what Hash returned. Checkpoints that were
// deleted before it got to them are passed over in silence; where the disk
// cannot even be listed, the id is "".
func NewHasher(store *Store, tell func(id, digest string, err error)) *Hasher {
	h := &Hasher{store: store, tell: tell, ended: make(chan struct{}), failed: map[string]bool{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.wake = sync.NewCond(&h.mu)
	go h.run()
	return h
}

// Add puts ids into the queue. It never waits. One that needs no hashing costs
// no more than a look at its manifest.
func (h *Hasher) Add(ids ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	room := min(len(ids), MaxQueued-len(h.queue))
	h.queue = append(h.queue, ids[:room]...)
	h.missed = h.missed || room < len(ids)
	h.wake.Signal()
}

// Close ends the Hasher when its queue is empty, or soon after ctx is done.
func (h *Hasher) Close(ctx context.Context) {
	h.mu.Lock()
	h.done = true
	h.mu.Unlock()
	h.wake.Signal()
	stop := context.AfterFunc(ctx, h.cancel)
	defer stop()
	<-h.ended
	h.cancel()
}

func (h *Hasher) run() {
	defer close(h.ended)
	for {
		id, look, ok := h.next()
		switch {
		case !ok || h.ctx.Err() != nil:
			return
		case look:
			h.lookForMissed()
		default:
			h.hash(id)
		}
	}
}

// next waits for an id, or for a reason to look for ids on the disk.
func (h *Hasher) next() (id string, look, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(h.queue) == 0 && !h.missed && !h.done {
		h.wake.Wait()
	}
	switch {
	case len(h.queue) > 0:
		id, h.queue = h.queue[0], h.queue[1:]
		return id, false, true
	case h.missed:
		h.missed = false
		return "", true, true
	}
	return "", false, false
}

func (h *Hasher) lookForMissed() {
	ids, err := h.store.Unhashed()
	if err != nil {
		h.tell("", "", err)
	}
	for _, id := range ids {
		if h.ctx.Err() != nil {
			return
		}
		if !h.failed[id] {
			h.hash(id)
		}
	}
}

func (h *Hasher) hash(id string) {
	digest, err := h.store.Hash(h.ctx, id)
	if errors.Is(err, ErrMissing) || err != nil && h.ctx.Err() != nil {
		return
	}
	if err != nil {
		h.failed[id] = true
	}
	h.tell(id, digest, err)
}
