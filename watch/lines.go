package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// lineEvery is how often a line tells how far the run is.
const lineEvery = 5 * time.Second

// Lines tells how the run goes on in plain lines, for a file or a terminal that can
// draw nothing, and ends when no process trains it any more.
func Lines(ctx context.Context, c Config, out io.Writer) error {
	f, err := open(c.Dir)
	if err != nil {
		return err
	}
	following, stop := context.WithCancel(ctx)
	defer stop()
	p := printer{out: out, dir: c.Dir}
	f.follow(following, func(s *snapshot) {
		if p.show(s, time.Now()) {
			stop()
		}
	})
	if p.err == nil && !p.ended {
		p.err = context.Cause(ctx)
	}
	return errors.Join(p.err, f.close())
}

// printer writes snapshots as lines.
type printer struct {
	out   io.Writer
	dir   string
	next  time.Time // when the next line is due
	last  string    // the last one
	seq   int64     // of the newest event that was told, or that was there before
	begun bool
	ended bool
	err   error
}

// show tells what is new, and whether that was the end.
func (p *printer) show(s *snapshot, now time.Time) bool {
	switch {
	case s.err != nil:
		p.err = s.err
		return true
	case s.total > 0: // it is still being read
		return false
	case !s.begun && s.live: // it is about to begin
		return false
	case !s.begun:
		p.err = fmt.Errorf("%s: the run has not begun, no event is recorded", p.dir)
		return true
	}
	if !p.begun {
		p.begun, p.seq = true, s.sum.Seq
		p.line(fmt.Sprintf("%s: %s, %d at a time, in %s", s.sum.Name, plural.Of(int64(s.sum.Population), "member"), s.sum.Slots, p.dir))
	}
	for _, e := range s.loud {
		if e.seq > p.seq && (e.level == view.LevelWarn || e.level == view.LevelError) {
			p.line("  " + e.say)
		}
	}
	p.seq = max(p.seq, s.sum.Seq)
	p.ended = !s.live
	if state := stateLine(s); p.ended || !now.Before(p.next) && state != p.last {
		p.line(state)
		p.last, p.next = state, now.Add(lineEvery)
	}
	if p.ended {
		p.line(ending(s))
	}
	return p.ended || p.err != nil
}

func (p *printer) line(text string) {
	if _, err := fmt.Fprintln(p.out, text); err != nil && p.err == nil {
		p.err = err
	}
}

// stateLine is the run on one line, as pbt run tells it.
func stateLine(s *snapshot) string {
	line := fmt.Sprintf("%3.0f%%  %s, %s", 100*s.sum.Progress, plural.Of(s.sum.Counts.Finished, "segment"), plural.Of(s.sum.Counts.Copies, "copy"))
	if b := s.sum.Best; b != nil {
		line += fmt.Sprintf(", best %s %s (member %d)", metric(&s.sum), b.Score, b.Member)
	}
	if s.sum.EtaS != nil {
		line += fmt.Sprintf(", %s left", lasting(*s.sum.EtaS))
	}
	return line
}

// ending says how the run stands when no process trains it.
func ending(s *snapshot) string {
	because := ""
	if s.sum.Reason != "" {
		because = ": " + s.sum.Reason
	}
	switch s.sum.Phase {
	case machine.PhaseEnded:
		return "finished" + because
	case machine.PhasePaused:
		return "paused" + because
	}
	return "stopped: no process trains it; pbt resume goes on"
}
