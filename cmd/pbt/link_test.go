package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// replacing trains with t.sh SAVE OUTSIDE LOAD, which may put a link in the place of what it was given.
const replacing = `name: replacing
population: 2
metric: {name: q, goal: maximize}
segment: {steps: 1}
budget: {steps: 4}
retries: 0
hyperparameters: {lr: {log: [1e-3, 1]}}
trainer: {command: [sh, t.sh, "{save}", OUTSIDE, "{load}", "{segment}"], slots: 1}
`

// outsideOf makes a directory outside every run, and checks it at the end.
func outsideOf(t *testing.T, dir string) string {
	t.Helper()
	outside := filepath.Join(dir, "outside")
	if err := os.MkdirAll(filepath.Join(outside, "deep"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "deep/file"} {
		save(t, outside, name, "keep")
	}
	t.Cleanup(func() {
		for _, name := range []string{"file", "deep/file"} {
			if text, err := os.ReadFile(filepath.Join(outside, name)); err != nil || string(text) != "keep" {
				t.Errorf("outside of the run, %s: %q, %v", name, text, err)
			}
		}
		if there, err := os.ReadDir(outside); err != nil || len(there) != 2 {
			t.Errorf("outside of the run: %v, %v", there, err)
		}
	})
	return outside
}

// Whatever a trainer puts in the place of its directory, and however it ends, nothing
// outside of the run is deleted or changed: in a run, on resuming it, and under pbt check.
func TestLink_InPlaceOfTheStagingDirectory(t *testing.T) {
	for name, script := range map[string]string{
		"reports":      `rmdir "$1"; ln -s "$2" "$1"; echo '{"q": 1}'`,
		"exits 1":      `rmdir "$1"; ln -s "$2" "$1"; exit 1`,
		"link inside":  `ln -s "$2" "$1/inner"; echo '{"q": 1}'`,
		"link to file": `ln -s "$2/file" "$1/w"; exit 1`,
		"moves it":     `mv "$1" "$2.moved-$4"; ln -s "$2" "$1"; exit 1`,
		"all staging":  `s=$(dirname "$1"); mv "$s" "$2.staging-$4" && ln -s "$2" "$s"; exit 1`,
		"is killed":    `rmdir "$1"; ln -s "$2" "$1"; kill -9 $$`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := home(t, "")
			outside := outsideOf(t, dir)
			save(t, dir, "q.yaml", strings.ReplaceAll(replacing, "OUTSIDE", outside))
			save(t, dir, "t.sh", script+"\n")
			cli(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
			cli(t, dir, "resume", "d", "--quiet")
			cli(t, dir, "check", "q.yaml", "--quiet")
			if left, _ := filepath.Glob(filepath.Join(dir, ".pbt-check-*")); len(left) > 0 && name != "all staging" {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// The same with a trainer that stays alive.
func TestLink_OfAClientTrainer(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	for _, end := range []string{`say(type="saved", lease=lease)`, `sys.exit(1)`} {
		dir := home(t, living)
		outside := outsideOf(t, dir)
		script := strings.Replace(clientScript, `with open(m["dir"] + "/w", "w") as f: json.dump([w, v, h["lr"], mean], f)`,
			`os.rmdir(m["dir"]); os.symlink("`+outside+`", m["dir"]); `+end, 1)
		if !strings.Contains(script, "os.symlink") {
			t.Fatal("the client's script has changed")
		}
		save(t, dir, "client.py", script)
		cli(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "budget.steps=60", "--set", "retries=0")
		cli(t, dir, "check", "q.yaml", "--quiet", "--steps", "20")
	}
}

// A published checkpoint is moved elsewhere and linked back: it is not loaded, and when it
// is superseded its link goes and nothing else.
func TestLink_InPlaceOfAPublishedCheckpoint(t *testing.T) {
	dir := home(t, "")
	save(t, dir, "q.yaml", strings.ReplaceAll(replacing, "OUTSIDE", "none"))
	save(t, dir, "t.sh", `case $4 in 1|2|3) ;; *) [ -d moved ] || { mv "$3" moved; ln -s "$PWD/moved" "$3"; } ;; esac
echo "$4" >"$1/w"; echo "{\"q\": $4}"`+"\n")
	cli(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
	there, err := os.ReadDir(filepath.Join(dir, "moved"))
	if err != nil || len(there) != 2 { // the weights and the manifest
		t.Errorf("behind the link: %v, %v", there, err)
	}
	left, err := os.ReadDir(filepath.Join(dir, "d", "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if entry.Type()&os.ModeSymlink != 0 {
			t.Errorf("%s: the superseded link is still there", entry.Name())
		}
	}
}

// What a user writes with pbt goes to the place that was named, and not through a link.
func TestLink_AtAnOutput(t *testing.T) {
	dir := home(t, quick)
	outside := outsideOf(t, dir)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
	link := func(to, at string) {
		t.Helper()
		at = filepath.Join(dir, at)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o777), os.RemoveAll(at), os.Symlink(to, at)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(outside, "file")
	link(file, "report.html")
	link(file, "tables/segments.csv")
	link(outside, "best")
	link(outside, "branch")
	link(filepath.Join(outside, "new"), "dangling")
	const says = "symbolic link"
	fails(t, dir, exitFailed, says, "report", "d", "-o", "report.html")
	fails(t, dir, exitFailed, says, "export", "d", "--out", "tables", "--table", "segments")
	for _, target := range []string{"best", "dangling"} {
		if r := cli(t, dir, "best", "d", "--copy", target); r.code == exitDone {
			t.Errorf("best --copy %s: %s", target, r)
		}
	}
	if r := cli(t, dir, "init", "dangling"); r.code == exitDone {
		t.Errorf("init: %s", r)
	}
	ok(t, dir, "report", "d", "-o", "/dev/null")
	// In the run's own directory: logs, cursors, checkpoints, the note of where it listens.
	for name, to := range map[string]string{"logs": outside, "sinks": outside, "tensorboard": outside, "checkpoints": outside, "server.json": file, "experiment.yaml": file} {
		link(to, filepath.Join("fresh", name))
	}
	r := cli(t, dir, "run", "q.yaml", "--dir", "fresh", "--set", "sinks.tensorboard={}")
	if r.code == exitDone || !strings.Contains(r.err, says) {
		t.Errorf("a run in a directory of links: %s", r)
	}
}
