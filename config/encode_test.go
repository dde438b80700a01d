package config

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// TestRoundTrips: JSON is read back exactly; it and the YAML are experiment files themselves.
func TestRoundTrips(t *testing.T) {
	for file, data := range corpus(t, "valid") {
		e, err := Parse(file, data)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, e)
	}
}

func roundTrip(t testing.TB, e *Experiment) {
	t.Helper()
	stored, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if direct, _ := e.MarshalJSON(); !bytes.Equal(direct, stored) {
		t.Errorf("json.Marshal gives\n%s\nMarshalJSON gives\n%s", stored, direct)
	}
	text, err := e.YAML()
	if err != nil {
		t.Fatal(err)
	}
	var unmarshalled Experiment
	if err := json.Unmarshal(stored, &unmarshalled); err != nil {
		t.Fatal(err)
	}
	fromJSON, err := FromJSON(stored)
	if err != nil {
		t.Fatalf("%v\n%s", err, stored)
	}
	for how, again := range map[string]*Experiment{"json": fromJSON, "json.Unmarshal": &unmarshalled} {
		if !reflect.DeepEqual(again, e) {
			t.Errorf("%s gives\n%+v\nwant\n%+v", how, again, e)
		}
	}
	if len(e.Hyperparameters)+len(e.Initial) > 200 || len(stored) > MaxFileSize/2 { // in its long form, too large for a file
		return
	}
	for how, data := range map[string][]byte{"JSON as a file": stored, "YAML": text} {
		again, err := Parse("x.yaml", data)
		if err != nil {
			t.Fatalf("%s: %v\n%s", how, err, data)
		}
		if !reflect.DeepEqual(again, e) {
			t.Errorf("%s gives\n%+v\nwant\n%+v\n%s", how, again, e, data)
		}
	}
	was, err := e.Spec()
	is, err2 := fromJSON.Spec()
	if err != nil || err2 != nil || !reflect.DeepEqual(was, is) {
		t.Errorf("spec was %+v, is %+v (%v, %v)", was, is, err, err2)
	}
}

