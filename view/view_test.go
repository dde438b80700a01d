package view

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/internal/hardware"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// budgets and rules that the stories of the tests go by.
var settings = []string{
	"budget: {steps: 200}",
	"budget: {steps: 150}\nsave: {every: 4}",
	"budget: {total_steps: 1500}\nexploit: tournament\ninherit: hypers",
	"budget: {steps: 150}\nbarrier: {quorum: 0.8}\nrepair: restart",
	"budget: {steps: 120}\nexplore_always: true\nkeep: {best: 2, lineage: true}",
	"budget: {steps: 120}\nexploit: {ttest: {alpha: 0.3}}\ninherit: weights\nkeep: {everything: true}",
	"budget: {steps: 120}\nexploit: none\nretries: 0\nrepair: none",
}

// story makes a journal in which everything happens that can happen: failures of all
// kinds, lost workers, processes that are killed, scores that are no numbers.
func story(t testing.TB, seed uint64, more string) *script {
	s := newScript(t, experiment(t, 7, more))
	draws := uint64(0)
	chance := func(p float64) bool { draws++; return unit(seed<<20+draws) < p }
	running, holds := map[string]*machine.Task{}, map[string]int64{}
	for range 3000 {
		if phase, _ := s.m.Phase(); phase == machine.PhaseEnded {
			break
		}
		draws++
		w := fmt.Sprintf("slot-%d", 1+int(3*unit(seed<<20+draws)))
		task := running[w]
		switch {
		case chance(0.01): // the process is killed, and another takes over
			clear(running)
			clear(holds)
			s.now += 1e9
			s.do(machine.Open{Host: "there", PID: 2, Version: "test2"})
		case chance(0.005):
			s.do(machine.Close{Reason: "interrupted"})
			clear(running)
			clear(holds)
			s.do(machine.Open{Host: "here", PID: 3, Version: "test"})
		case chance(0.03):
			s.steer(chance, draws, running)
		case task == nil:
			running[w] = s.do(machine.Ask{Worker: w, Member: -1, Holds: holds[w]}).Task
		case chance(0.05), unit(uint64(task.Segment)*seed) < 0.03: // some fail each time
			kinds := []machine.FailureKind{machine.FailError, machine.FailPanic, machine.FailLost, machine.FailTimeout}
			s.do(machine.Fail{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Fault: kinds[draws%4], Error: "it broke\n<b>here</b>"})
			delete(running, w)
			delete(holds, w)
		case chance(0.01):
			s.report(&machine.Task{Lease: task.Lease - 1, Segment: task.Segment, Member: task.Member}, 1, true) // from the grave
		default:
			score := scoreOfTask(task)
			if chance(0.03) {
				score = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[draws%3]
			}
			saved := s.do(machine.Scored{Lease: task.Lease, Segment: task.Segment, Member: task.Member, Score: pbt.Score(score)}).Save
			s.report(task, score, saved)
			holds[w] = task.Segment
			delete(running, w)
		}
	}
	s.flush()
	return s
}

// steer lets a person want something, whether or not it makes sense.
func (s *script) steer(chance func(float64) bool, draws uint64, running map[string]*machine.Task) {
	i := int(unit(draws^99) * float64(s.m.Members()))
	segment := 1 + int64(unit(draws^77)*float64(s.m.Segments()))
	if best, ok := s.m.Best(); ok && chance(0.5) {
		segment = best.Segment
	}
	var donor *pbt.Record
	for k := range s.m.Members() {
		if r, ok := s.m.Record(k); ok && r.Saved && r.Segment == segment {
			donor = &r
		}
	}
	leave := func() { // a task that was taken away is reported on no more
		for w, task := range running {
			if task != nil && !s.m.Live(task.Member, task.Lease) {
				delete(running, w)
			}
		}
	}
	switch draws % 9 {
	case 0:
		s.do(machine.Hold{By: "eve", Reason: "lunch"})
		s.now += 1e9
		s.do(machine.Resume{By: "eve"})
	case 1:
		s.do(machine.Kill{Member: i, By: "eve"})
		leave()
	case 2:
		s.do(machine.Steer{Member: i, Wish: pbt.Wish{Set: pbt.MakeHypers("lr", pbt.Float(0.01))}, By: "eve"})
	case 3:
		s.do(machine.Steer{Member: i, Wish: pbt.Wish{Restart: true}})
	case 4:
		if donor != nil {
			s.do(machine.Steer{Member: i, Wish: pbt.Wish{From: s.ownerOf(segment), Donor: donor}, By: "eve"})
		}
	case 5:
		if s.m.Members() < 12 {
			s.do(machine.Inject{Wish: pbt.Wish{Fresh: &pbt.Hypers{}}, By: "eve"})
		}
	case 6:
		if s.m.Members() > 8 {
			s.do(machine.Retire{Member: i, By: "eve"})
			leave()
		}
	case 7:
		s.do(machine.Pin{Segment: segment, By: "eve"})
	case 8:
		s.do(machine.Pin{Segment: segment, Off: true})
	}
}

