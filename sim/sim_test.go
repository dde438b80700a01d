package sim

import (
	"flag"
	"testing"
)

var (
	seeds = flag.Int("seeds", 300, "how many")
	from  = flag.Uint64("from", 0, "first seed")
	fl    = flag.String("faults", "all", "")
)

func TestSeeds(t *testing.T) {
	r, err := Run(Options{FirstSeed: *from, Seeds: *seeds, Faults: *fl})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d seeds, %d events, %d reports, %+v", r.Seeds, r.Events, r.Reports, r.Injected)
	laws := map[Law]int{}
	for _, v := range r.Violations {
		if laws[v.Law]++; laws[v.Law] < 4 {
			t.Error(v)
		}
	}
	t.Log(laws)
}
