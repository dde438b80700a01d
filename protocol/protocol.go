// Package protocol is what pbt and a trainer's process say to each other: one JSON
// object a line over a Unix socket. docs/protocol.md describes it for those who
// write a client; testdata/messages.json is read by the tests of both sides.
//
// The package holds the messages and their limits. Who says what when is decided
// by the two ends: trainer.NewClient here, pbt/_client.py there.
package protocol

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/seed-7a1a2db0/pbt"
)

// Version is the only version of the protocol there is.
const Version = 1

// Limits of a message from a trainer.
const (
	MaxMessage   = 1 << 20 // bytes of a line
	MaxDepth     = 8       // levels of nesting
	MaxName      = 200     // bytes
	MaxMetrics   = 1000    // in a message
	MaxSamples   = 10_000  // in a report
	MaxErrorText = 16 << 10
	MaxRestartOn = 1000
	MaxSteps     = 1 << 40 // trained, in a report
	MaxRate      = 10_000  // messages a second, sustained
	MaxProgress  = 100     // progress messages a second that are looked at
)

// Names of environment variables of a trainer's process.
const (
	EnvSocket     = "PBT_SOCKET"
	EnvSlot       = "PBT_SLOT"
	EnvRunDir     = "PBT_RUN_DIR"
	EnvWeightSeed = "PBT_WEIGHT_SEED"
)

// Names of environment variables of a program that runs once per segment (a command
// template), beside EnvSlot, EnvRunDir and EnvWeightSeed.
const (
	EnvLoad   = "PBT_LOAD" // the directory to load from; empty for fresh weights
	EnvSave   = "PBT_SAVE"
	EnvFrom   = "PBT_FROM"
	EnvSteps  = "PBT_STEPS"
	EnvUntil  = "PBT_UNTIL"  // EnvFrom + EnvSteps
	EnvHypers = "PBT_HYPERS" // a JSON object
)

// Message is one of the types below, from either side.
type Message interface{ Type() string }

// Hello is a trainer's first message.
type Hello struct {
	Protocol  int      `json:"protocol"`
	Client    string   `json:"client"` // name and version, for people
	PID       int      `json:"pid,omitempty"`
	RestartOn []string `json:"restart_on,omitempty"` // hyperparameters that need a new process to change
	Fresh     bool     `json:"fresh,omitempty"`      // it makes fresh weights in a living process
	Beats     bool     `json:"beats,omitempty"`      // it sends heartbeats
}

// Loaded echoes the hyperparameters in force; training begins.
type Loaded struct {
	Lease  int64      `json:"lease"`
	Hypers pbt.Hypers `json:"hypers"`
}

// Beat says that the trainer lives.
type Beat struct{}

// Progress is for those who look on. It decides nothing.
type Progress struct {
	Lease   int64             `json:"lease"`
	Step    int64             `json:"step"` // done in this segment
	Metrics map[string]Number `json:"metrics,omitempty"`
}

// Report is a segment's outcome.
type Report struct {
	Lease   int64             `json:"lease"`
	Score   *Number           `json:"score"`
	Samples []Number          `json:"samples,omitempty"`
	Metrics map[string]Number `json:"metrics,omitempty"`
	Eval    float64           `json:"eval,omitempty"`  // seconds since Loaded that went into measuring
	Steps   *int64            `json:"steps,omitempty"` // trained in this segment; absent: as asked
	Done    bool              `json:"done,omitempty"`  // the member has converged: it trains no further
}

// Saved says that the checkpoint is complete.
type Saved struct {
	Lease int64 `json:"lease"`
}

// FailureKind says why a segment failed, as far as its trainer knows.
type FailureKind string

// The kinds of failure.
const (
	FailedError     FailureKind = "error"
	FailedMemory    FailureKind = "memory"
	FailedPreempted FailureKind = "preempted"
)

// Failed is a segment without an outcome.
type Failed struct {
	Lease int64       `json:"lease"`
	Kind  FailureKind `json:"kind"`
	Error string      `json:"error"`
}

