package watch

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// Sizes from which there is space for more.
const (
	wideWidth  = 120 // several panes side by side
	wideHeight = 20  // of the panes
	roomy      = 12  // lines: below this only the panes' own lines are shown
	mostFoot   = 3   // lines of a message
)

// View implements tea.Model.
func (m *model) View() tea.View {
	v := tea.NewView(strings.Join(m.screen(), "\n"))
	v.AltScreen = true
	v.WindowTitle = "pbt watch"
	if m.snap.begun {
		v.WindowTitle += " " + m.snap.sum.Name
	}
	return v
}

// screen is all lines, each as wide as the terminal. What a small one has no space for
// is left out: first the story, then the header.
func (m *model) screen() []string {
	foot := m.foot()
	if m.help {
		return m.crop(append(m.helpLines(m.h-1), foot[len(foot)-1]))
	}
	if !m.snap.begun {
		return m.crop(append(m.fill(m.waiting(), m.h-len(foot)), foot...))
	}
	var head []string
	switch {
	case m.h >= roomy:
		head = m.head()
	case m.h >= roomy*2/3:
		head = m.head()[:2]
	case m.h > 3:
		head = m.head()[:1]
	}
	body := m.h - len(head) - len(foot)
	if m.w >= wideWidth && body >= wideHeight && !m.zoom {
		head = append(head, m.wide(body)...)
	} else {
		head = append(head, m.narrow(body)...)
	}
	return m.crop(append(head, foot...))
}

// crop makes lines exactly fill the terminal.
func (m *model) crop(lines []string) []string {
	lines = m.fill(lines, m.h)
	for i := range lines {
		lines[i] = fit(lines[i], m.w)
	}
	return lines
}

func (m *model) fill(lines []string, h int) []string {
	for len(lines) < h {
		lines = append(lines, "")
	}
	return lines[:max(0, h)]
}

// waiting is what is shown while there is nothing of the run yet.
func (m *model) waiting() []string {
	s := m.snap
	switch {
	case s.err != nil:
		return append([]string{paint(m.look.bad, "The run cannot be read:")}, wrap(clean(s.err.Error()), m.w, m.h)...)
	case s.total > 0:
		return []string{fmt.Sprintf("reading the journal: %d of %d events", s.read, s.total), m.bar(float64(s.read)/float64(s.total), min(m.w, 40))}
	}
	return []string{"reading the journal …"}
}

// narrow shows one pane, under the names of all.
func (m *model) narrow(h int) []string {
	if h <= 1 {
		return nil
	}
	return append([]string{m.tabs()}, m.fill(m.draw(m.focus, m.w, h-1), h-1)...)
}

func (m *model) tabs() string {
	var b strings.Builder
	for p := range panes {
		name := fmt.Sprintf(" %d %s ", p+1, paneNames[p])
		if m.w < narrowWidth && p != m.focus {
			name = fmt.Sprintf(" %d ", p+1)
		}
		if p == m.focus {
			b.WriteString(paint(m.look.focus, "["+name[1:len(name)-1]+"]"))
		} else {
			b.WriteString(paint(m.look.dim, name))
		}
	}
	return both(b.String(), paint(m.look.dim, m.note(m.focus)), m.w)
}

// note is what a pane's title says besides its name.
func (m *model) note(p pane) string {
	s := m.snap
	switch p {
	case population, scores:
		note := fmt.Sprintf("%d", len(s.members))
		if m.filter[population] != "" {
			note = fmt.Sprintf("%d of %d, /%s", len(m.order), len(s.members), m.filter[population])
		}
		sign := ""
		if m.reverse {
			sign = " reversed"
		}
		return note + ", by " + clean(m.sortName()) + sign
	case schedule:
		if s.sum.Best != nil {
			return fmt.Sprintf("of segment %d, member %d, to step %d", s.sum.Best.Segment, s.sum.Best.Member, s.sum.Best.Step)
		}
	case events:
		note := "notable"
		if m.everyday {
			note = "all"
		}
		if m.filter[events] != "" {
			note += ", /" + m.filter[events]
		}
		if m.top[events] > 0 {
			note += fmt.Sprintf(", %d newer", m.top[events])
		}
		return note
	case slots:
		return fmt.Sprintf("%d, %.0f %% in use over the run", len(s.slots), 100*s.health.SlotUse)
	}
	return ""
}

