package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyProject copies a directory with everything in it, and returns the copy.
func copyProject(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// A copied project trains with the copy's code, and a moved one finds its code.
func TestACopiedProjectTrainsWithItsOwnCode(t *testing.T) {
	a := homeOf(t, plainScript)
	ok(t, a, "run", "q.yaml", "--dir", "runs/x", "--quiet")
	b := copyProject(t, a)
	save(t, b, "train.sh", "touch trained-here; "+plainScript)
	r := cli(t, b, "resume", "runs/x", "--set", "budget.steps=25", "--quiet")
	if r.code != exitDone || !strings.Contains(r.err, "its trainer runs in "+b) || !strings.Contains(r.err, "code differs from what the run began with: train.sh") {
		t.Error(r)
	}
	if _, err := os.Stat(filepath.Join(b, "trained-here")); err != nil {
		t.Errorf("the copy's code did not run: %v", err)
	}
	if _, err := os.Stat(filepath.Join(a, "trained-here")); err == nil {
		t.Error("it trained in the old place")
	}
	if events := ok(t, b, "events", "runs/x"); !strings.Contains(events, `trainer.workdir: `) {
		t.Error("the journal does not say that the trainer's directory is another")
	}

	c := copyProject(t, a)
	if err := os.RemoveAll(filepath.Join(a, "train.sh")); err != nil {
		t.Fatal(err)
	}
	r = cli(t, c, "resume", "runs/x", "--set", "budget.steps=25", "--quiet")
	if r.code != exitDone || strings.Contains(r.err, "code differs") {
		t.Error(r)
	}
	if again := cli(t, c, "resume", "runs/x", "--set", "budget.steps=30", "--quiet"); again.code != exitDone || strings.Contains(again.err, "is now in") {
		t.Errorf("it is told a second time: %s", again)
	}
	ok(t, c, "verify", "runs/x")
	ok(t, c, "branch", "runs/x", "best", "--dir", "runs/y", "--quiet")
	d := copyProject(t, c)
	if r := cli(t, d, "resume", "runs/y", "--set", "budget.steps=30", "--quiet"); r.code != exitDone || !strings.Contains(r.err, "its trainer runs in "+d) {
		t.Errorf("a branch: %s", r)
	}
}

// A trainer's directory that is missing is named before any member fails.
func TestAMissingProjectIsToldBeforeTraining(t *testing.T) {
	a := homeOf(t, plainScript)
	project := filepath.Join(a, "project")
	if err := os.Mkdir(project, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"q.yaml", "train.sh"} {
		if err := os.Rename(filepath.Join(a, name), filepath.Join(project, name)); err != nil {
			t.Fatal(err)
		}
	}
	ok(t, a, "run", "project/q.yaml", "--dir", "x", "--quiet")
	if err := os.Rename(project, filepath.Join(a, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	fails(t, a, exitUsage, "--set trainer.workdir=", "resume", "x", "--set", "budget.steps=25")
	ok(t, a, "resume", "x", "--set", "budget.steps=25", "--set", "trainer.workdir="+filepath.Join(a, "elsewhere"), "--quiet")
	ok(t, a, "verify", "x")
}

// An edited experiment file: resume says what differs, and --from applies what may change.
func TestAnEditedFileThenResume(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "x", "--quiet", "--set", "retries=5")
	if r := cli(t, dir, "resume", "x"); strings.Contains(r.err, "edited") {
		t.Errorf("nothing was edited: %s", r)
	}
	save(t, dir, "q.yaml", strings.NewReplacer("steps: 50", "steps: 60", "population: 6", "population: 8").Replace(quick))
	r := cli(t, dir, "resume", "x")
	file := filepath.Join(dir, "q.yaml")
	for _, want := range []string{"was edited since the run began", "budget.steps: 50 → 60\n", "population: 6 → 8 (needs a new run)", "pbt resume x --from " + file} {
		if !strings.Contains(r.err, want) {
			t.Errorf("%q is not in %s", want, r)
		}
	}
	if strings.Contains(r.err, "retries") {
		t.Errorf("--set of the beginning passes for an edit: %s", r)
	}
	r = cli(t, dir, "resume", "x", "--from", "q.yaml", "--quiet")
	if r.code != exitDone || !strings.Contains(r.err, "not applied") || !strings.Contains(r.err, "population: 6 → 8") {
		t.Error(r)
	}
	if s := asJSON(t, dir, "status", "x", "--json"); s["spent"] != 360.0 {
		t.Errorf("%v steps were trained", s["spent"])
	}
	if r := cli(t, dir, "resume", "x"); strings.Contains(r.err, "budget.steps: 50") || !strings.Contains(r.err, "population: 6 → 8") {
		t.Errorf("what was applied still differs: %s", r)
	}
	if r := cli(t, dir, "resume", "x", "--from", "q.yaml"); !strings.Contains(r.err, "nothing in q.yaml that may change differs") {
		t.Error(r)
	}
	save(t, dir, "q.yaml", "population: [")
	if r := cli(t, dir, "resume", "x"); r.code != exitDone || !strings.Contains(r.err, "cannot be read as it is now") {
		t.Error(r)
	}
	ok(t, dir, "verify", "x")
}

// What no file gives, and follows from the budget, is no edit.
func TestADerivedSegmentIsNoEdit(t *testing.T) {
	short := strings.NewReplacer("segment: {steps: 5}\n", "", "steps: 50", "steps: 100").Replace(quick)
	dir := home(t, short)
	ok(t, dir, "run", "q.yaml", "--dir", "x", "--quiet")
	save(t, dir, "q.yaml", strings.Replace(short, "steps: 100", "steps: 200", 1))
	for _, args := range [][]string{{"resume", "x"}, {"resume", "x", "--from", "q.yaml"}} {
		if r := cli(t, dir, args...); r.code != exitDone || strings.Contains(r.err, "segment.steps") || strings.Contains(r.err, "not applied") {
			t.Errorf("%v: %s", args, r)
		}
	}
}

func TestResumeOfAnExperimentFileNamesTheRun(t *testing.T) {
	dir := home(t, quick)
	fails(t, dir, exitUsage, "Start one: pbt run q.yaml", "resume", "q.yaml")
	ok(t, dir, "run", "q.yaml", "--quiet")
	ok(t, dir, "run", "q.yaml", "--quiet", "--set", "budget.steps=5", "--dir", "runs/other run")
	fails(t, dir, exitUsage, "pbt resume 'runs/other run'", "resume", "q.yaml")
}

// One command starts a run, resumes it, and shows its end: as often as a scheduler likes.
func TestRunWithResumeIsIdempotent(t *testing.T) {
	dir := homeOf(t, waits)
	args := []string{"run", "q.yaml", "--dir", "d", "--resume", "--seed", "7", "--set", "trainer.slots=1", "--quiet"}
	fails(t, dir, exitUsage, "--resume needs --dir", "run", "q.yaml", "--resume")
	l := launch(t, dir, args...)
	l.await("finished", 1)
	fails(t, dir, exitFailed, "", args...) // a process trains it
	l.signal(9)
	<-l.done
	save(t, dir, "go", "")
	first := ok(t, dir, args...)
	second := ok(t, dir, args...)
	if !strings.Contains(first, "best score") || first != second {
		t.Errorf("first %s\nthen %s", first, second)
	}
	if s := asJSON(t, dir, "status", "d", "--json"); s["spent"] != 80.0 {
		t.Errorf("%v steps were trained", s["spent"])
	}
	fails(t, dir, exitUsage, "seed: 7 → 8", "run", "q.yaml", "--dir", "d", "--resume", "--seed", "8")
	ok(t, dir, "verify", "d")
}
