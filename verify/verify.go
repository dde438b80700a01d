// Package verify checks a run against itself: that its journal is whole, that
// each decision follows from the events before it, and that the checkpoints are
// what the journal says.
package verify

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Report is what was found.
type Report struct {
	OK          bool        `json:"ok"`
	Events      int64       `json:"events"`
	Decisions   int64       `json:"decisions"`  // decided again
	Mismatches  int64       `json:"mismatches"` // of these, decided otherwise
	Checkpoints Checkpoints `json:"checkpoints"`
	First       string      `json:"first,omitempty"` // the first difference, in words
}

// Checkpoints counts those that must be there.
type Checkpoints struct {
	Checked  int64 `json:"checked"`
	Unhashed int64 `json:"unhashed"` // of these, not hashed yet: names, sizes and times agree
	Missing  int64 `json:"missing"`
	Corrupt  int64 `json:"corrupt"`
}

func (r *Report) differ(format string, args ...any) {
	r.OK = false
	if r.First == "" {
		r.First = fmt.Sprintf(format, args...)
	}
}

// errStop ends reading after a difference that leaves nothing to compare with.
var errStop = errors.New("stop")

// Run verifies a run. The error is for what could not be read at all; whatever
// can be read and does not agree is in the report.
func Run(j *journal.Journal, store *checkpoint.Store, specOf machine.SpecFunc) (*Report, error) {
	v := &verifier{report: &Report{OK: true}, specOf: specOf, donors: map[int64]*machine.DonorRecord{}}
	if err := j.Verify(); err != nil {
		v.report.differ("the journal was altered: %v", err)
	}
	_ = j.Read(0, v.note) // what cannot be read shows below
	if err := j.Read(0, v.event); err != nil && !errors.Is(err, errStop) {
		v.report.differ("the journal cannot be read further: %v", err)
	}
	if v.machine == nil && v.report.OK {
		return nil, errors.New("the journal holds no event")
	}
	v.checkpoints(store)
	return v.report, nil
}

type verifier struct {
	report   *Report
	specOf   machine.SpecFunc
	machine  *machine.Machine
	turns    []int64                        // by member: how many segments were planned for it
	outcomes []machine.Checkpoint           // by segment
	donors   map[int64]*machine.DonorRecord // by segment that somebody wished to copy: its outcome, once it is read
}

func (v *verifier) event(r journal.Row) error {
	v.report.Events++
	body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
	if err == nil && v.machine == nil {
		err = v.begin(body)
	}
	if err == nil {
		if segment, member := body.Subject(); segment != r.Segment || int64(member) != r.Member {
			err = fmt.Errorf("its columns say segment %d and member %d, its body %d and %d", r.Segment, r.Member, segment, member)
		}
	}
	if err == nil {
		if d, ok := body.(*machine.Decided); ok {
			v.decided(r.Seq, d)
		}
		if err = v.orderly(body); err == nil {
			err = v.machine.Apply(machine.Event{At: r.At, Body: body})
		}
		if f, ok := body.(*machine.Finished); ok && err == nil {
			v.finished(f)
		}
	}
	if err != nil {
		v.report.differ("event %d (%s): %v", r.Seq, r.Kind, err)
		return errStop
	}
	return nil
}

func (v *verifier) begin(body machine.Body) error {
	started, ok := body.(*machine.RunStarted)
	if !ok {
		return errors.New("a journal begins with run_started")
	}
	spec, err := v.specOf(started.Experiment)
	if err != nil {
		return fmt.Errorf("its experiment: %w", err)
	}
	v.machine, err = machine.New(spec, v.specOf)
	return err
}

// decided decides again, from the state that the events before have left.
func (v *verifier) decided(seq int64, e *machine.Decided) {
	v.report.Decisions++
	if e.Member < 0 || e.Member >= v.machine.Members() {
		return // Apply says so
	}
	for len(v.turns) < v.machine.Members() {
		v.turns = append(v.turns, 0)
	}
	again, err := v.again(e)
	why := ""
	if err != nil {
		why = err.Error()
	} else if _, what := again.Same(&e.Decision); what != "" {
		why = what
	} else {
		why = v.planned(e)
	}
	v.turns[e.Member]++
	if why != "" {
		v.report.Mismatches++
		v.report.differ("event %d decides on segment %d of member %d otherwise than its rules do: recorded %s", seq, e.Segment, e.Member, why)
	}
}

