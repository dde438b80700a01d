package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

const durableMembers = 10_000

// benchDurable measures reports that are recorded for good before anyone is told.
func benchDurable(b *bench) ([]Row, error) {
	batches, table, err := durableBatches(b)
	if err != nil {
		return nil, err
	}
	engines, engineTable, err := durableEngine(b)
	if err != nil {
		return nil, err
	}
	rate, isRate := atLeast(5000)
	return []Row{
		{Measure: "durable reports through the engine, 10,000 members", Target: rate, AtLeast: isRate, Unit: "reports/s", Value: engines, Table: engineTable,
			Note: "The engine itself, with as many slots as give most; its journal is on the measured disk, its trainers do nothing, and its checkpoints are on a disk that costs nothing (a machine of 2 cores has no workers to fill it otherwise)."},
		{Measure: "the same calls in batches of 256", Target: rate, AtLeast: isRate, Unit: "reports/s", Value: batches, Table: table,
			Note: "Handle(Report), Handle(Ask), Encode, and one Append for the batch. What one fsync of a page costs in the same turns: last line."},
	}, nil
}

// durableBatches commits batches of each size in turns, and an fsync beside them.
func durableBatches(b *bench) (float64, *Table, error) {
	j, err := journal.Create(filepath.Join(b.dir, "durable.sqlite"))
	if err != nil {
		return 0, nil, err
	}
	defer j.Close()
	rec := &recorder{journal: j}
	d, err := newDriver(durableMembers, 1024, false, rec.take)
	if err != nil {
		return 0, nil, err
	}
	for range 3 * durableMembers {
		d.report()
	}
	if err := rec.commit(); err != nil {
		return 0, nil, err
	}
	log, err := newSyncedLog(filepath.Join(b.dir, "log"))
	if err != nil {
		return 0, nil, err
	}
	defer log.file.Close()
	sizes := []int{1, 8, 64, 256}
	samples := make([][]Sample, len(sizes)+1)
	for range b.pick(101, 5) {
		for k, size := range sizes {
			s, err := timed(size, func() error {
				for range size {
					d.report()
				}
				return rec.commit()
			})
			if err != nil {
				return 0, nil, err
			}
			samples[k] = append(samples[k], s)
		}
		s, err := timed(1, log.write)
		if err != nil {
			return 0, nil, err
		}
		samples[len(sizes)] = append(samples[len(sizes)], s)
	}
	t := &Table{Columns: []string{"reports in a commit", "reports/s", "ms a commit", "µs CPU a report"}}
	rate := 0.0
	for k, size := range sizes {
		each := median(samples[k], Sample.WallEach)
		rate = 1e9 / each
		t.add(size, rate, each*float64(size)/1e6, median(samples[k], Sample.CPUEach)/1e3)
	}
	each := median(samples[len(sizes)], Sample.WallEach)
	t.add("(a page written and synced)", 1e9/each, each/1e6, median(samples[len(sizes)], Sample.CPUEach)/1e3)
	return rate, t, nil
}

// syncedLog is the least that durability costs: a page written in place, and fsync.
type syncedLog struct {
	file *os.File
	page [4096]byte
	at   int64
}

const logPages = 1000

func newSyncedLog(path string) (*syncedLog, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(make([]byte, 4096*logPages))
	return &syncedLog{file: f}, err
}

func (l *syncedLog) write() error {
	l.at = (l.at + 1) % logPages
	if _, err := l.file.WriteAt(l.page[:], 4096*l.at); err != nil {
		return err
	}
	return l.file.Sync()
}

func init() { children["idle"] = child(idleChild) }

// idleSetting is a run whose trainers do nothing.
type idleSetting struct {
	Dir   string
	Slots int
	Span  time.Duration
}

// durableEngine runs the engine for a while with few and many slots.
func durableEngine(b *bench) (float64, *Table, error) {
	t := &Table{Columns: []string{"slots", "reports/s", "reports in a commit", "µs CPU a report"}}
	best := 0.0
	for _, slots := range []int{2, 64, 256, 1024} {
		dir := filepath.Join(b.dir, fmt.Sprint("engine-", slots))
		s, err := once("idle", idleSetting{Dir: dir, Slots: slots, Span: time.Duration(b.pick(10, 2)) * time.Second})
		if err != nil {
			return 0, nil, err
		}
		best = max(best, 1e9/s.WallEach())
		t.add(slots, 1e9/s.WallEach(), s.Other, s.CPUEach()/1e3)
	}
	return best, t, nil
}

func idleChild(s idleSetting) (func() (Sample, error), error) {
	return func() (Sample, error) { return runIdle(s) }, nil
}

// runIdle runs an engine, and counts once every member has a record.
func runIdle(s idleSetting) (sample Sample, err error) {
	exp, spec, err := newExperiment(durableMembers, false)
	if err != nil {
		return sample, err
	}
	stored, err := exp.MarshalJSON()
	if err != nil {
		return sample, err
	}
	var finished, commits atomic.Int64
	e, err := engine.Create(engine.Config{
		Dir: s.Dir, Version: "benchmark", Spec: spec, Experiment: stored, SpecOf: config.SpecOf,
		Slots: s.Slots, NewSlot: func(int) trainer.Slot { return trainer.InProcess(newNoop(nil)) },
		Disk: []checkpoint.Option{checkpoint.WithFS(noDisk{})},
		Observe: func(v engine.View) {
			commits.Add(1)
			finished.Store(v.Machine.Counts().Finished)
		},
	})
	if err != nil {
		return sample, err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { _, err := e.Run(ctx); done <- err }()
	for finished.Load() < 2*durableMembers {
		select {
		case err := <-done:
			return sample, fmt.Errorf("the engine has stopped: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	f, c, start, cpu := finished.Load(), commits.Load(), time.Now(), cpuTime()
	time.Sleep(s.Span)
	n := finished.Load() - f
	sample = Sample{N: int(n), Wall: time.Since(start), CPU: cpuTime() - cpu, Other: float64(n) / float64(commits.Load()-c)}
	stop()
	return sample, <-done
}
