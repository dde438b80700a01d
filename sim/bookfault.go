package sim

import (
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// doubtAfter is how many failures in a row put the machine in doubt.
const doubtAfter = 3

// proven tells whether a worker has finished and saved a segment that it was leased
// after another lease.
func (b *book) proven(worker string, after int64) bool {
	for i := len(b.leases) - 1; int64(i) >= after; i-- {
		if n := &b.leases[i]; n.proof && n.worker == worker {
			return true
		}
	}
	return false
}

// mayTrain tells whether a worker may be leased a member's segment: not while a
// failure of it is in doubt which this worker could not confirm.
func (b *book) mayTrain(p *person, worker string) bool {
	s := b.segment(p.segment)
	return s == nil || s.suspect == 0 || s.vouched || b.proven(worker, s.suspect)
}

// charges tells whether a failure counts against its segment, and checks that the
// journal says so: a score that is not finite, or a failure that is confirmed.
func (b *book) charges(e *machine.Failed, s *segment, n *note) bool {
	charged := e.Fault == machine.FailDiverged
	doubts := b.doubts
	switch e.Fault {
	case machine.FailError, machine.FailPanic, machine.FailTimeout:
		charged = s.suspect != 0 && (s.vouched || n.sound)
		if charged {
			b.w.tally.Confirmed++
			b.checkInnocent(e, s, n)
		} else {
			s.suspect, s.culprit = int64(len(b.leases)), e.Lease
			b.doubts++
		}
	case machine.FailStart, machine.FailMachine:
		b.doubts++
	}
	if b.doubts > doubts || charged && e.Fault != machine.FailDiverged {
		b.failing++
	}
	if charged != (e.Blame == machine.BlameMember) {
		b.w.violate(LawOutage, "the failure of segment %d on lease %d (%s) is charged: %t; by the book: %t", e.Segment, e.Lease, e.Fault, !charged, charged)
	}
	return charged
}

// checkInnocent checks that one outage is not charged to a member.
func (b *book) checkInnocent(e *machine.Failed, s *segment, n *note) {
	if first := b.lease(s.culprit); n.outage != 0 && first.outage == n.outage && !s.vouched {
		b.w.violate(LawOutage, "segment %d fails on leases %d and %d in the same outage, and is charged", e.Segment, s.culprit, e.Lease)
	}
}

// waits is a pause that ends by itself.
func (b *book) waits(at int64, e *machine.Paused) {
	if b.spec.OnFault != machine.FaultRetry || e.Until <= at || e.Until-at > int64(machine.MaxBackOff) || b.doubts == 0 && !b.diskFull {
		b.w.violate(LawPause, "the run waits for %s (%s) after %d failures in a row", time.Duration(e.Until-at), e.Reason, b.doubts)
	}
	b.waiting, b.until = true, e.Until
	b.pausedBy, b.pausedAt, b.pausing = e.By, at, b.start()
}

func (b *book) probing(at int64, e *machine.Probing) {
	s := b.segment(e.Segment)
	switch {
	case b.phase != machine.PhaseRunning:
		b.w.violate(LawOrder, "segment %d is probed while the run is %s", e.Segment, b.phase)
	case e.Lease != int64(len(b.leases))+1:
		b.w.violate(LawOrder, "lease %d follows lease %d", e.Lease, len(b.leases))
	case s == nil || s.outcome == nil || !s.saved() || s.member != e.Member:
		b.w.violate(LawWeights, "segment %d of member %d is probed, and has no checkpoint", e.Segment, e.Member)
	case b.doubts < doubtAfter && !b.waiting && !b.idle():
		b.w.violate(LawOutage, "segment %d is probed, and others could be trained", e.Segment)
	}
	b.w.tally.Probes++
	b.leases = append(b.leases, note{
		member: e.Member, segment: e.Segment, worker: e.Worker, at: at, age: b.start(), silence: b.start(), forward: b.forward, probe: true,
	})
	b.alive = append(b.alive, e.Lease)
}

// idle reports whether nothing is trained and a member in doubt waits.
func (b *book) idle() bool {
	for i := range b.members {
		p := &b.members[i]
		if s := b.segment(p.segment); p.state == machine.StateWaiting && s.suspect != 0 {
			return len(b.alive) == 0
		}
	}
	return false
}

func (b *book) probed(e *machine.Probed) {
	n := b.lease(e.Lease)
	if n == nil || !n.probe || n.end != endNone || n.segment != e.Segment {
		b.w.violate(LawDeadLease, "lease %d ends as a probe of segment %d, and is none", e.Lease, e.Segment)
		return
	}
	b.endLease(e.Lease, endReported)
	switch e.Fault {
	case "":
		n.proof = true
		b.doubts = 0
	case machine.FailLost, machine.FailPreempted:
	case machine.FailDisk:
		b.diskFull = true
	default:
		b.doubts++
	}
}

// checkProbe checks a probe that has reached a worker.
func (b *book) checkProbe(t *machine.Task, worker string) {
	n, s := b.lease(t.Lease), b.segment(t.Segment)
	if n == nil || s == nil || !n.probe || n.segment != t.Segment || n.member != t.Member || n.worker != worker {
		b.w.violate(LawOutcomeKept, "%s is told to probe segment %d on lease %d, which is not recorded", worker, t.Segment, t.Lease)
		return
	}
	if t.Parent != t.Segment || t.Load != s.outcome.Checkpoint.ID || t.From != s.outcome.Step || t.Steps != s.steps || !t.Hypers.Equal(s.hypers) ||
		t.Seed != pbt.TrainSeed(b.spec.Seed, s.member, s.turn, s.attempt) || t.Save == s.outcome.Checkpoint.ID {
		b.w.violate(LawWeights, "lease %d is told to probe %+v, which is not what segment %d was", t.Lease, *t, t.Segment)
	}
}

// lastResort tells whether a member in doubt may be trained all the same: nothing else
// can be, and nothing has finished that could be probed.
func (b *book) lastResort(i int) bool {
	if b.doubts < doubtAfter && !b.waiting && !b.idle() {
		return false
	}
	for k := range b.members {
		p := &b.members[k]
		if s := b.segment(p.record); s != nil && s.member == k && s.saved() && p.own && s.outcome.Lease != 0 {
			return false
		}
	}
	return true
}

func (b *book) failed(at int64, e *machine.Failed) {
	if !b.reported("failed", e.Member, e.Segment, e.Lease) {
		return
	}
	p, s, n := &b.members[e.Member], b.segment(e.Segment), b.lease(e.Lease)
	b.endLease(e.Lease, b.howFailed(at, e, n))
	b.givenUp(e)
	b.checkRefusal(e)
	p.spoilt = p.unsaved > 0
	b.w.tally.Failures++
	final := false
	if b.charges(e, s, n) {
		s.attempt++
		s.suspect, s.vouched = 0, false
		final = s.attempt > b.spec.Retries
	}
	if e.Fault != machine.FailLost && e.Fault != machine.FailDisk && e.Fault != machine.FailPreempted {
		p.failed++
		b.counts.Failed++
	} else {
		p.lost++
		b.counts.Lost++
		b.diskFull = b.diskFull || e.Fault == machine.FailDisk
	}
	if e.Attempt != s.attempt || e.Final != final {
		b.w.violate(LawOutage, "segment %d has failed for the %d. time that counts (final: %t), recorded are %d and %t", e.Segment, s.attempt, final, e.Attempt, e.Final)
	}
	if e.Final {
		p.broken = true
		b.promised -= s.steps
		b.arrive(at, e.Member)
		return
	}
	b.wait(at, p)
}

// howFailed tells a report from a lease whose time was up, which must not be sooner
// than it was.
func (b *book) howFailed(at int64, e *machine.Failed, n *note) leaseEnd {
	age, silence := at-n.at, b.w.now-n.silence.from+b.forward-n.forward
	switch {
	case e.Fault == machine.FailTimeout:
		if b.spec.Timeout == 0 || age < int64(b.spec.Timeout) {
			b.w.violate(LawLeaseEnds, "lease %d has timed out after %s", e.Lease, time.Duration(age))
		}
		return endExpired
	case strings.HasPrefix(e.Error, whyKilled), strings.HasPrefix(e.Error, whyRetired):
		return endVoid
	case strings.HasPrefix(e.Error, "worker "):
		if b.spec.Silence == 0 || silence < int64(b.spec.Silence) {
			b.w.violate(LawLeaseEnds, "lease %d counts as silent after %s", e.Lease, time.Duration(silence))
		}
		return endExpired
	}
	return endReported
}
