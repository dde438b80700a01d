package watch

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt/api"
)

var nan = math.NaN()

// prompt is a line that is being typed: a filter, or what a verb needs to know.
type prompt struct {
	label   string
	in      input
	filters pane                        // whose filter it is, if it is one
	order   func(string) (*wish, error) // what is wanted with it; nil for a filter
	wrong   string                      // why the line cannot be
}

// wish is something to ask for, once the user has confirmed it.
type wish struct {
	command api.Command
	ask     string // as a question
	atOnce  bool   // it can be had at once, too
}

// steer begins what a key of a steering verb stands for.
func (m *model) steer(name string) bool {
	whole := map[string]func(){"p": m.pauseOrResume, "S": m.stop, "+": m.inject, ".": m.pin, ",": m.unpin}[name]
	one := map[string]func(*member){"x": m.kill, "r": m.restart, "e": m.set, "c": m.copy, "t": m.retire}[name]
	switch who := m.member(); {
	case whole == nil && one == nil:
		return false
	case m.asking:
		m.said = said{"one wish at a time: the last one is not answered yet", true}
	case whole != nil:
		whole()
	case who == nil:
		m.said = said{"no member is selected", true}
	default:
		one(who)
	}
	return true
}

func (m *model) want(c api.Command, ask string, args ...any) {
	m.wish = &wish{command: c, ask: fmt.Sprintf(ask, args...)}
}

func (m *model) pauseOrResume() {
	if m.snap.held() {
		m.want(api.Command{Verb: api.VerbResume}, "Let the run go on?")
		return
	}
	m.want(api.Command{Verb: api.VerbPause}, "Pause: hand out no more segments until you resume?")
}

func (m *model) stop() {
	m.want(api.Command{Verb: api.VerbStop}, "Stop the run when the segments at work are done?")
	m.wish.atOnce = true
}

func (m *model) kill(who *member) {
	m.want(api.Command{Verb: api.VerbKill, Member: &who.ID}, "Give up segment %d of member %d? It is trained again.", who.Segment, who.ID)
}

func (m *model) restart(who *member) {
	m.want(api.Command{Verb: api.VerbRestart, Member: &who.ID}, "Let member %d begin again with fresh weights and new hyperparameters?", who.ID)
}

func (m *model) retire(who *member) {
	m.want(api.Command{Verb: api.VerbRetire, Member: &who.ID}, "Let member %d train no more?", who.ID)
}

func (m *model) set(who *member) {
	id := who.ID
	m.typing = &prompt{label: fmt.Sprintf("set of member %d, NAME=VALUE…: ", id), order: func(text string) (*wish, error) {
		h, err := m.Hypers(strings.Fields(text))
		if err == nil && h.Len() == 0 {
			err = fmt.Errorf("want NAME=VALUE, such as lr=0.01")
		}
		if err != nil {
			return nil, err
		}
		return &wish{command: api.Command{Verb: api.VerbSet, Member: &id, Hypers: h}, ask: fmt.Sprintf("Let member %d train with %s from its next segment on?", id, clean(h.String()))}, nil
	}}
}

func (m *model) copy(who *member) {
	id := who.ID
	m.typing = &prompt{label: fmt.Sprintf("copy into member %d, from segment: ", id), in: m.bestSegment(), order: func(text string) (*wish, error) {
		n, err := segmentNumber(text)
		return &wish{command: api.Command{Verb: api.VerbCopy, Member: &id, Segment: n}, ask: fmt.Sprintf("Let member %d take over the weights and hyperparameters of segment %d?", id, n)}, err
	}}
}

// inject adds a member: from hyperparameters, from a segment, or from nothing.
func (m *model) inject() {
	m.typing = &prompt{label: "new member, NAME=VALUE… or a segment or nothing: ", order: func(text string) (*wish, error) {
		text = strings.TrimSpace(text)
		if text == "" {
			return &wish{command: api.Command{Verb: api.VerbInject}, ask: "Add a member with fresh weights and hyperparameters?"}, nil
		}
		if !strings.Contains(text, "=") {
			n, err := segmentNumber(text)
			return &wish{command: api.Command{Verb: api.VerbInject, Segment: n}, ask: fmt.Sprintf("Add a member that begins from segment %d?", n)}, err
		}
		h, err := m.Hypers(strings.Fields(text))
		if err != nil {
			return nil, err
		}
		return &wish{command: api.Command{Verb: api.VerbInject, Hypers: h}, ask: fmt.Sprintf("Add a member with fresh weights and %s?", clean(h.String()))}, nil
	}}
}

func (m *model) pin() {
	m.pinning(api.VerbPin, "keep the checkpoint of segment: ", "Keep the checkpoint of segment %d, whatever keep: says?")
}

func (m *model) unpin() {
	m.pinning(api.VerbUnpin, "unpin the checkpoint of segment: ", "Keep the checkpoint of segment %d by the rules again?")
}

func (m *model) pinning(verb api.Verb, label, ask string) {
	in := m.bestSegment()
	if who := m.member(); who != nil && who.Record != 0 {
		in = newInput(strconv.FormatInt(who.Record, 10))
	}
	m.typing = &prompt{label: label, in: in, order: func(text string) (*wish, error) {
		n, err := segmentNumber(text)
		return &wish{command: api.Command{Verb: verb, Segment: n}, ask: fmt.Sprintf(ask, n)}, err
	}}
}

// bestSegment is a line with the best outcome's segment, which is the likeliest.
func (m *model) bestSegment() input {
	if b := m.snap.sum.Best; b != nil {
		return newInput(strconv.FormatInt(b.Segment, 10))
	}
	return input{}
}

func segmentNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%.40q is no segment: want its number, such as 212", text)
	}
	return n, nil
}
