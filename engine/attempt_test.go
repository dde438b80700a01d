package engine

import (
	"context"
	"math"
	"sync"
	"testing"

	"github.com/seed-7a1a2db0/pbt/trainer"
)

// A slot whose attempt at a segment was not recorded goes on with the recorded one's
// weights, not with what it has in memory.
func TestASlotGoesOnWithTheRecordedAttempt(t *testing.T) {
	spec := testSpec()
	spec.Population, spec.Budget.Steps, spec.Retries = 1, 20, 3
	var mu sync.Mutex
	tries := map[int64]int{}
	ended, began := map[int64]float64{}, map[int64]float64{} // by segment: the recorded weights; the weights at the start
	c := testConfig(t, spec, 2, func(_ context.Context, s trainer.Segment, theta *float64) (float64, error) {
		mu.Lock()
		defer mu.Unlock()
		tries[s.ID]++
		began[s.ID] = *theta
		*theta += unit(s.Seed)
		if s.ID == 1 && tries[s.ID] == 1 {
			return math.NaN(), nil
		}
		ended[s.ID] = *theta
		return *theta, nil
	})
	mustRun(t, c)
	if tries[1] != 2 || began[2] != ended[1] {
		t.Errorf("segment 1 was tried %d times and ended with weights %v; segment 2 began with %v", tries[1], ended[1], began[2])
	}
}
