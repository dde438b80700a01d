package machine

import "github.com/seed-7a1a2db0/pbt"

// Input is something that reaches the machine from outside.
type Input interface{ input() }

// Start begins a run that has no event yet. The experiment is what a later reader
// makes the spec from; the machine only stores it.
type Start struct {
	Experiment []byte
	Version    string
	Source     string
	Branch     *Branch // the record of another run that it begins with; nil for fresh weights
}

// Open takes over a run that exists, new or old.
type Open struct {
	Host    string
	PID     int
	Version string
	Machine string  // what it runs on, for people
	Change  *Change // settings to change at the same time; nil for none
	Revive  bool    // members that have failed train on
	Charge  bool    // failures that are not confirmed are the members' own, if they happen again

	Accepted []Accepted // what was found altered, and the user accepts
}

// Change replaces the settings that may change between two sittings.
type Change struct {
	Spec       Spec
	Experiment []byte
	Paths      []string // what differs, as paths in the experiment file
}

// Ask is a worker that wants a segment. The answer is a Task, or none for now.
type Ask struct {
	Worker string
	Member int   // that it trained last
	Holds  int64 // the segment whose weights it has in memory; 0: none
	Others int   // how many other workers wait for a segment at the same time
}

// Scored asks whether a leased segment that has been evaluated must be saved: the
// answer is Save. It is not journalled, and changes nothing.
type Scored struct {
	Lease   int64
	Segment int64
	Member  int
	Score   pbt.Score
	Steps   *int64 // trained; nil: as asked
	Done    bool   // the member ends by itself
}

// Report brings an outcome.
type Report struct {
	Lease      int64
	Segment    int64
	Member     int
	Score      pbt.Score
	Steps      *int64 // trained; nil: as asked
	Done       bool   // the member ends by itself
	Samples    []float64
	Metrics    Metrics
	Checkpoint Checkpoint
	Loaded     string // the digest of the checkpoint it started from, as found on disk; "" if none was looked at
	Times      Times
}

// Fail reports an attempt that ended without an outcome.
type Fail struct {
	Lease   int64
	Segment int64
	Member  int
	Fault   FailureKind
	Error   string
}

// Beat says that a lease's worker is alive. It is not journalled.
type Beat struct {
	Lease  int64
	Member int
}

// Tick says that time has passed: leases and deadlines end.
type Tick struct{}

// Pause stops handing out work until the run is opened again.
type Pause struct{ Reason string }

// Close lets the run go in good order: its leases end, without blame.
type Close struct{ Reason string }

func (Start) input()  {}
func (Open) input()   {}
func (Ask) input()    {}
func (Scored) input() {}
func (Report) input() {}
func (Fail) input()   {}
func (Beat) input()   {}
func (Tick) input()   {}
func (Pause) input()  {}
func (Close) input()  {}

// Task is all a worker needs to train a segment.
type Task struct {
	Lease      int64
	Segment    int64
	Member     int
	Turn       int64
	Parent     int64  // segment whose weights it starts from; 0: fresh weights
	LoadDigest string // of that checkpoint, as the journal has it; "" if it has none
	Load       string // that segment's checkpoint; "" for fresh weights, and for those only this worker holds in memory
	Save       string // the name to publish its own checkpoint under
	From       int64  // steps the weights have behind them
	Steps      int64
	Hypers     pbt.Hypers
	Seed       uint64 // of the training
	WeightSeed uint64 // of fresh weights
	Probe      bool   // nothing of it is kept: it shows whether the machine works
}

// Answer is what the machine says to an input, besides its events.
type Answer struct {
	Task    *Task // for Ask; nil when there is no work now
	Benched bool  // for Ask without a Task: this worker waits, others need not
	Save    bool  // for Scored
	Refused error // for Report and Fail on a dead lease, and inputs that make no sense
}
