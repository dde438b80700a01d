package pbt_test

import (
	"math"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

func TestLikelyDonor(t *testing.T) {
	// Members 0 to 4 stand at step 100 with scores 0 to 4; 5 is far behind.
	pop := pbt.NewPopulation(8, pbt.Maximize, 1)
	for i := range 5 {
		pop.Set(i, pbt.Record{Segment: int64(i + 1), Score: pbt.Score(i), Step: 100})
	}
	pop.Set(5, pbt.Record{Segment: 9, Score: 10, Step: 10})
	nan := pbt.Score(math.NaN())
	for name, c := range map[string]struct {
		policy pbt.Policy
		member int
		score  pbt.Score
		step   int64
		want   bool
	}{
		"the best":                     {pbt.Policy{}, 0, 9, 120, true},
		"the second of six":            {pbt.Policy{}, 6, 3.5, 110, true},
		"the third, truncation of one": {pbt.Policy{}, 6, 2.5, 110, false},
		"the third, half of them may":  {pbt.Policy{Exploit: pbt.Truncation{Fraction: 0.5}}, 6, 2.5, 110, true},
		"a tournament":                 {pbt.Policy{Exploit: pbt.Tournament{}}, 6, 2.5, 110, true},
		"a tournament, the worse half": {pbt.Policy{Exploit: pbt.Tournament{}}, 6, 1.5, 110, false},
		"its own old score is no peer": {pbt.Policy{}, 4, 3.5, 110, true},
		"nobody copies":                {pbt.Policy{Exploit: pbt.NoExploit{}}, 0, 9, 120, false},
		"far ahead of all":             {pbt.Policy{}, 0, 9, 200, false},
		"not finite":                   {pbt.Policy{}, 0, nan, 120, false},
	} {
		if got := c.policy.LikelyDonor(pop, c.member, c.score, c.step, 20); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if (&pbt.Policy{}).LikelyDonor(pbt.NewPopulation(3, pbt.Maximize, 1), 0, 1, 10, 20) {
		t.Error("alone, nobody can be compared")
	}
}
