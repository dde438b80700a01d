package config

import (
	"strings"
	"testing"
)

const settable = `name: x
budget: {steps: 4000}
exploit: truncation
explore: [{resample: 0.1}, {perturb: [0.8, 1.2]}]
hyperparameters:
  lr: {log: [1e-5, 1e-1], bounds: [1e-6, 1]}
  epochs: 3
  optimizer: {name: {choice: [sgd, adam]}}
  schedule.warmup: {int: [0, 100]}
timeout: 10m
trainer: {command: [python, train.py, "{save}"], slots: 2}
`

// TestSet: each assignment gives the same experiment as the file with one text changed.
func TestSet(t *testing.T) {
	for _, c := range []struct{ set, old, new string }{
		{"name=y", "name: x", "name: y"},
		{" name = y", "name: x", "name: y"},
		{"seed=7", "name: x", "name: x\nseed: 7"},
		{"budget.steps=8000", "steps: 4000", "steps: 8000"},
		{"budget.wall=2h", "{steps: 4000}", "{steps: 4000, wall: 2h}"},
		{"budget={wall: 2h, steps: 5}", "{steps: 4000}", "{wall: 2h, steps: 5}"},
		{"hyperparameters.lr.log=[1e-4,1e-2]", "[1e-5, 1e-1]", "[1e-4, 1e-2]"},
		{"hyperparameters.lr.uniform=[0.1,0.2]", "log: [1e-5, 1e-1]", "uniform: [0.1, 0.2]"},
		{"hyperparameters.lr=0.1", "{log: [1e-5, 1e-1], bounds: [1e-6, 1]}", "0.1"},
		{"hyperparameters.epochs.int=[1, 5]", "epochs: 3", "epochs: {int: [1, 5]}"},
		{"hyperparameters.epochs=null", "\n  epochs: 3", ""},
		{"hyperparameters.new.uniform=[0,1]", "10m\n", "10m\n"},
		{"hyperparameters.optimizer.name.choice=[sgd]", "[sgd, adam]", "[sgd]"},
		{"hyperparameters.optimizer.beta={near_one: [0.9, 0.99]}", "[sgd, adam]}", "[sgd, adam]}, beta: {near_one: [0.9, 0.99]}"},
		{"hyperparameters.schedule.warmup.int=[0, 5]", "[0, 100]", "[0, 5]"},
		{"exploit=none", "exploit: truncation", "exploit: none"},
		{"exploit.truncation=0.3", "exploit: truncation", "exploit: {truncation: 0.3}"},
		{"exploit.ttest.alpha=0.01", "exploit: truncation", "exploit: {ttest: {alpha: 0.01}}"},
		{"explore.0.resample=0.5", "resample: 0.1", "resample: 0.5"},
		{"explore.1.noise=0.5", "perturb: [0.8, 1.2]", "noise: 0.5"},
		{"explore=none", "[{resample: 0.1}, {perturb: [0.8, 1.2]}]", "none"},
		{"explore.0=null", "{resample: 0.1}, ", ""},
		{"timeout=null", "timeout: 10m\n", ""},
		{"peers.within=null", "name: x", "name: x"},
		{"exploit.ttest.alpha=null", "name: x", "name: x"},
		{"trainer.slots=8", "slots: 2", "slots: 8"},
		{"trainer.builtin=toy", `command: [python, train.py, "{save}"]`, "builtin: toy"},
		{"trainer.env.OMP_NUM_THREADS=1", "slots: 2", "slots: 2, env: {OMP_NUM_THREADS: 1}"},
		{"trainer.command=python other.py --lr={lr} {save}", `[python, train.py, "{save}"]`, `[python, other.py, "--lr={lr}", "{save}"]`},
		{"trainer.command=python client.py", `[python, train.py, "{save}"]`, `[python, client.py]`},
		{"trainer.gpus=[0,1]", "slots: 2", "slots: 2, gpus: [0, 1]"},
		{"trainer.score.csv={file: x.csv, column: acc}", "slots: 2", "slots: 2, score: {csv: {file: x.csv, column: acc}}"},
		{"save=each", "name: x", "name: x"},
		{"initial=[{lr: 1e-3}]", "name: x", "name: x\ninitial: [{lr: 1e-3}]"},
	} {
		changed := strings.Replace(settable, c.old, c.new, 1)
		if changed == settable && c.old != c.new {
			t.Fatalf("%q is not in the file", c.old)
		}
		if strings.HasPrefix(c.set, "hyperparameters.new") {
			changed = strings.Replace(settable, "\ntimeout", "\n  new: {uniform: [0, 1]}\ntimeout", 1)
		}
		want, _ := mustParse(t, changed).MarshalJSON()
		got, _ := mustParse(t, settable, Set(c.set)).MarshalJSON()
		if string(got) != string(want) {
			t.Errorf("--set %s gives\n%s\nwant\n%s", c.set, got, want)
		}
	}
}

