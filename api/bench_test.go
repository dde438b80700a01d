package api

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// slow trains for as long as makes 200 reports a second in four slots.
type slow struct{ trainer.Trainer }

const segmentTime = 20 * time.Millisecond

func (s *slow) Step(ctx context.Context, seg trainer.Segment) error {
	time.Sleep(segmentTime)
	return s.Trainer.Step(ctx, seg)
}

// BenchmarkReaders compares runs that nobody looks at with runs that 50 readers stream,
// while a dashboard asks for its figures four times a second. They take turns, in one
// process: what the readers cost is counted, too. The ratio is of the wall time of a
// segment, median of the turns: it is to stay below 1.1.
func BenchmarkReaders(b *testing.B) {
	const turns, readers = 5, 50
	var ratios, lone, watched []float64
	for b.Loop() {
		for range turns {
			a, z := timedRun(b, 0), timedRun(b, readers)
			lone, watched, ratios = append(lone, a), append(watched, z), append(ratios, z/a)
		}
	}
	median := func(list []float64) float64 { slices.Sort(list); return list[len(list)/2] }
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(median(lone), "ms/segment-alone")
	b.ReportMetric(median(watched), "ms/segment-watched")
}

// timedRun trains 400 segments and returns the milliseconds that each took of its slot.
func timedRun(b *testing.B, readers int) float64 {
	b.Helper()
	const slots, segments = 4, 400
	text := strings.NewReplacer("population: 5", "population: 16", "steps: 60", "steps: 250", "slots: 2", "slots: 4").Replace(experiment)
	c := runConfig(b, text, nil)
	c.NewSlot = func(int) trainer.Slot {
		return trainer.InProcess(func(seed uint64) (trainer.Trainer, error) {
			m, err := quadratic.New(seed)
			return &slow{m}, err
		})
	}
	src := Live(c.Dir, nil)
	if readers > 0 {
		c.Observe, c.Progress = src.Observe, src.Progress
	}
	e, err := engine.Create(c)
	if err != nil {
		b.Fatal(err)
	}
	var events atomic.Int64
	done := func() {}
	if readers > 0 {
		done = watch(b, src, readers, &events)
	}
	start := time.Now()
	if _, err := e.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
	took := time.Since(start)
	if e.Machine().Counts().Finished != segments {
		b.Fatalf("%d segments", e.Machine().Counts().Finished)
	}
	src.Ended()
	done()
	if got, want := events.Load(), src.run.Seq()*int64(readers); got != want {
		b.Fatalf("%d events have been read, want %d", got, want)
	}
	return took.Seconds() * 1000 * slots / segments
}

// watch lets readers stream a run, and a dashboard ask; the function that it returns
// ends that, once they have read all.
func watch(b *testing.B, src *Source, readers int, events *atomic.Int64) func() {
	b.Helper()
	s := New(Config{})
	if err := s.Add(src); err != nil {
		b.Fatal(err)
	}
	web := httptest.NewServer(s)
	transport := &http.Transport{MaxIdleConnsPerHost: readers}
	client := &http.Client{Transport: transport}
	base := web.URL + prefix + "/runs/my_run"
	var reading sync.WaitGroup
	for range readers {
		reading.Go(func() {
			res, err := client.Get(base + "/stream?after=0")
			if err != nil {
				b.Error(err)
				return
			}
			defer res.Body.Close()
			for lines := bufio.NewScanner(res.Body); lines.Scan(); {
				if bytes.HasPrefix(lines.Bytes(), []byte("id: ")) {
					events.Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	reading.Go(func() {
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			for _, path := range []string{"", "/members", "/curves?points=200", "/hypers/h0?points=200", "/lineage", "/health"} {
				if res, err := client.Get(base + path); err == nil {
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
	})
	return func() {
		close(stop)
		if err := s.Shutdown(); err != nil {
			b.Error(err)
		}
		reading.Wait()
		transport.CloseIdleConnections()
		web.Close()
	}
}

// BenchmarkFrames is what an event costs until all readers can have it.
func BenchmarkFrames(b *testing.B) {
	src := Open(finishedRun(b))
	s := New(Config{})
	if err := s.Add(src); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Shutdown() }()
	if err := src.wait(b.Context()); err != nil {
		b.Fatal(err)
	}
	j, err := src.Journal()
	if err != nil {
		b.Fatal(err)
	}
	n := src.run.Seq()
	for b.Loop() {
		if frames, err := framesOf(src.run, j, 0, n); err != nil || int64(len(frames)) != n {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
	b.Log(fmt.Sprint(n, " events"))
}