// ownerOf is the member that a segment is of.
func (s *script) ownerOf(segment int64) int {
	s.flush()
	h, err := history.Read(s.j, config.SpecOf)
	if err != nil {
		s.t.Fatal(err)
	}
	return h.Tree[segment-1].Member
}

// everyStory runs a test on stories of all settings.
func everyStory(t *testing.T, test func(t *testing.T, s *script)) {
	for i, more := range settings {
		for seed := range uint64(3) {
			for _, goal := range []string{"maximize", "minimize"} {
				if goal == "minimize" && seed > 0 {
					continue
				}
				t.Run(fmt.Sprintf("%d-%d-%s", i, seed, goal), func(t *testing.T) { test(t, story(t, seed+1, more+"\n# "+goal)) })
			}
		}
	}
}

// The view of a run says what its history and its machine say.
func TestTheViewAgreesWithTheJournal(t *testing.T) {
	seen := map[string]int{}
	everyStory(t, func(t *testing.T, s *script) {
		r := fold(t, s.j)
		r.live = true // else what is at work waits
		agree(t, r, s.j)
		n := s.m.Counts()
		for what, count := range map[string]int64{
			"copies": n.Copies, "repairs": n.Repairs, "restarts": n.Restarts, "rolled back": n.RolledBack, "refused": n.Refused, "failed": n.Failed, "lost": n.Lost,
		} {
			seen[what] += int(count)
		}
		for id := int64(1); id <= r.table.n; id++ {
			seen[r.table.at(id).state.String()]++
		}
		for _, k := range r.kinds[1:] {
			seen[string(allKinds[k-1])]++
		}
	})
	for _, what := range []string{"copies", "repairs", "restarts", "rolled back", "refused", "failed", "lost", "finished", "dropped",
		"steered", "member_added", "pinned", "resumed", "paused", "member_done"} {
		if seen[what] == 0 {
			t.Errorf("no story has any that are %s: %v", what, seen)
		}
	}
}

// agree compares a view with history, and with the machine that the engine folds.
func agree(t *testing.T, r *Run, j *journal.Journal) {
	t.Helper()
	h, err := history.Read(j, config.SpecOf)
	if err != nil {
		t.Fatal(err)
	}
	m, last, err := engine.Fold(j, config.SpecOf)
	if err != nil {
		t.Fatal(err)
	}
	if r.Seq() != last || r.table.n != int64(len(h.Tree)) || r.winner() != h.Best {
		t.Fatalf("seq %d of %d, %d segments of %d, best %d, want %d", r.Seq(), last, r.table.n, len(h.Tree), r.winner(), h.Best)
	}
	for i := range h.Tree {
		agreeOnSegment(t, r, j, h, m, &h.Tree[i])
	}
	agreeOnMembers(t, r, j, h, m)
	agreeOnCurves(t, r, h)
	agreeOnLineage(t, r, h)
	agreeOnTime(t, r, h, m)
	if h.Best != 0 {
		want, err := h.Tree.Schedule(h.Best)
		if err != nil {
			t.Fatal(err)
		}
		if id, got, err := r.Schedule(0); err != nil || id != h.Best || !reflect.DeepEqual(got, want) {
			t.Errorf("schedule of %d: %v, %v; want %v", id, got, err, want)
		}
	}
}

