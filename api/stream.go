package api

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of a stream.
const (
	heartbeatEvery = 15 * time.Second
	streamLimit    = 10 * time.Second // a reader that takes nothing for so long is dropped
	streamChunk    = 256              // events that are read from the journal at a time
)

// reader is somebody at the other end of a stream.
type reader struct {
	w       http.ResponseWriter
	control *http.ResponseController
	seq     int64 // of the last event sent
	number  int64 // of the last progress sent
	kept    bool  // it has kept up with the run
}

// stream sends a run's events. Nobody waits for a reader: events are made into
// frames once for all, and who falls behind those that are kept is dropped. It
// comes back with the position of the last one it had.
func (s *Server) stream(q *request, w http.ResponseWriter) {
	h := q.source.hub
	if h.readers.Add(1) > maxReaders {
		h.readers.Add(-1)
		s.fail(w, &problem{http.StatusServiceUnavailable, "too many streams of this run are open"})
		return
	}
	defer h.readers.Add(-1)
	r := &reader{w: w, control: http.NewResponseController(w)}
	from, err := q.streamFrom()
	lost := false
	if err == nil {
		lost, err = q.source.lost(from)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	hello := frame("retry: 500\n\n")
	if r.seq = from.seq; lost {
		r.seq, hello = 0, append(hello, resetFrame...)
	}
	if !r.send(hello) {
		return
	}
	r.number = h.since(r.seq, 0).number // how far segments were is no news
	beat := time.NewTicker(heartbeatEvery)
	defer beat.Stop()
	for {
		n := h.since(r.seq, r.number)
		switch {
		case n.behind && r.kept:
			return // too slow
		case n.behind:
			if !r.catchUp(s, q) {
				return
			}
			continue
		}
		r.kept = true
		if !r.sendNews(n) || n.closed {
			return
		}
		select {
		case <-n.changed:
		case <-beat.C:
			if !r.send(frame(": \n\n")) {
				return
			}
		case <-q.Context().Done():
			return
		}
	}
}

// resetFrame tells a reader to forget what it has, position included: the journal no
// longer holds it. The stream goes on with the run's first event.
const resetFrame = "event: reset\nid\ndata: {}\n\n"

// position is a place in the journal, as the ids of a stream's events name it: the
// number of the event, and the beginning of its seal, which tells of all before it.
type position struct {
	seq  int64
	seal string // "": not known
}

// sealDigits is how much of a seal an id has: two journals of one run do not agree in
// it by chance.
const sealDigits = 12

var positionText = regexp.MustCompile(`^([0-9]{1,16})(?:-([0-9a-f]{12}))?$`)

func parsePosition(text string) (p position, ok bool) {
	parts := positionText.FindStringSubmatch(text)
	if parts == nil {
		return p, false
	}
	seq, err := strconv.ParseInt(parts[1], 10, 64)
	return position{seq, parts[2]}, err == nil && seq <= maxWhole
}

// streamFrom is the position after which a stream begins.
func (q *request) streamFrom() (position, error) {
	name, text := "Last-Event-ID", q.Header.Get("Last-Event-ID")
	if text == "" {
		name, text = "after", q.words["after"]
	}
	if text == "" {
		return position{seq: q.source.run.Seq()}, nil
	}
	p, ok := parsePosition(text)
	if !ok {
		return p, bad("%s: %.80q is no position in the journal", name, text)
	}
	return p, nil
}

// lost tells whether the journal does not hold what whoever stands at a position has
// read: after a loss of power its newest events may be gone, and others in their place.
func (s *Source) lost(p position) (bool, error) {
	if p.seq == 0 {
		return false, nil
	}
	j, err := s.Journal()
	if err != nil {
		return false, err
	}
	seal, err := j.SealAt(p.seq)
	return seal == "" || !strings.HasPrefix(seal, p.seal), err
}

// catchUp sends events that are in the journal only.
func (r *reader) catchUp(s *Server, q *request) bool {
	j, err := q.source.Journal()
	if err != nil {
		return false
	}
	frames, err := framesOf(q.source.run, j, r.seq, min(q.source.run.Seq(), r.seq+streamChunk))
	if err != nil {
		s.config.Log("stream %s: %v", q.source.id, err)
		return false
	}
	return r.sendNews(news{frames: frames}) && q.Context().Err() == nil
}

func (r *reader) sendNews(n news) bool {
	frames := n.frames
	if n.number > r.number {
		r.number = n.number
		if n.progress != nil {
			frames = append(frames[:len(frames):len(frames)], n.progress)
		}
	}
	if len(frames) == 0 {
		return true
	}
	r.seq += int64(len(n.frames))
	return r.send(frames...)
}

func (r *reader) send(frames ...frame) bool {
	if r.control.SetWriteDeadline(time.Now().Add(streamLimit)) != nil {
		return false
	}
	for _, f := range frames {
		if _, err := r.w.Write(f); err != nil {
			return false
		}
	}
	return r.control.Flush() == nil
}