// TestStoredExperiments: an experiment that an old journal holds stays readable,
// and means what it meant. Add a file when a field is added; never change one.
func TestStoredExperiments(t *testing.T) {
	data, err := os.ReadFile("testdata/stored/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	e, err := FromJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	want := mustParse(t, string(corpus(t, "valid")["testdata/valid/everything.yaml"]))
	if !reflect.DeepEqual(e, want) {
		t.Errorf("the stored experiment now reads as\n%+v\nwant\n%+v", e, want)
	}
}

// TestFieldsMayBeMissing: a field added later is missing in old JSON; its default
// must do, for every field that has one.
func TestFieldsMayBeMissing(t *testing.T) {
	n, err := mustParse(t, settable).encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range experiment.fields {
		without := *n
		without.pairs = slices.DeleteFunc(slices.Clone(n.pairs), func(p pair) bool { return p.key == f.key })
		_, err := FromJSON(appendJSON(nil, &without))
		if (err != nil) != f.required {
			t.Errorf("without %s: %v", f.key, err)
		}
	}
}

func TestFromJSONIsStrict(t *testing.T) {
	good, _ := mustParse(t, smallest).MarshalJSON()
	for _, c := range []struct{ data, want string }{
		{"", "EOF"},
		{"{", "EOF"},
		{"5", "found the number 5"},
		{string(good) + "x", "more after the end"},
		{string(good[:len(good)-1]), "EOF"},
		{strings.Replace(string(good), `"seed"`, `"sede"`, 1), `unknown key "sede"; did you mean "seed"?`},
		{strings.Replace(string(good), `"seed":1`, `"seed":1,"seed":2`, 1), "there twice"},
		{strings.Replace(string(good), `"seed":1`, `"seed":"1"`, 1), "found the text"},
		{strings.Replace(string(good), `[1e-5,0.1]`, `[0.1,1e-5]`, 1), "reversed"},
		{strings.Repeat("[", 1000), "nested deeper"},
	} {
		if _, err := FromJSON([]byte(c.data)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.100s gives %v, want %s", c.data, err, c.want)
		}
	}
}

func TestEncodeRefusesForeignRules(t *testing.T) {
	e := *mustParse(t, smallest)
	for _, p := range []pbt.Policy{
		{},
		{Ready: pbt.Every{}, Exploit: pbt.NoExploit{}},
		{Ready: pbt.Every{}, Explore: pbt.NoExplore{}},
		{Exploit: pbt.NoExploit{}, Explore: pbt.NoExplore{}},
		{Ready: pbt.Every{}, Exploit: pbt.NoExploit{}, Explore: pbt.Pipeline{nil}},
	} {
		e.Policy = p
		if _, err := json.Marshal(e); err == nil {
			t.Errorf("%+v is encoded", p)
		}
		if _, err := e.YAML(); err == nil {
			t.Errorf("%+v is encoded", p)
		}
		if _, refused := Changes(&e, &e); len(refused) != 1 {
			t.Errorf("%+v is compared", p)
		}
	}
}

func TestChanges(t *testing.T) {
	old := mustParse(t, settable)
	for _, c := range []struct {
		set     string
		allowed string
		refused string
	}{
		{"name=x", "", ""},
		{"budget.steps=8000", "budget.steps: 4000 → 8000", "segment.steps: 200 → 400"},
		{"budget.wall=2h", "budget.wall: 2h is new", ""},
		{"retries=5", "retries: 2 → 5", ""},
		{"timeout=null", "timeout: 10m → none", ""},
		{"failures_in_a_row=3", "failures_in_a_row: 20 → 3", ""},
		{"keep={best: 1, bytes: 1GB}", "keep.best: 3 → 1; keep.bytes: none → 1GB", ""},
		{"trainer.slots=4", "trainer.slots: 2 → 4", ""},
		{"trainer.env.A=b", "trainer.env.A: b is new", ""},
		{"trainer.workdir=src", `trainer.workdir: "." → src`, ""},
		{"trainer.command=[x, z]", "trainer.command: [python, train.py] → [x, z]", ""},
		{"trainer.score={json: acc}", "trainer.score.json: score → acc", ""},
		{"trainer={builtin: digits, slots: 2}", "trainer.command: [python, train.py] is gone; trainer.score: {json: score} is gone; trainer.env: {} is gone; trainer.workdir: \".\" is gone", "trainer.builtin: digits is new"},
		{"seed=2", "", "seed: 1 → 2"},
		{"name=z", "", "name: x → z"},
		{"population=8", "", "population: 20 → 8; peers.min_scored: 10 → 4"},
		{"metric.goal=minimize", "", "metric.goal: maximize → minimize"},
		{"segment.steps=5", "", "segment.steps: 200 → 5"},
		{"exploit=none", "", "exploit: {truncation: 0.2} → none"},
		{"barrier=true", "", "barrier: false → {quorum: 1, deadline: none}"},
		{"hyperparameters.lr.log=[1e-4,1e-2]", "", "hyperparameters.lr.log: [1e-5, 0.1] → [0.0001, 0.01]"},
		{"hyperparameters.z=1", "", "hyperparameters.z: {constant: 1} is new"},
		{"hyperparameters={schedule.warmup: {int: [0, 100]}, lr: {log: [1e-5, 1e-1], bounds: [1e-6, 1]}, epochs: 3, optimizer: {name: {choice: [sgd, adam]}}}", "", "hyperparameters: the order is another"},
	} {
		allowed, refused := Changes(old, mustParse(t, settable, Set(c.set)))
		if got := strings.Join(allowed, "; "); got != c.allowed {
			t.Errorf("%s: allowed is %s, want %s", c.set, got, c.allowed)
		}
		if got := strings.Join(refused, "; "); got != c.refused {
			t.Errorf("%s: refused is %s, want %s", c.set, got, c.refused)
		}
	}
}

// TestResume: --set on a stored experiment changes what it names and nothing
// that was derived when the run began.
func TestResume(t *testing.T) {
	old := mustParse(t, settable)
	stored, _ := old.MarshalJSON()
	longer, err := FromJSON(stored, Set("budget.steps=8000", "hyperparameters.optimizer.name.choice=[sgd]"))
	if err != nil {
		t.Fatal(err)
	}
	allowed, refused := Changes(old, longer)
	if len(allowed) != 1 || len(refused) != 1 || longer.Segment != 200 {
		t.Errorf("allowed %q, refused %q, a segment of %d", allowed, refused, longer.Segment)
	}
	if _, err := FromJSON(stored, Set("budget.steps=x")); err == nil || !strings.HasPrefix(err.Error(), "--set budget.steps=x: budget.steps: ") {
		t.Errorf("complains %v", err)
	}
}
