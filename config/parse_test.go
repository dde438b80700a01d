package config

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

func mustParse(t testing.TB, data string, opts ...Option) *Experiment {
	t.Helper()
	e, err := Parse("test.yaml", []byte(data), opts...)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, data)
	}
	return e
}

// refuses checks that a document is refused with complaints that hold the wants.
func refuses(t testing.TB, data string, wants []string, opts ...Option) {
	t.Helper()
	_, err := Parse("test.yaml", []byte(data), opts...)
	if err == nil {
		t.Errorf("accepts\n%s", data)
		return
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("complains %v\nwant %s\nin\n%s", err, want, data)
		}
	}
}

// TestDefaultsAreVisible is also the list of all defaults.
func TestDefaultsAreVisible(t *testing.T) {
	e := mustParse(t, smallest)
	got, err := e.YAML()
	if err != nil {
		t.Fatal(err)
	}
	const want = `name: test
seed: 1
population: 20
metric: {name: score, goal: maximize}
segment: {steps: 200}
budget: {steps: 4000}
hyperparameters:
  lr: {log: [1e-5, 0.1], bounds: [1e-5, 0.1], explore: true, inherit: true}
initial: []
ready: {burn_in: 0, after_copy: 0}
exploit: {truncation: 0.2}
explore: {perturb: {factors: [0.8, 1.2], resample: 0.25}}
inherit: both
margin: 0
peers: {within: all, min_scored: 10}
explore_always: false
repair: copy
barrier: false
retries: 2
timeout: none
failures_in_a_row: 20
on_fault: pause
keep: {best: 3, lineage: false, everything: false, bytes: none}
save: each
trainer:
  command: [python, train.py]
  slots: 1
  gpus: none
  gpus_per_slot: 1
  cpus_per_slot: 1
  pin: false
  memory: none
  start_timeout: 10m
  step_timeout: none
  save_timeout: 1h
  silence: 5m
  grace: 30s
  env: {}
  workdir: "."
sinks: {}
notify: {"on": [finish, pause, trouble]}
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	template := strings.Replace(smallest, "train.py]", `train.py, "{save}"]`, 1)
	if e := mustParse(t, template); e.Trainer.Score != (Score{JSON: "score"}) {
		t.Errorf("a template's score is %+v", e.Trainer.Score)
	}
}

// TestDefaultsAreTheLibrarys holds the table's defaults against the constants
// that the rules themselves fall back on.
func TestDefaultsAreTheLibrarys(t *testing.T) {
	e := mustParse(t, smallest)
	if got := e.Policy.Exploit; got != (pbt.Truncation{Fraction: pbt.DefaultFraction}) {
		t.Errorf("exploit is %+v", got)
	}
	if got := e.Policy.Explore; !reflect.DeepEqual(got, pbt.Perturb{Factors: []float64{0.8, 1.2}, Resample: pbt.DefaultResample}) {
		t.Errorf("explore is %+v", got)
	}
	if e.FailureLimit != machine.DefaultFailureLimit {
		t.Errorf("failures_in_a_row is %d", e.FailureLimit)
	}
	bare := mustParse(t, smallest+"\nexploit: ttest\nexplore: resample\n")
	if got := bare.Policy.Exploit; got != (pbt.TTest{Alpha: pbt.DefaultAlpha}) {
		t.Errorf("ttest is %+v", got)
	}
	if got := bare.Policy.Explore; got != (pbt.Resample{P: pbt.DefaultResample}) {
		t.Errorf("resample is %+v", got)
	}
}

// TestEverything reads a file that sets every key and compares with the same
// experiment written in Go.
func TestEverything(t *testing.T) {
	e := mustParse(t, string(corpus(t, "valid")["testdata/valid/everything.yaml"]))
	target := pbt.Score(-0.5)
	space := pbt.MustSpace(
		pbt.LogUniform("lr", 1e-5, 1e-1).Within(1e-6, 1),
		pbt.Uniform("dropout", 0, 0.8).AbsorbingZero(),
		pbt.NearOneUniform("gamma", 0.9, 0.9999).NotInherited(),
		pbt.IntUniform("layers", 1, 4).Within(0, 8).NotExplored(),
		pbt.LogInt("width", 16, 512),
		pbt.Ordered("batch", pbt.Int(16), pbt.Int(32), pbt.Int(64)),
		pbt.Choice("act", pbt.Text("relu"), pbt.Text("gelu")),
		pbt.Bool("nesterov"),
		pbt.Choice("optimizer.name", pbt.Text("sgd"), pbt.Text("adam")), // before what depends on it
		pbt.Uniform("optimizer.momentum", 0, 0.99).OnlyWhen("optimizer.name", pbt.Text("sgd")),
		pbt.NearOneUniform("optimizer.inner.beta", 0.9, 0.999).OnlyWhen("optimizer.name", pbt.Text("adam")),
		pbt.Constant("optimizer.inner.amsgrad", pbt.Truth(true)),
		pbt.IntUniform("schedule.warmup", 0, 100),
		pbt.Constant("epochs", pbt.Int(3)),
		pbt.Constant("note", pbt.Text("010")),
	)
	want := &Experiment{
		Name: "everything-1.0", Seed: math.MaxUint64, Population: 16, Metric: "validation/loss", Goal: pbt.Minimize, Segment: 200,
		Budget:          pbt.Budget{Steps: 4000, Total: 64000, Wall: 90 * time.Minute, Target: &target},
		Hyperparameters: space.Params(),
		Initial: []pbt.Hypers{
			pbt.MakeHypers("lr", pbt.Float(1e-3), "dropout", pbt.Float(0), "optimizer.name", pbt.Text("sgd"), "optimizer.momentum", pbt.Float(0.9)),
			pbt.MakeHypers("schedule.warmup", pbt.Int(10), "batch", pbt.Int(64)),
			{},
		},
		Policy: pbt.Policy{
			Ready:   pbt.Every{BurnIn: 1000, AfterCopy: 400},
			Exploit: pbt.TTest{Alpha: 0.01},
			Explore: pbt.Pipeline{pbt.Resample{P: 0.1}, pbt.Perturb{Factors: []float64{0.5, 2}, Resample: -1}},
			Inherit: pbt.InheritWeights, Margin: 0.01, Window: 400, MinScored: 4, ExploreAlways: true,
			Repair: pbt.RepairRestart, Barrier: &pbt.Barrier{Quorum: 0.9, Deadline: 10 * time.Minute},
		},
		Retries: 0, Timeout: 90 * time.Minute, FailureLimit: 5, OnFault: machine.FaultPause,
		Keep: machine.Keep{Best: 1, Lineage: true, Bytes: 1e10}, SaveEvery: 1,
		Trainer: Trainer{
			Command: []string{"python", "my train.py", "--lr={lr}", "--dropout", "{dropout}", "{optimizer.momentum?--momentum=}",
				"{load?--load}", "--save", "{save}", "--steps", "{steps}", "--set", `{{"a": $1}}`},
			Slots: 4, Score: Score{Regex: "loss: ([-0-9.e]+)"}, Workdir: "src",
			Env:         map[string]string{"OMP_NUM_THREADS": "1", "DEBUG": "true", "NAME": "x"},
			GPUsPerSlot: 1, CPUsPerSlot: 1,
			StartTimeout: 10 * time.Minute, SaveTimeout: time.Hour, Silence: 5 * time.Minute, Grace: 30 * time.Second,
		},
		Notify: Notify{On: []string{"finish", "pause", "trouble"}},
	}
	if !reflect.DeepEqual(e, want) {
		got, _ := e.YAML()
		wanted, _ := want.YAML()
		t.Errorf("got\n%s\nwant\n%s", got, wanted)
	}
	spec, err := e.Spec()
	if err != nil || spec.Space == nil || spec.Population != 16 || spec.FailureLimit != 5 || spec.Segment != 200 {
		t.Errorf("spec is %+v, %v", spec, err)
	}
}

// TestEverythingOfV2 reads the keys that came later.
func TestEverythingOfV2(t *testing.T) {
	e := mustParse(t, string(corpus(t, "valid")["testdata/valid/everything_v2.yaml"]))
	want := Trainer{
		Command: []string{"python", "train.py", "--lr", "{lr}", "--save", "{save}"}, Slots: 6,
		GPUs: []string{"0", "1", "2", "GPU-8a56c1e2-0b7f", "MIG-41b9/1/0"}, GPUsPerSlot: 1. / 3, CPUsPerSlot: 4, Pin: true, Memory: 8 << 30,
		StartTimeout: 90 * time.Second, StepTimeout: 30 * time.Minute, Grace: 90 * time.Second,
		Score: Score{CSV: CSVScore{File: "log.csv", Column: "val acc"}}, Env: map[string]string{"WANDB_MODE": "offline"}, Workdir: "src",
	}
	if !reflect.DeepEqual(e.Trainer, want) || e.SaveEvery != 1 {
		t.Errorf("got\n%+v\nwant\n%+v", e.Trainer, want)
	}
	client := mustParse(t, string(corpus(t, "valid")["testdata/valid/client.yaml"]))
	if c := client.Trainer; !c.AllGPUs || c.GPUs != nil || c.GPUsPerSlot != 2 || c.Slots != 3 || c.Score != (Score{}) || client.SaveEvery != 10 {
		t.Errorf("got %+v, saved each %d", c, client.SaveEvery)
	}
}

func TestSaveEvery(t *testing.T) {
	for save, want := range map[string]int{"each": 1, "lazy": 10, "{every: 1}": 1, "{every: 3}": 3} {
		e := mustParse(t, smallest+"\nsave: "+save)
		if spec, err := e.Spec(); err != nil || e.SaveEvery != want || spec.SaveEvery != want {
			t.Errorf("save: %s is each %d, in the spec %d (%v), want %d", save, e.SaveEvery, spec.SaveEvery, err, want)
		}
	}
}

// TestOrderOfKeys: a mapping has no order, so nothing may hang on it.
func TestOrderOfKeys(t *testing.T) {
	want, _ := mustParse(t, "name: x\nseed: 2\n"+smallest).MarshalJSON()
	lines := strings.Split("name: x\nseed: 2\n"+smallest, "\n")
	slices.Reverse(lines[:3])
	got, _ := mustParse(t, strings.Join(lines, "\n")).MarshalJSON()
	if string(got) != string(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSegmentDefault(t *testing.T) {
	for _, c := range []struct {
		budget string
		want   int64
	}{
		{"{steps: 4000}", 200},
		{"{steps: 5}", 1},
		{"{total_steps: 8000}", 20},
		{"{steps: 4000, total_steps: 8000}", 20},
		{"{steps: 4000, total_steps: 8000000}", 200},
		{"{total_steps: 5}", 1},
	} {
		e := mustParse(t, strings.Replace(smallest, "{steps: 4000}", c.budget, 1))
		if e.Segment != c.want {
			t.Errorf("with budget %s a segment has %d steps, want %d", c.budget, e.Segment, c.want)
		}
	}
}

func TestNameDefault(t *testing.T) {
	for file, want := range map[string]string{
		"digits.yaml": "digits", "a/b/my exp (2).yml": "my-exp-2-", "x": "x", "-.yaml": "experiment", "": "experiment", "größe.yaml": "gr-e",
		strings.Repeat("n", 300) + ".yaml": strings.Repeat("n", 64),
	} {
		e, err := Parse(file, []byte(smallest))
		if err != nil || e.Name != want {
			t.Errorf("the name of %q is %v, want %q (%v)", file, e, want, err)
		}
	}
}

func TestNumbersAreCoerced(t *testing.T) {
	e := mustParse(t, `
