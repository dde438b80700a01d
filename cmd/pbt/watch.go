package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/watch"
)

func newWatch() *cobra.Command {
	var when string
	c := &cobra.Command{
		Use: "watch DIR", Short: "Watch a run on the terminal, live, and steer it by keys", Args: cobra.ExactArgs(1),
		Long: `Watch a run on the terminal: the population, the best schedule, events and slots, live while another
process trains it, and after it has ended. ? tells the keys. Some steer the run: they ask first.
Quitting the view leaves the run alone.

Without a terminal, with TERM=dumb or with NO_COLOR it prints lines, and ends with the run;
--screen draws in spite of NO_COLOR, without colours.`,
		Example: "  pbt watch runs/digits-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !api.IsRun(args[0]) {
				_, err := openJournal(args[0]) // says what is missing
				return err
			}
			c := watch.Config{
				Dir: args[0], Colours: os.Getenv("NO_COLOR") == "", Hypers: readHypers,
				Ask: func(wish api.Command) (api.Steered, error) { return askRun(args[0], wish) },
			}
			draws, err := drawsOn(os.Stdout, when)
			if err != nil {
				return err
			}
			if !draws {
				return watch.Lines(cmd.Context(), c, cmd.OutOrStdout())
			}
			err = watch.Run(cmd.Context(), c, os.Stdin, os.Stdout)
			if errors.Is(err, watch.ErrInterrupted) {
				return errInterrupted
			}
			return err
		},
	}
	screenFlag(c, &when)
	return c
}
