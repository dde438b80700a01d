package machine

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// lease is the right to report on a plan.
type lease struct {
	id     int64
	worker string
	since  int64
	beat   int64 // soft: not journalled
	spared bool  // soft: it was told that it need not save
	sound  bool  // a failure is the member's: the same segment has failed before, and this worker has finished another since
}

// checkLease is law 4: only the live lease may speak.
func (m *Machine) checkLease(id, segment int64, i int) error {
	if i < 0 || i >= len(m.members) {
		return fmt.Errorf("there is no member %d", i)
	}
	mem := &m.members[i]
	switch {
	case mem.state != StateRunning || mem.plan.segment != segment:
		return fmt.Errorf("segment %d of member %d is not being trained", segment, i)
	case mem.lease.id != id && holds(LawDeadLease):
		return fmt.Errorf("lease %d on segment %d is dead: lease %d has replaced it", id, segment, mem.lease.id)
	}
	return nil
}

func (m *Machine) refuse(now, lease, segment int64, i int, err error, checkpoint string) {
	if i < 0 || i >= len(m.members) { // a confused client, or a malicious one
		i = NoMember
	}
	m.emit(now, &Refused{Segment: segment, Member: i, Lease: lease, Why: err.Error(), Checkpoint: checkpoint})
}

func (m *Machine) fail(now int64, f Fail) error {
	if m.isProbe(f.Lease, f.Segment) {
		m.probed(now, f.Fault, f.Error)
		return nil
	}
	if err := m.checkLease(f.Lease, f.Segment, f.Member); err != nil {
		m.refuse(now, f.Lease, f.Segment, f.Member, err, "")
		return err
	}
	m.failed(now, f.Member, f.Fault, f.Error)
	return nil
}

// maxErrorText bounds what a trainer's error may put into the journal.
const maxErrorText = 16 << 10

func (m *Machine) failed(now int64, i int, kind FailureKind, text string) {
	mem := &m.members[i]
	e := &Failed{
		Segment: mem.plan.segment, Member: i, Lease: mem.lease.id, Fault: kind, Error: shortened(text),
		Attempt: mem.plan.failures, Blame: m.blame(i, kind),
	}
	if e.charged() {
		e.Attempt++
		e.Final = e.Attempt > m.spec.Retries
	}
	m.emit(now, e)
	if mem.held() {
		m.rollBack(now, i, fmt.Sprintf("its weights were in the memory of worker %s", mem.holder))
	}
	m.judge(now, e)
}

// shortened is an error's text as the journal holds it.
func shortened(text string) string {
	if len(text) > maxErrorText {
		text = text[:maxErrorText/2] + "\n…\n" + text[len(text)-maxErrorText/2:]
	}
	return writable(text)
}

// writable is a text as the journal can hold it: what a program prints need not
// be UTF-8, and what is replayed must be what was there.
func writable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func (m *Machine) beat(now int64, b Beat) {
	if c := &m.canary; c.id != 0 && c.id == b.Lease {
		c.beat = now
		return
	}
	if b.Member >= 0 && b.Member < len(m.members) && m.members[b.Member].lease.id == b.Lease {
		m.members[b.Member].lease.beat = now
	}
}

// leaseEnds is when a lease ends by itself; math.MaxInt64 for never.
func (m *Machine) leaseEnds(l *lease) int64 {
	end := int64(math.MaxInt64)
	if m.spec.Timeout > 0 {
		end = after(l.since, m.spec.Timeout)
	}
	if m.spec.Silence > 0 {
		end = min(end, after(max(l.beat, l.since), m.spec.Silence))
	}
	return end
}

// never is a time that does not come.
const never = math.MaxInt64

// after is t + d, or never.
func after(t int64, d time.Duration) int64 {
	if t > never-int64(d) {
		return never
	}
	return t + int64(d)
}

// watchLeases finds out when the first lease ends by itself. That is not done for
// each lease that comes or goes: with ten thousand of them it would cost more than
// everything else. A new lease can only bring that time forward; a beat or the end
// of a lease puts it off, which is noticed when the time has come.
func (m *Machine) watchLeases() {
	m.due = math.MaxInt64
	for _, i := range m.leased.list {
		m.due = min(m.due, m.leaseEnds(&m.members[i].lease))
	}
	for _, i := range m.bound.list {
		m.due = min(m.due, m.holdEnds(i))
	}
	if m.canary.id != 0 {
		m.due = min(m.due, m.leaseEnds(&m.canary.lease))
	}
}

// expire ends the leases whose time is up.
func (m *Machine) expire(now int64) {
	if now < m.due || !holds(LawLeaseEnds) {
		return
	}
	for _, i := range m.leased.sorted(&m.batch) {
		l := &m.members[i].lease
		switch {
		case m.spec.Timeout > 0 && now-l.since >= int64(m.spec.Timeout):
			m.failed(now, i, FailTimeout, fmt.Sprintf("no outcome within the timeout of %s", m.spec.Timeout))
		case m.spec.Silence > 0 && now-max(l.beat, l.since) >= int64(m.spec.Silence):
			m.failed(now, i, FailLost, fmt.Sprintf("worker %s has been silent for %s", l.worker, m.spec.Silence))
		}
	}
	m.expireProbe(now)
	m.expireHolds(now)
	m.watchLeases()
}