func (v *verifier) again(e *machine.Decided) (pbt.Decision, error) {
	spec := v.machine.Spec()
	if e.Decision.Action == pbt.Begin && e.Decision.Why == pbt.WhyBranch {
		return v.origin(e)
	}
	if e.Decision.Action == pbt.Begin {
		var given pbt.Hypers
		if e.Member < len(spec.Initial) {
			given = spec.Initial[e.Member]
		}
		return pbt.Start(spec.Space, spec.Seed, e.Member, given)
	}
	d, ok := v.machine.Decision(e.Member)
	if !ok {
		return d, errors.New("that a member goes on which cannot")
	}
	return d, nil
}

// origin is the decision that a branch begins with: it takes the record that its
// first event names, which `pbt verify` cannot ask the other run for.
func (v *verifier) origin(e *machine.Decided) (pbt.Decision, error) {
	o := v.machine.Origin()
	if o == nil {
		return pbt.Decision{}, errors.New("that the run begins with a segment of another, which it does not name")
	}
	if n := len(o.Stages); n > 0 && o.Stages[n-1].To != e.From {
		return pbt.Decision{}, fmt.Errorf("a start at step %d, and the schedule before it ends at step %d", e.From, o.Stages[n-1].To)
	}
	return machine.OriginDecision(o, e.Decision.Score, e.Hypers), v.machine.Spec().Space.Check(e.Hypers)
}

// planned checks what the event adds to the decision: which stretch is to be trained.
func (v *verifier) planned(e *machine.Decided) string {
	if e.Decision.Action == pbt.Begin && e.Decision.Why == pbt.WhyBranch {
		return "" // Apply has an eye on it
	}
	spec, m := v.machine.Spec(), v.machine.Member(e.Member)
	from := int64(0)
	switch {
	case e.Decision.TakesWeights():
		from = e.Decision.Rival.Step
	case e.Parent != 0:
		from = m.Step
	}
	// Of a budget for all together, others' segments have their share, too.
	most := spec.Budget.Grant(spec.Segment, m.Spent, v.machine.Spent(), 0)
	switch {
	case e.Turn != v.turns[e.Member]:
		return fmt.Sprintf("turn %d, not %d", e.Turn, v.turns[e.Member])
	case e.From != from:
		return fmt.Sprintf("a start at step %d, not %d", e.From, from)
	case e.Steps < 1 || e.Steps > most || e.Steps < most && spec.Budget.Total == 0:
		return fmt.Sprintf("%d steps, not %d", e.Steps, most)
	}
	return ""
}

func (v *verifier) finished(f *machine.Finished) {
	for int64(len(v.outcomes)) < f.Segment {
		v.outcomes = append(v.outcomes, machine.Checkpoint{})
	}
	if f.Segment >= 1 {
		v.outcomes[f.Segment-1] = f.Checkpoint
	}
	if _, wished := v.donors[f.Segment]; wished {
		r, _ := v.machine.Record(f.Member)
		v.donors[f.Segment] = &machine.DonorRecord{
			Member: f.Member, Segment: r.Segment, Score: r.Score, Samples: r.Samples, Step: r.Step, Hypers: r.Hypers,
		}
	}
}

// checkpoints checks those that the state still needs: they must be there, whole,
// and the ones that the journal recorded.
func (v *verifier) checkpoints(store *checkpoint.Store) {
	if v.machine == nil {
		return
	}
	for i, want := range v.outcomes {
		name, kept := v.machine.NeedsCheckpoint(int64(i) + 1)
		if !kept || name == "" {
			continue
		}
		v.report.Checkpoints.Checked++
		found, err := store.Examine(name)
		if err == nil && want.Digest != "" && found.Digest != want.Digest {
			err = fmt.Errorf("its manifest is another one than the journal recorded (digest %s, not %s)", found.Digest, want.Digest)
		}
		switch {
		case err == nil && !found.Hashed:
			v.report.Checkpoints.Unhashed++
		case err == nil:
		case errors.Is(err, checkpoint.ErrMissing):
			v.report.Checkpoints.Missing++
			v.report.differ("checkpoint %s of segment %d is missing", name, i+1)
		default:
			v.report.Checkpoints.Corrupt++
			v.report.differ("checkpoint %s of segment %d: %v", name, i+1, err)
		}
	}
}
