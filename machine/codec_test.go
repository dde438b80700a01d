package machine

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// someEvents are bodies of every kind, with the odd values each can hold.
func someEvents() []Body {
	hypers := pbt.MakeHypers("lr", pbt.Float(1e-3), "dropout", pbt.Float(0), "batch", pbt.Int(32))
	nan := pbt.Score(math.NaN())
	return []Body{
		&RunStarted{Experiment: json.RawMessage(`{"name":"x"}`), Seed: 7, Version: "v", Source: "name: x # \"quoted\""},
		&Opened{Host: "h", PID: 1, Version: "v"},
		&Opened{Host: "h", PID: 1, Accepted: []Accepted{{What: "row 7"}, {What: "another", Segment: 8, Digest: "cd"}}},
		&SpecChanged{Experiment: json.RawMessage(`{}`), Changed: []string{"budget.steps"}},
		&Decided{Segment: 12, Member: 3, Turn: 2, Parent: 8, From: 20, Steps: 10, Hypers: hypers, Open: 2, Decision: pbt.Decision{
			Action: pbt.Copy, Why: pbt.WhyBottom, Rule: "truncation", Segment: 7, Score: nan, Rank: 4, Of: 4, Cut: 1, Inherit: pbt.InheritWeights,
			Rival: &pbt.Donor{Member: 1, Segment: 8, Score: 0.5, Step: 20}, Hypers: hypers, Parent: 8,
			Changes: []pbt.Change{{Name: "lr", From: pbt.Float(1), To: pbt.Float(0.8), Op: "× 0.8"}},
		}},
		&Leased{Segment: 12, Member: 3, Lease: 40, Worker: `slot "1" é`},
		&Finished{Segment: 12, Member: 3, Lease: 40, Score: nan, Samples: []float64{1, math.Inf(1), math.NaN()},
			Metrics: Metrics{"loss": pbt.Score(math.Inf(-1)), "acc": 0.5}, Step: 30, Spent: 30,
			Checkpoint: Checkpoint{ID: "s000000012-40", Bytes: 5, Digest: "ab"}, Loaded: "0123456789abcdef", Times: Times{Load: 1, Train: 2, Eval: 3, Save: 4, Publish: 5}},
		&Failed{Segment: 12, Member: 3, Lease: 40, Fault: FailPanic, Error: "boom\n\x00", Attempt: 2, Final: true},
		&Refused{Segment: 12, Member: 3, Lease: 40, Why: "dead", Checkpoint: "s000000012-40"},
		&RolledBack{Segment: 8, Member: 3, Lost: 20, Segments: 2, Why: "gone"},
		&MemberDone{Member: 3, Reason: "budget"},
		&Steered{Member: 3, Verb: VerbSet, Hypers: &hypers, By: "me"},
		&MemberAdded{Steered{Segment: 8, Member: 4, Verb: VerbCopy, Donor: &DonorRecord{Member: 1, Segment: 8, Score: nan, Samples: []float64{1, math.NaN()}, Step: 20, Hypers: hypers}}},
		&Pinned{Segment: 8, Off: true}, &Resumed{By: "me"},
		&Ending{Reason: "target"}, &RunEnded{Reason: "budget"}, &Paused{Reason: "disk"}, &Closed{Reason: "interrupted"},
	}
}

func encode(t testing.TB, b Body) []byte {
	t.Helper()
	text, err := Encode(nil, b)
	if err != nil {
		t.Fatalf("%s: %v", b.Kind(), err)
	}
	if !json.Valid(text) {
		t.Fatalf("%s is not JSON: %s", b.Kind(), text)
	}
	return text
}

// What is written is read back and written again, byte for byte.
func TestEveryKindOfEventRoundTrips(t *testing.T) {
	kinds := map[Kind]bool{}
	for _, body := range someEvents() {
		kinds[body.Kind()] = true
		text := encode(t, body)
		again, err := Decode(body.Kind(), text)
		if err != nil {
			t.Errorf("%s: %v\n%s", body.Kind(), err, text)
			continue
		}
		if text2 := encode(t, again); !bytes.Equal(text, text2) {
			t.Errorf("%s changed:\n%s\n%s", body.Kind(), text, text2)
		}
	}
	if len(kinds) != 18 {
		t.Errorf("%d kinds of event are tried here: add the new one", len(kinds))
	}
}

func TestAnUnknownKindSaysWhatToDo(t *testing.T) {
	if _, err := Decode("from_the_future", []byte("{}")); err == nil {
		t.Error("accepted")
	}
}

// replayed is what both readers must agree on.
func replayed(b Body) any {
	switch e := b.(type) {
	case *Decided:
		d := *e
		d.Decision = pbt.Decision{Action: e.Decision.Action, Why: e.Decision.Why, Score: 0, Inherit: e.Decision.Inherit}
		rival := pbt.Donor{}
		if e.Decision.Rival != nil {
			rival = *e.Decision.Rival
		}
		rival.Score = 0
		text, _ := json.Marshal([]any{d, rival})
		return string(text)
	case *Leased:
		return *e
	case *Finished:
		f := *e
		f.Metrics, f.Times = nil, Times{}
		text, _ := Encode(nil, &f)
		return string(text)
	}
	return nil
}

// The fast reader and encoding/json read the same, whenever both read at all,
// and the fast one reads all that was written here.
func FuzzDecode(f *testing.F) {
	for _, body := range someEvents() {
		f.Add(string(body.Kind()), encode(f, body))
	}
	f.Add("leased", []byte(`{"segment":1e3,"member":-1,"lease":99999999999999999999}`))
	f.Add("finished", []byte(`{"score":"NaN","samples":[],"checkpoint":{}}`))
	m, err := New(spec(4), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind string, text []byte) {
		slow, slowErr := Decode(Kind(kind), text)
		fast, fastErr := m.DecodeForReplay(Kind(kind), text)
		if slowErr != nil || fastErr != nil {
			return
		}
		again, err := Encode(nil, slow)
		if err != nil {
			t.Skip() // numbers that JSON cannot hold came in through texts
		}
		canonical, err := m.DecodeForReplay(Kind(kind), again)
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, again)
		}
		if a, b := replayed(slow), replayed(canonical); a != b {
			t.Errorf("read differently:\n%v\n%v", a, b)
		}
		_ = fast
	})
}