func agreeOnSegment(t *testing.T, r *Run, j *journal.Journal, h *history.History, m *machine.Machine, n *pbt.Node) {
	t.Helper()
	got, err := r.Segment(j, n.ID)
	if err != nil {
		t.Fatal(err)
	}
	d, err := h.Decision(n.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Member != n.Member || got.Turn != n.Turn || got.Parent != n.Parent || got.From != n.From || got.From+got.Steps != n.Step ||
		!got.Hypers.Equal(n.Hypers) || got.State != n.State || got.Say != n.Say || (got.Donor != nil) != n.Copied || got.Action != d.Decision.Action ||
		!slices.Equal(got.Changes, d.Decision.Changes) {
		t.Errorf("segment %d is %+v, want %+v", n.ID, got, n)
	}
	if o := h.Outcome(n.ID); (o != nil) != (got.Score != nil) || o != nil && text(t, o.Score) != text(t, got.Score) {
		t.Errorf("segment %d scored %v, want %v", n.ID, got.Score, o)
	} else if o != nil && (got.Times.TrainS != float64(o.Times.Train)/1e9 || text(t, got.Metrics) != text(t, o.Metrics)) {
		t.Errorf("segment %d: %+v %+v, want %+v", n.ID, got.Times, got.Metrics, o)
	}
	name, _ := m.NeedsCheckpoint(n.ID)
	if kept := got.Checkpoint != nil && got.Checkpoint.Kept; kept != (name != "") || kept && got.Checkpoint.ID != name || (got.Checkpoint != nil) != (n.Checkpoint != "") {
		t.Errorf("segment %d has the checkpoint %+v, want %q, kept %q", n.ID, got.Checkpoint, n.Checkpoint, name)
	}
	failures := 0
	for _, f := range h.Failures {
		if f.Segment == n.ID {
			if failures >= len(got.Failures) || got.Failures[failures].Error != f.Error || got.Failures[failures].Final != f.Final {
				t.Fatalf("segment %d: %+v, want %+v", n.ID, got.Failures, f)
			}
			failures++
		}
	}
	if failures != len(got.Failures) {
		t.Errorf("segment %d has %d failures, want %d", n.ID, len(got.Failures), failures)
	}
	path, err := h.Tree.Ancestry(n.ID)
	if err != nil {
		t.Fatal(err)
	}
	var ancestors, children []int64
	for i := len(path) - 2; i >= 0; i-- {
		ancestors = append(ancestors, path[i].ID)
	}
	for i := range h.Tree {
		if h.Tree[i].Parent == n.ID {
			children = append(children, h.Tree[i].ID)
		}
	}
	if !slices.Equal(got.Ancestors, ancestors) || !slices.Equal(got.Children, children) {
		t.Errorf("segment %d descends from %v and has %v, want %v and %v", n.ID, got.Ancestors, got.Children, ancestors, children)
	}
}

func agreeOnMembers(t *testing.T, r *Run, j *journal.Journal, h *history.History, m *machine.Machine) {
	t.Helper()
	_, members, err := r.Members(j)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range members {
		want := m.Member(i)
		if got.State != want.State || got.Rank != want.Rank || got.Step != want.Step || got.Spent != want.Spent || got.Segment != want.Segment ||
			got.Record != want.Record || got.Slot != want.Worker || got.Failures != want.Failures || got.Lost != want.Lost || text(t, got.Score) != text(t, want.Score) {
			t.Errorf("member %+v, want %+v", got, want)
		}
		d, err := h.Decision(want.Segment)
		if err != nil {
			t.Fatal(err)
		}
		if got.LastDecision.Say != d.Decision.Say() || got.LastDecision.Segment != want.Segment {
			t.Errorf("member %d: %+v, want %q", i, got.LastDecision, d.Decision.Say())
		}
		w := r.weights(i)
		if w == 0 {
			continue
		}
		if step := h.Tree[w-1].Step; step != want.Step && want.State != machine.StateDeciding {
			t.Errorf("member %d holds the weights of segment %d, step %d; want step %d", i, w, step, want.Step)
		}
		root, err := h.Tree.Root(w)
		if err != nil || got.Root != h.Tree[root-1].Member {
			t.Errorf("member %d descends from %d, want segment %d's member", i, got.Root, root)
		}
	}
}

// agreeOnTotals compares where outcomes stand among the steps of all members: each takes
// up as many as it trained, and none are left over.
func agreeOnTotals(t *testing.T, r *Run, h *history.History) {
	t.Helper()
	want := int64(0)
	for _, s := range h.Tree {
		if s.State == pbt.NodeFinished {
			want += s.Step - s.From
		}
	}
	ends := map[int64]int64{} // where an outcome stands, and how many steps it took
	for _, c := range r.Curves(ByMember, XTotal, 0).Series {
		for k, id := range c.Segments {
			if ends[c.X[k]] != 0 {
				t.Errorf("two outcomes stand at %d", c.X[k])
			}
			ends[c.X[k]] = h.Tree[id-1].Step - h.Tree[id-1].From
		}
	}
	at := int64(0)
	for _, end := range slices.Sorted(maps.Keys(ends)) {
		if end-ends[end] != at {
			t.Errorf("the outcome at %d took %d steps, and the one before it stands at %d", end, ends[end], at)
		}
		at = end
	}
	if at != want {
		t.Errorf("the last outcome stands at %d of %d steps", at, want)
	}
}

func agreeOnCurves(t *testing.T, r *Run, h *history.History) {
	t.Helper()
	scores := 0
	for _, s := range h.Tree {
		if s.State == pbt.NodeFinished && s.Score.Finite() {
			scores++
		}
	}
	for i := range r.bands {
		n := 0
		for _, c := range r.bands[i].columns {
			n += len(c.scores)
		}
		if n != scores {
			t.Errorf("band %d sums up %d scores, want %d", i, n, scores)
		}
	}
	agreeOnTotals(t, r, h)
	for _, c := range r.Curves(ByLineage, XStep, 0).Series {
		path, err := h.Tree.Ancestry(c.Segments[len(c.Segments)-1])
		if err != nil {
			t.Fatal(err)
		}
		if len(path) != len(c.Segments) {
			t.Fatalf("member %d: %v, want %d", c.Member, c.Segments, len(path))
		}
		for k, n := range path {
			if c.Segments[k] != n.ID || c.X[k] != n.Step || n.Score.Finite() && float64(c.Y[k]) != float64(*n.Score) || k > 0 && c.X[k] <= c.X[k-1] {
				t.Errorf("member %d: point %d is %d, want %d", c.Member, k, c.Segments[k], n.ID)
			}
		}
	}
	finished := 0
	for _, c := range r.Curves(ByMember, XTime, 0).Series {
		finished += len(c.Segments)
		if !slices.IsSorted(c.X) {
			t.Errorf("member %d goes back in time: %v", c.Member, c.X)
		}
	}
	want := 0
	for i := range h.Tree {
		if h.Outcome(int64(i+1)) != nil {
			want++
		}
	}
	if finished != want {
		t.Errorf("%d points, want %d", finished, want)
	}
	agreeOnHypers(t, r, h)
}

// agreeOnHypers compares what a staircase says at each step with the tree.
func agreeOnHypers(t *testing.T, r *Run, h *history.History) {
	t.Helper()
	for _, def := range r.hyperDefs() {
		c, err := r.Hyper(def.Name, ByLineage, 0)
		if err != nil {
			t.Fatal(err)
		}
		if h.Best == 0 {
			continue
		}
		stages, err := h.Tree.Schedule(h.Best)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range stages {
			k, found := slices.BinarySearch(c.Schedule.X, st.From)
			if !found {
				k--
			}
			if want := valueOf(st.Hypers, &def); float64(c.Schedule.Y[k]) != want {
				t.Errorf("%s at step %d is %v, want %v", def.Name, st.From, c.Schedule.Y[k], want)
			}
		}
	}
}

func agreeOnLineage(t *testing.T, r *Run, h *history.History) {
	t.Helper()
	member := map[int64]int{}
	for i := range r.stretches {
		s := &r.stretches[i]
		for k, id := range s.segments {
			if _, twice := member[id]; twice {
				t.Errorf("segment %d is in two stretches", id)
			}
			member[id] = i
			n := h.Tree[id-1]
			if n.Member != int(s.member) || k > 0 && n.Parent != s.segments[k-1] || k == 0 && n.Parent != s.branch {
				t.Errorf("stretch %d: segment %d goes on from %d", i, id, n.Parent)
			}
			root, err := h.Tree.Root(id)
			if err != nil || h.Tree[root-1].Member != int(s.root) {
				t.Errorf("stretch %d descends from member %d, want segment %d's", i, s.root, root)
			}
		}
		if s.parent >= 0 && member[s.branch] != int(s.parent) {
			t.Errorf("stretch %d branches off %d, want %d", i, s.parent, member[s.branch])
		}
	}
	if len(member) != len(h.Tree) {
		t.Errorf("%d segments are in stretches, want %d", len(member), len(h.Tree))
	}
	for _, s := range r.Lineage().Stretches {
		if s.To < s.From || s.T1 < s.T0 {
			t.Errorf("stretch %+v ends before it begins", s)
		}
	}
}

func agreeOnTime(t *testing.T, r *Run, h *history.History, m *machine.Machine) {
	t.Helper()
	var times machine.Times
	for i := range h.Tree {
		if o := h.Outcome(int64(i + 1)); o != nil {
			times.Train += o.Times.Train
		}
	}
	health := r.Health()
	if math.Abs(health.Split.TrainS-seconds(times.Train)) > 1e-6 || health.Disk.CheckpointBytes != m.CheckpointBytes() || health.RolledBack != m.Counts().RolledBack {
		t.Errorf("%+v", health)
	}
	_, kept := r.Checkpoints()
	want := 0
	for id := int64(1); id <= m.Segments(); id++ {
		if name, _ := m.NeedsCheckpoint(id); name != "" {
			if want >= len(kept) || kept[want].ID != name {
				t.Fatalf("checkpoint %d: %+v, want %s", want, kept, name)
			}
			want++
		}
	}
	if len(kept) != want || health.Disk.Checkpoints != want {
		t.Errorf("%d checkpoints, %d by health, want %d", len(kept), health.Disk.Checkpoints, want)
	}
	whole := r.Slots(0, 0, 0)
	var spans int
	for _, s := range whole.Slots {
		for k, span := range s.Spans {
			if spans += span.Merged; span.T1 < span.T0 || k > 0 && span.T0 < s.Spans[k-1].T0 {
				t.Errorf("%s: %+v", s.Name, s.Spans)
			}
		}
	}
	leases := 0
	for id := int64(1); id <= r.table.n; id++ {
		leases += int(r.table.at(id).tries)
	}
	if spans != leases || whole.Use < 0 || whole.Use > 1 {
		t.Errorf("%d spans, want %d; use %v", spans, leases, whole.Use)
	}
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) == "{}" {
		return "null" // no metrics
	}
	return string(b)
}

