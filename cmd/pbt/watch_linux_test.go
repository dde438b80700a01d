package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/journal"
)

// lasting is an experiment that goes on for as long as a test needs it.
const lasting = `name: lasting
population: 6
metric: {name: q, goal: maximize}
segment: {steps: 200000}
budget: {steps: 1000000000000}
hyperparameters:
  h0: {uniform: [0, 1]}
  h1: {uniform: [0, 1]}
  noise: {log: [1e-3, 1]}
trainer: {builtin: quadratic, slots: 2}
`

// inBackground starts a command that trains a run, and waits until it does.
func inBackground(t *testing.T, home string, args ...string) *exec.Cmd {
	t.Helper()
	c := command(t, home, args...)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() }) // it has ended, unless the test has failed
	dir := filepath.Join(home, "r")
	until(t, "training has begun", func() bool {
		_, live, err := journal.OwnerOf(dir)
		_, noServer := os.Stat(filepath.Join(dir, serverFile))
		return err == nil && live && noServer == nil
	})
	return c
}

// until waits for what nobody announces.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(limit); !so(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// watching is `pbt watch` on a terminal.
func watching(t *testing.T, home string, w, h int, env ...string) *terminal {
	t.Helper()
	c := command(t, home, "watch", "r")
	c.Env = append(append(os.Environ(), "TERM=xterm-256color", "NO_COLOR="), env...)
	return onTerminal(t, c, w, h)
}

var styles = regexp.MustCompile(`␛\[[0-9;]*m`)

// golden is a screen as the model's tests have it.
func golden(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "watch", "testdata", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return styles.ReplaceAllString(string(text), "")
}

// A run is watched while it is trained, steered by keys, stopped and resumed.
func TestWatchingARunThatGoesOn(t *testing.T) {
	home := home(t, lasting)
	run := inBackground(t, home, "run", "q.yaml", "--dir", "r", "--quiet")
	term := watching(t, home, 80, 24)
	term.sees("lasting  ▶ training, process", "best q", "[1 population]", "? help", " leads with q", "── member")

	term.typeKeys("\t", "\t")
	term.sees("[3 schedule]", "noise")
	term.typeKeys("4")
	term.sees("[4 events]", "the run began")
	term.typeKeys("5")
	term.sees("[5 slots]", "slot", "member")
	term.typeKeys("1?")
	term.sees("Steering: asks first")
	term.typeKeys("?s")
	term.sees("6, by member", "member▾")

	term.typeKeys("p")
	term.sees("Pause: hand out no more segments")
	term.typeKeys("y")
	term.sees("no more segments are handed out")
	term.sees("‖ paused by hand")
	term.typeKeys("py")
	term.sees("the run goes on")
	term.sees("▶ training")

	term.typeKeys("\x1b[H", "\x1b[B", "\x1b[A", "\x1b[B", "e", "h0=0.25", "\r") // home, down, up, down
	term.sees("Let member 1 train with h0=0.25 from its next segment on?")
	term.typeKeys("y")
	term.sees("member 1 trains with h0=0.25 from its next segment on")
	term.typeKeys("e", "nope=1", "\r", "y")
	term.sees("set was refused:", "nope")
	term.typeKeys("+", "h1=0.5", "\r", "y")
	term.sees("a new member begins with fresh weights")
	term.sees("7, by member")

	term.resizeTo(140, 40)
	term.sees("▸1 population", " 3 schedule", " 4 events", " 5 slots", "│")
	term.resizeTo(60, 14)
	term.sees("[1 population]", "rank")
	term.resizeTo(80, 24)

	term.typeKeys("S")
	term.sees("Stop the run when the segments at work are done?")
	term.typeKeys("y")
	term.sees("□ stopped: no process trains it")
	if err := run.Wait(); run.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("the run ended with %v", err)
	}
	term.typeKeys("xy")
	term.sees("kill was refused: no process trains r now: pbt resume r")

	run = inBackground(t, home, "resume", "r", "--quiet")
	term.sees("▶ training, process")
	if err := run.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // interrupted
	term.sees("□ stopped: no process trains it")
	ok(t, home, "resume", "r", "--quiet", "--set", "budget={target: 0}")
	term.sees("■ finished")
	term.typeKeys("q")
	term.ends(exitDone)
	if !term.styled {
		t.Error("there were no colours")
	}
}

func TestWatchingAFinishedRun(t *testing.T) {
	home := home(t, quick)
	ok(t, home, "run", "q.yaml", "--dir", "r", "--quiet")

	c := command(t, home, "watch", "r", "--screen")
	c.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=1")
	plain := onTerminal(t, c, 80, 24)
	plain.sees("quick  ■ finished", "60 segments", "100 %", " won with q", "done")
	plain.typeKeys("?") // this screen is the same for all runs
	plain.sees(golden(t, "help-80x24"))
	plain.typeKeys("?")
	plain.sees("quick  ■ finished")
	if plain.typeKeys("q"); plain.styled {
		t.Error("there were colours, though NO_COLOR is set")
	}
	plain.ends(exitDone)

	interrupted := watching(t, home, 80, 24)
	interrupted.sees("■ finished")
	if err := interrupted.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	interrupted.ends(exitInterrupted)

	for _, env := range []string{"TERM=dumb", "NO_COLOR=1"} {
		lines := watching(t, home, 80, 24, env)
		lines.sees("quick: 6 members, 2 at a time, in r", "100%  60 segments", "finished: every member has spent its budget")
		if lines.ends(exitDone); lines.drawn {
			t.Errorf("it drew a screen with %s", env)
		}
	}

	got := ok(t, home, "watch", "r")
	if want := "quick: 6 members, 2 at a time, in r\n100%  60 segments, "; !strings.HasPrefix(got, want) || strings.Contains(got, "\x1b") {
		t.Errorf("without a terminal:\n%s\nwant %s", got, want)
	}
	fails(t, home, exitFailed, "nowhere is not a run's directory", "watch", "nowhere")
}

// Without a terminal, it tells how the run goes on, and ends with it.
func TestWatchingInLinesEndsWithTheRun(t *testing.T) {
	home := home(t, lasting)
	run := inBackground(t, home, "run", "q.yaml", "--dir", "r", "--quiet")
	watch := command(t, home, "watch", "r")
	lines, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1024)
	n, err := lines.Read(buf)
	if err != nil || !strings.HasPrefix(string(buf[:n]), "lasting: 6 members, 2 at a time, in r\n") {
		t.Errorf("%v: %q", err, buf[:n])
	}
	ok(t, home, "stop", "r")
	_ = run.Wait() // interrupted
	var rest strings.Builder
	for {
		n, err := lines.Read(buf)
		rest.Write(buf[:n])
		if err != nil {
			break
		}
	}
	if err := watch.Wait(); err != nil || !strings.HasSuffix(rest.String(), "\nstopped: no process trains it; pbt resume goes on\n") {
		t.Errorf("%v\n%s", err, rest.String())
	}
}
