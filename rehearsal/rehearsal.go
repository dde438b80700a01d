// Package rehearsal tries an experiment's trainer before a weekend is spent on it:
// `pbt check`. It does so with ordinary jobs on the slots that the run would use, so
// a trainer needs no special mode, and each check is a comparison of two of them:
//
//	what goes on in memory      with a fresh process that loads the checkpoint
//	the same, from the checkpoint  with fresh weights, a destroyed checkpoint, and itself
//	the same, with the seed     with another seed
//	the same, with the hypers   with others, all at once and then one by one
//	fresh weights               with fresh weights from another weight seed
//	a start in a new process    with one in a process that has trained before
//
// Whether two results differ is judged against what the trainer itself makes of the
// same job twice (stats.go): one that is not deterministic is not accused of it.
//
// The first segments grow until one takes long enough to be measured; all others are
// as long as that, or one step, where the fewest steps show the most: what is missing
// from a checkpoint heals while training goes on.
package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// Kind is what sort of trainer it is.
type Kind int

// The kinds of trainer.
const (
	InProcess Kind = iota + 1 // a Go value of this program
	Client                    // a program that stays alive
	Template                  // a program per segment
)

// Config is what is rehearsed, and how.
type Config struct {
	NewSlot func(n int) trainer.Slot // makes the n-th place to train in, from 1
	Store   *checkpoint.Store        // empty, for the rehearsal alone
	Spec    machine.Spec
	Metric  string // the score's name
	Slots   int
	Kind    Kind

	NeverLoads bool // the command of a template mentions neither {load} nor PBT_LOAD

	Steps int64         // of a rehearsed segment; 0: as many as Limit allows, at most the experiment's
	Limit time.Duration // after it, optional checks are skipped; 0 means DefaultLimit
	Grace time.Duration // that a trainer has to stop when asked; 0 means DefaultGrace

	Free   int64             // bytes free where the run's checkpoints will be; 0: not known
	Memory func() int64      // bytes that the living trainers take; nil: not known
	Say    func(text string) // hears what is done now; may be nil

	settling time.Duration // until a trainer that is to be stopped has begun to train; 0 means settling
}

// Defaults and limits.
const (
	DefaultLimit = time.Minute
	DefaultGrace = 5 * time.Second

	partOfLimit = 20 // a rehearsed segment may take this part of the limit
	mostStarts  = 3  // members that are tried until one has a finite score
	mostAtOnce  = 4  // trainers that are tried side by side
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // may be meant so
	Wrong   Level = "wrong"
	Note    Level = "note"    // a fact, neither right nor wrong
	Unknown Level = "unknown" // not tested
)

// Finding is what one check found.
type Finding struct {
	Level Level  `json:"level"`
	Check string `json:"check"` // which: one of the names below
	Says  string `json:"says"`
	Hint  string `json:"hint,omitempty"`

	Tested    bool   `json:"tested"`               // an experiment was made that could have failed
	NotTested string `json:"not_tested,omitempty"` // why none was made, or what it could not tell
	Power     *Power `json:"power,omitempty"`      // how small an effect the experiment would have noticed
}

// The checks.
const (
	CheckStart      = "start"      // it starts, trains and reports
	CheckScore      = "score"      // finite, and not always the same
	CheckGoal       = "goal"       // the metric's name and the goal agree
	CheckCheckpoint = "checkpoint" // whole, at rest, and of what was trained
	CheckGrowth     = "growth"     // checkpoints do not grow from segment to segment
	CheckLoad       = "load"       // a fresh process goes on from it
	CheckDamage     = "damage"     // a damaged one is noticed
	CheckRepeat     = "repeat"     // the same segment twice gives the same result
	CheckHold       = "memory"     // nothing that matters is in memory only
	CheckHypers     = "hypers"     // hyperparameters are in force, and do something
	CheckSeed       = "seed"       // clones do not stay identical
	CheckWeights    = "weights"    // fresh members differ
	CheckFresh      = "fresh"      // a fresh start in a living process is one
	CheckStop       = "stop"       // it stops when asked
	CheckLength     = "length"     // segments are neither too short nor too long
	CheckDisk       = "disk"       // the run's checkpoints fit
)

// Checks are all of them, in the order in which they are explained.
var Checks = []string{
	CheckStart, CheckScore, CheckGoal, CheckLoad, CheckDamage, CheckRepeat, CheckHold, CheckHypers, CheckSeed, CheckWeights,
	CheckFresh, CheckStop, CheckCheckpoint, CheckGrowth, CheckLength, CheckDisk,
}

