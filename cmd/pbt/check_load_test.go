package main

import (
	"os/exec"
	"strings"
	"testing"
)

// unread is an experiment whose program forgets its checkpoint, its seed, or both.
const unread = `name: unread
population: 4
metric: {name: loss, goal: minimize}
segment: {steps: 50}
budget: {steps: 2000}
hyperparameters: {lr: {log: [1e-4, 0.1]}}
trainer: {command: [python3, t.py, "{lr}", "{steps}", "{seed}", "{save}", LOAD], env: {FAULT: ""}}
`

// unreadScript trains from its checkpoint if it is given one, and has a choice of faults.
const unreadScript = `import json, os, random, sys, time
lr, steps, seed, save, load = (sys.argv[1:] + [""])[:5]
fault = os.environ["FAULT"].split()
if "environment" in fault: load = os.environ["PBT_LOAD"]
w = json.load(open(load + "/w"))[0] if load and not "blind" in fault else 5.0
r = random.Random(1 if "noseed" in fault else int(seed))
for _ in range(int(steps)): w -= float(lr) * (w + r.gauss(0, .1))
json.dump([w, time.time() if "stamp" in fault else 0, seed if "args" in fault else 0], open(save + "/w", "w"))
if "noisy" in fault: # differs from one process to the next, and is the same in each run of this test
    with open(os.path.dirname(os.path.abspath(__file__)) + "/count", "a") as f: f.write("x")
    random.seed(os.path.getsize(f.name))
print(json.dumps({"loss": w * w + ("noisy" in fault) * random.gauss(0, 0.1)}))
`

// What check has not seen it does not confirm: each ✓ is of an experiment that could have failed.
func TestCheckConfirmsOnlyWhatItHasSeen(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	for name, c := range map[string]struct {
		load, fault string
		code        int
		says        []string // parts of level and check, and of what it says
		not         []string
	}{
		"loads": {`"{load}"`, "", exitDone, []string{"ok load: a fresh process", "ok damage", "ok seed", "ok hypers: lr acts on a loaded checkpoint", "ok repeat", "ok weights: fresh members differ"}, nil},
		"no load": {"x", "blind", exitFailed, []string{"wrong load: trainer.command never mentions {load}", "unknown damage", "unknown hypers", "ok seed"},
			[]string{"ok load", "ok hypers", "ok damage"}},
		"no load, no seed":                      {"x", "blind noseed", exitFailed, []string{"wrong load", "warning seed", "warning weights"}, []string{"ok load", "ok seed", "ok weights"}},
		"no load, no seed, with the time in it": {"x", "blind noseed stamp", exitFailed, []string{"wrong load", "warning seed", "warning weights"}, []string{"ok load", "ok seed", "ok weights"}},
		"no load, no seed, with the seed in it": {"x", "blind noseed args", exitFailed, []string{"wrong load", "warning seed"}, []string{"ok load", "ok seed"}},
		"load is not read":                      {`"{load}"`, "blind", exitFailed, []string{"wrong load: the program does not go on from its checkpoint"}, []string{"ok load"}},
		"read by itself":                        {`""`, "environment", exitDone, []string{"ok load", "ok damage"}, nil},
		"no seed":                               {`"{load}"`, "noseed", exitDone, []string{"ok load", "warning seed", "warning weights"}, []string{"ok seed"}},
		"noisy, not read":                       {`"{load}"`, "blind noisy", exitFailed, []string{"note repeat: noisy", "wrong load"}, []string{"ok load", "ok seed", "ok hypers"}},
		"noisy, not read, with the time in it":  {`"{load}"`, "blind noisy stamp", exitDone, []string{"note repeat: noisy", "unknown load: not tested", "warning damage"}, []string{"ok load", "ok seed"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := home(t, strings.NewReplacer("LOAD", c.load, `FAULT: ""`, `FAULT: "`+c.fault+`"`).Replace(unread))
			save(t, dir, "t.py", unreadScript)
			_, says := complain(t, dir, c.code, "--time", "10m", "--steps", "50")
			for _, want := range c.says {
				if !strings.Contains(says, want) {
					t.Errorf("%q is not in:\n%s", want, says)
				}
			}
			for _, not := range c.not {
				if strings.Contains(says, not) {
					t.Errorf("%q is in:\n%s", not, says)
				}
			}
		})
	}
}

// A run warns of a command that never mentions {load}.
func TestRunWarnsOfACommandThatNeverLoads(t *testing.T) {
	const warning = "warning: trainer.command never mentions {load}"
	script := `echo 1 > "$1/w"; echo '{"q": 1}'`
	dir := homeOf(t, script)
	if r := cli(t, dir, "run", "q.yaml", "--dir", "with", "--no-web"); r.code != exitDone || strings.Contains(r.err, warning) {
		t.Error(r)
	}
	dir = home(t, strings.Replace(programs, `, "{load}"`, "", 1))
	save(t, dir, "train.sh", script)
	if r := cli(t, dir, "run", "q.yaml", "--dir", "without", "--no-web"); r.code != exitDone || !strings.Contains(r.err, warning) {
		t.Error(r)
	}
}

// A run warns before it trains of settings with which no member can copy or explore.
func TestRunWarnsOfSettingsThatPreventCopies(t *testing.T) {
	dir := homeOf(t, `echo 1 > "$1/w"; echo '{"q": 1}'`)
	for name, want := range map[string]string{"ready.burn_in=1e6": "warning: no copy can happen: ready.burn_in is 1000000 steps", "hyperparameters={h0: 1}": "warning: every hyperparameter is constant"} {
		r := cli(t, dir, "run", "q.yaml", "--set", name, "--no-web")
		if r.code != exitDone || strings.Count(r.err, want) != 1 {
			t.Error(name, r)
		}
		if r := cli(t, dir, "run", "q.yaml", "--set", name, "--no-web", "--quiet"); strings.Contains(r.err, "warning") {
			t.Error(name, r)
		}
	}
}
