package watch

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// snapshot is a run at one moment. Nothing of it changes once it is made, and all its
// texts are clean, but for hyperparameters, which [show] cleans.
type snapshot struct {
	begun       bool  // there is a first event
	read, total int64 // how much of the journal is read, while that takes time
	err         error // why it is not the newest

	sum     view.Summary
	live    bool
	owner   string
	busy    int // slots at work
	members []member
	loud    []event // the newest, oldest first, but for the everyday ones
	all     []event
	stages  []pbt.Stage // of the best outcome
	chart   *chart      // nil for none
	slots   []slot
	slotsIn float64 // seconds that the slots' line shows
	health  view.Health
}

// member is a row of the population.
type member struct {
	view.Member
	words string // what a filter looks through, in small letters
}

// event is a line of the feed.
type event struct {
	seq, at int64 // Unix milliseconds
	member  int64 // −1 for none
	level   view.Level
	say     string
}

// slot is what trains.
type slot struct {
	name string
	use  float64 // over the whole run
	now  string  // what it is at
	line []cell  // its use over the last while
}

// cell is a stretch of time on a slot.
type cell struct {
	use    float64
	failed bool
}

// Limits of what is kept for a screen.
const (
	feedEvents  = 500     // lines of each feed
	feedAhead   = 2000    // events that are looked at for it at a time
	slotCells   = 60      // of a slot's line
	slotSeconds = 10 * 60 // that it shows
	showSlots   = 500
)

// held tells whether the run was paused by hand, and its process waits.
func (s *snapshot) held() bool { return s.live && s.sum.Phase == machine.PhasePaused }

// members are the run's members as rows.
func membersOf(run *view.Run, j *journal.Journal) ([]member, error) {
	_, list, err := run.Members(j)
	out := make([]member, len(list))
	for i, m := range list {
		m.Slot, m.LastFailure = clean(m.Slot), cleanLines(m.LastFailure)
		m.LastDecision.Say = clean(m.LastDecision.Say)
		out[i] = member{m, strings.ToLower(fmt.Sprintf("member %d %s %s %s %s", m.ID, m.State, m.LastDecision.Action, clean(m.Hypers.String()), m.Slot))}
	}
	return out, err
}

// maxFailure bounds the text of a failure that is shown, in bytes.
const maxFailure = 4000

// cleanLines cleans a text that may have several lines.
func cleanLines(s string) string {
	s = strings.TrimSpace(s[:min(len(s), maxFailure)])
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(clean(lines[i]), " ")
	}
	return strings.Join(lines, "\n")
}

// feed is the newest events in words.
type feed struct {
	seq       int64 // of the newest event that it has seen
	all, loud []event
}

// catchUp reads the events that are new.
func (f *feed) catchUp(run *view.Run, j *journal.Journal) error {
	to := run.Seq()
	from := max(f.seq+1, to-feedAhead+1)
	if from > to {
		return nil
	}
	err := j.Read(from-1, func(row journal.Row) error {
		if row.Seq > to {
			return errEnough
		}
		e, err := run.Event(row)
		if err != nil {
			return err
		}
		f.add(row, &e)
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}

var errEnough = errors.New("enough")

func (f *feed) add(row journal.Row, e *view.Event) {
	f.seq = row.Seq
	n := event{row.Seq, e.At, row.Member, e.Level, clean(e.Say)}
	if n.say == "" {
		n.say = clean(row.Kind)
	}
	f.all = append(f.all, n)
	if n.level != view.LevelQuiet {
		f.loud = append(f.loud, n)
	}
}

// newest are copies of the newest lines.
func (f *feed) newest() (all, loud []event) {
	last := func(list *[]event) []event {
		if n := len(*list); n > feedEvents {
			*list = append([]event(nil), (*list)[n-feedEvents:]...)
		}
		return (*list)[:len(*list):len(*list)]
	}
	return last(&f.all), last(&f.loud)
}

// slotsOf are the run's slots, with their use lately.
func slotsOf(run *view.Run, live bool, worked float64) (out []slot, seconds float64) {
	whole := run.Slots(0, 0, 0)
	from := max(whole.From, whole.To-slotSeconds*1000)
	lately := run.Slots(from, whole.To, 4*slotCells)
	for i := range whole.Slots[:min(len(whole.Slots), showSlots)] {
		n := slot{name: clean(whole.Slots[i].Name), use: shareOf(whole.Slots[i].Spans, worked)}
		if i < len(lately.Slots) {
			n.line = cellsOf(lately.Slots[i].Spans, from, whole.To)
			if spans := lately.Slots[i].Spans; live && len(spans) > 0 && spans[len(spans)-1].OK == nil {
				last := spans[len(spans)-1]
				n.now = fmt.Sprintf("member %d, segment %d", last.Member, last.Segment)
			}
		}
		out = append(out, n)
	}
	return out, float64(whole.To-from) / 1000
}

// shareOf is how much of the time that a process trained the run a slot was busy.
func shareOf(spans []view.SpanView, worked float64) float64 {
	busy := int64(0)
	for _, s := range spans {
		busy += s.T1 - s.T0
	}
	return min(1, float64(busy)/max(1, 1000*worked))
}

func useOf(spans []view.SpanView, from, to int64) float64 {
	busy := int64(0)
	for _, s := range spans {
		busy += max(0, min(s.T1, to)-max(s.T0, from))
	}
	return min(1, float64(busy)/float64(max(1, to-from)))
}

// cellsOf cuts a slot's time into cells.
func cellsOf(spans []view.SpanView, from, to int64) []cell {
	cells := make([]cell, slotCells)
	for i := range cells {
		a, z := from+(to-from)*int64(i)/slotCells, from+(to-from)*int64(i+1)/slotCells
		cells[i].use = useOf(spans, a, z)
		for _, s := range spans {
			if s.OK != nil && !*s.OK && s.T1 > a && s.T1 <= z {
				cells[i].failed = true
			}
		}
	}
	return cells
}
