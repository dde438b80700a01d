package main

import (
	"context"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/view"
)

func init() {
	children["feed"] = child(func(s feedSetting) (func() (Sample, error), error) {
		return func() (Sample, error) {
			return timed(1, func() error {
				_, rec, err := feed{dir: s.Dir, members: s.Members, segments: s.Segments}.write()
				if err != nil {
					return err
				}
				return rec.journal.Close()
			})
		}, nil
	})
	children["view"] = child(viewChild)
}

// feedSetting is a run to be written.
type feedSetting struct {
	Dir      string
	Members  int
	Segments int64
}

// viewChild reads a run as the dashboard of `pbt run` and `pbt serve` does.
func viewChild(dir string) (func() (Sample, error), error) {
	return func() (Sample, error) {
		sample, err := timed(1, func() error {
			j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
			if err != nil {
				return err
			}
			defer j.Close()
			_, err = view.NewRun(filepath.Join(dir, engine.CheckpointDir)).CatchUp(context.Background(), j)
			return err
		})
		sample.Bytes = peakMemory()
		return sample, err
	}, nil
}

// longMembers is the population of the long run.
const longMembers = 100

// benchLong measures the commands that read a run of a million segments.
func benchLong(b *bench) ([]Row, error) {
	pbt, err := b.binary()
	if err != nil {
		return nil, err
	}
	s := feedSetting{Dir: filepath.Join(b.dir, "long"), Members: longMembers, Segments: int64(b.pick(1_000_000, 20_000))}
	if _, err := once("feed", s); err != nil {
		return nil, err
	}
	contenders := []struct {
		name    string
		child   string
		setting any
	}{
		{"pbt status --json", "process", []string{pbt, "status", "--json", s.Dir}},
		{"pbt verify --json", "process", []string{pbt, "verify", "--json", s.Dir}},
		{"pbt lineage", "process", []string{pbt, "lineage", s.Dir}},
		{"engine.Fold", "fold", journalSetting{Dir: s.Dir, Members: s.Members, Events: s.Segments}},
		{"view.CatchUp (the dashboard)", "view", s.Dir},
	}
	samples := make([]Sample, len(contenders))
	for i, c := range contenders { // once: each takes so long that chance has little to say
		if samples[i], err = once(c.child, c.setting); err != nil {
			return nil, err
		}
	}
	t := &Table{Columns: []string{"what reads it", "s", "s CPU", "peak MB"}}
	for i, c := range contenders {
		t.add(c.name, samples[i].WallEach()/1e9, samples[i].CPUEach()/1e9, peakOf(samples[i]))
	}
	wall := func(i int) float64 { return samples[i].WallEach() / 1e9 }
	note := "A run of " + number(float64(s.Segments)) + " segments. Wall time of whole processes, each once; the table has the processor time, which a loaded machine changes less."
	return []Row{
		{Measure: "pbt status of a long run", Target: atMost(0.5), Unit: "s", Value: wall(0), Table: t, Note: note},
		{Measure: "pbt verify of a long run", Target: atMost(20), Unit: "s", Value: wall(1)},
		{Measure: "peak memory of an engine that opens a long run, with the dashboard", Target: atMost(300), Unit: "MB", Value: max(peakOf(samples[3]), peakOf(samples[4]))},
	}, nil
}
