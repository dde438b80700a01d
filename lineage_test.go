package pbt_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// A run of two members: segments 1 and 2 are fresh, 3 goes on from 1, 4 copies 3,
// 5 goes on from 4, 6 starts afresh.
func smallTree() pbt.Tree {
	lr := func(x float64) pbt.Hypers { return pbt.MakeHypers("lr", pbt.Float(x)) }
	return pbt.Tree{
		{ID: 1, Member: 0, From: 0, Step: 10, Hypers: lr(0.1)},
		{ID: 2, Member: 1, From: 0, Step: 10, Hypers: lr(0.2)},
		{ID: 3, Member: 0, Parent: 1, From: 10, Step: 20, Hypers: lr(0.1)},
		{ID: 4, Member: 1, Parent: 3, Copied: true, From: 20, Step: 30, Hypers: lr(0.08)},
		{ID: 5, Member: 1, Parent: 4, From: 30, Step: 40, Hypers: lr(0.08)},
		{ID: 6, Member: 0, From: 0, Step: 10, Hypers: lr(0.3)},
	}
}

func TestTree_AncestryRootAndSchedule(t *testing.T) {
	tree := smallTree()
	for _, c := range []struct {
		id       int64
		path     string
		root     int64
		schedule string // compacted: from-to lr (segment, member)
	}{
		{1, "[1]", 1, "0-10 lr=0.1 (1, 0)"},
		{3, "[1 3]", 1, "0-20 lr=0.1 (3, 0)"},
		{5, "[1 3 4 5]", 1, "0-20 lr=0.1 (3, 0); 20-40 lr=0.08 (5, 1)"},
		{6, "[6]", 6, "0-10 lr=0.3 (6, 0)"},
	} {
		path, err := tree.Ancestry(c.id)
		var ids []int64
		for _, n := range path {
			ids = append(ids, n.ID)
		}
		root, errRoot := tree.Root(c.id)
		stages, errSchedule := tree.Schedule(c.id)
		if len(stages) != len(path) {
			t.Errorf("segment %d: %d stages for %d ancestors", c.id, len(stages), len(path))
		}
		var schedule []string
		for _, s := range pbt.Compact(stages) {
			schedule = append(schedule, fmt.Sprintf("%d-%d %s (%d, %d)", s.From, s.To, s.Hypers, s.Segment, s.Member))
		}
		if err != nil || errRoot != nil || errSchedule != nil || fmt.Sprint(ids) != c.path || root != c.root || strings.Join(schedule, "; ") != c.schedule {
			t.Errorf("segment %d: %v, root %d, %q (%v)", c.id, ids, root, schedule, err)
		}
	}
	if pbt.Compact(nil) != nil {
		t.Error("no stages are no stages")
	}
}

func TestTree_ErrorsSayWhatThereIs(t *testing.T) {
	cyclic := smallTree()
	cyclic[0].Parent = 5
	self := smallTree()
	self[2].Parent = 3
	negative := smallTree()
	negative[2].Parent = -4
	for _, c := range []struct {
		tree pbt.Tree
		id   int64
		want string
	}{
		{smallTree(), 0, "there is no segment 0: this run has segments 1 to 6"},
		{smallTree(), 7, "there is no segment 7: this run has segments 1 to 6"},
		{smallTree(), -1, "there is no segment -1: this run has segments 1 to 6"},
		{nil, 1, "there is no segment 1: this run has none yet"},
		{cyclic, 5, "segment 1 has segment 5 as its parent, which is not an earlier one"},
		{self, 3, "segment 3 has segment 3 as its parent, which is not an earlier one"},
		{negative, 3, "there is no segment -4: this run has segments 1 to 6"},
	} {
		_, errA := c.tree.Ancestry(c.id)
		_, errR := c.tree.Root(c.id)
		_, errS := c.tree.Schedule(c.id)
		for _, err := range []error{errA, errR, errS} {
			if fmt.Sprint(err) != c.want {
				t.Errorf("segment %d: %v, want %s", c.id, err, c.want)
			}
		}
	}
}

func TestBudget_GrantsWhatIsLeft(t *testing.T) {
	for _, c := range []struct {
		name                           string
		budget                         pbt.Budget
		segment, spent, byAll, promise int64
		want                           int64
	}{
		{"no limit on steps", pbt.Budget{Wall: time.Hour}, 10, 1 << 40, 1 << 40, 0, 10},
		{"a whole segment", pbt.Budget{Steps: 100}, 10, 50, 0, 0, 10},
		{"the rest", pbt.Budget{Steps: 100}, 10, 93, 0, 0, 7},
		{"done", pbt.Budget{Steps: 100}, 10, 100, 0, 0, 0},
		{"more than done", pbt.Budget{Steps: 100}, 10, 120, 0, 0, 0},
		{"the rest of the total", pbt.Budget{Total: 1000}, 10, 0, 995, 0, 5},
		{"others were promised the rest", pbt.Budget{Total: 1000}, 10, 0, 980, 15, 5},
		{"others were promised everything", pbt.Budget{Total: 1000}, 10, 0, 980, 20, 0},
		{"the smaller of both", pbt.Budget{Steps: 100, Total: 1000}, 10, 97, 996, 0, 3},
	} {
		if got := c.budget.Grant(c.segment, c.spent, c.byAll, c.promise); got != c.want {
			t.Errorf("%s: %d steps, want %d", c.name, got, c.want)
		}
	}
}

func TestBudget_TargetByGoal(t *testing.T) {
	target := pbt.Score(0.9)
	b := pbt.Budget{Target: &target}
	for _, c := range []struct {
		score    float64
		max, min bool
	}{{0.89, false, true}, {0.9, true, true}, {0.91, true, false}, {nan, false, false}, {inf, false, false}, {minf, false, false}} {
		if b.Reached(pbt.Maximize, pbt.Score(c.score)) != c.max || b.Reached(pbt.Minimize, pbt.Score(c.score)) != c.min {
			t.Errorf("%v against the target 0.9", c.score)
		}
	}
	if (pbt.Budget{Steps: 1}).Reached(pbt.Maximize, 1e308) {
		t.Error("no target is never reached")
	}
}

func TestBudget_ValidateNamesTheFault(t *testing.T) {
	bad, good := pbt.Score(nan), pbt.Score(1)
	for _, c := range []struct {
		budget pbt.Budget
		want   string
	}{
		{pbt.Budget{}, "a run needs a budget: steps per member, total steps, wall time, a target score or patience"},
		{pbt.Budget{Steps: -1}, "a budget cannot be negative"},
		{pbt.Budget{Total: -1}, "a budget cannot be negative"},
		{pbt.Budget{Steps: 1, Wall: -1}, "a budget cannot be negative"},
		{pbt.Budget{Target: &bad}, "the target score must be a finite number"},
		{pbt.Budget{Target: &good}, "<nil>"},
		{pbt.Budget{Steps: 1}, "<nil>"},
		{pbt.Budget{Total: 1}, "<nil>"},
		{pbt.Budget{Wall: 1}, "<nil>"},
	} {
		if err := c.budget.Validate(); fmt.Sprint(err) != c.want {
			t.Errorf("%+v: %v, want %s", c.budget, err, c.want)
		}
	}
}
