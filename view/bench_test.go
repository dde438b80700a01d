package view

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"
)

// size is how large the run of BenchmarkLarge is: PBT_VIEW_MEMBERS=1000 is what the
// dashboard is made for, and takes a minute to prepare.
func size() (members, turns int) {
	members = 200
	if n, err := strconv.Atoi(os.Getenv("PBT_VIEW_MEMBERS")); err == nil {
		members = n
	}
	return members, members
}

// BenchmarkLarge folds a large run and asks it everything that the dashboard asks.
func BenchmarkLarge(b *testing.B) {
	members, turns := size()
	s := newScript(b, experiment(b, members, fmt.Sprintf("budget: {steps: %d}", 10*turns)))
	s.train(64, members*turns)
	s.flush()
	b.Logf("%d members, %d segments, %d events", members, s.m.Segments(), s.seq)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	start := time.Now()
	r := fold(b, s.j)
	took := time.Since(start)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.Logf("folded in %v, %d MB", took, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20)
	queries := []struct {
		name string
		ask  func() any
	}{
		{"summary", func() any { v, _ := r.Summary(); return v }},
		{"members", func() any { _, v, _ := r.Members(s.j); return v }},
		{"curves", func() any { return r.Curves(ByLineage, XStep, 0) }},
		{"curves-member-time", func() any { return r.Curves(ByMember, XTime, 0) }},
		{"hyper", func() any { v, _ := r.Hyper("lr", ByLineage, 0); return v }},
		{"hyper-member", func() any { v, _ := r.Hyper("lr", ByMember, 0); return v }},
		{"lineage", func() any { return r.Lineage() }},
		{"parallel", func() any { return r.Parallel(500) }},
		{"slots", func() any { return r.Slots(0, 0, 400) }},
		{"health", func() any { return r.Health() }},
		{"events", func() any {
			_, seqs := r.EventSeqs(EventFilter{Limit: 500})
			v, _ := r.ReadEvents(s.j, seqs)
			return v
		}},
		{"segments", func() any { _, v, _, _ := r.Segments(s.j, SegmentFilter{Limit: 100}); return v }},
		{"segment", func() any { v, _ := r.Segment(s.j, s.m.Segments()/2); return v }},
		{"checkpoints", func() any { _, v := r.Checkpoints(); return v }},
	}
	for _, q := range queries {
		b.Run(q.name, func(b *testing.B) {
			var text []byte
			for b.Loop() {
				var err error
				if text, err = json.Marshal(q.ask()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(text)), "bytes")
		})
	}
	if n, err := r.CatchUp(context.Background(), s.j); n != 0 || err != nil {
		b.Fatal(n, err)
	}
}
