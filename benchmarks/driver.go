package main

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// experiment is the run that every benchmark measures: the paper's default rules,
// four hyperparameters, a timeout (so that leases must be watched), no end.
const experiment = `
name: benchmark
population: %d
segment: {steps: 10}
budget: {steps: 1000000000000}
timeout: 1h
keep: {best: 5, lineage: %t}
hyperparameters:
  lr: {log: [1e-5, 1e-1]}
  momentum: {uniform: [0, 0.99]}
  decay: {log: [1e-6, 1e-2]}
  batch: {log_int: [16, 512]}
trainer: {builtin: noop, slots: 2}
`

func newExperiment(population int, lineage bool) (*config.Experiment, machine.Spec, error) {
	e, err := config.Parse("benchmark.yaml", fmt.Appendf(nil, experiment, population, lineage), config.Builtins("noop"))
	if err != nil {
		return nil, machine.Spec{}, err
	}
	spec, err := e.Spec()
	return e, spec, err
}

// driver is a cluster without a cluster: it asks the machine for segments and
// reports on them at once, in random order, as an engine with many slots would.
type driver struct {
	m       *machine.Machine
	now     int64
	tasks   []*machine.Task // one per slot
	rand    *pbt.Rand
	digest  string
	metrics machine.Metrics
	emit    func([]machine.Event) // may be nil
	reports int64
}

func newDriver(population, slots int, lineage bool, emit func([]machine.Event)) (*driver, error) {
	e, spec, err := newExperiment(population, lineage)
	if err != nil {
		return nil, err
	}
	stored, err := e.MarshalJSON()
	if err != nil {
		return nil, err
	}
	m, err := machine.New(spec, config.SpecOf)
	if err != nil {
		return nil, err
	}
	d := &driver{
		m: m, now: time.Now().UnixNano(), tasks: make([]*machine.Task, slots), emit: emit,
		rand: pbt.NewRand(1, 0, 0, "benchmark", ""), digest: hex.EncodeToString(make([]byte, 32)),
		metrics: machine.Metrics{"loss": 0.12345678, "accuracy": 0.87654321},
	}
	d.handle(machine.Start{Experiment: stored, Version: "benchmark"})
	d.handle(machine.Open{Host: "benchmark", PID: 1, Version: "benchmark"})
	for i := range d.tasks {
		d.ask(i)
	}
	if d.tasks[slots-1] == nil {
		return nil, fmt.Errorf("%d slots are too many for %d members", slots, population)
	}
	return d, nil
}

func (d *driver) handle(in machine.Input) machine.Answer {
	d.now += 1000
	answer, events := d.m.Handle(d.now, in)
	if d.emit != nil {
		d.emit(events)
	}
	return answer
}

func (d *driver) ask(slot int) {
	d.tasks[slot] = d.handle(machine.Ask{Worker: "slot-1"}).Task
}

// report is one report and what the engine does with it: the outcome, the
// decision that follows, the next lease, the checkpoints that may go.
func (d *driver) report() {
	slot := d.rand.IntN(len(d.tasks))
	t := d.tasks[slot]
	d.handle(machine.Report{
		Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: d.score(),
		Metrics:    d.metrics,
		Checkpoint: machine.Checkpoint{ID: t.Save, Bytes: 1 << 10, Digest: d.digest},
		Times:      machine.Times{Load: 1_234, Train: 812_345_678, Eval: 12_345_678, Save: 1_234_567, Publish: 2_345_678},
	})
	d.ask(slot)
	d.m.Garbage()
}

// score makes one report in five the worst of all, which is then followed by a
// copy, and the others a little better than those of a generation ago: populations
// of every size copy equally often.
func (d *driver) score() pbt.Score {
	d.reports++
	progress := float64(d.reports) / float64(d.m.Spec().Population)
	if d.rand.IntN(5) == 0 {
		return pbt.Score(progress - 5)
	}
	return pbt.Score(progress + d.rand.Float64())
}

// advance reports until so many segments have been planned.
func (d *driver) advance(segments int64) {
	for d.m.Segments() < segments {
		d.report()
	}
}
