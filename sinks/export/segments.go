package export

import (
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/table"
)

// segment is a row of the table of segments, while it is not over.
type segment struct {
	plan      *machine.Decided
	decided   int64
	leased    int64
	finished  int64
	tries     int64
	failures  int64
	worker    string
	lastError string
	state     pbt.NodeState
	outcome   *machine.Finished
}

// segments are written in their order. One that is over waits for those before it:
// about as many as there are members.
func (e *Exporter) segments(open func([]table.Column) table.Writer) error {
	w := open(e.segmentColumns())
	waiting := map[int64]*segment{}
	next := int64(1)
	write := func(all bool) error {
		for s := waiting[next]; s != nil && (all || s.state != pbt.NodeWaiting && s.state != pbt.NodeRunning); s = waiting[next] {
			if err := w.Write(e.segmentRow(s)); err != nil {
				return err
			}
			delete(waiting, next)
			next++
		}
		return nil
	}
	newest := map[int]int64{}
	err := e.read(func(r journal.Row, body machine.Body) error {
		id, _ := body.Subject()
		if d, ok := body.(*machine.Decided); ok {
			waiting[id] = &segment{plan: d, decided: r.At, state: pbt.NodeWaiting}
			newest[d.Member] = id
			return nil
		}
		if _, i := body.Subject(); dropsPlan(body) {
			id = newest[i]
		}
		if s := waiting[id]; s != nil {
			s.add(r.At, body)
			return write(false)
		}
		if body.Kind() == machine.KindOpened {
			for _, s := range waiting { // whoever trained them is gone
				if s.state == pbt.NodeRunning {
					s.state = pbt.NodeWaiting
				}
			}
		}
		return nil
	})
	if err == nil {
		err = write(true)
	}
	if err == nil && len(waiting) > 0 {
		err = fmt.Errorf("segment %d is missing", next)
	}
	if err != nil {
		return err
	}
	return w.Close()
}

// add takes in an event about the segment.
func (s *segment) add(at int64, body machine.Body) {
	switch b := body.(type) {
	case *machine.Leased:
		s.state, s.leased, s.worker = pbt.NodeRunning, at, b.Worker
		s.tries++
	case *machine.Finished:
		s.state, s.finished, s.outcome = pbt.NodeFinished, at, b
	case *machine.Failed:
		s.state, s.lastError = pbt.NodeWaiting, fmt.Sprintf("%s: %s", b.Fault, b.Error)
		s.failures++
		if b.Final {
			s.state = pbt.NodeFailed
		}
	default:
		if dropsPlan(body) && s.state == pbt.NodeWaiting {
			s.state = pbt.NodeDropped
		}
	}
}

// dropsPlan tells whether a member will not train what it was to train next: its
// weights are gone, or somebody wants something else of it.
func dropsPlan(body machine.Body) bool {
	switch b := body.(type) {
	case *machine.RolledBack, *machine.Steered:
		return true
	case *machine.MemberDone:
		return b.Reason == machine.ReasonRetired
	}
	return false
}

func (e *Exporter) segmentColumns() []table.Column {
	return slices.Concat(
		columnsOf(table.Int, "segment", "member", "turn", "parent"),
		columnsOf(table.Text, "state", "action", "why"),
		columnsOf(table.Int, "from", "steps", "step", "spent"),
		columnsOf(table.Float, "score"), e.metrics, e.hypers,
		columnsOf(table.Time, "decided_at", "leased_at", "finished_at"),
		columnsOf(table.Float, "seconds", "start_s", "load_s", "train_s", "eval_s", "save_s", "publish_s"),
		columnsOf(table.Int, "tries", "failures"),
		columnsOf(table.Text, "worker", "checkpoint"), columnsOf(table.Int, "checkpoint_bytes"),
		columnsOf(table.Int, "donor_segment", "donor_member"), columnsOf(table.Text, "last_error", "say"),
	)
}

