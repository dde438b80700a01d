package history

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Lineage is the tree of a run's segments in little memory: what a drawing of it needs. A
// million segments take less than 100 MB.
type Lineage struct {
	Started machine.RunStarted
	Goal    pbt.Goal
	Best    int64 // segment of the best finished outcome, 0 for none

	chunks [][]twig // by segment; a tree that grows copies nothing
	n      int64    // segments
	newest []int64  // by member: its newest segment
	decode *machine.Machine
}

// chunkTwigs is how many segments are kept together.
const chunkTwigs = 4096

// at is a segment that exists.
func (l *Lineage) at(id int64) *twig { return &l.chunks[(id-1)/chunkTwigs][(id-1)%chunkTwigs] }

func (l *Lineage) append(t twig) {
	if l.n%chunkTwigs == 0 {
		l.chunks = append(l.chunks, make([]twig, 0, chunkTwigs))
	}
	last := &l.chunks[len(l.chunks)-1]
	*last = append(*last, t)
	l.n++
}

// twig is a segment.
type twig struct {
	parent, step int64
	score        float64
	finishedSeq  int64 // position of its outcome; 0: none
	steps        int64
	member       int32
	failures     int32
	copied       bool
	state        pbt.NodeState
}

// ReadLineage reads a journal once.
func ReadLineage(j *journal.Journal, specOf machine.SpecFunc) (*Lineage, error) {
	l := &Lineage{}
	err := j.Read(0, func(r journal.Row) error {
		if err := l.add(r, specOf); err != nil {
			return fmt.Errorf("event %d: %w", r.Seq, err)
		}
		return nil
	})
	if err == nil && l.decode == nil {
		err = errors.New("the journal holds no event yet")
	}
	return l, err
}

func (l *Lineage) add(r journal.Row, specOf machine.SpecFunc) error {
	if l.decode == nil {
		return l.begin(r, specOf)
	}
	body, err := l.decode.DecodeForReplay(machine.Kind(r.Kind), r.Body)
	if err != nil {
		return err
	}
	switch e := body.(type) {
	case *machine.Decided:
		return l.decided(e)
	case *machine.Leased:
		return l.set(e.Segment, pbt.NodeRunning)
	case *machine.Finished:
		return l.finished(r.Seq, e)
	case *machine.Failed:
		return l.failed(e)
	case *machine.RolledBack:
		l.replan(e.Member)
	case *machine.Steered:
		l.replan(e.Member)
	case *machine.MemberDone:
		if e.Reason == machine.ReasonRetired {
			l.replan(e.Member)
		}
	case *machine.Opened:
		for _, id := range l.newest { // only a member's newest segment can be at work
			if id != 0 && l.at(id).state == pbt.NodeRunning {
				l.at(id).state = pbt.NodeWaiting
			}
		}
	}
	return nil
}

func (l *Lineage) begin(r journal.Row, specOf machine.SpecFunc) error {
	body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
	if err != nil {
		return err
	}
	started, ok := body.(*machine.RunStarted)
	if !ok {
		return fmt.Errorf("a journal begins with run_started, not %s", r.Kind)
	}
	spec, err := specOf(started.Experiment)
	if err != nil {
		return err
	}
	l.Started, l.Goal = *started, spec.Goal
	l.decode, err = machine.New(spec, specOf)
	return err
}

func (l *Lineage) decided(e *machine.Decided) error {
	if e.Segment != l.n+1 || e.Parent < 0 || e.Parent >= e.Segment || e.Member < 0 {
		return fmt.Errorf("segment %d, of parent %d, follows segment %d", e.Segment, e.Parent, l.n)
	}
	l.append(twig{
		parent: e.Parent, step: e.From + e.Steps, steps: e.Steps, member: int32(e.Member), copied: e.Decision.Copies(), state: pbt.NodeWaiting,
	})
	for e.Member >= len(l.newest) {
		l.newest = append(l.newest, 0)
	}
	l.newest[e.Member] = e.Segment
	return nil
}

func (l *Lineage) twig(segment int64) (*twig, error) {
	if segment < 1 || segment > l.n {
		return nil, fmt.Errorf("there is no segment %d", segment)
	}
	return l.at(segment), nil
}

func (l *Lineage) set(segment int64, s pbt.NodeState) error {
	t, err := l.twig(segment)
	if err == nil {
		t.state = s
	}
	return err
}