// Report is what a rehearsal found.
type Report struct {
	Findings []Finding `json:"findings"`
	Steps    int64     `json:"steps"` // of a rehearsed segment
	Segments int       `json:"segments"`
	Seconds  float64   `json:"seconds"`
	Times    Times     `json:"times"`
	Estimate Estimate  `json:"estimate"`
}

// Worst is the worst level among the findings.
func (r *Report) Worst() Level {
	worst := OK
	for _, f := range r.Findings {
		if f.Level == Wrong || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

// Run rehearses. Its error is that of the context, or of this machine; what is wrong
// with the trainer is in the report.
func Run(ctx context.Context, c Config) (*Report, error) {
	if c.Limit == 0 {
		c.Limit = DefaultLimit
	}
	if c.Grace == 0 {
		c.Grace = DefaultGrace
	}
	if c.settling == 0 {
		c.settling = settling
	}
	if c.Say == nil {
		c.Say = func(string) {}
	}
	r := &rehearsal{Config: c, ctx: ctx, began: time.Now(), steps: c.Steps}
	err := r.rehearse()
	r.closeAll()
	why := "the check found no case for it"
	if r.report.Times.Segment == 0 {
		why = "what is wrong above comes first"
	}
	r.rest(why)
	r.report.Segments, r.report.Seconds = len(r.all), time.Since(r.began).Seconds()
	if ctx.Err() != nil {
		return &r.report, context.Cause(ctx)
	}
	var failed *jobError
	if errors.As(err, &failed) { // has been told as a finding
		err = nil
	}
	return &r.report, err
}

// rehearsal is one of them under way.
type rehearsal struct {
	Config
	ctx    context.Context
	began  time.Time
	report Report

	hypers pbt.Hypers
	member int   // whose hyperparameters and seeds these are
	steps  int64 // of a rehearsed segment; 0 while it is not known

	mu     sync.Mutex // over the next three, for jobs side by side
	places []*place   // that are open
	all    []*outcome // every job that went well
	lease  int64      // the last one given

	unloaded bool     // the program does not go on from its checkpoint
	first    *outcome // began with fresh weights
	base     *outcome // what comparisons start from
	ref      reference

	writers   []string // files of checkpoints that were open for writing afterwards
	changed   []string // what became of checkpoints after they were published
	restarted bool     // a fresh start in a living slot took a new process
	wontLeave int      // programs that did not end when told that there is no more work
	alone     int      // jobs that were done before those side by side; 0: all
	together  float64  // how much longer a segment takes beside others; 0: not known
	memory    int64    // of one living trainer; 0: not known
}

// reference is a job that was done in memory and from the checkpoint; others that
// differ from it in one thing are compared with it.
type reference struct {
	held, loaded, again *outcome // the same job; held and again may be missing
	metrics             []string // that are the same whenever the job is
	exact               bool     // the same job gives the same result
	exactBytes          bool     // and the same checkpoint, byte by byte
}

func (r *rehearsal) rehearse() error {
	if err := r.begin(); err != nil {
		return err
	}
	r.checkGoal()
	for _, stage := range []func() error{r.goOn, r.checkLoad, r.tidy, r.vary, r.startAgain, r.sideBySide, r.stop, r.checkCheckpoints} {
		if err := stage(); err != nil {
			return err
		}
	}
	r.checkScores()
	r.estimate()
	return nil
}

func (r *rehearsal) find(level Level, check, hint, format string, args ...any) {
	r.report.Findings = append(r.report.Findings, Finding{Level: level, Check: check, Says: fmt.Sprintf(format, args...), Hint: hint, Tested: true})
}

// notTested says that no experiment could have failed, and why.
func (r *rehearsal) notTested(check, why string) {
	r.report.Findings = append(r.report.Findings, Finding{Level: Unknown, Check: check, Says: "not tested: " + why, NotTested: why})
}

// untested says of the last finding that it is no experiment's result.
func (r *rehearsal) untested(why string) {
	f := &r.report.Findings[len(r.report.Findings)-1]
	f.Tested, f.NotTested = false, why
}

// powerIs notes how small an effect the last finding's experiment would have noticed.
func (r *rehearsal) powerIs(p Power) { r.report.Findings[len(r.report.Findings)-1].Power = &p }

// has tells whether there is a finding of a check.
func (r *Report) has(check string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Check == check })
}

// rest says of each check without a finding that it was not made.
func (r *rehearsal) rest(why string) {
	for _, check := range Checks {
		if !r.report.has(check) {
			r.notTested(check, why)
		}
	}
}

func (r *rehearsal) say(format string, args ...any) { r.Say(fmt.Sprintf(format, args...)) }

