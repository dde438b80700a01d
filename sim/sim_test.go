package sim

import (
	"bytes"
	"flag"
	"reflect"
	"strings"
	"testing"
)

// A longer hunt: go test ./sim -run TestSeeds -seeds 100000 -first 1 -faults crash,net
var (
	seedsFlag  = flag.Int("seeds", 0, "how many seeds to simulate; 0: as many as fit into a test run")
	firstFlag  = flag.Uint64("first", 0, "the first of them")
	faultsFlag = flag.String("faults", AllFaults, "what goes wrong")
)

// seeds is how many seeds a test takes that would like to have n.
func seeds(n int) int {
	switch {
	case *seedsFlag > 0:
		return *seedsFlag
	case testing.Short() || raceDetector:
		return max(1, n/10)
	}
	return n
}

func TestSeeds(t *testing.T) {
	r, err := Run(Options{FirstSeed: *firstFlag, Seeds: seeds(2000), Faults: *faultsFlag, After: func(r Report) bool { return len(r.Violations) < 100 }})
	if err != nil {
		t.Fatal(err)
	}
	found := map[Law]int{}
	for _, v := range r.Violations {
		if found[v.Law]++; found[v.Law] <= 3 {
			t.Error(v)
		}
	}
	t.Logf("%d seeds, %d events, %d reports; injected: %+v; violations: %v", r.Seeds, r.Events, r.Reports, r.Injected, found)
}

func TestEveryFaultHappens(t *testing.T) {
	r, err := Run(Options{Seeds: 150})
	if err != nil {
		t.Fatal(err)
	}
	injected := reflect.ValueOf(r.Injected)
	for i := range injected.NumField() {
		if name := injected.Type().Field(i).Name; injected.Field(i).Int() == 0 {
			t.Errorf("in %d seeds, there is not one of %s: %+v", r.Seeds, name, r.Injected)
		}
	}
	if n := len(r.Injected.fields()); n != injected.NumField() {
		t.Errorf("the tally adds %d of its %d numbers", n, injected.NumField())
	}
}

// TestEachFaultAlone finds what hides behind other faults when all happen together.
func TestEachFaultAlone(t *testing.T) {
	for _, name := range append(FaultNames(), NoFaults) {
		t.Run(name, func(t *testing.T) {
			r, err := Run(Options{FirstSeed: 1_000_000, Seeds: seeds(40), Faults: name})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Violations {
				t.Fatal(v)
			}
		})
	}
}

func TestASeedIsTheSameRunAgain(t *testing.T) {
	for seed := range uint64(seeds(30)) {
		p := drawPlan(seed, FaultNames(), 0, 0)
		a, b := newWorld(seed, p), newWorld(seed, drawPlan(seed, FaultNames(), p.members, p.workers))
		a.run()
		b.run()
		if !reflect.DeepEqual(a.tally, b.tally) || a.now != b.now || len(a.journal.rows) != len(b.journal.rows) {
			t.Fatalf("seed %d: %+v at %d, and again %+v at %d", seed, a.tally, a.now, b.tally, b.now)
		}
		for i, r := range a.journal.rows {
			if o := b.journal.rows[i]; r.at != o.at || r.kind != o.kind || !bytes.Equal(r.body, o.body) {
				t.Fatalf("seed %d, event %d: %s %s, and again %s %s", seed, i+1, r.kind, r.body, o.kind, o.body)
			}
		}
	}
}

func TestLargeSizes(t *testing.T) {
	r, err := Run(Options{FirstSeed: 7, Seeds: seeds(4), Members: 60, Workers: 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range r.Violations {
		t.Error(v)
	}
}

func TestOptions(t *testing.T) {
	for _, o := range []Options{{Seeds: -1}, {Members: MaxMembers + 1}, {Workers: -1}, {Faults: "crash,rust"}, {Faults: "all,none"}} {
		if _, err := Run(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
	_, err := Run(Options{Faults: "crsh"})
	if err == nil || !strings.Contains(err.Error(), "crash, stop, net") {
		t.Errorf("the names that are allowed should be told: %v", err)
	}
	stopped, err := Run(Options{Seeds: 100, Faults: NoFaults, After: func(r Report) bool { return r.Seeds < 3 }})
	if err != nil || stopped.Seeds != 3 {
		t.Errorf("stopped after %d seeds: %v", stopped.Seeds, err)
	}
}

func TestAViolationTellsHowToSeeItAgain(t *testing.T) {
	o := Options{Seeds: 300, Faults: "crash,change", broken: keepGarbage, After: func(r Report) bool { return len(r.Violations) == 0 }}
	r, err := Run(o)
	if err != nil || len(r.Violations) == 0 {
		t.Fatalf("%v, %v", r.Violations, err)
	}
	v := r.Violations[0]
	p := drawPlan(v.Seed, FaultNames(), 0, 0)
	again, err := Run(Options{FirstSeed: v.Seed, Seeds: 1, Members: p.members, Workers: p.workers, Faults: o.Faults, broken: o.broken})
	if err != nil || len(again.Violations) == 0 || again.Violations[0] != v {
		t.Errorf("%v is not seen again: %v %v", v, again.Violations, err)
	}
	for _, want := range []string{"pbt sim --first-seed ", " --seeds 1 --members ", " --workers ", " --faults crash,change"} {
		if !strings.Contains(v.Command, want) {
			t.Errorf("%q lacks %q", v.Command, want)
		}
	}
}
