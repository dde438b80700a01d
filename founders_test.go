package pbt_test

import (
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// The tables of the study that specified the rule (docs/algorithm.md): how many founders are kept.
func TestFounders_Quota(t *testing.T) {
	f := pbt.DefaultFounders()
	for _, c := range []struct {
		members      int
		first        float64 // the share of the budget at which the first founder goes
		half, q3, by int     // founders after 0.5, 0.75 and 1
	}{{2, 0.7, 2, 1, 1}, {8, 0.325, 6, 4, 2}, {16, 0.2625, 12, 8, 4}, {40, 0.225, 28, 18, 10}} {
		if q := f.Quota(c.first-0.001, c.members); q != c.members {
			t.Errorf("%d members before %g: %d are kept, want all", c.members, c.first, q)
		}
		if q := f.Quota(c.first, c.members); q != c.members-1 {
			t.Errorf("%d members at %g: %d are kept, want all but one", c.members, c.first, q)
		}
		if a, b, c1 := f.Quota(0.5, c.members), f.Quota(0.75, c.members), f.Quota(1, c.members); a != c.half || b != c.q3 || c1 != c.by {
			t.Errorf("%d members: %d, %d, %d are kept, want %d, %d, %d", c.members, a, b, c1, c.half, c.q3, c.by)
		}
	}
	if q := (pbt.Founders{From: 0, Slope: 4, Keep: 0.01}).Quota(1, 8); q != 1 {
		t.Errorf("%d founders are kept, want at least one", q)
	}
}

// foundersAt decides for every member of a world after a share of the budget.
func foundersAt(w *world, f pbt.Founders, x float64) (said []string) {
	p := pbt.Policy{Exploit: f}
	for i := range w.pop.Size() {
		s := w.standing(i)
		s.Progress = x
		said = append(said, brief(p.Decide(w.pop, w.space, s)))
	}
	return said
}

func ranks(n int) []one {
	members := make([]one, n)
	for i := range members {
		members[i] = one{score: float64(n - i), step: 100} // member 0 is the best
	}
	return members
}

// At one point of the budget exactly the worst founders go, as many as are too many.
func TestFounders_TheWorstGo(t *testing.T) {
	for _, goal := range bothGoals {
		for _, n := range []int{2, 8, 16, 40} {
			for _, x := range []float64{0, 0.2, 0.4, 0.6, 0.8, 1} {
				w := newWorld(t, goal, 7, turned(goal, ranks(n))...)
				f := pbt.DefaultFounders()
				out := n - f.Quota(x, n)
				for i, d := range foundersAt(w, f, x) {
					goes := len(d) > 4 && d[:4] == "copy"
					if goes != (i >= n-out) {
						t.Errorf("%s, %d members at %g, %d too many: member %d: %s", goal, n, x, out, i, d)
					}
				}
			}
		}
	}
}

// A founder is compared with founders only: copies of the leaders do not push it down.
func TestFounders_CopiesDoNotPushFoundersDown(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 3, ranks(8)...)
	for i := range 4 { // the first four are copies: all better than every founder
		w.pop.Depart(i)
	}
	f := pbt.Founders{From: 0, Slope: 1, Keep: 0.5, Pool: 0.5} // keeps 4 of 8: all that are left
	for i, d := range foundersAt(w, f, 1) {
		if want := "continue: founder_kept"; i >= 4 && d != want {
			t.Errorf("founder %d: %s, want %s", i, d, want)
		}
	}
	if pbtSays := brief(w.decide(pbt.Policy{}, 7)); pbtSays[:4] != "copy" {
		t.Errorf("truncation keeps the last founder: %s", pbtSays)
	}
}

