package machine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// The queue against a sorted list: whoever comes, is served or leaves.
func TestTheQueueServesInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var q turnQueue
	var naive []turn
	for range 20_000 {
		member := r.IntN(50)
		at := slices.IndexFunc(naive, func(w turn) bool { return w.member == member })
		if at < 0 {
			w := turn{member: member, spent: r.Int64N(4), key: r.Uint64N(4)} // few values: ties are the rule
			q.push(w)
			naive = append(naive, w)
		} else {
			q.remove(member)
			naive = slices.Delete(naive, at, at+1)
		}
		if q.len() != len(naive) {
			t.Fatalf("%d wait, want %d", q.len(), len(naive))
		}
		if len(naive) == 0 {
			continue
		}
		first := slices.MinFunc(naive, func(a, b turn) int {
			if a.before(b) {
				return -1
			}
			return 1
		})
		if q.first() != first.member {
			t.Fatalf("member %d is first, want %d", q.first(), first.member)
		}
	}
}

// Leases are not watched one by one: what matters is that each ends in time, and
// that none ends early, however the others came and went.
func TestEachLeaseEndsWhenItsTimeIsUp(t *testing.T) {
	for _, rule := range []struct {
		name             string
		timeout, silence time.Duration
	}{{"timeout", 100, 0}, {"silence", 0, 100}, {"both", 150, 100}} {
		t.Run(rule.name, func(t *testing.T) {
			s := spec(20)
			s.Timeout, s.Silence, s.Retries = rule.timeout, rule.silence, MaxRetries
			s.FailureLimit = 1 << 30
			m, err := New(s, nil)
			if err != nil {
				t.Fatal(err)
			}
			m.Handle(1, Start{})
			m.Handle(1, Open{})
			checkLeases(t, m, rand.New(rand.NewPCG(3, 4)))
		})
	}
}

func checkLeases(t *testing.T, m *Machine, r *rand.Rand) {
	var out []*Task // handed out and not reported on
	for now := int64(2); now < 5000; now += 1 + r.Int64N(20) {
		m.Handle(now, Tick{})
		out = slices.DeleteFunc(out, func(task *Task) bool { return !m.Live(task.Member, task.Lease) })
		first, due := false, int64(0)
		for _, task := range out {
			ends := m.leaseEnds(&m.members[task.Member].lease)
			if task.Probe {
				ends = m.leaseEnds(&m.canary.lease)
			}
			if ends <= now {
				t.Fatalf("at %d lease %d still lives, which ended at %d", now, task.Lease, ends)
			}
			if !first || ends < due {
				first, due = true, ends
			}
		}
		if at, ok := m.NextDeadline(); ok != first || ok && (at > due || at <= now) {
			t.Fatalf("at %d the next deadline is %d (%t), want one up to %d (%t)", now, at, ok, due, first)
		}
		if task := m.ask(now, Ask{Worker: "worker"}).Task; task != nil {
			out = append(out, task)
		}
		if len(out) == 0 {
			continue
		}
		task := out[r.IntN(len(out))]
		if r.IntN(4) == 0 {
			m.Handle(now, Report{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Checkpoint: Checkpoint{ID: task.Save}, Score: pbt.Score(now)})
		} else {
			m.Handle(now, Beat{Lease: task.Lease, Member: task.Member})
		}
	}
	if c := m.Counts(); c.Finished == 0 || c.Failed+c.Lost == 0 {
		t.Errorf("nothing was tried: %+v", c)
	}
}
