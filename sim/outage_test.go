package sim

import "testing"

// TestAnOutageChangesNoDecision compares runs with an outage, of any length at any time,
// with the same runs without it: more often than TestSeeds does.
func TestAnOutageChangesNoDecision(t *testing.T) {
	found := 0
	for seed := range uint64(seeds(200)) {
		for _, v := range agreeOutage(*firstFlag + seed) {
			if found++; found <= 3 {
				t.Errorf("seed %d: %v", seed, v)
			}
		}
	}
}
