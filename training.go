package pbt

import (
	"errors"
	"fmt"
	"iter"
	"slices"
)

// Model is what Train trains: functions over weights θ of any type.
type Model[W any] struct {
	Init func(r *Rand) W                    // fresh weights
	Step func(theta W, h Hypers, r *Rand) W // one optimiser update, or as many as Options.Block says
	Eval func(theta W) float64              // the metric one really wants; it need not be differentiable
	Copy func(theta W) W                    // a deep copy; nil if assigning a W copies it
}

// Options say how Train trains a population.
type Options struct {
	Members int
	Steps   int64 // training steps per member
	Block   int64 // training steps in one Model.Step, between two evaluations; 0 means 1
	Goal    Goal
	Space   *Space
	Policy  Policy
	Initial []Hypers // first hyperparameters, member by member; what they leave open is drawn
	Seed    uint64
	Order   Order
	Watch   func(member int, r Record, d Decision) // sees every record with the decision on it; may be nil
}

// Order is the order in which members step. The paper's members run side by side,
// each at its own speed; one goroutine has to choose.
type Order uint8

// The orders.
const (
	FairTurns   Order = iota // who has trained least goes next, as in the engine with one slot
	RandomTurns              // anybody goes next: asynchrony as uneven as it gets
	LockStep                 // all step, then all decide from one population, as behind a Barrier
)

// Result is what Train returns.
type Result[W any] struct {
	Best     Record // the population's best record
	Theta    W      // its weights
	Members  []Record
	Weights  []W
	Copies   int
	Schedule []Stage // the hyperparameters along the ancestry of the best weights
}

// training is the state of one Train.
type training[W any] struct {
	options    Options
	policy     *Policy
	space      *Space
	model      Model[W]
	population *Population
	members    []trainee[W]
	decisions  []Decision
	segments   int64
	copies     int
	everybody  []int
}

// trainee is one member: θ, h, t, and what it has spent.
type trainee[W any] struct {
	theta     W
	hypers    Hypers
	segment   int64 // the next record's number
	turn      int64
	step      int64
	spent     int64
	readyAt   int64 // spent when last ready
	copiedAt  int64 // spent when last copied
	ancestors *stageList
}

// stageList is a schedule, newest stage first; clones share their past.
type stageList struct {
	Stage
	older *stageList
}

func begin[W any](o Options, model Model[W]) (*training[W], error) {
	if o.Block == 0 {
		o.Block = 1
	}
	var faults []error
	if o.Members < 1 {
		faults = append(faults, fmt.Errorf("want at least one member, not %d", o.Members))
	}
	if o.Steps < 1 || o.Block < 1 {
		faults = append(faults, fmt.Errorf("want at least one step, not %d in blocks of %d", o.Steps, o.Block))
	}
	if len(o.Initial) > o.Members {
		faults = append(faults, fmt.Errorf("%d initial points are given for %d members", len(o.Initial), o.Members))
	}
	if o.Order > LockStep {
		faults = append(faults, fmt.Errorf("unknown order %d: want FairTurns, RandomTurns or LockStep", o.Order))
	}
	if model.Init == nil || model.Step == nil || model.Eval == nil {
		faults = append(faults, errors.New("a Model needs Init, Step and Eval"))
	}
	if o.Space == nil {
		o.Space = MustSpace()
	}
	faults = append(faults, o.Policy.Validate(), o.Policy.CheckStages(o.Space), o.checkBlocks())
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("pbt.Train: %w", err)
	}
	t := &training[W]{
		options: o, policy: &o.Policy, space: o.Space, model: model, population: NewPopulation(o.Members, o.Goal, o.Seed),
		members: make([]trainee[W], o.Members), decisions: make([]Decision, o.Members),
	}
	if o.Policy.ComparesFounders() {
		t.population.KeepTrails()
	}
	for i := range t.members {
		var given Hypers
		if i < len(o.Initial) {
			given = o.Initial[i]
		}
		d, err := o.Policy.Start(o.Space, o.Seed, i, given)
		if err != nil {
			return nil, fmt.Errorf("pbt.Train: initial hyperparameters %d: %w", i+1, err)
		}
		t.everybody = append(t.everybody, i)
		t.members[i].hypers = d.Hypers
		t.freshen(i)
		t.number(i)
	}
	return t, nil
}

// checkBlocks refuses a schedule with a stage that begins within a block, which Train
// cannot divide.
func (o *Options) checkBlocks() error {
	f, ok := o.Policy.Following()
	if !ok || o.Block < 1 {
		return nil
	}
	for i, s := range f.Stages {
		if s.From%o.Block != 0 {
			return fmt.Errorf("stage %d of the schedule begins at step %d, within a block of %d steps: choose a Block that divides the stages' steps", i+1, s.From, o.Block)
		}
	}
	return nil
}

