package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/sinks"
	"github.com/seed-7a1a2db0/pbt/sinks/export"
	"github.com/seed-7a1a2db0/pbt/sinks/table"
)

type exportFlags struct {
	format string
	tables []string
	out    string
	sinks  bool
}

func newExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use: "export DIR", Short: "Write a run as tables: CSV, Parquet, lines of JSON; or bring its sinks up to date", Args: cobra.ExactArgs(1),
		Long: `Write a run as tables: segments (one row each, with hyperparameters, score, metrics, times and
decision), events, members, and the schedule of the best weights.

With -o, the tables become files in a directory, such as OUT/segments.csv. Without, one table goes to
standard output: segments, or that of --table.

With --sinks, nothing is written here: the sinks of the experiment file (TensorBoard, MLflow, …) get what
they have not got yet, each from where its cursor stands.`,
		Example: "  pbt export runs/digits-1 --format parquet -o tables\n  pbt export runs/digits-1 --table schedule > schedule.csv\n  pbt export runs/digits-1 --sinks",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.sinks {
				return f.feed(cmd, args[0])
			}
			err := f.export(cmd, args[0])
			if cmd.Context().Err() != nil {
				return errInterrupted
			}
			return err
		},
	}
	c.Flags().StringVar(&f.format, "format", "csv", "what to write, a `format`: "+strings.Join(table.Formats, ", "))
	oneOf(c, "format", table.Formats...)
	c.Flags().StringSliceVar(&f.tables, "table", nil, "`tables` to write (default: with -o all, else segments): "+strings.Join(export.Tables, ", "))
	c.Flags().StringVarP(&f.out, "out", "o", "", "a `directory` for the tables; files of the same names are replaced")
	c.Flags().BoolVar(&f.sinks, "sinks", false, "bring the run's sinks up to date instead")
	return c
}

// check refuses what cannot be meant.
func (f *exportFlags) check(out io.Writer) error {
	if !slices.Contains(table.Formats, f.format) {
		return fmt.Errorf("there is no format %q: want %s", f.format, strings.Join(table.Formats, ", "))
	}
	for _, t := range f.tables {
		if !slices.Contains(export.Tables, t) {
			return fmt.Errorf("there is no table %q: want %s", t, strings.Join(export.Tables, ", "))
		}
	}
	if f.out != "" {
		if len(f.tables) == 0 {
			f.tables = export.Tables
		}
		return nil
	}
	if len(f.tables) == 0 {
		f.tables = export.Tables[:1]
	}
	switch {
	case len(f.tables) > 1:
		return errors.New("several tables need a directory: add -o OUT")
	case f.format == "parquet" && isTerminal(out):
		return errors.New("a terminal cannot show Parquet: add -o OUT, or send it to a file")
	}
	return nil
}

func (f *exportFlags) export(cmd *cobra.Command, dir string) error {
	if err := f.check(cmd.OutOrStdout()); err != nil {
		return usageError{err}
	}
	exp, err := storedExperiment(dir)
	if err != nil {
		return err
	}
	j, err := openJournal(dir)
	if err != nil {
		return err
	}
	defer j.Close()
	e, err := export.New(cmd.Context(), j, exp.Goal)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if f.out == "" {
		return e.Write(f.tables[0], f.format, cmd.OutOrStdout())
	}
	if err := disk.MakeDir(f.out); err != nil {
		return fmt.Errorf("make the directory of the tables: %w", err)
	}
	for _, name := range f.tables {
		path := filepath.Join(f.out, name+"."+f.format)
		if err := writeTable(e, name, f.format, path); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), clean(path))
	}
	return nil
}

// writeTable replaces a file once the table is whole.
func writeTable(e *export.Exporter, name, format, path string) error {
	d, base := disk.Beside(path)
	if err := d.Replace(base, 0o644, func(draft *os.File) error { return e.Write(name, format, draft) }); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// feed brings the sinks up to date, however long that takes.
func (f *exportFlags) feed(cmd *cobra.Command, dir string) error {
	exp, err := storedExperiment(dir)
	if err != nil {
		return err
	}
	set, err := sinks.Start(cmd.Context(), dir, exp, warner(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	if set == nil {
		return usageError{fmt.Errorf("the experiment file of %s names no sinks and nobody to notify: add some with pbt resume %s --set 'sinks.tensorboard={}'", dir, safe.Path(dir))}
	}
	if left := set.Close(cmd.Context()); len(left) > 0 {
		tellLeft(cmd.ErrOrStderr(), dir, left)
		return errInterrupted
	}
	return nil
}
