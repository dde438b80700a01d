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
	attempt := mem.plan.failures
	if kind.counts() {
		attempt++
	}
	if len(text) > maxErrorText {
		text = text[:maxErrorText/2] + "\n…\n" + text[len(text)-maxErrorText/2:]
	}
	text = writable(text)
	m.emit(now, &Failed{
		Segment: mem.plan.segment, Member: i, Lease: mem.lease.id, Fault: kind, Error: text,
		Attempt: attempt, Final: kind.counts() && attempt > m.spec.Retries,
	})
	if mem.held() {
		m.rollBack(now, i, fmt.Sprintf("its weights were in the memory of worker %s", mem.holder))
	}
	switch {
	case kind == FailDisk:
		m.pause(now, "the disk is full: "+text)
	case kind == FailStart && m.counts.Finished == 0 && m.failing >= startFailureLimit:
		m.pause(now, "no trainer could be started: mend it, then resume. The last attempt: "+text)
	case m.failing >= m.spec.FailureLimit:
		m.pause(now, fmt.Sprintf("%d attempts have failed in a row, with nothing finished between: mend the cause, then resume. The last one: %s", m.failing, text))
	}
}

// writable is a text as the journal can hold it: what a program prints need not
// be UTF-8, and what is replayed must be what was there.
func writable(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func (m *Machine) beat(now int64, b Beat) {
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

// after is t + d, or for ever.
func after(t int64, d time.Duration) int64 {
	if t > math.MaxInt64-int64(d) {
		return math.MaxInt64
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
	m.expireHolds(now)
	m.watchLeases()
}
