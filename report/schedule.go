package report

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/view"
)

// maxSnippet is how many stages a snippet has.
const maxSnippet = 500

// scheduleTable is the schedule for people.
type scheduleTable struct {
	Names []string
	Rows  []stageRow
	Left  int // stages that are not shown
}

// Many tells whether the table is too wide for paper, unless it is set small.
func (t scheduleTable) Many() bool { return len(t.Names) > fewHypers }

type stageRow struct {
	From, To, Member, Segment string
	Cells                     []cell
}

// cell is a value; it is marked where it changed.
type cell struct {
	Text    string
	Changed bool
}

func (r *report) scheduleTable() scheduleTable {
	all := pbt.Compact(r.stages)
	stages := thin(all, maxStages)
	t := scheduleTable{Left: len(all) - len(stages)}
	for _, d := range r.sum.Hypers {
		t.Names = append(t.Names, d.Name)
	}
	for i, s := range stages {
		row := stageRow{thousands(s.From), thousands(s.To), fmt.Sprint(s.Member), fmt.Sprint(s.Segment), nil}
		for _, name := range t.Names {
			c := cell{Text: valueCell(s.Hypers, name)}
			if i > 0 {
				v, ok := s.Hypers.Get(name)
				before, had := stages[i-1].Hypers.Get(name)
				c.Changed = ok != had || before != v
			}
			row.Cells = append(row.Cells, c)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// yaml is the schedule as an experiment file takes it: JSON is YAML.
func (r *report) yaml() string {
	stages := pbt.Compact(r.stages)
	if len(stages) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("exploit: none\nexplore_always: true\nexplore:\n  follow:\n")
	for _, s := range stages[:min(maxSnippet, len(stages))] {
		fmt.Fprintf(&b, "    - {from: %d, hypers: %s}\n", s.From, s.Hypers.AppendJSON(nil))
	}
	if n := len(stages) - maxSnippet; n > 0 {
		fmt.Fprintf(&b, "    # and %d more stages: pbt schedule --format yaml prints all\n", n)
	}
	return b.String()
}

// python is the schedule as a list, without imports.
func (r *report) python() string {
	stages := pbt.Compact(r.stages)
	if len(stages) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("SCHEDULE = [\n")
	for _, s := range stages[:min(maxSnippet, len(stages))] {
		var pairs []string
		for name, v := range s.Hypers.All() {
			quoted, _ := json.Marshal(name) // a text always marshals
			pairs = append(pairs, fmt.Sprintf("%s: %s", quoted, view.PythonValue(v)))
		}
		fmt.Fprintf(&b, "    (%d, {%s}),\n", s.From, strings.Join(pairs, ", "))
	}
	if n := len(stages) - maxSnippet; n > 0 {
		fmt.Fprintf(&b, "    # and %d more stages\n", n)
	}
	b.WriteString("]\n\n\ndef hypers_at(step):\n    return [hypers for begin, hypers in SCHEDULE if begin <= step][-1]\n")
	return b.String()
}
