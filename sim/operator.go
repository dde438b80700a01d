package sim

import (
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// attend is the person beside the run, once its process has ended: who frees
// space, mends the trainer, allows more, and resumes it; or is content.
func (w *world) attend(m *machine.Machine) {
	phase, reason := m.Phase()
	switch phase {
	case machine.PhaseEnded:
		if w.changes >= 2 || !w.d.yes(w.plan.faults.change) {
			w.book.checkEnd(m)
			w.over = true
			return
		}
		s := enlarge(w.d, m.Spec())
		if w.lore.yes(0.4) {
			s.SaveEvery = drawSaving(w.lore)
		}
		w.wish(s)
	case machine.PhasePaused:
		w.tally.Pauses++
		w.pauses++
		w.store.full = false
		if strings.Contains(reason, "keep.bytes") {
			spec := m.Spec()
			spec.Keep.Bytes = 2*spec.Keep.Bytes + 100
			w.wish(spec)
		}
		w.charge = w.plan.constant && !w.hit && w.now >= w.away.until
		if w.pauses >= 3 { // mended at last
			w.mend()
		}
	case machine.PhaseRunning:
		if w.plan.faults.change > 0 && w.changes < 4 && w.lore.yes(0.15) { // somebody has second thoughts about saving
			s := m.Spec()
			s.SaveEvery = drawSaving(w.lore)
			w.wish(s)
		}
	}
	w.after(w.d.span(50*time.Millisecond, 20*time.Second), w.start)
}

// wish is a change of settings that the next process is to make.
func (w *world) wish(s machine.Spec) {
	w.changes++
	w.tally.Changes++
	w.specs = append(w.specs, s)
}

// changeSettings is the newest wish, unless it is journalled already.
func (w *world) changeSettings() *machine.Change {
	newest := len(w.specs) - 1
	if w.book.specNumber == newest {
		return nil
	}
	return &machine.Change{Spec: w.specs[newest], Experiment: experiment(newest), Paths: []string{"budget"}}
}