// The pool is ranked within the pool.
func TestFounders_Pool(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 3, ranks(10)...)
	for _, i := range []int{5, 6, 7, 8, 9} { // the worst five
		w.pop.Depart(i)
	}
	f := pbt.Founders{From: 0.2, Slope: 1, Keep: 0.25, Pool: 0.4}
	said := foundersAt(w, f, 0.1)
	for i := 5; i < 10; i++ {
		if goes := said[i][:4] == "copy"; goes != (i >= 8) {
			t.Errorf("pool member %d: %s; the last 2 of 5 copy", i, said[i])
		}
	}
	lone := newWorld(t, pbt.Maximize, 3, ranks(10)...)
	lone.pop.Depart(9)
	if said := foundersAt(lone, f, 0.1); said[9][:4] != "copy" {
		t.Errorf("a lone member of the pool is compared with everybody: %s", said[9])
	}
	lone = newWorld(t, pbt.Maximize, 3, ranks(10)...)
	lone.pop.Depart(0)
	if said := foundersAt(lone, f, 0.1); said[0] != "continue: not_in_pool_bottom" {
		t.Errorf("a lone leader copies: %s", said[0])
	}
}

// A probe trains a founder's weights with the donor's hyperparameters, unchanged.
func TestFounders_Probe(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 5, ranks(20)...)
	for i := 10; i < 20; i++ {
		w.pop.Depart(i)
	}
	always := pbt.Policy{Exploit: pbt.Founders{From: 0.2, Slope: 1, Keep: 0.25, Pool: 0.4, Probe: 1}}
	seen := map[int]bool{}
	for turn := range int64(200) {
		s := w.standing(19)
		s.Turn = turn + 1
		d := always.Decide(w.pop, w.space, s)
		if d.Why != pbt.WhyProbe || d.Probe == nil || !d.Departs() {
			t.Fatalf("turn %d: %s", turn, d.Say())
		}
		leader, _ := w.pop.Record(d.Probe.Member)
		if w.pop.Rank(d.Probe.Member) >= 4 || !w.pop.Founder(d.Rival.Member) || !d.Hypers.Equal(leader.Hypers) || len(d.Changes) > 0 || d.Parent != d.Rival.Segment {
			t.Fatalf("turn %d: %s (hyperparameters %s, the leader's %s)", turn, d.Say(), d.Hypers.AppendJSON(nil), leader.Hypers.AppendJSON(nil))
		}
		seen[d.Rival.Member] = true
	}
	if len(seen) != 10 {
		t.Errorf("in 200 draws %d of 10 founders were probed", len(seen))
	}
	for i := range 10 { // no founder left: a plain copy
		w.pop.Depart(i)
	}
	if d := w.decide(always, 19); d.Why != pbt.WhyPoolBottom || d.Probe != nil {
		t.Errorf("without founders: %s", d.Say())
	}
}

// Members of unequal speed are compared at the largest step that both have reached.
func TestFounders_UnequalSpeeds(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 3, one{unscored: true}, one{unscored: true})
	w.pop.KeepTrails()
	set := func(member int, step int64, score float64) {
		w.pop.Set(member, pbt.Record{Segment: step*10 + int64(member), Step: step, Score: pbt.Score(score), Saved: true})
	}
	set(0, 10, 1)
	set(0, 20, 2)
	set(0, 30, 9) // fast, and far ahead
	set(1, 10, 1.5)
	set(1, 20, 3) // slow, and better where both have been
	f := pbt.Founders{From: 0, Slope: 1, Keep: 0.5, Pool: 0.4}
	said := foundersAt(w, f, 0.9) // one too many
	if want := []string{"continue: no_better_donor", "continue: founder_kept"}; !slices.Equal(said, want) {
		t.Errorf("%q, want %q: member 0 is behind at step 20, though no donor has a better score now", said, want)
	}
	// Rolled back to step 10, member 1 is compared there, and what it scored later is forgotten.
	set(1, 10, 0.5)
	if w.pop.FounderBefore(1, 0) {
		t.Error("a score that was rolled back still counts")
	}
}

