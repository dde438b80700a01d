package watch

import (
	tea "charm.land/bubbletea/v2"

	"github.com/seed-7a1a2db0/pbt/api"
)

// key does what a key says.
func (m *model) key(msg tea.KeyPressMsg) tea.Cmd {
	name := msg.String()
	switch {
	case name == "ctrl+c":
		return m.interrupt()
	case name == "ctrl+z":
		return m.suspend()
	case m.typing != nil:
		m.typeKey(msg.Key())
		return nil
	case m.wish != nil:
		return m.confirm(name)
	case m.help:
		m.help = false
		return nil
	}
	m.said = said{}
	if m.move(name) || m.steer(name) {
		return nil
	}
	switch name {
	case "q":
		return tea.Quit
	case "?":
		m.help = true
	case "tab":
		m.show((m.focus + 1) % panes)
	case "shift+tab":
		m.show((m.focus + panes - 1) % panes)
	case "1", "2", "3", "4", "5":
		m.show(pane(name[0] - '1'))
	case "z":
		m.zoom = !m.zoom
	case "s":
		m.sort = (m.sort + 1) % (byHyper + len(m.names))
		m.arrange()
	case "o":
		m.reverse = !m.reverse
		m.arrange()
	case "a":
		m.everyday, m.top[events] = !m.everyday, 0
	case "/":
		m.typing = &prompt{filters: m.filtered(), in: newInput(m.filter[m.filtered()])}
	case "esc":
		m.filter[m.filtered()] = ""
		m.arrange()
	}
	return nil
}

// interrupt ends the view or, where this process trains the run, the training.
func (m *model) interrupt() tea.Cmd {
	if !m.own() {
		return tea.Quit
	}
	return func() tea.Msg { m.Interrupt(); return nil }
}

// suspend lets the shell have the terminal; see [Screen.show].
func (m *model) suspend() tea.Cmd {
	if !canSuspend() {
		m.said = said{"there is no shell here that could wake this up again", true}
		return nil
	}
	m.suspended = true
	return tea.Quit
}

func (m *model) show(p pane) {
	m.focus = p
	if p == population || p == scores {
		m.left = p
	}
}

// filtered is the pane that a filter is for: the members', or the events.
func (m *model) filtered() pane {
	if m.focus == events {
		return events
	}
	return population
}

// pageLines is how far a page key goes.
const pageLines = 10

// move handles the keys that move a selection, or scroll.
func (m *model) move(name string) bool {
	by, known := map[string]int{
		"up": -1, "k": -1, "down": 1, "j": 1, "pgup": -pageLines, "pgdown": pageLines, "ctrl+b": -pageLines, "ctrl+f": pageLines,
		"home": -far, "g": -far, "end": far, "G": far,
	}[name]
	if !known {
		return false
	}
	switch m.focus {
	case population, scores:
		if len(m.order) > 0 {
			m.selected = m.order[min(max(m.row()+by, 0), len(m.order)-1)]
			m.chosen = by != -far // from the top on, the selection stays with whoever is first
		}
	case events: // the newest is at the end
		m.top[events] = min(max(m.top[events]-by, 0), max(0, len(m.feed())-1))
	default:
		m.top[m.focus] = max(0, m.top[m.focus]+by) // drawing keeps it within bounds
	}
	return true
}

// far is further than any list is long.
const far = 1 << 30

// typeKey handles a key while a line is typed.
func (m *model) typeKey(k tea.Key) {
	switch {
	case k.Code == tea.KeyEscape:
		if m.typing.order == nil {
			m.filter[m.typing.filters] = ""
			m.arrange()
		}
		m.typing = nil
	case k.Code == tea.KeyEnter:
		m.entered()
	case m.typing.in.key(k):
		m.typed()
	}
}

// typed is called when the line has changed: a filter works at once.
func (m *model) typed() {
	m.typing.wrong = ""
	if m.typing.order == nil {
		m.filter[m.typing.filters] = m.typing.in.String()
		m.top[m.typing.filters] = 0
		m.arrange()
	}
}

// entered is called at the end of the line.
func (m *model) entered() {
	p := m.typing
	if p.order == nil {
		m.typing = nil
		return
	}
	w, err := p.order(p.in.String())
	if err != nil {
		p.wrong = clean(err.Error())
		return
	}
	m.typing, m.wish = nil, w
}

// confirm sends a wish, or forgets it.
func (m *model) confirm(name string) tea.Cmd {
	w := m.wish
	m.wish = nil
	switch {
	case name == "y":
		return m.send(w.command)
	case name == "!" && w.atOnce:
		c := w.command
		c.Now = true
		return m.send(c)
	}
	m.said = said{text: "nothing was done"}
	return nil
}

// answered is what came of a wish.
type answered said

func (m *model) send(c api.Command) tea.Cmd {
	m.asking = true
	return func() tea.Msg {
		done, err := m.Ask(c)
		if err != nil {
			return answered{text: string(c.Verb) + " was refused: " + clean(err.Error()), bad: true}
		}
		return answered{text: clean(done.Say)}
	}
}