// answers is all that a run can be asked, as text.
func answers(t testing.TB, r *Run, j *journal.Journal) string {
	t.Helper()
	sum, _ := r.Summary()
	_, members, err := r.Members(j)
	_, seqs := r.EventSeqs(EventFilter{})
	events, err2 := r.ReadEvents(j, seqs)
	_, segments, _, err3 := r.Segments(j, SegmentFilter{})
	lr, err4 := r.Hyper("lr", ByMember, 20)
	if err := errors.Join(err, err2, err3, err4); err != nil {
		t.Fatal(err)
	}
	_, best := r.Best(9)
	_, checkpoints := r.Checkpoints()
	all := []any{
		sum, members, events, segments, lr, best, checkpoints, r.Curves(ByLineage, XStep, 30), r.Curves(ByMember, XTime, 7),
		r.Lineage(), r.Parallel(50), r.Slots(0, 0, 30), r.Health(),
	}
	var b bytes.Buffer
	for _, v := range all {
		b.WriteString(text(t, v) + "\n")
	}
	return b.String()
}

// Reading a journal as it grows comes to the same as reading it at once.
func TestFoldingInPiecesIsFoldingAtOnce(t *testing.T) {
	everyStory(t, func(t *testing.T, s *script) {
		want := answers(t, fold(t, s.j), s.j)
		var rows []journal.Row
		if err := s.j.Read(0, func(row journal.Row) error {
			row.Body = bytes.Clone(row.Body)
			rows = append(rows, row)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Create(filepath.Join(testdir.InMemory(t), "journal.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		r := NewRun("checkpoints")
		for i := 0; len(rows) > 0; i++ {
			n := min(len(rows), 1+int(40*unit(uint64(i))))
			if err := j.Append(rows[:n]); err != nil {
				t.Fatal(err)
			}
			rows = rows[n:]
			if got, err := r.CatchUp(context.Background(), j); err != nil || got != n {
				t.Fatalf("%d events read, want %d: %v", got, n, err)
			}
			if i%50 == 0 {
				answers(t, r, j) // looking changes nothing
			}
		}
		if got := answers(t, r, j); got != want {
			t.Errorf("got\n%.2000s\nwant\n%.2000s", got, want)
		}
	})
}

// Whoever looks while the run goes on sees a run, never half of one.
func TestManyLookWhileTheRunGoesOn(t *testing.T) {
	s := story(t, 5, settings[1])
	r := NewRun("checkpoints")
	var looking sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if r.Seq() > 0 {
					answers(t, r, s.j)
				}
				r.Hear(1, 3, 4)
			}
		})
	}
	for range 20 { // stopped in the middle, and again
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if _, err := r.CatchUp(ctx, s.j); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	if _, err := r.CatchUp(context.Background(), s.j); err != nil {
		t.Fatal(err)
	}
	close(done)
	looking.Wait()
	if got, want := answers(t, r, s.j), answers(t, fold(t, s.j), s.j); got != want {
		t.Error("whoever looked has changed what is seen")
	}
}

// A slow reader that asked before anything was decided is answered after a quick one
// that asked later: it is told of no decision, and takes none from the other.
func TestAnAnswerOvertakesAnother(t *testing.T) {
	s := story(t, 5, settings[1])
	r := NewRun("checkpoints")
	if err := r.readFirst(s.j); err != nil {
		t.Fatal(err)
	}
	early := r.memberViews()
	if _, err := r.CatchUp(context.Background(), s.j); err != nil {
		t.Fatal(err)
	}
	_, want, err := r.Members(s.j)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.say(s.j, early, make([]int64, len(early))); err != nil {
		t.Fatal(err)
	}
	for _, m := range early {
		if m.LastDecision != (Said{}) {
			t.Errorf("member %d, of whom nothing was decided: %+v", m.ID, m.LastDecision)
		}
	}
	if _, got, err := r.Members(s.j); err != nil || text(t, got) != text(t, want) {
		t.Errorf("%v\ngot  %s\nwant %s", err, text(t, got), text(t, want))
	}
}

// flaky fails some segments, and climbs in the others.
type flaky struct{ theta, score float64 }

func (m *flaky) Step(_ context.Context, s trainer.Segment) error {
	if unit(s.Seed) < 0.1 {
		return errors.New("bad luck")
	}
	m.theta += math.Log10(s.Hypers.Float("lr")) + 6
	m.score = m.theta
	return nil
}

func (m *flaky) Eval(context.Context) (trainer.Evaluation, error) {
	return trainer.Evaluation{Score: m.score, Metrics: map[string]float64{"theta": m.theta}}, nil
}

func (m *flaky) Save(dir string) error {
	return os.WriteFile(filepath.Join(dir, "theta"), []byte(text2(m.theta)), 0o666)
}

func (m *flaky) Load(dir string) error {
	b, err := os.ReadFile(filepath.Join(dir, "theta"))
	return cmp.Or(err, json.Unmarshal(b, &m.theta))
}

func text2(x float64) string { b, _ := json.Marshal(x); return string(b) }

// A run of the engine itself, stopped and resumed with a larger budget.
func TestTheViewOfARealRun(t *testing.T) {
	exp := experiment(t, 6, "budget: {steps: 60}\nsave: {every: 3}")
	spec, err := exp.Spec()
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := json.Marshal(exp)
	dir := testdir.InMemory(t)
	c := engine.Config{
		Dir: dir, Version: "test", Spec: spec, Experiment: stored, SpecOf: config.SpecOf, Slots: 3,
		NewSlot: func(int) trainer.Slot {
			return trainer.InProcess(func(uint64) (trainer.Trainer, error) { return &flaky{}, nil })
		},
	}
	e, err := engine.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r := fold(t, j)
	agree(t, r, j)
	before, _ := r.Summary()
	if before.Phase != machine.PhaseEnded || before.Progress != 1 || before.Spent != 360 || before.Machine != hardware.Describe() {
		t.Errorf("%+v", before)
	}
	exp.Budget.Steps = 120
	if spec, err = exp.Spec(); err != nil {
		t.Fatal(err)
	}
	stored, _ = json.Marshal(exp)
	c.Change = &machine.Change{Spec: spec, Experiment: stored, Paths: []string{"budget.steps"}}
	if e, err = engine.Open(c); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CatchUp(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	agree(t, r, j)
	after, _ := r.Summary()
	if after.Spent != 720 || after.Budget.Steps != 120 || after.Counts.Opens != 2 || after.WorkedS <= before.WorkedS {
		t.Errorf("%+v", after)
	}
	if _, resolved, err := r.Source(); err != nil || !bytes.Contains([]byte(resolved), []byte("steps: 120")) {
		t.Errorf("%s, %v", resolved, err)
	}
}

// What is asked of a run that has not begun, or that cannot be.
func TestRunsThatCannotBeShown(t *testing.T) {
	j, err := journal.Create(filepath.Join(testdir.InMemory(t), "journal.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r := NewRun("checkpoints")
	if n, err := r.CatchUp(t.Context(), j); n != 0 || err != nil {
		t.Error(n, err)
	}
	if _, ok := r.Summary(); ok {
		t.Error("there is nothing to sum up")
	}
	if _, _, err := r.Source(); err == nil {
		t.Error("it has no experiment")
	}
	if _, err := r.Segment(j, 1); !errors.Is(err, ErrNoSegment) {
		t.Error(err)
	}
	if _, _, err := r.Schedule(0); !errors.Is(err, ErrNoSegment) {
		t.Error(err)
	}
	if _, err := r.Hyper("lr", ByMember, 9); !errors.Is(err, ErrNoHyper) {
		t.Error(err)
	}
	_, best := r.Best(3)
	_, kept := r.Checkpoints()
	slots, states := r.Busy()
	if len(r.Curves(ByLineage, XStep, 5).Series)+len(r.Lineage().Stretches)+len(r.Slots(0, 0, 0).Slots)+len(r.Parallel(3).Rows)+len(best)+len(kept)+slots+len(states) > 0 {
		t.Error("something is shown of nothing")
	}
	rows := []journal.Row{{Seq: 1, At: 1, Kind: "opened", Member: -1, Body: []byte(`{"host":"x","pid":1,"version":"1"}`)}}
	if err := j.Append(rows); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and it stays so
		if _, err := r.CatchUp(t.Context(), j); err == nil || !strings.Contains(err.Error(), "a journal begins with run_started") {
			t.Error(err)
		}
	}
}

// Numbers as JSON has them.
func TestNumbers(t *testing.T) {
	list := Numbers{0.123456789, Number(math.NaN()), Number(math.Inf(1)), 1e300, -2}
	got := text(t, list)
	if got != "[0.1234568,null,null,1e+300,-2]" {
		t.Error(got)
	}
	var back Numbers
	if err := json.Unmarshal([]byte(got), &back); err != nil || len(back) != 5 || !math.IsNaN(float64(back[1])) {
		t.Error(back, err)
	}
	if quantile([]float64{1, 2, 3, 4}, 0.5) != 2.5 || quantile([]float64{7}, 0.9) != 7 || quantile([]float64{1, 2}, 1) != 2 {
		t.Error("quantiles")
	}
}

// A band keeps every outcome in the column of its x, however long the run becomes.
func TestABandGrows(t *testing.T) {
	b := newBand(0, 10)
	for i := int64(1); i <= 5000; i++ {
		b.add(10*i, float64(i))
	}
	b.sort()
	v := b.draw(pbt.Maximize)
	if n := len(v.X); n > mostColumns || n < mostColumns/2-10 || v.X[n-1] != 50_000 || v.Best[n-1] != 5000 || !slices.IsSorted(v.X) {
		t.Errorf("%d columns, %v", len(v.X), v.X)
	}
	for k := range v.X {
		if v.Q10[k] > v.Q25[k] || v.Q25[k] > v.Median[k] || v.Median[k] > v.Q75[k] || v.Q75[k] > v.Q90[k] || v.Q90[k] > v.Best[k] {
			t.Errorf("column %d is out of order", k)
		}
	}
	if down := b.draw(pbt.Minimize); down.Best[len(down.Best)-1] != 1 {
		t.Error("the best of a loss is the lowest")
	}
}
