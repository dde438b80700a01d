package main

import (
	"fmt"
)

func init() { children["machine"] = child(machineChild) }

// machineSetting is one machine that is measured alone: no journal, no disk.
type machineSetting struct {
	Members, Slots int
	Segment        int64 // measure at this segment number; 0: wherever it is
	Lineage        bool  // keep every ancestor's checkpoint
	Reports        int   // in a turn
}

// ahead is how far from its segment number a machine may be measured.
const ahead = 0.5

func machineChild(s machineSetting) (func() (Sample, error), error) {
	begin := max(s.Segment, int64(3*s.Members)) // everybody has a record by then
	var d *driver
	return func() (Sample, error) {
		if d == nil || s.Segment > 0 && float64(d.m.Segments()) > float64(s.Segment)*(1+ahead) {
			var err error
			if d, err = newDriver(s.Members, s.Slots, s.Lineage, nil); err != nil {
				return Sample{}, err
			}
			d.advance(begin)
		}
		copies := d.m.Counts().Copies
		sample, err := timed(s.Reports, func() error {
			for range s.Reports {
				d.report()
			}
			return nil
		})
		sample.Heap, sample.Other = liveHeap(), float64(d.m.Counts().Copies-copies)/float64(s.Reports)
		return sample, err
	}, nil
}

// sizes are the populations that growth is shown over.
var sizes = []int{10, 100, 1000, 10_000}

// fewSlots is how many leases are out when the population waits for slots.
const fewSlots = 8

// benchMachine measures the machine alone, over the size of the population.
func benchMachine(b *bench) ([]Row, error) {
	var settings []machineSetting
	reports := b.pick(20_000, 2000)
	for _, members := range sizes {
		settings = append(settings,
			machineSetting{Members: members, Slots: fewSlots, Reports: reports},
			machineSetting{Members: members, Slots: members, Reports: reports})
	}
	samples, err := compete("machine", b.pick(21, 3), settings)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: []string{"members", "slots", "µs CPU a report", "µs wall", "allocations", "bytes allocated", "copies a report", "× 10 members", "live heap MB"}}
	var each [2][]float64 // few slots, all slots: CPU ns by size
	for i, s := range settings {
		cpu := median(samples[i], Sample.CPUEach)
		each[i%2] = append(each[i%2], cpu)
		t.add(s.Members, s.Slots, cpu/1e3, median(samples[i], Sample.WallEach)/1e3,
			median(samples[i], func(s Sample) float64 { return s.Alloc }), median(samples[i], func(s Sample) float64 { return s.Bytes }),
			median(samples[i], func(s Sample) float64 { return s.Other }), cpu/each[i%2][0], median(samples[i], func(s Sample) float64 { return float64(s.Heap) / 1e6 }))
	}
	last := len(sizes) - 1
	rate, isRate := atLeast(100_000)
	return []Row{
		{Measure: "machine alone at 10,000 members", Target: rate, AtLeast: isRate, Unit: "reports/s", Value: 1e9 / max(each[0][last], each[1][last]),
			Note: "By processor time, garbage collection included; the dearer of few slots and all slots. A report is Handle(Report), with the decision that follows, and Handle(Ask)."},
		{Measure: "machine alone, cost at 10,000 members against 10, few slots", Target: atMost(1.5), Unit: "×", Value: each[0][last] / each[0][0], Table: t,
			Note: fmt.Sprintf("Medians of processes that take turns of %d reports.", reports)},
		{Measure: "machine alone, cost at 10,000 members against 10, as many slots as members", Target: atMost(1.5), Unit: "×", Value: each[1][last] / each[1][0]},
	}, nil
}

// benchSegments measures the machine alone, over the length of the run.
func benchSegments(b *bench) ([]Row, error) {
	at := []int64{1000, 10_000, 100_000, 1_000_000}
	if b.quick {
		at = at[:3]
	}
	var settings []machineSetting
	for _, segment := range at {
		settings = append(settings, machineSetting{Members: 100, Slots: fewSlots, Segment: segment, Reports: 500})
	}
	for _, segment := range at {
		settings = append(settings, machineSetting{Members: 100, Slots: fewSlots, Segment: segment, Reports: 500, Lineage: true})
	}
	samples, err := compete("machine", b.pick(201, 11), settings)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: []string{"segment number", "keep", "µs CPU a report", "µs wall", "× segment 1,000", "live heap MB"}}
	worst, first, heap := 0.0, 0.0, 0.0
	for i, s := range settings {
		cpu := mean(samples[i], Sample.CPUEach)
		if i%len(at) == 0 {
			first = cpu
		}
		keep := "last, best 5"
		if s.Lineage {
			keep = "lineage"
		} else {
			worst = max(worst, cpu/first)
			heap = median(samples[i], func(s Sample) float64 { return float64(s.Heap) / 1e6 })
		}
		t.add(s.Segment, keep, cpu/1e3, mean(samples[i], Sample.WallEach)/1e3, cpu/first,
			median(samples[i], func(s Sample) float64 { return float64(s.Heap) / 1e6 }))
	}
	return []Row{
		{Measure: fmt.Sprintf("machine alone, cost at segment %s against 1,000, 100 members", number(float64(at[len(at)-1]))), Target: atMost(1.5), Unit: "×", Value: worst, Table: t,
			Note: "The dearest of all lengths against the first. Means without the dearest tenth of the turns: turns are short here, and only some hold a garbage collection."},
		{Measure: "live heap there", Unit: "MB", Value: heap},
	}, nil
}
