package pbt

import (
	"math"
	"slices"
	"testing"
)

// The ranking against its naive twin, a sorted slice, through thousands of random
// changes, with many ties.
func TestRanking_AgreesWithASortedSlice(t *testing.T) {
	for _, c := range []struct{ most, changes, fitnesses int }{
		{1, 20, 2}, {3, 500, 2}, {bucketSize, 3000, 5}, {bucketSize + 1, 3000, 1000}, {1500, 12000, 40}, {1500, 12000, 1_000_000},
	} {
		var k ranking
		var twin []spot
		less := func(a, b spot) int {
			switch {
			case a == b:
				return 0
			case a.precedes(&b):
				return -1
			}
			return 1
		}
		r := Rand{state: uint64(c.most)}
		next := int32(0)
		for change := range c.changes {
			grow := len(twin) == 0 || len(twin) < c.most && r.IntN(100) < 60
			if change > c.changes/2 && change < c.changes*3/4 { // shrink for a while: buckets join and empty
				grow = len(twin) == 0 || r.IntN(100) < 20
			}
			if grow {
				s := spot{fitness: float64(r.IntN(c.fitnesses)), tie: uint32(r.IntN(3)), member: next}
				if r.IntN(20) == 0 {
					s.fitness = math.Inf(-1)
				}
				next++
				at, _ := slices.BinarySearchFunc(twin, s, less)
				twin = slices.Insert(twin, at, s)
				if got := k.insert(s); got != at {
					t.Fatalf("%+v change %d: inserted at %d, want %d", c, change, got, at)
				}
			} else {
				at := r.IntN(len(twin))
				k.remove(twin[at])
				twin = slices.Delete(twin, at, at+1)
			}
			if change%50 == 0 || c.most < 10 {
				checkRanking(t, &k, twin, &r)
			}
		}
		checkRanking(t, &k, twin, &r)
	}
}

func checkRanking(t *testing.T, k *ranking, twin []spot, r *Rand) {
	t.Helper()
	if got := slices.Collect(k.all()); !slices.Equal(got, twin) || k.size != len(twin) {
		t.Fatalf("%d spots in an order of their own, want %d", len(got), len(twin))
	}
	for b, bucket := range k.buckets {
		if len(bucket) == 0 || len(bucket) > bucketSize || k.heads[b] != bucket[0] || k.sizes[b] != len(bucket) || cap(bucket) != bucketSize {
			t.Fatalf("bucket %d: %d spots of %d, noted as %d", b, len(bucket), cap(bucket), k.sizes[b])
		}
		if b > 0 && len(bucket)+len(k.buckets[b-1]) <= bucketSize/4 {
			t.Fatalf("buckets %d and %d hold %d spots together", b-1, b, len(bucket)+len(k.buckets[b-1]))
		}
	}
	for range min(20, len(twin)) {
		i := r.IntN(len(twin))
		if k.at(i) != twin[i] || k.rank(twin[i]) != i {
			t.Fatalf("place %d is %+v, whose place is %d", i, k.at(i), k.rank(k.at(i)))
		}
		bar := twin[i].fitness
		if want := slices.IndexFunc(twin, func(s spot) bool { return !(s.fitness > bar) }); k.above(bar) != want {
			t.Fatalf("%d are above %g, want %d", k.above(bar), bar, want)
		}
	}
	if k.above(math.Inf(-1)) > len(twin) || len(twin) > 0 && k.above(math.MaxFloat64) != 0 {
		t.Fatal("above the highest there is somebody")
	}
}

// What Population remembers about the member set last is not stale after others
// have moved.
func TestPopulation_RankAfterEveryOrderOfSetting(t *testing.T) {
	r := Rand{state: 5}
	pop := NewPopulation(300, Minimize, 5)
	for change := range int64(5000) {
		member := r.IntN(300)
		pop.Set(member, Record{Segment: change, Score: Score(r.IntN(50))})
		for range 3 {
			m := r.IntN(pop.Scored())
			if got := pop.Rank(pop.At(m)); got != m {
				t.Fatalf("change %d: place %d is member %d, whose place is %d", change, m, pop.At(m), got)
			}
		}
		if at := pop.Rank(member); pop.At(at) != member {
			t.Fatalf("change %d: member %d is not at its place %d", change, member, at)
		}
		for i := 1; i < pop.Scored(); i += 1 + r.IntN(20) {
			a, _ := pop.Record(pop.At(i - 1))
			b, _ := pop.Record(pop.At(i))
			if Minimize.Better(b.Score, a.Score) {
				t.Fatalf("change %d: %v stands before %v", change, a.Score, b.Score)
			}
		}
	}
}

func TestPopulation_TiesAreDrawnBySeedAndRecord(t *testing.T) {
	first := map[int]int{}
	for seed := range uint64(600) {
		pop := NewPopulation(3, Maximize, seed)
		for i := range 3 {
			pop.Set(i, Record{Segment: 9, Score: 1})
		}
		first[pop.At(0)]++
	}
	for i := range 3 { // binomial(600, ⅓) ± five standard deviations
		if first[i] < 142 || first[i] > 258 {
			t.Errorf("among equals, member %d was first %d times of 600", i, first[i])
		}
	}
}

func TestLastSamples_KeepsTheNewestTen(t *testing.T) {
	count := func(from, to int) []float64 {
		var out []float64
		for i := from; i <= to; i++ {
			out = append(out, float64(i))
		}
		return out
	}
	for _, c := range []struct {
		past, reported []float64
		score          Score
		want           []float64
	}{
		{nil, nil, 7, count(7, 7)},                       // a trainer that reports none counts its score as one
		{count(1, 3), nil, 4, count(1, 4)},               //
		{count(1, 10), nil, 11, count(2, 11)},            // the oldest falls out
		{count(1, 3), count(4, 6), 99, count(1, 6)},      // reported ones count, their score does not
		{count(1, 8), count(9, 13), 99, count(4, 13)},    //
		{count(1, 10), count(11, 20), 99, count(11, 20)}, //
		{count(1, 10), count(11, 50), 99, count(41, 50)}, //
		{nil, count(1, 50), 99, count(41, 50)},           //
		{count(1, 10), []float64{}, 11, count(2, 11)},    //
		{count(1, 50), nil, 51, count(42, 51)},           // a past longer than it can be
	} {
		past := slices.Clone(c.past)
		if got := LastSamples(c.past, c.reported, c.score); !slices.Equal(got, c.want) || !slices.Equal(past, c.past) {
			t.Errorf("%v and %v (%v): %v, want %v", c.past, c.reported, c.score, got, c.want)
		}
	}
}

func TestCompareTurns_LeastSpentThenADrawThatChanges(t *testing.T) {
	if CompareTurns(1, 0, 5, 1, 1, 6, 1) >= 0 || CompareTurns(1, 0, 6, 1, 1, 5, 1) <= 0 || CompareTurns(1, 3, 5, 1, 3, 5, 1) != 0 {
		t.Error("who has spent less goes first")
	}
	first := 0
	for turn := range int64(1000) {
		c := CompareTurns(1, 0, 5, turn, 1, 5, turn)
		if c == 0 || c != -CompareTurns(1, 1, 5, turn, 0, 5, turn) {
			t.Fatal("two members are equal, or each before the other")
		}
		if c < 0 {
			first++
		}
	}
	if first < 421 || first > 579 { // binomial(1000, ½) ± five standard deviations
		t.Errorf("among equals, member 0 went first %d times of 1000", first)
	}
}
