// Package sim runs a whole cluster in one goroutine: the production state machine,
// a coordinator that handles, journals and answers as package engine does, workers
// that train, save and report, a network and a disk that fail. Time is virtual and
// every fault is drawn from one seed, so a seed is a bug report: the same seed is
// the same run, to the last event.
//
// A naive twin keeps its own books of the run (book.go) from nothing but the rows
// that became durable. After every commit it checks, among others, that
//
//   - no recorded outcome is lost, and what a worker was told is recorded;
//   - an outcome comes from a live lease, and its score is that of its weights;
//   - no checkpoint is deleted that a record, a plan or the best outcomes need;
//   - types and bounds hold, steps add up, nobody trains beyond the budget;
//   - whoever waits and has trained least goes first; a barrier opens by its rule;
//   - each decision, decided again from the books and from the replayed state, is
//     the one recorded;
//   - the state is the fold of the journal;
//   - weights in a worker's memory only are continued by that worker and copied by
//     nobody; when they are lost, the member falls back on what was last saved of
//     it, and what it trains again is given back to the budget;
//   - what a person wishes is what the next decision does, once; a pause is no time; who
//     is retired is compared with nobody; what makes no sense changes nothing;
//   - every lease ends in time, and every run comes to an end.
//
// A checkpoint here is the hash of everything its weights were ever trained with,
// and the score follows from it: any mix-up of weights shows.
//
// Where to read: [Run] draws a plan for a seed (plan.go, faults.go); world.go is
// time and the network; coordinator.go and worker.go are the two programs, and
// memory.go is what a worker remembers; pilot.go is who steers; book.go and check.go know
// what must hold; agree.go compares with pbt.Train and runs with each other.
package sim
