package pbt_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// A report is a Set and a Decide. What they allocate does not grow with the
// population: a decision's own donor, hyperparameters and changes, and nothing else.
func TestPain14_ADecisionAllocatesTheSameAtTenThousandMembers(t *testing.T) {
	type town struct {
		pop    *pbt.Population
		space  *pbt.Space
		hypers []pbt.Hypers
	}
	towns := map[int]town{}
	for _, n := range []int{100, 10_000} {
		pop, space, hypers := crowd(n)
		towns[n] = town{pop, space, hypers}
	}
	for name, policy := range map[string]pbt.Policy{
		"truncation": {}, "window": {Window: 1000}, "tournament": {Exploit: pbt.Tournament{}}, "ttest": {Exploit: pbt.TTest{}}, "none": {Exploit: pbt.NoExploit{}},
		"repair": {Exploit: pbt.Tournament{}, Margin: 1e9},
	} {
		policy.Explore = pbt.NoExplore{} // exploring sees no population, and its words differ in length
		for place, share := range map[string]float64{"best": 0, "middle": 0.5, "worst": 1} {
			var costs []string
			for _, n := range []int{100, 10_000} {
				pop, space, hypers := towns[n].pop, towns[n].space, towns[n].hypers
				member := pop.At(int(share * float64(n-1)))
				before, _ := pop.Record(member)
				own := before
				if name == "repair" {
					own.Score = pbt.Score(nan)
				}
				s := pbt.Standing{Member: member, Turn: 3, Segment: 3, Hypers: hypers[member], Spent: 9, SinceReady: 9, SinceCopy: 9}
				var d pbt.Decision
				report := func() {
					pop.Set(member, own)
					d = policy.Decide(pop, space, s)
				}
				for s.Turn = range int64(20) { // a turn that copies, if there is one
					if report(); d.Copies() {
						break
					}
				}
				allocs, bytes := testing.AllocsPerRun(50, report), bytesPerRun(200, report)
				pop.Set(member, before)
				costs = append(costs, fmt.Sprintf("%s: %g allocations, %d bytes", d.Action, allocs, bytes))
			}
			if costs[0] != costs[1] {
				t.Errorf("%s, %s place: at 100 members %s, at 10,000 %s", name, place, costs[0], costs[1])
			}
		}
	}
}

// bytesPerRun is what one call of f allocates; other goroutines may only add to it,
// so the least of some attempts is taken.
func bytesPerRun(runs int, f func()) uint64 {
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			f()
		}
		runtime.ReadMemStats(&after)
		least = min(least, (after.TotalAlloc-before.TotalAlloc)/uint64(runs))
	}
	return least
}

// A population that lives long does not grow: its ranking reuses what it has.
func TestPain14_SettingRecordsForEverAllocatesNothing(t *testing.T) {
	pop, _, hypers := crowd(1000)
	r := pbt.NewRand(4, 0, 0, "test", "")
	segment := int64(1000)
	churn := func() {
		for range 2000 {
			segment++
			m := r.IntN(1000)
			pop.Set(m, pbt.Record{Segment: segment, Score: pbt.Score(segment) + 500*pbt.Score(r.Float64()), Hypers: hypers[m]})
		}
	}
	for range 20 {
		churn() // until there are as many buckets as there will ever be
	}
	if bytes := bytesPerRun(5, churn); bytes > 2000*4 { // a new bucket now and then would be 2 KB
		t.Errorf("2000 records allocated %d bytes", bytes)
	}
}
