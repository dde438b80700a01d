package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// bestRecord is one outcome: score, weights and hyperparameters that belong together.
type bestRecord struct {
	Segment    int64      `json:"segment"`
	Member     int        `json:"member"`
	Step       int64      `json:"step"`
	Score      pbt.Score  `json:"score"`
	Hypers     pbt.Hypers `json:"hypers"`
	Checkpoint string     `json:"checkpoint"`
	Path       string     `json:"path,omitempty"`
}

func newBestRecord(o machine.Outcome) *bestRecord {
	return &bestRecord{Segment: o.Segment, Member: o.Member, Step: o.Step, Score: o.Score, Hypers: o.Hypers, Checkpoint: o.Checkpoint.ID}
}

// copyAttempts is how often --copy follows a best that moves on while it is copied.
const copyAttempts = 10

func newBest() *cobra.Command {
	var asJSON bool
	var to string
	c := &cobra.Command{
		Use: "best DIR", Short: "Show the best outcome, or copy its checkpoint", Args: cobra.ExactArgs(1),
		Long: `Show the best outcome of a run: one record of score, step, hyperparameters and checkpoint.
With --copy, copy its checkpoint, verified, into a directory that does not exist yet.`,
		Example: "  pbt best runs/digits-1 --copy model",
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Lstat(to); to != "" && err == nil {
				return usageError{fmt.Errorf("%s is there already: --copy makes a new directory", to)}
			}
			best, err := findBest(args[0], to)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, best)
			}
			text := fmt.Sprintf("score %s: segment %d of member %d, at step %d\n%s\ncheckpoint %s\n",
				best.Score, best.Segment, best.Member, best.Step, clean(best.Hypers.String()), best.Path)
			if to != "" {
				text += fmt.Sprintf("copied to %s\n", to)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	c.Flags().StringVar(&to, "copy", "", "copy the checkpoint to this `directory`, which must not exist yet")
	jsonFlag(c, &asJSON)
	return c
}

// findBest reads the best record, and copies its checkpoint if asked. While the
// run goes on, a better one may come and the checkpoint go: then it looks again.
func findBest(dir, to string) (*bestRecord, error) {
	var last string
	for range copyAttempts {
		m, err := readMachine(dir)
		if err != nil {
			return nil, err
		}
		store, err := openCheckpoints(dir)
		if err != nil {
			return nil, err
		}
		o, ok := m.Best()
		if !ok {
			return nil, errors.New("no segment has finished with a score yet")
		}
		best := newBestRecord(o)
		best.Path = store.Path(best.Checkpoint)
		if to == "" {
			return best, nil
		}
		err = store.Copy(best.Checkpoint, to)
		if err == nil || !errors.Is(err, checkpoint.ErrMissing) || best.Checkpoint == last {
			return best, err
		}
		last = best.Checkpoint
	}
	return nil, errors.New("the best changes faster than it can be copied: stop the run first")
}