// Welcome answers Hello.
type Welcome struct {
	Protocol int     `json:"protocol"`
	Engine   string  `json:"engine"`
	Slot     string  `json:"slot"`
	Run      string  `json:"run"`
	Beat     float64 `json:"beat"` // seconds between heartbeats
}

// StartKind says which weights a segment starts from.
type StartKind string

// The starts.
const (
	StartFresh StartKind = "fresh" // new ones, drawn from weight_seed
	StartLoad  StartKind = "load"  // a checkpoint
	StartHold  StartKind = "hold"  // those in memory
)

// Segment asks for one stretch of training.
type Segment struct {
	Lease      int64      `json:"lease"`
	Segment    int64      `json:"segment"`
	Member     int        `json:"member"`
	Start      StartKind  `json:"start"`
	Load       string     `json:"load,omitempty"` // directory, with StartLoad
	From       int64      `json:"from"`
	Steps      int64      `json:"steps"`
	Until      int64      `json:"until"` // from + steps: the step at which the segment ends
	Hypers     pbt.Hypers `json:"hypers"`
	Seed       uint64     `json:"seed"` // below 2^63
	WeightSeed uint64     `json:"weight_seed"`
}

// Save asks for a checkpoint in an empty directory.
type Save struct {
	Lease int64  `json:"lease"`
	Dir   string `json:"dir"`
}

// Skip says that no checkpoint is wanted.
type Skip struct {
	Lease int64 `json:"lease"`
}

// Stop asks a trainer to finish its segment if it can, and to exit.
type Stop struct {
	Reason string  `json:"reason"`
	Grace  float64 `json:"grace"` // seconds
}

// Exit says that there is no more work.
type Exit struct{}

// Error answers a message that was not understood or not allowed.
type Error struct {
	Error string `json:"error"`
	Fatal bool   `json:"fatal"`
}

// Type implements Message.
func (*Hello) Type() string    { return "hello" }
func (*Loaded) Type() string   { return "loaded" }
func (*Beat) Type() string     { return "beat" }
func (*Progress) Type() string { return "progress" }
func (*Report) Type() string   { return "report" }
func (*Saved) Type() string    { return "saved" }
func (*Failed) Type() string   { return "failed" }
func (*Welcome) Type() string  { return "welcome" }
func (*Segment) Type() string  { return "segment" }
func (*Save) Type() string     { return "save" }
func (*Skip) Type() string     { return "skip" }
func (*Stop) Type() string     { return "stop" }
func (*Exit) Type() string     { return "exit" }
func (*Error) Type() string    { return "error" }

// Number is a float that may be NaN or infinite; those are texts in JSON.
type Number float64

// nonFinite are the texts of what JSON has no numbers for.
var nonFinite = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

// MarshalJSON implements json.Marshaler.
func (x Number) MarshalJSON() ([]byte, error) {
	switch f := float64(x); {
	case math.IsNaN(f):
		return []byte(`"NaN"`), nil
	case math.IsInf(f, 1):
		return []byte(`"Infinity"`), nil
	case math.IsInf(f, -1):
		return []byte(`"-Infinity"`), nil
	}
	return strconv.AppendFloat(nil, float64(x), 'g', -1, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (x *Number) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil && len(b) > 0 && b[0] == '"' {
		f, ok := nonFinite[text]
		if !ok {
			return fmt.Errorf("the text %.40q where a number is wanted: only \"NaN\", \"Infinity\" and \"-Infinity\" are texts", text)
		}
		*x = Number(f)
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%.40s where a number is wanted", b)
	}
	*x = Number(f)
	return nil
}

// Append appends a message as one line.
func Append(b []byte, m Message) ([]byte, error) {
	body, err := json.Marshal(m)
	if err != nil {
		return b, err
	}
	b = append(b, `{"type":"`...)
	b = append(b, m.Type()...)
	b = append(b, '"')
	if len(body) > len("{}") {
		b = append(b, ',')
	}
	b = append(b, body[1:]...)
	return append(b, '\n'), nil
}
