package view

import (
	"github.com/seed-7a1a2db0/pbt"
)

// Health is how well the run uses what it has.
type Health struct {
	Seq            int64    `json:"seq"`
	SlotUse        float64  `json:"slot_use"` // share of the time that slots were at work
	StepsPerS      float64  `json:"steps_per_s"`
	SegmentsPerMin float64  `json:"segments_per_min"`
	EtaS           *float64 `json:"eta_s"`
	Split          Split    `json:"split"`
	Disk           Disk     `json:"disk"`
	Retries        int64    `json:"retries"`
	Lost           int64    `json:"lost"`
	RolledBack     int64    `json:"rolled_back"`
}

// Split says where the time of all slots together went.
type Split struct {
	Times
	WaitS float64 `json:"wait_s"`
}

// Disk is what the run takes. The journal and what is free are for others to fill in.
type Disk struct {
	Checkpoints     int   `json:"checkpoints"`
	CheckpointBytes int64 `json:"checkpoint_bytes"`
	JournalBytes    int64 `json:"journal_bytes"`
	FreeBytes       int64 `json:"free_bytes"`
}

// Health is how well the run uses what it has.
func (r *Run) Health() Health {
	r.mu.RLock()
	defer r.mu.RUnlock()
	h := Health{Seq: r.seq}
	if r.m == nil {
		return h
	}
	n, now := r.m.Counts(), r.now()
	h.EtaS, h.Retries, h.Lost, h.RolledBack = r.eta(now), n.Failed, n.Lost, n.RolledBack
	h.StepsPerS, h.SegmentsPerMin = r.pace(now)
	h.SegmentsPerMin *= 60
	h.Disk = Disk{Checkpoints: r.kept, CheckpointBytes: r.m.CheckpointBytes()}
	t := &r.sums
	h.Split.Times = Times{t[partStart], t[partLoad], t[partTrain], t[partEval], t[partSave], t[partPublish]}
	all := r.worked() * float64(max(1, r.exp.Trainer.Slots))
	busy := r.busy
	if r.atWork() {
		busy += r.running(now)
	}
	if all > 0 {
		h.SlotUse = min(1, busy/all)
	}
	h.Split.WaitS = max(0, all-busy)
	return h
}

// running is how many seconds the segments at work have taken so far.
func (r *Run) running(now int64) (s float64) {
	for i := range r.slots {
		if spans := r.slots[i].spans; len(spans) > 0 {
			if last := &spans[len(spans)-1]; last.ok == spanRuns {
				s += seconds(max(0, now-last.t0))
			}
		}
	}
	return s
}

// Busy is how many slots train now, and the states of the members by name.
func (r *Run) Busy() (slots int, states map[string]int) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	states = map[string]int{}
	for i := range r.members {
		states[string(r.m.Member(i).State)]++
	}
	if r.m != nil {
		slots = r.m.Running()
	}
	return slots, states
}

// KeptCheckpoint is a checkpoint that is still there.
type KeptCheckpoint struct {
	ID      string     `json:"id"`
	Segment int64      `json:"segment"`
	Member  int        `json:"member"`
	Bytes   int64      `json:"bytes"`
	Score   *pbt.Score `json:"score"`
	Step    int64      `json:"step"`
	Why     string     `json:"why"`
}

// MaxCheckpoints bounds an answer of checkpoints: the newest.
const MaxCheckpoints = 10_000

// Checkpoints are those that are still there, oldest first.
func (r *Run) Checkpoints() (seq int64, out []KeptCheckpoint) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	out = []KeptCheckpoint{}
	if r.m == nil {
		return r.seq, out
	}
	why := r.needs()
	left := min(r.kept, MaxCheckpoints)
	for id := r.table.n; id > 0 && left > 0; id-- {
		s := r.table.at(id)
		if !s.kept {
			continue
		}
		left--
		name, _ := r.m.NeedsCheckpoint(id)
		c := KeptCheckpoint{ID: name, Segment: id, Member: int(s.member), Bytes: s.bytes, Score: scoreOf(s.score), Step: s.end(), Why: why[id]}
		switch {
		case r.m.Pinned(id):
			c.Why = "pinned"
		case c.Why == "":
			c.Why = "wanted by keep:"
		}
		out = append(out, c)
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return r.seq, out
}

// needs says of checkpoints that somebody needs why.
func (r *Run) needs() map[int64]string {
	why := map[int64]string{}
	for i := range r.members {
		if id := r.members[i].newest; id != 0 && r.table.at(id).parent != 0 {
			why[r.table.at(id).parent] = "a member trains on from it"
		}
	}
	for i := range r.members {
		if rec, ok := r.m.Record(i); ok {
			why[rec.Segment] = "a member's newest weights"
		}
	}
	for _, id := range r.best[:min(len(r.best), max(1, r.m.Spec().Keep.Best))] {
		why[id] = "among the best"
	}
	return why
}