budget: {steps: 1e3}
trainer: {builtin: x}
hyperparameters:
  f: {uniform: [0, 1]}
  n: {int: [1, 100]}
  mixed: {ordered: [0, 0.5, 1]}
  whole: {choice: [1, 2]}
  child: {uniform: [0, 1], when: {mixed: 1.0}}
  other: {uniform: [0, 1], when: {n: [1e1, 20.0]}}
initial: [{f: 1, n: 1e1, mixed: 0, whole: 2.0}]
`)
	if got, want := e.Initial[0], pbt.MakeHypers("f", pbt.Float(1), "n", pbt.Int(10), "mixed", pbt.Int(0), "whole", pbt.Int(2)); !got.Equal(want) {
		t.Errorf("initial values are %v", got)
	}
	if got := e.Hyperparameters[4].When.Values; got[0] != pbt.Int(1) {
		t.Errorf("child exists when mixed is %v", got)
	}
	if got := e.Hyperparameters[5].When.Values; got[0] != pbt.Int(10) || got[1] != pbt.Int(20) {
		t.Errorf("other exists when n is %v", got)
	}
}

func TestBuiltins(t *testing.T) {
	file := strings.Replace(smallest, "command: [python, train.py]", "builtin: digit", 1)
	mustParse(t, file)
	refuses(t, file, []string{`test.yaml:4:20: trainer.builtin: unknown trainer "digit"; did you mean "digits"?`}, Builtins("digits", "toy"))
	refuses(t, file, []string{"want toy or plain"}, Builtins("toy", "plain"))
	refuses(t, file, []string{"none built in"}, Builtins())
	mustParse(t, file, Builtins("digit"))
}

func TestDir(t *testing.T) {
	for _, c := range []struct{ workdir, dir, want string }{
		{".", "", "."}, {".", "/exp", "/exp"}, {"src", "/exp", "/exp/src"}, {"/abs", "/exp", "/abs"}, {"../x", "/exp", "/x"},
	} {
		file := strings.Replace(smallest, "train.py]", "train.py], workdir: "+c.workdir, 1)
		if got := mustParse(t, file, Dir(c.dir)).Trainer.Workdir; got != c.want {
			t.Errorf("%s in %s is %s, want %s", c.workdir, c.dir, got, c.want)
		}
	}
}

// TestTable checks the table itself: each default and example fits its shape.
func TestTable(t *testing.T) {
	fits := func(what string, s shape, n *node) {
		t.Helper()
		c := &checker{&complaints{}, map[*node]bool{}}
		if n != nil && !c.against(s, n, what) {
			t.Errorf("%s: %v", what, c.err())
		}
	}
	var walk func(path string, s shape)
	walkFields := func(path string, fields []field) {
		for i := range fields {
			f := &fields[i]
			at := join(path, f.key)
			fits("default of "+at, f.shape, f.defaultNode())
			if f.example == "" || f.doc == "" || f.def == "" && f.unset == "" && !f.required {
				t.Errorf("%s lacks an example, a text, or what holds without it", at)
			} else {
				fits("example of "+at, f.shape, exampleNode(f.example))
			}
			walk(at, f.shape)
		}
	}
	walk = func(path string, s shape) {
		switch s := s.(type) {
		case record:
			walkFields(path, s.fields)
		case variants:
			for _, v := range s.cases {
				at := join(path, v.key)
				fits("example of "+at, v.shape, exampleNode(v.ex))
				fits("default of "+at, v.shape, (&field{def: v.def}).defaultNode())
				walk(at, v.shape)
				walkFields(at, v.extras)
			}
		case either:
			for _, one := range s {
				walk(path, one)
			}
		case list:
			walk(path+"[]", s.of)
		case space:
			walk(path, parameter)
		}
	}
	walk("", experiment)
}

// TestEncodesEveryKey: a key that encoding forgets would be lost on resume.
func TestEncodesEveryKey(t *testing.T) {
	everything := string(corpus(t, "valid")["testdata/valid/everything.yaml"]) // as stored by version 1, so with a later key added here
	n, err := mustParse(t, strings.Replace(everything, "target: -0.5", "target: -0.5, patience: 9000", 1)).encode()
	if err != nil {
		t.Fatal(err)
	}
	shown, err := mustParse(t, string(corpus(t, "valid")["testdata/valid/sinks.yaml"])).encode()
	if err != nil {
		t.Fatal(err)
	}
	var has func(path string, fields []field, n *node)
	has = func(path string, fields []field, n *node) {
		if n == nil || n.kind != mapKind {
			t.Errorf("%s is not encoded", path)
			return
		}
		for i := range fields {
			if path == "" && (fields[i].key == "sinks" || fields[i].key == "notify") { // that file has all of them
				n = shown
			}
			if path == "" && fields[i].key == "constraints" {
				continue // encoded only where there are some: TestConstraintsOfAFile
			}
			if n.get(fields[i].key) == nil {
				t.Errorf("%s is not encoded", join(path, fields[i].key))
			}
			if r, ok := fields[i].shape.(record); ok {
				has(join(path, fields[i].key), r.fields, n.get(fields[i].key))
			}
		}
	}
	has("", experiment.fields, n)
	has("trainer", trainer.find("command").extras, n.get("trainer"))
	has("barrier", barrier.fields, n.get("barrier"))
	has("ttest", ttest.fields, n.get("exploit").get("ttest"))
}

// To scikit-learn, max_features: 1 is one feature and 1.0 is all of them.
func TestEachValueOfAListKeepsItsType(t *testing.T) {
	want := []pbt.Value{pbt.Text("sqrt"), pbt.Int(1), pbt.Float(0.5), pbt.Float(2), pbt.Truth(true)}
	for _, kind := range []string{"choice", "ordered"} {
		e := mustParse(t, "budget: {steps: 1e3}\ntrainer: {builtin: x}\nhyperparameters:\n  m: {"+kind+": [sqrt, 1, 0.5, 2.0, true]}\n")
		stored, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		again, err := FromJSON(stored)
		if err != nil {
			t.Fatal(err)
		}
		text, err := e.YAML()
		if err != nil {
			t.Fatal(err)
		}
		for how, e := range map[string]*Experiment{"file": e, "journal": again, "YAML": mustParse(t, string(text))} {
			if got := e.Hyperparameters[0].Values; !slices.Equal(got, want) {
				t.Errorf("%s, %s: %v", kind, how, got)
			}
		}
		space := pbt.MustSpace(e.Hyperparameters...)
		for member := range 50 {
			h := space.Draw(1, member, 0)
			moved, _ := pbt.Perturb{Resample: 1}.Explore(space, h, pbt.Address{Seed: 2, Member: member})
			for _, h := range []pbt.Hypers{h, moved} {
				var read pbt.Hypers
				if v, _ := h.Get("m"); !slices.Contains(want, v) {
					t.Fatalf("%s: %v of kind %d", kind, v, v.Kind())
				}
				if err := read.UnmarshalJSON(h.AppendJSON(nil)); err != nil || !read.Equal(h) {
					t.Fatalf("%s: %s reads back as %s (%v)", kind, h, read, err)
				}
			}
		}
	}
}
