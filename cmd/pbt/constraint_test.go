package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// A run under constraints keeps to them from the first draw to the last decision, and
// verifies.
func TestARunUnderConstraints(t *testing.T) {
	dir := home(t, strings.Replace(quick, "trainer:", "  batch: {int: [8, 256]}\n  minibatch: {int: [1, 64]}\nconstraints: [\"minibatch <= batch\", \"batch % minibatch == 0\"]\ntrainer:", 1))
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--slots", "1", "--seed", "2") // one slot: the order of arrival, and so each decision, is the same
	decided, again := 0, 0
	for _, line := range lines(ok(t, dir, "events", "d")) {
		e := decode[event](t, line)
		if e.Kind != "decided" {
			continue
		}
		var d struct {
			Hypers   struct{ Batch, Minibatch int }
			Decision struct{ Redrawn int }
		}
		if err := json.Unmarshal(e.Event, &d); err != nil {
			t.Fatal(err)
		}
		decided++
		again += d.Decision.Redrawn
		if h := d.Hypers; h.Minibatch < 1 || h.Batch%h.Minibatch != 0 {
			t.Errorf("segment %d: %+v", e.Segment, h)
		}
	}
	if decided != 60 || again == 0 {
		t.Errorf("%d decisions, explored again %d times", decided, again)
	}
	ok(t, dir, "verify", "d")
	fails(t, dir, exitUsage, "constraints", "resume", "d", "--set", "constraints=[]")
}
