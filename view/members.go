package view

import (
	"fmt"
	"math"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Member is a member as it stands now.
type Member struct {
	ID           int                 `json:"id"`
	State        machine.MemberState `json:"state"`
	Rank         int                 `json:"rank"` // 1 is the best, 0 unranked
	Score        *pbt.Score          `json:"score"`
	Step         int64               `json:"step"`
	Spent        int64               `json:"spent"`
	Hypers       pbt.Hypers          `json:"hypers"`
	Segment      int64               `json:"segment"`
	Record       int64               `json:"record"`
	Slot         string              `json:"slot"`
	LeasedAt     int64               `json:"leased_at"`
	Progress     float64             `json:"progress"` // of its segment, 0 to 1
	Failures     int64               `json:"failures"`
	Lost         int64               `json:"lost"`
	LastFailure  string              `json:"last_failure"`
	Root         int                 `json:"root"`
	LastDecision Said                `json:"last_decision"`
	Spark        Numbers             `json:"spark"`
}

// Said is a decision in words.
type Said struct {
	Segment int64      `json:"segment"`
	Action  pbt.Action `json:"action"`
	Why     pbt.Why    `json:"why"`
	Say     string     `json:"say"`
	At      int64      `json:"at"`
}

// sparkPoints is how many scores a sparkline has.
const sparkPoints = 40

// Members are all members as they stand now. What their last decisions say is read
// from the journal.
func (r *Run) Members(j *journal.Journal) (seq int64, members []Member, err error) {
	r.mu.RLock()
	seq, members = r.seq, r.memberViews()
	decided := make([]int64, len(members)) // the seqs of their decisions
	for i := range members {
		if id := members[i].Segment; id != 0 {
			decided[i] = r.table.at(id).decidedSeq
		}
	}
	r.mu.RUnlock()
	return seq, members, r.say(j, members, decided)
}

func (r *Run) memberViews() []Member {
	out := make([]Member, len(r.members))
	now := r.now()
	perStep := r.secondsPerStep()
	for i := range out {
		v := r.m.Member(i)
		m := Member{
			ID: i, State: v.State, Rank: v.Rank, Score: v.Score, Step: v.Step, Spent: v.Spent, Hypers: v.Hypers, Segment: v.Segment,
			Record: v.Record, Slot: v.Worker, LeasedAt: millis(v.LeasedAt), Failures: v.Failures, Lost: v.Lost, LastFailure: v.LastFailure,
			Root: i, Spark: r.spark(i),
		}
		if v.State == machine.StateRunning && !r.live { // its process is gone: what the journal calls leased is not
			m.State, m.Slot, m.LeasedAt = machine.StateWaiting, "", 0
		}
		if w := r.weights(i); w != 0 {
			m.Root = r.rootOf(w)
		}
		if m.State == machine.StateRunning {
			m.Progress = r.segmentProgress(i, now, perStep)
		}
		out[i] = m
	}
	return out
}

// spark are the last scores in the ancestry of a member's weights, oldest first.
func (r *Run) spark(i int) Numbers {
	out := Numbers{}
	for id := r.weights(i); id != 0 && len(out) < sparkPoints; id = r.table.at(id).parent {
		out = append(out, Number(r.table.at(id).score))
	}
	slices.Reverse(out)
	return out
}

// secondsPerStep is how long a step has taken lately.
func (r *Run) secondsPerStep() float64 {
	var took, steps float64
	for _, o := range r.recent[max(0, len(r.recent)-maxRecent):] {
		took, steps = took+seconds(o.took), steps+float64(o.steps)
	}
	return took / steps // NaN while nothing has finished
}

// segmentProgress is how far a segment in training is: as its trainer says, or else
// as long as others took.
func (r *Run) segmentProgress(i int, now int64, perStep float64) float64 {
	const nearly = 0.99 // no more before it has finished
	id := r.members[i].newest
	s := r.table.at(id)
	r.heardMu.Lock()
	h := r.heard[i]
	r.heardMu.Unlock()
	if h.segment == id && s.steps > 0 {
		return min(1, max(0, float64(h.step)/float64(s.steps)))
	}
	x := seconds(now-s.leased) / (perStep * float64(s.steps))
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return 0
	}
	return min(nearly, max(0, x))
}

// say fills in what the members' last decisions say. Another may have asked later and
// been answered before: then what is remembered is newer than these members.
func (r *Run) say(j *journal.Journal, members []Member, decided []int64) error {
	r.saidMu.Lock()
	defer r.saidMu.Unlock()
	var seqs []int64
	var whose []int
	for i := range members {
		if decided[i] != 0 && r.said[i].Segment != members[i].Segment {
			seqs, whose = append(seqs, decided[i]), append(whose, i)
		}
	}
	err := j.At(seqs, func(row journal.Row) error {
		d, err := decodeDecided(row)
		if err != nil {
			return err
		}
		r.said[whose[0]] = Said{d.Segment, d.Decision.Action, d.Decision.Why, d.Decision.Say(), millis(row.At)}
		whose = whose[1:]
		return nil
	})
	for i := range members {
		if decided[i] != 0 {
			members[i].LastDecision = r.said[i]
		}
	}
	return err
}

func decodeDecided(row journal.Row) (*machine.Decided, error) {
	body, err := machine.Decode(machine.Kind(row.Kind), row.Body)
	if err != nil {
		return nil, err
	}
	d, ok := body.(*machine.Decided)
	if !ok {
		return nil, fmt.Errorf("event %d is no decision, but %s", row.Seq, row.Kind)
	}
	return d, nil
}
