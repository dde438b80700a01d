package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// decisions are some of a run's decisions, in words.
type decisions struct {
	Rows []decisionRow
	Left int64
}

type decisionRow struct{ Step, Member, Segment, Action, Say string }

func decisionOf(s *view.Segment) decisionRow {
	return decisionRow{thousands(s.From), fmt.Sprint(s.Member), fmt.Sprint(s.ID), string(s.Action), clip(s.Say, 2*maxText)}
}

// winningDecisions are those that made the ancestry what it is: where weights changed
// hands, and the first.
func (r *report) winningDecisions() (d decisions, err error) {
	var at []int64
	for i, s := range r.stages {
		if i == 0 || r.stages[i-1].Member != s.Member {
			at = append(at, s.Segment)
		}
	}
	shown := thin(at, maxDecided)
	d.Left = int64(len(at) - len(shown))
	for _, id := range shown {
		s, err := r.run.Segment(r.journal, id)
		if err != nil {
			return d, err
		}
		d.Rows = append(d.Rows, decisionOf(&s.Segment))
	}
	return d, nil
}

// newestDecisions are the newest copies, repairs and restarts, the newest first.
func (r *report) newestDecisions() (d decisions, err error) {
	var all []view.Segment
	for _, action := range []pbt.Action{pbt.Copy, pbt.Mend, pbt.Restart} {
		_, page, _, err := r.run.Segments(r.journal, view.SegmentFilter{Action: action, Limit: maxDecided, Newest: true})
		if err != nil {
			return d, err
		}
		all = append(all, page...)
	}
	slices.SortFunc(all, func(a, b view.Segment) int { return cmp.Compare(b.ID, a.ID) })
	shown := all[:min(len(all), maxDecided)]
	for i := range shown {
		d.Rows = append(d.Rows, decisionOf(&shown[i]))
	}
	n := &r.sum.Counts
	d.Left = max(int64(len(all)), n.Copies+n.Repairs+n.Restarts) - int64(len(shown))
	return d, nil
}

// failures are attempts that came to nothing, the newest first.
type failures struct {
	Rows []failureRow
	Left int64
}

type failureRow struct {
	After, Member, Segment, Kind, Error string
	Final                               bool
}

func (r *report) failed() (f failures, err error) {
	_, seqs := r.run.EventSeqs(view.EventFilter{Kinds: []machine.Kind{machine.KindFailed}, Limit: maxFailed})
	list, err := r.run.ReadEvents(r.journal, seqs)
	if err != nil {
		return f, err
	}
	slices.Reverse(list)
	for i := range list {
		e := &list[i]
		row := failureRow{After: r.after(e.At), Member: numberOf(e.Member), Segment: numberOf(e.Segment)}
		row.Kind = fmt.Sprint(e.Data["kind"])
		text, _ := e.Data["error"].(string)
		row.Error = clip(strings.TrimSpace(text), maxText)
		row.Final, _ = e.Data["final"].(bool)
		f.Rows = append(f.Rows, row)
	}
	f.Left = max(0, r.sum.Counts.Failed+r.sum.Counts.Lost-int64(len(f.Rows)))
	return f, nil
}

func numberOf(n *int64) string {
	if n == nil {
		return none
	}
	return fmt.Sprint(*n)
}

// after is how long after the start something was.
func (r *report) after(ms int64) string { return duration(float64(ms-r.sum.StartedAt) / 1000) }

// eventRow is something that happened to the run as a whole.
type eventRow struct{ At, After, Say string }

// ofSegments are the kinds of event that every segment has.
var ofSegments = []machine.Kind{machine.KindDecided, machine.KindLeased, machine.KindFinished, machine.KindFailed, machine.KindMemberDone}

// events are what happened to the run as a whole, oldest first; of more, the newest.
func (r *report) events() (rows []eventRow, err error) {
	kinds := slices.DeleteFunc(view.Kinds(), func(k machine.Kind) bool { return slices.Contains(ofSegments, k) })
	_, seqs := r.run.EventSeqs(view.EventFilter{Kinds: kinds, Limit: maxEvents})
	list, err := r.run.ReadEvents(r.journal, seqs)
	for i := range list {
		say := list[i].Say
		if say == "" {
			say = string(list[i].Kind)
		}
		rows = append(rows, eventRow{date(list[i].At), r.after(list[i].At), clip(say, maxText)})
	}
	return rows, err
}
