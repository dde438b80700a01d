package machine

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/seed-7a1a2db0/pbt"
)

// Fingerprint writes the whole state down: everything that the events say, and
// nothing that a process may forget (heartbeats, its clock, garbage on its way to
// be deleted). Two machines that were told the same events have the same one,
// whether they were there or have only replayed them.
func (m *Machine) Fingerprint() string {
	b := make([]byte, 0, 512+256*len(m.members))
	b = fmt.Appendf(b, "run %s %q\n", m.phase, m.reason)
	b = numbers(b, "totals", m.segments, m.leases, m.spent, m.promised, int64(m.failing))
	b = numbers(b, "times", m.now, m.openedAt, m.worked, m.since)
	c := &m.counts
	b = numbers(b, "counts", c.Finished, c.Failed, c.Lost, c.Refused, c.Copies, c.Repairs, c.Restarts, c.Opens, c.RolledBack, c.done)
	b = fmt.Appendf(b, "paused by %q at %d\n", m.pausedBy, m.pausedAt)
	b = m.appendFaults(b)
	b = m.appendSpec(b)
	for i := range m.members {
		b = m.appendMember(b, i)
	}
	b = m.appendQueue(b)
	b = appendMembers(b, "bound", slices.Clone(m.bound.list))
	b = appendMembers(b, "suspects", slices.Clone(m.suspects.list))
	b = appendMembers(b, "leased", slices.Clone(m.leased.list))
	b = appendMembers(b, "deciding", slices.Clone(m.deciding.list))
	for _, a := range m.adopting {
		b = appendRecord(fmt.Appendf(b, "adopting member %d takes %t departs %t", a.member, a.takes, a.departs), a.record)
	}
	b = fmt.Appendf(b, "best founder segment %d varied %t\n", m.founder.Segment, m.varied)
	for i := range m.members {
		if !m.pop.Founder(i) {
			b = fmt.Appendf(b, "member %d is not a founder\n", i)
		}
	}
	b = numbers(b, "best at", m.bestAt)
	for _, o := range m.best {
		b = fmt.Appendf(b, "best segment %d member %d score %v step %d %q ", o.Segment, o.Member, float64(o.Score), o.Step, o.Checkpoint.ID)
		b = append(o.Hypers.AppendJSON(b), '\n')
	}
	return string(m.keep.append(b))
}

// numbers appends a name and some numbers, without fmt: there are many.
func numbers(b []byte, name string, xs ...int64) []byte {
	b = append(b, name...)
	for _, x := range xs {
		b = strconv.AppendInt(append(b, ' '), x, 10)
	}
	return append(b, '\n')
}

func appendMembers(b []byte, name string, members []int) []byte {
	slices.Sort(members)
	return fmt.Appendf(b, "%s %v\n", name, members)
}

// appendSpec writes what may change between two sittings.
func (m *Machine) appendSpec(b []byte) []byte {
	s := &m.spec
	target := "none"
	if s.Budget.Target != nil {
		target = strconv.FormatFloat(float64(*s.Budget.Target), 'g', -1, 64)
	}
	b = fmt.Appendf(b, "spec %d %d %d %s %d, ", s.Budget.Steps, s.Budget.Total, s.Budget.Wall, target, s.Budget.Patience)
	return fmt.Appendf(b, "%d %d %d %s %d %d %+v %d\n", s.Segment, s.Retries, s.FailureLimit, s.OnFault, s.Timeout, s.Silence, s.Keep, s.SaveEvery)
}

// appendFaults writes what is known of the machine's own faults.
func (m *Machine) appendFaults(b []byte) []byte {
	s, o, c := &m.sitting, &m.outage, &m.canary
	b = fmt.Appendf(b, "row %q %t\n", m.row.class, m.row.alike)
	b = numbers(b, "sitting", s.finished, int64(s.workers), int64(s.ailing), m.trial.lease, int64(m.probes), int64(m.doubts))
	b = numbers(b, "outage", o.since, int64(o.waits), o.until, o.after)
	b = numbers(strconv.AppendQuote(append(b, "probe "...), c.worker), "", c.id, c.since, int64(c.member), c.segment)
	names := make([]string, 0, len(m.workers))
	for name := range m.workers { //pbt:order does not matter: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		w := m.workers[name]
		b = numbers(strconv.AppendQuote(append(b, "worker "...), name), "", w.opens, w.proved, int64(w.fails), w.until)
	}
	return b
}