func TestFounders_EdgesOfMembers(t *testing.T) {
	f := pbt.Founders{From: 0, Slope: 1, Keep: 0.5, Pool: 0.4}
	for _, c := range []struct {
		name    string
		members []one
		x       float64
		want    []string
	}{
		{"one member", scores(1), 1, []string{"continue: nobody_to_compare_with"}},
		{"a member without a score counts as founder and is not given up", []one{{score: 2}, {score: 1}, {unscored: true}}, 0.4,
			[]string{"continue: founder_kept", "copy 0: founder_given_up", "continue: nobody_to_compare_with"}},
		{"no progress: every founder is kept", ranks(3), 0, []string{"continue: founder_kept", "continue: founder_kept", "continue: founder_kept"}},
		{"a diverged founder is repaired", []one{{score: 2}, {score: nan}, {score: 1}}, 0, []string{"continue: founder_kept", "repair 0: diverged", "continue: founder_kept"}},
		{"equal scores: the draw gives up exactly one, and finds no better donor", scores(1, 1), 0.5,
			[]string{"continue: founder_kept", "continue: no_better_donor"}},
		{"the best has no checkpoint", []one{{score: 2, unsaved: true}, {score: 1}}, 0.9, []string{"continue: founder_kept", "continue: no_checkpoint"}},
	} {
		w := newWorld(t, pbt.Maximize, 1, c.members...)
		said := foundersAt(w, f, c.x)
		if got, want := said[:len(c.want)], c.want; !slices.Equal(got, want) && !(c.name[:5] == "equal" && slices.Equal(got, []string{want[1], want[0]})) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

// A larger budget makes the share smaller: the quota rises, and no copy is undone.
func TestFounders_LargerBudget(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 1, ranks(8)...)
	for _, i := range []int{5, 6, 7} {
		w.pop.Depart(i)
	}
	for i, d := range foundersAt(w, pbt.DefaultFounders(), 0.1) {
		if i < 5 && d != "continue: founder_kept" {
			t.Errorf("founder %d: %s", i, d)
		}
	}
	if w.pop.Founders() != 5 || w.pop.Founder(7) {
		t.Errorf("%d founders, want the 5 that were left", w.pop.Founders())
	}
}

func TestFounders_Validate(t *testing.T) {
	good := pbt.DefaultFounders()
	for name, spoil := range map[string]func(f *pbt.Founders){
		"from": func(f *pbt.Founders) { f.From = 1 }, "slope": func(f *pbt.Founders) { f.Slope = inf }, "keep": func(f *pbt.Founders) { f.Keep = 0 },
		"pool": func(f *pbt.Founders) { f.Pool = 0.6 }, "probe": func(f *pbt.Founders) { f.Probe = nan },
	} {
		f := good
		spoil(&f)
		if err := (&pbt.Policy{Exploit: f}).Validate(); err == nil {
			t.Errorf("a bad %s is taken: %+v", name, f)
		}
	}
	if err := (&pbt.Policy{Exploit: good}).Validate(); err != nil {
		t.Error(err)
	}
	if err := (&pbt.Policy{Exploit: good, Inherit: pbt.InheritHypers}).Validate(); err == nil {
		t.Error("founders with inherit: hypers is taken")
	}
}

// In a whole run the founders left follow the quota, and every sentence is as recorded here.
func TestFounders_Run(t *testing.T) {
	const members, steps = 8, 20
	left := map[int64]int{}
	policy := pbt.Policy{Exploit: pbt.DefaultFounders()}
	var sentences []string
	options := pbt.Options{Members: members, Steps: steps, Goal: pbt.Maximize, Space: smallSpace, Policy: policy, Seed: 4, Order: pbt.LockStep,
		Watch: func(member int, r pbt.Record, d pbt.Decision) {
			if d.Founders > 0 {
				left[r.Step] = d.Founders
			}
			if d.Why == pbt.WhyFounderOut && len(sentences) < 1 {
				sentences = append(sentences, d.Say())
			}
		}}
	model := pbt.Model[float64]{
		Init: func(r *pbt.Rand) float64 { return r.Float64() },
		Step: func(w float64, _ pbt.Hypers, r *pbt.Rand) float64 { return w + r.Float64() },
		Eval: func(w float64) float64 { return w },
	}
	if _, err := pbt.Train(options, model); err != nil {
		t.Fatal(err)
	}
	for step, n := range left {
		if most := pbt.DefaultFounders().Quota(float64(step-1)/steps, members); n > most {
			t.Errorf("after step %d there are %d founders, %d may be", step, n, most)
		}
	}
	if left[1] != members || left[steps-1] > members/2 {
		t.Errorf("founders by step: %v", left)
	}
	if len(sentences) == 0 {
		t.Error("no founder was given up")
	}
}
