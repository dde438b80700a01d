package watch

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Widths of the population's columns. What a narrow terminal has no space for is left
// out, from the end.
const (
	minTrend, maxTrend = 8, 40
	hyperWidth         = 9
	minDecision        = 10
	maxDetail          = 9 // lines
	narrowWidth        = 50
)

// column is one of the table's.
type column struct {
	name  string
	w     int
	right bool // numbers
	text  func(*member) string
	style func(*member) lipgloss.Style // nil: none
}

// columns are those that fit.
func (m *model) columns(w int) []column {
	t := &m.look
	plain := func(*member) lipgloss.Style { return lipgloss.NewStyle() }
	if w < narrowWidth {
		return m.fewColumns(w)
	}
	cols := []column{
		{"rank", 5, true, func(r *member) string { return orDash(r.Rank) }, plain},
		{"member", 7, true, func(r *member) string { return strconv.Itoa(r.ID) }, func(*member) lipgloss.Style { return t.title }},
		{"state", 8, false, func(r *member) string { return string(r.State) }, t.ofState},
		{"score", 9, true, scoreText, plain},
		{"step", 7, true, func(r *member) string { return short(r.Step) }, plain},
	}
	left := w
	for _, c := range cols {
		left -= c.w + 1
	}
	hypers := min(len(m.names), max(0, left-minTrend-1)/(hyperWidth+1))
	if hypers > 2 && left-hypers*(hyperWidth+1) < minTrend+minDecision+2 { // the decision matters more than a third
		hypers = max(2, (left-minTrend-minDecision-2)/(hyperWidth+1))
	}
	left -= hypers * (hyperWidth + 1)
	trend := min(maxTrend, max(minTrend, (left-1)/3))
	if left > trend {
		cols = append(cols, column{"trend", trend, false, func(r *member) string { return m.axis.line(r.Spark, trend) }, func(*member) lipgloss.Style { return t.accent }})
		left -= trend + 1
	}
	for _, name := range m.names[:hypers] {
		cols = append(cols, column{clean(name), hyperWidth, true, func(r *member) string { v, _ := r.Hypers.Get(name); return show(v) }, plain})
	}
	if left >= minDecision {
		cols = append(cols, column{"decision", left, false, decisionText, func(*member) lipgloss.Style { return t.dim }})
	}
	return cols
}

// fewColumns are those of a narrow terminal: a member's state is a sign.
func (m *model) fewColumns(w int) []column {
	t := &m.look
	plain := func(*member) lipgloss.Style { return lipgloss.NewStyle() }
	cols := []column{
		{"rank", 5, true, func(r *member) string { return orDash(r.Rank) }, plain},
		{"mem", 4, true, func(r *member) string { return strconv.Itoa(r.ID) }, func(*member) lipgloss.Style { return t.title }},
		{"", 1, false, stateSign, t.ofState},
		{"score", 9, true, scoreText, plain},
	}
	left := w
	for _, c := range cols {
		left -= c.w + 1
	}
	if left >= minTrend/2 {
		cols = append(cols, column{"trend", left, false, func(r *member) string { return m.axis.line(r.Spark, left) }, func(*member) lipgloss.Style { return t.accent }})
	}
	return cols
}

// stateSign is a member's state as a sign.
func stateSign(r *member) string {
	switch r.State {
	case machine.StateRunning:
		return "▶"
	case machine.StateFailed:
		return "✗"
	case machine.StateDeciding:
		return "?"
	case machine.StateWaiting:
		return "·"
	}
	return "■"
}

func orDash(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}

func scoreText(r *member) string {
	if r.Score == nil {
		return "-"
	}
	return r.Score.String()
}

// rival is whom a decision copies.
var rival = regexp.MustCompile(`; (?:copies|repaired) .*?(member \d+)`)

// decisionText is what a decision did, in a few words; why, and what it changed, is for
// the detail.
func decisionText(r *member) string {
	say := map[pbt.Action]string{pbt.Begin: "starts", pbt.Continue: "goes on", pbt.Copy: "copies", pbt.Mend: "repaired from", pbt.Restart: "starts anew"}[r.LastDecision.Action]
	if found := rival.FindStringSubmatch(r.LastDecision.Say); found != nil {
		say += " " + strings.TrimPrefix(found[1], "member ")
	}
	if r.LastDecision.Why == pbt.WhySteered {
		say += ", by hand"
	}
	if r.Failures > 0 {
		say += fmt.Sprintf(" !%d", r.Failures)
	}
	return say
}

