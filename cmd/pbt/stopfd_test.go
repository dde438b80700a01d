package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestStopWithFDRefusesWhatItCannotRead(t *testing.T) {
	dir := home(t, quick)
	for fd, want := range map[string]string{"-2": "numbered from 0", "77": "no such descriptor is open", "1": "open for writing only"} {
		out, err := command(t, dir, "run", "q.yaml", "--stop-with-fd="+fd).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "--stop-with-fd "+fd+": ") || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, %s", fd, err, out)
		}
	}
}

func TestTheTailOfTheEvents(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
	all := lines(ok(t, dir, "events", "d"))
	for n, args := range map[int][]string{
		2: {"--tail", "2"}, 1: {"--tail=1"}, len(all): {"--tail", "1000000"}, 3: {"--tail", "5", "--after", lastSeqBut(t, all, 3)},
	} {
		got := lines(ok(t, dir, append([]string{"events", "d"}, args...)...))
		if strings.Join(got, "\n") != strings.Join(all[len(all)-n:], "\n") {
			t.Errorf("%v: %d events: %v", args, len(got), got)
		}
	}
	if out := ok(t, dir, "events", "d", "--tail", "0"); out != "" {
		t.Errorf("--tail 0 prints %s", out)
	}
	if out, err := command(t, dir, "events", "d", "--tail=-1").CombinedOutput(); err == nil || !strings.Contains(string(out), "give 0 or more") {
		t.Errorf("%v: %s", err, out)
	}
}

// lastSeqBut is the position before the last n events.
func lastSeqBut(t *testing.T, all []string, n int) string {
	t.Helper()
	return string(decode[struct {
		Seq json.Number `json:"seq"`
	}](t, all[len(all)-n-1]).Seq)
}