func TestSetComplains(t *testing.T) {
	for _, c := range []struct{ set, want string }{
		{"budget.stpes=1", `--set budget.stpes=1: budget: unknown key "stpes"; did you mean "steps"?`},
		{"bugdet.steps=1", `--set bugdet.steps=1: unknown key "bugdet"; did you mean "budget"?`},
		{"bugdet.steps=null", `--set bugdet.steps=null: unknown key "bugdet"; did you mean "budget"?`},
		{"trainer.slot=null", `unknown key "slot"; did you mean "slots"?`},
		{"budget.steps.x=null", `unknown key "x"`},
		{"budget.steps=many", `--set budget.steps=many: budget.steps: found the text "many"`},
		{"population=0", `--set population=0: population: found 0; want a whole number from 1`},
		{"hyperparameters.lr.log=[1e-1,1e-5]", `hyperparameters.lr: range [0.1, 1e-05] is reversed`},
		{"hyperparameters.lr.log.x=1", `want two numbers above 0`},
		{"name", `--set name: want path=value`},
		{"=5", `no name`},
		{"a..b=5", `no name`},
		{"name=", `--set name=: no value after =`},
		{"name=[", `--set name=[: `},
		{"name=a\nb: c", `--set name=a b: c: `},
		{"budget=null", `"budget" is missing`},
		{strings.Repeat("a.", 50) + "b=1", `deeper than`},
		{"explore.7.resample=0.5", `unknown key "7"`},
		{"name=" + strings.Repeat("x", 200), `x…: name: `},
	} {
		refuses(t, settable, []string{c.want}, Set(c.set))
	}
	refuses(t, settable, []string{`has both "truncation" and "ttest"`}, Set("exploit.truncation=0.1", "exploit.ttest.alpha=0.1"))
	refuses(t, settable, []string{"--set seed=a: ", "--set retries=b: "}, Set("seed=a", "retries=b"))
	mustParse(t, settable, Set("seed=1", "seed=2"))
}

// TestSetMendsTheFile: what is set is what is checked.
func TestSetMendsTheFile(t *testing.T) {
	broken := strings.Replace(settable, "steps: 4000", "steps: many", 1)
	refuses(t, broken, nil)
	mustParse(t, broken, Set("budget.steps=5"))
}

func TestJSONValueIsYAML(t *testing.T) {
	for text, want := range map[string]string{
		".3": "0.3", "2.0": "2.0", "1e-3": "1e-3", "+1": "1", "0x10": "16", "True": "true", "null": "null", "4h": `"4h"`, "'4'": `"4"`,
		"{truncation: 0.3}": `{"truncation":0.3}`, "[.8, 1.2]": "[0.8,1.2]", `{"ttest": {"alpha": 0.01}}`: `{"ttest":{"alpha":0.01}}`,
	} {
		if got, err := JSONValue("x="+text, text); err != nil || string(got) != want {
			t.Errorf("%s gives %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".inf", "{a: [.nan]}", "{a", "010"} {
		if got, err := JSONValue("x="+text, text); err == nil || !strings.Contains(err.Error(), "x=") {
			t.Errorf("%q gives %s and the error %v", text, got, err)
		}
	}
}
