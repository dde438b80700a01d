package main

import (
	"fmt"
	"io"
)

// screenBacklog is how many messages wait for a slow terminal before more are
// dropped: a reader that stops reading must not stop the run.
const screenBacklog = 256

// screen writes to a terminal or pipe from a goroutine of its own.
type screen struct {
	w       io.Writer
	backlog chan string
	done    chan struct{}
	dropped int
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w, backlog: make(chan string, screenBacklog), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		for text := range s.backlog {
			_, _ = io.WriteString(s.w, text) // progress that cannot be shown is nobody's loss
		}
	}()
	return s
}

// show writes the text as soon as the reader takes it, or drops it.
func (s *screen) show(text string) {
	select {
	case s.backlog <- text:
	default:
		s.dropped++
	}
}

// close waits for what is still to be written.
func (s *screen) close() {
	close(s.backlog)
	<-s.done
	if s.dropped > 0 {
		fmt.Fprintf(s.w, "(%d lines of progress were left out: nobody read them)\n", s.dropped)
	}
}
