package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/journal"
)

// bestOf is a run's best record.
func bestOf(t *testing.T, home, dir string) (best bestRecord) {
	t.Helper()
	if err := json.Unmarshal([]byte(ok(t, home, "best", dir, "--json")), &best); err != nil {
		t.Fatal(err)
	}
	return best
}

func says(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%s\ndoes not say %q", text, w)
		}
	}
}

// A branch of a finished run is a run like any other: everything that looks at runs
// understands it, it goes on, and it can be branched.
func TestBranchOfAFinishedRun(t *testing.T) {
	home := home(t, quick)
	ok(t, home, "run", "q.yaml", "--dir", "old", "--quiet", "--set", "keep.lineage=true", "--set", "trainer.slots=1") // one slot: each time the same
	best := bestOf(t, home, "old")
	events := ok(t, home, "events", "old")

	ok(t, home, "branch", "old", "best", "--dir", "new", "--quiet", "--set", "budget.steps=20", "--set", "population=4", "--set", "initial=[{}, {h0: 0.125}]")
	ok(t, home, "verify", "new")
	from := fmt.Sprintf("segment %d", best.Segment)
	says(t, ok(t, home, "explain", "new", "1"), "begins with "+from+" of quick", "starts from      the weights of "+from, filepath.Join(home, "old"))
	says(t, ok(t, home, "explain", "new", "3"), "the weights that the run was branched from; copies", "h0", "→ 0.125, as given")
	says(t, ok(t, home, "lineage", "new"), "member 0 from "+from+" of quick: segment 1", "copied segment 1")
	says(t, ok(t, home, "status", "new"), "a branch of "+filepath.Join(home, "old")+", "+from, "16 segments finished", "80 steps trained")
	says(t, ok(t, home, "schedule", "new"), " of ", "quick")
	if now := bestOf(t, home, "new"); now.Step <= best.Step || now.Score < best.Score {
		t.Errorf("%+v after %+v", now, best)
	}
	if ok(t, home, "events", "old") != events {
		t.Error("the old run has changed")
	}

	ok(t, home, "replay", "new", "--dir", "again", "--quiet") // from fresh weights, along both runs' schedule
	if again := bestOf(t, home, "again"); again.Step > bestOf(t, home, "new").Step {
		t.Errorf("%+v", again)
	}
	ok(t, home, "verify", "again")
	ok(t, home, "resume", "new", "--set", "budget.steps=30", "--quiet")
	ok(t, home, "verify", "new")
	says(t, ok(t, home, "branch", "new", "1", "--dir", "third", "--no-start"), "third begins with segment 1 of new", "train it with: pbt resume third")
	ok(t, home, "verify", "third")
	ok(t, home, "resume", "third", "--quiet")
	ok(t, home, "verify", "third")
	for _, format := range []string{"csv", "yaml", "json"} {
		ok(t, home, "schedule", "third", "--format", format)
	}
	ok(t, home, "report", "third", "--output", "third.html")
	ok(t, home, "export", "third", "-o", "tables")
}

func TestBranchIsRefused(t *testing.T) {
	home := home(t, quick)
	ok(t, home, "run", "q.yaml", "--dir", "old", "--quiet")
	ok(t, home, "branch", "old", "best", "--dir", "new", "--no-start")
	for _, c := range []struct {
		code int
		says string
		args string
	}{
		{exitUsage, "is no segment", "old x"},
		{exitUsage, "is no segment", "old 0"},
		{exitFailed, "there is no segment 999", "old 999"},
		{exitFailed, "the checkpoint of segment 1 is gone", "old 1"},
		{exitFailed, "is not a run's directory", "nowhere best"},
		{exitUsage, "holds a run already", "old best --dir new"},
		{exitUsage, "in the old run's own directory", "old best --dir old/new"},
		{exitUsage, "which the new run does not allow", "old best --dir n --set hyperparameters.h0={uniform:[5,6]}"},
		{exitUsage, "which the new run does not allow", "old best --dir n --set hyperparameters={other:{uniform:[5,6]}}"},
		{exitUsage, "has no metric other", "old best --dir n --set metric.name=other"},
		{exitUsage, "reaches the target score", "old best --dir n --set budget.target=-1000"},
		{exitUsage, "population", "old best --dir n --set population=0"},
	} {
		fails(t, home, c.code, c.says, append([]string{"branch"}, strings.Fields(c.args)...)...)
	}
	if _, err := os.Stat(filepath.Join(home, "n")); err == nil {
		t.Error("something was made")
	}
}

