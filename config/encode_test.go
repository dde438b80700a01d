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
	tooLarge := len(e.Hyperparameters)+len(e.Initial) > 200 || len(stored) > MaxFileSize/2 // in its long form
	if old := e.Trainer.IsTemplate() && !e.Trainer.saves(); old || tooLarge {
		return // no file
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
	for stored, file := range map[string]string{"v1": "everything", "v2": "everything_v2", "v2_client": "client", "v3": "sinks"} {
		data, err := os.ReadFile("testdata/stored/" + stored + ".json")
		if err != nil {
			t.Fatal(err)
		}
		e, err := FromJSON(data)
		if err != nil {
			t.Fatalf("%s: %v", stored, err)
		}
		want := mustParse(t, string(corpus(t, "valid")["testdata/valid/"+file+".yaml"]))
		if !reflect.DeepEqual(e, want) {
			t.Errorf("%s.json now reads as\n%+v\nwant\n%+v", stored, e, want)
		}
	}
}

// TestStoredCommands: the first pbt ran every command once per segment. What it
// accepted is read, but not set anew.
func TestStoredCommands(t *testing.T) {
	const head = `{"name":"x","budget":{"steps":4000},"hyperparameters":{"lr":{"log":[1e-5,0.1]}},"trainer":`
	unsaved := []byte(head + `{"command":["x","{lr}"],"slots":1,"score":{"json":"acc"},"env":{},"workdir":"."}}`)
	bare := []byte(head + `{"command":["x","y"],"slots":1,"score":{"json":"acc"},"env":{},"workdir":"."}}`)
	for _, data := range [][]byte{unsaved, bare} {
		e, err := FromJSON(data, Set("trainer.slots=2"))
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, e)
		if e.Trainer.IsTemplate() != (e.Trainer.Score.JSON == "acc") {
			t.Errorf("%q has the score %+v", e.Trainer.Command, e.Trainer.Score)
		}
	}
	for set, data := range map[string][]byte{"trainer.command=x {lr}": unsaved, "trainer.score={json: q}": bare} {
		if _, err := FromJSON(data, Set(set)); err == nil || !strings.Contains(err.Error(), "--set trainer.") {
			t.Errorf("--set %s gives %v", set, err)
		}
	}
}

// TestFieldsMayBeMissing: a field added later is missing in old JSON; its default
// must do, for every field that has one.
func TestFieldsMayBeMissing(t *testing.T) {
	n, err := mustParse(t, settable).encode()
	if err != nil {
		t.Fatal(err)
	}
	without := func(n *node, key string) *node {
		out := *n
		out.pairs = slices.DeleteFunc(slices.Clone(n.pairs), func(p pair) bool { return p.key == key })
		return &out
	}
	for _, f := range experiment.fields {
		_, err := FromJSON(appendJSON(nil, without(n, f.key)))
		if (err != nil) != f.required {
			t.Errorf("without %s: %v", f.key, err)
		}
	}
	for _, f := range trainer.find("command").extras {
		less := with(without(n, "trainer"), "trainer", without(n.get("trainer"), f.key))
		if e, err := FromJSON(appendJSON(nil, less)); err != nil {
			t.Errorf("without trainer.%s: %v", f.key, err)
		} else {
			roundTrip(t, e)
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
		{"trainer.command=[x, '{save}']", `trainer.command: [python, train.py, "{save}"] → [x, "{save}"]`, ""},
		{"trainer.command=[x, z]", `trainer.command: [python, train.py, "{save}"] → [x, z]; trainer.score: {json: score} is gone`, ""},
		{"trainer.score={json: acc}", "trainer.score.json: score → acc", ""},
		{"trainer.score={csv: {file: x.csv, column: acc}}", "trainer.score.json: score is gone; trainer.score.csv: {file: x.csv, column: acc} is new", ""},
		{"trainer={command: [python, train.py, '{save}'], slots: 2, gpus: [0, A], gpus_per_slot: 0.5}", "trainer.gpus: none → [0, A]; trainer.gpus_per_slot: 1 → 0.5", ""},
		{"trainer={command: [python, train.py, '{save}'], slots: 2, cpus_per_slot: 4, pin: true, memory: 1GB}", "trainer.cpus_per_slot: 1 → 4; trainer.pin: false → true; trainer.memory: none → 1GB", ""},
		{"trainer={command: [python, train.py, '{save}'], slots: 2, start_timeout: 1s, step_timeout: 2s, save_timeout: none, silence: none, grace: 3s}",
			"trainer.start_timeout: 10m → 1s; trainer.step_timeout: none → 2s; trainer.save_timeout: 1h → none; trainer.silence: 5m → none; trainer.grace: 30s → 3s", ""},
		{"trainer={builtin: digits, slots: 2}", `trainer.command: [python, train.py, "{save}"] is gone; trainer.gpus: none is gone; trainer.gpus_per_slot: 1 is gone; ` +
			"trainer.cpus_per_slot: 1 is gone; trainer.pin: false is gone; trainer.memory: none is gone; trainer.start_timeout: 10m is gone; trainer.step_timeout: none is gone; " +
			`trainer.save_timeout: 1h is gone; trainer.silence: 5m is gone; trainer.grace: 30s is gone; trainer.score: {json: score} is gone; trainer.env: {} is gone; trainer.workdir: "." is gone`, "trainer.builtin: digits is new"},
		{"sinks={tensorboard: {dir: logs}, wandb: {project: p}}", "sinks.tensorboard: {dir: logs} is new; sinks.wandb: {project: p, mode: offline, python: python3} is new", ""},
		{"sinks.mlflow.uri=http://127.0.0.1:5000", "sinks.mlflow: {uri: \"http://127.0.0.1:5000\", experiment: x} is new", ""},
		{"notify={command: [mail, me], on: [best]}", "notify.on: [finish, pause, trouble] → [best]; notify.command: [mail, me] is new", ""},
		{"seed=2", "", "seed: 1 → 2"},
		{"name=z", "", "name: x → z"},
		{"population=8", "peers.min_scored: 10 → 4", "population: 20 → 8"},
		{"metric.goal=minimize", "", "metric.goal: maximize → minimize"},
		{"segment.steps=5", "", "segment.steps: 200 → 5"},
		{"exploit=none", "exploit: {truncation: 0.2} → none", ""},
		{"barrier=true", "barrier: false → {quorum: 1, deadline: none}", ""},
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
