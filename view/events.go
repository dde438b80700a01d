package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Level says how much an event matters to somebody who looks on.
type Level string

// The levels.
const (
	LevelQuiet    Level = "quiet"    // every segment has some
	LevelInfo     Level = "info"     // the run as a whole
	LevelDecision Level = "decision" // a copy, a repair
	LevelGood     Level = "good"     // a new best
	LevelWarn     Level = "warn"     // an attempt failed, and is tried again
	LevelError    Level = "error"    // somebody should look
)

// Event is a journal event for people.
type Event struct {
	Seq     int64          `json:"seq"`
	At      int64          `json:"at"` // Unix milliseconds
	Kind    machine.Kind   `json:"kind"`
	Segment *int64         `json:"segment"`
	Member  *int64         `json:"member"`
	Level   Level          `json:"level"`
	Say     string         `json:"say"`
	Data    map[string]any `json:"data"`
}

// Event says in words what a journal row says, which the run must know already.
func (r *Run) Event(row journal.Row) (Event, error) {
	e := Event{Seq: row.Seq, At: millis(row.At), Kind: machine.Kind(row.Kind), Level: LevelInfo, Data: map[string]any{}}
	if row.Segment != 0 {
		e.Segment = &row.Segment
	}
	if row.Member >= 0 {
		e.Member = &row.Member
	}
	body, err := machine.Decode(e.Kind, row.Body)
	if err != nil {
		return e, err
	}
	e.say(body)
	if e.Kind == machine.KindFinished && r.wasBest(e.Seq) {
		e.Level, e.Data["best"] = LevelGood, true
		e.Say += ", the best so far"
	}
	return e, nil
}

// wasBest tells whether an outcome was the best so far.
func (r *Run) wasBest(seq int64) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	_, found := slices.BinarySearch(r.bests, seq)
	return found
}

func (e *Event) say(body machine.Body) {
	switch b := body.(type) {
	case *machine.RunStarted:
		e.Say = "the run began"
		e.Data = map[string]any{"seed": b.Seed, "version": b.Version}
	case *machine.Opened:
		e.Say = fmt.Sprintf("pbt %s on %s took the run (process %d)", b.Version, b.Host, b.PID)
		e.Data = map[string]any{"host": b.Host, "pid": b.PID, "version": b.Version, "machine": b.Machine}
	case *machine.SpecChanged:
		e.Say = "settings changed: " + strings.Join(b.Changed, ", ")
		if b.By != "" {
			e.Say = byHand(e.Say, b.By)
		}
		e.Data = map[string]any{"changed": b.Changed, "by": b.By}
	case *machine.Decided:
		e.sayDecided(b)
	case *machine.Leased:
		e.Level = LevelQuiet
		e.Say = fmt.Sprintf("member %d trains segment %d on %s", b.Member, b.Segment, b.Worker)
		e.Data = map[string]any{"worker": b.Worker, "lease": b.Lease}
	case *machine.Finished:
		e.sayFinished(b)
	case *machine.Failed:
		e.sayFailed(b)
	case *machine.Refused:
		e.Level = LevelWarn
		e.Say = "a report was refused: " + b.Why
		e.Data = map[string]any{"lease": b.Lease}
	case *machine.RolledBack:
		e.Level = LevelWarn
		e.Say = fmt.Sprintf("member %d falls back on segment %d: %s; %d steps are trained again", b.Member, b.Segment, b.Why, b.Lost)
		e.Data = map[string]any{"lost": b.Lost, "segments": b.Segments}
	case *machine.MemberDone:
		e.sayDone(b)
	case *machine.Ending:
		e.Say = "no more segments are handed out: " + b.Reason
	case *machine.RunEnded:
		e.Say, e.Level = "the run ended: "+b.Reason, LevelGood
	case *machine.Paused:
		e.sayPaused(b)
	case *machine.Closed:
		e.Say = "the process let the run go: " + b.Reason
	default:
		e.saySteering(body)
	}
}

