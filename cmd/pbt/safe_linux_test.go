package main

import (
	"os"
	"strings"
	"testing"
)

// A table that is exported to a terminal is cleaned there; in a file it stays exact.
func TestExportToATerminalIsCleaned(t *testing.T) {
	dir := home(t, withQuotes)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
	for _, args := range [][]string{{"export", "d"}, {"export", "d", "--format", "jsonl"}, {"schedule", "d", "--format", "csv"}} {
		if raw := ok(t, dir, args...); !strings.Contains(raw, "\u202e") {
			t.Errorf("%v: a pipe gets %q", args, raw)
		}
		cmd := command(t, dir, args...)
		cmd.Env = append(os.Environ(), "TERM=xterm-256color")
		term := onTerminal(t, cmd, 400, 10)
		term.ends(exitDone)
		if screen := term.String(); !strings.Contains(screen, "=1+1�31m�") || strings.ContainsAny(screen, "\u009b\u202e") {
			t.Errorf("%v: %q", args, screen)
		}
	}
}
