package protocol

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/strict"
)

// FromTrainer reads one line that a trainer has sent, without its end. The error
// says what is wrong with it, in words for the trainer's author.
func FromTrainer(line []byte) (Message, error) {
	m, err := decode(line, func(kind string) Message {
		switch kind {
		case "hello":
			return &Hello{}
		case "loaded":
			return &Loaded{}
		case "beat":
			return &Beat{}
		case "progress":
			return &Progress{}
		case "report":
			return &Report{}
		case "saved":
			return &Saved{}
		case "failed":
			return &Failed{}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := check(m); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Type(), err)
	}
	return m, nil
}

// FromEngine reads one line that pbt has sent, without its end.
func FromEngine(line []byte) (Message, error) {
	return decode(line, func(kind string) Message {
		switch kind {
		case "welcome":
			return &Welcome{}
		case "segment":
			return &Segment{}
		case "save":
			return &Save{}
		case "skip":
			return &Skip{}
		case "stop":
			return &Stop{}
		case "exit":
			return &Exit{}
		case "error":
			return &Error{}
		}
		return nil
	})
}

func decode(line []byte, empty func(kind string) Message) (Message, error) {
	if len(line) > MaxMessage {
		return nil, fmt.Errorf("a message of more than %d bytes", MaxMessage)
	}
	line = bytes.TrimSpace(line)
	if len(line) == 0 || line[0] != '{' {
		return nil, fmt.Errorf("not a JSON object in one line: %.80q", line)
	}
	if depth(line) > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	var head struct {
		Type *string `json:"type"`
	}
	if err := strict.Unmarshal(line, &head); err != nil {
		return nil, err
	}
	if head.Type == nil {
		return nil, errors.New("a message without a type")
	}
	m := empty(*head.Type)
	if m == nil {
		return nil, fmt.Errorf("unknown type %.80q", *head.Type)
	}
	if err := strict.Unmarshal(line, m); err != nil {
		return nil, fmt.Errorf("%s: %w", *head.Type, err)
	}
	return m, nil
}

// depth is how deep objects and arrays are nested.
func depth(line []byte) int {
	deepest, at, inText := 0, 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			at++
			deepest = max(deepest, at)
		case c == '}' || c == ']':
			at--
		}
	}
	return deepest
}

func check(m Message) error {
	switch m := m.(type) {
	case *Hello:
		return m.check()
	case *Loaded:
		if m.Hypers.Len() == 0 {
			return errors.New("no hypers: echo those in force")
		}
		return checkLease(m.Lease)
	case *Progress:
		if m.Step < 0 {
			return fmt.Errorf("step is %d", m.Step)
		}
		return errors.Join(checkLease(m.Lease), checkMetrics(m.Metrics))
	case *Report:
		return m.check()
	case *Saved:
		return checkLease(m.Lease)
	case *Failed:
		return m.check()
	}
	return nil
}

func (m *Hello) check() error {
	if m.Protocol != Version {
		return fmt.Errorf("the client speaks version %d of the protocol, and this pbt version %d: install the client that belongs to it (pip install pbt-engine)", m.Protocol, Version)
	}
	if len(m.Client) > MaxName {
		return fmt.Errorf("client is longer than %d bytes", MaxName)
	}
	if len(m.RestartOn) > MaxRestartOn || slices.ContainsFunc(m.RestartOn, badName) {
		return fmt.Errorf("restart_on: want at most %d names of 1 to %d bytes", MaxRestartOn, MaxName)
	}
	return nil
}

func (m *Report) check() error {
	switch {
	case m.Score == nil:
		return errors.New("no score")
	case len(m.Samples) > MaxSamples:
		return fmt.Errorf("%d samples; want at most %d", len(m.Samples), MaxSamples)
	case m.Eval < 0 || math.IsNaN(m.Eval) || math.IsInf(m.Eval, 0):
		return fmt.Errorf("eval is %g seconds", m.Eval)
	case m.Steps != nil && (*m.Steps < 1 || *m.Steps > MaxSteps):
		return fmt.Errorf("steps is %d: want 1 to %d steps, trained in this segment", *m.Steps, int64(MaxSteps))
	}
	return errors.Join(checkLease(m.Lease), checkMetrics(m.Metrics))
}

func (m *Failed) check() error {
	switch m.Kind {
	case FailedError, FailedMemory, FailedPreempted:
	default:
		return fmt.Errorf("kind is %.40q; want error, memory or preempted", m.Kind)
	}
	m.Error = Shorten(m.Error)
	return checkLease(m.Lease)
}

// Shorten leaves out the middle of an error that is too long.
func Shorten(text string) string {
	if len(text) <= MaxErrorText {
		return text
	}
	half := MaxErrorText / 2
	return strings.ToValidUTF8(text[:half], "") + "\n…\n" + strings.ToValidUTF8(text[len(text)-half:], "")
}

func checkLease(lease int64) error {
	if lease < 1 {
		return errors.New("no lease: repeat the segment's")
	}
	return nil
}

func badName(name string) bool { return name == "" || len(name) > MaxName }

func checkMetrics(metrics map[string]Number) error {
	if len(metrics) > MaxMetrics {
		return fmt.Errorf("%d metrics; want at most %d", len(metrics), MaxMetrics)
	}
	for name := range metrics {
		if badName(name) {
			return fmt.Errorf("a metric's name of %d bytes; want 1 to %d", len(name), MaxName)
		}
	}
	return nil
}
