package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// waits is a train.sh whose first three segments end at once; later ones wait for a
// file named go.
const waits = `if [ "$3" -gt 3 ]; then while [ ! -e go ]; do sleep 0.02; done; fi; ` + plainScript

// live is a run that somebody watches.
type live struct {
	t      *testing.T
	dir    string
	done   chan result
	pid    int
	signal func(syscall.Signal)
	events *bufio.Scanner // of pbt events --follow
	gone   <-chan result  // when that ends
}

// launch starts a command that runs d, and follows its events.
func launch(t *testing.T, dir string, args ...string) *live {
	t.Helper()
	c := command(t, dir, args...)
	var l live
	started := make(chan struct{})
	l = live{t: t, dir: dir, done: make(chan result, 1)}
	go func() {
		l.done <- finish(t, c, func(c *exec.Cmd) error {
			if err := c.Start(); err != nil {
				return err
			}
			l.pid = c.Process.Pid
			close(started)
			return c.Wait()
		})
	}()
	<-started
	l.signal = func(s syscall.Signal) {
		if err := syscall.Kill(l.pid, s); err != nil {
			t.Error(err)
		}
	}
	for { // there is nothing to await before there is a journal
		if _, err := os.Stat(filepath.Join(dir, "d", "journal.sqlite")); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	follow := command(t, dir, "events", "d", "--follow")
	out, in, err := os.Pipe() // not a StdoutPipe, which Wait would close
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	follow.Stdout = in
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	l.events = bufio.NewScanner(out)
	l.events.Buffer(nil, 1<<20)
	gone := make(chan result, 1)
	go func() {
		err := follow.Wait()
		gone <- result{args: []string{"events", "--follow"}, code: follow.ProcessState.ExitCode(), err: errorText(err)}
	}()
	l.gone = gone
	return &l
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// await reads events up to the n-th of a kind.
func (l *live) await(kind string, n int) {
	l.t.Helper()
	for l.events.Scan() {
		if decode[event](l.t, l.events.Text()).Kind == kind {
			if n--; n == 0 {
				return
			}
		}
	}
	l.t.Fatalf("the events end without a %s: %v", kind, l.events.Err())
}

func TestALiveRunCanBeWatched(t *testing.T) {
	dir := homeOf(t, waits)
	l := launch(t, dir, "run", "q.yaml", "--dir", "d")
	l.await("finished", 3)
	s := asJSON(t, dir, "status", "d")
	owner := s["owner"].(map[string]any)
	if s["state"] != "running" || owner["pid"] != float64(l.pid) || s["segments"].(map[string]any)["running"].(float64) < 1 {
		t.Error(s)
	}
	if text := ok(t, dir, "status", "d"); !strings.HasPrefix(text, "running (process ") {
		t.Error(text)
	}
	best := asJSON(t, dir, "best", "d", "--copy", "model")
	if _, err := os.Stat(filepath.Join(dir, "model", "w")); err != nil {
		t.Error(best, err)
	}
	ok(t, dir, "schedule", "d")
	ok(t, dir, "lineage", "d")
	ok(t, dir, "explain", "d", "2")
	fails(t, dir, exitFailed, "is in use by process ", "run", "q.yaml", "--dir", "d")
	fails(t, dir, exitFailed, "is in use by process ", "resume", "d")
	save(t, dir, "go", "")
	l.await("run_ended", 1)
	l.await("closed", 1)
	if r := <-l.gone; r.code != exitDone {
		t.Errorf("--follow ends with the run: %v", r)
	}
	if r := <-l.done; r.code != exitDone {
		t.Error(r)
	}
	ok(t, dir, "verify", "d")
}

func TestARunThatWasKilled(t *testing.T) {
	dir := homeOf(t, waits)
	l := launch(t, dir, "run", "q.yaml", "--dir", "d")
	l.await("finished", 3)
	l.signal(syscall.SIGKILL)
	<-l.done
	s := asJSON(t, dir, "status", "d")
	if s["state"] != "stopped" || s["owner"] != nil || s["segments"].(map[string]any)["running"] != 0.0 || s["segments"].(map[string]any)["finished"] != 3.0 {
		t.Error(s)
	}
	for _, m := range s["members"].([]any) {
		if m.(map[string]any)["state"] == "running" {
			t.Errorf("nobody trains it: %v", m)
		}
	}
	save(t, dir, "go", "")
	r := cli(t, dir, "resume", "d", "--json")
	if r.code != exitDone {
		t.Fatal(r)
	}
	printed := lines(r.out)
	has(t, decode[any](t, printed[len(printed)-1]), "segment", "member", "step", "score", "hypers", "checkpoint")
	l.await("run_ended", 1) // who followed through the kill is told of the end
	if r := <-l.gone; r.code != exitDone {
		t.Error(r)
	}
	if s := asJSON(t, dir, "status", "d"); s["state"] != "finished" || s["lost"].(float64) < 1 || s["segments"].(map[string]any)["failed"] != 0.0 {
		t.Error(s)
	}
	ok(t, dir, "verify", "d")
}

func TestOneCtrlCStopsInGoodOrder(t *testing.T) {
	for name, sig := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM} {
		t.Run(name, func(t *testing.T) {
			dir := homeOf(t, waits)
			l := launch(t, dir, "run", "q.yaml", "--dir", "d", "--set", "trainer.grace=1s")
			l.await("finished", 3)
			l.signal(sig) // SIGTERM lets segments finish, for as long as the grace goes
			l.await("closed", 1)
			r := <-l.done
			if r.code != exitInterrupted || r.interrupted || !strings.Contains(r.err, "Go on with: pbt resume d") || !strings.Contains(r.err, "once more ") {
				t.Error(r)
			}
			if s := asJSON(t, dir, "status", "d"); s["state"] != "stopped" || s["segments"].(map[string]any)["failed"] != 0.0 {
				t.Error(s)
			}
			ok(t, dir, "verify", "d")
			save(t, dir, "go", "")
			ok(t, dir, "resume", "d")
			if s := asJSON(t, dir, "status", "d"); s["state"] != "finished" {
				t.Error(s)
			}
			ok(t, dir, "verify", "d")
		})
	}
}

// A trainer that ignores SIGTERM would hold the run for some seconds: the second
// Ctrl-C does not wait for it.
func TestTwoCtrlCStopAtOnce(t *testing.T) {
	dir := homeOf(t, `trap '' TERM; exec 3>alive; `+waits)
	l := launch(t, dir, "run", "q.yaml", "--dir", "d")
	l.await("finished", 3)
	l.signal(syscall.SIGINT)
	l.signal(syscall.SIGINT)
	start := time.Now()
	r := <-l.done
	if r.code != exitInterrupted || r.interrupted {
		t.Error(r)
	}
	t.Logf("it took %s", time.Since(start))
	if s := asJSON(t, dir, "status", "d"); s["state"] != "stopped" || s["segments"].(map[string]any)["finished"] != 3.0 {
		t.Error(s)
	}
	ok(t, dir, "verify", "d")
	save(t, dir, "go", "")
	ok(t, dir, "resume", "d")
	ok(t, dir, "verify", "d")
}

func TestCtrlCEndsAReaderAtOnce(t *testing.T) {
	dir := homeOf(t, waits)
	l := launch(t, dir, "run", "q.yaml", "--dir", "d")
	l.await("finished", 3)
	c := command(t, dir, "events", "d", "--follow")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err == nil {
		for err == nil { // what was on its way
			_, err = out.Read(make([]byte, 4096))
		}
	}
	if _ = c.Wait(); c.ProcessState.ExitCode() != exitInterrupted {
		t.Error(c.ProcessState)
	}
	save(t, dir, "go", "")
	if r := <-l.done; r.code != exitDone {
		t.Error(r)
	}
	l.await("closed", 1)
	<-l.gone
}

func TestResumingAFinishedRunSaysWhatToDo(t *testing.T) {
	dir := finished(t)
	before := ok(t, dir, "events", "d")
	r := cli(t, dir, "resume", "d")
	if r.code != exitDone || !strings.Contains(r.err, "the run has ended already: every member has spent its budget. To train on: pbt resume d --set budget.steps=") || !strings.Contains(r.out, "best score") {
		t.Error(r)
	}
	if after := ok(t, dir, "events", "d"); after != before {
		t.Error("it has written to the journal")
	}
}

func TestResumingWithMore(t *testing.T) {
	dir := finished(t)
	ok(t, dir, "resume", "d", "--set", "budget.steps=80", "--slots", "3")
	s := asJSON(t, dir, "status", "d")
	for _, m := range s["members"].([]any) {
		if m.(map[string]any)["spent"] != 80.0 {
			t.Errorf("%v", m)
		}
	}
	ok(t, dir, "verify", "d")
	r := cli(t, dir, "resume", "d", "--set", "budget.steps=80") // as it is
	if r.code != exitDone || !strings.Contains(r.err, "has ended already") {
		t.Error(r)
	}
	ok(t, dir, "resume", "d", "--set", "budget.steps=60") // less than spent: it ends again
	ok(t, dir, "events", "d", "--follow")
	ok(t, dir, "resume", "d", "--set", "budget.total_steps=500", "--set", "budget.steps=1000", "--set", "keep.best=3")
	if s := asJSON(t, dir, "status", "d"); s["spent"] != 500.0 || s["state"] != "finished" {
		t.Error(s)
	}
	ok(t, dir, "verify", "d")
}

func TestWhatAResumeMayNotChange(t *testing.T) {
	dir := finished(t)
	before := ok(t, dir, "events", "d")
	for _, set := range []string{"population=7", "seed=3", "segment.steps=7", "metric.goal=minimize", "hyperparameters.h1.uniform=[0, 0.5]", "name=other"} {
		fails(t, dir, exitUsage, "this would change decisions already made; start a new run for it: ["+strings.SplitN(set, "=", 2)[0], "resume", "d", "--set", set)
	}
	fails(t, dir, exitUsage, "budget", "resume", "d", "--set", "budget.steps=-1")
	fails(t, dir, exitUsage, "unknown flag: --seed", "resume", "d", "--seed", "3")
	if after := ok(t, dir, "events", "d"); after != before {
		t.Error("it has written to the journal")
	}
}

func TestReplay(t *testing.T) {
	dir := finished(t)
	ok(t, dir, "replay", "d", "--dir", "again")
	ok(t, dir, "verify", "again")
	want := decode[[]stage](t, ok(t, dir, "schedule", "d", "--json"))
	have := decode[[]stage](t, ok(t, dir, "schedule", "again", "--json"))
	if have[len(have)-1].To > want[len(want)-1].To {
		t.Errorf("%v\n%v", have, want)
	}
	ok(t, dir, "replay", "d", "--segment", "9", "--seed", "4")
	ok(t, dir, "status", "runs/quick-replay-1")
}
