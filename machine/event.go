package machine

import (
	"encoding/json"

	"github.com/seed-7a1a2db0/pbt"
)

// Kind names an event's type, in the journal and in the code.
type Kind string

// The kinds of event.
const (
	KindRunStarted  Kind = "run_started"
	KindOpened      Kind = "opened"
	KindSpecChanged Kind = "spec_changed"
	KindDecided     Kind = "decided"
	KindLeased      Kind = "leased"
	KindFinished    Kind = "finished"
	KindFailed      Kind = "failed"
	KindRefused     Kind = "refused"
	KindRolledBack  Kind = "rolled_back"
	KindMemberDone  Kind = "member_done"
	KindEnding      Kind = "ending"
	KindRunEnded    Kind = "run_ended"
	KindPaused      Kind = "paused"
	KindClosed      Kind = "closed"
	KindSteered     Kind = "steered"
	KindMemberAdded Kind = "member_added"
	KindPinned      Kind = "pinned"
	KindResumed     Kind = "resumed"
	KindProbing     Kind = "probing"
	KindProbed      Kind = "probed"
	KindRecovered   Kind = "recovered"
)

// Event is something that has happened to a run. Events are the run: its state is
// their fold, and nothing is true that they do not say.
type Event struct {
	At   int64 // Unix nanoseconds; never smaller than the event's before it
	Body Body
}

// Body is what happened: one of the types below.
type Body interface {
	Kind() Kind
	// Subject is the segment and the member concerned; 0 and -1 for none.
	Subject() (segment int64, member int)
}

// NoMember is the member of an event that concerns none.
const NoMember = -1

type whole struct{} // an event about the whole run

func (whole) Subject() (int64, int) { return 0, NoMember }

// RunStarted is a journal's first event.
type RunStarted struct {
	whole
	Experiment json.RawMessage `json:"experiment"`       // the resolved experiment file; what Spec is made from
	Seed       uint64          `json:"seed"`             // repeated from the experiment, for people
	Version    string          `json:"version"`          // of pbt
	Source     string          `json:"source,omitempty"` // the experiment file as the user wrote it
	Origin     *Origin         `json:"origin,omitempty"` // of a branch: where its first weights come from
}

// Opened says that a process has taken the run. It ends every lease handed out
// before: those workers died with their process, or will be refused.
type Opened struct {
	whole
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	Version string `json:"version"`
	Machine string `json:"machine,omitempty"` // what it is, for people; journals before 2026-11-30 have none
	Charge  bool   `json:"charge,omitempty"`  // a person says that the failures so far are the members' own

	Accepted []Accepted `json:"accepted,omitempty"` // what was found altered, and the user accepted
}

// Accepted is something that was found altered when a run was resumed, and that the user
// accepted. For a checkpoint, Digest is the one it has now: the run continues with it.
type Accepted struct {
	What    string `json:"what"`
	Segment int64  `json:"segment,omitempty"` // whose checkpoint it is
	Digest  string `json:"digest,omitempty"`
}

// SpecChanged is a resume with changed settings; only those that alter no
// decision already taken (budget, retries, timeouts, what is kept).
type SpecChanged struct {
	whole
	Experiment json.RawMessage `json:"experiment"`
	Changed    []string        `json:"changed"`      // paths in the experiment file
	By         string          `json:"by,omitempty"` // who did it while the run went on
	spec       *Spec           // the live machine is told; a replay asks its SpecFunc
}

// Decided plans a member's next segment: the only place where parents and
// hyperparameters come from.
type Decided struct {
	Segment  int64        `json:"segment"`
	Member   int          `json:"member"`
	Turn     int64        `json:"turn"`
	Parent   int64        `json:"parent"` // segment whose weights it starts from; 0: fresh
	From     int64        `json:"start"`  // steps these weights have behind them
	Steps    int64        `json:"steps"`
	Hypers   pbt.Hypers   `json:"hypers"`
	Decision pbt.Decision `json:"decision"`
	// Open is how many more decisions of the same barrier follow: those that decide
	// together see the same population, and take over what they copy together.
	Open int `json:"open,omitempty"`
}

// Leased hands a segment to a worker. Lease numbers never repeat: a report on an
// older one is dead.
type Leased struct {
	Segment int64  `json:"segment"`
	Member  int    `json:"member"`
	Lease   int64  `json:"lease"`
	Worker  string `json:"worker"`
}

// Checkpoint names a published checkpoint directory.
type Checkpoint struct {
	ID     string `json:"id"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest,omitempty"` // SHA-256 of its manifest, hex
}

