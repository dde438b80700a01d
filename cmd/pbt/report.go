package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/report"
	"github.com/seed-7a1a2db0/pbt/view"
)

func newReport() *cobra.Command {
	var o report.Options
	var format, figure, out string
	c := &cobra.Command{
		Use: "report DIR", Short: "Tell a run on one page of HTML, or draw one of its figures", Args: cobra.ExactArgs(1),
		Long: `Tell a run on one page: its figures, its schedule, its decisions and failures, its environment, and the
commands that reproduce it. The page needs nothing but itself; attach it to a paper or a ticket.
With --format svg, draw one figure: ` + strings.Join(report.Figures(), ", ") + `.
Works while another process runs it, and after it was killed.`,
		Example: "  pbt report runs/digits-1 -o report.html\n  pbt report runs/digits-1 --format svg --figure lineage -o lineage.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkReport(format, figure); err != nil {
				return err
			}
			if out == "" && isTerminal(cmd.OutOrStdout()) {
				return usageError{errors.New("a report is not for a terminal: name a file with -o report.html")}
			}
			text, err := makeReport(cmd, args[0], figure, o)
			if err != nil {
				return err
			}
			if out == "" || out == "-" {
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			if err := disk.WriteFile(out, text); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "`file` to write (default: standard output)")
	c.Flags().StringVar(&format, "format", "html", "what to write, a `format`: html or svg")
	oneOf(c, "format", "html", "svg")
	c.Flags().StringVar(&figure, "figure", "", "the `figure` to draw with --format svg: "+strings.Join(report.Figures(), ", "))
	oneOf(c, "figure", report.Figures()...)
	c.Flags().StringVar(&o.Title, "title", "", "the page's `title` (default: the experiment's name)")
	segmentFlag(c, &o.Segment)
	return c
}

func checkReport(format, figure string) error {
	names := strings.Join(report.Figures(), ", ")
	switch {
	case format != "html" && format != "svg":
		return usageError{fmt.Errorf("there is no format %q: want html or svg", format)}
	case format == "svg" && figure == "":
		return usageError{fmt.Errorf("--format svg draws one figure: add --figure with one of %s", names)}
	case format == "html" && figure != "":
		return usageError{errors.New("--figure goes with --format svg: a page has all figures")}
	case figure != "" && !strings.Contains(", "+names+", ", ", "+figure+", "):
		return usageError{fmt.Errorf("there is no figure %q: want one of %s", figure, names)}
	}
	return nil
}

// makeReport reads a run and writes its page, or one figure.
func makeReport(cmd *cobra.Command, dir, figure string, o report.Options) ([]byte, error) {
	j, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	run := view.NewRun(filepath.Join(dir, engine.CheckpointDir))
	if _, err := run.CatchUp(cmd.Context(), j); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if run.Seq() == 0 {
		return nil, notBegun(dir)
	}
	if _, o.Live, err = journal.OwnerOf(dir); err != nil {
		return nil, err
	}
	o.Dir = dir
	var b bytes.Buffer
	if figure != "" {
		err = report.WriteFigure(&b, run, j, figure, o)
	} else {
		err = report.Write(&b, run, j, o)
	}
	return b.Bytes(), err
}