// spare tells whether there is time for another so many segments like one.
func (r *rehearsal) spare(like *outcome, segments int) bool {
	return time.Since(r.began)+time.Duration(segments)*like.wall <= r.Limit
}

// leaveOut notes a check that there is no time for.
func (r *rehearsal) leaveOut(check, what string) {
	r.notTested(check, "no time left: "+what)
	r.report.Findings[len(r.report.Findings)-1].Hint = "allow more time: --time 10m; or shorter segments: --steps"
}

// trouble tells of a job that failed, as a finding, unless the rehearsal itself is
// called off or at fault.
func (r *rehearsal) trouble(err error, check, format string, args ...any) error {
	var failed *jobError
	if r.ctx.Err() != nil || !errors.As(err, &failed) {
		return err
	}
	if failed.check != "" {
		check = failed.check
	}
	what := fmt.Sprintf(format, args...)
	r.find(Wrong, check, hintFor(failed.err), "%s: %s", what, strings.TrimSpace(failed.Error()))
	return nil
}

// seed is the one for the k-th segment of the rehearsed member.
func (r *rehearsal) seed(k int64) uint64 { return pbt.TrainSeed(r.Spec.Seed, r.member, k, 0) }

// begin trains from fresh weights until a segment takes long enough.
func (r *rehearsal) begin() error {
	for member := range min(mostStarts, r.Spec.Population) {
		r.member = member
		var given pbt.Hypers
		if member < len(r.Spec.Initial) {
			given = r.Spec.Initial[member]
		}
		start, err := r.Spec.Policy.Start(r.Spec.Space, r.Spec.Seed, member, given)
		if err != nil {
			return err
		}
		r.hypers = start.Hypers
		if err := r.grow(); err != nil {
			check := CheckStart
			if r.base != nil && r.Kind == Template {
				check = CheckLoad
			}
			return firstOf(r.trouble(err, check, "the trainer does not get through its first segments"), err)
		}
		if pbt.Score(r.base.Score).Finite() {
			r.find(OK, CheckStart, "", "it starts, trains and reports: %s %s after %s", r.Metric, pbt.Score(r.base.Score), plural.Of(r.base.from+r.base.steps, "step"))
			return nil
		}
	}
	r.find(Wrong, CheckScore, "does it measure before it has anything to measure, or divide by zero? If all diverge, narrow the ranges of the hyperparameters (learning rates first)",
		"the score of %s is not finite (%s)", plural.Of(int64(r.member+1), "member"), pbt.Score(r.base.Score))
	return &jobError{err: errors.New("no finite score")}
}

// growth is how much longer the next segment may be than one that was too short.
const growth = 10

func (r *rehearsal) grow() error {
	r.closeAll()
	r.base = nil
	p := r.open(1)
	steps := r.Config.Steps
	if steps == 0 {
		steps = 1
	}
	r.say("training %s from fresh weights", plural.Of(steps, "step"))
	weights := pbt.WeightSeed(r.Spec.Seed, r.member, 0)
	first, err := r.train(p, task{steps: steps, seed: r.seed(0), hypers: r.hypers, weights: weights})
	if err != nil {
		return err
	}
	r.first, r.base = first, first
	target := r.Limit / partOfLimit
	k := int64(1)
	if r.Config.Steps == 0 && steps < r.Spec.Segment && first.Start > 0 && 2*first.took() >= target {
		// A process's first steps may take long because it compiles what it trains
		// with: the next ones tell.
		r.say("training %s more in the same process", plural.Of(steps, "step"))
		if r.base, err = r.train(p, task{parent: first, steps: steps, seed: r.seed(k), hypers: r.hypers}); err != nil {
			return err
		}
		k++
	}
	for ; r.Config.Steps == 0 && r.base.steps < r.Spec.Segment && 2*r.base.took() < target; k++ {
		times := min(growth, max(2, int64(target/max(1, r.base.took()))))
		if steps *= times; steps+steps/2 > r.Spec.Segment {
			steps = r.Spec.Segment
		}
		r.say("training %s", plural.Of(steps, "step"))
		if r.base, err = r.train(p, task{parent: r.base, steps: steps, seed: r.seed(k), hypers: r.hypers}); err != nil {
			return err
		}
	}
	r.steps = r.base.steps
	r.report.Steps = r.steps
	r.say("a segment of %s takes %s; about fifteen more of them", plural.Of(r.steps, "step"), round(r.base.took()))
	return nil
}

// round is a duration for people.
func round(d time.Duration) string { return Duration(d.Seconds()) }
