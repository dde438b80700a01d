package main

import "github.com/seed-7a1a2db0/pbt"

func init() {
	children["decide"] = child(decideChild)
}

// decideSetting is a population and what is measured of it.
type decideSetting struct {
	Members int
	Decide  bool  // the decision; otherwise Set, the new record
	Window  int64 // of comparison
	Times   int   // in a turn
}

// decideChild measures the root package alone: what one report costs a population.
func decideChild(s decideSetting) (func() (Sample, error), error) {
	e, spec, err := newExperiment(s.Members, false)
	if err != nil {
		return nil, err
	}
	policy := e.Policy
	policy.Window = s.Window
	pop := pbt.NewPopulation(s.Members, pbt.Maximize, 1)
	r := pbt.NewRand(1, 0, 0, "benchmark", "")
	hypers := make([]pbt.Hypers, s.Members)
	segment := int64(0)
	set := func(i int) {
		segment++
		pop.Set(i, pbt.Record{Segment: segment, Score: pbt.Score(r.Float64()), Step: segment / int64(s.Members), Hypers: hypers[i], Saved: true})
	}
	decide := func(i int) {
		policy.Decide(pop, spec.Space, pbt.Standing{Member: i, Turn: segment, Segment: segment, Hypers: hypers[i], Spent: segment, SinceReady: 1 << 40, SinceCopy: segment})
	}
	for i := range hypers {
		hypers[i] = spec.Space.Draw(1, i, 0)
		set(i)
	}
	work := set
	if s.Decide {
		work = decide
	}
	members := make([]int, s.Times)
	return func() (Sample, error) {
		for k := range members { // in random order, drawn outside the measurement
			members[k] = r.IntN(s.Members)
		}
		if s.Decide { // the scores move between turns, so that others are in the bottom
			for range s.Members {
				set(r.IntN(s.Members))
			}
		}
		return timed(s.Times, func() error {
			for _, i := range members {
				work(i)
			}
			return nil
		})
	}, nil
}

// benchDecide measures Population.Set and Policy.Decide alone.
func benchDecide(b *bench) ([]Row, error) {
	var settings []decideSetting
	times := b.pick(50_000, 5000)
	for _, n := range sizes {
		settings = append(settings, decideSetting{Members: n, Times: times}, decideSetting{Members: n, Times: times, Decide: true})
	}
	settings = append(settings, decideSetting{Members: sizes[len(sizes)-1], Times: times / 50, Decide: true, Window: 10})
	samples, err := compete("decide", b.pick(21, 3), settings)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: []string{"members", "µs Set", "× 10 members", "µs Decide", "× 10 members", "bytes allocated by Decide"}}
	var set, decide []float64
	for i := range sizes {
		set = append(set, median(samples[2*i], Sample.CPUEach))
		decide = append(decide, median(samples[2*i+1], Sample.CPUEach))
		t.add(sizes[i], set[i]/1e3, set[i]/set[0], decide[i]/1e3, decide[i]/decide[0],
			median(samples[2*i+1], func(s Sample) float64 { return s.Bytes }))
	}
	last := len(sizes) - 1
	window := median(samples[len(samples)-1], Sample.CPUEach)
	return []Row{
		{Measure: "Set and Decide, cost at 10,000 members against 10", Unit: "×", Value: (set[last] + decide[last]) / (set[0] + decide[0]), Table: t,
			Note: "By processor time. Set gives a member a new record in the ranking, Decide is exploit and explore."},
		{Measure: "Decide at 10,000 members with a comparison window", Unit: "µs", Value: window / 1e3,
			Note: "A window asks everybody: its cost grows with the population."},
	}, nil
}