// ofState is the colour of a member's state.
func (t *theme) ofState(r *member) lipgloss.Style {
	switch r.State {
	case machine.StateRunning:
		return t.good
	case machine.StateFailed:
		return t.bad
	case machine.StateDeciding:
		return t.warn
	}
	return t.dim
}

// drawPopulation is the table, and what is known of the selected member.
func (m *model) drawPopulation(w, h int) []string {
	detail := []string(nil)
	if room := min(maxDetail, h/2); h >= roomy {
		detail = m.detail(w, room)
	}
	rows := max(0, h-1-len(detail))
	var drawn []string
	if room := min(mostChart, rows-len(m.order)); m.snap.chart != nil && room >= leastChart {
		drawn = m.drawChart(m.snap.chart, w, room)
		rows -= room
	}
	cols := m.columns(w)
	lines := []string{m.tableHead(cols)}
	m.top[population] = window(m.top[population], m.row(), len(m.order), rows)
	for at := m.top[population]; at < min(len(m.order), m.top[population]+rows); at++ {
		lines = append(lines, m.tableRow(cols, &m.snap.members[m.order[at]], w))
	}
	return append(append(m.fill(lines, 1+rows), drawn...), detail...)
}

func (m *model) tableHead(cols []column) string {
	texts := make([]string, len(cols))
	by := clean(m.sortName())
	for i, c := range cols {
		name := c.name
		if name == by {
			name = cut(name, c.w-1) + "▾"
			if m.reverse {
				name = cut(c.name, c.w-1) + "▴"
			}
		}
		texts[i] = c.fit(name)
	}
	return paint(m.look.title, strings.Join(texts, " "))
}

func (c *column) fit(text string) string {
	if c.right {
		return fitRight(text, c.w)
	}
	return fit(text, c.w)
}

func (m *model) tableRow(cols []column, r *member, w int) string {
	texts := make([]string, len(cols))
	for i := range cols {
		c := &cols[i]
		texts[i] = c.fit(c.text(r))
		if r.ID != m.selected {
			texts[i] = paint(c.style(r), texts[i])
		}
	}
	line := strings.Join(texts, " ")
	if r.ID == m.selected {
		return paint(m.look.selected, fit(line, w))
	}
	return line
}

// detail is the selected member in at most so many lines: how it stands, its
// hyperparameters, its last decision in words, its last failure.
func (m *model) detail(w, h int) []string {
	r := m.member()
	if r == nil || h < 3 {
		return nil
	}
	t := &m.look
	title := fmt.Sprintf("── member %d: segment %d, %s ", r.ID, r.Segment, r.State)
	if r.State == machine.StateRunning {
		title += fmt.Sprintf("on %s, %.0f %% ", r.Slot, 100*r.Progress)
	}
	lines := []string{paint(t.title, cut(title, w)) + paint(t.dim, strings.Repeat("─", max(0, w-width(title))))}
	facts := fmt.Sprintf("trained %s, %d behind its weights", plural.Of(r.Spent, "step"), r.Step)
	if r.Root != r.ID {
		facts += fmt.Sprintf(", which began as member %d", r.Root)
	}
	if r.Failures > 0 {
		facts += "; " + plural.Of(r.Failures, "failed attempt")
	}
	if r.Lost > 0 {
		facts += fmt.Sprintf("; %d cut off", r.Lost)
	}
	lines = append(lines, cut(facts, w))
	lines = append(lines, wrap(clean(r.Hypers.String()), w, h/4)...)
	failure := wrapFailure(r.LastFailure, w, max(1, h-len(lines)-2))
	lines = append(lines, wrap(r.LastDecision.Say, w, h-len(lines)-len(failure))...)
	for _, line := range failure {
		lines = append(lines, paint(t.bad, line))
	}
	return lines[:min(len(lines), h)]
}

// wrapFailure is the end of a failure's text: that is where its cause stands.
func wrapFailure(text string, w, most int) []string {
	if text == "" {
		return nil
	}
	var lines []string
	for line := range strings.SplitSeq("last failure: "+text, "\n") {
		lines = append(lines, wrap(line, w, most)...)
	}
	if len(lines) > most {
		first := lines[0]
		lines = lines[len(lines)-most:]
		if most > 1 {
			lines[0] = cut(first+" …", w)
		}
	}
	return lines
}
