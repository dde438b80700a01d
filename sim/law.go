package sim

// Law is a promise that the simulation checks.
type Law string

// The laws. Those that package machine can leave out have its words.
const (
	LawOutcomeKept    Law = "recorded outcome" // none is lost, and nobody is told what is not recorded
	LawWeights        Law = "weights"          // a score belongs to the weights that earned it; what was decided is what is trained
	LawDeadLease      Law = "dead lease"       // a report on one is refused
	LawLiveLease      Law = "live lease"       // a report on one is taken
	LawDonorRecord    Law = "donor record"     // a recipient stands with its donor's record
	LawNotFinite      Law = "not finite"       // such a score is never a donor's
	LawCheckpointHeld Law = "checkpoint held"  // none is deleted that somebody needs
	LawGarbage        Law = "garbage"          // what nobody needs does not stay
	LawLeaseEnds      Law = "lease ends"
	LawBounds         Law = "bounds"
	LawFounders       Law = "founders"        // they are ranked among themselves, and given up as the quota falls
	LawDecision       Law = "addressed draws" // decided again, a decision is the one recorded
	LawBarrier        Law = "barrier"         // it opens by its rule, and lets all go
	LawPopulation     Law = "population size"
	LawReplay         Law = "replay" // the state is the fold of the journal
	LawFairTurns      Law = "fair turns"
	LawBudget         Law = "budget"
	LawSums           Law = "sums"         // steps, spent and counts add up
	LawOrder          Law = "order"        // events come in an order that makes sense
	LawHeld           Law = "held weights" // those in memory go only to who has them, and are saved before others build on them
	LawOutage         Law = "outage"       // a failure is charged to a member only when it is confirmed; an outage changes no decision
	LawSteered        Law = "steered"      // what a person wishes is what happens, once; what makes no sense changes nothing
	LawPause          Law = "pause"        // a run stops to be mended when it must, and only then
	LawEnds           Law = "ending"       // every run comes to one
	LawAgreement      Law = "agreement"
	LawPanic          Law = "panic"
)
