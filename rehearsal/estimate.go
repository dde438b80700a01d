package rehearsal

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Times are where the time of one of the experiment's segments goes, in seconds:
// measured, and the training scaled to the segment's steps.
type Times struct {
	Steps   int64   `json:"steps"`
	Start   float64 `json:"start_s"`   // of a process; not in every segment
	WarmUp  float64 `json:"warm_up_s"` // by which a process's first segment takes longer: compiling, filling caches
	Load    float64 `json:"load_s"`    // 0 for one that goes on in memory
	Train   float64 `json:"train_s"`   // of a program per segment, without what follows
	Program float64 `json:"program_s"` // of a program per segment: what it takes beside its steps
	Eval    float64 `json:"eval_s"`
	Save    float64 `json:"save_s"`
	Publish float64 `json:"publish_s"`
	Segment float64 `json:"segment_s"` // all of it, but for the start and the warming up
	PerStep float64 `json:"step_s"`
}

// Estimate is what the run will take, if its segments are like the rehearsed ones.
type Estimate struct {
	Members     int     `json:"members"`
	Slots       int     `json:"slots"`
	Together    float64 `json:"together"`                 // how many times longer a segment takes beside the others; 0: not known
	ReadyPoints int64   `json:"ready_points"`             // of each member; 0: not known
	FirstReady  float64 `json:"first_ready_s"`            // until every member has been scored once
	Seconds     float64 `json:"run_s"`                    // 0: not known
	Checkpoint  int64   `json:"checkpoint_bytes"`         // of one
	Peak        int64   `json:"checkpoints_peak"`         // how many at a time, at most
	Disk        int64   `json:"disk_bytes"`               // all of them
	Free        int64   `json:"free_bytes,omitempty"`     // 0: not known
	Memory      int64   `json:"memory_bytes,omitempty"`   // of one trainer's processes; 0: not known
	Overhead    float64 `json:"overhead"`                 // the part of a segment that is neither training nor measuring
	LongerSteps int64   `json:"longer_segment,omitempty"` // steps of a segment by which a large overhead would be half that part
}

// Limits of what is worth a word.
const (
	fewPoints     = 10   // ready points, under which there is little to adapt
	overheadShare = 0.1  // of a segment
	programShare  = 0.25 // of a segment that is a program, with its start and measuring
	startShare    = 0.05 // of the run
	fullDisk      = 0.5  // of the free space
)

// estimate tells where the time goes, and what the whole run takes.
func (r *rehearsal) estimate() {
	if r.base == nil {
		return
	}
	r.report.Times = r.times()
	e := r.expect(r.report.Times)
	r.report.Estimate = e
	r.checkLength(r.report.Times, e)
	r.checkDisk(e)
}