// saySteering is what a person did to the run.
func (e *Event) saySteering(body machine.Body) {
	e.Level = LevelDecision
	switch b := body.(type) {
	case *machine.Steered:
		e.Say = byHand(fmt.Sprintf("member %d: %s", b.Member, wishInWords(b)), b.By)
		e.Data = map[string]any{"verb": b.Verb, "by": b.By, "hypers": b.Hypers}
	case *machine.MemberAdded:
		added := int64(b.Member)
		e.Member = &added // when it was written there was no such member yet
		e.Say = byHand(fmt.Sprintf("member %d joins: %s", b.Member, wishInWords(&b.Steered)), b.By)
		e.Data = map[string]any{"verb": b.Verb, "by": b.By, "member": b.Member, "hypers": b.Hypers}
	case *machine.Pinned:
		e.Say = byHand(fmt.Sprintf("the checkpoint of segment %d is pinned", b.Segment), b.By)
		if b.Off {
			e.Say = byHand(fmt.Sprintf("the checkpoint of segment %d is no longer pinned", b.Segment), b.By)
		}
		e.Data = map[string]any{"off": b.Off, "by": b.By}
	case *machine.Resumed:
		e.Say = byHand("the run continues", b.By)
		if b.Probe {
			e.Say = "the run tries one segment, to see whether the fault is gone"
		}
		e.Data = map[string]any{"by": b.By, "probe": b.Probe}
	default:
		e.sayFault(body)
	}
}

func wishInWords(b *machine.Steered) string {
	switch b.Verb {
	case machine.VerbCopy:
		return fmt.Sprintf("to go on from segment %d of member %d", b.Donor.Segment, b.Donor.Member)
	case machine.VerbRetry:
		return "to try again after it has failed"
	case machine.VerbRestart:
		return "to begin again with fresh weights"
	case machine.VerbFresh:
		return fmt.Sprintf("fresh weights, %s", b.Hypers)
	}
	return fmt.Sprintf("to train with %s", b.Hypers)
}

func byHand(what, by string) string {
	if by == "" {
		return what + " (by hand)"
	}
	return what + " (by " + by + ")"
}

// sayFault tells what the run does about a fault of the machine.
func (e *Event) sayFault(body machine.Body) {
	switch b := body.(type) {
	case *machine.Probing:
		e.Level = LevelQuiet
		e.Say = fmt.Sprintf("probe: segment %d of member %d, which has finished, is trained again on %s to see whether the machine works", b.Segment, b.Member, b.Worker)
		e.Data = map[string]any{"lease": b.Lease, "worker": b.Worker}
	case *machine.Probed:
		e.Say = "the probe finished: the machine works"
		if b.Fault != "" {
			e.Level = LevelWarn
			e.Say = fmt.Sprintf("the probe ended: %s: %s", b.Fault, machine.Cause(b.Error))
		}
		e.Data = map[string]any{"lease": b.Lease, "kind": b.Fault, "error": b.Error}
	case *machine.Recovered:
		e.Say = fmt.Sprintf("the fault is gone, %s after it was noticed", time.UnixMilli(e.At).Sub(time.Unix(0, b.Since)).Round(time.Second))
		e.Data = map[string]any{"since": b.Since, "waits": b.Waits}
	}
}

func (e *Event) sayDone(b *machine.MemberDone) {
	e.Data = map[string]any{"reason": b.Reason}
	switch b.Reason {
	case "budget":
		e.Say = fmt.Sprintf("member %d has spent its budget", b.Member)
	case machine.ReasonEnded:
		e.Say = fmt.Sprintf("member %d is done: its trainer has said so", b.Member)
	case machine.ReasonRetired:
		e.Say = fmt.Sprintf("member %d is retired: it trains no more", b.Member)
	default:
		e.Level = LevelError
		e.Say = fmt.Sprintf("member %d trains no more: %s", b.Member, b.Reason)
	}
}

func (e *Event) sayPaused(b *machine.Paused) {
	e.Say, e.Level = "the run paused: "+b.Reason, LevelError
	switch {
	case b.Until != 0:
		e.Say = fmt.Sprintf("the run waits %s before it tries again: %s", time.Unix(0, b.Until).Sub(time.UnixMilli(e.At)).Round(time.Second), b.Reason)
	case b.By != "":
		e.Say, e.Level = byHand("the run is paused: "+b.Reason, b.By), LevelInfo
	}
	e.Data = map[string]any{"reason": b.Reason, "by": b.By, "until": b.Until}
}

