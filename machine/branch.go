package machine

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
)

// A branch is a run that begins with a segment of another. That segment becomes its
// first one, of no steps, which nobody trains: member 0 goes on from it as it is, and
// the others copy it and explore. See docs/adr/0013.

// ImportName is what the checkpoint is called that a branch begins with: segment 1's,
// by a lease that nobody ever has.
const ImportName = "s000000001-0"

// importSegment is its segment's number.
const importSegment = 1

// Origin says where a branch's first weights come from. It is what somebody needs who
// looks for them; the branch itself needs nothing of the other run.
type Origin struct {
	Dir     string `json:"dir"`          // of the other run, absolute, when it was branched
	Run     string `json:"run"`          // its name
	Began   int64  `json:"began"`        // when that run began, Unix nanoseconds
	Segment int64  `json:"segment"`      // there
	Member  int    `json:"member"`       // who trained it there
	Digest  string `json:"digest"`       // of its checkpoint there: SHA-256 of the manifest, hex
	Stages  Stages `json:"schedule"`     // how its weights came to be, from fresh ones
	By      string `json:"by,omitempty"` // who branched it
}

// Stages are a schedule, oldest first.
type Stages = []pbt.Stage

// String is the origin in words: segment 212 of digits, member 4.
func (o *Origin) String() string {
	return fmt.Sprintf("segment %d of %s, member %d", o.Segment, o.Run, o.Member)
}

// Branch is what a branch begins with.
type Branch struct {
	Origin     Origin
	Record     pbt.Record // as it stood there; its hyperparameters are of this run's space
	Metrics    Metrics
	Checkpoint Checkpoint // in this run's store, called ImportName
}

// Validate tells whether a run can begin with this record.
func (b *Branch) Validate(spec *Spec) error {
	r := &b.Record
	switch {
	case b.Origin.Segment < 1 || r.Step < 0:
		return fmt.Errorf("a branch from segment %d at step %d", b.Origin.Segment, r.Step)
	case !r.Score.Finite():
		return fmt.Errorf("the score of %s is %s: nobody would copy that", &b.Origin, r.Score)
	case spec.Budget.Reached(spec.Goal, r.Score):
		return fmt.Errorf("the score of %s is %s, which reaches the target score %s already: choose another (--set budget.target=…)", &b.Origin, r.Score, *spec.Budget.Target)
	}
	if err := spec.Space.Check(r.Hypers); err != nil {
		return fmt.Errorf("%s was trained with hyperparameters that this run does not allow: %w", &b.Origin, err)
	}
	begins := *r
	begins.Segment, begins.Saved = importSegment, true
	for i := range spec.Initial {
		if w := beginWith(begins, i, spec.Initial); w != nil {
			if err := w.Check(spec.Space, r.Hypers); err != nil {
				return fmt.Errorf("initial point %d: %w", i+1, err)
			}
		}
	}
	return nil
}

func (m *Machine) branch(now int64, started *RunStarted, b *Branch) error {
	if b.Checkpoint.ID != ImportName {
		return fmt.Errorf("a branch's checkpoint is called %s, not %q", ImportName, b.Checkpoint.ID)
	}
	if err := b.Validate(&m.spec); err != nil {
		return err
	}
	o, r := b.Origin, &b.Record
	o.Run, o.Dir, o.By = writable(o.Run), writable(o.Dir), writable(o.By)
	started.Origin = &o
	m.emit(now, started)
	d := OriginDecision(&o, r.Score, r.Hypers)
	m.emit(now, &Decided{Segment: importSegment, From: r.Step, Hypers: r.Hypers, Decision: d})
	m.emit(now, &Finished{
		Segment: importSegment, Score: r.Score, Samples: r.Samples, Metrics: b.Metrics, Step: r.Step, Checkpoint: b.Checkpoint,
	})
	return nil
}

// OriginDecision is the first decision of a branch.
func OriginDecision(o *Origin, score pbt.Score, h pbt.Hypers) pbt.Decision {
	return pbt.Decision{Action: pbt.Begin, Why: pbt.WhyBranch, Score: score, Origin: o.String(), Hypers: h}
}

// Origin is where a branch's first weights come from; nil for fresh ones.
func (m *Machine) Origin() *Origin { return m.origin }

// imports tells whether an outcome is the one that a branch begins with.
func (m *Machine) imports(b *Finished) bool {
	return m.origin != nil && b.Segment == importSegment && b.Lease == 0
}

func (m *Machine) applyBranch(b *Decided) error {
	switch {
	case m.origin == nil:
		return errors.New("a run begins with a segment of another, and does not say of which")
	case b.Segment != importSegment || m.segments != 0:
		return fmt.Errorf("segment %d is taken from another run: only the first one can be", b.Segment)
	case b.Member != 0 || b.Turn != 0 || b.Parent != 0 || b.Steps != 0 || b.From < 0:
		return errors.New("the segment that is taken from another run is not as it must be")
	}
	m.segments = b.Segment
	m.members[0].plan = plan{segment: b.Segment, from: b.From, hypers: b.Hypers}
	return nil
}

// applyImported lets everybody begin with what the run was branched from.
func (m *Machine) applyImported(at int64, b *Finished) error {
	first := &m.members[0]
	if b.Member != 0 || m.segments != importSegment || first.plan.segment != importSegment || first.record != 0 || b.Step != first.plan.from || b.Checkpoint.ID != ImportName {
		return errors.New("the outcome that is taken from another run is not as it must be")
	}
	m.keep.add(b.Segment, 0, b.Checkpoint)
	m.keep.need(b.Segment)
	r := m.recordOf(b, first)
	m.pop.Set(0, r)
	first.record, first.step = b.Segment, b.Step
	m.rankBest(Outcome{b.Segment, 0, b.Score, b.Step, first.plan.hypers, b.Checkpoint})
	for i := range m.members {
		m.members[i].wish = beginWith(r, i, m.spec.Initial)
		if i > 0 {
			m.keep.need(b.Segment)
		}
		m.startDeciding(at, i)
	}
	return nil
}

// beginWith is how a member of a branch begins: the first one goes on from the record,
// the others copy it and explore. Values that were given for a member come before both.
// It is nil where the policy may decide.
func beginWith(r pbt.Record, i int, initial []pbt.Hypers) *pbt.Wish {
	var given pbt.Hypers
	if i < len(initial) {
		given = initial[i]
	}
	switch {
	case i > 0:
		return &pbt.Wish{Branch: true, Donor: &r, Given: given}
	case given.Len() > 0:
		return &pbt.Wish{Branch: true, Set: given}
	}
	return nil
}

// Schedule is the hyperparameters behind weights of this run, given those along their
// ancestry in it: of a branch, what the other run did comes before.
func (e *RunStarted) Schedule(stages []pbt.Stage) []pbt.Stage {
	if e.Origin == nil || len(stages) == 0 || stages[0].Segment != importSegment {
		return stages
	}
	out := make([]pbt.Stage, 0, len(e.Origin.Stages)+len(stages)-1)
	return append(append(out, e.Origin.Stages...), stages[1:]...) // the first is of no steps
}
