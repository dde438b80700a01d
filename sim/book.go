package sim

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// book is what a naive observer knows of the run, from the durable rows alone. It
// shares the rules of package pbt with the machine, and none of its bookkeeping.
type book struct {
	w          *world
	spec       machine.Spec
	specNumber int
	replica    *machine.Machine // the same rows, replayed by the machine itself
	pop        *pbt.Population
	members    []person
	segments   []segment // number n at n−1
	leases     []note    // number n at n−1
	alive      []int64   // live leases, by number
	best       []int64   // segments with the best scores

	phase          machine.Phase
	last           int64 // time of the newest event
	openedAt       int64
	worked         int64 // time at work in earlier sittings
	spent          int64
	promised       int64
	since          int64 // when the first came to the barrier
	opening        []int // members that an opening barrier lets go, until each has gone
	leaving        []int // members that are done for want of budget
	adopting       []adoption
	founder        int64 // the segment with the best score that a founder ever had; 0 before the first
	changedExploit bool  // the exploit rule was changed
	departing      []int // members that are founders no more, once all who decide together have decided
	failing        int   // failures in a row
	doubts         int   // of these, those that may be the machine's
	waiting        bool  // for an outage to end, or it is being tried whether it has
	until          int64
	diskFull       bool
	counts         machine.Counts
	outcomes       int64
	bestAt         int64 // steps spent when the best score came
	excess         int64 // steps trained beyond what was asked for: so far a budget may be exceeded
	lost           int64 // steps whose weights were lost: trained, and given back
	checks         int

	pins     []int64
	pausedBy string // "": by nobody
	pausedAt int64
	rested   int64           // of this sitting, paused by hand
	pausing  watch           // since the run was paused by hand
	said     []machine.Input // by hand, and accepted; not journalled yet
	largest  pbt.Budget      // that any settings ever allowed

	asks   []machine.Ask // of this turn
	before machine.Body  // the event before the one that is read
	fresh  bool          // the rows that are read begin with a process that takes the run

	sitting    watch // since the run was opened
	gathering  watch // since the first came to the barrier, in this sitting
	lastHandle int64 // true time when the machine last heard anything
	setBack    int64 // by how much the clock was set back since then
	forward    int64 // by how much it was ever set forward
}

// person is a member.
type person struct {
	state      machine.MemberState // "" before its first decision
	segment    int64
	turn       int64
	hypers     pbt.Hypers
	record     int64
	spent      int64
	readyAt    int64
	copiedAt   int64
	broken     bool
	ended      bool // its trainer has said that it is done
	failed     int64
	lost       int64
	lease      int64 // 0: none
	unsaved    int   // outcomes since its weights were last saved
	careful    int   // outcomes that must be saved, after a fall
	holder     string
	spoilt     bool // its holder has failed: nobody knows what it holds
	base       base
	wish       *pbt.Wish
	own        bool  // its record is its own
	departed   bool  // it has taken over weights, or was restarted
	rolledBack bool  // outcomes of it were lost
	waitsAt    int64 // since when it waits for its holder, by the machine's time
	waits      watch
}

// segment is a planned stretch of training and what came of it.
type segment struct {
	member  int
	turn    int64
	parent  int64
	from    int64
	steps   int64
	trained int64 // with an outcome: fewer or more than steps, as its trainer has counted
	hypers  pbt.Hypers
	attempt int
	suspect int64             // the newest lease when it last failed without being charged; 0: it has not since
	culprit int64             // the lease that failed then
	vouched bool              // a person says that it is its own fault
	outcome *machine.Finished // nil: not yet
	record  pbt.Record        // that outcome as its member first stood with it
	weights weights
}

// note is what the book says of a lease.
type note struct {
	member  int
	segment int64
	worker  string
	attempt int
	at      int64 // by the machine's time
	age     watch
	silence watch
	forward int64 // book.forward at the last beat
	end     leaseEnd
	spared  bool  // its worker was told that it need not save
	probe   bool  // nothing of it is kept
	sound   bool  // its worker had finished another segment since this one failed: a failure is its own
	proof   bool  // it has finished, and was saved: its worker works
	outage  int64 // in which it failed; 0: none
}

