package engine

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

func testSpec() machine.Spec {
	return machine.Spec{
		Population: 8,
		Space:      pbt.MustSpace(pbt.Uniform("h0", 0, 1), pbt.Uniform("h1", 0, 1)),
		Policy:     pbt.Policy{},
		Segment:    10, Budget: pbt.Budget{Steps: 200}, Seed: 1, Retries: 1,
	}
}

func testConfig(t testing.TB, spec machine.Spec, fresh trainer.New) Config {
	return Config{
		Dir: t.TempDir(), Version: "test", Spec: spec, Experiment: []byte("{}"), Slots: 2,
		SpecOf:  func([]byte) (machine.Spec, error) { return spec, nil },
		NewSlot: func() trainer.Slot { return trainer.InProcess(fresh) },
	}
}

func TestARunEndsWithItsWholeBudget(t *testing.T) {
	c := testConfig(t, testSpec(), quadratic.New)
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	phase, err := e.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	best, _ := e.Machine().Best()
	fmt.Println(phase, best.Score, e.Machine().Counts(), e.Machine().Spent())
	live := e.Machine()
	o, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for i := range 8 {
		a, b := live.Member(i), o.Machine().Member(i)
		if a.Record != b.Record || *a.Score != *b.Score {
			t.Errorf("%+v %+v", a, b)
		}
	}
}
