package main

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/seed-7a1a2db0/pbt"
)

const (
	members   = 22
	steps     = 1000 // T
	interval  = 20   // t_step
	intervals = steps / interval
	alpha     = 0.001
	start     = 0.9 // θ
	lowest    = 1e-4
	highest   = 1.1 // of h
	top       = 1.2 // of Q
)

// weights are θ and, for the Deceptive task, what its penalty remembers: part of
// the weights, so that a copy inherits its donor's past.
type weights struct {
	θ        float64
	astray   float64 // the sum of |hᵢ − (T − i·t_step)/T| so far
	interval int     // i
}

func quality(w weights) float64 { return top - w.θ*w.θ }

// task is Plain or Deceptive: they differ in what leaving the line costs.
type task struct {
	Name    string
	Penalty float64             // per unit astray
	Optimum func(i int) float64 // the best h of interval i
}

var tasks = []task{
	{"plain", 0, func(int) float64 { return lowest }},
	{"deceptive", 0.2, func(i int) float64 {
		if i >= intervals-4 { // too late to be punished for more than it brings: 4 × 0.2 < 1
			return lowest
		}
		return line(i)
	}},
}

// line is the linear decay that the Deceptive task wants.
func line(i int) float64 { return float64(steps-i*interval) / steps }

// step trains for one interval with one h.
func (t task) step(w weights, h float64) weights {
	w.astray += math.Abs(h - line(w.interval))
	w.interval++
	factor := max(2-h-t.Penalty*w.astray, 0)
	for range interval {
		w.θ += alpha * -2 * factor * w.θ
	}
	return w
}

func (t task) model() pbt.Model[weights] {
	return pbt.Model[weights]{
		Init: func(*pbt.Rand) weights { return weights{θ: start} },
		Step: func(w weights, h pbt.Hypers, _ *pbt.Rand) weights { return t.step(w, h.Float("h")) },
		Eval: quality,
	}
}

// best is the row of the optimum: what nobody can beat.
func (t task) best() row {
	w := weights{θ: start}
	for i := range intervals {
		w = t.step(w, t.Optimum(i))
	}
	q := quality(w)
	return row{Task: t.Name, Method: "optimum", P5: q, Median: q, P95: q, H200: t.Optimum(200 / interval)}
}

var space = pbt.MustSpace(pbt.Uniform("h", 0.9, 1.1).Within(lowest, highest))

// method is a way to choose h. All of them compare and decide together, as
// generations do, and start from the same h.
type method struct {
	Name   string
	Policy pbt.Policy
}

var methods = []method{
	{"PBT", pbt.Policy{}}, // truncation at 20 %, × 0.8 or 1.2, ready after every interval
	{"PBT, bold: x0.5/2", pbt.Policy{Explore: pbt.Perturb{Factors: []float64{0.5, 2}}}},
	{"PBT, patient: every 100", pbt.Policy{Ready: pbt.Every{Steps: 100}}},
	{"random search", pbt.Policy{Exploit: pbt.NoExploit{}}},
}

// row is one method on one task: the best member's Q at the end, over all seeds,
// and the median of its weights' h at step 200.
type row struct {
	Task   string  `json:"task"`
	Method string  `json:"method"`
	Median float64 `json:"median"`
	P5     float64 `json:"p5"`
	P95    float64 `json:"p95"`
	H200   float64 `json:"h_at_200"`
}

// measure trains a method on a task, with seeds 1, 2, 3, ….
func measure(t task, m method, seeds int) (row, error) {
	var best, h200 []float64
	for seed := range seeds {
		r, err := pbt.Train(pbt.Options{
			Members: members, Steps: steps, Block: interval,
			Space: space, Policy: m.Policy, Order: pbt.LockStep, Seed: uint64(seed) + 1,
		}, t.model())
		if err != nil {
			return row{}, fmt.Errorf("training %s on %s: %w", m.Name, t.Name, err)
		}
		best = append(best, float64(r.Best.Score))
		h200 = append(h200, at(r.Schedule, 200))
	}
	slices.Sort(best)
	slices.Sort(h200)
	quantile := func(p float64, xs []float64) float64 { return stat.Quantile(p, stat.LinInterp, xs, nil) }
	return row{t.Name, m.Name, quantile(0.5, best), quantile(0.05, best), quantile(0.95, best), quantile(0.5, h200)}, nil
}

// at is the h of a schedule after a step.
func at(schedule []pbt.Stage, step int64) float64 {
	i := slices.IndexFunc(schedule, func(s pbt.Stage) bool { return step < s.To })
	return schedule[i].Hypers.Float("h")
}
