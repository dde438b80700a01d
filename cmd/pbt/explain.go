package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// explanation is what `pbt explain --json` prints.
type explanation struct {
	Segment  int64             `json:"segment"`
	Member   int               `json:"member"`
	Parent   int64             `json:"parent"`
	From     int64             `json:"from"`
	Steps    int64             `json:"steps"`
	Hypers   pbt.Hypers        `json:"hypers"`
	Before   *pbt.Hypers       `json:"hypers_before,omitempty"` // the member's own, until then
	Decision pbt.Decision      `json:"decision"`
	Say      string            `json:"say"`
	Draws    draws             `json:"draws"`             // where the random numbers come from
	Outcome  json.RawMessage   `json:"outcome,omitempty"` // as the journal has it
	Failures []history.Failure `json:"failures,omitempty"`
	Origin   *machine.Origin   `json:"origin,omitempty"` // of the segment that a branch begins with

	finished *machine.Finished
}

// draws is the address of a decision's random numbers: f(seed, member, turn, purpose).
type draws struct {
	Seed       uint64 `json:"seed"`
	Member     int    `json:"member"`
	Turn       int64  `json:"turn"`
	TrainSeed  uint64 `json:"train_seed"`  // what the trainer got
	WeightSeed uint64 `json:"weight_seed"` // of fresh weights, if it started with them
}

func newExplain() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "explain DIR SEGMENT", Short: "Explain why a segment has its parent and its hyperparameters", Args: cobra.ExactArgs(2),
		Long: `Explain a segment: whose weights it began from, under which hyperparameters, and why: the decision in
a sentence, the random numbers behind it, its outcome, and the attempts that failed. Segments are
numbered from 1 as they are decided; pbt status and pbt lineage show their numbers.`,
		Example: "  pbt explain runs/digits-1 212",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[1], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("%q is no segment's number", args[1])}
			}
			h, err := readHistory(args[0])
			if err != nil {
				return err
			}
			x, err := explain(h, id)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd, x)
			}
			return x.print(cmd.OutOrStdout())
		},
	}
	jsonFlag(c, &asJSON)
	return c
}

func explain(h *history.History, id int64) (*explanation, error) {
	d, err := h.Decision(id)
	if err != nil {
		return nil, err
	}
	seed := h.Started.Seed
	x := &explanation{
		Segment: id, Member: d.Member, Parent: d.Parent, From: d.From, Steps: d.Steps, Hypers: d.Hypers,
		Decision: d.Decision, Say: d.Decision.Say(), finished: h.Outcome(id),
		Draws: draws{
			Seed: seed, Member: d.Member, Turn: d.Turn,
			TrainSeed: pbt.TrainSeed(seed, d.Member, d.Turn, 0), WeightSeed: pbt.WeightSeed(seed, d.Member, d.Turn),
		},
	}
	if x.finished != nil {
		x.Steps = x.finished.Step - x.From // trained, whatever was asked
		if x.Outcome, err = machine.Encode(nil, x.finished); err != nil {
			return nil, err
		}
	}
	if d.Decision.Action == pbt.Begin && d.Decision.Why == pbt.WhyBranch {
		x.Origin = h.Started.Origin
	}
	for before := id - 1; before >= 1; before-- {
		if n, err := h.Tree.Node(before); err == nil && n.Member == d.Member {
			x.Before = &n.Hypers
			break
		}
	}
	for _, f := range h.Failures {
		if f.Segment == id {
			x.Failures = append(x.Failures, f)
		}
	}
	return x, nil
}

func (x *explanation) print(w io.Writer) error {
	fmt.Fprintf(w, "segment %d of member %d (its turn %d), steps %d to %d\n\n  %s\n\n", x.Segment, x.Member, x.Draws.Turn, x.From, x.From+x.Steps, clean(x.Say))
	start := "fresh weights"
	switch {
	case x.Origin != nil:
		start = fmt.Sprintf("the weights of segment %d of member %d in %s", x.Origin.Segment, x.Origin.Member, clean(x.Origin.Dir))
	case x.Parent != 0:
		start = fmt.Sprintf("the weights of segment %d", x.Parent)
	}
	fmt.Fprintf(w, "starts from      %s\nhyperparameters  %s\n", start, clean(x.Hypers.String()))
	if x.Before != nil {
		fmt.Fprintf(w, "before           %s\n", clean(x.Before.String()))
	}
	fmt.Fprintf(w, "random numbers   seed %d, member %d, turn %d\n", x.Draws.Seed, x.Draws.Member, x.Draws.Turn)
	for _, f := range x.Failures {
		fmt.Fprintf(w, "failed           %s: %s\n", f.Fault, clean(firstLine(f.Error)))
	}
	outcome := "not finished"
	if x.finished != nil {
		outcome = fmt.Sprintf("score %s, checkpoint %s", x.finished.Score, clean(x.finished.Checkpoint.ID))
	}
	_, err := fmt.Fprintf(w, "outcome          %s\n", outcome)
	return err
}
