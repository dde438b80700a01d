package sim

import (
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// watch measures true time from some moment on, without what the machine cannot
// know of: a clock that is set back hides the time since it was last looked at.
type watch struct {
	from   int64
	hidden int64
}

// handled notes that the machine has heard something, and so knows the time.
func (b *book) handled() {
	hidden := b.hidden()
	for _, id := range b.alive {
		b.leases[id-1].age.hidden += hidden
		b.leases[id-1].silence.hidden += hidden
	}
	for i := range b.members {
		b.members[i].waits.hidden += hidden
	}
	b.sitting.hidden += hidden
	b.pausing.hidden += hidden
	b.gathering.hidden += hidden
	b.lastHandle, b.setBack = b.w.now, 0
}

// hidden is what the clock hides right now.
func (b *book) hidden() int64 { return min(b.setBack, b.w.now-b.lastHandle) }

func (b *book) start() watch { return watch{from: b.w.now} }

// elapsed is how much time the machine should know to have passed.
func (b *book) elapsed(since watch) time.Duration {
	return time.Duration(b.w.now - since.from - since.hidden - b.hidden())
}

// beat notes that a worker's heartbeat was heard.
func (b *book) beat(in machine.Beat) {
	if n := b.lease(in.Lease); n != nil && n.member == in.Member {
		n.silence, n.forward = b.start(), b.forward
	}
}

// checkTimes checks by true time that what must end in time does. The loop wakes a
// little late.
func (b *book) checkTimes() {
	const slack = 50 * time.Millisecond
	if b.w.coord == nil {
		return
	}
	for _, id := range b.alive {
		n := &b.leases[id-1]
		if limit, age := b.spec.Timeout, b.elapsed(n.age); limit > 0 && age > limit+slack {
			b.w.violate(LawLeaseEnds, "lease %d is %s old, the timeout is %s", id, age, limit)
		}
		if limit, silence := b.spec.Silence, b.elapsed(n.silence); limit > 0 && silence > limit+slack {
			b.w.violate(LawLeaseEnds, "lease %d has been silent for %s, allowed are %s", id, silence, limit)
		}
	}
	for i := range b.members {
		p := &b.members[i]
		if limit := b.patience(); b.pausedBy == "" && p.inMemory(b) && limit > 0 && b.elapsed(p.waits) > limit+slack {
			b.w.violate(LawLeaseEnds, "member %d has been waiting for %s with its weights for %s, allowed are %s", i, p.holder, b.elapsed(p.waits), limit)
		}
	}
	if b.phase != machine.PhaseRunning {
		return
	}
	waiting := b.count(machine.StateDeciding)
	if barrier := b.spec.Policy.Barrier; barrier != nil && barrier.Deadline > 0 && waiting > 0 {
		if waited := b.elapsed(b.gathering); waited > barrier.Deadline+slack {
			b.w.violate(LawBarrier, "%d members have been waiting for %s, the deadline is %s", waiting, waited, barrier.Deadline)
		}
	}
	if wall := b.spec.Budget.Wall; wall > 0 {
		if worked := time.Duration(b.worked) + b.elapsed(b.sitting); worked > wall+slack {
			b.w.violate(LawBudget, "the run has been at work for %s, allowed are %s", worked, wall)
		}
	}
}
