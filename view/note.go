package view

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/scan"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// note keeps what the machine forgets.
func (r *Run) note(e *read) error {
	switch b := e.body.(type) {
	case *machine.Opened:
		r.host, r.version, r.hardware = b.Host, b.Version, b.Machine
		r.endSpans(e.row.At)
	case *machine.SpecChanged:
		return r.setExperiment(b.Experiment)
	case *machine.Decided:
		r.noteDecided(e.row, b)
	case *machine.Leased:
		r.noteLeased(e.row.At, b)
	case *machine.Finished:
		r.noteFinished(e, b)
	case *machine.Failed:
		s := r.table.at(b.Segment)
		s.state = waiting
		if b.Final {
			s.state = failed
		}
		r.failures[b.Segment] = append(r.failures[b.Segment], e.row.Seq)
		r.endSpan(s, e.row.At, spanFailed)
	case *machine.RolledBack:
		r.dropPlan(b.Member)
		r.members[b.Member].weights = b.Segment
	case *machine.Steered:
		r.dropPlan(b.Member)
	case *machine.MemberAdded:
		r.members = append(r.members, member{})
	case *machine.MemberDone:
		if b.Reason == machine.ReasonRetired {
			r.dropPlan(b.Member)
		}
	}
	return nil
}

// dropPlan notes that the segment a member was to train next never will be. The member
// goes on with the weights that it was to start from, unless they are lost.
func (r *Run) dropPlan(i int) {
	mem := &r.members[i]
	if mem.newest == 0 {
		return
	}
	if s := r.table.at(mem.newest); s.state == waiting {
		s.state = dropped
		mem.weights = s.parent
	}
}

func (r *Run) noteDecided(row journal.Row, e *machine.Decided) {
	s := segment{
		member: int32(e.Member), parent: e.Parent, from: e.From, steps: e.Steps, hypers: e.Hypers, score: math.NaN(),
		action: codeOfAction(e.Decision.Action), slot: -1, decidedAt: row.At, decidedSeq: row.Seq,
	}
	if e.Decision.Rival != nil && e.Decision.Copies() {
		s.donor = e.Decision.Rival.Segment
	}
	mem := &r.members[e.Member]
	for _, known := range []int64{e.Parent, mem.newest} { // most segments go on under the same hyperparameters
		if known != 0 && r.table.at(known).hypers.Equal(s.hypers) {
			s.hypers = r.table.at(known).hypers
			break
		}
	}
	s.stretch = r.stretchFor(e)
	st := &r.stretches[s.stretch]
	s.place = int32(len(st.segments))
	if s.place > 0 && !s.hypers.Equal(r.table.at(st.last()).hypers) {
		st.varied = true
	}
	st.segments = append(st.segments, e.Segment)
	r.table.add(s)
	mem.newest = e.Segment
	if s.donor != 0 && r.table.at(s.donor).member != s.member {
		r.copied = append(r.copied, e.Segment)
	}
}

// stretchFor is the stretch that a segment belongs to: its parent's, if the same
// member goes on where that ends, or a new one.
func (r *Run) stretchFor(e *machine.Decided) int32 {
	at := int32(-1)
	if e.Parent != 0 {
		at = r.table.at(e.Parent).stretch
		if p := &r.stretches[at]; p.member == int32(e.Member) && p.last() == e.Parent && e.Decision.Action == pbt.Continue {
			return at
		}
	}
	n := stretch{member: int32(e.Member), root: int32(e.Member), parent: at, branch: e.Parent, action: codeOfAction(e.Decision.Action)}
	if at >= 0 {
		n.root = r.stretches[at].root
	}
	r.stretches = append(r.stretches, n)
	mem := &r.members[e.Member]
	mem.stretches = append(mem.stretches, int32(len(r.stretches)-1))
	return int32(len(r.stretches) - 1)
}

func (r *Run) noteLeased(at int64, e *machine.Leased) {
	k, ok := r.slotOf[e.Worker]
	if !ok {
		k = len(r.slots)
		r.slotOf[e.Worker] = k
		r.slots = append(r.slots, slot{name: e.Worker})
	}
	s := r.table.at(e.Segment)
	s.state, s.leased, s.slot = running, at, int32(k)
	s.tries++
	sl := &r.slots[k]
	n := span{t0: at, segment: e.Segment}
	if len(sl.spans) > 0 {
		last := &sl.spans[len(sl.spans)-1]
		n.busy = last.busy + max(0, last.t1-last.t0)
	}
	sl.spans = append(sl.spans, n)
}