// wide shows the panes side by side.
func (m *model) wide(h int) []string {
	right := max(50, m.w*2/5)
	left := m.w - right - 3
	top := min(len(m.names)+1, h/3)
	low := min(len(m.snap.slots)+1, h/4)
	mid := h - top - low
	column := append(m.titled(schedule, right, top), m.titled(events, right, mid)...)
	column = append(column, m.titled(slots, right, low)...)
	lines := m.titled(m.left, left, h)
	for i := range lines {
		lines[i] += paint(m.look.dim, " │ ") + column[i]
	}
	return lines
}

// titled is a pane of an exact size with its title.
func (m *model) titled(p pane, w, h int) []string {
	sign, style := " ", m.look.title
	if p == m.focus {
		sign, style = "▸", m.look.focus
	}
	title := paint(style, fmt.Sprintf("%s%d %s", sign, p+1, paneNames[p])) + paint(m.look.dim, " "+m.note(p)+" ")
	lines := []string{cut(title, w) + paint(m.look.dim, strings.Repeat("─", max(0, w-width(title))))}
	if h > 1 {
		lines = append(lines, m.draw(p, w, h-1)...)
	}
	lines = m.fill(lines, h)
	for i := range lines {
		lines[i] = fit(lines[i], w)
	}
	return lines
}

// draw is a pane's lines, at most so many.
func (m *model) draw(p pane, w, h int) []string {
	switch p {
	case population:
		return m.drawPopulation(w, h)
	case scores:
		return m.drawScores(w, h)
	case schedule:
		return m.scrolled(p, m.scheduleLines(w, h), h)
	case events:
		return m.drawEvents(w, h)
	}
	return m.scrolled(p, m.slotLines(w), h)
}

// scrolled is the part of a list that the user has scrolled to.
func (m *model) scrolled(p pane, lines []string, h int) []string {
	m.top[p] = min(m.top[p], max(0, len(lines)-h))
	return lines[m.top[p]:min(len(lines), m.top[p]+h)]
}

// window is where a list of n lines begins, so that the chosen one is seen and as
// little moves as can be.
func window(top, chosen, n, h int) int {
	top = min(top, max(0, n-h))
	switch {
	case chosen < top:
		return max(0, chosen)
	case chosen >= top+h:
		return chosen - h + 1
	}
	return top
}

// foot is the last lines: a question, a message, or what keys there are.
func (m *model) foot() []string {
	switch {
	case m.typing != nil:
		return m.typingLines()
	case m.wish != nil:
		keys := "  y: yes, any other key: no"
		if m.wish.atOnce {
			keys = "  y: yes, !: at once, any other key: no"
		}
		return wrap(paint(m.look.warn, m.wish.ask)+keys, m.w, mostFoot)
	case m.asking:
		return []string{"asking the process that trains the run …"}
	case m.said.text != "":
		style := m.look.good
		if m.said.bad {
			style = m.look.bad
		}
		lines := wrap(m.said.text, m.w, mostFoot)
		for i := range lines {
			lines[i] = paint(style, lines[i])
		}
		return lines
	}
	return []string{paint(m.look.dim, m.keyHints())}
}

func (m *model) keyHints() string {
	pause := "p pause"
	if m.snap.held() {
		pause = "p resume"
	}
	quit := "q quit"
	if m.own() {
		quit = "q close this view"
	}
	hints := []string{"? help", quit, "tab pane", "s sort", "/ filter", pause, "S stop", "x kill", "r restart", "e set", "c copy", "t retire", "+ inject", ". pin"}
	line := hints[0]
	for _, hint := range hints[1:] {
		if width(line)+2+width(hint) > m.w {
			break
		}
		line += "  " + hint
	}
	return line
}

func (m *model) typingLines() []string {
	label := "/"
	if m.typing.order != nil {
		label = m.typing.label
	}
	line := paint(m.look.title, label) + m.typing.in.draw(&m.look, max(10, m.w-width(label)))
	if m.typing.wrong == "" {
		return []string{line}
	}
	return append(wrap(paint(m.look.bad, m.typing.wrong), m.w, mostFoot-1), line)
}
