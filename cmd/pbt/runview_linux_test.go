package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/journal"
)

// training is a command that trains a run, on a terminal that can draw.
func training(t *testing.T, home string, args ...string) *terminal {
	t.Helper()
	c := command(t, home, args...)
	c.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=")
	return onTerminal(t, c, 100, 30)
}

// isCooked checks that the terminal is as a shell wants it: lines, echo, its own screen.
func (term *terminal) isCooked() {
	term.t.Helper()
	mode, err := unix.IoctlGetTermios(int(term.master.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	if mode.Lflag&unix.ECHO == 0 || mode.Lflag&unix.ICANON == 0 || mode.Oflag&unix.OPOST == 0 || term.alt {
		term.t.Errorf("the terminal is not given back: %+v, alternate screen %v", mode, term.alt)
	}
}

// A run that is trained on a terminal is drawn on it, with its dashboard's link, and
// steered by its keys; closing the view leaves lines, and Ctrl-C stops the run.
func TestTrainingOnATerminal(t *testing.T) {
	home := home(t, lasting)
	term := training(t, home, "run", "q.yaml", "--dir", "r")
	term.sees("lasting  ▶ training  http://127.0.0.1:", "best q", "[1 population]", "q close this view")
	term.typeKeys("?")
	term.sees("q closes this view, Ctrl-C stops the run")
	term.typeKeys("?p")
	term.sees("Pause: hand out no more segments")
	term.typeKeys("y")
	term.sees("no more segments are handed out")
	term.sees("‖ paused by hand")
	term.typeKeys("py")
	term.sees("▶ training")
	term.typeKeys("\x1a") // nobody could wake it up: it leads its session
	term.sees("there is no shell here that could wake this up again")
	term.typeKeys("q")
	term.sees("lasting: 6 members, 2 at a time, in r", "dashboard: http://127.0.0.1:", "the run goes on; Ctrl-C stops it, pbt watch r shows it again", "segments,")
	term.isCooked()
	term.typeKeys("\x03")
	term.sees("stopping in good order; once more stops at once", "interrupted; nothing recorded is lost. Go on with: pbt resume r")
	term.ends(exitInterrupted)

	term = training(t, home, "resume", "r")
	term.sees("▶ training  http://127.0.0.1:")
	term.typeKeys("\x03")
	term.sees("interrupted; nothing recorded is lost. Go on with: pbt resume r")
	term.ends(exitInterrupted)
	term.isCooked()

	term = training(t, home, "resume", "r", "--set", "budget={target: 0}")
	term.sees("best score", "its schedule", "next")
	term.ends(exitDone)
	term.isCooked()
}

// A second Ctrl-C leaves at once, and gives the terminal back first.
func TestTwoInterruptsGiveTheTerminalBack(t *testing.T) {
	home := homeOf(t, `echo $$ >> pids; trap '' TERM; while :; do sleep 1; done`)
	term := training(t, home, "run", "q.yaml", "--dir", "r", "--set", "trainer.grace=1h")
	term.sees("▶ training", "running")
	term.typeKeys("\x03")
	term.sees("stopping in good order; once more stops at once")
	term.typeKeys("\x03")
	term.ends(exitInterrupted)
	term.isCooked()
}

// Where lines are wanted there are lines, and no screen.
func TestTrainingInLines(t *testing.T) {
	home := home(t, quick)
	for name, c := range map[string]struct {
		env  string
		args []string
	}{
		"NO_COLOR": {"NO_COLOR=1", nil}, "dumb": {"TERM=dumb", nil}, "never": {"A=b", []string{"--screen=never"}}, "json": {"A=b", []string{"--json"}},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := command(t, home, append([]string{"run", "q.yaml", "--dir", "r-" + name}, c.args...)...)
			cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=", c.env)
			term := onTerminal(t, cmd, 100, 30)
			term.ends(exitDone)
			if term.drawn {
				t.Errorf("it drew a screen:\n%s", term)
			}
			if screen := term.String(); name != "json" && !strings.Contains(screen, "its schedule") {
				t.Error(screen)
			}
		})
	}
	fails(t, home, exitUsage, "there is no terminal to draw on", "run", "q.yaml", "--dir", "r-always", "--screen")
	fails(t, home, exitUsage, "want one of auto, always, never", "watch", "r-dumb", "--screen=perhaps")
}

// In a shell, Ctrl-Z stops the job and gives the terminal back; fg draws again, and in
// the background the run goes on in lines.
func TestSuspending(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	home := home(t, lasting)
	cmd := exec.Command(shell, "--norc", "--noprofile", "-i")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "NO_COLOR=", "PS1=ready> ", "PBT="+binaryPath(t))
	term := onTerminal(t, cmd, 100, 30)
	term.sees("ready>")
	term.typeKeys("\"$PBT\" run q.yaml --dir r\r")
	term.sees("▶ training  http://127.0.0.1:")
	term.typeKeys("\x1a")
	term.sees("Stopped", "ready>")
	if term.alt {
		t.Error("the alternate screen is on")
	}
	term.typeKeys("fg\r")
	term.sees("▶ training  http://127.0.0.1:", "[1 population]")
	term.typeKeys("\x1a")
	term.sees("Stopped")
	term.typeKeys("bg\r")
	term.sees("best q")
	owner, _, err := journal.OwnerOf(filepath.Join(home, "r"))
	if err != nil {
		t.Fatal(err)
	}
	term.typeKeys("\rfg\r")
	until(t, "the run has the terminal", func() bool {
		front, err := unix.IoctlGetInt(int(term.master.Fd()), unix.TIOCGPGRP)
		group, gone := unix.Getpgid(owner.PID)
		return err == nil && gone == nil && front == group
	})
	term.typeKeys("\x03")
	term.sees("interrupted; nothing recorded is lost")
	term.typeKeys("\rexit 0\r")
	term.ends(exitDone)
}

// A run that is killed while it is watched is shown as stopped; watching ends on SIGTERM
// with the terminal given back.
func TestWatchingARunThatIsKilled(t *testing.T) {
	home := home(t, lasting)
	run := inBackground(t, home, "run", "q.yaml", "--dir", "r", "--quiet")
	term := watching(t, home, 80, 24)
	term.sees("▶ training")
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = run.Wait() // killed
	term.sees("□ stopped: no process trains it")
	if _, live, err := journal.OwnerOf(filepath.Join(home, "r")); live || err != nil {
		t.Error(live, err)
	}
	if err := term.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	term.ends(exitDone)
	term.isCooked()
}
