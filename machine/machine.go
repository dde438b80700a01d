package machine

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/seed-7a1a2db0/pbt"
)

// Phase is how a run stands as a whole.
type Phase string

// The phases of a run.
const (
	PhaseNew     Phase = "new"     // no event yet
	PhaseRunning Phase = "running" // handing out segments
	PhaseEnding  Phase = "ending"  // handing out no more; some still run
	PhaseEnded   Phase = "finished"
	PhasePaused  Phase = "paused" // somebody must mend something
)

// Machine is one run. Handle turns an input into events and applies them; Apply
// alone replays. It is not safe for concurrent use.
type Machine struct {
	spec     Spec
	specOf   SpecFunc
	space    *pbt.Space // as at the start; a change of the spec cannot change it
	pop      *pbt.Population
	members  []member
	queue    turnQueue
	bound    memberSet // members that wait for the worker that holds their weights; the others are in the queue
	leased   memberSet // members with a live lease
	deciding memberSet // members at a ready point
	since    int64     // when the first of them came
	adopting []adoption
	keep     keeper
	holders  map[string]int // by worker: the member whose weights only it has; looked up, never ranged over
	best     []Outcome      // best first, at most spec.Keep.Best
	bestAt   int64          // spent when the first of them came
	founder  Outcome        // the best that a founder ever had; segment 0 before the first
	varied   bool           // a founder's hyperparameters were changed: by hand, or by explore_always

	phase    Phase
	reason   string // of the pause or the end
	segments int64  // number of the newest segment
	leases   int64  // number of the newest lease
	spent    int64  // steps of all members together
	promised int64  // steps of segments planned or leased
	failing  int    // failures in a row with nothing finished between
	doubts   int    // of these, and of probes, those that may be the machine's, since a probe or anything has finished
	row      row    // what these have in common

	suspects memberSet // members that wait for evidence whose fault their segment's failure was
	workers  map[string]*worker
	sitting  sitting
	outage   outage
	canary   canary
	trial    trial
	probes   int   // that there have been
	wakeAt   int64 // soft: when a worker that waits may be given something

	now      int64 // time of the newest event
	heard    int64 // soft: time of the newest input
	ahead    int64 // soft: how far this machine's time is ahead of the clock
	openedAt int64
	pausedBy string // who paused the run by hand; "" for nobody
	pausedAt int64
	worked   int64 // time at work in earlier sittings
	due      int64 // soft: no lease ends by itself before
	batch    []int // scratch
	plans    []planned
	origin   *Origin // of a branch; nil for fresh weights

	counts Counts
	out    []Event
}

// SpecFunc makes a Spec from a stored experiment, for replaying a spec_changed event.
type SpecFunc func(experiment []byte) (Spec, error)

// Outcome is a finished segment in short.
type Outcome struct {
	Segment    int64
	Member     int
	Score      pbt.Score
	Step       int64
	Hypers     pbt.Hypers
	Checkpoint Checkpoint
}

// Counts are totals over the run.
type Counts struct {
	Finished, Failed, Lost, Refused  int64
	Copies, Repairs, Restarts, Opens int64
	RolledBack                       int64 // outcomes whose weights were lost with a worker before they were saved

	done int64 // members that train no more
}

// MemberState is what a member is doing.
type MemberState string

// The states of a member.
const (
	StateWaiting  MemberState = "waiting"  // planned, no slot yet
	StateRunning  MemberState = "running"  // leased
	StateDeciding MemberState = "deciding" // at a ready point (behind the barrier)
	StateDone     MemberState = "done"     // its budget is spent
	StateFailed   MemberState = "failed"   // cannot go on, and nobody may be copied
	StateRetired  MemberState = "retired"  // taken out by hand
)

// member is one member's own state; its record stands in the population.
type member struct {
	state    MemberState
	plan     plan
	lease    lease
	record   int64 // segment of its record; 0: none
	step     int64 // steps behind the weights it holds
	spent    int64
	readyAt  int64 // spent when it was last ready
	copiedAt int64 // spent when it last copied
	broken   bool  // its segment failed for good: to be repaired
	ended    bool  // its trainer has said that it is done

	unsaved int64  // outcomes since its weights were last saved
	careful int    // so many outcomes must be saved, after a fall
	holder  string // the worker whose memory its weights are in
	base    base   // what it falls back on
	waits   int64  // since when it waits for the holder

	wish *pbt.Wish // of a person, for its next segment

	good                     good // its last segment that is saved
	finished, failures, lost int64
	lastFailure              string
}

// plan is a member's current segment.
type plan struct {
	segment, turn, parent int64
	from, steps           int64
	hypers                pbt.Hypers
	failures              int // counted against this segment

	suspect bool  // its last attempt failed, and whose fault that was is not known
	after   int64 // the newest lease when it did
	tries   int   // attempts that failed so since one was charged
	vouched bool  // a person says that it is the member's
}

// trained is how many steps an attempt at the segment has trained: as it reports, or as
// it was asked to.
func (p *plan) trained(reported *int64) int64 {
	if reported != nil {
		return *reported
	}
	return p.steps
}

