package api

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/view"
)

// scheduleText writes a schedule for programs.
func scheduleText(format string, segment int64, stages []pbt.Stage) text {
	name := fmt.Sprintf("schedule-%d.", segment)
	switch format {
	case "csv":
		return text{"text/csv; charset=utf-8", name + "csv", scheduleCSV(stages)}
	case "yaml":
		return text{"application/yaml; charset=utf-8", name + "yaml", scheduleYAML(stages)}
	}
	return text{"text/x-python; charset=utf-8", name + "py", schedulePython(stages)}
}

func scheduleCSV(stages []pbt.Stage) string {
	var b strings.Builder
	_ = view.WriteScheduleCSV(&b, stages) // memory takes everything
	return b.String()
}

// scheduleYAML writes the schedule as explore.follow takes it: JSON is YAML.
func scheduleYAML(stages []pbt.Stage) string {
	var b strings.Builder
	for _, s := range stages {
		fmt.Fprintf(&b, "- {from: %d, hypers: %s} # to step %d: segment %d of member %d\n", s.From, s.Hypers.AppendJSON(nil), s.To, s.Segment, s.Member)
	}
	return b.String()
}

// schedulePython writes the schedule as a module without imports.
func schedulePython(stages []pbt.Stage) string {
	var b strings.Builder
	b.WriteString("\"\"\"The schedule that pbt found: from which step on which hyperparameters hold.\"\"\"\n\nSCHEDULE = [\n")
	for _, s := range pbt.Compact(stages) {
		fmt.Fprintf(&b, "    (%d, {", s.From)
		first := true
		for name, v := range s.Hypers.All() {
			if !first {
				b.WriteString(", ")
			}
			first = false
			quoted, _ := json.Marshal(name) // a text always marshals
			fmt.Fprintf(&b, "%s: %s", quoted, view.PythonValue(v))
		}
		b.WriteString("}),\n")
	}
	b.WriteString("]\n\n\ndef hypers_at(step):\n    \"\"\"The hyperparameters in force at a step.\"\"\"\n" +
		"    return [hypers for begin, hypers in SCHEDULE if begin <= step][-1]\n")
	return b.String()
}
