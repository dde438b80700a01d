package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
)

func newReplay() *cobra.Command {
	var f runFlags
	var segment int64
	c := &cobra.Command{
		Use: "replay DIR", Short: "Train fresh weights along a schedule that a run found", Args: cobra.ExactArgs(1),
		Long: `Train one model from fresh weights along the schedule of a segment's ancestry (default: the best
segment's). It is a run of its own, with one member that copies nobody: it can be resumed, explained
and verified like any other. --set population=3 trains three models along the schedule, from weights of their own.
The paper compares such a run with one under the final hyperparameters.`,
		Example: "  pbt replay runs/digits-1 --seed 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			exp, from, err := replayOf(args[0], segment)
			if err != nil {
				return err
			}
			stored, err := json.Marshal(exp)
			if err != nil {
				return err
			}
			if exp, err = config.FromJSON(stored, f.options(cmd)...); err != nil {
				return err
			}
			source, err := exp.YAML()
			if err != nil {
				return err
			}
			f.origin = from.derived()
			return f.start(cmd, exp, source)
		},
	}
	f.add(c)
	segmentFlag(c, &segment)
	c.Flags().StringVar(&f.dir, "dir", "", "the new run's `directory` (default runs/<name>-replay-<n>)")
	c.Flags().StringVar(&f.seed, "seed", "", "the new run's seed, a `number` (default: the old one's)")
	return c
}

// replayOf is the experiment that trains along a segment's schedule.
func replayOf(dir string, segment int64) (*config.Experiment, *origin, error) {
	exp, err := storedExperiment(dir)
	if err != nil {
		return nil, nil, err
	}
	from, _ := relocate(dir, exp)
	stages, err := readSchedule(dir, segment)
	if err != nil {
		return nil, nil, err
	}
	last := stages[len(stages)-1]
	exp.Name += "-replay"
	exp.Population, exp.Trainer.Slots, exp.Initial = 1, 1, nil // the first stage is where each member starts
	exp.Budget = pbt.Budget{Steps: last.To}
	exp.Policy = pbt.Policy{
		Ready: pbt.Every{}, Exploit: pbt.NoExploit{}, Explore: pbt.Follow{Stages: pbt.Compact(stages)},
		ExploreAlways: true, MinScored: 1, Repair: pbt.RepairNone,
	}
	if _, err := exp.Spec(); err != nil {
		return nil, nil, fmt.Errorf("the schedule of %s cannot be followed: %w", dir, err)
	}
	return exp, from, nil
}