func (r *Run) noteFinished(e *read, b *machine.Finished) {
	s := r.table.at(b.Segment)
	s.state, s.score, s.finished, s.finishedSeq = finished, float64(b.Score), e.row.At, e.row.Seq
	if s.saved = b.Checkpoint.ID != ""; s.saved {
		s.kept, s.bytes = true, b.Checkpoint.Bytes
		r.kept++
	}
	if s.leased != 0 { // else a branch begins with it: a segment of no steps
		s.steps = b.Step - s.from // trained, whatever was asked
	}
	r.trained += s.steps
	s.total = r.trained
	r.endSpan(s, e.row.At, spanFinished)
	mem := &r.members[b.Member]
	mem.weights = b.Segment
	mem.done = append(mem.done, b.Segment)
	r.stretches[s.stretch].scored = b.Segment
	for part, ns := range e.times {
		r.sums[part] += seconds(ns)
	}
	if s.leased != 0 { // else a branch begins with it: nobody has trained it
		r.recent = append(r.recent, outcome{e.row.At, s.steps, e.row.At - s.leased})
	}
	if len(r.recent) > 2*maxRecent {
		r.recent = append(r.recent[:0], r.recent[maxRecent:]...)
	}
	if s.scored() {
		r.bands[0].add(s.end(), s.score)
		r.bands[1].add(millis(s.finished), s.score)
		r.bands[2].add(s.total, s.score)
		if s.saved { // what has no weights is nobody's best model
			r.rankBest(e.row.Seq, b)
		}
	}
}

// rankBest keeps the best outcomes, an earlier one before an equal later one.
func (r *Run) rankBest(seq int64, b *machine.Finished) {
	goal := r.m.Spec().Goal
	at := len(r.best)
	for at > 0 && goal.Better(b.Score, pbt.Score(r.table.at(r.best[at-1]).score)) {
		at--
	}
	if at >= MaxBest {
		return
	}
	if at == 0 {
		r.bests = append(r.bests, seq)
	}
	r.best = slices.Insert(r.best, at, b.Segment)
	r.best = r.best[:min(len(r.best), MaxBest)]
}

// noteGone notes that nobody needs a checkpoint any more.
func (r *Run) noteGone(name string) {
	digits, _, _ := strings.Cut(strings.TrimPrefix(name, "s"), "-")
	id, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !r.table.has(id) {
		return
	}
	if s := r.table.at(id); s.kept {
		s.kept = false
		r.kept--
	}
}

// endSpan ends what a segment's slot is at.
func (r *Run) endSpan(s *segment, at int64, ok spanCode) {
	if s.slot < 0 {
		return
	}
	spans := r.slots[s.slot].spans
	for k := len(spans) - 1; k >= max(0, len(spans)-maxOverlap); k-- {
		if last := &spans[k]; last.ok == spanRuns && r.table.at(last.segment) == s {
			last.t1, last.ok = at, ok
			r.busy += seconds(at - last.t0)
			if ok == spanFailed {
				r.slots[s.slot].failed = append(r.slots[s.slot].failed, k)
			}
			return
		}
	}
}

// endSpans ends what a former process was at.
func (r *Run) endSpans(at int64) {
	for i := range r.members {
		if newest := r.members[i].newest; newest != 0 {
			if s := r.table.at(newest); s.state == running {
				s.state = waiting
				r.endSpan(s, at, spanFailed)
			}
		}
	}
}

var timeKeys = [partCount]string{"start_ns", "load_ns", "train_ns", "eval_ns", "save_ns", "publish_ns"}

// scanTimes reads where a segment's time went, in nanoseconds.
func scanTimes(body []byte) (times [partCount]int64) {
	in := scan.New(body)
	in.Object(func(key []byte) {
		if string(key) != "times" {
			in.Skip()
			return
		}
		in.Object(func(key []byte) {
			for part, name := range timeKeys {
				if string(key) == name {
					times[part] = in.Int()
					return
				}
			}
			in.Skip()
		})
	})
	return times
}
