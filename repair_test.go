package pbt_test

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// What becomes of a member whose score is not finite, or whose segment failed for
// good. Member 0 is the broken one.
func TestRepair_EveryPolicyInEveryWorld(t *testing.T) {
	alone := scores(nan)
	healthy := scores(nan, 1, 2, 3)
	sick := scores(nan, nan, inf, minf)
	unsaved := []one{{score: nan}, {score: 1, unsaved: true}, {score: 2, unsaved: true}}
	oneSaved := []one{{score: nan}, {score: 1}, {score: 2, unsaved: true}, {score: 3, unsaved: true}}
	unscored := []one{{score: nan}, {unscored: true}, {unscored: true}, {unscored: true}}
	for _, c := range []struct {
		name    string
		members []one
		policy  pbt.Policy
		want    string // after the reason's name
	}{
		{"copy", healthy, pbt.Policy{}, "repair 3"},
		{"copy, though most have no score", append([]one{{score: nan}, {score: 5}}, unscored...), pbt.Policy{}, "repair 1"},
		{"copy, whatever the margin", healthy, pbt.Policy{Margin: 100}, "repair 3"},
		{"copy, whatever the window", healthy, pbt.Policy{Window: 1}, "repair 3"},
		{"copy, not ready", healthy, pbt.Policy{Ready: pbt.Every{Steps: 1 << 40, BurnIn: 1 << 40}}, "repair 3"},
		{"copy, few samples", healthy, pbt.Policy{Exploit: pbt.TTest{}}, "repair 3"},
		{"copy, tournament", healthy, pbt.Policy{Exploit: pbt.Tournament{}}, "repair 3"},
		{"copy, only the worst is saved", oneSaved, pbt.Policy{}, "repair 1"},
		{"copy, alone", alone, pbt.Policy{}, "restart"},
		{"copy, everybody sick", sick, pbt.Policy{}, "restart"},
		{"copy, nobody saved", unsaved, pbt.Policy{}, "restart"},
		{"copy, nobody has a score", unscored, pbt.Policy{}, "restart"},
		{"a random search copies no repair either", healthy, pbt.Policy{Exploit: pbt.NoExploit{}}, "continue"},
		{"restart", healthy, pbt.Policy{Repair: pbt.RepairRestart}, "restart"},
		{"restart, alone", alone, pbt.Policy{Repair: pbt.RepairRestart}, "restart"},
		{"restart in a random search", healthy, pbt.Policy{Repair: pbt.RepairRestart, Exploit: pbt.NoExploit{}}, "restart"},
		{"none", healthy, pbt.Policy{Repair: pbt.RepairNone}, "continue"},
		{"none, alone", alone, pbt.Policy{Repair: pbt.RepairNone}, "continue"},
		{"none in a random search", healthy, pbt.Policy{Repair: pbt.RepairNone, Exploit: pbt.NoExploit{}}, "continue"},
	} {
		for _, goal := range bothGoals {
			for _, broken := range []float64{nan, inf, minf} {
				members := turned(goal, c.members)
				members = append([]one{}, members...)
				members[0].score = broken
				w := newWorld(t, goal, 1, members...)
				if got := brief(w.decide(c.policy, 0)); got != c.want+": diverged" {
					t.Errorf("%s, %v, %g: %s, want %s", c.name, goal, broken, got, c.want)
				}
				d, ok := c.policy.DecideFailed(w.pop, w.space, w.standing(0))
				if got := brief(d); got != c.want+": failed" || ok != (c.want != "continue") {
					t.Errorf("%s, %v, failed for good: %s (%v), want %s", c.name, goal, got, ok, c.want)
				}
			}
		}
	}
}

