package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// segmentMembers is the population of the runs whose segments are timed.
const segmentMembers = 16

// split says where segments spend their time: nanoseconds, all slots together.
type split struct {
	stage, save, publish, machine, journal, wait int64
	segments                                     int64
}

func (s split) minus(o split) split {
	return split{s.stage - o.stage, s.save - o.save, s.publish - o.publish, s.machine - o.machine, s.journal - o.journal, s.wait - o.wait, s.segments - o.segments}
}

// race is an engine and a bare loop that take turns.
type race struct {
	slots  int
	engine *timedEngine
	bare   *bareLoop
	turns  []raceTurn
}

// raceTurn is one turn of each.
type raceTurn struct {
	engine, bare           Sample
	engineSplit, bareSplit split
}

func (t raceTurn) ratio() float64    { return float64(t.engine.Wall) / float64(t.bare.Wall) }
func (t raceTurn) moreWall() float64 { return t.engine.WallEach() - t.bare.WallEach() }
func (t raceTurn) moreCPU() float64  { return t.engine.CPUEach() - t.bare.CPUEach() }

// runRace lets both do n segments a turn.
func (r *race) run(rounds, n int) error {
	for round := range rounds + 1 {
		var t raceTurn
		runEngine := func() (err error) {
			before := r.engine.split()
			t.engine, err = timed(n, func() error { return r.engine.turn(n, r.slots) })
			t.engineSplit = r.engine.split().minus(before)
			return err
		}
		runBare := func() (err error) {
			before := r.bare.split
			t.bare, err = timed(n, func() error { return r.bare.turn(n, r.slots) })
			t.bareSplit = r.bare.split.minus(before)
			return err
		}
		first, second := runEngine, runBare
		if round%2 == 1 { // whoever is second finds what the first left to the disk
			first, second = second, first
		}
		if err := first(); err != nil {
			return err
		}
		if err := second(); err != nil {
			return err
		}
		if round > 0 {
			r.turns = append(r.turns, t)
		}
	}
	return nil
}

// timedEngine is an engine that trains a given number of segments at a time, and
// tells where their time goes.
type timedEngine struct {
	gate  *gate
	disk  *stageTimer
	stop  context.CancelFunc
	ended chan error

	// of the engine's loop
	sum        split
	called     []time.Time // when the loop asked for the time, since its last commit
	rows       []journal.Row
	wantedRows int
}

func startEngine(dir string, slots int, disk checkpoint.FS, saves bool) (*timedEngine, error) {
	exp, spec, err := newExperiment(segmentMembers, false)
	if err != nil {
		return nil, err
	}
	stored, err := exp.MarshalJSON()
	if err != nil {
		return nil, err
	}
	t := &timedEngine{gate: newGate(slots, saves), disk: &stageTimer{FS: disk}, ended: make(chan error, 1), wantedRows: 1000}
	e, err := engine.Create(engine.Config{
		Dir: dir, Version: "benchmark", Spec: spec, Experiment: stored, SpecOf: config.SpecOf,
		Slots: slots, NewSlot: func(int) trainer.Slot { return trainer.InProcess(newNoop(t.gate)) },
		Disk: []checkpoint.Option{checkpoint.WithFS(t.disk)}, Observe: t.observe, Clock: t.clock,
	})
	if err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, t.stop = context.WithCancel(context.Background())
	go func() { _, err := e.Run(ctx); t.ended <- err }()
	return t, t.gate.settle(slots, t.ended)
}

// turn trains n segments, each to its end: its checkpoint published, its outcome
// durable, the next one leased.
func (t *timedEngine) turn(n, slots int) error {
	t.gate.open(n)
	return t.gate.settle(slots, t.ended)
}

func (t *timedEngine) close() error {
	t.stop()
	return <-t.ended
}

// split may be called between turns only, when the loop has nothing to do.
func (t *timedEngine) split() split {
	s := t.sum
	s.stage = t.disk.took.Load()
	return s
}

// clock tells when the loop hands something to the machine.
func (t *timedEngine) clock() int64 {
	now := time.Now()
	t.called = append(t.called, now)
	return now.UnixNano()
}

// observe is called when what the machine said is durable. The clock was asked
// when the last turn set its timer, for each Report, and for each Ask. From the
// last Ask on, it is the lease, encoding, and the journal.
func (t *timedEngine) observe(v engine.View) {
	now := time.Now()
	if n := len(t.called); n > 1 {
		t.sum.machine += int64(t.called[n-1].Sub(t.called[1]))
		t.sum.journal += int64(now.Sub(t.called[n-1]))
	}
	t.called = t.called[:0]
	for _, ev := range v.Events {
		if f, ok := ev.Body.(*machine.Finished); ok {
			t.sum.segments++
			t.sum.save += f.Times.Save
			t.sum.publish += f.Times.Publish
		}
	}
	t.keepRows(v.Events)
}

// keepRows remembers what the journal was given, for the bare loop to write.
func (t *timedEngine) keepRows(events []machine.Event) {
	for _, ev := range events {
		switch ev.Body.(type) {
		case *machine.Decided, *machine.Leased, *machine.Finished:
		default:
			continue
		}
		if len(t.rows) >= t.wantedRows {
			return
		}
		body, err := machine.Encode(nil, ev.Body)
		if err != nil {
			panic(err) // the engine has just written it
		}
		segment, member := ev.Body.Subject()
		t.rows = append(t.rows, journal.Row{At: ev.At, Kind: string(ev.Body.Kind()), Segment: segment, Member: int64(member), Body: body})
	}
}