func (e *Event) sayDecided(b *machine.Decided) {
	d := &b.Decision
	e.Level = LevelQuiet
	if d.Copies() || d.Action == pbt.Restart {
		e.Level = LevelDecision
	}
	e.Say = fmt.Sprintf("member %d: %s", b.Member, d.Say())
	changes := d.Changes
	if changes == nil {
		changes = []pbt.Change{}
	}
	e.Data = map[string]any{"action": d.Action, "why": d.Why, "parent": b.Parent, "from": b.From, "steps": b.Steps, "hypers": b.Hypers, "changes": changes}
	if d.Copies() && d.Rival != nil {
		e.Data["donor"], e.Data["donor_segment"], e.Data["donor_score"] = d.Rival.Member, d.Rival.Segment, d.Rival.Score
	}
}

func (e *Event) sayFinished(b *machine.Finished) {
	e.Level = LevelQuiet
	e.Say = fmt.Sprintf("member %d scored %s at step %d", b.Member, b.Score, b.Step)
	if !b.Score.Finite() {
		e.Level = LevelWarn
	}
	e.Data = map[string]any{"score": b.Score, "step": b.Step, "spent": b.Spent, "metrics": b.Metrics, "checkpoint": b.Checkpoint.ID, "bytes": b.Checkpoint.Bytes, "times": timesOf(b.Times), "best": false}
}

func (e *Event) sayFailed(b *machine.Failed) {
	e.Level = LevelWarn
	e.Say = fmt.Sprintf("member %d, segment %d: %s: %s", b.Member, b.Segment, b.Fault, machine.Cause(b.Error))
	if b.Final {
		e.Level = LevelError
		e.Say += "; no retry is left, the member is repaired"
	}
	e.Data = map[string]any{"kind": b.Fault, "error": b.Error, "attempt": b.Attempt, "final": b.Final, "lease": b.Lease, "blame": b.Blame}
}

// Kinds are the kinds of event that there are.
func Kinds() []machine.Kind { return slices.Clone(allKinds) }

// kindCode is an event's kind in a byte: a run has millions.
type kindCode uint8

var allKinds = []machine.Kind{
	machine.KindRunStarted, machine.KindOpened, machine.KindSpecChanged, machine.KindDecided, machine.KindLeased, machine.KindFinished,
	machine.KindFailed, machine.KindRefused, machine.KindRolledBack, machine.KindMemberDone, machine.KindEnding, machine.KindRunEnded,
	machine.KindPaused, machine.KindClosed, machine.KindSteered, machine.KindMemberAdded, machine.KindPinned, machine.KindResumed,
	machine.KindProbing, machine.KindProbed, machine.KindRecovered,
}

func codeOf(kind machine.Kind) kindCode {
	for i, k := range allKinds {
		if k == kind {
			return kindCode(i + 1)
		}
	}
	return 0
}

// MaxEvents bounds an answer of events.
const MaxEvents = 1000

// EventFilter chooses events. Of more than Limit, those next to After are taken if it
// is given, else the newest.
type EventFilter struct {
	After, Before int64 // positions, both excluded; Before 0: no bound
	Limit         int
	Kinds         []machine.Kind
	Member        *int64
	Oldest        bool // take those next to After
}

// EventSeqs are the positions of events that a filter lets through, oldest first, and
// the position that the run is shown at.
func (r *Run) EventSeqs(f EventFilter) (last int64, seqs []int64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if f.Limit <= 0 || f.Limit > MaxEvents {
		f.Limit = MaxEvents
	}
	wanted := make([]bool, len(allKinds)+1)
	for _, k := range f.Kinds {
		wanted[codeOf(k)] = true
	}
	end := r.seq
	if f.Before > 0 {
		end = min(end, f.Before-1)
	}
	take := func(seq int64) bool {
		if (len(f.Kinds) == 0 || wanted[r.kinds[seq]]) && (f.Member == nil || int64(r.subjects[seq]) == *f.Member) {
			seqs = append(seqs, seq)
		}
		return len(seqs) < f.Limit
	}
	if f.Oldest {
		for seq := max(1, f.After+1); seq <= end && take(seq); seq++ {
		}
		return r.seq, seqs
	}
	for seq := end; seq > max(0, f.After) && take(seq); seq-- {
	}
	slices.Reverse(seqs)
	return r.seq, seqs
}

// ReadEvents reads the events at some positions, which ascend.
func (r *Run) ReadEvents(j *journal.Journal, seqs []int64) ([]Event, error) {
	out := make([]Event, 0, len(seqs))
	err := j.At(seqs, func(row journal.Row) error {
		e, err := r.Event(row)
		out = append(out, e)
		return err
	})
	return out, err
}