type leaseEnd uint8

const (
	endNone leaseEnd = iota
	endReported
	endExpired
	endVoid
)

type adoption struct {
	member int
	record pbt.Record
}

func newBook(w *world) *book {
	n := w.plan.members
	b := &book{w: w, members: make([]person, n)}
	b.setSpec(0)
	b.pop = pbt.NewPopulation(n, b.spec.Goal, b.spec.Seed)
	if b.spec.Policy.ComparesFounders() {
		b.pop.KeepTrails()
	}
	b.replica = w.machine()
	return b
}

func (b *book) setSpec(k int) {
	b.specNumber, b.spec = k, b.w.specs[k]
	b.spec.Keep.Best = max(1, b.spec.Keep.Best)
	if b.spec.FailureLimit == 0 {
		b.spec.FailureLimit = machine.DefaultFailureLimit
	}
	b.best = b.best[:min(len(b.best), b.spec.Keep.Best)]
	if b.pop != nil && b.spec.Policy.ComparesFounders() {
		b.pop.KeepTrails()
	}
	b.changedExploit = b.changedExploit || k > 0 && b.spec.Policy.ComparesFounders() && !b.w.specs[k-1].Policy.ComparesFounders()
	if now := b.spec.Budget; k == 0 {
		b.largest = now
	} else {
		b.largest.Steps, b.largest.Total = max(b.largest.Steps, now.Steps), max(b.largest.Total, now.Total)
	}
}

// read checks rows that have become durable, one after the other.
func (b *book) read(rows []row) {
	b.fresh = false
	for _, r := range rows {
		body, err := machine.Decode(r.kind, r.body)
		if err != nil {
			b.w.violate(LawReplay, "%v", err)
			return
		}
		if r.at < b.last {
			b.w.violate(LawOrder, "%s is from before the event that it follows", r.kind)
		}
		b.decideAgain(body)
		if err := replay(b.replica, r); err != nil {
			b.w.violate(LawReplay, "%s does not replay: %v", r.kind, err)
			return
		}
		b.apply(r.at, body)
		b.last, b.before = r.at, body
		b.checkLeaving()
	}
	b.checkSettled()
	b.checkSaid()
}

func (b *book) apply(at int64, body machine.Body) {
	switch e := body.(type) {
	case *machine.RunStarted:
		b.phase, b.openedAt = machine.PhaseRunning, at
	case *machine.Opened:
		b.opened(at, e.Charge)
	case *machine.SpecChanged:
		b.specChanged(at, e)
	case *machine.Decided:
		b.decided(at, e)
	case *machine.Leased:
		b.leased(at, e)
	case *machine.Finished:
		b.finished(at, e)
	case *machine.Failed:
		b.failed(at, e)
	case *machine.Refused:
		b.refused(e)
	case *machine.RolledBack:
		b.rolledBack(at, e)
	case *machine.MemberDone:
		b.memberDone(at, e)
	case *machine.Ending:
		b.ending(at, e)
	case *machine.RunEnded:
		b.runEnded(e)
	case *machine.Paused:
		b.paused(at, e)
	case *machine.Probing:
		b.probing(at, e)
	case *machine.Probed:
		b.probed(e)
	case *machine.Recovered:
		b.w.tally.Recovered++
		if !b.waiting {
			b.w.violate(LawPause, "the run has recovered, and nothing was wrong")
		}
		b.failing, b.doubts, b.waiting, b.diskFull = 0, 0, false, false
	case *machine.Closed:
		if len(b.alive) > 0 {
			b.w.violate(LawOrder, "the process leaves while leases %v are live", b.alive)
		}
	default:
		b.steered(at, body)
	}
}

