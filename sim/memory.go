package sim

import "github.com/seed-7a1a2db0/pbt/machine"

// memory is what a worker keeps of the last segment that it has trained to its end.
type memory struct {
	segment int64 // 0: nothing
	member  int
	name    string // of the checkpoint that its lease has saved or would have: another attempt at the segment has another
	weights weights
}

// recall begins a segment from memory, if its weights are there. If nobody else has
// them, they must be.
func (wk *worker) recall(j *job) (done bool) {
	w, t := wk.w, j.task
	had := wk.has
	wk.has, wk.had = memory{}, had // it trains: what it had is gone
	if t.Parent == 0 || t.Load != "" && (had.segment != t.Parent || had.name != t.Load && w.broken != trustNumbers) {
		return false
	}
	if parent := w.book.segment(t.Parent); had.segment != t.Parent || had.weights != parent.weights {
		law := LawHeld
		if t.Load != "" {
			law = LawWeights
		}
		w.violate(law, "lease %d goes on with the weights of segment %d in the memory of %s, which has those of segment %d", t.Lease, t.Parent, wk.label, had.segment)
	}
	if t.Load != "" {
		w.tally.Spared++
		j.start = had.weights
		return true
	}
	w.tally.InMemory++
	if wk.dropsMemory() { // since it has asked
		wk.finish(j, failure(t, one(w.lore, machine.FailLost, machine.FailError), "its weights are gone"))
		return true
	}
	j.start = had.weights
	return true
}

// dropsMemory tells whether a worker's process dies just now, and its memory with it.
func (wk *worker) dropsMemory() bool {
	w := wk.w
	if !w.plan.memory || !w.lore.yes(w.plan.faults.forget) {
		return false
	}
	w.tally.Forgotten++
	return true
}

// lessMemory is what a new process has: nothing, or what it finds of an older segment.
func (wk *worker) lessMemory() memory {
	if wk.had.segment == wk.has.segment || wk.w.lore.yes(0.5) {
		return memory{}
	}
	return wk.had
}

// mayBeEvicted draws whether somebody wants the worker's machine for himself while
// it trains.
func (wk *worker) mayBeEvicted(j *job, long int64) {
	w := wk.w
	if !w.lore.yes(w.plan.faults.evict) {
		return
	}
	wk.after(w.lore.whole(0, long), func() {
		if wk.job == j && j.outcome == nil {
			w.tally.Evicted++
			wk.finish(j, failure(j.task, machine.FailPreempted, "SIGTERM"))
		}
	})
}

// askWhetherToSave asks until there is an answer; where none comes, it saves.
func (wk *worker) askWhetherToSave(j *job, theta weights) {
	w, t := wk.w, j.task
	if w.lore.yes(w.plan.faults.forget / 4) { // its process dies in between
		if w.plan.faults.local {
			wk.finish(j, failure(t, machine.FailError, "signal: killed"))
		} else {
			wk.die()
		}
		return
	}
	j.scored, j.end = true, theta
	wk.ponder(j, 3)
}

func (wk *worker) ponder(j *job, tries int) {
	if wk.job != j || !j.scored {
		return
	}
	if tries == 0 {
		j.scored = false
		wk.publish(j, j.end)
		return
	}
	t := j.task
	wk.tell(message{from: wk.address(), input: machine.Scored{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: wk.w.model.score(j.end), Steps: wk.w.model.counted(j.end, t.Steps), Done: wk.w.model.ends(j.end)}})
	if !wk.w.plan.faults.local {
		wk.after(int64(reportAgain), func() { wk.ponder(j, tries-1) })
	}
}

func (wk *worker) hearWhetherToSave(a answer) {
	w, j := wk.w, wk.job
	if j == nil || !j.scored || j.task.Lease != a.scored {
		return
	}
	j.scored = false
	save := a.save
	if w.lore.yes(w.plan.faults.ignore) {
		w.tally.Ignored++
		save = !save
	}
	if save {
		wk.publish(j, j.end)
		return
	}
	wk.finish(j, w.outcome(j.task, j.end))
}

// strayAsk is a question in some worker's name that is late, or not its own.
func (w *world) strayAsk() {
	from := one(w.lore, w.workers...).address()
	from.worker = nil // who hears the answer is not known
	w.coord.receive(message{from: from, asks: true, has: memory{segment: int64(w.lore.n(len(w.book.segments) + 2)), member: w.lore.n(w.plan.members + 1)}})
}