// Finished is an outcome: one indivisible record.
type Finished struct {
	Segment    int64      `json:"segment"`
	Member     int        `json:"member"`
	Lease      int64      `json:"lease"`
	Score      pbt.Score  `json:"score"`
	Samples    Samples    `json:"samples,omitempty"`
	Metrics    Metrics    `json:"metrics,omitempty"`
	Step       int64      `json:"step"`           // in the weights' ancestry
	Spent      int64      `json:"spent"`          // by the member
	Done       bool       `json:"done,omitempty"` // the member ends by itself
	Checkpoint Checkpoint `json:"checkpoint"`
	Loaded     string     `json:"loaded,omitempty"` // first LoadedDigits of the digest, as found on disk, of the checkpoint it started from
	Times      Times      `json:"times"`
}

// Samples are single results. In JSON, those that are not finite are texts, as scores are.
type Samples []float64

// MarshalJSON implements json.Marshaler.
func (s Samples) MarshalJSON() ([]byte, error) { return s.appendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (s *Samples) UnmarshalJSON(text []byte) error {
	var scores []pbt.Score
	if err := json.Unmarshal(text, &scores); err != nil {
		return err
	}
	*s = nil
	for _, x := range scores {
		*s = append(*s, float64(x))
	}
	return nil
}

// Metrics are named numbers. In JSON, those that are not finite are texts, as scores are.
type Metrics map[string]pbt.Score

// Times say where a segment's wall time went, in nanoseconds.
type Times struct {
	Start   int64 `json:"start_ns,omitempty"` // of its process, if it had to be started
	Load    int64 `json:"load_ns,omitempty"`
	Train   int64 `json:"train_ns,omitempty"`
	Eval    int64 `json:"eval_ns,omitempty"`
	Save    int64 `json:"save_ns,omitempty"`
	Publish int64 `json:"publish_ns,omitempty"`
}

// FailureKind says how an attempt at a segment ended without an outcome.
type FailureKind string

// The kinds of failure.
const (
	FailError    FailureKind = "error"     // the trainer returned one
	FailPanic    FailureKind = "panic"     // the trainer panicked
	FailTimeout  FailureKind = "timeout"   // it took longer than one of its timeouts
	FailDiverged FailureKind = "diverged"  // the score is not finite
	FailLost     FailureKind = "lost"      // the worker fell silent, or stopped
	FailDisk     FailureKind = "disk_full" // the checkpoint could not be written
	// FailStart is a trainer that could not be started, or ended before it was ready.
	FailStart FailureKind = "start"
	// FailPreempted is a trainer that was told from outside to go away.
	FailPreempted FailureKind = "preempted"
	// FailMachine is a failure of pbt itself: a directory that it could not make, say.
	FailMachine FailureKind = "machine"
)

// counts tells whether a failure without a Blame is held against the segment: a
// worker that is gone, or a full disk, is not its fault.
func (k FailureKind) counts() bool {
	return k != FailLost && k != FailDisk && k != FailPreempted && k != FailMachine
}

// Failed is an attempt that ended without an outcome.
type Failed struct {
	Segment int64       `json:"segment"`
	Member  int         `json:"member"`
	Lease   int64       `json:"lease"`
	Fault   FailureKind `json:"kind"`
	Error   string      `json:"error"`
	Attempt int         `json:"attempt"`         // failures counted against the segment, this one included
	Final   bool        `json:"final,omitempty"` // no retry is left: the member is repaired
	Blame   Blame       `json:"blame,omitempty"` // whose fault it is
}

// Refused is a report that was turned away, whole.
type Refused struct {
	Segment    int64  `json:"segment"`
	Member     int    `json:"member"`
	Lease      int64  `json:"lease"`
	Why        string `json:"why"`
	Checkpoint string `json:"checkpoint,omitempty"`
}

// RolledBack says that a member's newest weights are gone with the worker that
// held them in memory: it falls back on what was last saved of it.
type RolledBack struct {
	Segment  int64  `json:"segment"` // that it falls back on
	Member   int    `json:"member"`
	Lost     int64  `json:"lost"`     // steps that are to be trained again
	Segments int64  `json:"segments"` // outcomes since then, recorded but without weights
	Why      string `json:"why"`
}

// MemberDone says that a member trains no more.
type MemberDone struct {
	Member int    `json:"member"`
	Reason string `json:"reason"` // "budget", "failed", ReasonRetired or ReasonEnded
}

// ReasonEnded is why a member trains no more whose trainer has said that it is done.
const ReasonEnded = "done"

// Ending says that no more segments are handed out: the wall time is over or the
// target is reached. Those that run may still finish.
type Ending struct {
	whole
	Reason string `json:"reason"`
}

// RunEnded is the end of a run; a larger budget may open it again.
type RunEnded struct {
	whole
	Reason string `json:"reason"`
}

// Paused says that the run cannot go on before somebody mends something.
type Paused struct {
	whole
	Reason string `json:"reason"`
	By     string `json:"by,omitempty"`    // who paused it by hand, until resumed; or ByPolicy
	Until  int64  `json:"until,omitempty"` // it tries again by itself then; 0: it does not
}

// Resumed ends a pause by hand, or one until some time.
type Resumed struct {
	whole
	By    string `json:"by,omitempty"`
	Probe bool   `json:"probe,omitempty"` // to see whether the fault is gone
}

// Probing leases a segment that has finished to be trained once more from its own
// checkpoint, as evidence whether the machine works. Nothing of it is kept.
type Probing struct {
	Segment int64  `json:"segment"`
	Member  int    `json:"member"`
	Lease   int64  `json:"lease"`
	Worker  string `json:"worker"`
}

// Probed is what came of a probe: it finished, or failed.
type Probed struct {
	Segment int64       `json:"segment"`
	Member  int         `json:"member"`
	Lease   int64       `json:"lease"`
	Fault   FailureKind `json:"kind,omitempty"` // "": it finished
	Error   string      `json:"error,omitempty"`
}

// Recovered says that a fault of the machine is over, for which the run has waited.
type Recovered struct {
	whole
	Since int64 `json:"since"` // when it was noticed
	Waits int   `json:"waits"` // pauses since then
}

// The verbs of Steered.
const (
	VerbSet     = "set"     // hyperparameters
	VerbCopy    = "copy"    // a record's weights and hyperparameters
	VerbFresh   = "fresh"   // fresh weights under given hyperparameters
	VerbRestart = "restart" // fresh weights, hyperparameters drawn anew
	VerbRetry   = "retry"   // its own weights and hyperparameters, after it has failed
)

// Steered is a person's wish for a member's next segment.
type Steered struct {
	Segment int64        `json:"segment,omitempty"` // to copy
	Member  int          `json:"member"`
	Verb    string       `json:"verb"`
	Hypers  *pbt.Hypers  `json:"hypers,omitempty"`
	Donor   *DonorRecord `json:"donor,omitempty"`
	By      string       `json:"by,omitempty"`
}

// DonorRecord is the record that is to be copied.
type DonorRecord struct {
	Member  int        `json:"member"`
	Segment int64      `json:"segment"`
	Score   pbt.Score  `json:"score"`
	Samples Samples    `json:"samples,omitempty"`
	Step    int64      `json:"step"`
	Hypers  pbt.Hypers `json:"hypers"`
}

// MemberAdded is a new member, with how it begins.
type MemberAdded struct{ Steered }

// Pinned keeps a checkpoint by hand, or no longer.
type Pinned struct {
	Segment int64  `json:"segment"`
	Off     bool   `json:"off,omitempty"`
	By      string `json:"by,omitempty"`
}

// Closed says that the process let the run go in good order.
type Closed struct {
	whole
	Reason string `json:"reason"`
}

// Kind implements Body.
func (*RunStarted) Kind() Kind  { return KindRunStarted }
func (*Opened) Kind() Kind      { return KindOpened }
func (*SpecChanged) Kind() Kind { return KindSpecChanged }
func (*Decided) Kind() Kind     { return KindDecided }
func (*Leased) Kind() Kind      { return KindLeased }
func (*Finished) Kind() Kind    { return KindFinished }
func (*Failed) Kind() Kind      { return KindFailed }
func (*Refused) Kind() Kind     { return KindRefused }
func (*RolledBack) Kind() Kind  { return KindRolledBack }
func (*MemberDone) Kind() Kind  { return KindMemberDone }
func (*Ending) Kind() Kind      { return KindEnding }
func (*RunEnded) Kind() Kind    { return KindRunEnded }
func (*Paused) Kind() Kind      { return KindPaused }
func (*Closed) Kind() Kind      { return KindClosed }
func (*Steered) Kind() Kind     { return KindSteered }
func (*MemberAdded) Kind() Kind { return KindMemberAdded }
func (*Pinned) Kind() Kind      { return KindPinned }
func (*Resumed) Kind() Kind     { return KindResumed }
func (*Probing) Kind() Kind     { return KindProbing }
func (*Probed) Kind() Kind      { return KindProbed }
func (*Recovered) Kind() Kind   { return KindRecovered }

// Subject implements Body.
func (e *Decided) Subject() (int64, int)     { return e.Segment, e.Member }
func (e *Leased) Subject() (int64, int)      { return e.Segment, e.Member }
func (e *Finished) Subject() (int64, int)    { return e.Segment, e.Member }
func (e *Failed) Subject() (int64, int)      { return e.Segment, e.Member }
func (e *Refused) Subject() (int64, int)     { return e.Segment, e.Member }
func (e *Steered) Subject() (int64, int)     { return e.Segment, e.Member }
func (e *MemberAdded) Subject() (int64, int) { return e.Segment, NoMember } // there is no such member yet
func (e *Pinned) Subject() (int64, int)      { return e.Segment, NoMember }
func (e *RolledBack) Subject() (int64, int)  { return e.Segment, e.Member }
func (e *MemberDone) Subject() (int64, int)  { return 0, e.Member }
func (e *Probing) Subject() (int64, int)     { return e.Segment, e.Member }
func (e *Probed) Subject() (int64, int)      { return e.Segment, e.Member }