// Somebody has deleted checkpoints that the run keeps: who needs them is told which, and
// what can be done.
func TestCheckpointsThatSomebodyDeleted(t *testing.T) {
	home := home(t, quick)
	ok(t, home, "run", "q.yaml", "--dir", "old", "--quiet", "--set", "trainer.slots=1")
	best := bestOf(t, home, "old")
	gone := filepath.Join(home, "old", "checkpoints", best.Checkpoint)
	if err := os.Rename(gone, filepath.Join(home, "copy")); err != nil {
		t.Fatal(err)
	}
	r := cli(t, home, "branch", "old", "best", "--no-start")
	says(t, r.err, fmt.Sprintf("the checkpoint of segment %d is missing: the run keeps it, and there is no %s", best.Segment, gone), "Put it back from a copy, or branch from another segment. That of segment ", ", is there")
	if _, err := os.Stat(filepath.Join(home, "runs")); err == nil {
		t.Error("something was made")
	}
	r = cli(t, home, "resume", "old", "--quiet", "--set", "budget.steps=60", "--set", "trainer.slots=1")
	if r.code != exitDone {
		t.Fatal(r)
	}
	says(t, r.err, "pbt: missing in old/checkpoints, and not deleted by pbt: "+best.Checkpoint+" (segment ", "put them back from a copy, and resume")
	says(t, ok(t, home, "status", "old"), "is missing: there is no "+gone)
	if s := asJSON(t, home, "status", "old"); s["repairs"].(float64) < 1 {
		t.Errorf("%v", s["repairs"])
	}
	if err := os.Rename(filepath.Join(home, "copy"), gone); err == nil {
		ok(t, home, "verify", "old")
	}
}

