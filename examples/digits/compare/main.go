// Command compare sets runs of the digits example side by side: each run's best
// network, chosen by validation loss, measured on the test images that no
// decision ever saw.
//
//	go run ./examples/digits/compare runs/pbt runs/random
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/examples/digits"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

func main() {
	if err := compare(os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func compare(w io.Writer, dirs []string) error {
	if len(dirs) == 0 {
		return errors.New("want the directories of one or more runs")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "run\tvalidation loss\ttest accuracy\tsteps trained\tcopies\t")
	for _, dir := range dirs {
		m, err := read(dir)
		if err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
		best, ok := m.Best()
		if !ok {
			return fmt.Errorf("%s: no segment has finished yet", dir)
		}
		test, err := digits.TestAccuracy(filepath.Join(dir, engine.CheckpointDir, best.Checkpoint.ID))
		if err != nil {
			return err
		}
		fmt.Fprintf(t, "%s\t%.4f\t%.2f %%\t%d\t%d\t\n", filepath.Base(dir), float64(best.Score), 100*test, m.Spent(), m.Counts().Copies)
	}
	return t.Flush()
}

// read folds a run's journal into its state.
func read(dir string) (*machine.Machine, error) {
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		return nil, err
	}
	defer j.Close()
	m, _, err := engine.Fold(j, config.SpecOf)
	if err == nil && m == nil {
		err = errors.New("the run has not begun")
	}
	return m, err
}
