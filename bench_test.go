package pbt_test

import (
	"fmt"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// crowd is a population of n members with records, as in the middle of a run.
func crowd(n int) (*pbt.Population, *pbt.Space, []pbt.Hypers) {
	space := pbt.MustSpace(
		pbt.LogUniform("lr", 1e-5, 1e-1), pbt.Uniform("momentum", 0, 0.99),
		pbt.LogUniform("decay", 1e-6, 1e-2), pbt.LogInt("batch", 16, 512),
	)
	pop := pbt.NewPopulation(n, pbt.Maximize, 1)
	hypers := make([]pbt.Hypers, n)
	r := pbt.NewRand(2, 0, 0, "crowd", "")
	for i := range n {
		hypers[i] = space.Draw(1, i, 0)
		score := r.Float64()
		pop.Set(i, pbt.Record{
			Segment: int64(i + 1), Score: pbt.Score(score), Samples: []float64{score - 1e-9, score + 1e-9},
			Step: 1, Hypers: hypers[i], Saved: true,
		})
	}
	return pop, space, hypers
}

// BenchmarkDecide is one report as the population sees it: a new record, and the
// decision on it. It should cost the same at 10 members and at 10,000.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkDecide(b, n, &pbt.Policy{}) })
	}
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("window/%d", n), func(b *testing.B) { benchmarkDecide(b, n, &pbt.Policy{Window: 100}) })
	}
}

func benchmarkDecide(b *testing.B, n int, policy *pbt.Policy) {
	pop, space, hypers := crowd(n)
	r := pbt.NewRand(3, 0, 0, "bench", "")
	members := make([]int, 1<<16)
	scores := make([]pbt.Score, 1<<16)
	for i := range members {
		members[i], scores[i] = r.IntN(n), pbt.Score(r.Float64())
	}
	b.ReportAllocs()
	segment := int64(n)
	for i := 0; b.Loop(); i++ {
		m := members[i&0xffff]
		segment++
		pop.Set(m, pbt.Record{Segment: segment, Score: scores[i&0xffff], Step: segment / int64(n), Hypers: hypers[m], Saved: true})
		policy.Decide(pop, space, pbt.Standing{Member: m, Turn: segment, Segment: segment, Hypers: hypers[m], Spent: segment, SinceReady: 1, SinceCopy: segment})
	}
}
