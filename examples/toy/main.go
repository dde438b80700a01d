// Toy is figure 2 of the paper (Jaderberg et al. 2017, arXiv:1711.09846), trained
// by the rules of package pbt and nothing else.
//
//	go run ./examples/toy                         the table; 1000 seeds take 6 s on one core
//	go run ./examples/toy -seeds 100 -json        JSON instead
//	go run ./examples/toy -seeds 1 -svg toy.svg   and the figure, of seed 1
//
// Two members climb Q(θ) = 1.2 − (θ₀² + θ₁²), but see only the gradient of a
// surrogate, Q̂(θ|h) = 1.2 − (h₀θ₀² + h₁θ₁²). One has h = (1, 0), the other (0, 1):
// neither gets to the top alone. Both start at θ = (0.9, 0.9), do 200 steps of
// size 0.01, and are ready every -interval steps. Exploit is a binary tournament,
// explore adds normal noise of 0.1 or multiplies by 1.2 or 0.8; what a copy takes
// over is θ alone or θ and h.
//
// What the paper leaves open is read as in public reproductions of the figure: the
// step size, the noise, and which variant is the panel "PBT" (copy θ alone, add).
//
// Expected, mean of the best final Q in an independent simulation, 1000 seeds (other
// seeds move the last digit; up to 0.015 where h can grow, in copy theta+h, add):
//
//	variant                                   interval 5     10
//	grid                                          0.390   0.390   one coordinate each: 1.2 − 0.81
//	exploit only, copy theta                      1.185   1.181   taking turns is enough
//	exploit only, copy theta+h                    0.390   0.390   both get the same h
//	explore only additive (median)                1.04    0.94    h drifts below 0 and diverges: no stable mean
//	exploit+explore, copy theta, add              1.173   1.172
//	exploit+explore, copy theta, x1.2/0.8         1.154   1.162
//	exploit+explore, copy theta+h, add            1.145   1.080
//	exploit+explore, copy theta+h, x1.2/0.8       0.390   0.390   0 × 1.2 is 0: zero is absorbing
//	lock-step: each that exploits                 0.390   0.390   exact ties for ever, and a tie is no win
//
// The JSON is one object:
//
//	{"seeds": 1000, "first_seed": 1, "members": 2, "steps": 200, "alpha": 0.01,
//	 "rows": [{"variant": "grid", "interval": 5, "mean": …, "p5": …, "median": …, "p95": …}, …]}
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/seed-7a1a2db0/pbt/examples/internal/command"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// settings are the command line.
type settings struct {
	seeds     int
	first     uint64
	intervals []int64
	json      bool
	svg       string
}

func run(args []string, stdout, stderr io.Writer) int {
	var s settings
	flags := flag.NewFlagSet("toy", flag.ContinueOnError)
	flags.IntVar(&s.seeds, "seeds", 1000, "runs per variant and interval")
	flags.Uint64Var(&s.first, "first", 1, "the first seed, and the one the figure shows")
	intervals := flags.String("interval", "5,10", "steps between ready points, a table row each; the figure shows the first")
	flags.BoolVar(&s.json, "json", false, "print JSON instead of a table")
	flags.StringVar(&s.svg, "svg", "", "draw figure 2 into this file")
	return command.Run(flags, args, stdout, stderr, func() error {
		if s.seeds < 1 {
			return command.Usage("-seeds %d: want at least 1", s.seeds)
		}
		for text := range strings.SplitSeq(*intervals, ",") {
			n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			if err != nil || n < 1 {
				return command.Usage("-interval %q: want whole numbers of at least 1, such as 5,10", *intervals)
			}
			s.intervals = append(s.intervals, n)
		}
		return show(s, stdout)
	})
}

func show(s settings, stdout io.Writer) error {
	if s.svg != "" { // first: it takes no time, and may fail
		if err := writeFigure(s.svg, s.intervals[0], s.first); err != nil {
			return err
		}
	}
	var rows []row
	for _, v := range variants {
		for _, interval := range s.intervals {
			best, err := finals(v, interval, s.first, s.seeds)
			if err != nil {
				return err
			}
			rows = append(rows, summarise(v, interval, best))
		}
	}
	if s.json {
		return printJSON(s, rows, stdout)
	}
	return printTable(s, rows, stdout)
}

func writeFigure(path string, interval int64, seed uint64) error {
	drawing, err := figure(interval, seed)
	if err != nil {
		return fmt.Errorf("training for the figure: %w", err)
	}
	return os.WriteFile(path, drawing, 0o644)
}

func printJSON(s settings, rows []row, stdout io.Writer) error {
	out := json.NewEncoder(stdout)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		Seeds     int     `json:"seeds"`
		FirstSeed uint64  `json:"first_seed"`
		Members   int     `json:"members"`
		Steps     int     `json:"steps"`
		Alpha     float64 `json:"alpha"`
		Rows      []row   `json:"rows"`
	}{s.seeds, s.first, members, steps, alpha, rows})
}

func printTable(s settings, rows []row, stdout io.Writer) error {
	fmt.Fprintf(stdout, "best final Q of %d members after %d steps, seeds %d to %d; the optimum is %g\n\n",
		members, steps, s.first, s.first+uint64(s.seeds)-1, optimum)
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "interval\tmean\t5 %\tmedian\t95 %\t  variant")
	for _, r := range rows {
		fmt.Fprintf(t, "%d\t%.3f\t%.3f\t%.3f\t%.3f\t  %s\n", r.Interval, r.Mean, r.P5, r.Median, r.P95, r.Variant)
	}
	return t.Flush()
}
