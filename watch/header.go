package watch

import (
	"fmt"
	"math"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// tallHeight is from where on the story may take three lines.
const tallHeight = 24

// head is the lines at the top: the run, how far it is, who leads and why.
func (m *model) head() []string {
	s := m.snap
	lines := []string{m.titleLine(), m.progressLine()}
	most := 2
	if m.h >= tallHeight {
		most = 3
	}
	lines = append(lines, wrap(story(&s.sum, s.stages), m.w, most)...)
	if s.err != nil {
		lines = append(lines, wrap(paint(m.look.bad, "not the newest: "+clean(s.err.Error())), m.w, 2)...)
	}
	return lines
}

func (m *model) titleLine() string {
	s := m.snap
	left := paint(m.look.title, s.sum.Name) + "  " + m.phase()
	right := fmt.Sprintf("%d of %d slots busy", s.busy, s.sum.Slots)
	if s.health.StepsPerS > 0 && s.live {
		right += fmt.Sprintf(", %s steps/s", digits(math.Round(s.health.StepsPerS)))
	}
	if !s.live {
		right = fmt.Sprintf("%s, %s, worked %s", plural.Of(s.sum.Counts.Finished, "segment"), plural.Of(s.sum.Counts.Copies, "copy"), lasting(s.sum.WorkedS))
	}
	return both(left, paint(m.look.dim, right), m.w)
}

// where says who trains the run or, of this process's own, where its dashboard is.
func (m *model) where() string {
	switch {
	case m.Link != "":
		return paint(m.look.dim, "  ") + paint(m.look.link, m.Link)
	case m.own():
		return ""
	}
	return paint(m.look.dim, ", "+m.snap.owner)
}

// phase is how the run stands, in words.
func (m *model) phase() string {
	s := m.snap
	because := ""
	if s.sum.Reason != "" {
		because = ": " + s.sum.Reason
	}
	switch {
	case s.sum.Phase == machine.PhaseEnded:
		return paint(m.look.good, "■ finished"+because)
	case s.sum.Phase == machine.PhasePaused && s.live:
		return paint(m.look.warn, "‖ paused by hand"+because) + m.where()
	case s.sum.Phase == machine.PhasePaused:
		return paint(m.look.bad, "‖ paused"+because)
	case !s.live:
		return paint(m.look.warn, "□ stopped: no process trains it")
	case s.sum.Phase == machine.PhaseEnding:
		return paint(m.look.warn, "▶ ending"+because) + m.where()
	}
	return paint(m.look.good, "▶ training") + m.where()
}

func (m *model) progressLine() string {
	s := m.snap
	line := m.bar(s.sum.Progress, max(10, m.w/5)) + fmt.Sprintf(" %3.0f %%", 100*s.sum.Progress)
	if s.sum.EtaS != nil {
		line += "  " + lasting(*s.sum.EtaS) + " left"
	}
	if b := s.sum.Best; b != nil {
		line += paint(m.look.accent, fmt.Sprintf("  best %s %s", metric(&s.sum), b.Score)) + fmt.Sprintf(" (member %d)", b.Member)
	}
	trouble := ""
	if n := s.sum.Counts.Failed; n > 0 {
		trouble = paint(m.look.warn, plural.Of(n, "failed attempt"))
	}
	return both(line, trouble, m.w)
}

// bar is a share as a bar.
func (m *model) bar(share float64, w int) string {
	w = max(1, w-2)
	full := int(math.Round(min(1, max(0, share)) * float64(w)))
	return "[" + paint(m.look.accent, strings.Repeat("█", full)) + paint(m.look.dim, strings.Repeat("░", w-full)) + "]"
}
