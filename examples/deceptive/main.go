// Deceptive shows when Population Based Training is greedy, and what helps.
//
//	go run ./examples/deceptive                    the table; 100 seeds take 1 s on one core
//	go run ./examples/deceptive -seeds 20 -json    JSON instead
//
// Two tasks of Chebykin, Alderliesten and Bosman (TMLR 2025), "To Be Greedy, or Not
// to Be", section 5.2, train one weight θ from 0.9 towards the best Q = 1.2 − θ²:
//
//	θ ← θ + 0.001 · (−2) · f · θ,  T = 1000 steps, h may change every t_step = 20
//	Plain:      f = 2 − h
//	Deceptive:  f = max(2 − h − 0.2 · Σᵢ |hᵢ − (T − i·t_step)/T|, 0)
//
// The sum runs over the intervals i = 0, 1, … of the weights' ancestry, the present
// one included. A small h is good at once in both. In the Deceptive task it is
// punished for ever after: an interval with h at δ below the line gains δ once and
// loses 0.2·δ then and in every later interval, so that the sixth makes it a loss.
//
// The optimum of Plain is the lowest h from the first step. That of Deceptive is
// the straight line from 1 to 0, but the lowest h in the last four intervals,
// which are over before the punishment outweighs the gain (the test proves both by
// dynamic programming). 22 members start from h in [0.9, 1.1] and may use [0.0001, 1.1].
//
// Expected, median Q over 100 seeds, and h at step 200 along the winner's ancestry:
//
//	                           plain    h at 200   deceptive   h at 200
//	optimum                    1.1997   0.0001     1.198       0.80
//	PBT                        1.1995   0.20       0.99        0.29
//	PBT, bold: x0.5/2          1.1997   0.01       0.92        0.06
//	PBT, patient: every 100    1.1978   0.61       1.19        0.73
//	random search              1.1899   0.91       1.05        0.91
//
// Formulas, constants and bounds are those of the authors' code. Ours: truncation
// at 20 % and × 0.8 or 1.2 as in package pbt (theirs: 25 %, × 2 or ÷ 2, our "bold"
// row); Q is taken after an interval's last step in both tasks; and the history
// holds the h that trained the weights, where theirs, on a copy, overwrites the
// last one with the explored h.
//
// The JSON is one object:
//
//	{"seeds": 100, "members": 22, "steps": 1000,
//	 "rows": [{"task": "plain", "method": "PBT", "median": …, "p5": …, "p95": …, "h_at_200": …}, …]}
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/seed-7a1a2db0/pbt/examples/internal/command"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("deceptive", flag.ContinueOnError)
	seeds := flags.Int("seeds", 100, "runs per task and method")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	return command.Run(flags, args, stdout, stderr, func() error {
		if *seeds < 1 {
			return command.Usage("-seeds %d: want at least 1", *seeds)
		}
		rows, err := measureAll(*seeds)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(*seeds, rows, stdout)
		}
		return printTable(*seeds, rows, stdout)
	})
}

func measureAll(seeds int) ([]row, error) {
	var rows []row
	for _, t := range tasks {
		rows = append(rows, t.best())
		for _, m := range methods {
			r, err := measure(t, m, seeds)
			if err != nil {
				return nil, err
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func printJSON(seeds int, rows []row, stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	return out.Encode(struct {
		Seeds   int   `json:"seeds"`
		Members int   `json:"members"`
		Steps   int   `json:"steps"`
		Rows    []row `json:"rows"`
	}{seeds, members, steps, rows})
}

func printTable(seeds int, rows []row, stdout io.Writer) error {
	fmt.Fprintf(stdout, "best final Q of %d members after %d steps, seeds 1 to %d; higher is better\n\n", members, steps, seeds)
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "task\tmedian\t5 %\t95 %\th at 200\t  method")
	for _, r := range rows {
		fmt.Fprintf(t, "%s\t%.4f\t%.4f\t%.4f\t%.2g\t  %s\n", r.Task, r.Median, r.P5, r.P95, r.H200, r.Method)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprint(stdout, `
Where a low h is simply good, PBT finds it. Where it is good now and bad later, PBT
takes the gain now and ends below random search, the bolder the worse. Patience
helps: with five times longer between ready points, members are judged by more of
what their h does to them.
`)
	return err
}