// A branch that fails late leaves nothing behind, and what lay there before alone.
func TestBranchThatFailsLate(t *testing.T) {
	home := home(t, quick)
	ok(t, home, "run", "q.yaml", "--dir", "old", "--quiet")
	best := bestOf(t, home, "old")
	if err := os.Remove(filepath.Join(home, "old", "checkpoints", best.Checkpoint, "theta.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, "mine"), 0o777); err != nil {
		t.Fatal(err)
	}
	save(t, filepath.Join(home, "mine"), "note", "")
	for _, args := range [][]string{{"--dir", "new", "--no-start"}, {"--dir", "a/b/c"}, {"--no-start"}, {}, {"--dir", "mine", "--no-start"}} {
		fails(t, home, exitFailed, "the branch is not made", append([]string{"branch", "old", "best"}, args...)...)
	}
	left, _ := filepath.Glob(filepath.Join(home, "*"))
	if _, err := os.Stat(filepath.Join(home, "mine", "note")); err != nil || len(left) != 3 {
		t.Errorf("%v, %v", left, err)
	}
}

// A run that goes on is branched by the process that trains it, in a process of its own:
// over HTTP; and by anybody on the command line. Its checkpoints come and go meanwhile.
func TestBranchOfARunThatGoesOn(t *testing.T) {
	home := home(t, strings.Replace(lasting, "steps: 200000}", "steps: 2000}", 1))
	run := inBackground(t, home, "run", "q.yaml", "--dir", "r", "--quiet")
	until(t, "something is scored", func() bool { return cli(t, home, "best", "r").code == exitDone })
	note, err := readServerNote(filepath.Join(home, "r"))
	if err != nil {
		t.Fatal(err)
	}
	steer := func(c api.Command) (done api.Steered, err error) {
		body, _ := json.Marshal(c)
		return done, send(http.DefaultClient, note, http.MethodPost, "/api/v1/runs/r/steer", body, &done)
	}
	steps := map[string]json.RawMessage{"budget.steps": json.RawMessage("20000000000")}
	var said api.Steered
	until(t, "a segment that is still there", func() bool { // the best moves on between the two
		said, err = steer(api.Command{Verb: api.VerbBranch, Segment: bestOf(t, home, "r").Segment, Dir: "r-branch", Set: steps})
		return err == nil || !strings.Contains(err.Error(), "is gone")
	})
	if err != nil {
		t.Fatal(err)
	}
	says(t, said.Say, "r-branch begins with segment", "trains in a process of its own")
	owner, live, err := journal.OwnerOf(filepath.Join(home, "r-branch"))
	if err != nil || !live || owner.PID == run.Process.Pid {
		t.Fatalf("%+v, %t, %v", owner, live, err)
	}
	t.Cleanup(func() { _ = syscall.Kill(owner.PID, syscall.SIGKILL) }) // it has ended, unless the test has failed

	for want, c := range map[string]api.Command{
		"is there already":   {Dir: "r-branch"},
		"beside its run":     {Dir: "/etc/elsewhere"},
		"new folder":         {Dir: "."},
		"runs programs":      {Dir: "n", Set: map[string]json.RawMessage{"trainer.command": json.RawMessage(`["true"]`)}},
		"writes elsewhere":   {Dir: "n", Set: map[string]json.RawMessage{"notify": json.RawMessage(`{}`)}},
		"no segment 9999999": {Dir: "n", Segment: 9999999},
		"unknown key":        {Dir: "n", Set: map[string]json.RawMessage{"budgt": json.RawMessage(`1`)}},
	} {
		c.Verb = api.VerbBranch
		if c.Segment == 0 {
			c.Segment = bestOf(t, home, "r").Segment
		}
		if _, err := steer(c); err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "is gone") {
			t.Errorf("%+v: %v, want a refusal that says %q", c, err, want)
		}
	}
	ok(t, home, "pause", "r") // the other commands find the run among those that its process serves
	until(t, "a branch from the command line", func() bool {
		return cli(t, home, "branch", "r", "best", "--dir", "made", "--no-start").code == exitDone
	})
	ok(t, home, "resume", "r")
	r := cli(t, home, "stop", "r")
	if r.code != exitDone {
		t.Fatal(r)
	}
	_ = run.Wait() // interrupted
	ok(t, home, "stop", "r-branch")
	until(t, "the branch has stopped", func() bool {
		_, live, err := journal.OwnerOf(filepath.Join(home, "r-branch"))
		return err == nil && !live
	})
	for _, dir := range []string{"r", "r-branch", "made"} {
		ok(t, home, "verify", dir)
	}
	if all := ok(t, home, "events", "r"); strings.Count(all, `"off":true`)*2 != strings.Count(all, `"kind":"pinned"`) {
		t.Error("a checkpoint stays pinned")
	}
}

// A branch that was killed goes on, wherever that was.
func TestBranchIsKilled(t *testing.T) {
	home := home(t, quick)
	ok(t, home, "run", "q.yaml", "--dir", "old", "--quiet")
	for n := range 8 {
		dir := fmt.Sprint("b", n)
		c := command(t, home, "branch", "old", "best", "--dir", dir, "--quiet", "--set", "budget.steps=100000")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		until(t, "it is as far as this test wants it", func() bool {
			if n == 0 {
				return true
			}
			found, _ := filepath.Glob(filepath.Join(home, dir, "checkpoints", "s*"))
			return len(found) >= n
		})
		_ = c.Process.Kill()
		_ = c.Wait()
		if r := cli(t, home, "branch", "old", "best", "--dir", dir, "--no-start"); r.code != exitDone && !strings.Contains(r.err, "holds a run already") {
			t.Fatal(r)
		}
		ok(t, home, "verify", dir)
		ok(t, home, "resume", dir, "--quiet", "--set", "budget.steps=10")
		ok(t, home, "verify", dir)
	}
}