// New returns the machine of a run without events.
func New(spec Spec, specOf SpecFunc) (*Machine, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	m := &Machine{specOf: specOf, space: spec.Space, phase: PhaseNew, keep: newKeeper(), holders: map[string]int{}, workers: map[string]*worker{}, wakeAt: never}
	m.setSpec(spec)
	m.pop = pbt.NewPopulation(spec.Population, spec.Goal, spec.Seed)
	m.keepTrails()
	m.members = make([]member, spec.Population)
	return m, nil
}

func (m *Machine) setSpec(spec Spec) {
	if spec.Keep.Best == 0 {
		spec.Keep.Best = 1
	}
	if spec.FailureLimit == 0 {
		spec.FailureLimit = DefaultFailureLimit
	}
	m.spec = spec
	m.keep.setPolicy(spec.Keep)
	m.watchLeases()
	m.keepTrails()
}

// keepTrails remembers the founders' scores where the policy compares them.
func (m *Machine) keepTrails() {
	if m.pop != nil && m.spec.Policy.ComparesFounders() {
		m.pop.KeepTrails()
	}
}

// Handle takes one input at a time (Unix nanoseconds) and returns its answer and
// the events that came of it, applied already. The events are valid until the
// next Handle; nobody may be told before they are durable.
func (m *Machine) Handle(now int64, in Input) (Answer, []Event) {
	clear(m.out) // else the thousands of a run's start would stay in memory
	m.out = m.out[:0]
	now = m.steady(now)
	answer := m.handle(now, in)
	m.settle(now)
	return answer, m.out
}

// steady is the machine's own time. It goes forward with the clock; where the clock
// is set back, it goes on from where it was, so that leases and deadlines still end.
func (m *Machine) steady(clock int64) int64 {
	m.heard = max(m.heard, m.now)
	m.ahead = max(m.ahead, m.heard-clock)
	m.heard = clock + m.ahead
	return m.heard
}

func (m *Machine) handle(now int64, in Input) Answer {
	switch in := in.(type) {
	case Start:
		return Answer{Refused: m.start(now, in)}
	case Open:
		return Answer{Refused: m.open(now, in)}
	case Ask:
		return m.ask(now, in)
	case Scored:
		return Answer{Save: m.answerSave(in)}
	case Report:
		return Answer{Refused: m.report(now, in)}
	case Fail:
		return Answer{Refused: m.fail(now, in)}
	case Beat:
		m.beat(now, in)
	case Tick:
		m.expire(now)
		m.tryAgain(now)
	case Pause:
		m.pause(now, in.Reason)
	case Close:
		m.close(now, in.Reason)
	default:
		if err, ok := m.steer(now, in); ok {
			return Answer{Refused: err}
		}
	}
	return Answer{}
}

// emit journals what has happened, which is what makes it happen.
func (m *Machine) emit(now int64, body Body) {
	e := Event{At: now, Body: body}
	if err := m.Apply(e); err != nil {
		panic(fmt.Sprintf("machine: its own event does not apply: %v", err)) // a bug, and never recorded
	}
	m.out = append(m.out, e)
}

func (m *Machine) start(now int64, in Start) error {
	if m.phase != PhaseNew {
		return errors.New("the run has started already")
	}
	started := &RunStarted{Experiment: in.Experiment, Seed: m.spec.Seed, Version: in.Version, Source: in.Source}
	if in.Branch != nil {
		return m.branch(now, started, in.Branch)
	}
	m.emit(now, started)
	for i := range m.members {
		d, err := m.begin(i)
		if err != nil {
			return err
		}
		m.decide(now, i, d, 0)
	}
	return nil
}

// begin is a member's first decision.
func (m *Machine) begin(i int) (pbt.Decision, error) {
	var given pbt.Hypers
	if i < len(m.spec.Initial) {
		given = m.spec.Initial[i]
	}
	d, err := m.spec.Policy.Start(m.spec.Space, m.spec.Seed, i, given)
	if err != nil {
		return d, fmt.Errorf("initial point %d: %w", i+1, err) // Validate has asked before
	}
	return d, nil
}

func (m *Machine) open(now int64, in Open) error {
	if m.phase == PhaseNew {
		return errors.New("the run has not started")
	}
	if in.Change == nil {
		m.emit(now, opened(in))
		m.rollBackAll(now, whyProcessGone)
		if in.Revive {
			m.reviveAll(now)
		}
		return nil
	}
	c := in.Change
	if err := m.checkChange(&c.Spec); err != nil {
		return err
	}
	m.emit(now, opened(in))
	m.rollBackAll(now, whyProcessGone)
	m.emit(now, &SpecChanged{Experiment: c.Experiment, Changed: c.Paths, spec: &c.Spec})
	if in.Revive {
		m.reviveAll(now)
	}
	return nil
}