func (b *book) opened(at int64, charge bool) {
	b.worked += b.last - b.openedAt - b.rested
	if b.pausedBy != "" {
		b.worked -= b.last - b.pausedAt
	}
	b.pausedBy, b.rested = "", 0
	b.openedAt, b.sitting, b.gathering = at, b.start(), b.start()
	b.counts.Opens++
	b.failing, b.doubts, b.diskFull, b.fresh, b.waiting, b.until = 0, 0, false, true, false, 0
	for i := range b.segments {
		b.segments[i].vouched = b.segments[i].vouched || charge && b.segments[i].suspect != 0
	}
	for _, id := range slices.Clone(b.alive) {
		p := &b.members[b.leases[id-1].member]
		b.endLease(id, endVoid)
		if b.leases[id-1].probe {
			continue
		}
		b.wait(at, p)
		p.lost++
		b.counts.Lost++
	}
	if b.phase == machine.PhasePaused {
		b.phase = machine.PhaseRunning
	}
}

func (b *book) specChanged(at int64, e *machine.SpecChanged) {
	if e.By != "" {
		said[machine.Reconfigure](b, "the settings are changed by hand")
		b.w.tally.Reset++
	}
	k, err := strconv.Atoi(string(e.Experiment))
	if err != nil {
		b.w.violate(LawReplay, "the changed experiment is %q", e.Experiment)
		return
	}
	b.setSpec(k)
	for i := range b.members {
		if b.members[i].state == machine.StateDone && !b.members[i].ended && b.grant(i) > 0 {
			b.arrive(at, i)
		}
	}
	if b.phase == machine.PhaseEnded || b.phase == machine.PhaseEnding {
		b.phase = machine.PhaseRunning
	}
}

// grant is how many steps a member may train next.
func (b *book) grant(i int) int64 {
	return b.spec.Budget.Grant(b.spec.Segment, b.members[i].spent, b.spent, b.promised)
}

// arrive brings a member to a ready point.
func (b *book) arrive(at int64, i int) {
	if b.count(machine.StateDeciding) == 0 {
		b.since, b.gathering = at, b.start()
	}
	b.members[i].state = machine.StateDeciding
}

func (b *book) count(state machine.MemberState) int {
	n := 0
	for i := range b.members {
		if b.members[i].state == state {
			n++
		}
	}
	return n
}

// segment returns a segment by its number, nil if there is none.
func (b *book) segment(id int64) *segment {
	if id < 1 || id > int64(len(b.segments)) {
		return nil
	}
	return &b.segments[id-1]
}

// lease returns what is noted of a lease, nil if there has been none.
func (b *book) lease(id int64) *note {
	if id < 1 || id > int64(len(b.leases)) {
		return nil
	}
	return &b.leases[id-1]
}

func (b *book) live(lease int64) bool {
	n := b.lease(lease)
	return n != nil && n.end == endNone
}

func (b *book) endLease(id int64, how leaseEnd) {
	n := &b.leases[id-1]
	n.end = how
	if !n.probe {
		b.members[n.member].lease = 0
	}
	b.alive = slices.DeleteFunc(b.alive, func(x int64) bool { return x == id })
}

func (b *book) leased(at int64, e *machine.Leased) {
	p := &b.members[e.Member]
	switch {
	case b.phase != machine.PhaseRunning:
		b.w.violate(LawOrder, "segment %d is leased while the run is %s", e.Segment, b.phase)
	case e.Lease != int64(len(b.leases))+1:
		b.w.violate(LawOrder, "lease %d follows lease %d", e.Lease, len(b.leases))
	case p.state != machine.StateWaiting || p.segment != e.Segment:
		b.w.violate(LawOrder, "segment %d is leased while member %d is %s with segment %d", e.Segment, e.Member, p.state, p.segment)
	}
	if b.targetReached() || b.wallOver(at) || b.impatient() {
		b.w.violate(LawBudget, "segment %d is leased, though the target is reached or the wall time is over", e.Segment)
	}
	b.checkTurn(e)
	s := b.segment(e.Segment)
	sound := s.suspect != 0 && b.mayTrain(p, e.Worker)
	b.leases = append(b.leases, note{
		member: e.Member, segment: e.Segment, worker: e.Worker, attempt: s.attempt, sound: sound,
		at: at, age: b.start(), silence: b.start(), forward: b.forward,
	})
	b.alive = append(b.alive, e.Lease)
	p.state, p.lease = machine.StateRunning, e.Lease
}

