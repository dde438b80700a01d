// Package report tells a run on paper: one page that needs nothing but itself, and
// its figures one by one. Both are made of what package view folds.
//
// All text from the run is untrusted; on the page it stays text.
package report

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/view"
)

// Options say what to report.
type Options struct {
	Title   string // "": the experiment's name
	Segment int64  // whose ancestry is told; 0: the best outcome's
	Dir     string // the run's, as command lines name it
	Live    bool   // a process trains it now
}

// Bounds of a report, whatever the run.
const (
	maxPath    = 400     // points of the highlighted line
	maxLines   = 250     // of a hyperparameter's figure
	maxHypers  = 24      // panels
	maxPoints  = 600     // of one line: a page is no wider
	maxValues  = 60_000  // points of all panels together
	maxTitle   = 200     // characters
	maxSource  = 200_000 // characters of the experiment file
	maxStages  = 120     // rows of a schedule
	maxFailed  = 40      // rows of failures
	maxDecided = 40      // rows of decisions
	maxEvents  = 60      // rows of what happened to the run as a whole
	maxMembers = 25      // rows of the population
	maxBest    = 10      // rows of the best outcomes
	maxText    = 300     // characters of a message
)

// report is a run, read.
type report struct {
	run     *view.Run
	journal *journal.Journal
	theme   *theme
	o       Options
	sum     view.Summary
	tree    view.Lineage
	chosen  *view.Segment // whose ancestry is told, nil if nothing has scored
	stages  []pbt.Stage   // its ancestry, oldest first
	path    path          // its scores
	lead    int           // the initial member that it descends from, −1 for none
	winning map[int]int64 // stretches on its ancestry, and the step where it leaves them
}

// path is the scores along an ancestry.
type path struct{ x, y []float64 }

// ErrNotBegun is a run without an event.
var ErrNotBegun = errors.New("the run has not begun, no event is recorded")

func read(run *view.Run, j *journal.Journal, o Options, t *theme) (*report, error) {
	r := &report{run: run, journal: j, theme: t, o: o, lead: -1, winning: map[int]int64{}}
	ok := false
	if r.sum, ok = run.Summary(); !ok {
		return nil, ErrNotBegun
	}
	if r.o.Title == "" {
		r.o.Title = r.sum.Name
	}
	r.o.Title = clip(strings.Join(strings.Fields(visible(r.o.Title)), " "), maxTitle)
	r.tree = run.Lineage()
	if o.Segment == 0 && r.sum.Best == nil {
		return r, nil
	}
	return r, r.choose()
}

// choose reads the ancestry that is told.
func (r *report) choose() error {
	id, stages, err := r.run.Schedule(r.o.Segment)
	if err != nil {
		return err
	}
	r.stages, r.lead = stages, stages[0].Member
	chosen, err := r.run.Segment(r.journal, id)
	if err != nil {
		return err
	}
	r.chosen = &chosen.Segment
	for _, s := range thin(stages, maxPath) {
		seg, err := r.run.Segment(r.journal, s.Segment)
		if err != nil {
			return err
		}
		if seg.Score != nil && seg.Score.Finite() {
			r.path.x = append(r.path.x, float64(s.To))
			r.path.y = append(r.path.y, float64(*seg.Score))
		}
	}
	r.markWinning()
	return nil
}

// markWinning finds the stretches of the tree that the ancestry goes through.
func (r *report) markWinning() {
	of := map[int][]int{} // by member
	for i := range r.tree.Stretches {
		s := &r.tree.Stretches[i]
		of[s.Member] = append(of[s.Member], i)
	}
	for _, stage := range r.stages {
		for _, i := range of[stage.Member] {
			if s := &r.tree.Stretches[i]; s.First <= stage.Segment && stage.Segment <= s.Last {
				r.winning[s.ID] = stage.To
			}
		}
	}
}

// hue is the colour of a family: the leader's has the first, in exchange with whoever
// would have it.
func (r *report) hue(root int) string {
	at := func(i int) int { return (i%hues + hues) % hues }
	switch i := at(root); {
	case root == r.lead:
		return r.theme.hues[0]
	case i == 0 && r.lead >= 0:
		return r.theme.hues[at(r.lead)]
	default:
		return r.theme.hues[i]
	}
}

// leader names what is highlighted.
func (r *report) leader() string {
	if r.o.Segment != 0 {
		return fmt.Sprintf("segment %d", r.o.Segment)
	}
	return "the best outcome"
}

// thin keeps at most n of a list, evenly, the first and the last always.
func thin[T any](list []T, n int) []T {
	if len(list) <= n || n < 2 {
		return list
	}
	out := make([]T, n)
	for i := range out {
		out[i] = list[i*(len(list)-1)/(n-1)]
	}
	return out
}

// Figures are the names of the figures that can be drawn on their own.
func Figures() []string { return []string{"population", "hypers", "lineage", "slots"} }

// Sizes of figures in pixels: on the page, and alone, where they may be printed small.
const (
	pageWidth  = 960
	aloneWidth = 720
)

// WriteFigure draws one figure as an SVG file.
func WriteFigure(w io.Writer, run *view.Run, j *journal.Journal, name string, o Options) error {
	if !slices.Contains(Figures(), name) {
		return fmt.Errorf("there is no figure %q: want %s", name, strings.Join(Figures(), ", "))
	}
	r, err := read(run, j, o, &paper)
	if err != nil {
		return err
	}
	f, err := r.draw(name, aloneWidth)
	if err != nil {
		return err
	}
	if f == nil {
		return fmt.Errorf("there is nothing to draw in figure %s yet: no segment has finished", name)
	}
	if o.Title != "" {
		f.Title = r.o.Title
	}
	_, err = w.Write(f.alone())
	return err
}

// draw draws a figure; nil if there is nothing to see.
func (r *report) draw(name string, width float64) (*figure, error) {
	switch name {
	case "population":
		return r.population(width), nil
	case "hypers":
		return r.hypers(width)
	case "lineage":
		return r.lineage(width), nil
	case "slots":
		return r.slots(width), nil
	}
	return r.times(width), nil
}

func (r *report) newFigure(name, title string, w float64) *figure {
	return &figure{Name: name, Title: title, w: w, p: &pen{theme: r.theme, name: name}}
}

func floats[T int64 | view.Number](list []T) []float64 {
	out := make([]float64, len(list))
	for i, x := range list {
		out[i] = float64(x)
	}
	return out
}

// mapped are values as pixels.
func mapped(list []float64, s *scale) []float64 {
	out := make([]float64, len(list))
	for i, x := range list {
		out[i] = s.at(x)
	}
	return out
}

// extent is the least and the greatest of finite values; false if there are none.
func extent(lists ...[]float64) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, list := range lists {
		for _, x := range list {
			if finite(x) {
				lo, hi = min(lo, x), max(hi, x)
			}
		}
	}
	return lo, hi, lo <= hi
}
