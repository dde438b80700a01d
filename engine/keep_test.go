package engine

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// The checkpoints on disk are those that the machine keeps, at every stop and at the
// end (check compares them name by name); here it is also counted what that should be.
func TestKeepPolicies(t *testing.T) {
	ancestors := func(t *testing.T, c Config, m *machine.Machine) int {
		h, path := story(t, c), map[int64]bool{}
		best, _ := m.Best()
		wanted := []int64{best.Segment}
		for i := range m.Spec().Population {
			r, _ := m.Record(i)
			wanted = append(wanted, r.Segment)
		}
		for _, s := range wanted {
			nodes, err := h.Tree.Ancestry(s)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range nodes {
				path[n.ID] = true
			}
		}
		return len(path)
	}
	for name, k := range map[string]struct {
		keep machine.Keep
		want func(*testing.T, Config, *machine.Machine) (least, most int)
	}{
		"last of each and the best": {machine.Keep{}, func(*testing.T, Config, *machine.Machine) (int, int) { return 1, 7 }},
		"the best ten":              {machine.Keep{Best: 10}, func(*testing.T, Config, *machine.Machine) (int, int) { return 10, 16 }},
		"lineage": {machine.Keep{Lineage: true}, func(t *testing.T, c Config, m *machine.Machine) (int, int) {
			return ancestors(t, c, m), ancestors(t, c, m)
		}},
		"everything": {machine.Keep{Everything: true}, func(_ *testing.T, _ Config, m *machine.Machine) (int, int) {
			return int(m.Counts().Finished), int(m.Counts().Finished)
		}},
		"everything that fits": {machine.Keep{Everything: true, Bytes: 300}, func(_ *testing.T, _ Config, m *machine.Machine) (int, int) {
			return 12, 24 // of 16 to 19 bytes each
		}},
	} {
		t.Run(name, func(t *testing.T) {
			spec := testSpec()
			spec.Keep, spec.Policy.Exploit = k.keep, pbt.Truncation{Fraction: 0.4}
			c := testConfig(t, spec, 2, climb)
			interrupt(t, c, Create, 13)
			m := mustResume(t, c)
			spentAll(t, m)
			check(t, c)
			have := len(names(t, c.Dir+"/"+CheckpointDir)) - 2
			least, most := k.want(t, c, m)
			if have < least || have > most {
				t.Errorf("%d checkpoints, want %d to %d", have, least, most)
			}
			if k.keep.Bytes > 0 && m.CheckpointBytes() > k.keep.Bytes {
				t.Errorf("%d bytes of %d", m.CheckpointBytes(), k.keep.Bytes)
			}
		})
	}
}

// Members that need more than keep.bytes allows pause the run; a larger limit lets it go on.
func TestAByteBudgetTooSmallPausesTheRun(t *testing.T) {
	spec := testSpec()
	spec.Keep.Bytes = 30
	larger := spec
	larger.Keep.Bytes = 3000
	c := testConfig(t, spec, 1, climb)
	c.SpecOf = func(stored []byte) (machine.Spec, error) {
		if string(stored) == `{"larger":true}` {
			return larger, nil
		}
		return spec, nil
	}
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	train(t, e, machine.PhasePaused)
	check(t, c)
	if e, err = Open(c); err != nil {
		t.Fatal(err)
	}
	train(t, e, machine.PhasePaused) // as it was
	c.Change = &machine.Change{Spec: larger, Experiment: []byte(`{"larger":true}`), Paths: []string{"keep.bytes"}}
	spentAll(t, mustResume(t, c))
	check(t, c)
}
