package api

import (
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/view"
)

// Limits of a run's streams. What waits for a reader is shared by all: who falls
// behind it is dropped, and comes back.
const (
	maxReaders    = 256
	maxFrames     = 8192
	maxFrameBytes = 16 << 20
	progressEvery = 100 * time.Millisecond
	maxProgress   = 4096 // members that are heard of between two of those
)

// frame is an event as the stream sends it.
type frame []byte

// hub makes a run's events into frames, once for all readers.
type hub struct {
	readers atomic.Int64

	mu        sync.Mutex
	frames    []frame // of the events up to head
	bytes     int
	head      int64
	progress  frame         // the newest
	progressN int64         // its number
	changed   chan struct{} // closed when there is more
	closed    bool

	heardMu sync.Mutex
	heard   map[int]trainer.Progress // by member: what is to be told
	order   []int                    // who was heard of first
}

func newHub() *hub {
	return &hub{changed: make(chan struct{}), heard: map[int]trainer.Progress{}}
}

func (h *hub) watched() bool { return h.readers.Load() > 0 }

// advance makes frames of the events that the run knows now.
func (h *hub) advance(run *view.Run, j *journal.Journal) {
	to := run.Seq()
	h.mu.Lock()
	head := h.head
	h.mu.Unlock()
	if head == to {
		return
	}
	var fresh []frame
	if h.watched() && j != nil && to-head <= maxFrames {
		var err error
		if fresh, err = framesOf(run, j, head, to); err != nil {
			fresh = nil // readers read it themselves, and meet the error
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if int64(len(fresh)) != to-head {
		h.frames, h.bytes = nil, 0
	} else {
		h.keep(fresh)
	}
	h.head = to
	h.wake()
}

func (h *hub) keep(fresh []frame) {
	h.frames = append(h.frames, fresh...)
	for _, f := range fresh {
		h.bytes += len(f)
	}
	drop := 0
	for drop < len(h.frames) && (len(h.frames)-drop > maxFrames || h.bytes > maxFrameBytes) {
		h.bytes -= len(h.frames[drop])
		drop++
	}
	if drop > 0 {
		h.frames = append([]frame(nil), h.frames[drop:]...)
	}
}

// wake tells readers that there is more; mu is held.
func (h *hub) wake() {
	close(h.changed)
	h.changed = make(chan struct{})
}

// close ends all streams, once they have sent what there is.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closed {
		h.closed = true
		h.wake()
	}
}

// news is what a reader that has seen events up to a position, and a progress up to
// a number, has not seen.
type news struct {
	frames   []frame
	behind   bool // there are older events, which are in the journal only
	progress frame
	number   int64
	changed  <-chan struct{}
	closed   bool
}

func (h *hub) since(seq, number int64) news {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := news{changed: h.changed, closed: h.closed, number: h.progressN}
	if h.progressN > number {
		n.progress = h.progress
	}
	switch oldest := h.head - int64(len(h.frames)); {
	case seq < oldest:
		n.behind = true
	case seq < h.head:
		n.frames = h.frames[seq-oldest:]
	}
	return n
}

// framesOf reads events from the journal: those after one position, up to another.
func framesOf(run *view.Run, j *journal.Journal, after, to int64) (out []frame, err error) {
	enough := errors.New("enough")
	err = j.Read(after, func(row journal.Row) error {
		if row.Seq > to {
			return enough
		}
		e, err := run.Event(row)
		if err != nil {
			return err
		}
		seal, err := j.SealAt(row.Seq)
		if err != nil {
			return err
		}
		f, err := frameOf(e, seal)
		out = append(out, f)
		return err
	})
	if errors.Is(err, enough) {
		err = nil
	}
	return out, err
}

func frameOf(e view.Event, seal string) (frame, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(text)+64)
	b = append(b, "event: journal\nid: "...)
	b = strconv.AppendInt(b, e.Seq, 10)
	b = append(append(b, '-'), seal[:sealDigits]...)
	b = append(b, "\ndata: "...)
	b = append(b, text...) // JSON has no line breaks
	return append(b, "\n\n"...), nil
}

// hear notes how far a segment is, for the next time that readers are told.
func (h *hub) hear(p trainer.Progress) {
	if !h.watched() {
		return
	}
	h.heardMu.Lock()
	defer h.heardMu.Unlock()
	if _, known := h.heard[p.Member]; !known {
		if len(h.order) >= maxProgress {
			return
		}
		h.order = append(h.order, p.Member)
	}
	h.heard[p.Member] = p
}

// tellProgress tells readers of the member that has waited longest for it.
func (h *hub) tellProgress(run *view.Run) {
	p, ok := h.nextHeard()
	if !ok {
		return
	}
	from, ok := run.From(p.Segment)
	if !ok {
		return
	}
	f := progressFrame(p, from)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress = f
	h.progressN++
	h.wake()
}

func (h *hub) nextHeard() (p trainer.Progress, ok bool) {
	h.heardMu.Lock()
	defer h.heardMu.Unlock()
	if len(h.order) == 0 {
		return p, false
	}
	p = h.heard[h.order[0]]
	delete(h.heard, h.order[0])
	h.order = h.order[1:]
	return p, true
}

// Progress is how far a segment in training is.
type Progress struct {
	Member  int                  `json:"member"`
	Segment int64                `json:"segment"`
	Step    int64                `json:"step"`  // behind the weights
	Steps   int64                `json:"steps"` // of the segment, done
	Metrics map[string]pbt.Score `json:"metrics"`
}

func progressFrame(p trainer.Progress, from int64) frame {
	v := Progress{p.Member, p.Segment, from + p.Step, p.Step, make(map[string]pbt.Score, len(p.Metrics))}
	for name, x := range p.Metrics {
		v.Metrics[name] = pbt.Score(x)
	}
	text, _ := json.Marshal(v) // of texts and numbers, which always marshal
	return append(append([]byte("event: progress\ndata: "), text...), "\n\n"...)
}
