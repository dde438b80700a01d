package watch

import (
	"cmp"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-7a1a2db0/pbt"
)

// pane is a part of the screen.
type pane int

const (
	population pane = iota
	scores
	schedule
	events
	slots
	panes // how many there are
)

var paneNames = [panes]string{"population", "scores", "schedule", "events", "slots"}

// byHyper and the numbers after it sort by a hyperparameter.
const byHyper = 6

var sortNames = [byHyper]string{"rank", "member", "state", "score", "step", "failures"}

// model is what is on the screen. Bubble Tea calls its methods one at a time.
type model struct {
	Config
	look  theme
	w, h  int
	snap  *snapshot
	names []string // of the hyperparameters
	order []int    // members as they are listed
	axis  scale    // of their scores

	focus    pane
	left     pane       // population or scores, whichever was in focus last
	zoom     bool       // one pane alone, though there is space for more
	selected int        // a member, wherever it is listed
	chosen   bool       // by the user; else it is whoever is listed first
	top      [panes]int // the first line that is seen; of events, how many newer ones are not
	sort     int
	reverse  bool
	filter   [panes]string
	everyday bool // show events of all levels
	help     bool

	typing *prompt // a line that is being typed
	wish   *wish   // that waits for a yes
	asking bool    // a wish is on its way
	said   said    // what came of the last one

	suspended bool // the view ends for a while only
}

// said is a message in the last lines.
type said struct {
	text string
	bad  bool
}

func newModel(c Config) *model {
	if c.Zone == nil {
		c.Zone = time.Local
	}
	return &model{Config: c, look: newTheme(c.Colours), w: 80, h: 24, snap: &snapshot{}, selected: -1}
}

// Init implements tea.Model: the follower sends what there is.
func (m *model) Init() tea.Cmd { return nil }

// Update implements tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
	case *snapshot:
		m.take(msg)
	case answered:
		m.asking, m.said = false, said(msg)
	case note:
		m.said = said{text: string(msg)}
	case tea.PasteMsg:
		if m.typing != nil {
			m.typing.in.insert(msg.Content)
			m.typed()
		}
	case tea.KeyPressMsg:
		cmd = m.key(msg)
	}
	return m, cmd
}

// take shows a newer snapshot. While one is not complete, the last one stays.
func (m *model) take(s *snapshot) {
	if s.err != nil && !s.begun && m.snap.begun {
		old := *m.snap
		old.err = s.err
		s = &old
	}
	m.snap = s
	m.names = m.names[:0]
	for _, d := range s.sum.Hypers {
		m.names = append(m.names, d.Name)
	}
	m.arrange()
}

// astray is the share of scores at either end that a common axis leaves out.
const astray = 0.02

// arrange filters and sorts the members.
func (m *model) arrange() {
	m.order = m.order[:0]
	terms := strings.Fields(strings.ToLower(m.filter[population]))
	var all []float64
	for i := range m.snap.members {
		for _, x := range m.snap.members[i].Spark {
			all = append(all, float64(x))
		}
		if fits(m.snap.members[i].words, terms) {
			m.order = append(m.order, i)
		}
	}
	m.axis = over(all, astray)
	slices.SortStableFunc(m.order, func(a, b int) int {
		c := m.compare(&m.snap.members[a], &m.snap.members[b])
		if m.reverse {
			return -c
		}
		return c
	})
	if len(m.order) > 0 && (!m.chosen || !slices.Contains(m.order, m.selected)) {
		m.selected = m.order[0]
	}
}

// fits tells whether a text has all terms in it.
func fits(text string, terms []string) bool {
	return !slices.ContainsFunc(terms, func(term string) bool { return !strings.Contains(text, term) })
}

// compare orders members by what the user has chosen, the interesting ones first.
func (m *model) compare(a, b *member) int {
	switch m.sort {
	case 0:
		return cmp.Or(lastIfZero(a.Rank, b.Rank), cmp.Compare(a.Rank, b.Rank))
	case 1:
		return cmp.Compare(a.ID, b.ID)
	case 2:
		return cmp.Compare(a.State, b.State)
	case 3:
		return cmp.Compare(scored(b.Score), scored(a.Score))
	case 4:
		return cmp.Compare(b.Step, a.Step)
	case 5:
		return cmp.Compare(b.Failures, a.Failures)
	}
	return compareValues(a.Hypers, b.Hypers, m.sortName())
}

func lastIfZero(a, b int) int {
	switch {
	case a == 0 && b != 0:
		return 1
	case b == 0 && a != 0:
		return -1
	}
	return 0
}

// scored makes scores that are none comparable: cmp puts NaN before all numbers.
func scored(s *pbt.Score) float64 {
	if s == nil {
		return nan
	}
	return float64(*s)
}

func compareValues(a, b pbt.Hypers, name string) int {
	x, isNumber := number(a, name)
	y, too := number(b, name)
	if isNumber && too {
		return cmp.Compare(x, y)
	}
	v, _ := a.Get(name)
	u, _ := b.Get(name)
	return cmp.Compare(v.String(), u.String())
}

// sortName is what members are sorted by.
func (m *model) sortName() string {
	if m.sort < byHyper {
		return sortNames[m.sort]
	}
	if k := m.sort - byHyper; k < len(m.names) {
		return m.names[k]
	}
	return ""
}

// row is where the selected member is listed, −1 for nowhere.
func (m *model) row() int { return slices.Index(m.order, m.selected) }

// member is the selected member; nil if there is none.
func (m *model) member() *member {
	if m.row() < 0 || m.selected >= len(m.snap.members) {
		return nil
	}
	return &m.snap.members[m.selected]
}

// feed is the events that are shown, oldest first.
func (m *model) feed() []event {
	list := m.snap.loud
	if m.everyday {
		list = m.snap.all
	}
	terms := strings.Fields(strings.ToLower(m.filter[events]))
	if len(terms) == 0 {
		return list
	}
	var out []event
	for _, e := range list {
		if fits(strings.ToLower(e.say), terms) {
			out = append(out, e)
		}
	}
	return out
}