func (m *Machine) appendMember(b []byte, i int) []byte {
	mem := &m.members[i]
	b = append(append(b, "member "...), mem.state...)
	broken := int64(0)
	if mem.broken {
		broken = 1
	}
	if mem.ended {
		broken += 2
	}
	b = numbers(b, "", int64(i), mem.record, mem.step, mem.spent, mem.readyAt, mem.copiedAt, broken, mem.finished, mem.failures, mem.lost)
	p := &mem.plan
	b = numbers(b, " plan", p.segment, p.turn, p.parent, p.from, p.steps, int64(p.failures))
	b = append(p.hypers.AppendJSON(append(b, ' ')), '\n')
	if p.suspect {
		b = fmt.Appendf(b, " suspect after %d, %d tries, vouched %t\n", p.after, p.tries, p.vouched)
	}
	b = numbers(b, " good", mem.good.segment, mem.good.step, mem.good.plan.turn, int64(mem.good.plan.failures))
	if mem.lease.id != 0 {
		b = numbers(append(strconv.AppendQuote(append(b, " lease "...), mem.lease.worker), ' '), "", mem.lease.id, mem.lease.since)
		b = strconv.AppendBool(append(b, " sound "...), mem.lease.sound)
	}
	if mem.held() || mem.careful > 0 {
		k := &mem.base
		b = numbers(b, " unsaved", mem.unsaved, int64(mem.careful), k.spent, k.readyAt, k.copiedAt, mem.waits)
		b = strconv.AppendBool(strconv.AppendQuote(append(b, " held by "...), mem.holder), k.ranked)
		b = appendRecord(b, k.record)
	}
	if w := mem.wish; w != nil {
		text, _ := json.Marshal(steered(i, w, "")) // an event always marshals
		b = append(append(b, " wish "...), text...)
		if w.Branch {
			b = w.Given.AppendJSON(append(b, " branch "...))
		}
		b = append(b, '\n')
	}
	if mem.lastFailure != "" {
		b = append(strconv.AppendQuote(append(b, " failure "...), mem.lastFailure), '\n')
	}
	if r, ok := m.pop.Record(i); ok {
		b = appendRecord(strconv.AppendInt(append(b, " rank "...), int64(m.pop.Rank(i)), 10), r)
	}
	return b
}

func appendRecord(b []byte, r pbt.Record) []byte {
	b = strconv.AppendInt(append(b, " record "...), r.Segment, 10)
	b = strconv.AppendFloat(append(b, " score "...), float64(r.Score), 'g', -1, 64)
	b = append(b, " samples"...)
	for _, x := range r.Samples {
		b = strconv.AppendFloat(append(b, ' '), x, 'g', -1, 64)
	}
	b = strconv.AppendInt(append(b, " step "...), r.Step, 10)
	b = strconv.AppendBool(append(b, " saved "...), r.Saved)
	return append(r.Hypers.AppendJSON(append(b, ' ')), '\n')
}

// appendQueue writes the queue in the order in which it will be served.
func (m *Machine) appendQueue(b []byte) []byte {
	turns := slices.Clone(m.queue.turns)
	slices.SortFunc(turns, func(x, y turn) int {
		if x.before(y) {
			return -1
		}
		return 1
	})
	b = append(b, "waiting"...)
	for _, t := range turns {
		b = strconv.AppendInt(append(b, ' '), int64(t.member), 10)
		b = strconv.AppendInt(append(b, '/'), t.spent, 10)
		b = strconv.AppendUint(append(b, '/'), t.key, 16)
	}
	return append(b, '\n')
}

func (k *keeper) append(b []byte) []byte {
	segments := make([]int64, 0, len(k.nodes))
	for s := range k.nodes { //pbt:order does not matter: sorted below
		segments = append(segments, s)
	}
	slices.Sort(segments)
	for _, s := range segments {
		n := k.nodes[s]
		b = strconv.AppendQuote(append(b, "checkpoint "...), n.checkpoint.ID)
		b = append(append(b, ' '), n.checkpoint.Digest...)
		b = numbers(b, "", s, n.checkpoint.Bytes, int64(n.needs), int64(n.wants), n.parent)
	}
	b = numbers(b, "spares", k.spares...)
	b = numbers(b, "pins", k.pins...)
	return numbers(b, "bytes", k.total, k.needed)
}
