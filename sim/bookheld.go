package sim

import (
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// base is what a member falls back on: how it stood when its weights were last saved.
type base struct {
	record                   pbt.Record
	ranked                   bool
	spent, readyAt, copiedAt int64
}

// saved tells whether a finished segment has a checkpoint.
func (s *segment) saved() bool { return s.outcome.Checkpoint.ID != "" }

// saved is for a member whose weights are in a checkpoint again.
func (p *person) saved() { p.unsaved, p.base, p.holder, p.spoilt = 0, base{}, "", false }

// goesOnInMemory tells whether a member's planned segment starts from weights that
// only its holder has.
func (p *person) goesOnInMemory(b *book) bool {
	s := b.segment(p.segment)
	return p.unsaved > 0 && s != nil && s.parent == p.record
}

// inMemory tells whether a member waits for the worker that holds its weights.
func (p *person) inMemory(b *book) bool {
	return p.state == machine.StateWaiting && p.goesOnInMemory(b)
}

func (b *book) wait(at int64, p *person) {
	p.state, p.waitsAt, p.waits = machine.StateWaiting, at, b.start()
}

// must tells whether a member's segment may not be recorded without a checkpoint.
func (b *book) must(i int) bool {
	p := &b.members[i]
	s := b.segment(p.segment)
	return b.spec.SaveEvery <= 1 || b.spec.Policy.Barrier != nil || s.parent == 0 || p.careful > 0 || p.unsaved+1 >= b.spec.SaveEvery
}

// checkSpared checks the answer that a segment need not be saved.
func (b *book) checkSpared(in machine.Scored) {
	if n := b.lease(in.Lease); n != nil {
		n.spared = true
	}
	if len(b.said) > 0 {
		return // somebody has just said something that the book has not read yet
	}
	if !b.live(in.Lease) || b.phase != machine.PhaseRunning || b.must(in.Member) || b.spec.Budget.Reached(b.spec.Goal, in.Score) {
		b.w.violate(LawHeld, "segment %d with score %s need not be saved, says the machine; by the book it must", in.Segment, in.Score)
	}
}

// checkRefusal checks that an outcome without a checkpoint is refused only where
// there must be one.
func (b *book) checkRefusal(e *machine.Failed) {
	if strings.HasPrefix(e.Error, "it reports no checkpoint") && !b.must(e.Member) {
		b.w.violate(LawLiveLease, "segment %d is reported without a checkpoint, which it may, and fails", e.Segment)
	} else if strings.HasPrefix(e.Error, "it reports no checkpoint") && b.lease(e.Lease).spared && e.Fault != machine.FailLost {
		b.w.violate(LawSteered, "segment %d is blamed for having no checkpoint, and was told that it needs none", e.Segment)
	}
}

// keepInMind notes what a member falls back on, or that it is saved.
func (b *book) keepInMind(e *machine.Finished, p *person, s *segment) {
	must := b.must(e.Member)
	p.careful = max(0, p.careful-1)
	if e.Checkpoint.ID != "" {
		p.saved()
		return
	}
	b.w.tally.Unsaved++
	if must {
		b.w.violate(LawHeld, "segment %d is recorded without a checkpoint, as the %d. of member %d in a row", e.Segment, p.unsaved+1, e.Member)
	}
	if p.unsaved == 0 {
		r, _ := b.pop.Record(e.Member)
		p.base = base{r, b.pop.Ranked(e.Member), p.spent, p.readyAt, p.copiedAt}
	}
	p.unsaved++
	p.holder = b.lease(e.Lease).worker
}

// checkTurn checks that a segment goes to whom it must: one that starts from memory
// to the worker that has said that it has these weights; of the others the one that
// has trained least, unless all are served at once.
func (b *book) checkTurn(e *machine.Leased) {
	p, s := &b.members[e.Member], b.segment(e.Segment)
	said := func(holds int64) bool { // it has these weights, in this turn
		for _, a := range b.asks {
			if a.Worker == e.Worker && a.Holds == holds && holds != 0 {
				return true
			}
		}
		return false
	}
	if p.goesOnInMemory(b) {
		if p.holder != e.Worker || !said(p.record) {
			b.w.violate(LawHeld, "segment %d, whose weights are in the memory of %s, is leased to %s", e.Segment, p.holder, e.Worker)
		}
		return
	}
	queue := 0
	for i := range b.members {
		q := &b.members[i]
		switch {
		case q.inMemory(b) && q.holder == e.Worker && said(q.record):
			b.w.violate(LawHeld, "%s is leased member %d, and member %d waits with weights that only it has", e.Worker, e.Member, i)
		case q.state == machine.StateWaiting && !q.inMemory(b) && b.segment(q.segment).suspect == 0:
			queue++
		}
	}
	if s.suspect != 0 && !b.mayTrain(p, e.Worker) && !b.lastResort(e.Member) {
		b.w.violate(LawOutage, "segment %d is in doubt, and is leased to %s, which cannot confirm whose fault it is", e.Segment, e.Worker)
	}
	if b.doubts >= doubtAfter || b.waiting || s.suspect != 0 && !b.mayTrain(p, e.Worker) {
		return // one at a time, whoever has failed least
	}
	for _, a := range b.asks { // everybody in the queue is served: each may go where its weights are
		if a.Worker == e.Worker && a.Member == e.Member && a.Holds == s.parent && queue <= 1+a.Others && s.suspect == 0 {
			return
		}
	}
	for i := range b.members {
		q := &b.members[i]
		if q.state == machine.StateWaiting && !q.inMemory(b) && b.mayTrain(q, e.Worker) && pbt.CompareTurns(b.spec.Seed, i, q.spent, q.turn, e.Member, p.spent, p.turn) < 0 {
			b.w.violate(LawFairTurns, "member %d (%d steps spent) is leased before member %d (%d)", e.Member, p.spent, i, q.spent)
		}
	}
}

// rolledBack lets a member fall back, and checks that it must, and on what.
func (b *book) rolledBack(at int64, e *machine.RolledBack) {
	p := &b.members[e.Member]
	switch {
	case p.unsaved == 0 || e.Segment != p.base.record.Segment || e.Lost != p.spent-p.base.spent || e.Segments != int64(p.unsaved):
		b.w.violate(LawHeld, "member %d falls back on segment %d, with %d segments and %d steps lost; by the book on %d, with %d and %d",
			e.Member, e.Segment, e.Segments, e.Lost, p.base.record.Segment, p.unsaved, p.spent-p.base.spent)
		return
	case p.state != machine.StateWaiting && p.state != machine.StateDeciding:
		b.w.violate(LawOrder, "member %d falls back while it is %s", e.Member, p.state)
	case !b.mayFall(at, e):
		b.w.violate(LawHeld, "member %d falls back, and need not: %s", e.Member, e.Why)
	}
	b.w.tally.RolledBack++
	p.rolledBack = true
	b.counts.RolledBack += e.Segments
	b.spent -= e.Lost
	b.lost += e.Lost
	if p.base.ranked {
		b.pop.Set(e.Member, p.base.record)
	} else {
		b.pop.Adopt(e.Member, p.base.record)
	}
	p.record, p.own, p.spent, p.readyAt, p.copiedAt = p.base.record.Segment, p.base.ranked, p.base.spent, p.base.readyAt, p.base.copiedAt
	p.careful, p.ended = b.spec.SaveEvery, false
	p.saved()
	if p.state == machine.StateWaiting {
		b.promised -= b.segment(p.segment).steps
		b.arrive(at, e.Member)
	}
}

// mayFall tells whether a member's weights in memory are gone, or of no more use.
func (b *book) mayFall(at int64, e *machine.RolledBack) bool {
	p := &b.members[e.Member]
	if f, ok := b.before.(*machine.Failed); ok && f.Member == e.Member {
		return true
	}
	if f, ok := b.before.(*machine.Finished); ok && b.lease(f.Lease).worker == p.holder {
		return true // which has other weights now
	}
	if len(b.said) > 0 {
		if in, ok := b.said[0].(machine.Retire); ok && in.Member == e.Member {
			return true
		}
	}
	if limit := b.patience(); b.fresh || limit > 0 && p.inMemory(b) && at-p.waitsAt >= int64(limit) {
		return true
	}
	for _, a := range b.asks {
		if a.Worker == p.holder && a.Holds != p.record {
			return true
		}
	}
	return p.state == machine.StateDeciding && (b.grant(e.Member) == 0 || p.ended)
}

// patience is how long a member may wait for the worker that holds its weights; 0:
// for ever.
func (b *book) patience() time.Duration {
	if t, s := b.spec.Timeout, b.spec.Silence; s > 0 && (t == 0 || s < t) {
		return s
	}
	return b.spec.Timeout
}

// checkHeld checks at the end of a commit that what is held is held: by no earlier
// process, by none that has failed, and not two members by one worker.
func (b *book) checkHeld() {
	for i := range b.members {
		p := &b.members[i]
		if p.unsaved > 0 && b.fresh {
			b.w.violate(LawHeld, "member %d is held by %s, of an earlier process", i, p.holder)
		}
		if p.spoilt {
			b.w.violate(LawHeld, "member %d stands with weights in the memory of %s, which has failed", i, p.holder)
		}
		for k := range b.members[:i] {
			if q := &b.members[k]; p.inMemory(b) && q.inMemory(b) && q.holder == p.holder {
				b.w.violate(LawHeld, "%s is to hold the weights of both member %d and member %d", p.holder, k, i)
			}
		}
	}
}
