// Package verify checks a run against itself: that its journal is whole, that
// each decision follows from the events before it, and that the checkpoints are
// what the journal says.
package verify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

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
	Loads       Loads       `json:"loads"`
	Checkpoints Checkpoints `json:"checkpoints"`
	First       string      `json:"first,omitempty"` // the first difference, in words
}

// Loads counts the outcomes that name the checkpoint they were trained from, as it was on
// disk when it was handed out. It may have been deleted since.
type Loads struct {
	Checked int64 `json:"checked"`
	Altered int64 `json:"altered"` // of these, another one than the journal recorded
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
	if strange, err := j.Foreign(); err != nil || len(strange) > 0 {
		v.report.differ("%v: it holds %s, which pbt did not make (%v)", journal.ErrAltered, strings.Join(strange, ", "), err)
	}
	_ = j.Read(0, v.note) // what cannot be read shows below
	err := eachEvent(j, specOf, v.event)
	if err != nil && !errors.Is(err, errStop) {
		v.report.differ("the journal cannot be read further: %v", err)
	}
	if v.machine == nil && v.report.OK {
		return nil, errors.New("the journal holds no event")
	}
	v.checkpoints(store)
	return v.report, nil
}

type verifier struct {
	report  *Report
	specOf  machine.SpecFunc
	machine *machine.Machine
	turns   []int64                        // by member: how many segments were planned for it
	text    []byte                         // scratch
	parents []int64                        // by member: the segment whose weights its plan starts from
	donors  map[int64]*machine.DonorRecord // by segment that somebody wished to copy: its outcome, once it is read
}

func (v *verifier) event(it item) error {
	v.report.Events++
	if it.altered != nil {
		v.report.differ("%v", it.altered)
	}
	r, body, err := it.row, it.body, it.err
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
			v.decided(r, d)
		}
		v.trusted(r.Seq, body)
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
func (v *verifier) decided(r journal.Row, e *machine.Decided) {
	v.report.Decisions++
	if e.Member < 0 || e.Member >= v.machine.Members() {
		return // Apply says so
	}
	for len(v.turns) < v.machine.Members() {
		v.turns, v.parents = append(v.turns, 0), append(v.parents, 0)
	}
	v.parents[e.Member] = e.Parent
	again, err := v.again(e)
	why := ""
	if err != nil {
		why = err.Error()
	} else if what := v.compare(r, e, &again); what != "" {
		why = what
	} else {
		why = v.planned(e)
	}
	v.turns[e.Member]++
	if why != "" {
		v.report.Mismatches++
		v.report.differ("event %d decides on segment %d of member %d otherwise than its rules do: recorded %s", r.Seq, e.Segment, e.Member, why)
	}
}

// compare says how a recorded decision differs from the one decided again; "" if it does not.
// Most are written exactly as this pbt writes them. Others, such as those of an earlier
// version, are read and compared field by field.
func (v *verifier) compare(r journal.Row, e *machine.Decided, again *pbt.Decision) string {
	mine := *e
	mine.Parent, mine.Hypers, mine.Decision = again.Parent, again.Hypers, *again
	var err error
	if v.text, err = machine.Encode(v.text[:0], &mine); err == nil && bytes.Equal(v.text, r.Body) {
		return ""
	}
	whole, err := machine.Decode(machine.KindDecided, r.Body)
	if err != nil {
		return fmt.Sprintf("what cannot be read: %v", err)
	}
	_, what := again.Same(&whole.(*machine.Decided).Decision)
	return what
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
		return spec.Policy.Start(spec.Space, spec.Seed, e.Member, given)
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
	most := v.machine.Stretch(e.Member, &e.Decision, from, spec.Budget.Grant(spec.Segment, m.Spent, v.machine.Spent(), 0))
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
	if _, wished := v.donors[f.Segment]; wished {
		r, _ := v.machine.Record(f.Member)
		v.donors[f.Segment] = &machine.DonorRecord{
			Member: f.Member, Segment: r.Segment, Score: r.Score, Samples: r.Samples, Step: r.Step, Hypers: r.Hypers,
		}
	}
}

// trusted keeps account of what was handed out, and of what a session accepted as altered.
func (v *verifier) trusted(seq int64, body machine.Body) {
	switch e := body.(type) {
	case *machine.Opened:
		for _, a := range e.Accepted {
			v.report.differ("event %d: the run was resumed though it was altered: %s", seq, a.What)
		}
	case *machine.Finished:
		if e.Loaded == "" || e.Member < 0 || e.Member >= len(v.parents) {
			return
		}
		v.report.Loads.Checked++
		parent := v.parents[e.Member]
		want, kept := v.machine.Checkpoint(parent)
		if !kept || want.Digest != "" && !strings.HasPrefix(want.Digest, e.Loaded) {
			v.report.Loads.Altered++
			v.report.differ("event %d: segment %d was trained from another checkpoint than the one that segment %d recorded (digest %s…, not %.*s…)",
				seq, e.Segment, parent, e.Loaded, machine.LoadedDigits, want.Digest)
		}
	}
}

// checkpoints checks those that the state still needs: they must be there, whole,
// and the ones that the journal recorded.
func (v *verifier) checkpoints(store *checkpoint.Store) {
	if v.machine == nil {
		return
	}
	for segment := int64(1); segment <= v.machine.Segments(); segment++ {
		want, kept := v.machine.Checkpoint(segment)
		if !kept || want.ID == "" {
			continue
		}
		v.report.Checkpoints.Checked++
		found, err := store.ExamineExpected(want.ID, want.Digest)
		switch {
		case err == nil && !found.Hashed:
			v.report.Checkpoints.Unhashed++
		case err == nil:
		case errors.Is(err, checkpoint.ErrMissing):
			v.report.Checkpoints.Missing++
			v.report.differ("checkpoint %s of segment %d is missing", want.ID, segment)
		default:
			v.report.Checkpoints.Corrupt++
			v.report.differ("checkpoint %s of segment %d: %v", want.ID, segment, err)
		}
	}
}
