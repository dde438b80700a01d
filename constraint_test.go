package pbt_test

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

// divides holds where minibatch divides batch.
type divides struct{}

func (divides) String() string { return "batch % minibatch == 0" }
func (divides) Holds(h pbt.Hypers) bool {
	batch, ok := h.Get("batch")
	mini, and := h.Get("minibatch")
	if !ok || !and {
		return true
	}
	x, _ := batch.Int()
	y, _ := mini.Int()
	return y > 0 && x%y == 0
}

type never struct{ divides }

func (never) Holds(pbt.Hypers) bool { return false }

func constrainedSpace() (free, bound *pbt.Space) {
	free = pbt.MustSpace(pbt.LogUniform("lr", 1e-4, 1), pbt.IntUniform("batch", 1, 512), pbt.IntUniform("minibatch", 1, 64),
		pbt.Choice("opt", pbt.Text("a"), pbt.Text("b")), pbt.IntUniform("own", 0, 9).NotInherited())
	return free, free.Constrain(divides{})
}

// What is drawn, explored, copied and restarted satisfies the constraints; a draw that
// satisfied them at once is the one that there is without them.
func TestConstraintsAreRespected(t *testing.T) {
	free, bound := constrainedSpace()
	same, redrawn := 0, 0
	for seed := range uint64(300) {
		h := bound.Draw(seed, 1, 0)
		if err := bound.Check(h); err != nil {
			t.Fatal(err)
		}
		if unbound := free.Draw(seed, 1, 0); (divides{}).Holds(unbound) {
			same++
			if !unbound.Equal(h) {
				t.Fatalf("seed %d: %s, without constraints %s", seed, h, unbound)
			}
		}
		if again := bound.Draw(seed, 1, 0); !again.Equal(h) {
			t.Fatalf("seed %d draws %s, then %s", seed, h, again)
		}
		for _, explore := range []pbt.Explore{pbt.Perturb{}, pbt.Resample{P: 0.7}, pbt.Pipeline{pbt.Resample{P: 0.3}, pbt.Perturb{}}} {
			policy := pbt.Policy{Explore: explore, ExploreAlways: true, Exploit: pbt.NoExploit{}}
			pop := pbt.NewPopulation(2, pbt.Maximize, seed)
			for i := range 2 {
				pop.Set(i, pbt.Record{Segment: int64(i + 1), Score: pbt.Score(i), Step: 1, Hypers: h, Saved: true})
			}
			d := policy.Decide(pop, bound, pbt.Standing{Member: 0, Turn: 1, Segment: 1, Hypers: h, Spent: 1, SinceReady: 1, SinceCopy: 1})
			if err := bound.Check(d.Hypers); err != nil {
				t.Fatalf("seed %d, %s: %v", seed, explore.Name(), err)
			}
			if d.Redrawn > 0 {
				redrawn++
				if d.Constraint != "batch % minibatch == 0" {
					t.Fatalf("%+v", d)
				}
			}
		}
	}
	if same == 0 || redrawn < 100 {
		t.Errorf("%d draws were the same, %d explorations were made again", same, redrawn)
	}
}

// Where nothing satisfies the constraints, given values are refused, and a member keeps
// what it has.
func TestConstraintsThatCannotHold(t *testing.T) {
	free, bound := constrainedSpace()
	if _, err := free.Constrain(never{}).Complete(pbt.Hypers{}, 1, 0, 0); err == nil {
		t.Error("an empty space is drawn from")
	}
	if _, err := bound.Complete(pbt.MakeHypers("batch", pbt.Int(7), "minibatch", pbt.Int(3)), 1, 0, 0); err == nil {
		t.Error("values that violate the constraint are taken")
	}
	h := free.Draw(1, 0, 0)
	policy := pbt.Policy{ExploreAlways: true, Exploit: pbt.NoExploit{}}
	pop := pbt.NewPopulation(1, pbt.Maximize, 1)
	pop.Set(0, pbt.Record{Segment: 1, Score: 1, Step: 1, Hypers: h, Saved: true})
	d := policy.Decide(pop, free.Constrain(never{}), pbt.Standing{Member: 0, Turn: 1, Segment: 1, Hypers: h, Spent: 1})
	if !d.Hypers.Equal(h) || len(d.Changes) != 0 || d.Redrawn != 100 {
		t.Errorf("%+v", d)
	}
	w := pbt.Wish{Set: pbt.MakeHypers("batch", pbt.Int(7), "minibatch", pbt.Int(3))}
	if w.Check(bound, bound.Draw(1, 0, 0)) == nil {
		t.Error("a value that violates the constraint is set by hand")
	}
}
