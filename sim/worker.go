package sim

import (
	"fmt"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// worker is a place to train in: a slot of the coordinator's own process, or a
// machine far away that may die, hang, be cut off, and come back too late.
type worker struct {
	w     *world
	seat  int
	label string
	life  int   // what an earlier life has set in motion happens no more
	asked int64 // the newest question's number
	last  int64 // the newest lease it was ever given
	job   *job  // nil: idle
	has   memory
	had   memory // before the segment that it trains now, or has trained last
}

// job is a segment in a worker's hands.
type job struct {
	task    *machine.Task
	start   weights
	scored  bool          // its question whether to save is open
	end     weights       // what it has come to then
	outcome machine.Input // what it reports, again and again until somebody answers
}

// address is where to answer: a life of a worker. What is sent to a dead one is lost.
type address struct {
	worker *worker
	life   int
	label  string
}

func (a address) name() string { return a.label }

// hear delivers an answer.
func (a address) hear(what answer) {
	if a.worker.life == a.life {
		a.worker.hear(what)
	}
}

func (w *world) newWorker(seat int) *worker {
	wk := &worker{w: w, seat: seat}
	wk.rename()
	return wk
}

// rename gives a new process a name that nobody has had.
func (wk *worker) rename() {
	wk.w.names++
	wk.label = fmt.Sprintf("host-%d \"größe\" #%d", wk.seat+1, wk.w.names)
}

// startWorkers begins the first lives, and with a new coordinator those of the
// workers that died with the old one.
func (w *world) startWorkers() {
	for _, wk := range w.workers {
		if wk.last == 0 && wk.asked == 0 || w.plan.faults.local {
			wk.reborn()
		}
	}
}

func (wk *worker) reborn() {
	wk.life++
	wk.job, wk.has, wk.had = nil, memory{}, memory{}
	if !wk.w.plan.memory || wk.w.lore.yes(0.3) { // else a new process in an old place
		wk.rename()
	}
	wk.ask()
}

func (wk *worker) address() address { return address{wk, wk.life, wk.label} }

// after does something unless the worker has died by then.
func (wk *worker) after(delay int64, do func()) {
	life := wk.life
	wk.w.after(delay, func() {
		if wk.life == life {
			do()
		}
	})
}

// tell sends a message to whatever coordinator there is when it arrives.
func (wk *worker) tell(m message) {
	w := wk.w
	w.send(func() {
		if w.coord != nil {
			w.coord.receive(m)
		}
	})
}

// How long a worker waits for an answer before it says the same again.
const (
	askAgain    = 3 * time.Second
	reportAgain = 2 * time.Second
)

// ask wants work, until there is some.
func (wk *worker) ask() {
	wk.asked++
	mine := wk.asked
	wk.tell(message{from: wk.address(), asks: true, has: wk.has})
	if wk.w.plan.faults.local {
		return
	}
	wk.after(int64(askAgain), func() {
		if wk.job == nil && wk.asked == mine {
			wk.ask()
		}
	})
}

func (wk *worker) hear(a answer) {
	if a.scored != 0 {
		wk.hearWhetherToSave(a)
		return
	}
	if j := wk.job; a.lease != 0 && j != nil && j.outcome != nil && j.task.Lease == a.lease {
		if a.accepted {
			wk.w.book.checkTold(a.lease)
		}
		wk.job = nil
		if wk.dropsMemory() {
			wk.die()
			return
		}
		wk.ask()
	}
	if a.task == nil || a.task.Lease <= wk.last || wk.job != nil {
		return // an answer that came twice or too late: that lease will expire
	}
	wk.last = a.task.Lease
	wk.w.book.checkTask(a.task, wk.label)
	wk.begin(a.task)
}

// begin draws how the segment will go, and sets it going.
func (wk *worker) begin(t *machine.Task) {
	w, f := wk.w, &wk.w.plan.faults
	j := &job{task: t}
	wk.job = j
	long := w.d.span(segmentTime/2, 2*segmentTime)
	if w.d.yes(f.slow) {
		w.tally.Slow++
		long = w.d.span(2*segmentTime, 30*segmentTime)
	}
	load := w.d.span(time.Millisecond, 200*time.Millisecond)
	wk.after(load, func() { wk.load(j) })
	wk.after(load+long, func() { wk.save(j) })
	if w.d.yes(f.death) {
		wk.after(w.d.whole(0, load+long+int64(50*time.Millisecond)), wk.die)
	}
	wk.after(int64(beatEvery), func() { wk.beat(j) })
	wk.mayBeEvicted(j, load+long)
}

// beat says that the worker is alive, for as long as it has the job.
func (wk *worker) beat(j *job) {
	if wk.job != j {
		return
	}
	if wk.w.plan.spec.Silence > 0 {
		wk.tell(message{from: wk.address(), input: machine.Beat{Lease: j.task.Lease, Member: j.task.Member}})
	}
	wk.after(int64(beatEvery), func() { wk.beat(j) })
}

// die ends the worker without a word. Somebody starts another in its place.
func (wk *worker) die() {
	wk.w.tally.Deaths++
	wk.life++
	wk.job = nil
	wk.after(wk.w.d.span(100*time.Millisecond, 10*time.Second), wk.reborn)
}

// load takes the parent's checkpoint, which must be there and be the right one as
// long as the lease lives.
func (wk *worker) load(j *job) {
	if wk.job != j || j.outcome != nil {
		return
	}
	t := j.task
	if wk.missing(j, false) || wk.recall(j) {
		return
	}
	if t.Parent == 0 {
		j.start = wk.w.model.fresh(first(t.WeightSeed))
		return
	}
	if wk.missing(j, true) {
		return
	}
	c, ok := wk.w.store.get(t.Load)
	switch {
	case ok && c.segment == t.Parent:
		j.start = c.weights
		return
	case ok:
		wk.w.violate(LawWeights, "lease %d loads %q as segment %d, and finds segment %d", t.Lease, t.Load, t.Parent, c.segment)
	case wk.w.book.live(t.Lease):
		wk.w.violate(LawCheckpointHeld, "lease %d loads segment %d from %q, which is gone", t.Lease, t.Parent, t.Load)
	}
	wk.finish(j, failure(t, machine.FailError, "the checkpoint is missing"))
}

func failure(t *machine.Task, kind machine.FailureKind, text string) machine.Fail {
	return machine.Fail{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Fault: kind, Error: text}
}

// save trains, publishes the checkpoint, and reports.
func (wk *worker) save(j *job) {
	if wk.job != j || j.outcome != nil {
		return
	}
	w, t := wk.w, j.task
	if wk.missing(j, false) {
		return
	}
	if kind, text := w.model.fault(t.Hypers, t.From, t.Seed); kind != "" {
		wk.finish(j, failure(t, kind, text))
		return
	}
	theta := w.model.step(j.start, t.Hypers, first(t.Seed))
	if w.plan.memory && !t.Probe {
		wk.has = memory{t.Segment, t.Member, t.Save, theta}
		wk.askWhetherToSave(j, theta)
		return
	}
	wk.publish(j, theta)
}

// publish saves what a segment has come to, and reports.
func (wk *worker) publish(j *job, theta weights) {
	w, t := wk.w, j.task
	if wk.missing(j, true) {
		return
	}
	if w.d.yes(w.plan.faults.full) {
		w.store.full = true
	}
	if w.store.full {
		w.tally.DiskFull++
		wk.finish(j, failure(t, machine.FailDisk, "no space left on device"))
		return
	}
	if !w.store.publish(t.Save, content{segment: t.Segment, weights: theta}) {
		w.violate(LawWeights, "lease %d publishes %q, which exists", t.Lease, t.Save)
	}
	wk.after(w.d.span(time.Millisecond, 100*time.Millisecond), func() {
		r := w.outcome(t, theta)
		r.Checkpoint = machine.Checkpoint{ID: t.Save, Bytes: w.model.bytes(theta), Digest: fmt.Sprintf("%016x", theta.hash)}
		wk.finish(j, r)
	})
}

// outcome is what a segment's report says, without a checkpoint.
func (w *world) outcome(t *machine.Task, theta weights) machine.Report {
	return machine.Report{
		Lease: t.Lease, Segment: t.Segment, Member: t.Member,
		Score: w.model.score(theta), Steps: w.model.counted(theta, t.Steps), Done: w.model.ends(theta), Samples: w.model.single(theta), Metrics: machine.Metrics{"quality": pbt.Score(theta.quality)},
	}
}

// finish reports, and asks for more in the same breath.
func (wk *worker) finish(j *job, outcome machine.Input) {
	if wk.job != j || j.outcome != nil {
		return
	}
	j.outcome = outcome
	if _, failed := outcome.(machine.Fail); failed {
		wk.has = memory{} // nobody knows what it holds
	}
	if wk.w.plan.faults.local {
		wk.job = nil
		if wk.dropsMemory() {
			wk.has = wk.lessMemory()
		}
		wk.tell(message{from: wk.address(), input: outcome, asks: true, has: wk.has})
		return
	}
	wk.report(j)
}

func (wk *worker) report(j *job) {
	if wk.job != j {
		return
	}
	wk.tell(message{from: wk.address(), input: j.outcome})
	wk.after(int64(reportAgain), func() { wk.report(j) })
}

// interrupt stops a worker of the coordinator's own process; what it was at is lost.
func (wk *worker) interrupt() machine.Input {
	wk.life++
	j := wk.job
	wk.job = nil
	if j == nil || j.outcome != nil {
		return nil
	}
	return failure(j.task, machine.FailLost, "the run was stopped")
}