// ask leases the segment whose turn it is.
func (m *Machine) ask(now int64, in Ask) Answer {
	m.expire(now)
	m.tryAgain(now)
	m.settle(now) // what time has brought comes first: a barrier's deadline, the end of the wall time
	if m.phase != PhaseRunning {
		return Answer{}
	}
	in.Worker = writable(in.Worker)
	c := m.next(now, in)
	if c.member < 0 {
		return Answer{Task: c.probe, Benched: c.benched}
	}
	p := &m.members[c.member].plan
	m.emit(now, &Leased{Segment: p.segment, Member: c.member, Lease: m.leases + 1, Worker: in.Worker})
	return Answer{Task: m.task(c.member)}
}

func (m *Machine) trainSeed(i int, p *plan) uint64 {
	return pbt.TrainSeed(m.spec.Seed, i, p.turn, p.failures)
}

func (m *Machine) weightSeed(i int, p *plan) uint64 { return pbt.WeightSeed(m.spec.Seed, i, p.turn) }

func (m *Machine) task(i int) *Task {
	mem := &m.members[i]
	p := &mem.plan
	t := &Task{
		Lease: mem.lease.id, Segment: p.segment, Member: i, Turn: p.turn, Parent: p.parent,
		From: p.from, Steps: p.steps, Hypers: p.hypers,
		Seed: m.trainSeed(i, p), WeightSeed: m.weightSeed(i, p),
		Save: CheckpointName(p.segment, mem.lease.id),
	}
	if p.parent != 0 {
		c, _ := m.Checkpoint(p.parent)
		t.Load, t.LoadDigest = c.ID, c.Digest
	}
	return t
}

// CheckpointName is what a lease's checkpoint is called: no two leases can write
// over each other's. It is fmt.Sprintf("s%09d-%d", segment, lease), without its price.
func CheckpointName(segment, lease int64) string {
	b := append(make([]byte, 0, 48), 's')
	for tens := int64(100_000_000); segment < tens; tens /= 10 {
		b = append(b, '0')
	}
	b = append(strconv.AppendInt(b, segment, 10), '-')
	return string(strconv.AppendInt(b, lease, 10))
}

// report takes an outcome, or refuses it whole.
func (m *Machine) report(now int64, r Report) error {
	if m.isProbe(r.Lease, r.Segment) {
		m.probed(now, "", "")
		return nil
	}
	if err := m.checkLease(r.Lease, r.Segment, r.Member); err != nil {
		m.refuse(now, r.Lease, r.Segment, r.Member, err, r.Checkpoint.ID)
		return err
	}
	mem := &m.members[r.Member]
	if c, name := r.Checkpoint, CheckpointName(r.Segment, r.Lease); c.ID != "" && c.ID != name || c.ID == "" && c.Bytes != 0 || c.Bytes < 0 {
		m.failed(now, r.Member, FailError, fmt.Sprintf("its report names a checkpoint %q of %d bytes: want %q", c.ID, c.Bytes, name))
		return nil // another segment's would be lost with this one
	}
	if r.Checkpoint.ID == "" && m.mustSave(r.Member) {
		fault := FailError
		if mem.lease.spared { // the settings have changed since it asked: nobody is to blame
			fault = FailLost
		}
		m.failed(now, r.Member, fault, "it reports no checkpoint, and this segment must be saved")
		return nil
	}
	if !r.Score.Finite() && mem.plan.failures < m.spec.Retries {
		m.failed(now, r.Member, FailDiverged, fmt.Sprintf("the score is %s", r.Score))
		return nil
	}
	trained := mem.plan.trained(r.Steps)
	if trained < 1 || trained > MaxTrained {
		m.failed(now, r.Member, FailError, fmt.Sprintf("its report counts %d trained steps: want 1 to %d; a trainer that cannot train reports a failure", trained, int64(MaxTrained)))
		return nil
	}
	worker := mem.lease.worker
	other, holdsOther := m.heldBy(worker)
	m.emit(now, &Finished{
		Segment: mem.plan.segment, Member: r.Member, Lease: r.Lease, Score: r.Score, Samples: r.Samples, Metrics: r.Metrics,
		Step: mem.plan.from + trained, Spent: mem.spent + trained, Done: r.Done, Checkpoint: r.Checkpoint,
		Loaded: r.Loaded[:min(len(r.Loaded), LoadedDigits)], Times: r.Times,
	})
	if holdsOther && other != r.Member && m.members[other].state == StateWaiting {
		m.rollBack(now, other, fmt.Sprintf("worker %s holds the weights of member %d now", worker, r.Member))
	}
	m.recovered(now, r.Lease)
	if !holds(LawReplay) {
		mem.readyAt = mem.spent // no event says so
	}
	return nil
}

func (m *Machine) pause(now int64, reason string) {
	if m.phase == PhaseRunning || m.phase == PhaseEnding {
		m.emit(now, &Paused{Reason: writable(reason)})
	}
}

func (m *Machine) close(now int64, reason string) {
	for _, i := range m.leased.sorted(&m.batch) {
		m.failed(now, i, FailLost, reason)
	}
	if m.canary.id != 0 {
		m.probed(now, FailLost, reason)
	}
	m.emit(now, &Closed{Reason: reason})
}