// reported checks that an event belongs to the live lease it names.
func (b *book) reported(what string, member int, segment, lease int64) bool {
	n := b.lease(lease)
	if n == nil || n.end != endNone || n.member != member || n.segment != segment || b.members[member].segment != segment {
		b.w.violate(LawDeadLease, "segment %d of member %d has %s on lease %d, which is not its live one", segment, member, what, lease)
		return false
	}
	return true
}

func (b *book) refused(e *machine.Refused) {
	b.counts.Refused++
	b.w.tally.Refused++
	if n := b.lease(e.Lease); n != nil && n.end == endNone && n.member == e.Member && n.segment == e.Segment {
		b.w.violate(LawLiveLease, "a report on lease %d is refused, which is live: %s", e.Lease, e.Why)
	}
	if n := b.lease(e.Lease); n != nil && n.member == e.Member && b.members[e.Member].lease != 0 {
		b.w.tally.Zombies++
	}
}

func (b *book) ending(at int64, e *machine.Ending) {
	b.phase = machine.PhaseEnding
	if strings.Contains(e.Reason, "patience") {
		b.w.tally.Impatient++
	}
	if !b.targetReached() && !b.wallOver(at) && !b.impatient() {
		b.w.violate(LawEnds, "the run ends (%s), and it need not", e.Reason)
	}
}

func (b *book) paused(at int64, e *machine.Paused) {
	b.phase = machine.PhasePaused
	if e.Until != 0 {
		b.waits(at, e)
		return
	}
	if e.By != "" {
		b.held(at, e)
		return
	}
	if strings.Contains(e.Reason, "in a row") && b.failing < b.spec.FailureLimit && b.doubts < doubtAfter {
		b.w.violate(LawPause, "the run pauses (%s) after %d failures in a row", e.Reason, b.failing)
	}
	if needed := b.neededBytes(); strings.Contains(e.Reason, "keep.bytes") && needed <= b.spec.Keep.Bytes {
		b.w.violate(LawPause, "the run pauses (%s), where %d bytes are needed", e.Reason, needed)
	}
}

// checkSettled checks that nothing is left undone at the end of a commit.
func (b *book) checkSettled() {
	if len(b.opening) > 0 {
		b.w.violate(LawBarrier, "the barrier has opened, but members %v were not let go", b.opening)
	}
	b.checkHeld()
	if b.phase != machine.PhaseRunning {
		return
	}
	if (b.failing >= b.spec.FailureLimit || b.diskFull) && !b.waiting {
		b.w.violate(LawPause, "the run goes on after %d failures in a row, with the disk full: %t", b.failing, b.diskFull)
	}
	if needed := b.neededBytes(); b.spec.Keep.Bytes > 0 && needed > b.spec.Keep.Bytes {
		b.w.violate(LawPause, "the run goes on, where %d bytes are needed and %d allowed", needed, b.spec.Keep.Bytes)
	}
	waiting, barrier := b.count(machine.StateDeciding), b.spec.Policy.Barrier
	if waiting == 0 {
		return
	}
	active := b.active()
	if barrier == nil || barrier.Opens(waiting, active, time.Duration(b.last-b.since)) {
		b.w.violate(LawBarrier, "%d of %d members wait for nothing", waiting, active)
	}
}

// impatient tells whether no new best score has come for too many steps.
func (b *book) impatient() bool {
	patience := b.spec.Budget.Patience
	return patience > 0 && b.spent-b.bestAt >= patience
}

func (b *book) targetReached() bool {
	return len(b.best) > 0 && b.spec.Budget.Reached(b.spec.Goal, b.segment(b.best[0]).outcome.Score)
}

func (b *book) wallOver(at int64) bool {
	wall := int64(b.spec.Budget.Wall)
	return wall > 0 && b.worked+at-b.openedAt-b.rested >= wall
}

func (b *book) runEnded(e *machine.RunEnded) {
	idle := len(b.members) - b.active()
	if b.phase == machine.PhaseRunning && idle < len(b.members) || len(b.alive) > 0 {
		b.w.violate(LawEnds, "the run ends (%s) while %d of %d members train and leases %v are live", e.Reason, len(b.members)-idle, len(b.members), b.alive)
	}
	b.phase = machine.PhaseEnded
}
