package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// Finish waits for the segments at work, whatever the grace of a drain is, and records
// them; what comes after them is not begun.
func TestFinish_WaitsForWhatIsAtWork(t *testing.T) {
	for name, hurry := range map[string]bool{"finish": false, "finish, then drain": true} {
		t.Run(name, func(t *testing.T) {
			began, goOn := make(chan struct{}, 1), make(chan struct{})
			var asked atomic.Bool
			c := testConfig(t, testSpec(), 1, func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
				select {
				case began <- struct{}{}:
				default:
				}
				select {
				case <-goOn:
				case <-ctx.Done():
					asked.Store(true)
					return 0, ctx.Err()
				}
				return climb(ctx, s, theta)
			})
			c.Grace = time.Nanosecond
			e, err := Create(c)
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan machine.Phase, 1)
			go func() {
				phase, err := e.Run(t.Context())
				if err != nil {
					t.Error(err)
				}
				ended <- phase
			}()
			<-began
			e.Finish("stopped by hand (me)")
			if hurry {
				e.Drain("preempted")
				<-ended
			} else {
				if _, err := e.Steer(machine.Hold{}, 0); err != nil { // the loop has heard both
					t.Fatal(err)
				}
				goOn <- struct{}{}
				<-ended
			}
			if asked.Load() != hurry || e.Machine().Counts().Finished != int64(map[bool]int{false: 1, true: 0}[hurry]) {
				t.Errorf("given up: %t, %+v", asked.Load(), e.Machine().Counts())
			}
			check(t, c)
		})
	}
}
