package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// recorder writes a machine's events to a journal, as engine.commit does.
type recorder struct {
	journal *journal.Journal
	seq     int64
	rows    []journal.Row
	bodies  []byte
	events  []machine.Event
}

func (r *recorder) take(events []machine.Event) { r.events = append(r.events, events...) }

// commit makes what was taken durable.
func (r *recorder) commit() error {
	r.rows, r.bodies = r.rows[:0], r.bodies[:0]
	for _, ev := range r.events {
		start := len(r.bodies)
		var err error
		if r.bodies, err = machine.Encode(r.bodies, ev.Body); err != nil {
			return err
		}
		segment, member := ev.Body.Subject()
		r.seq++
		r.rows = append(r.rows, journal.Row{
			Seq: r.seq, At: ev.At, Kind: string(ev.Body.Kind()), Segment: segment, Member: int64(member),
			Body: r.bodies[start:len(r.bodies):len(r.bodies)],
		})
	}
	r.events = r.events[:0]
	return r.journal.Append(r.rows)
}

func init() { children["record"] = child(recordChild) }

// recordSetting is a machine whose events are recorded in a journal in memory:
// all that a report costs a processor.
type recordSetting struct {
	Members, Slots, Batch, Commits int
}

func recordChild(s recordSetting) (func() (Sample, error), error) {
	dir, err := os.MkdirTemp(memoryDisk, "pbt-benchmarks-*")
	if err != nil {
		return nil, fmt.Errorf("a disk in memory is needed: %w", err)
	}
	j, err := journal.Create(filepath.Join(dir, "journal.sqlite"))
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(dir); err != nil { // open files stay, and nothing is left behind
		return nil, err
	}
	rec := &recorder{journal: j}
	d, err := newDriver(s.Members, s.Slots, false, rec.take)
	if err != nil {
		return nil, err
	}
	d.advance(int64(3 * s.Members))
	return func() (Sample, error) {
		return timed(s.Batch*s.Commits, func() error {
			for range s.Commits {
				for range s.Batch {
					d.report()
				}
				if err := rec.commit(); err != nil {
					return err
				}
			}
			return nil
		})
	}, nil
}

// benchReport measures all that a report costs a processor, over the size of the
// population.
func benchReport(b *bench) ([]Row, error) {
	var settings []recordSetting
	for _, members := range sizes {
		settings = append(settings,
			recordSetting{Members: members, Slots: fewSlots, Batch: 64, Commits: b.pick(40, 5)},
			recordSetting{Members: members, Slots: members, Batch: 64, Commits: b.pick(40, 5)})
	}
	samples, err := compete("record", b.pick(21, 3), settings)
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: []string{"members", "slots", "µs CPU a report", "µs wall", "× 10 members"}}
	var each [2][]float64 // few slots, all slots: CPU ns by size
	worst := 0.0
	for i, s := range settings {
		cpu := median(samples[i], Sample.CPUEach)
		each[i%2] = append(each[i%2], cpu)
		worst = max(worst, cpu/each[i%2][0])
		t.add(s.Members, s.Slots, cpu/1e3, median(samples[i], Sample.WallEach)/1e3, cpu/each[i%2][0])
	}
	return []Row{{
		Measure: "cost per report at 10,000 members against 10", Target: atMost(1.5), Unit: "×", Value: worst, Table: t,
		Note: "All that a report costs a processor: the machine, encoding three events, sealing and inserting their rows, 64 reports to a commit, into a journal in memory. The dearest of few slots and as many as members.",
	}}, nil
}
