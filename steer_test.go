package pbt_test

import (
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

func TestWish_Check(t *testing.T) {
	space := pbt.MustSpace(
		pbt.Uniform("lr", 0, 1), pbt.Choice("opt", pbt.Text("sgd"), pbt.Text("adam")),
		pbt.Uniform("momentum", 0, 1).OnlyWhen("opt", pbt.Text("sgd")))
	adam := pbt.MakeHypers("lr", pbt.Float(0.5), "opt", pbt.Text("adam"))
	for _, c := range []struct {
		name string
		wish pbt.Wish
		says string // "" for no error
	}{
		{"a value", pbt.Wish{Set: pbt.MakeHypers("lr", pbt.Float(0.25))}, ""},
		{"a whole number", pbt.Wish{Set: pbt.MakeHypers("lr", pbt.Int(1))}, ""},
		{"a value that switches another on", pbt.Wish{Set: pbt.MakeHypers("opt", pbt.Text("sgd"))}, ""},
		{"both", pbt.Wish{Set: pbt.MakeHypers("opt", pbt.Text("sgd"), "momentum", pbt.Float(0.5))}, ""},
		{"one that is switched off", pbt.Wish{Set: pbt.MakeHypers("momentum", pbt.Float(0.5))}, "momentum: its condition does not hold"},
		{"one out of bounds", pbt.Wish{Set: pbt.MakeHypers("lr", pbt.Float(2))}, "lr: "},
		{"one of another type", pbt.Wish{Set: pbt.MakeHypers("lr", pbt.Text("2"))}, "lr: "},
		{"one that there is not", pbt.Wish{Set: pbt.MakeHypers("rate", pbt.Float(0.5))}, `no hyperparameter "rate"`},
		{"nothing", pbt.Wish{}, "one thing"},
		{"two things", pbt.Wish{Restart: true, Set: pbt.MakeHypers("lr", pbt.Float(0.25))}, "one thing"},
		{"a restart", pbt.Wish{Restart: true}, ""},
		{"a fresh start", pbt.Wish{Fresh: &pbt.Hypers{}}, ""},
		{"a fresh start with values", pbt.Wish{Fresh: &adam}, ""},
		{"a donor", pbt.Wish{Donor: &pbt.Record{Segment: 1, Hypers: adam, Saved: true}}, ""},
		{"a donor without a checkpoint", pbt.Wish{Donor: &pbt.Record{Segment: 1, Hypers: adam}}, "no checkpoint"},
		{"a donor of another space", pbt.Wish{Donor: &pbt.Record{Segment: 1, Saved: true}}, "lr is missing"},
	} {
		err := c.wish.Check(space, adam)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	bad := pbt.MakeHypers("momentum", pbt.Float(0.5), "opt", pbt.Text("adam"))
	if err := (&pbt.Wish{Fresh: &bad}).Check(space, pbt.Hypers{}); err == nil {
		t.Error("a fresh start with a value that is switched off")
	}
}

// A population that has grown and lost members is as large as those that are left.
func TestPopulation_GrowsAndRetires(t *testing.T) {
	p := pbt.NewPopulation(2, pbt.Maximize, 1)
	p.Set(0, pbt.Record{Segment: 1, Score: 1, Saved: true})
	p.Set(1, pbt.Record{Segment: 2, Score: 2, Saved: true})
	p.Grow(1)
	if p.Size() != 3 || p.Scored() != 2 || p.Rank(2) != 2 {
		t.Errorf("size %d, scored %d, the newcomer's rank is %d", p.Size(), p.Scored(), p.Rank(2))
	}
	p.Set(2, pbt.Record{Segment: 3, Score: 3, Saved: true})
	p.Retire(1)
	if r, ok := p.Record(1); p.Size() != 2 || p.Scored() != 2 || p.Ranked(1) || !ok || r.Segment != 2 || p.Rank(0) != 1 {
		t.Errorf("size %d, scored %d, ranked %t, record %+v", p.Size(), p.Scored(), p.Ranked(1), r)
	}
}
