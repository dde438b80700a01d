package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Summary is a run in short.
type Summary struct {
	Name         string         `json:"name"`
	Phase        machine.Phase  `json:"phase"`
	Reason       string         `json:"reason"`
	Metric       string         `json:"metric"`
	Goal         string         `json:"goal"`
	Population   int            `json:"population"`
	Slots        int            `json:"slots"`
	Seed         string         `json:"seed"` // as text: it has 64 bits
	SegmentSteps int64          `json:"segment_steps"`
	Exploit      string         `json:"exploit"` // in words
	Explore      string         `json:"explore"`
	StartedAt    int64          `json:"started_at"` // Unix milliseconds
	UpdatedAt    int64          `json:"updated_at"`
	WorkedS      float64        `json:"worked_s"`
	Budget       Budget         `json:"budget"`
	Progress     float64        `json:"progress"` // 0 to 1
	EtaS         *float64       `json:"eta_s"`
	Spent        int64          `json:"spent"` // steps of all members together
	Best         *Best          `json:"best"`
	RandomSearch machine.Inside `json:"random_search"` // inside the run: its members that have never copied
	Counts       Counts         `json:"counts"`
	Hypers       []HyperDef     `json:"hypers"`
	Seq          int64          `json:"seq"`
	Host         string         `json:"host"`
	Version      string         `json:"version"`
	Machine      string         `json:"machine"` // that trains it, or did last; empty in old journals
}

// Budget says when training ends; what sets no limit is left out.
type Budget struct {
	Steps      int64      `json:"steps,omitempty"`
	TotalSteps int64      `json:"total_steps,omitempty"`
	WallS      float64    `json:"wall_s,omitempty"`
	Target     *pbt.Score `json:"target,omitempty"`
	Patience   int64      `json:"patience,omitempty"` // steps of all members together without a new best score
}

// Counts are totals over the run.
type Counts struct {
	Finished   int64 `json:"finished"`
	Failed     int64 `json:"failed"`
	Lost       int64 `json:"lost"`
	Refused    int64 `json:"refused"`
	Copies     int64 `json:"copies"`
	Repairs    int64 `json:"repairs"`
	Restarts   int64 `json:"restarts"`
	RolledBack int64 `json:"rolled_back"`
	Opens      int64 `json:"opens"`
}

// Best is one of the best outcomes whose weights were saved.
type Best struct {
	Segment    int64      `json:"segment"`
	Member     int        `json:"member"`
	Score      pbt.Score  `json:"score"`
	Step       int64      `json:"step"`
	Hypers     pbt.Hypers `json:"hypers"`
	Checkpoint string     `json:"checkpoint"` // "" once it is gone
}

// Summary is the run in short; false before its first event.
func (r *Run) Summary() (Summary, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.m == nil {
		return Summary{}, false
	}
	phase, reason := r.m.Phase()
	spec, n, now := r.m.Spec(), r.m.Counts(), r.now()
	s := Summary{
		Name: r.exp.Name, Phase: phase, Reason: reason, Metric: r.exp.Metric, Goal: spec.Goal.String(),
		Population: len(r.members), Slots: r.exp.Trainer.Slots, Seed: strconv.FormatUint(spec.Seed, 10), SegmentSteps: spec.Segment,
		Exploit: exploitInWords(spec.Policy.Exploit), Explore: exploreInWords(spec.Policy.Explore),
		StartedAt: millis(r.startedAt), UpdatedAt: millis(r.m.LastEvent()), WorkedS: r.worked(),
		Budget:   Budget{Steps: spec.Budget.Steps, TotalSteps: spec.Budget.Total, WallS: spec.Budget.Wall.Seconds(), Target: spec.Budget.Target, Patience: spec.Budget.Patience},
		Progress: r.progress(), EtaS: r.eta(now), Spent: r.m.Spent(),
		Counts:       Counts{n.Finished, n.Failed, n.Lost, n.Refused, n.Copies, n.Repairs, n.Restarts, n.RolledBack, n.Opens},
		RandomSearch: r.m.Inside(),
		Hypers:       r.hyperDefs(), Seq: r.seq, Host: r.host, Version: r.version, Machine: r.hardware,
	}
	if len(r.best) > 0 {
		best := r.bestView(r.best[0])
		s.Best = &best
	}
	return s, true
}

// Best are the best outcomes whose weights were saved, at most n of them.
func (r *Run) Best(n int) (seq int64, best []Best) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	best = []Best{}
	for _, id := range r.best[:min(max(n, 0), len(r.best))] {
		best = append(best, r.bestView(id))
	}
	return r.seq, best
}

