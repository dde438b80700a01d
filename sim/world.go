package sim

import (
	"container/heap"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// world is one simulated run: time, the disk, the network, and everybody in it.
type world struct {
	plan  plan
	model *model
	d     dice // what happens
	lore  dice // what happens to what workers remember
	tally Tally

	now    int64 // true time: nanoseconds since the world began
	drift  int64 // how far the clock is from it
	agenda agenda
	order  int64 // of entries in the agenda
	quiet  bool  // nothing fails any more

	journal journal
	store   store
	specs   []machine.Spec // by the number that an experiment's text names
	coord   *coordinator   // nil while no process has the run
	workers []*worker
	names   int // workers that have had a name
	book    *book
	pilot   *pilot
	pauses  int
	away    away // what trainers need and do not have
	spell   dice // when that is
	charge  bool // the person beside the run says that members are to blame
	hit     bool // somebody needed it since the run was opened
	changes int
	over    bool

	broken     breakage
	violations []Violation
}

// epoch is what the clock shows when a world begins.
const epoch = int64(1_700_000_000) * int64(time.Second)

func newWorld(seed uint64, p plan) *world {
	w := &world{plan: p, d: newDice(seed, "world"), lore: newDice(seed, "memory"), spell: newDice(seed, "spells"), store: newStore(), specs: []machine.Spec{p.spec}}
	w.model = &w.plan.model
	w.book, w.pilot = newBook(w), newPilot(w, seed)
	return w
}

// specOf makes a spec from what the journal holds as the experiment.
func (w *world) specOf(experiment []byte) (machine.Spec, error) {
	k, err := strconv.Atoi(string(experiment))
	if err != nil || k < 0 || k >= len(w.specs) {
		return machine.Spec{}, fmt.Errorf("the experiment %q is not one of %d", experiment, len(w.specs))
	}
	return w.specs[k], nil
}

func experiment(k int) []byte { return strconv.AppendInt(nil, int64(k), 10) }

// run lets the world happen until the run is over for good.
func (w *world) run() {
	defer func() {
		if p := recover(); p != nil { // a machine that panics is a finding, too
			w.violate(LawPanic, "%v", p)
		}
	}()
	for i := range w.plan.workers {
		w.workers = append(w.workers, w.newWorker(i))
	}
	w.after(0, w.start)
	w.after(0, w.pass)
	w.pilot.begin()
	for range maxMoments {
		if w.over || len(w.violations) > 0 {
			return
		}
		next := heap.Pop(&w.agenda).(moment)
		w.now = next.at
		next.do()
	}
	w.violate(LawEnds, "the run has not ended after %d moments", maxMoments)
}

// after puts something on the agenda.
func (w *world) after(delay int64, do func()) {
	w.order++
	heap.Push(&w.agenda, moment{w.now + max(0, delay), w.order, do})
}

// clock is what the coordinator's host shows.
func (w *world) clock() int64 { return epoch + w.now + w.drift }

// violate notes a law that did not hold.
func (w *world) violate(law Law, format string, args ...any) {
	if len(w.violations) < maxViolations {
		what := fmt.Sprintf(format, args...)
		w.violations = append(w.violations, Violation{Law: law, What: what, Event: len(w.journal.rows)})
	}
}

// pass is a tick of the world's own: what happens at any time, not at an occasion.
const passEvery = 500 * time.Millisecond

func (w *world) pass() {
	const perSecond = float64(passEvery) / float64(time.Second)
	f := &w.plan.faults
	if !w.quiet && w.now >= int64(quietAfter) {
		w.calm()
	}
	if w.coord != nil && w.d.yes(f.kill*perSecond) {
		w.kill()
	}
	if w.coord != nil && w.d.yes(f.stop*perSecond) {
		w.tally.Stops++
		if w.d.yes(0.3) {
			w.coord.receive(message{input: machine.Pause{Reason: "somebody wants to look"}})
		} else {
			w.coord.leave("interrupted")
		}
	}
	if w.d.yes(f.jump * perSecond) {
		w.jump()
	}
	if w.spell.yes(f.outage * perSecond) {
		w.beginOutage(drawOutage(w.spell, w.now, len(w.workers)))
	}
	if w.coord != nil && w.d.yes(f.stray*perSecond) {
		w.stray()
	}
	w.book.checkTimes()
	w.after(int64(passEvery), w.pass)
}

// calm ends all faults, so that the run can come to its end.
func (w *world) calm() {
	w.quiet = true
	local := w.plan.faults.local
	w.plan.faults = faults{local: local, change: w.plan.faults.change}
	w.store.full = false
	w.away.until = 0
	w.mend()
}

// mend ends the trainer's own faults.
func (w *world) mend() {
	if !w.plan.constant {
		w.model.fail, w.model.poison, w.model.cliff = 0, 0, 0
	}
}

// jump sets the clock, by a little or by hours.
func (w *world) jump() {
	w.tally.ClockJumps++
	by := w.d.span(time.Millisecond, 3*time.Hour)
	if w.d.yes(0.5) {
		by = -by
	}
	w.drift += by
	w.book.setBack += max(0, -by)
	w.book.forward += max(0, by)
}

// mislabelled is a report on a live lease with somebody else's checkpoint.
func (w *world) mislabelled() {
	id, name := one(w.d, w.book.alive...), one(w.d, w.store.names...)
	n := w.book.lease(id)
	if c, _ := w.store.get(name); c.segment != n.segment {
		w.coord.receive(message{input: machine.Report{
			Lease: id, Segment: n.segment, Member: n.member, Score: 1e9, Checkpoint: machine.Checkpoint{ID: name, Bytes: 1},
		}})
	}
}

// stray is a message from somebody who is confused: about the lease, the segment,
// or who there is.
func (w *world) stray() {
	w.tally.Stray++
	if w.plan.memory && !w.plan.faults.local && w.lore.yes(0.3) {
		w.strayAsk()
		return
	}
	if len(w.book.alive) > 0 && len(w.store.names) > 0 && w.d.yes(0.3) {
		w.mislabelled()
		return
	}
	lease, member := int64(w.d.n(len(w.book.leases)+1)), int(w.d.whole(-2, int64(w.plan.members)+2))
	segment := int64(w.d.n(len(w.book.segments) + 2))
	if note := w.book.lease(lease); note != nil && note.member == member && note.segment == segment {
		return // that would make sense
	}
	var in machine.Input = machine.Report{Lease: lease, Segment: segment, Member: member, Score: 1e9, Checkpoint: machine.Checkpoint{ID: "stray", Bytes: 1}}
	switch w.d.n(4) {
	case 0:
		in = machine.Beat{Lease: lease + 1<<40, Member: member}
	case 1:
		in = machine.Fail{Lease: lease, Segment: segment, Member: member, Fault: machine.FailError, Error: "who am I?"}
	}
	w.coord.receive(message{input: in})
}

// send carries a message, if the network will.
func (w *world) send(deliver func()) {
	f := &w.plan.faults
	if f.local {
		w.after(0, deliver)
		return
	}
	if w.d.yes(f.lost) {
		w.tally.Lost++
		return
	}
	w.after(w.delay(), deliver)
	if w.d.yes(f.twice) {
		w.tally.Twice++
		w.after(w.delay(), deliver)
	}
}

func (w *world) delay() int64 {
	if w.d.yes(w.plan.faults.late) {
		w.tally.Late++
		return w.d.span(100*time.Millisecond, 20*time.Second)
	}
	return w.d.span(100*time.Microsecond, 5*time.Millisecond)
}

// moment is an entry of the agenda.
type moment struct {
	at    int64
	order int64
	do    func()
}

// agenda is a heap of moments: earliest first, then in the order they were put.
type agenda []moment

func (a agenda) Len() int { return len(a) }

func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}

func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *agenda) Push(x any) { *a = append(*a, x.(moment)) }

// Pop implements heap.Interface.
func (a *agenda) Pop() any {
	last := len(*a) - 1
	m := (*a)[last]
	*a = (*a)[:last]
	return m
}
