package watch

import (
	"errors"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

func keyPress(key string) tea.KeyPressMsg {
	return tea.KeyPressMsg{Code: []rune(key)[0], Text: key}
}

func TestQuitting(t *testing.T) {
	snap := training(t).snapshot(true)
	for _, keys := range [][]string{{"q"}, {"ctrl+c"}, {"e", "x", "ctrl+c"}, {"?", "ctrl+c"}, {"p", "ctrl+c"}} {
		if u := newUser(t, snap, 80, 24).press(keys...); !u.quit {
			t.Errorf("%q does not quit", keys)
		}
	}
	for _, keys := range [][]string{{"/", "q"}, {"?", "q"}, {"p", "q"}} {
		if u := newUser(t, snap, 80, 24).press(keys...); u.quit {
			t.Errorf("%q quits", keys)
		}
	}
}

// sorted is what a list is sorted by, whichever way.
func TestSorting(t *testing.T) {
	snap := training(t).snapshot(true)
	u := newUser(t, snap, 80, 24)
	values := []func(*member) float64{
		func(r *member) float64 {
			if r.Rank == 0 {
				return 1e9
			}
			return float64(r.Rank)
		},
		func(r *member) float64 { return float64(r.ID) },
		func(r *member) float64 {
			return float64(slices.Index([]machine.MemberState{"running", "waiting"}, r.State))
		},
		func(r *member) float64 { return -float64(*r.Score) },
		func(r *member) float64 { return -float64(r.Step) },
		func(r *member) float64 { return -float64(r.Failures) },
		func(r *member) float64 { return r.Hypers.Float("learning_rate") },
		func(r *member) float64 { return float64(r.Hypers.Int("width")) },
		func(r *member) float64 { return float64(slices.Index([]string{"relu", "tanh"}, r.Hypers.Text("act"))) },
	}
	for i, value := range append(values, values[0]) {
		for _, way := range []float64{1, -1} {
			list := make([]float64, len(u.order))
			for k, id := range u.order {
				list[k] = way * value(&snap.members[id])
			}
			if len(list) != 16 || !slices.IsSorted(list) {
				t.Errorf("by %s (%d, %g): %v", u.sortName(), i, way, list)
			}
			u.press("o")
		}
		u.press("s")
	}
}

// The selection stays with its member, however the list changes.
func TestTheSelectionFollowsItsMember(t *testing.T) {
	s := training(t)
	u := newUser(t, s.snapshot(true), 80, 24).press("down", "down", "down")
	chosen := u.selected
	for range 5 {
		s.train(10)
		u.Update(s.snapshot(true))
		if u.selected != chosen || !strings.Contains(u.sees(), "member "+text(chosen)+": segment") {
			t.Fatalf("member %d was selected, now %d:\n%s", chosen, u.selected, u.sees())
		}
	}
	u.press("/", "nobody", "enter")
	if u.member() != nil || !strings.Contains(u.sees(), "0 of 16") {
		t.Errorf("a filter that fits nobody:\n%s", u.sees())
	}
	u.press("esc", "end")
	if u.row() != 15 {
		t.Errorf("the end is row %d", u.row())
	}
	u.press("pgup", "pgdown", "up", "home", "up")
	if u.row() != 0 {
		t.Errorf("the beginning is row %d", u.row())
	}
}

func text(x int) string { return pbt.Int(int64(x)).String() }

func TestEventsScrollFromTheNewest(t *testing.T) {
	u := newUser(t, training(t).snapshot(true), 80, 24).press("4")
	newest := "member 9, segment 104"
	if !strings.Contains(u.sees(), newest) {
		t.Fatalf("the newest is not seen:\n%s", u.sees())
	}
	if u.press("k", "k"); strings.Contains(u.sees(), newest) || !strings.Contains(u.sees(), "2 newer") {
		t.Errorf("scrolled back:\n%s", u.sees())
	}
	if u.press("home"); !strings.Contains(u.sees(), "the run began") {
		t.Errorf("the oldest is not seen:\n%s", u.sees())
	}
	if u.press("end", "/", "COPIES 7", "enter"); strings.Contains(u.sees(), newest) || !strings.Contains(u.sees(), "copies") {
		t.Errorf("filtered:\n%s", u.sees())
	}
}

// A look that fails leaves what was seen before, and says so.
func TestAJournalThatCannotBeReadForAWhile(t *testing.T) {
	s := training(t)
	u := newUser(t, s.snapshot(true), 80, 24)
	u.Update(&snapshot{err: errors.New("the disk went away")})
	if screen := u.sees(); !strings.Contains(screen, "not the newest: the disk went away") || !strings.Contains(screen, "digits") {
		t.Errorf("it says too little:\n%s", screen)
	}
	u.Update(s.snapshot(false))
	if screen := u.sees(); strings.Contains(screen, "the disk") || !strings.Contains(screen, "no process trains it") {
		t.Errorf("it is back:\n%s", screen)
	}
}

func TestStories(t *testing.T) {
	stage := func(member int, from int64, lr any) pbt.Stage {
		v := pbt.Text("x")
		if x, ok := lr.(float64); ok {
			v = pbt.Float(x)
		}
		return pbt.Stage{From: from, To: from + 10, Member: member, Hypers: pbt.Hypers{}.With("lr", v)}
	}
	sum := &view.Summary{Metric: "loss", Best: &view.Best{Member: 4, Score: 0.25, Step: 50}, Hypers: []view.HyperDef{{Name: "width", Kind: "int"}, {Name: "lr", Kind: "float"}}}
	for _, c := range []struct {
		stages []pbt.Stage
		want   string
	}{
		{[]pbt.Stage{stage(4, 0, 0.5)}, "Its weights are its own from the first step; it never copied. Its learning rate stayed at 0.5."},
		{[]pbt.Stage{stage(1, 0, 0.5), stage(4, 10, 0.25)}, "Its weights began as member 1; member 4 copied them at step 10. Its learning rate fell from 0.5 to 0.25 in 1 change."},
		{[]pbt.Stage{stage(1, 0, 0.1), stage(2, 10, 0.2), stage(4, 20, 0.4)}, "Its weights began as member 1; member 2 copied them at step 10 and member 4 copied them at step 20. Its learning rate rose from 0.1 to 0.4 in 2 changes."},
		{
			[]pbt.Stage{stage(1, 0, 0.5), stage(2, 10, 0.1), stage(1, 20, 0.9), stage(2, 30, 0.9), stage(4, 40, 0.6)},
			"Its weights began as member 1 and were copied 4 times, through 3 members; last, member 4 copied them at step 40. Its learning rate moved between 0.1 and 0.9 and is 0.6 now.",
		},
		{[]pbt.Stage{stage(4, 0, 0.5), stage(4, 10, "x")}, "Its weights are its own from the first step; it never copied. Its learning rate changed from 0.5 to x."},
		{nil, ""},
	} {
		if got, want := story(sum, c.stages), strings.TrimSpace("Member 4 leads with loss 0.25 after 50 steps. "+c.want); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if got := story(&view.Summary{Counts: view.Counts{Finished: 3}}, nil); got != "No member has a finite score yet." {
		t.Error(got)
	}
	sum.Phase = machine.PhaseEnded
	if got := lead(sum); got != "Member 4 won with loss 0.25 after 50 steps." {
		t.Error(got)
	}
}