// A repair's hyperparameters are the donor's, explored; a restart's are drawn anew.
// A copy taken by mistake for one's own weights is PAINS row 2.
func TestRepair_WhatTheMemberThenHolds(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 1, scores(nan, 1)...)
	own, _ := w.pop.Record(0)
	donor, _ := w.pop.Record(1)
	d := w.decide(pbt.Policy{Inherit: pbt.InheritHypers, Explore: pbt.NoExplore{}}, 0)
	if d.Parent != donor.Segment || !d.Hypers.Equal(donor.Hypers) || !d.TakesWeights() || !d.WasReady() {
		t.Errorf("a repair holds segment %d with %s", d.Parent, d.Hypers)
	}
	if d := w.decide(pbt.Policy{}, 0); len(d.Changes) == 0 || d.Hypers.Equal(donor.Hypers) {
		t.Errorf("a repair was not explored: %s", d.Hypers)
	}
	d = w.decide(pbt.Policy{Repair: pbt.RepairRestart}, 0)
	if d.Parent != 0 || d.Hypers.Equal(own.Hypers) || d.TakesWeights() || w.space.Check(d.Hypers) != nil {
		t.Errorf("a restart holds segment %d with %s", d.Parent, d.Hypers)
	}
	d = w.decide(pbt.Policy{Repair: pbt.RepairNone, ExploreAlways: true}, 0)
	if d.Parent != own.Segment || !d.Hypers.Equal(own.Hypers) || d.Changes != nil {
		t.Errorf("a broken member that is left alone holds segment %d with %s", d.Parent, d.Hypers)
	}
}

// A NaN member is repaired although there are enough others below the cut: with
// several of them it need not be in the bottom k.
func TestPain9_NaNMemberIsRepairedWhateverItsRank(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 1, scores(nan, nan, nan, 0, 1, 2, 3, 4, 5, 6)...) // k = 2, three are sick
	for member := range 3 {
		if d := w.decide(pbt.Policy{}, member); d.Action != pbt.Mend || d.Rival.Member < 8 {
			t.Errorf("member %d: %s", member, brief(d))
		}
	}
	if d := w.decide(pbt.Policy{}, 3); d.Copies() {
		t.Errorf("the worst healthy member is not in the bottom 2 of ten: %s", brief(d))
	}
}

// Repair draws among the top fifth of the healthy.
func TestRepair_DonorsAreTheTopFifthOfTheHealthy(t *testing.T) {
	members := scores(nan, nan, nan, nan, nan, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	w := newWorld(t, pbt.Maximize, 1, members...)
	counts := map[int]int{}
	for turn := range int64(2000) {
		s := w.standing(0)
		s.Turn = turn
		counts[(&pbt.Policy{}).Decide(w.pop, w.space, s).Rival.Member]++
	}
	if len(counts) != 2 || counts[13] < 888 || counts[13] > 1112 { // binomial(2000, ½) ± 5 standard deviations
		t.Errorf("donors %v, want members 13 and 14 half of the time each", counts)
	}
}

// A healthy member at the top whose trainer fails for good is repaired from the
// next best, not from just anybody, and never from itself.
func TestRepair_TheBestThatFailsTakesTheNextBest(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 1, scores(9, 1, 2, 3, 4, 8)...)
	for turn := range int64(200) {
		s := w.standing(0)
		s.Turn = turn
		d, ok := (&pbt.Policy{}).DecideFailed(w.pop, w.space, s)
		if !ok || d.Action != pbt.Mend || d.Rival.Member != 5 {
			t.Fatalf("turn %d: %s", turn, brief(d))
		}
	}
	alone := newWorld(t, pbt.Maximize, 1, scores(9)...)
	if d, ok := (&pbt.Policy{}).DecideFailed(alone.pop, alone.space, alone.standing(0)); !ok || d.Action != pbt.Restart {
		t.Errorf("alone: %s", brief(d))
	}
}

// A member whose very first segment fails has no record yet.
func TestRepair_FailedBeforeItsFirstScore(t *testing.T) {
	w := newWorld(t, pbt.Maximize, 1, one{unscored: true}, one{score: 1}, one{score: 2})
	s := pbt.Standing{Member: 0, Turn: 1, Hypers: w.space.Draw(1, 0, 0)}
	if d, ok := (&pbt.Policy{}).DecideFailed(w.pop, w.space, s); !ok || brief(d) != "repair 2: failed" || d.Segment != 0 {
		t.Errorf("%s", brief(d))
	}
	empty := newWorld(t, pbt.Maximize, 1, one{unscored: true})
	if d, ok := (&pbt.Policy{}).DecideFailed(empty.pop, empty.space, s); !ok || brief(d) != "restart: failed" {
		t.Errorf("%s", brief(d))
	}
	if d, ok := (&pbt.Policy{Repair: pbt.RepairNone}).DecideFailed(empty.pop, empty.space, s); ok || brief(d) != "continue: failed" {
		t.Errorf("%s", brief(d))
	}
}
