package pbt_test

import (
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

func TestEvery_StepsBurnInAndAfterCopy(t *testing.T) {
	for _, c := range []struct {
		name                         string
		every                        pbt.Every
		spent, sinceReady, sinceCopy int64
		want                         pbt.Why
	}{
		{"always", pbt.Every{}, 1, 1, 1, pbt.WhyReady},
		{"one step short", pbt.Every{Steps: 10}, 9, 9, 9, pbt.WhyNotReady},
		{"just there", pbt.Every{Steps: 10}, 10, 10, 10, pbt.WhyReady},
		{"beyond", pbt.Every{Steps: 10}, 25, 15, 25, pbt.WhyReady},
		{"burn-in, one short", pbt.Every{BurnIn: 50}, 49, 49, 49, pbt.WhyBurnIn},
		{"burn-in over", pbt.Every{BurnIn: 50}, 50, 50, 50, pbt.WhyReady},
		{"burn-in counts what oneself has spent, not the weights' age", pbt.Every{BurnIn: 50}, 60, 10, 5, pbt.WhyReady},
		{"after a copy, one short", pbt.Every{AfterCopy: 20}, 100, 100, 19, pbt.WhyAfterCopy},
		{"after a copy, over", pbt.Every{AfterCopy: 20}, 100, 100, 20, pbt.WhyReady},
		{"never copied", pbt.Every{AfterCopy: 20}, 5, 5, 5, pbt.WhyReady},
		{"not ready comes first", pbt.Every{Steps: 10, BurnIn: 50, AfterCopy: 20}, 5, 5, 1, pbt.WhyNotReady},
	} {
		ready, why := c.every.Ready(pbt.Standing{Spent: c.spent, SinceReady: c.sinceReady, SinceCopy: c.sinceCopy})
		if why != c.want || ready != (c.want == pbt.WhyReady) {
			t.Errorf("%s: %v, %s, want %s", c.name, ready, why, c.want)
		}
		// Who is not ready compares, copies and explores nothing.
		w := tens(t, pbt.Maximize)
		s := w.standing(0)
		s.Spent, s.SinceReady, s.SinceCopy = c.spent, c.sinceReady, c.sinceCopy
		d := (&pbt.Policy{Ready: c.every, ExploreAlways: true}).Decide(w.pop, w.space, s)
		if d.Copies() != ready || d.WasReady() != ready || (len(d.Changes) > 0) != ready || (d.Of > 0) != ready {
			t.Errorf("%s: %s, was ready: %v", c.name, brief(d), d.WasReady())
		}
	}
}

func TestPain40_GraceAtTheStartAndAfterEachCopy(t *testing.T) {
	TestEvery_StepsBurnInAndAfterCopy(t)
}

// moody is a user's ready rule with a reason of its own.
type moody struct{ ready bool }

func (m moody) Ready(pbt.Standing) (bool, pbt.Why) { return m.ready, "mood" }

func TestReady_AUsersReasonIsKeptAndIsNotReady(t *testing.T) {
	w := tens(t, pbt.Maximize)
	if d := w.decide(pbt.Policy{Ready: moody{false}}, 0); d.WasReady() || d.Why != "mood" || d.Copies() {
		t.Errorf("%s, was ready: %v", brief(d), d.WasReady())
	}
	if d := w.decide(pbt.Policy{Ready: moody{true}}, 0); !d.WasReady() || !d.Copies() {
		t.Errorf("%s, was ready: %v", brief(d), d.WasReady())
	}
}

func TestBarrier_Opens(t *testing.T) {
	for _, c := range []struct {
		name            string
		barrier         pbt.Barrier
		waiting, active int
		waited          time.Duration
		want            bool
	}{
		{"nobody waits", pbt.Barrier{}, 0, 4, time.Hour, false},
		{"nobody waits, past the deadline", pbt.Barrier{Deadline: 1}, 0, 4, time.Hour, false},
		{"nobody waits, nobody is active", pbt.Barrier{}, 0, 0, 0, false},
		{"all but one", pbt.Barrier{}, 3, 4, time.Hour, false},
		{"all", pbt.Barrier{}, 4, 4, 0, true},
		{"alone", pbt.Barrier{}, 1, 1, 0, true},
		{"the rest has finished", pbt.Barrier{}, 2, 2, 0, true},
		{"quorum, one short", pbt.Barrier{Quorum: 0.8}, 7, 10, time.Hour, false},
		{"quorum", pbt.Barrier{Quorum: 0.8}, 8, 10, 0, true},
		{"quorum rounds up", pbt.Barrier{Quorum: 0.5}, 2, 5, 0, false},
		{"quorum rounded up", pbt.Barrier{Quorum: 0.5}, 3, 5, 0, true},
		{"a third of three is one", pbt.Barrier{Quorum: 1. / 3}, 1, 3, 0, true},
		{"0.3 of ten is three", pbt.Barrier{Quorum: 0.3}, 3, 10, 0, true},
		{"a tiny quorum still needs one", pbt.Barrier{Quorum: 1e-9}, 1, 10, 0, true},
		{"deadline, not yet", pbt.Barrier{Deadline: time.Minute}, 3, 4, time.Minute - 1, false},
		{"deadline", pbt.Barrier{Deadline: time.Minute}, 1, 4, time.Minute, true},
		{"no deadline waits for ever", pbt.Barrier{}, 3, 4, 1 << 62, false},
		{"quorum or deadline, whichever comes first", pbt.Barrier{Quorum: 0.5, Deadline: time.Hour}, 2, 4, 0, true},
	} {
		if got := c.barrier.Opens(c.waiting, c.active, c.waited); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// A barrier never waits for more members than there are, whatever its settings.
func TestPain10_ABarrierNeverWaitsForMoreThanAreLeft(t *testing.T) {
	for _, quorum := range []float64{0, 0.01, 0.3, 1. / 3, 0.5, 0.9, 0.999999, 1} {
		for active := 1; active <= 200; active++ {
			b := pbt.Barrier{Quorum: quorum}
			if !b.Opens(active, active, 0) {
				t.Fatalf("quorum %g: %d of %d wait for ever", quorum, active, active)
			}
			opened := false
			for waiting := range active + 1 {
				open := b.Opens(waiting, active, 0)
				if opened && !open {
					t.Fatalf("quorum %g: open with %d of %d, closed with one more", quorum, waiting-1, active)
				}
				opened = open
			}
		}
	}
}
