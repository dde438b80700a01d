package engine

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// BenchmarkSegment is one segment of a trainer that does next to nothing, through
// the whole engine, with its run in memory. `make bench` compares with a bare loop,
// on a real disk.
func BenchmarkSegment(b *testing.B) {
	spec := testSpec()
	spec.Budget = pbt.Budget{Total: int64(b.N) * spec.Segment}
	e, err := Create(testConfig(b, spec, 2, climb))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := e.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFold is one event of a journal that is opened.
func BenchmarkFold(b *testing.B) {
	spec := testSpec()
	spec.Budget = pbt.Budget{Total: (int64(b.N)/3 + 1) * spec.Segment}
	c := testConfig(b, spec, 2, climb)
	mustRun(b, c)
	b.ReportAllocs()
	b.ResetTimer()
	e, err := Open(c)
	if err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
