package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How often progress is shown.
const (
	redrawEvery = 100 * time.Millisecond // on a terminal
	lineEvery   = 5 * time.Second        // elsewhere
)

// progress shows a run while it goes on: one line that changes on a terminal,
// lines elsewhere; faults, and copies if asked, as they happen.
type progress struct {
	mu       sync.Mutex
	w        io.Writer
	screen   *screen // from begin to end, but while a view hides it
	exp      *config.Experiment
	quiet    bool
	verbose  bool // tell every copy
	terminal bool
	drawn    bool // the changing line is on the screen
	next     time.Time
	began    time.Time
	spent    int64  // steps when this sitting began
	cause    string // of the failure that was told last, while nothing has finished since
}

func newProgress(w io.Writer, exp *config.Experiment, quiet, verbose bool) *progress {
	return &progress{w: w, exp: exp, quiet: quiet, verbose: verbose, terminal: isTerminal(w) && !plainTerminal()}
}

func (p *progress) begin(dir string, m *machine.Machine) {
	p.began, p.spent = time.Now(), m.Spent()
	if !p.terminal {
		p.next = p.began.Add(lineEvery)
	}
	if !p.quiet {
		p.screen = newScreen(p.w)
		goesOn := ""
		if n := m.Counts().Finished; n > 0 {
			goesOn = ", going on after " + plural.Of(n, "segment")
		}
		p.show("%s: %s, %d at a time, in %s%s\n", clean(p.exp.Name), plural.Of(m.Members(), "member"), p.exp.Trainer.Slots, clean(dir), goesOn)
	}
}

// hide tells nothing from now on, once what there is to tell is written.
func (p *progress) hide() {
	p.mu.Lock()
	s := p.screen
	p.screen, p.drawn = nil, false
	p.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// uncover goes on telling.
func (p *progress) uncover() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.screen = newScreen(p.w)
}

// tellLink tells where the dashboard is.
func (p *progress) tellLink(link string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen != nil {
		p.show("dashboard: %s\n", link)
	}
}

// observe is called by the engine with every batch of durable events.
func (p *progress) observe(v engine.View) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.screen == nil { // quiet, or opening the run, which has events too
		return
	}
	for _, e := range v.Events {
		if line := p.tell(e.Body); line != "" {
			p.line(line)
		}
	}
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	if p.terminal {
		p.next = now.Add(redrawEvery)
		p.show("\r\x1b[K%s", p.state(v.Machine, now))
		p.drawn = true
		return
	}
	p.next = now.Add(lineEvery)
	p.show("%s\n", p.state(v.Machine, now))
}

func (p *progress) line(s string) {
	if p.drawn {
		p.show("\r\x1b[K")
		p.drawn = false
	}
	p.show("%s\n", clean(s))
}

func (p *progress) end() {
	p.mu.Lock()
	if p.drawn {
		p.show("\n")
	}
	p.mu.Unlock()
	p.hide()
}

func (p *progress) show(format string, args ...any) { p.screen.show(fmt.Sprintf(format, args...)) }

// tell is an event as a line, "" for the everyday ones.
func (p *progress) tell(b machine.Body) string {
	switch e := b.(type) {
	case *machine.Decided:
		trouble := e.Decision.Action == pbt.Mend || e.Decision.Action == pbt.Restart
		if trouble || p.verbose && e.Decision.Copies() {
			return fmt.Sprintf("  member %d: %s", e.Member, e.Decision.Say())
		}
	case *machine.Failed:
		if e.Fault == machine.FailPreempted {
			return fmt.Sprintf("  member %d: segment %d is given up, and will be trained again: %s", e.Member, e.Segment, firstLine(e.Error))
		}
		if e.Fault != machine.FailLost {
			return p.tellFailed(e)
		}
	case *machine.Refused: // after a timeout, the usual end of what was called off
		if p.verbose {
			return fmt.Sprintf("  member %d, segment %d: a report was refused: %s", e.Member, e.Segment, e.Why)
		}
	case *machine.Ending:
		return "  ending: " + e.Reason
	case *machine.Paused:
		if e.Until != 0 {
			return "  waiting before the next attempt: " + e.Reason
		}
		if e.By != "" { // else the command ends, and says why
			return "  paused: " + e.Reason
		}
	case *machine.Recovered:
		return fmt.Sprintf("  the fault is gone, after %s", plural.Of(int64(e.Waits), "wait"))
	case *machine.Finished:
		p.cause = ""
	}
	return ""
}

// tellFailed tells a failure with its output. One whose cause is that of the failure
// before, with nothing finished between, is the same news.
func (p *progress) tellFailed(e *machine.Failed) string {
	cause := machine.Cause(e.Error)
	if e.Blame != machine.BlameMember && cause == p.cause && !p.verbose {
		return ""
	}
	p.cause = cause
	if e.Blame == machine.BlameMember {
		return fmt.Sprintf("  member %d, segment %d, attempt %d failed (%s): %s", e.Member, e.Segment, e.Attempt, e.Fault, e.Error)
	}
	return fmt.Sprintf("  member %d, segment %d failed (%s): %s", e.Member, e.Segment, e.Fault, e.Error)
}

// state is the run on one line.
func (p *progress) state(m *machine.Machine, now time.Time) string {
	s := fmt.Sprintf("%s, %s", plural.Of(m.Counts().Finished, "segment"), plural.Of(m.Counts().Copies, "copy"))
	if best, ok := m.Best(); ok {
		s += fmt.Sprintf(", best %s %s (member %d)", clean(p.exp.Metric), best.Score, best.Member)
	}
	if total := m.TotalSteps(); total > 0 {
		s = fmt.Sprintf("%3.0f%%  %s", 100*min(1, float64(m.Spent())/float64(total)), s)
		if done := m.Spent() - p.spent; done > 0 {
			left := time.Duration(float64(now.Sub(p.began)) / float64(done) * float64(total-m.Spent()))
			s += fmt.Sprintf(", %s left", max(0, left).Round(time.Second))
		}
	}
	return s
}
