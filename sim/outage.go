package sim

import (
	"time"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// away is an outage: something that trainers need is not there. Whoever needs it
// during that time fails.
type away struct {
	number int64 // of the outage, from 1
	until  int64 // true time
	kind   outageKind
	seat   int // of the one worker
	fault  machine.FailureKind
	abrupt bool // segments that are being trained when it begins fail at once
}

type outageKind uint8

const (
	outageAll    outageKind = iota // a data set, a licence
	outageWorker                   // one worker's GPU
	outageStore                    // the directory of checkpoints
	outageKinds
)

// drawOutage is an outage that begins now, of any length.
func drawOutage(d dice, now int64, workers int) away {
	a := away{kind: outageKind(d.n(int(outageKinds))), seat: d.n(workers), abrupt: d.yes(0.5)}
	a.until = now + d.span(time.Millisecond, one(d, 100*time.Millisecond, 3*time.Second, time.Minute, time.Hour))
	a.fault = one(d, machine.FailError, machine.FailError, machine.FailPanic, machine.FailStart)
	if a.kind == outageStore {
		a.fault = one(d, machine.FailError, machine.FailMachine)
	}
	return a
}

func (w *world) beginOutage(a away) {
	w.tally.Outages++
	a.number = w.tally.Outages
	w.away = a
	for _, wk := range w.workers {
		if j := wk.job; a.abrupt && j != nil && j.outcome == nil && a.kind != outageStore {
			wk.missing(j, false)
		}
	}
}

// missing fails a segment whose worker needs what is away.
func (wk *worker) missing(j *job, store bool) bool {
	w := wk.w
	a := &w.away
	if w.now >= a.until || a.kind == outageStore && !store || a.kind == outageWorker && a.seat != wk.seat {
		return false
	}
	w.tally.Away++
	if n := w.book.lease(j.task.Lease); n != nil && n.end == endNone {
		n.outage = a.number
	}
	w.hit = true
	text := [...]string{"data set is not mounted", "CUDA error: device 3 is lost", "no such file or directory"}[a.kind]
	wk.finish(j, failure(j.task, a.fault, text))
	return true
}