func (l *Lineage) finished(seq int64, e *machine.Finished) error {
	t, err := l.twig(e.Segment)
	if err != nil {
		return err
	}
	t.state, t.score, t.finishedSeq = pbt.NodeFinished, float64(e.Score), seq
	if e.Score.Finite() && e.Checkpoint.ID != "" && (l.Best == 0 || l.Goal.Better(e.Score, pbt.Score(l.at(l.Best).score))) {
		l.Best = e.Segment
	}
	return nil
}

func (l *Lineage) failed(e *machine.Failed) error {
	t, err := l.twig(e.Segment)
	if err != nil {
		return err
	}
	t.state = pbt.NodeWaiting
	if e.Final {
		t.state = pbt.NodeFailed
	}
	t.failures = max(t.failures, int32(e.Attempt))
	return nil
}

// replan drops the segment that a member was to train next, if there is one.
func (l *Lineage) replan(member int) {
	if member < 0 || member >= len(l.newest) || l.newest[member] == 0 {
		return
	}
	if t := l.at(l.newest[member]); t.state == pbt.NodeWaiting {
		t.state = pbt.NodeDropped
	}
}

// Len is how many segments there are.
func (l *Lineage) Len() int64 { return l.n }

// Parent is the segment whose weights a segment that exists started from, 0 for fresh ones.
func (l *Lineage) Parent(id int64) int64 { return l.at(id).parent }

// Node is a segment that exists, without its hyperparameters, metrics and explanation.
func (l *Lineage) Node(id int64) pbt.Node {
	t := l.at(id)
	n := pbt.Node{
		ID: id, Member: int(t.member), Parent: t.parent, Copied: t.copied, From: t.step - t.steps, Step: t.step, State: t.state, Failures: int(t.failures),
	}
	if t.finishedSeq != 0 {
		score := pbt.Score(t.score)
		n.Score = &score
	}
	return n
}

// WriteJSON writes the tree with all that is known of each segment, as one line of JSON. It
// reads the journal again and holds only the segments between a decision and its outcome.
func (l *Lineage) WriteJSON(w io.Writer, j *journal.Journal) error {
	out := &nodeWriter{lineage: l, w: w}
	out.enc = json.NewEncoder(&out.text)
	out.enc.SetEscapeHTML(false)
	if _, err := fmt.Fprintf(w, `{"best":%d,"segments":[`, l.Best); err != nil {
		return err
	}
	if err := j.Read(0, out.add); err != nil {
		return err
	}
	_, err := io.WriteString(w, "]}\n")
	return err
}

// nodeWriter writes segments in order: one that has an outcome once that is read.
type nodeWriter struct {
	lineage *Lineage
	w       io.Writer
	text    bytes.Buffer
	enc     *json.Encoder
	pending []*pbt.Node // in order; the first one has no outcome yet
	written int64
}

func (o *nodeWriter) add(r journal.Row) error {
	kind := machine.Kind(r.Kind)
	if kind != machine.KindDecided && kind != machine.KindFinished {
		return nil
	}
	body, err := machine.Decode(kind, r.Body)
	if err != nil {
		return fmt.Errorf("event %d: %w", r.Seq, err)
	}
	switch e := body.(type) {
	case *machine.Decided:
		if e.Segment > o.lineage.Len() { // the run has gone on meanwhile
			return nil
		}
		n := o.lineage.Node(e.Segment)
		n.Turn, n.Hypers, n.Say = e.Turn, e.Hypers, e.Decision.Say()
		o.pending = append(o.pending, &n)
	case *machine.Finished:
		if at := e.Segment - o.written - 1; at >= 0 && at < int64(len(o.pending)) && o.lineage.at(e.Segment).finishedSeq == r.Seq {
			n := o.pending[at]
			n.Metrics, n.Checkpoint = e.Metrics, e.Checkpoint.ID
			o.lineage.at(e.Segment).finishedSeq = 0 // it waits for nothing more
		}
	}
	return o.flush()
}

func (o *nodeWriter) flush() error {
	for len(o.pending) > 0 && o.lineage.at(o.written+1).finishedSeq == 0 {
		if o.written > 0 {
			if _, err := io.WriteString(o.w, ","); err != nil {
				return err
			}
		}
		o.text.Reset()
		if err := o.enc.Encode(o.pending[0]); err != nil {
			return err
		}
		if _, err := o.w.Write(safe.JSON(bytes.TrimSuffix(o.text.Bytes(), []byte("\n")))); err != nil {
			return err
		}
		o.pending = o.pending[1:]
		o.written++
	}
	return nil
}
