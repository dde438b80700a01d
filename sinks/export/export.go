// Package export writes a run's journal as tables: its segments, events, members,
// and the schedule of its best weights.
package export

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/table"
)

// Tables are the names of the tables.
var Tables = []string{"segments", "events", "members", "schedule"}

// Exporter writes tables of one journal. It reads the journal once to see what
// there is, and once for each table: memory does not grow with the run but for a
// few bytes a segment.
type Exporter struct {
	ctx     context.Context // ends a reading
	journal *journal.Journal
	goal    pbt.Goal
	last    int64 // what comes after it is not exported: all tables are of one instant

	hypers   []table.Column
	metrics  []table.Column
	types    map[string]table.Type
	parents  []int64 // by segment
	finished []bool
	members  int
	best     int64
	score    pbt.Score
}

// New looks at a journal. The goal tells which scores are better. When ctx is done,
// every reading ends with its error.
func New(ctx context.Context, j *journal.Journal, goal pbt.Goal) (*Exporter, error) {
	e := &Exporter{ctx: ctx, journal: j, goal: goal, types: map[string]table.Type{}}
	var err error
	if e.last, err = j.Last(); err != nil {
		return nil, err
	}
	metrics := map[string]bool{}
	err = e.read(func(_ journal.Row, body machine.Body) error {
		switch b := body.(type) {
		case *machine.Decided:
			e.parents, e.finished = append(e.parents, b.Parent), append(e.finished, false)
			e.members = max(e.members, b.Member+1)
			e.seen(b.Hypers)
		case *machine.Finished:
			if b.Segment < 1 || b.Segment > int64(len(e.parents)) {
				return fmt.Errorf("segment %d has finished, and was not planned", b.Segment)
			}
			e.finished[b.Segment-1] = true
			for name := range b.Metrics {
				metrics[name] = true
			}
			if b.Score.Finite() && b.Checkpoint.ID != "" && (e.best == 0 || goal.Better(b.Score, e.score)) {
				e.best, e.score = b.Segment, b.Score
			}
		}
		return nil
	})
	for i := range e.hypers {
		e.hypers[i].Type = e.types[e.hypers[i].Name]
		e.hypers[i].Name = "hypers." + e.hypers[i].Name
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		e.metrics = append(e.metrics, table.Column{Name: "metrics." + name, Type: table.Float})
	}
	return e, err
}

// seen learns the names and types of hyperparameters. Of two types of number, the
// column is of floats; of others, of texts.
func (e *Exporter) seen(h pbt.Hypers) {
	for name, v := range h.All() {
		is := map[pbt.ValueKind]table.Type{pbt.KindFloat: table.Float, pbt.KindInt: table.Int, pbt.KindBool: table.Bool}[v.Kind()]
		if is == 0 {
			is = table.Text
		}
		was, known := e.types[name]
		switch {
		case !known:
			e.hypers = append(e.hypers, table.Column{Name: name})
		case was == is:
			continue
		case was+is == table.Float+table.Int:
			is = table.Float
		default:
			is = table.Text
		}
		e.types[name] = is
	}
}

func (e *Exporter) read(fn func(journal.Row, machine.Body) error) error {
	return e.rows(func(r journal.Row) error {
		body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
		if err == nil {
			err = fn(r, body)
		}
		if err != nil {
			return fmt.Errorf("event %d: %w", r.Seq, err)
		}
		return nil
	})
}

func (e *Exporter) rows(fn func(journal.Row) error) error {
	return e.journal.Read(0, func(r journal.Row) error {
		if r.Seq > e.last {
			return nil
		}
		if err := e.ctx.Err(); err != nil {
			return err
		}
		return fn(r)
	})
}

// Write writes one table in one format.
func (e *Exporter) Write(name, format string, w io.Writer) error {
	write, ok := map[string]func(func([]table.Column) table.Writer) error{
		"segments": e.segments, "events": e.events, "members": e.membersTable, "schedule": e.schedule,
	}[name]
	if !ok {
		return fmt.Errorf("there is no table %q: want one of %q", name, Tables)
	}
	if !slices.Contains(table.Formats, format) {
		return fmt.Errorf("there is no format %q: want one of %q", format, table.Formats)
	}
	return write(func(columns []table.Column) table.Writer { return table.New(format, w, columns) })
}

// hyperValues are a segment's values in the order of the columns.
func (e *Exporter) hyperValues(row []any, h pbt.Hypers) []any {
	for i := range e.hypers {
		v, there := h.Get(e.hypers[i].Name[len("hypers."):])
		var x any
		switch {
		case !there:
		case e.hypers[i].Type == table.Text:
			if x = v.String(); v.Kind() != pbt.KindText { // a column of mixed types
				x = string(v.AppendJSON(nil))
			}
		case e.hypers[i].Type == table.Int:
			x, _ = v.Int()
		case e.hypers[i].Type == table.Bool:
			x, _ = v.Truth()
		default:
			x, _ = v.Float()
		}
		row = append(row, x)
	}
	return row
}

func (e *Exporter) metricValues(row []any, m machine.Metrics) []any {
	for i := range e.metrics {
		if x, there := m[e.metrics[i].Name[len("metrics."):]]; there {
			row = append(row, float64(x))
		} else {
			row = append(row, nil)
		}
	}
	return row
}

func columnsOf(typ table.Type, names ...string) []table.Column {
	out := make([]table.Column, len(names))
	for i, name := range names {
		out[i] = table.Column{Name: name, Type: typ}
	}
	return out
}

func (e *Exporter) events(open func([]table.Column) table.Writer) error {
	w := open([]table.Column{
		{Name: "seq", Type: table.Int}, {Name: "at", Type: table.Time}, {Name: "kind", Type: table.Text},
		{Name: "segment", Type: table.Int}, {Name: "member", Type: table.Int}, {Name: "event", Type: table.JSON},
	})
	err := e.rows(func(r journal.Row) error {
		row := []any{r.Seq, r.At, r.Kind, nil, nil, string(r.Body)}
		if r.Segment != 0 {
			row[3] = r.Segment
		}
		if r.Member >= 0 {
			row[4] = r.Member
		}
		return w.Write(row)
	})
	if err != nil {
		return err
	}
	return w.Close()
}

// schedule is what the best weights were trained with: pbt schedule as a table.
func (e *Exporter) schedule(open func([]table.Column) table.Writer) error {
	on := map[int64]bool{}
	for at := e.best; at != 0; at = e.parents[at-1] {
		if on[at] || at < 1 || at > int64(len(e.parents)) {
			return fmt.Errorf("segment %d is its own ancestor", at)
		}
		on[at] = true
	}
	w := open(slices.Concat(columnsOf(table.Int, "from", "to", "segment", "member"), columnsOf(table.Float, "score"), e.hypers))
	planned := map[int64]machine.Decided{}
	err := e.read(func(_ journal.Row, body machine.Body) error {
		switch b := body.(type) {
		case *machine.Decided:
			if on[b.Segment] {
				planned[b.Segment] = *b
			}
		case *machine.Finished:
			if on[b.Segment] {
				p := planned[b.Segment]
				return w.Write(e.hyperValues([]any{p.From, b.Step, b.Segment, int64(b.Member), float64(b.Score)}, p.Hypers))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return w.Close()
}