// freshen gives a member new weights.
func (t *training[W]) freshen(i int) {
	m := &t.members[i]
	r := Rand{state: WeightSeed(t.options.Seed, i, m.turn)}
	m.theta, m.step, m.ancestors = t.model.Init(&r), 0, nil
}

// number gives a member's next record its number.
func (t *training[W]) number(i int) {
	t.segments++
	t.members[i].segment = t.segments
}

// turns yields the members that step next, until every one has spent its steps.
func (t *training[W]) turns() iter.Seq[[]int] {
	r := NewRand(t.options.Seed, 0, 0, purposeTurn, "random order")
	return func(yield func([]int) bool) {
		for {
			active := slices.DeleteFunc(slices.Clone(t.everybody), func(i int) bool { return t.members[i].spent >= t.options.Steps })
			if len(active) == 0 {
				return
			}
			switch t.options.Order {
			case FairTurns:
				active = []int{slices.MinFunc(active, t.beforeInTurn)}
			case RandomTurns:
				active = []int{active[r.IntN(len(active))]}
			}
			if !yield(active) {
				return
			}
		}
	}
}

func (t *training[W]) beforeInTurn(a, b int) int {
	return CompareTurns(t.options.Seed, a, t.members[a].spent, t.members[a].turn, b, t.members[b].spent, t.members[b].turn)
}

func (t *training[W]) block(i int) int64 {
	return min(t.options.Block, t.options.Steps-t.members[i].spent)
}

func (t *training[W]) random(i int) *Rand {
	return &Rand{state: TrainSeed(t.options.Seed, i, t.members[i].turn, 0)}
}

// update puts a member's new record into the population.
func (t *training[W]) update(i int, score Score) {
	m := &t.members[i]
	old, _ := t.population.Record(i)
	steps := t.block(i)
	m.ancestors = &stageList{Stage{From: m.step, To: m.step + steps, Hypers: m.hypers, Segment: m.segment, Member: i}, m.ancestors}
	m.step += steps
	m.spent += steps
	m.turn++
	var past []float64
	if m.ancestors.older != nil {
		past = old.Samples
	}
	t.population.Set(i, Record{
		Segment: m.segment, Score: score, Samples: LastSamples(past, nil, score),
		Step: m.step, Hypers: m.hypers, Saved: true,
	})
}

func (t *training[W]) standing(i int) Standing {
	m := &t.members[i]
	return Standing{
		Member: i, Turn: m.turn, Segment: m.segment, Hypers: m.hypers,
		Spent: m.spent, SinceReady: m.spent - m.readyAt, SinceCopy: m.spent - m.copiedAt,
		Progress: float64(m.spent) / float64(t.options.Steps),
	}
}

// adopt makes members what was decided for them. All donors are read as they stood
// when the decisions were made: a donor may itself copy in the same turn.
func (t *training[W]) adopt(deciding []int) {
	held := t.members
	if len(deciding) > 1 {
		held = slices.Clone(t.members)
	}
	records := make([]Record, len(deciding))
	for k, i := range deciding {
		records[k], _ = t.population.Record(i)
		if d := t.decisions[i]; d.TakesWeights() {
			records[k], _ = t.population.Record(d.Rival.Member)
		}
	}
	for k, i := range deciding {
		m, d := &t.members[i], t.decisions[i]
		if own, _ := t.population.Record(i); t.options.Watch != nil {
			t.options.Watch(i, own, d)
		}
		m.hypers = d.Hypers
		if d.WasReady() {
			m.readyAt = m.spent
		}
		if d.Copies() || d.Action == Restart {
			m.copiedAt = m.spent
		}
		if d.Copies() {
			t.copies++
		}
		if d.TakesWeights() {
			donor := &held[d.Rival.Member]
			m.theta, m.step, m.ancestors = t.copyOf(donor.theta), donor.step, donor.ancestors
			t.population.Adopt(i, records[k])
		}
		if d.Departs() {
			t.population.Depart(i)
		}
		if d.Action == Restart {
			t.freshen(i)
		}
		t.number(i)
	}
}

func (t *training[W]) copyOf(theta W) W {
	if t.model.Copy == nil {
		return theta
	}
	return t.model.Copy(theta)
}

// deciding are those of a turn that train on: who has spent its budget decides nothing.
func (t *training[W]) deciding(turn []int) []int {
	return slices.DeleteFunc(turn, func(i int) bool { return t.members[i].spent >= t.options.Steps })
}

func (t *training[W]) result() Result[W] {
	best := t.population.At(0)
	res := Result[W]{Theta: t.members[best].theta, Copies: t.copies}
	res.Best, _ = t.population.Record(best)
	for i := range t.members {
		r, _ := t.population.Record(i)
		res.Members = append(res.Members, r)
		res.Weights = append(res.Weights, t.members[i].theta)
	}
	for s := t.members[best].ancestors; s != nil; s = s.older {
		res.Schedule = append(res.Schedule, s.Stage)
	}
	slices.Reverse(res.Schedule)
	res.Schedule = Compact(res.Schedule)
	return res
}
