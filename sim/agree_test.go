package sim

import "testing"

func TestTheSameRunInOtherWays(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(seed uint64) []Violation
	}{
		{"one worker and Train with FairTurns", func(seed uint64) []Violation { return agreeTrain(seed, false) }},
		{"a barrier for all and Train with LockStep", func(seed uint64) []Violation { return agreeTrain(seed, true) }},
		{"one worker and sixteen behind a barrier", agreeWorkers},
		{"restarted anywhere", agreeRestarts},
		{"paused, given up and pinned by hand", agreeHand},
		{"scores negated", agreeGoals},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := range uint64(seeds(60)) {
				for _, v := range c.run(seed) {
					t.Fatalf("seed %d: %v", seed, v)
				}
			}
		})
	}
}
