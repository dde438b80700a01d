// Command surrogate compares policies on fifteen families of made-up training curves: the policies are pbt.Policy values that
// pbt.Train runs, so what is measured is what ships.
//
//	go run ./experiments/policies/surrogate                          the table of 400 seeds, 16 members, 40 segments
//	go run ./experiments/policies/surrogate -out FILE                the same, with a record of it
//	go run ./experiments/policies/surrogate -check FILE…             measure the first seeds of records again
//	go run ./experiments/policies/surrogate -members 40 -segments 80 -seeds 100
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"sync"

	"github.com/seed-7a1a2db0/pbt"
)

// firstSeed keeps these seeds away from those on which the study chose its constants.
const firstSeed = 3_000_000

func main() {
	o := options{}
	flag.IntVar(&o.Seeds, "seeds", 400, "seeds of each family")
	flag.IntVar(&o.Members, "members", 16, "members of the population")
	flag.IntVar(&o.Segments, "segments", 40, "budget of a member in segments")
	out := flag.String("out", "", "write a record to this file (JSON)")
	again := flag.Bool("check", false, "measure the first seeds of the records named as arguments again")
	flag.Parse()
	err := error(nil)
	if *again {
		for _, file := range flag.Args() {
			err = errors.Join(err, check(file))
		}
	} else {
		err = run(o, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "surrogate:", err)
		os.Exit(1)
	}
}

func run(o options, out string) error {
	if o.Seeds < 2 || o.Members < 1 || o.Segments < 1 {
		return fmt.Errorf("found %d seeds, %d members and %d segments; want at least 2 seeds, 1 member and 1 segment", o.Seeds, o.Members, o.Segments)
	}
	r, err := measure(o)
	if err != nil {
		return err
	}
	if err := r.table(os.Stdout); err != nil {
		return err
	}
	if out == "" {
		return nil
	}
	return r.write(out)
}

// options say how much is run.
type options struct {
	Seeds    int `json:"seeds"`
	Members  int `json:"members"`
	Segments int `json:"segments"`
}

// measure runs every policy on every family and seed. The result does not depend on the number of processors.
func measure(o options) (*results, error) {
	r := &results{options: o, values: map[string][][]float64{}}
	type job struct{ policy, family, seed int }
	jobs := make(chan job)
	var wait sync.WaitGroup
	var once sync.Once
	var failed error
	for _, e := range entries {
		r.values[e.name] = make([][]float64, len(families))
		for f := range families {
			r.values[e.name][f] = make([]float64, o.Seeds)
		}
	}
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for j := range jobs {
				v, err := best(&families[j.family], entries[j.policy].policy(int64(o.Segments)), uint64(firstSeed+j.seed), o)
				if err != nil {
					once.Do(func() { failed = fmt.Errorf("%s on %s: %w", entries[j.policy].name, families[j.family].name, err) })
					continue
				}
				r.values[entries[j.policy].name][j.family][j.seed] = v
			}
		})
	}
	for p := range entries {
		for f := range families {
			for s := range o.Seeds {
				jobs <- job{p, f, s}
			}
		}
	}
	close(jobs)
	wait.Wait()
	return r, failed
}

// best runs one policy on one instance. It returns the true score of the record with the best reported score: what a user
// of the run ends with.
func best(f *family, p pbt.Policy, seed uint64, o options) (float64, error) {
	model := f.model(seed, o.Segments)
	found, reported := 0.0, pbt.Score(0)
	first := true
	eval := model.Eval
	model.Eval = func(w state) float64 {
		x := eval(w)
		if s := pbt.Score(x); first || s > reported {
			found, reported, first = f.worth(&w.s), s, false
		}
		return x
	}
	_, err := pbt.Train(pbt.Options{Members: o.Members, Steps: int64(o.Segments), Goal: pbt.Maximize, Space: f.space(), Policy: p, Seed: seed}, model)
	return found, err
}
