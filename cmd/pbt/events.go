package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// followEvery is how often --follow asks the journal for more. SQLite tells other
// processes nothing of its own accord.
const followEvery = 50 * time.Millisecond

func newEvents() *cobra.Command {
	var follow bool
	var after, tail int64
	c := &cobra.Command{
		Use: "events DIR", Short: "Print the journal as JSON lines", Args: cobra.ExactArgs(1),
		Long:    "Print the journal as JSON lines: seq, at (Unix nanoseconds), kind, segment, member and the event itself.",
		Example: "  pbt events runs/digits-1 --follow | jq -r 'select(.kind==\"decided\") | .event.decision.say'",
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := openJournal(args[0])
			if err != nil {
				return err
			}
			defer j.Close()
			if cmd.Flags().Changed("tail") {
				if tail < 0 {
					return usageError{fmt.Errorf("--tail %d: there is no negative number of events: give 0 or more", tail)}
				}
				last, err := j.Last()
				if err != nil {
					return err
				}
				after = max(after, last-tail)
			}
			return printEvents(cmd.Context(), cmd.OutOrStdout(), j, after, follow)
		},
	}
	c.Flags().BoolVar(&follow, "follow", false, "go on until the run ends")
	c.Flags().Int64Var(&after, "after", 0, "begin after this position, a `number`")
	c.Flags().Int64Var(&tail, "tail", 0, "only the last `number` of events; with --follow, those that come after them as well")
	c.Flags().Bool("json", true, "the output is JSON anyway")
	return c
}

func printEvents(ctx context.Context, w io.Writer, j *journal.Journal, after int64, follow bool) error {
	out := bufio.NewWriter(w)
	ended := false
	emit := func(r journal.Row) error {
		after = r.Seq
		switch machine.Kind(r.Kind) {
		case machine.KindClosed, machine.KindPaused:
			ended = true
		case machine.KindOpened:
			ended = false
		}
		_, err := out.Write(eventLine(r))
		return err
	}
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		if err := j.Read(after, emit); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		if !follow || ended {
			return nil
		}
		select {
		case <-ctx.Done():
			return errInterrupted
		case <-ticker.C:
		}
	}
}

// eventLine is a row as one line of JSON.
func eventLine(r journal.Row) []byte {
	kind, _ := json.Marshal(r.Kind) // a string always marshals
	b := fmt.Appendf(nil, `{"seq":%d,"at":%d,"kind":%s`, r.Seq, r.At, kind)
	if r.Segment != 0 {
		b = strconv.AppendInt(append(b, `,"segment":`...), r.Segment, 10)
	}
	if r.Member >= 0 {
		b = strconv.AppendInt(append(b, `,"member":`...), r.Member, 10)
	}
	b = append(append(b, `,"event":`...), r.Body...)
	return safe.JSON(append(b, "}\n"...))
}