// benchSegment times segments through the engine, on the disk that is measured,
// against a bare loop of the same system calls.
func benchSegment(b *bench) (rows []Row, err error) {
	const slots = 2
	n := b.pick(25, 20)
	e, err := startEngine(filepath.Join(b.dir, "segment-engine"), slots, checkpoint.OS{}, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.turn(10*segmentMembers, slots); err != nil { // until every member has a record, and rows are at hand
		return nil, err
	}
	bare, err := newBareLoop(filepath.Join(b.dir, "segment-bare"), e.rows[3*segmentMembers:], true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()
	r := &race{slots: slots, engine: e, bare: bare}
	if err := r.run(b.pick(301, 4), n); err != nil {
		return nil, err
	}
	return []Row{
		{Measure: "wall per segment, engine against bare system calls, 2 slots", Target: atMost(1.3), Unit: "×", Value: median(r.turns, raceTurn.ratio), Table: r.table(),
			Note: fmt.Sprintf("Median of the ratios of %d pairs of turns of %d segments; checkpoints of 1 KB. The middle half of the ratios: %s. The table adds up what each of 2 slots spends on a segment, on average; what its last lines give is a ratio of totals, which one long pause of the disk can spoil.", len(r.turns), n, r.spread())},
		{Measure: "processor time that the engine adds to a segment there", Unit: "µs", Value: median(r.turns, raceTurn.moreCPU) / 1e3},
	}, nil
}

func (r *race) spread() string {
	ratios := sorted(r.turns, raceTurn.ratio)
	return fmt.Sprintf("%.2f to %.2f", ratios[len(ratios)/4], ratios[len(ratios)*3/4])
}

// table is where the time of a segment goes: what a slot spends on it, on average.
func (r *race) table() *Table {
	var e, b split
	var eWall, bWall time.Duration
	for _, t := range r.turns {
		eWall, bWall = eWall+t.engine.Wall, bWall+t.bare.Wall
		e, b = e.plus(t.engineSplit), b.plus(t.bareSplit)
	}
	t := &Table{Columns: []string{"part", "engine µs", "bare µs"}}
	each := func(name string, ours, theirs int64) {
		t.add(name, float64(ours)/float64(e.segments)/1e3, float64(theirs)/float64(b.segments)/1e3)
	}
	slots := int64(r.slots)
	each("stage: mkdir", e.stage, b.stage)
	each("save: the trainer's write", e.save, b.save)
	each("publish: fsyncs, manifest, rename", e.publish, b.publish)
	each("machine: Handle(Report), the decision", e.machine, b.machine)
	each("journal: encode, one commit of 3 rows", e.journal, b.journal)
	each("rest: waiting for the other's commit, hand-over, scheduling", slots*int64(eWall)-e.total(), slots*int64(bWall)-b.total())
	each("all", slots*int64(eWall), slots*int64(bWall))
	return t
}

func (s split) plus(o split) split {
	return split{s.stage + o.stage, s.save + o.save, s.publish + o.publish, s.machine + o.machine, s.journal + o.journal, s.wait + o.wait, s.segments + o.segments}
}

func (s split) total() int64 { return s.stage + s.save + s.publish + s.machine + s.journal }

// memoryDisk is a directory whose fsync costs nothing.
const memoryDisk = "/dev/shm"

// benchShare measures what the engine itself takes of a segment: the checkpoints
// are on a disk that costs nothing, the journal in memory, and there is one slot,
// so that nothing hides behind anything else.
func benchShare(b *bench) (rows []Row, err error) {
	dir, err := os.MkdirTemp(memoryDisk, "pbt-benchmarks-*")
	if err != nil {
		return nil, fmt.Errorf("a disk in memory is needed: %w", err)
	}
	defer os.RemoveAll(dir)
	e, err := startEngine(filepath.Join(dir, "engine"), 1, noDisk{}, false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := e.turn(10*segmentMembers, 1); err != nil {
		return nil, err
	}
	bare, err := newBareLoop(filepath.Join(dir, "bare"), e.rows[3*segmentMembers:], false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bare.close()) }()
	r := &race{slots: 1, engine: e, bare: bare}
	n := b.pick(500, 100)
	if err := r.run(b.pick(60, 4), n); err != nil {
		return nil, err
	}
	return []Row{
		{Measure: "the engine's own share of a segment", Target: atMost(0.1), Unit: "ms", Value: median(r.turns, raceTurn.moreWall) / 1e6, Table: r.table(),
			Note: fmt.Sprintf("Wall time a segment beyond a bare loop that only commits the same rows, median of %d pairs of turns of %d segments: Handle, Encode, both hand-overs between loop and slot, Stage and Publish without their system calls. As processor time: next line.", len(r.turns), n)},
		{Measure: "the same as processor time", Target: atMost(0.1), Unit: "ms", Value: median(r.turns, raceTurn.moreCPU) / 1e6},
	}, nil
}
