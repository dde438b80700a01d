package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/verify"
)

func newVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "verify DIR", Short: "Decide every decision again, and check every checkpoint", Args: cobra.ExactArgs(1),
		Long: `Verify a run: check that the journal is whole and unaltered, decide every decision again from the
events before it and compare, and check every checkpoint that must be there against its manifest and
the journal. Exit code 1, and the first difference, if anything does not agree.`,
		Example: "  pbt verify runs/digits-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := openJournal(args[0])
			if err != nil {
				return err
			}
			defer j.Close()
			store, err := openCheckpoints(args[0])
			if err != nil {
				return err
			}
			r, err := verify.Run(j, store, config.SpecOf)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if asJSON {
				err = printJSON(cmd, r)
			} else if r.OK {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %s, %s decided again, %s checked\n",
					plural.Of(r.Events, "event"), plural.Of(r.Decisions, "decision"), plural.Of(r.Checkpoints.Checked, "checkpoint"))
			}
			if err != nil || r.OK {
				return err
			}
			err = errors.New(r.First)
			if asJSON {
				err = silent{err}
			}
			return err
		},
	}
	jsonFlag(c, &asJSON)
	return c
}
