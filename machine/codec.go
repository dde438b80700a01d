package machine

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/seed-7a1a2db0/pbt"
)

// Encode appends an event body's JSON to b. The kinds that a segment needs are
// written by hand: they are most of every journal.
func Encode(b []byte, body Body) ([]byte, error) {
	switch e := body.(type) {
	case *Decided:
		return e.appendJSON(b)
	case *Leased:
		return e.appendJSON(b), nil
	case *Finished:
		return e.appendJSON(b)
	}
	text, err := json.Marshal(body)
	return append(b, text...), err
}

func field(b []byte, name string, x int64) []byte {
	b = append(b, ',', '"')
	b = append(b, name...)
	b = append(b, '"', ':')
	return strconv.AppendInt(b, x, 10)
}

func subject(b []byte, segment int64, member int) []byte {
	b = append(b, `{"segment":`...)
	b = strconv.AppendInt(b, segment, 10)
	return field(b, "member", int64(member))
}

func (e *Leased) appendJSON(b []byte) []byte {
	b = subject(b, e.Segment, e.Member)
	b = field(b, "lease", e.Lease)
	b = append(b, `,"worker":`...)
	b = pbt.Text(e.Worker).AppendJSON(b)
	return append(b, '}')
}

func (s Samples) appendJSON(b []byte) []byte {
	b = append(b, '[')
	for i, x := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = pbt.Score(x).AppendJSON(b)
	}
	return append(b, ']')
}

func (e *Finished) appendJSON(b []byte) ([]byte, error) {
	b = subject(b, e.Segment, e.Member)
	b = field(b, "lease", e.Lease)
	b = append(b, `,"score":`...)
	b = e.Score.AppendJSON(b)
	if len(e.Samples) > 0 {
		b = e.Samples.appendJSON(append(b, `,"samples":`...))
	}
	if len(e.Metrics) > 0 {
		text, err := json.Marshal(e.Metrics)
		if err != nil {
			return b, fmt.Errorf("the metrics of segment %d: %w", e.Segment, err)
		}
		b = append(append(b, `,"metrics":`...), text...)
	}
	b = field(b, "step", e.Step)
	b = field(b, "spent", e.Spent)
	if e.Done {
		b = append(b, `,"done":true`...)
	}
	b = append(b, `,"checkpoint":{"id":`...)
	b = pbt.Text(e.Checkpoint.ID).AppendJSON(b)
	b = field(b, "bytes", e.Checkpoint.Bytes)
	if e.Checkpoint.Digest != "" {
		b = append(b, `,"digest":`...)
		b = pbt.Text(e.Checkpoint.Digest).AppendJSON(b)
	}
	b = append(b, '}')
	if e.Loaded != "" {
		b = append(b, `,"loaded":`...)
		b = pbt.Text(e.Loaded).AppendJSON(b)
	}
	return e.Times.appendJSON(b), nil
}

func (t Times) appendJSON(b []byte) []byte {
	b = append(b, `,"times":{"load_ns":`...)
	b = strconv.AppendInt(b, t.Load, 10)
	if t.Start != 0 {
		b = field(b, "start_ns", t.Start)
	}
	b = field(b, "train_ns", t.Train)
	b = field(b, "eval_ns", t.Eval)
	b = field(b, "save_ns", t.Save)
	b = field(b, "publish_ns", t.Publish)
	return append(b, '}', '}')
}

func (e *Decided) appendJSON(b []byte) ([]byte, error) {
	b = subject(b, e.Segment, e.Member)
	b = field(b, "turn", e.Turn)
	b = field(b, "parent", e.Parent)
	b = field(b, "start", e.From)
	b = field(b, "steps", e.Steps)
	b = append(b, `,"hypers":`...)
	b = e.Hypers.AppendJSON(b)
	if e.Open > 0 {
		b = field(b, "open", int64(e.Open))
	}
	text, err := json.Marshal(&e.Decision)
	if err != nil {
		return b, fmt.Errorf("the decision on segment %d: %w", e.Segment, err)
	}
	b = append(append(b, `,"decision":`...), text[:len(text)-1]...)
	b = append(b, `,"say":`...)
	b = pbt.Text(e.Decision.Say()).AppendJSON(b)
	return append(b, '}', '}'), nil
}

// Decode reads a body written by Encode, by this or any earlier version.
func Decode(kind Kind, text []byte) (Body, error) {
	body, err := newBody(kind)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, body); err != nil {
		return nil, fmt.Errorf("a %s event cannot be read: %w", kind, err)
	}
	if d, ok := body.(*Decided); ok {
		d.Decision.Hypers, d.Decision.Parent = d.Hypers, d.Parent
	}
	return body, nil
}

func newBody(kind Kind) (Body, error) {
	switch kind {
	case KindRunStarted:
		return &RunStarted{}, nil
	case KindOpened:
		return &Opened{}, nil
	case KindSpecChanged:
		return &SpecChanged{}, nil
	case KindDecided:
		return &Decided{}, nil
	case KindLeased:
		return &Leased{}, nil
	case KindFinished:
		return &Finished{}, nil
	case KindFailed:
		return &Failed{}, nil
	case KindRefused:
		return &Refused{}, nil
	case KindRolledBack:
		return &RolledBack{}, nil
	case KindMemberDone:
		return &MemberDone{}, nil
	case KindEnding:
		return &Ending{}, nil
	case KindRunEnded:
		return &RunEnded{}, nil
	case KindPaused:
		return &Paused{}, nil
	case KindClosed:
		return &Closed{}, nil
	case KindSteered:
		return &Steered{}, nil
	case KindMemberAdded:
		return &MemberAdded{}, nil
	case KindPinned:
		return &Pinned{}, nil
	case KindResumed:
		return &Resumed{}, nil
	case KindProbing:
		return &Probing{}, nil
	case KindProbed:
		return &Probed{}, nil
	case KindRecovered:
		return &Recovered{}, nil
	}
	return nil, fmt.Errorf("an event of kind %q is unknown to this version of pbt: read this journal with a newer one", kind)
}
