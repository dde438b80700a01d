package api

import (
	"fmt"
	"testing"
)

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
