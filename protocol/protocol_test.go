package protocol_test

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/protocol"
)

// golden is testdata/messages.json, which the Python client's tests read too.
type golden struct {
	FromTrainer    []entry `json:"from_trainer"`
	FromEngine     []entry `json:"from_engine"`
	BadFromTrainer []entry `json:"bad_from_trainer"`
}

type entry struct {
	Line, Type, Why string
}

func readGolden(t testing.TB) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/messages.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.FromTrainer) == 0 || len(g.FromEngine) == 0 || len(g.BadFromTrainer) == 0 {
		t.Fatal("the golden messages are empty")
	}
	return g
}

func TestGolden_BothSidesAreUnderstood(t *testing.T) {
	g := readGolden(t)
	seen := map[string]bool{}
	check := func(entries []entry, decode func([]byte) (protocol.Message, error)) {
		for _, e := range entries {
			m, err := decode([]byte(e.Line))
			if err != nil {
				t.Errorf("%s: %v", e.Line, err)
				continue
			}
			seen[m.Type()] = true
			if m.Type() != e.Type {
				t.Errorf("%s: read as %s", e.Line, m.Type())
			}
		}
	}
	check(g.FromTrainer, protocol.FromTrainer)
	check(g.FromEngine, protocol.FromEngine)
	if len(seen) != 14 {
		t.Errorf("the golden messages show %d types of 14: %v", len(seen), seen)
	}
}

// What this side writes is, field for field, what the golden file says.
func TestGolden_EngineMessagesAreWrittenAsShown(t *testing.T) {
	for _, e := range readGolden(t).FromEngine {
		m, err := protocol.FromEngine([]byte(e.Line))
		if err != nil {
			t.Fatal(err)
		}
		line, err := protocol.Append(nil, m)
		if err != nil || strings.TrimSuffix(string(line), "\n") != e.Line {
			t.Errorf("written %s (%v)\nwant    %s", line, err, e.Line)
		}
	}
}

func TestGolden_BadMessagesAreRefusedWithAReason(t *testing.T) {
	for _, e := range readGolden(t).BadFromTrainer {
		m, err := protocol.FromTrainer([]byte(e.Line))
		if err == nil {
			t.Errorf("%s (%s) is taken for %#v", e.Line, e.Why, m)
			continue
		}
		if len(err.Error()) > 400 || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: the error is not for people: %v", e.Why, err)
		}
	}
}

// JSON files cannot hold bytes that are not UTF-8; so this is not in the golden file.
func TestFromTrainer_RefusesWhatIsNotUTF8(t *testing.T) {
	for _, line := range []string{
		"{\"type\":\"failed\",\"lease\":7,\"kind\":\"error\",\"error\":\"\xff\"}",
		"{\"type\":\"report\",\"lease\":7,\"score\":1,\"metrics\":{\"\xc3\":1}}",
		"{\"type\":\"beat\",\"unknown\":\"\xed\xa0\x80\"}",
	} {
		if m, err := protocol.FromTrainer([]byte(line)); err == nil || !strings.Contains(err.Error(), "not valid UTF-8") {
			t.Errorf("%q: %#v, %v", line, m, err)
		}
	}
}

// A name in other case is another name.
func TestFromTrainer_NamesMatchExactly(t *testing.T) {
	m, err := protocol.FromTrainer([]byte(`{"type":"report","Type":"beat","lease":7,"LEASE":8,"score":1,"Score":999,"Samples":[5]}`))
	if err != nil {
		t.Fatal(err)
	}
	r, ok := m.(*protocol.Report)
	if !ok || r.Lease != 7 || *r.Score != 1 || len(r.Samples) != 0 {
		t.Errorf("%#v", m)
	}
}

func TestLimits(t *testing.T) {
	many := func(n int, one string) string { return strings.TrimSuffix(strings.Repeat(one+",", n), ",") }
	long := strings.Repeat("x", protocol.MaxName+1)
	for name, line := range map[string]string{
		"message":       `{"type":"beat","x":"` + strings.Repeat("x", protocol.MaxMessage) + `"}`,
		"samples":       `{"type":"report","lease":1,"score":1,"samples":[` + many(protocol.MaxSamples+1, "1") + `]}`,
		"metric's name": `{"type":"report","lease":1,"score":1,"metrics":{"` + long + `":1}}`,
		"client":        `{"type":"hello","protocol":1,"client":"` + long + `"}`,
		"restart_on":    `{"type":"hello","protocol":1,"restart_on":[` + many(protocol.MaxRestartOn+1, `"a"`) + `]}`,
	} {
		if _, err := protocol.FromTrainer([]byte(line)); err == nil {
			t.Errorf("%s: the limit does not hold", name)
		}
	}
	var metrics []string
	for i := range protocol.MaxMetrics + 1 {
		metrics = append(metrics, `"m`+strings.Repeat("i", i%7)+string(rune('a'+i%26))+strings.Repeat("k", i/26)+`":1`)
	}
	if _, err := protocol.FromTrainer([]byte(`{"type":"progress","lease":1,"metrics":{` + strings.Join(metrics, ",") + `}}`)); err == nil {
		t.Error("metrics: the limit does not hold")
	}
}

func TestFailed_ALongErrorKeepsItsEnds(t *testing.T) {
	text := "begin" + strings.Repeat("ü", protocol.MaxErrorText) + "end"
	body, _ := json.Marshal(map[string]any{"type": "failed", "lease": 1, "kind": "error", "error": text})
	m, err := protocol.FromTrainer(body)
	if err != nil {
		t.Fatal(err)
	}
	got := m.(*protocol.Failed).Error
	if !strings.HasPrefix(got, "begin") || !strings.HasSuffix(got, "end") || len(got) > protocol.MaxErrorText+10 || strings.ContainsRune(got, '\uFFFD') {
		t.Errorf("an error of %d bytes: %.20q … %.20q", len(got), got, got[len(got)-20:])
	}
}

func TestNumber_WhatIsNotFiniteSurvives(t *testing.T) {
	for _, x := range []float64{0, -1.5, 1e300, math.Inf(1), math.Inf(-1), math.NaN()} {
		n := protocol.Number(x)
		line, err := protocol.Append(nil, &protocol.Report{Lease: 1, Score: &n})
		if err != nil {
			t.Fatal(err)
		}
		m, err := protocol.FromTrainer(bytes.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		if got := float64(*m.(*protocol.Report).Score); got != x && !(math.IsNaN(got) && math.IsNaN(x)) {
			t.Errorf("%g came back as %g", x, got)
		}
	}
	if _, err := protocol.FromTrainer([]byte(`{"type":"report","lease":1,"score":1e999}`)); err != nil {
		t.Errorf("a number too large for a float is infinite, as it is everywhere else: %v", err)
	}
}

// Whatever arrives, decoding ends without a panic, and what it takes can be
// written and read again.
func FuzzFromTrainer(f *testing.F) {
	g := readGolden(f)
	for _, e := range append(g.FromTrainer, g.BadFromTrainer...) {
		f.Add([]byte(e.Line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := protocol.FromTrainer(line)
		if err != nil {
			return
		}
		out, err := protocol.Append(nil, m)
		if err != nil {
			t.Fatalf("%q was taken, and cannot be written: %v", line, err)
		}
		again, err := protocol.FromTrainer(bytes.TrimSuffix(out, []byte("\n")))
		if err != nil {
			t.Fatalf("%q became %q: %v", line, out, err)
		}
		if _, isReport := m.(*protocol.Report); !isReport && !reflect.DeepEqual(m, again) { // NaN is not equal to itself
			t.Fatalf("%q became %q", line, out)
		}
	})
}