func (r *Run) bestView(id int64) Best {
	s := r.table.at(id)
	b := Best{Segment: id, Member: int(s.member), Score: pbt.Score(s.score), Step: s.end(), Hypers: s.hypers}
	b.Checkpoint, _ = r.m.NeedsCheckpoint(id)
	return b
}

// atWork tells whether a process trains the run and hands out segments.
func (r *Run) atWork() bool {
	phase, _ := r.m.Phase()
	return r.live && (phase == machine.PhaseRunning || phase == machine.PhaseEnding)
}

// worked is how many seconds the run has been at work.
func (r *Run) worked() float64 {
	if r.atWork() {
		return r.m.Worked(r.now()).Seconds()
	}
	return r.m.Worked(r.m.LastEvent()).Seconds()
}

// progress is how much of the budget is spent, 0 to 1.
func (r *Run) progress() float64 {
	if phase, _ := r.m.Phase(); phase == machine.PhaseEnded {
		return 1
	}
	share := 0.0
	if total := r.m.TotalSteps(); total > 0 {
		share = float64(r.m.Spent()) / float64(total)
	}
	if wall := r.m.Spec().Budget.Wall; wall > 0 {
		share = max(share, r.worked()/wall.Seconds())
	}
	return min(1, share)
}

// eta is how many seconds the run will still take at its present pace; nil if nobody
// can tell.
func (r *Run) eta(now int64) *float64 {
	if !r.atWork() {
		return nil
	}
	var left []float64
	if total := r.m.TotalSteps(); total > 0 {
		if pace, _ := r.pace(now); pace > 0 {
			left = append(left, float64(max(0, total-r.m.Spent()))/pace)
		}
	}
	if wall := r.m.Spec().Budget.Wall; wall > 0 {
		left = append(left, max(0, wall.Seconds()-r.worked()))
	}
	if len(left) == 0 {
		return nil
	}
	least := left[0]
	for _, x := range left {
		least = min(least, x)
	}
	return &least
}

// pace is how many steps and segments a second all slots have finished lately.
func (r *Run) pace(now int64) (steps, segments float64) {
	recent := r.recent[max(0, len(r.recent)-maxRecent):]
	if len(recent) == 0 {
		return 0, 0
	}
	if !r.atWork() {
		now = recent[len(recent)-1].at
	}
	began := recent[0].at - recent[0].took
	for _, o := range recent {
		steps += float64(o.steps)
		began = min(began, o.at-o.took)
	}
	took := max(seconds(now-began), 1e-3)
	return steps / took, float64(len(recent)) / took
}

func exploitInWords(rule pbt.Exploit) string {
	switch e := rule.(type) {
	case nil, pbt.Truncation:
		t, _ := rule.(pbt.Truncation)
		if t.Fraction == 0 {
			t.Fraction = pbt.DefaultFraction
		}
		return fmt.Sprintf("truncation: the bottom %g %% copy from the top %[1]g %%", 100*t.Fraction)
	case pbt.Tournament:
		return "tournament: a member copies another one, drawn at random, that is better"
	case pbt.TTest:
		if e.Alpha == 0 {
			e.Alpha = pbt.DefaultAlpha
		}
		return fmt.Sprintf("t-test: a member copies another one, drawn at random, that is significantly better (level %g)", e.Alpha)
	case pbt.Founders:
		return fmt.Sprintf("founders: initial members are given up from %g %% of the budget on, down to %g %%; of the others the bottom %g %% copy from the top %g %%",
			100*e.From, 100*e.Keep, 100*e.Pool, 100*pbt.DefaultFraction)
	case pbt.NoExploit:
		return "none: every member trains alone"
	}
	return rule.Name()
}

func exploreInWords(rule pbt.Explore) string {
	switch e := rule.(type) {
	case nil, pbt.Perturb:
		p, _ := rule.(pbt.Perturb)
		if len(p.Factors) == 0 {
			p.Factors = []float64{0.8, 1.2}
		}
		factors := make([]string, len(p.Factors))
		for i, f := range p.Factors {
			factors[i] = fmt.Sprintf("× %g", f)
		}
		return "perturb: " + strings.Join(factors, " or ")
	case pbt.Resample:
		if e.P == 0 {
			e.P = pbt.DefaultResample
		}
		return fmt.Sprintf("resample: each drawn anew with probability %g", e.P)
	case pbt.AddNoise:
		return fmt.Sprintf("noise: a normal number with standard deviation %g is added", e.Sigma)
	case pbt.Follow:
		return fmt.Sprintf("follow: a schedule of %d stages", len(e.Stages))
	case pbt.Pipeline:
		stages := make([]string, len(e))
		for i, stage := range e {
			stages[i] = exploreInWords(stage)
		}
		return strings.Join(stages, ", then ")
	case pbt.NoExplore:
		return "none"
	}
	return rule.Name()
}