func (e *Exporter) segmentRow(s *segment) []any {
	d, o := s.plan, s.outcome
	row := []any{d.Segment, int64(d.Member), d.Turn, nil, string(s.state), string(d.Decision.Action), string(d.Decision.Why), d.From, d.Steps}
	if d.Parent != 0 {
		row[3] = d.Parent
	}
	if o != nil {
		row = append(row, o.Step, o.Spent, float64(o.Score))
		row = e.metricValues(row, o.Metrics)
	} else {
		row = append(row, nil, nil, nil)
		row = e.metricValues(row, nil)
	}
	row = e.hyperValues(row, d.Hypers)
	row = append(row, orNil(s.decided), orNil(s.leased), orNil(s.finished))
	if o != nil {
		t := o.Times
		row = append(row, seconds(s.finished-s.leased), seconds(t.Start), seconds(t.Load), seconds(t.Train), seconds(t.Eval), seconds(t.Save), seconds(t.Publish))
	} else {
		row = append(row, nil, nil, nil, nil, nil, nil, nil)
	}
	row = append(row, s.tries, s.failures, textOrNil(s.worker))
	if o != nil && o.Checkpoint.ID != "" {
		row = append(row, o.Checkpoint.ID, o.Checkpoint.Bytes)
	} else {
		row = append(row, nil, nil)
	}
	if donor := d.Decision.Rival; donor != nil && d.Decision.Copies() {
		row = append(row, donor.Segment, int64(donor.Member))
	} else {
		row = append(row, nil, nil)
	}
	return append(row, textOrNil(s.lastError), d.Decision.Say())
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

func orNil(x int64) any {
	if x == 0 {
		return nil
	}
	return x
}

func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// member is a row of the table of members.
type member struct {
	segments, finished, copies, repairs, failures int64
	spent, step                                   int64
	score, best                                   *pbt.Score
	bestSegment                                   int64
	done                                          string
	hypers                                        pbt.Hypers
}

func (e *Exporter) membersTable(open func([]table.Column) table.Writer) error {
	w := open(slices.Concat(
		columnsOf(table.Int, "member", "segments", "finished", "copies", "repairs", "failures", "spent", "step"),
		columnsOf(table.Float, "score", "best_score"), columnsOf(table.Int, "best_segment"), columnsOf(table.Text, "done"), e.hypers,
	))
	members := make([]member, e.members)
	err := e.read(func(_ journal.Row, body machine.Body) error {
		if _, i := body.Subject(); i >= 0 && i < len(members) {
			members[i].add(e.goal, body)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range members {
		m := &members[i]
		row := []any{int64(i), m.segments, m.finished, m.copies, m.repairs, m.failures, m.spent, m.step,
			scoreOrNil(m.score), scoreOrNil(m.best), orNil(m.bestSegment), textOrNil(m.done)}
		if err := w.Write(e.hyperValues(row, m.hypers)); err != nil {
			return err
		}
	}
	return w.Close()
}

func scoreOrNil(s *pbt.Score) any {
	if s == nil {
		return nil
	}
	return float64(*s)
}

func (m *member) add(goal pbt.Goal, body machine.Body) {
	switch b := body.(type) {
	case *machine.Decided:
		m.segments++
		m.hypers, m.done = b.Hypers, ""
		switch b.Decision.Action {
		case pbt.Mend, pbt.Restart:
			m.repairs++
		default:
			if b.Decision.Copies() {
				m.copies++
			}
		}
	case *machine.Finished:
		m.finished++
		m.spent, m.step, m.score = b.Spent, b.Step, &b.Score
		if b.Score.Finite() && (m.best == nil || goal.Better(b.Score, *m.best)) {
			m.best, m.bestSegment = &b.Score, b.Segment
		}
	case *machine.Failed:
		m.failures++
	case *machine.RolledBack:
		m.spent -= b.Lost
	case *machine.MemberDone:
		m.done = b.Reason
	}
}
