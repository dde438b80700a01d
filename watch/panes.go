package watch

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/view"
)

// drawScores is the scores of all members along the ancestries of their weights, on one
// scale.
func (m *model) drawScores(w, h int) []string {
	const rank, id, score = 4, 6, 9
	line := max(0, w-rank-id-score-3)
	head := fmt.Sprintf("%s %s %s %s", fitRight("rank", rank), fitRight("member", id), fit(fmt.Sprintf("the last %d scores of its weights, from %s to %s", sparkPoints, digits(m.axis.lo), digits(m.axis.hi)), line), fitRight("score", score))
	lines := []string{paint(m.look.title, head)}
	m.top[scores] = window(m.top[scores], m.row(), len(m.order), h-1)
	for at := m.top[scores]; at < min(len(m.order), m.top[scores]+h-1); at++ {
		r := &m.snap.members[m.order[at]]
		left := fmt.Sprintf("%s %s ", fitRight(orDash(r.Rank), rank), fitRight(strconv.Itoa(r.ID), id))
		drawn := fit(m.axis.wide(r.Spark, line), line)
		if r.ID == m.selected {
			lines = append(lines, paint(m.look.selected, left+drawn+" "+fitRight(scoreText(r), score)))
			continue
		}
		lines = append(lines, left+paint(m.look.accent, drawn)+" "+fitRight(scoreText(r), score))
	}
	return lines
}

// sparkPoints is how many scores the view has of a member at most.
const sparkPoints = 40

// wide draws values two cells each if there is space.
func (s scale) wide(values view.Numbers, w int) string {
	if w < 2*sparkPoints {
		return s.line(values, w)
	}
	double := make(view.Numbers, 0, 2*len(values))
	for _, x := range values {
		double = append(double, x, x)
	}
	return s.line(double, w)
}

// scheduleLines is the best schedule: each hyperparameter over the steps and, where
// there is space, the stages.
func (m *model) scheduleLines(w, h int) []string {
	stages := m.snap.stages
	if len(stages) == 0 {
		return []string{paint(m.look.dim, "no segment has finished with a score yet")}
	}
	name := 0
	for _, n := range m.names {
		name = max(name, width(clean(n)))
	}
	name = min(name, w/4)
	var lines []string
	for _, n := range m.names {
		from, _ := stages[0].Hypers.Get(n)
		to, _ := stages[len(stages)-1].Hypers.Get(n)
		ends := cut(show(from)+" → "+show(to), w/3)
		line := max(0, w-name-w/3-2)
		lines = append(lines, fit(clean(n), name)+" "+paint(m.look.accent, spark(stages, n, line))+" "+ends)
	}
	if h <= len(lines)+2 {
		return lines
	}
	head := fitRight("from", 8) + " " + fitRight("to", 8) + " " + fitRight("member", 6) + " " + fitRight("segment", 8)
	for _, n := range m.names {
		head += " " + fitRight(clean(n), hyperWidth)
	}
	lines = append(lines, "", paint(m.look.title, cut(head, w)))
	for _, s := range pbt.Compact(stages) {
		row := fitRight(strconv.FormatInt(s.From, 10), 8) + " " + fitRight(strconv.FormatInt(s.To, 10), 8) + " " + fitRight(strconv.Itoa(s.Member), 6) + " " + fitRight(strconv.FormatInt(s.Segment, 10), 8)
		for _, n := range m.names {
			v, _ := s.Hypers.Get(n)
			row += " " + fitRight(show(v), hyperWidth)
		}
		lines = append(lines, cut(row, w))
	}
	return lines
}

// drawEvents is the feed, the newest at the end.
func (m *model) drawEvents(w, h int) []string {
	feed := m.feed()
	m.top[events] = min(m.top[events], max(0, len(feed)-1))
	var lines []string // from the end
	for _, e := range slices.Backward(feed[:len(feed)-m.top[events]]) {
		said := m.eventLines(&e, w)
		slices.Reverse(said)
		lines = append(lines, said...)
		if len(lines) >= h {
			break
		}
	}
	if len(lines) == 0 {
		return []string{paint(m.look.dim, "nothing yet")}
	}
	lines = lines[:min(len(lines), h)]
	slices.Reverse(lines)
	return lines
}

// mostEvent is how many lines an event may take.
const mostEvent = 3

func (m *model) eventLines(e *event, w int) []string {
	at := time.UnixMilli(e.at).In(m.Zone).Format(time.TimeOnly) + " " + sign(e.level)
	lines := wrap(e.say, max(1, w-len(time.TimeOnly)-3), mostEvent)
	for i, line := range lines {
		lines[i] = spaces(width(at)) + paint(m.look.ofText(e.level), line)
	}
	lines[0] = paint(m.look.dim, time.UnixMilli(e.at).In(m.Zone).Format(time.TimeOnly)+" ") + paint(m.look.ofLevel(e.level), sign(e.level)) + strings.TrimLeft(lines[0], " ")
	return lines
}

// ofText is the style of an event's words: trouble is in colour, the rest by its sign.
func (t *theme) ofText(l view.Level) lipgloss.Style {
	if l == view.LevelGood || l == view.LevelDecision {
		return lipgloss.NewStyle()
	}
	return t.ofLevel(l)
}

func (t *theme) ofLevel(l view.Level) lipgloss.Style {
	switch l {
	case view.LevelQuiet:
		return t.dim
	case view.LevelGood:
		return t.good
	case view.LevelWarn:
		return t.warn
	case view.LevelError:
		return t.bad
	case view.LevelDecision:
		return t.accent
	}
	return lipgloss.NewStyle()
}

// sign says what the colour says.
func sign(l view.Level) string {
	switch l {
	case view.LevelGood:
		return "+ "
	case view.LevelWarn:
		return "! "
	case view.LevelError:
		return "✗ "
	case view.LevelDecision:
		return "⇄ "
	}
	return "  "
}

// slotLines is each slot: its use, what it is at, and the last while.
func (m *model) slotLines(w int) []string {
	if len(m.snap.slots) == 0 {
		return []string{paint(m.look.dim, "no slot has trained anything yet")}
	}
	name := 0
	for _, s := range m.snap.slots {
		name = max(name, width(s.name))
	}
	name = min(name, w/4)
	const at = 24
	var lines []string
	for _, s := range m.snap.slots {
		now := s.now
		if now == "" {
			now = "idle"
		}
		line := fit(s.name, name) + fitRight(fmt.Sprintf("%.0f %%", 100*s.use), 6) + " " + fit(now, at) + " "
		lines = append(lines, cut(line+m.useLine(s.line, w-width(line)), w))
	}
	return lines
}

// useLine draws how busy a slot was, the newest at the end.
func (m *model) useLine(line []cell, w int) string {
	text := ""
	for _, c := range line[max(0, len(line)-max(0, w)):] {
		switch {
		case c.failed:
			text += paint(m.look.bad, "×")
		case c.use <= 0.02:
			text += "·"
		default:
			text += string(bars[int(c.use*float64(len(bars)-1)+0.5)])
		}
	}
	return text
}
