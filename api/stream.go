package api

import (
	"net/http"
	"strconv"
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
	var err error
	if r.seq, err = q.streamFrom(); err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	if !r.send(frame("retry: 500\n\n")) {
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

// streamFrom is the position after which a stream begins.
func (q *request) streamFrom() (int64, error) {
	if last := q.Header.Get("Last-Event-ID"); last != "" {
		seq, err := strconv.ParseInt(last, 10, 64)
		if err != nil || seq < 0 {
			return 0, bad("Last-Event-ID: %.80q is no position in the journal", last)
		}
		return seq, nil
	}
	if after := q.given("after"); after != nil {
		return *after, nil
	}
	return q.source.run.Seq(), nil
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
