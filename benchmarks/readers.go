package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// The load of benchReaders: 4 slots that train 20 ms a segment make 200 reports a second.
const (
	readersSlots    = 4
	readersSegment  = 20 * time.Millisecond
	readersStreams  = 50
	readersAskEvery = 250 * time.Millisecond // a dashboard's questions
)

// sleepy trains for as long as makes the load, whoever has the processors.
type sleepy struct{ noop }

func (s *sleepy) Step(_ context.Context, seg trainer.Segment) error {
	s.seed = seg.Seed
	time.Sleep(readersSegment)
	return nil
}

func init() { children["readers"] = child(readersChild) }

// readersSetting is who looks on: a process that streams a run and asks for its figures.
type readersSetting struct {
	URL     string `json:"url"` // of the run
	Streams int    `json:"streams"`
}

// readersChild reads until the run's streams end; N is how many events all have got.
func readersChild(s readersSetting) (func() (Sample, error), error) {
	return func() (Sample, error) {
		var events atomic.Int64
		faults := make([]error, s.Streams)
		var streams sync.WaitGroup
		for i := range s.Streams {
			streams.Go(func() { faults[i] = readStream(s.URL, &events) })
		}
		stop := make(chan struct{})
		var asking sync.WaitGroup
		asking.Go(func() { askLikeADashboard(s.URL, stop) })
		streams.Wait()
		close(stop)
		asking.Wait()
		return Sample{N: int(events.Load())}, errors.Join(faults...)
	}, nil
}

func readStream(url string, events *atomic.Int64) error {
	res, err := http.Get(url + "/stream?after=0")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if bytes.HasPrefix(lines.Bytes(), []byte("id: ")) {
			events.Add(1)
		}
	}
	return lines.Err()
}

func askLikeADashboard(url string, stop <-chan struct{}) {
	tick := time.NewTicker(readersAskEvery)
	defer tick.Stop()
	for {
		for _, path := range []string{"", "/members", "/curves?points=200", "/hypers/lr?points=200", "/lineage", "/health"} {
			if res, err := http.Get(url + path); err == nil { // at its end the server goes first
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// readersTurn is a run that nobody looks at, and one that many do.
type readersTurn struct{ alone, watched Sample }

func (t readersTurn) ratio() float64   { return t.watched.WallEach() / t.alone.WallEach() }
func (t readersTurn) aloneMs() float64 { return t.alone.WallEach() * readersSlots / 1e6 }
func (t readersTurn) moreMs() float64 {
	return (t.watched.WallEach() - t.alone.WallEach()) * readersSlots / 1e6
}
func (t readersTurn) moreCPU() float64 { return (t.watched.CPUEach() - t.alone.CPUEach()) / 1e3 }

// benchReaders measures what those who look on cost a run.
func benchReaders(b *bench) ([]Row, error) {
	rounds, turns := b.pick(20, 1), b.pick(25, 5)
	var all []readersTurn
	for round := range rounds {
		var t readersTurn
		for _, watched := range [][]bool{{false, true}, {true, false}}[round%2] {
			s, err := readersRun(turns, watched)
			if err != nil {
				return nil, err
			}
			if watched {
				t.watched = s
			} else {
				t.alone = s
			}
		}
		all = append(all, t)
	}
	ratios := sorted(all, readersTurn.ratio)
	table := &Table{Columns: []string{"", "median"}}
	table.add("a segment that nobody looks at, ms", median(all, readersTurn.aloneMs))
	table.add("what it takes more with readers, ms", median(all, readersTurn.moreMs))
	table.add("processor time of the server for a segment, µs", median(all, readersTurn.moreCPU))
	table.add("reports a second", 1e9/median(all, func(t readersTurn) float64 { return t.watched.WallEach() }))
	return []Row{{
		Measure: fmt.Sprintf("wall per segment, with %d streams and a dashboard against nobody", readersStreams), Target: atMost(1.1), Unit: "×",
		Value: median(all, readersTurn.ratio), Table: table,
		Note: fmt.Sprintf("Median of the ratios of %d pairs of runs of %d segments in %d slots that train %v each; the middle half of the ratios: %.3f to %.3f. Journal and checkpoints are in memory; each reader has got every event.",
			rounds, turns*segmentMembers, readersSlots, readersSegment, ratios[len(ratios)/4], ratios[len(ratios)*3/4]),
	}}, nil
}

// readersRun trains a run to its end, and measures it.
func readersRun(turns int, watched bool) (sample Sample, err error) {
	dir, err := os.MkdirTemp(memoryDisk, "pbt-benchmarks-*")
	if err != nil {
		return sample, fmt.Errorf("a disk in memory is needed: %w", err)
	}
	defer os.RemoveAll(dir)
	text := strings.Replace(fmt.Sprintf(experiment, segmentMembers, false), "steps: 1000000000000", fmt.Sprintf("steps: %d", 10*turns), 1)
	exp, err := config.Parse("benchmark.yaml", []byte(text), config.Builtins("noop"))
	if err != nil {
		return sample, err
	}
	spec, err := exp.Spec()
	if err != nil {
		return sample, err
	}
	stored, err := exp.MarshalJSON()
	if err != nil {
		return sample, err
	}
	src := api.Live(filepath.Join(dir, "run"), nil)
	c := engine.Config{
		Dir: src.Dir, Version: "benchmark", Spec: spec, Experiment: stored, SpecOf: config.SpecOf, Slots: readersSlots,
		NewSlot: func(int) trainer.Slot {
			return trainer.InProcess(func(seed uint64) (trainer.Trainer, error) {
				return &sleepy{noop{gate: &gate{saves: true}, seed: seed}}, nil
			})
		},
	}
	if watched {
		c.Observe, c.Progress = src.Observe, src.Progress
	}
	e, err := engine.Create(c)
	if err != nil {
		return sample, err
	}
	end := func() error { return nil }
	if watched {
		if end, err = look(src); err != nil {
			return sample, err
		}
	}
	sample, err = timed(turns*segmentMembers, func() error { _, err := e.Run(context.Background()); return err })
	src.Ended()
	return sample, errors.Join(err, end())
}

// look lets a process of its own look on; the function that it returns ends that, and
// says whether everybody has got everything.
func look(src *api.Source) (end func() error, err error) {
	server := api.New(api.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l, nil) }()
	if err := server.Add(src); err != nil {
		return nil, err
	}
	base := "http://" + l.Addr().String()
	c, err := newContender("readers", readersSetting{URL: base + "/api/v1/runs/run", Streams: readersStreams})
	if err != nil {
		return nil, err
	}
	type result struct {
		Sample
		err error
	}
	done := make(chan result, 1)
	go func() { s, err := c.turn(); done <- result{s, err} }()
	for all := fmt.Sprintf("pbt_stream_readers{run=\"run\"} %d\n", readersStreams); ; time.Sleep(5 * time.Millisecond) {
		res, err := http.Get(base + "/metrics")
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), all) {
			break
		}
	}
	return func() error {
		j, err := journal.OpenReadOnly(filepath.Join(src.Dir, engine.JournalFile))
		if err != nil {
			return err
		}
		last, err := j.Last()
		err = errors.Join(err, j.Close(), server.Shutdown())
		r := <-done
		if want := int(last) * readersStreams; err == nil && r.err == nil && r.N != want {
			err = fmt.Errorf("%d events have been read, want %d", r.N, want)
		}
		return errors.Join(err, r.err, <-served, c.close())
	}, nil
}
