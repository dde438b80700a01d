package machine

// Law names a promise of the machine that the simulator checks. The simulator's
// tests build the machine without one of them to show that the check can fail.
type Law int

// The laws, as far as the machine is what keeps them.
const (
	LawNone           Law = iota
	LawDeadLease          // a report on a dead lease is refused whole
	LawDonorRecord        // after a copy the member stands with its donor's record
	LawNotFinite          // a score that is not finite is never a donor's
	LawCheckpointHeld     // a checkpoint that a lease will load is not deleted
	LawLeaseEnds          // every lease ends: by report, failure, or time
	LawBounds             // nothing leaves its bounds
	LawAddressedDraws     // draws depend on their address, not on what happened meanwhile
	LawPopulationSize     // members are permanent
	LawReplay             // the state is the fold of the events, and nothing else
	LawFairTurns          // who has trained least goes next
	LawBudget             // nobody trains beyond the budget
	LawHeld               // weights in a worker's memory go to nobody else
	LawSteered            // a person's wish is a member's next decision
	LawOutage             // an outage of the machine is no member's failure
	lastLaw
)

// Laws lists every law.
func Laws() []Law {
	var all []Law
	for l := LawNone + 1; l < lastLaw; l++ {
		all = append(all, l)
	}
	return all
}

// String names the law.
func (l Law) String() string {
	return [...]string{
		"none", "dead lease", "donor record", "not finite", "checkpoint held", "lease ends",
		"bounds", "addressed draws", "population size", "replay", "fair turns", "budget", "held weights", "steered", "outage",
	}[l]
}