// times are the medians of what was measured, of a segment of the experiment.
func (r *rehearsal) times() Times {
	alone := r.all
	if r.alone > 0 {
		alone = alone[:r.alone]
	}
	median := func(of func(*outcome) time.Duration, which func(*outcome) bool) float64 {
		var list []float64
		for _, o := range alone {
			if which(o) {
				list = append(list, of(o).Seconds())
			}
		}
		if len(list) == 0 {
			return 0
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	any := func(*outcome) bool { return true }
	like := func(steps int64) func(*outcome) bool {
		return func(o *outcome) bool { return o.steps == steps && o.hypers.Equal(r.hypers) }
	}
	train := func(o *outcome) time.Duration { return o.Train }
	warm := func(o *outcome) bool { return o.Start == 0 }
	if r.Kind == Template || !slices.ContainsFunc(alone, func(o *outcome) bool { return warm(o) && like(r.steps)(o) }) {
		warm = any // nothing else is known
	}
	t := Times{
		Steps:   r.Spec.Segment,
		Start:   median(func(o *outcome) time.Duration { return o.Start }, func(o *outcome) bool { return o.Start > 0 }),
		Load:    median(func(o *outcome) time.Duration { return o.Load }, func(o *outcome) bool { return o.parent != nil && !o.held }),
		Eval:    median(func(o *outcome) time.Duration { return o.Eval }, any),
		Save:    median(func(o *outcome) time.Duration { return o.Save }, any),
		Publish: median(func(o *outcome) time.Duration { return o.publish }, any),
	}
	long := median(train, func(o *outcome) bool { return like(r.steps)(o) && warm(o) })
	t.PerStep = long / float64(r.steps)
	if short := median(train, like(1)); r.Kind == Template && r.steps > 1 {
		t.PerStep = max(0, (long-short)/float64(r.steps-1))
		t.Program = max(0, long-t.PerStep*float64(r.steps))
	}
	if first := median(train, func(o *outcome) bool { return like(r.steps)(o) && o.Start > 0 }); r.Kind != Template {
		t.WarmUp = max(0, first-long)
	}
	t.Train = t.PerStep * float64(t.Steps)
	t.Segment = t.Program + t.Load + t.Train + t.Eval + t.Save + t.Publish
	return t
}

// expect is what the run takes.
func (r *rehearsal) expect(t Times) Estimate {
	s := &r.Spec
	slots := min(r.Slots, s.Population)
	e := Estimate{Members: s.Population, Slots: slots, Together: r.together, Free: r.Free, Memory: r.memory}
	each := t.Segment
	if r.together > 1 {
		each += (r.together - 1) * (t.Train + t.Eval + t.Program)
	}
	rounds := math.Ceil(float64(s.Population) / float64(slots)) // of the slots, for all members once
	starts := t.Start + t.WarmUp
	if r.restarted {
		starts *= rounds
	}
	e.FirstReady = starts + rounds*each
	e.ReadyPoints = points(s, rounds*each)
	if b := s.Budget; b.Steps > 0 || b.Total > 0 {
		e.Seconds = starts + float64(e.ReadyPoints)*float64(s.Population)/float64(slots)*each
		if b.Wall > 0 {
			e.Seconds = min(e.Seconds, b.Wall.Seconds())
		}
	} else if b.Wall > 0 {
		e.Seconds = b.Wall.Seconds() + each
	}
	last := r.base
	if r.ref.loaded != nil {
		last = r.ref.loaded
	}
	e.Checkpoint = last.saved.bytes
	e.Peak = peak(s, slots, e.ReadyPoints)
	e.Disk = e.Peak * e.Checkpoint
	if k := s.Keep.Bytes; k > 0 {
		e.Disk = min(e.Disk, max(k, peak(&machine.Spec{Population: s.Population, Keep: machine.Keep{Best: s.Keep.Best}}, slots, e.ReadyPoints)*e.Checkpoint))
	}
	if t.Segment > 0 {
		e.Overhead = (t.Load + t.Save + t.Publish + t.Program) / t.Segment
	}
	if e.Overhead > overheadShare && t.Train > 0 { // so many that a segment takes twice as long beside its training
		e.LongerSteps = tidySteps(float64(t.Steps) * (t.Segment + t.Train) / t.Train)
	}
	return e
}

// tidySteps rounds up to two digits.
func tidySteps(x float64) int64 {
	unit := math.Pow(10, max(0, math.Floor(math.Log10(x))-1))
	return int64(min(1e15, math.Ceil(x/unit)*unit))
}

// points are how many ready points each member has; 0 if only a target ends the run.
func points(s *machine.Spec, perRound float64) int64 {
	n := int64(0)
	limit := func(most int64) {
		if n == 0 || most < n {
			n = max(1, most)
		}
	}
	b := s.Budget
	if b.Steps > 0 {
		limit((b.Steps + s.Segment - 1) / s.Segment)
	}
	if b.Total > 0 {
		limit(b.Total / s.Segment / int64(s.Population))
	}
	if b.Wall > 0 && perRound > 0 {
		limit(int64(math.Ceil(min(b.Wall.Seconds()/perRound, 1e15))))
	}
	return n
}

// peak is how many checkpoints there are at a time, at most: of each member's record,
// the best ones, what segments start from and what they are saving.
func peak(s *machine.Spec, slots int, points int64) int64 {
	need := int64(s.Population + max(1, s.Keep.Best) + 2*slots)
	all := points*int64(s.Population) + int64(slots)
	switch {
	case points == 0:
		return need
	case s.Keep.Everything:
		return max(all, 1)
	case s.Keep.Lineage && s.Policy.Exploit != nil && s.Policy.Exploit.Name() == "none":
		return all
	case s.Keep.Lineage: // a stem that all have in common, and the branches since
		return min(all, need+points+2*int64(s.Population))
	}
	return min(need, all)
}

// checkLength tells of segments that are too short, or too long.
func (r *rehearsal) checkLength(t Times, e Estimate) {
	const c = CheckLength
	before := len(r.report.Findings)
	if s := &r.Spec; s.Timeout > 0 && t.Segment > s.Timeout.Seconds() {
		r.find(Wrong, c, "raise timeout, or make segments shorter", "a segment of %s takes about %s, and the timeout is %s", plural.Of(t.Steps, "step"), Duration(t.Segment), round(s.Timeout))
	}
	copies := r.Spec.Policy.Exploit == nil || r.Spec.Policy.Exploit.Name() != "none"
	if r.checkSettings(e) {
		copies = false
	}
	if copies && e.ReadyPoints > 0 && e.ReadyPoints < fewPoints {
		r.find(Warning, c, "shorter segments or a larger budget: twenty ready points and more are usual", "each member has only %s in this budget, at which it can copy and vary (the first after %s)", plural.Of(e.ReadyPoints, "ready point"), Duration(e.FirstReady))
	}
	switch {
	case r.Kind == Template && e.Overhead > programShare:
		r.find(Warning, c, r.longer(e)+"; or make it a program that stays alive (import pbt): its start is paid for once", "of the %s of a segment, %s go into starting the program, loading, measuring and saving, not into training", Duration(t.Segment), Duration(t.Program+t.Publish))
	case r.Kind != Template && e.Overhead > overheadShare:
		r.find(Warning, c, r.longer(e)+r.saveLess(t), "of the %s of a segment, %s go into %s", Duration(t.Segment), Duration(t.Load+t.Save+t.Publish), largest(t))
	}
	if starts := (t.Start + t.WarmUp) * math.Ceil(float64(e.Members)/float64(max(1, e.Slots))); r.restarted && e.Seconds > 0 && starts > startShare*e.Seconds {
		r.find(Warning, c, "pbt.segments(fresh=True), and make new weights whenever segment.fresh: then one process serves many members", "each of the %d members begins with a new process, which takes %s to start and to warm up: %s of the run's %s", e.Members, Duration(t.Start+t.WarmUp), Duration(starts), Duration(e.Seconds))
	}
	if len(r.report.Findings) == before {
		text := fmt.Sprintf("a segment of %s takes about %s", plural.Of(t.Steps, "step"), Duration(t.Segment))
		if e.ReadyPoints > 0 {
			text += fmt.Sprintf(", and each member has %s", plural.Of(e.ReadyPoints, "ready point"))
		}
		r.find(OK, c, "", "%s", text)
	}
}

// checkSettings warns of settings with which members never explore, or never copy. It tells
// whether they never copy.
func (r *rehearsal) checkSettings(e Estimate) (never bool) {
	for _, w := range r.Spec.Warnings(e.ReadyPoints * r.Spec.Segment) {
		check := CheckHypers
		if w.About == machine.AboutCopies {
			check, never = CheckLength, true
		}
		r.find(Warning, check, w.Hint, "%s", w.Says)
	}
	return never
}

// longer is the hint to make segments longer, if that leaves enough of them.
func (r *rehearsal) longer(e Estimate) string {
	if e.LongerSteps > 0 && (e.ReadyPoints == 0 || e.ReadyPoints*r.Spec.Segment/e.LongerSteps >= fewPoints) {
		return fmt.Sprintf("longer segments halve that part: segment: {steps: %d}", e.LongerSteps)
	}
	return "a larger budget with longer segments"
}

func (r *rehearsal) saveLess(t Times) string {
	if t.Save+t.Publish > t.Load && r.Spec.SaveEvery <= 1 {
		return "; or `save: lazy`, which saves only what is likely to be copied; and save less: half precision, no replay buffer"
	}
	return ""
}

// largest names what the overhead consists of, the largest part first.
func largest(t Times) string {
	type part struct {
		name string
		s    float64
	}
	parts := []part{{"loading", t.Load}, {"saving", t.Save}, {"making the checkpoint durable", t.Publish}}
	slices.SortStableFunc(parts, func(a, b part) int {
		if a.s > b.s {
			return -1
		}
		return 1
	})
	var words []string
	for _, p := range parts {
		if p.s > 0 {
			words = append(words, fmt.Sprintf("%s (%s)", p.name, Duration(p.s)))
		}
	}
	return strings.Join(words, ", ")
}

// checkDisk tells whether the run's checkpoints fit.
func (r *rehearsal) checkDisk(e Estimate) {
	text := fmt.Sprintf("checkpoints of %s, at most about %d at a time: %s", bytesText(e.Checkpoint), e.Peak, bytesText(e.Disk))
	const hint = "keep fewer (keep.lineage, keep.everything, keep.best, keep.bytes), save less in each, or put the runs on a larger disk (--dir)"
	switch {
	case e.Free == 0:
		r.notTested(CheckDisk, "how much space is free is not known; "+text)
	case e.Disk > e.Free:
		r.find(Wrong, CheckDisk, hint, "%s, and only %s are free", text, bytesText(e.Free))
	case float64(e.Disk) > fullDisk*float64(e.Free):
		r.find(Warning, CheckDisk, hint, "%s, which is most of the %s that are free", text, bytesText(e.Free))
	default:
		r.find(OK, CheckDisk, "", "%s of %s free", text, bytesText(e.Free))
	}
}

// Duration writes seconds for people: 0.3 ms, 12 s, 3 h 20 min.
func Duration(s float64) string {
	switch {
	case s < 1e-3:
		return fmt.Sprintf("%.0f µs", s*1e6)
	case s < 1:
		return fmt.Sprintf("%.3g ms", s*1e3)
	case s < 59.5:
		return fmt.Sprintf("%.2g s", s)
	case s < 3600-30:
		return fmt.Sprintf("%.0f min", s/60)
	case s < 48*3600:
		return fmt.Sprintf("%.0f h %.0f min", math.Floor(s/3600), math.Mod(s, 3600)/60)
	}
	return fmt.Sprintf("%.3g days", s/86400)
}
