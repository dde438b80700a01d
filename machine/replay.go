package machine

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/scan"
)

// DecodeForReplay reads a body as far as Apply needs it: of a decision, what it
// does, but not its whole explanation. The kinds that fill a journal are read
// without encoding/json; opening a journal of a million events depends on it.
// It touches nothing that changes: another goroutine may be applying what it has
// read before.
func (m *Machine) DecodeForReplay(kind Kind, text []byte) (Body, error) {
	in := scan.New(text)
	var body Body
	switch kind {
	case KindDecided:
		body = m.scanDecided(&in)
	case KindLeased:
		body = scanLeased(&in)
	case KindFinished:
		body = scanFinished(&in)
	default:
		return Decode(kind, text)
	}
	if err := in.End(); err != nil {
		return nil, fmt.Errorf("a %s event cannot be read: %w", kind, err)
	}
	return body, nil
}

func scanLeased(in *scan.Scanner) *Leased {
	e := &Leased{}
	in.Object(func(key []byte) {
		switch string(key) {
		case "segment":
			e.Segment = in.Int()
		case "member":
			e.Member = int(in.Int())
		case "lease":
			e.Lease = in.Int()
		case "worker":
			e.Worker = in.Text()
		default:
			in.Skip()
		}
	})
	return e
}

func scanFinished(in *scan.Scanner) *Finished {
	e := &Finished{}
	in.Object(func(key []byte) {
		switch string(key) {
		case "segment":
			e.Segment = in.Int()
		case "member":
			e.Member = int(in.Int())
		case "lease":
			e.Lease = in.Int()
		case "score":
			e.Score = pbt.Score(in.Float())
		case "samples":
			in.Array(func() { e.Samples = append(e.Samples, in.Float()) })
		case "step":
			e.Step = in.Int()
		case "spent":
			e.Spent = in.Int()
		case "done":
			e.Done = string(in.Value()) == "true"
		case "loaded":
			e.Loaded = in.Text()
		case "checkpoint":
			in.Object(func(key []byte) {
				switch string(key) {
				case "id":
					e.Checkpoint.ID = in.Text()
				case "bytes":
					e.Checkpoint.Bytes = in.Int()
				case "digest":
					e.Checkpoint.Digest = in.Text()
				default:
					in.Skip()
				}
			})
		default: // metrics and times decide nothing
			in.Skip()
		}
	})
	return e
}

func (m *Machine) scanDecided(in *scan.Scanner) *Decided {
	e := &Decided{}
	in.Object(func(key []byte) {
		switch string(key) {
		case "segment":
			e.Segment = in.Int()
		case "member":
			e.Member = int(in.Int())
		case "turn":
			e.Turn = in.Int()
		case "parent":
			e.Parent = in.Int()
		case "start":
			e.From = in.Int()
		case "steps":
			e.Steps = in.Int()
		case "open":
			e.Open = int(in.Int())
		case "hypers":
			h, err := m.space.ParseHypers(in.Value())
			if err != nil {
				in.Fail(err)
			}
			e.Hypers = h
		case "decision":
			scanDecision(in, &e.Decision)
		default:
			in.Skip()
		}
	})
	return e
}

// scanDecision reads what Apply looks at.
func scanDecision(in *scan.Scanner, d *pbt.Decision) {
	in.Object(func(key []byte) {
		switch string(key) {
		case "action":
			d.Action = pbt.Action(known(in.Bytes(), knownActions))
		case "why":
			d.Why = pbt.Why(known(in.Bytes(), knownReasons))
		case "score":
			d.Score = pbt.Score(in.Float())
		case "of":
			d.Of = int(in.Int())
		case "inherit":
			if err := d.Inherit.UnmarshalText(in.Bytes()); err != nil {
				in.Fail(err)
			}
		case "donor":
			d.Rival = scanDonor(in)
		default:
			in.Skip()
		}
	})
}

func scanDonor(in *scan.Scanner) *pbt.Donor {
	d := &pbt.Donor{}
	in.Object(func(key []byte) {
		switch string(key) {
		case "member":
			d.Member = int(in.Int())
		case "segment":
			d.Segment = in.Int()
		case "score":
			d.Score = pbt.Score(in.Float())
		case "step":
			d.Step = in.Int()
		default:
			in.Skip()
		}
	})
	return d
}

// The words that most events say: looked up, so that reading them copies nothing.
var (
	knownActions = []string{string(pbt.Continue), string(pbt.Copy), string(pbt.Begin)}
	knownReasons = []string{string(pbt.WhyNotBottom), string(pbt.WhyBottom), string(pbt.WhyNoRule), string(pbt.WhyRivalNotBetter), string(pbt.WhyNotSignificant)}
)

func known(text []byte, words []string) string {
	for _, w := range words {
		if string(text) == w {
			return w
		}
	}
	return string(text)
}
