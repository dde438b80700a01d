package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat"

	"github.com/seed-7a1a2db0/pbt"
)

// results are the true scores: by policy, by family, by seed.
type results struct {
	options
	values map[string][][]float64
}

const (
	highest = 0.99 // the quantile of all values of a family that counts as 1
	normal  = 1.96 // standard errors at either side of a mean: a 95 % interval for hundreds of seeds
	equal   = 1e-12
)

// scaled turns a family's values into shares: 0 before training, 1 for the highest quantile of all policies' values.
func (r *results) scaled(f int) map[string][]float64 {
	var all []float64
	for _, e := range entries {
		all = append(all, r.values[e.name][f]...)
	}
	slices.Sort(all)
	untrained := families[f].model(firstSeed, r.Segments).Init(pbt.NewRand(firstSeed, 0, 0, "surrogate", "untrained"))
	low, high := families[f].worth(&untrained.s), stat.Quantile(highest, stat.Empirical, all, nil)
	shares := map[string][]float64{}
	for _, e := range entries {
		values := make([]float64, r.Seeds)
		for i, v := range r.values[e.name][f] {
			values[i] = (v - low) / (high - low)
		}
		shares[e.name] = values
	}
	return shares
}

// comparison is a mean paired difference with its 95 % interval, and how often it is positive (ties count half).
type comparison struct {
	mean, half, wins float64
}

func compare(a, b []float64) (c comparison) {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
		switch {
		case d[i] > equal:
			c.wins++
		case d[i] >= -equal:
			c.wins += 0.5
		}
	}
	c.wins /= float64(len(a))
	mean, deviation := stat.MeanStdDev(d, nil)
	c.mean, c.half = mean, normal*deviation/math.Sqrt(float64(len(d)))
	return c
}

// mark says where an interval lies: above 0, below, or around.
func (c comparison) mark() string {
	switch {
	case c.mean-c.half > 0:
		return "+"
	case c.mean+c.half < 0:
		return "−"
	}
	return "="
}

// row is a policy's line in the table.
type row struct {
	name           string
	cells          []string
	mean           float64
	worst          comparison // the family with the lowest mean difference to random search
	worstFamily    string
	below          int // families significantly below random search
	wins, leastWin float64
	belowPlain     int
}

// rows compares each policy with random search and with plain PBT over some of the families.
func (r *results) rows(heldOut bool) (names []string, rows []row) {
	rows = make([]row, len(entries))
	for f := range families {
		if families[f].heldOut != heldOut {
			continue
		}
		names = append(names, families[f].name)
		shares := r.scaled(f)
		for i, e := range entries {
			rows[i].name = e.name
			rows[i].add(families[f].name, stat.Mean(shares[e.name], nil),
				compare(shares[e.name], shares[randomSearch]), compare(shares[e.name], shares[plainPBT]))
		}
	}
	for i := range rows {
		rows[i].mean /= float64(len(names))
		rows[i].wins /= float64(len(names))
	}
	return names, rows
}

func (w *row) add(family string, mean float64, random, plain comparison) {
	cell := fmt.Sprintf("%.2f", mean)
	if w.name != randomSearch {
		cell += random.mark()
	}
	if len(w.cells) == 0 || random.mean < w.worst.mean {
		w.worst, w.worstFamily = random, family
	}
	if len(w.cells) == 0 || random.wins < w.leastWin {
		w.leastWin = random.wins
	}
	w.cells = append(w.cells, cell)
	w.mean += mean
	w.wins += random.wins
	if random.mark() == "−" {
		w.below++
	}
	if plain.mark() == "−" {
		w.belowPlain++
	}
}

// table prints the leaderboard as Markdown: best mean first, families on which the study chose its constants, then the held-out ones.
func (r *results) table(to io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d members, %d segments, %d seeds a family. +, =, −: above, around, below random search (95 %%, paired).\n", r.Members, r.Segments, r.Seeds)
	for _, heldOut := range []bool{false, true} {
		names, rows := r.rows(heldOut)
		slices.SortStableFunc(rows, func(a, b row) int {
			switch {
			case a.mean > b.mean:
				return -1
			case a.mean < b.mean:
				return 1
			}
			return 0
		})
		fmt.Fprintf(&b, "\n| policy | %s | mean | worst − random search | families below it | mean win rate | lowest win rate | families below truncation |\n", strings.Join(names, " | "))
		fmt.Fprintf(&b, "| --- %s|\n", strings.Repeat("| --- ", len(names)+6))
		for _, w := range rows {
			fmt.Fprintf(&b, "| %s | %s | %.3f | %+.3f ± %.3f (%s) | %d | %.2f | %.2f | %d |\n", w.name, strings.Join(w.cells, " | "), w.mean,
				w.worst.mean, w.worst.half, w.worstFamily, w.below, w.wins, w.leastWin, w.belowPlain)
		}
	}
	_, err := io.WriteString(to, b.String())
	return err
}

// digits is how exact a value is written: what another processor computes differs in the last places.
const digits = 1e6

// sampleSeeds are the seeds whose values a record keeps, so that -check can measure them again.
const sampleSeeds = 8

// record is what a file keeps: the table, and the values of the first seeds by policy and family.
type record struct {
	options
	Table  string                          `json:"table"`
	Values map[string]map[string][]float64 `json:"values"`
}

func (r *results) record() (record, error) {
	var table strings.Builder
	if err := r.table(&table); err != nil {
		return record{}, err
	}
	rec := record{options: r.options, Table: table.String(), Values: map[string]map[string][]float64{}}
	for _, e := range entries {
		rec.Values[e.name] = map[string][]float64{}
		for f := range families {
			first := slices.Clone(r.values[e.name][f][:min(sampleSeeds, r.Seeds)])
			for i, v := range first {
				first[i] = math.Round(v*digits) / digits
			}
			rec.Values[e.name][families[f].name] = first
		}
	}
	return rec, nil
}

func (r *results) write(file string) error {
	rec, err := r.record()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(rec, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o666)
}

// tolerance is how far a value measured again may be from the recorded one.
const tolerance = 1e-4

// check measures the first seeds of a record again. Chaotic families amplify the last bits of another processor's
// exponentials, so it reports how many values differ and fails if more than a few do.
func check(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var rec record
	if err := json.Unmarshal(text, &rec); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	o := rec.options
	o.Seeds = min(sampleSeeds, o.Seeds)
	now, err := measure(o)
	if err != nil {
		return err
	}
	again, err := now.record()
	if err != nil {
		return err
	}
	n, differ := 0, 0
	for policy, byFamily := range again.Values {
		for family, values := range byFamily {
			recorded := rec.Values[policy][family]
			if len(recorded) != len(values) {
				return fmt.Errorf("%s has %d values of %s on %s, and measuring gives %d: write it again with -out", file, len(recorded), policy, family, len(values))
			}
			for i, v := range values {
				n++
				if math.Abs(v-recorded[i]) > tolerance {
					differ++
				}
			}
		}
	}
	fmt.Printf("%s: %d of %d values measured again differ by more than %g\n", file, differ, n, tolerance)
	if float64(differ) > mayDiffer*float64(n) {
		return fmt.Errorf("%s is not what measuring gives now: write it again with -out", file)
	}
	return nil
}

// mayDiffer is the share of values that may differ on another processor.
const mayDiffer = 0.01
