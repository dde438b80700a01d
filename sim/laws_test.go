//go:build lawless

package sim

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// TestEachLawIsCaught leaves out one law of the machine after the other: the
// simulator must notice, and say which. With every law in force it must be silent.
//
//	go test -tags lawless ./sim -run TestEachLawIsCaught
func TestEachLawIsCaught(t *testing.T) {
	const within = 200 // seeds
	caughtAs := map[machine.Law]Law{
		machine.LawDeadLease:      LawDeadLease,
		machine.LawDonorRecord:    LawDonorRecord,
		machine.LawNotFinite:      LawNotFinite,
		machine.LawCheckpointHeld: LawCheckpointHeld,
		machine.LawLeaseEnds:      LawLeaseEnds,
		machine.LawBounds:         LawBounds,
		machine.LawAddressedDraws: LawDecision,
		machine.LawPopulationSize: LawPopulation,
		machine.LawReplay:         LawReplay,
		machine.LawFairTurns:      LawFairTurns,
		machine.LawBudget:         LawBudget,
		machine.LawHeld:           LawHeld,
		machine.LawSteered:        LawSteered,
		machine.LawOutage:         LawOutage,
	}
	defer func() { machine.Broken = machine.LawNone }()
	for _, law := range machine.Laws() {
		t.Run(law.String(), func(t *testing.T) {
			machine.Broken = law
			caught := 0
			r, err := Run(Options{Seeds: within, After: func(r Report) bool {
				for _, v := range r.Violations[caught:] {
					if caught++; v.Law == caughtAs[law] {
						t.Logf("caught at seed %d after %d events: %s", v.Seed, r.Events, v.What)
						caught = -1
						return false
					}
				}
				return true
			}})
			if err != nil {
				t.Fatal(err)
			}
			if caught >= 0 {
				t.Errorf("the machine breaks the law %q, and in %d seeds nobody notices; what was found: %v", law, r.Seeds, r.Violations)
			}
		})
	}
	machine.Broken = machine.LawNone
	if r, err := Run(Options{Seeds: within}); err != nil || len(r.Violations) > 0 {
		t.Errorf("with every law in force: %v %v", r.Violations, err)
	}
}
