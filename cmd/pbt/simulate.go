package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/sim"
)

// simReport is what `pbt sim --json` prints.
type simReport struct {
	sim.Report
	Seconds    float64 `json:"seconds"`
	ReportsPer float64 `json:"reports_per_s"`
}

func newSim() *cobra.Command {
	var o sim.Options
	var asJSON bool
	c := &cobra.Command{
		Use: "sim", Short: "Simulate clusters with faults, and check every law after every event", Args: cobra.NoArgs,
		Long: `Simulate whole clusters in virtual time, with the production state machine: slow, dead and returning
workers, lost, late and duplicated messages, a coordinator killed between any two steps, full disks,
NaN scores, clocks that jump. After every event the laws are checked. The first seeds that break one
are told with the command that shows it again; exit code 1 then.`,
		Example: "  pbt sim --seeds 10000\n  pbt sim --first-seed 42 --seeds 1 --members 8 --workers 3 --faults all",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.Validate(); err != nil {
				return usageError{err}
			}
			r, err := simulate(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd, r)
			} else {
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s, %s, %s, %.0f reports/s in %.1f s\n",
					plural.Of(r.Seeds, "seed"), plural.Of(r.Events, "event"), plural.Of(len(r.Violations), "violation"), r.ReportsPer, r.Seconds)
			}
			if err != nil {
				return err
			}
			return simVerdict(cmd, r)
		},
	}
	c.Flags().Uint64Var(&o.FirstSeed, "first-seed", 1, "the first seed")
	c.Flags().IntVar(&o.Seeds, "seeds", 1000, "how many seeds, one cluster each")
	c.Flags().IntVar(&o.Members, "members", 0, "members of each population (0: drawn for each seed)")
	c.Flags().IntVar(&o.Workers, "workers", 0, "workers (0: drawn for each seed)")
	c.Flags().StringVar(&o.Faults, "faults", sim.AllFaults, "all, none, or names joined by commas")
	jsonFlag(c, &asJSON)
	return c
}

// shownViolations is how many violations are told.
const shownViolations = 5

func simVerdict(cmd *cobra.Command, r simReport) error {
	for _, v := range r.Violations[:min(len(r.Violations), shownViolations)] {
		fmt.Fprintln(cmd.ErrOrStderr(), v)
	}
	if len(r.Violations) > 0 {
		return silent{errors.New("the simulation found violations")}
	}
	if cmd.Context().Err() != nil {
		return errInterrupted
	}
	return nil
}

// simulate shares the seeds among the processors. Each seed is a world of its
// own, so the result does not depend on how they are shared.
func simulate(ctx context.Context, o sim.Options) (simReport, error) {
	start := time.Now()
	workers := min(runtime.GOMAXPROCS(0), max(1, o.Seeds))
	reports, faults := make([]sim.Report, workers), make([]error, workers)
	var group sync.WaitGroup
	first := o.FirstSeed
	for k := range workers {
		share := o
		share.FirstSeed, share.Seeds = first, o.Seeds/workers
		if k < o.Seeds%workers {
			share.Seeds++
		}
		first += uint64(share.Seeds)
		share.After = func(sim.Report) bool { return ctx.Err() == nil }
		group.Go(func() { reports[k], faults[k] = sim.Run(share) })
	}
	group.Wait()
	r := simReport{Report: sim.Report{Violations: []sim.Violation{}}}
	for _, part := range reports {
		r.Add(part)
	}
	slices.SortFunc(r.Violations, func(a, b sim.Violation) int { return cmp.Compare(a.Seed, b.Seed) })
	r.Seconds = time.Since(start).Seconds()
	r.ReportsPer = float64(r.Reports) / r.Seconds
	return r, errors.Join(faults...)
}
