package pbt

import (
	"iter"
	"slices"
	"sort"
)

// spot is a member's place in a ranking: all that comparing needs, in 16 bytes.
type spot struct {
	fitness float64 // higher is better; −Inf for a score that is not finite, never NaN
	tie     uint32  // a draw, for equal fitness
	member  int32
}

// precedes orders by better fitness, then by a draw, then by number.
func (s *spot) precedes(o *spot) bool {
	if s.fitness != o.fitness {
		return s.fitness > o.fitness
	}
	return s.tie < o.tie || s.tie == o.tie && s.member < o.member
}

// bucketSize bounds what one change of a ranking moves: 2 KB. With ten thousand
// members there are then some hundred buckets to count.
const bucketSize = 128

// ranking is an ordered list of spots, best first, in buckets, so that moving a
// member costs much the same in a population of ten and of ten thousand. No
// bucket is empty. heads and sizes repeat each bucket's first spot and length,
// side by side, for searching and counting.
type ranking struct {
	buckets [][]spot
	heads   []spot
	sizes   []int
	spare   [][]spot // emptied buckets, for use again
	size    int
}

// locate is the bucket in which a spot is or belongs.
func (k *ranking) locate(s *spot) int {
	lo, hi := 0, len(k.heads) // the first head after s is in [lo, hi]
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); s.precedes(&k.heads[mid]) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return max(0, lo-1)
}

// within is a spot's index in its bucket, or where it belongs.
func within(bucket []spot, s *spot) int {
	lo, hi := 0, len(bucket)
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); bucket[mid].precedes(s) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// before is how many spots stand in the buckets before one.
func (k *ranking) before(bucket int) int {
	n := 0
	for _, size := range k.sizes[:bucket] {
		n += size
	}
	return n
}

// insert adds a spot that is not there and returns its place.
func (k *ranking) insert(s spot) int {
	k.size++
	if len(k.buckets) == 0 {
		k.open(0, s)
		return 0
	}
	b := k.locate(&s)
	if k.sizes[b] == bucketSize { // split
		half := k.buckets[b][bucketSize/2:]
		k.open(b+1, half...)
		k.buckets[b] = k.buckets[b][:bucketSize/2]
		k.sizes[b] = bucketSize / 2
		b = k.locate(&s)
	}
	at := within(k.buckets[b], &s)
	k.buckets[b] = slices.Insert(k.buckets[b], at, s)
	k.note(b)
	return k.before(b) + at
}

// remove takes out a spot that is there.
func (k *ranking) remove(s spot) {
	k.size--
	b := k.locate(&s)
	at := within(k.buckets[b], &s)
	k.buckets[b] = slices.Delete(k.buckets[b], at, at+1)
	switch {
	case len(k.buckets[b]) == 0:
		k.close(b)
	case b+1 < len(k.buckets) && len(k.buckets[b])+k.sizes[b+1] <= bucketSize/2: // join: buckets stay few
		k.buckets[b] = append(k.buckets[b], k.buckets[b+1]...)
		k.note(b)
		k.close(b + 1)
	default:
		k.note(b)
	}
}

// note repeats a bucket's first spot and length after a change.
func (k *ranking) note(b int) { k.heads[b], k.sizes[b] = k.buckets[b][0], len(k.buckets[b]) }

// open puts a new bucket of some spots at index b.
func (k *ranking) open(b int, spots ...spot) {
	var bucket []spot
	if n := len(k.spare); n > 0 {
		bucket, k.spare = k.spare[n-1], k.spare[:n-1]
	} else {
		bucket = make([]spot, 0, bucketSize)
	}
	k.buckets = slices.Insert(k.buckets, b, append(bucket, spots...))
	k.heads = slices.Insert(k.heads, b, spots[0])
	k.sizes = slices.Insert(k.sizes, b, len(spots))
}

// close takes bucket b out and keeps it for later.
func (k *ranking) close(b int) {
	k.spare = append(k.spare, k.buckets[b][:0])
	k.buckets = slices.Delete(k.buckets, b, b+1)
	k.heads = slices.Delete(k.heads, b, b+1)
	k.sizes = slices.Delete(k.sizes, b, b+1)
}

// rank is a spot's place, 0 for the best, or the place it would have.
func (k *ranking) rank(s spot) int {
	if k.size == 0 {
		return 0
	}
	b := k.locate(&s)
	return k.before(b) + within(k.buckets[b], &s)
}

// at is the spot at a place.
func (k *ranking) at(rank int) spot {
	b := 0
	for rank >= k.sizes[b] {
		rank -= k.sizes[b]
		b++
	}
	return k.buckets[b][rank]
}

// above is how many spots have a fitness higher than a bar; they come first.
func (k *ranking) above(bar float64) int {
	b := sort.Search(len(k.heads), func(i int) bool { return !(k.heads[i].fitness > bar) })
	if b == 0 {
		return 0
	}
	b-- // the last bucket that begins above the bar
	bucket := k.buckets[b]
	return k.before(b) + sort.Search(len(bucket), func(i int) bool { return !(bucket[i].fitness > bar) })
}

// all yields the spots in order.
func (k *ranking) all() iter.Seq[spot] {
	return func(yield func(spot) bool) {
		for _, bucket := range k.buckets {
			for _, s := range bucket {
				if !yield(s) {
					return
				}
			}
		}
	}
}
