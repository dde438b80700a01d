package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/view"
)

func newSchedule() *cobra.Command {
	var segment int64
	var format string
	var asJSON bool
	c := &cobra.Command{
		Use: "schedule DIR", Short: "Show the hyperparameters along an ancestry: the schedule PBT found", Args: cobra.ExactArgs(1),
		Long: `Show the hyperparameters from step to step along the ancestry of a segment's weights: of the best
outcome, or of --segment. yaml is a part of an experiment file that trains fresh weights under them;
pbt replay does just that.`,
		Example: "  pbt schedule runs/digits-1 --format csv > schedule.csv",
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				format = "json"
			}
			write, ok := scheduleFormats[format]
			if !ok {
				return usageError{fmt.Errorf("there is no format %q: want table, json, csv or yaml", format)}
			}
			stages, err := readSchedule(args[0], segment)
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(cmd, stages)
			}
			return write(cmd.OutOrStdout(), stages)
		},
	}
	segmentFlag(c, &segment)
	c.Flags().StringVar(&format, "format", "table", "how to write it, a `format`: table, json, csv or yaml")
	oneOf(c, "format", "table", "json", "csv", "yaml")
	jsonFlag(c, &asJSON)
	return c
}

func readSchedule(dir string, segment int64) ([]pbt.Stage, error) {
	h, err := readHistory(dir)
	if err != nil {
		return nil, err
	}
	if segment, err = h.Choose(segment); err != nil {
		return nil, err
	}
	return h.Schedule(segment)
}

var scheduleFormats = map[string]func(io.Writer, []pbt.Stage) error{
	"table": scheduleTable, "csv": view.WriteScheduleCSV, "yaml": scheduleYAML, "json": nil,
}

func scheduleTable(w io.Writer, stages []pbt.Stage) error {
	names := view.HyperNames(stages)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	stages = pbt.Compact(stages)
	branched := stages[0].Run != "" // its first stretches are another run's
	fmt.Fprint(t, "from\tto\tmember\tsegment\t")
	if branched {
		fmt.Fprint(t, "of\t")
	}
	for _, name := range names {
		fmt.Fprintf(t, "%s\t", clean(name))
	}
	fmt.Fprintln(t)
	for _, s := range stages {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t", s.From, s.To, s.Member, s.Segment)
		if branched {
			fmt.Fprintf(t, "%s\t", clean(s.Run))
		}
		for _, name := range names {
			text := ""
			if v, ok := s.Hypers.Get(name); ok {
				text = clean(v.String())
			}
			fmt.Fprintf(t, "%s\t", text)
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// scheduleYAML writes the schedule as explore.follow takes it: JSON is YAML.
func scheduleYAML(w io.Writer, stages []pbt.Stage) error {
	for _, s := range stages {
		text := safe.JSON(s.Hypers.AppendJSON(nil))
		if _, err := fmt.Fprintf(w, "- {from: %d, hypers: %s} # to step %d: segment %d of member %d\n", s.From, text, s.To, s.Segment, s.Member); err != nil {
			return err
		}
	}
	return nil
}
