package view

import (
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// Columns of a band, and how wide one is at first where x is time.
const (
	mostColumns     = 256 // more are joined in pairs
	firstTimeColumn = 100 // milliseconds
)

// Band is the population as a whole: at each x, the best so far and quantiles of the
// outcomes there.
type Band struct {
	X      []int64 `json:"x"`
	Best   Numbers `json:"best"`
	Q10    Numbers `json:"q10"`
	Q25    Numbers `json:"q25"`
	Median Numbers `json:"median"`
	Q75    Numbers `json:"q75"`
	Q90    Numbers `json:"q90"`
}

// band sums outcomes up in columns of equal width, as they come.
type band struct {
	from, width int64
	columns     []column
}

type column struct {
	end    int64 // the last x in it
	scores []float64
	sorted int // so many scores are in order
}

func newBand(from, width int64) band { return band{from: from, width: max(1, width)} }

// add takes in an outcome.
func (b *band) add(x int64, score float64) {
	k := max(0, (x-b.from-1)/b.width) // the end of a segment belongs to the column that it ends
	for k >= mostColumns {
		b.join()
		k = max(0, (x-b.from-1)/b.width)
	}
	for int64(len(b.columns)) <= k {
		b.columns = append(b.columns, column{})
	}
	c := &b.columns[k]
	c.end = max(c.end, x)
	c.scores = append(c.scores, score)
}

// join makes one column of two.
func (b *band) join() {
	half := make([]column, (len(b.columns)+1)/2)
	for i := range half {
		half[i] = b.columns[2*i]
		if 2*i+1 < len(b.columns) {
			c := &b.columns[2*i+1]
			half[i].end = max(half[i].end, c.end)
			half[i].scores = append(half[i].scores, c.scores...)
		}
	}
	b.columns, b.width = half, 2*b.width
}

// sort orders the scores of columns that have new ones.
func (b *band) sort() {
	for i := range b.columns {
		if c := &b.columns[i]; c.sorted < len(c.scores) {
			slices.Sort(c.scores)
			c.sorted = len(c.scores)
		}
	}
}

// draw is the band to look at; it must be sorted.
func (b *band) draw(goal pbt.Goal) Band {
	v := Band{X: []int64{}}
	best := math.NaN()
	for i := range b.columns {
		c := &b.columns[i]
		if len(c.scores) == 0 {
			continue
		}
		top := c.scores[len(c.scores)-1]
		if goal == pbt.Minimize {
			top = c.scores[0]
		}
		if math.IsNaN(best) || goal.Better(pbt.Score(top), pbt.Score(best)) {
			best = top
		}
		v.X, v.Best = append(v.X, c.end), append(v.Best, Number(best))
		v.Q10, v.Q25 = append(v.Q10, quantile(c.scores, 0.1)), append(v.Q25, quantile(c.scores, 0.25))
		v.Median = append(v.Median, quantile(c.scores, 0.5))
		v.Q75, v.Q90 = append(v.Q75, quantile(c.scores, 0.75)), append(v.Q90, quantile(c.scores, 0.9))
	}
	return v
}

// quantile interpolates linearly in a sorted list (type 7 of Hyndman and Fan 1996).
func quantile(sorted []float64, q float64) Number {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return Number(sorted[len(sorted)-1])
	}
	return Number(sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i]))
}
