package sim

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// Options say what to simulate. The zero Options is one seed, 0, with every fault.
type Options struct {
	FirstSeed uint64
	Seeds     int    // how many, from FirstSeed on; 0 means 1
	Members   int    // 0: each seed draws a number
	Workers   int    // 0: each seed draws a number
	Faults    string // AllFaults, NoFaults, or names joined by commas; "" means all
	After     func(Report) (goOn bool)

	broken breakage // a law of the coordinator that a test leaves out
}

// Report is what came of the seeds.
type Report struct {
	Seeds      int         `json:"seeds"`   // simulated to their end
	Events     int64       `json:"events"`  // that became durable, each of them checked
	Reports    int64       `json:"reports"` // of finished segments
	Injected   Tally       `json:"injected"`
	Violations []Violation `json:"violations"`
}

// Violation is a law that did not hold.
type Violation struct {
	Seed    uint64 `json:"seed"`
	Law     Law    `json:"law"`
	What    string `json:"what"`
	Event   int    `json:"event"`   // how many events were durable by then
	Command string `json:"command"` // that shows it again
}

// String says it all in two lines.
func (v Violation) String() string {
	return fmt.Sprintf("seed %d, event %d: %s: %s\n\t%s", v.Seed, v.Event, v.Law, v.What, v.Command)
}

// Limits of a simulation.
const (
	MaxMembers    = 1000
	MaxWorkers    = 1000
	maxMoments    = 2_000_000 // things that may happen in one seed
	maxViolations = 20        // of one seed: the rest follows from the first
)

// Validate checks the options.
func (o *Options) Validate() error {
	if o.Seeds < 0 || o.Members < 0 || o.Members > MaxMembers || o.Workers < 0 || o.Workers > MaxWorkers {
		return fmt.Errorf("simulate: want 0 to %d members, 0 to %d workers (0: drawn for each seed) and no negative number of seeds", MaxMembers, MaxWorkers)
	}
	_, err := ParseFaults(o.Faults)
	return err
}

// Run simulates seed after seed, until all are done or After says to stop.
func Run(o Options) (Report, error) {
	var report Report
	if err := o.Validate(); err != nil {
		return report, err
	}
	for k := range max(1, o.Seeds) {
		runSeed(o, o.FirstSeed+uint64(k), &report)
		if o.After != nil && !o.After(report) {
			break
		}
	}
	return report, nil
}

// agreeEvery is how often a seed is also run in other ways that must come to the
// same: comparing costs several runs.
const agreeEvery = 16

func runSeed(o Options, seed uint64, report *Report) {
	names, _ := ParseFaults(o.Faults) // validated
	w := newWorld(seed, drawPlan(seed, names, o.Members, o.Workers))
	w.broken = o.broken
	w.run()
	found := w.violations
	if seed%agreeEvery == 0 && len(found) == 0 && o.broken == 0 {
		found = agree(seed)
	}
	report.Seeds++
	report.Events += int64(len(w.journal.rows))
	report.Reports += w.book.outcomes
	report.Injected.add(w.tally)
	for _, v := range found {
		v.Seed, v.Command = seed, command(o, seed, w.plan)
		report.Violations = append(report.Violations, v)
	}
}

// command is how to see a seed again.
func command(o Options, seed uint64, p plan) string {
	names := o.Faults
	if names == "" {
		names = AllFaults
	}
	return fmt.Sprintf("pbt sim --first-seed %d --seeds 1 --members %d --workers %d --faults %s", seed, p.members, p.workers, names)
}

// breakage names a law of the coordinator that a run leaves out on purpose.
type breakage int

// The ways to break a coordinator.
const (
	answerEarly breakage = iota + 1 // tells workers before the journal knows
	deleteEarly                     // deletes checkpoints before the journal knows that they are unneeded

	keepGarbage // never deletes any

	trustNumbers // takes weights in memory for a segment's because it has trained that segment, whoever's attempt was recorded
)

var _ machine.SpecFunc = (*world)(nil).specOf

// Add counts another report in.
func (r *Report) Add(o Report) {
	r.Seeds += o.Seeds
	r.Events += o.Events
	r.Reports += o.Reports
	r.Injected.add(o.Injected)
	r.Violations = append(r.Violations, o.Violations...)
}
