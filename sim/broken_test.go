package sim

import "testing"

// TestABrokenCoordinatorIsCaught leaves out laws that the coordinator and its
// workers keep, not the machine.
func TestABrokenCoordinatorIsCaught(t *testing.T) {
	for _, c := range []struct {
		name   string
		broken breakage
		faults string
		law    Law
	}{
		{"answers before the journal knows", answerEarly, "crash,net,change", LawOutcomeKept},
		{"deletes before the journal knows", deleteEarly, "crash,net,change", LawCheckpointHeld},
		{"deletes nothing", keepGarbage, "crash,net,change", LawGarbage},
		{"takes another attempt's weights for those recorded", trustNumbers, "score,slow", LawWeights},
	} {
		t.Run(c.name, func(t *testing.T) {
			seen := map[Law]int{}
			for seed := range uint64(200) {
				r, err := Run(Options{FirstSeed: seed, Faults: c.faults, broken: c.broken})
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range r.Violations {
					if seen[v.Law]++; v.Law == c.law {
						t.Logf("caught at seed %d: %s", seed, v.What)
						return
					}
				}
			}
			t.Errorf("nobody notices; found were %v", seen)
		})
	}
}
