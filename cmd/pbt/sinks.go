package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/sinks"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
)

// runSinks are the sinks of a run that this process trains.
type runSinks struct {
	exp *config.Experiment
	set *sinks.Set
}

// observe checks what the experiment asks for, and lets the sinks hear of events.
func (r *runSinks) observe(c *engine.Config, exp *config.Experiment) error {
	r.exp = exp
	first := c.Observe
	c.Observe = func(v engine.View) {
		if first != nil {
			first(v)
		}
		r.set.Observe(v)
	}
	return sinks.Check(c.Dir, exp)
}

// begin starts to feed the sinks of a run that is in this process's hands.
func (r *runSinks) begin(cmd *cobra.Command, dir string) (err error) {
	// Ctrl-C ends the run, not what its sinks are still to get.
	r.set, err = sinks.Start(context.WithoutCancel(cmd.Context()), dir, r.exp, warner(cmd.ErrOrStderr()))
	return err
}

// end lets the sinks catch up, for a while, and tells what is left.
func (r *runSinks) end(w io.Writer, dir string) {
	ctx, cancel := context.WithTimeout(context.Background(), sinks.CloseTime)
	defer cancel()
	tellLeft(w, dir, r.set.Close(ctx))
}

// warner writes what a sink has to say on a line of its own.
func warner(w io.Writer) func(string) {
	clear := ""
	if isTerminal(w) {
		clear = "\r\x1b[K"
	}
	return func(text string) { fmt.Fprintf(w, "%spbt: %s\n", clear, clean(text)) }
}

// tellLeft names the sinks that have not got everything.
func tellLeft(w io.Writer, dir string, left []feed.Left) {
	for _, l := range left {
		why := "it is slow"
		if l.Err != nil {
			why = l.Err.Error()
		}
		fmt.Fprintf(w, "pbt: sink %s has not got the last %s (%s); bring it up to date with: pbt export %s --sinks\n", l.Name, plural.Of(l.Events, "event"), clean(why), safe.Path(dir))
	}
}
