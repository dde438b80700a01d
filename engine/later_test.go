package engine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// remains is what a power cut would leave of a run: the rows that an fsync has followed,
// and the checkpoints that are there.
type remains struct {
	rows    []journal.Row // all of them
	durable int           // how many an fsync has followed
	later   int           // commits that did without one
	saved   int           // outcomes with a checkpoint

	machine *machine.Machine // of the first rows that are durable
	applied int              // how many
}

func (d *remains) see(rows []journal.Row, durable bool) {
	for _, r := range rows {
		r.Body = append([]byte(nil), r.Body...)
		d.rows = append(d.rows, r)
		if body, err := machine.Decode(machine.Kind(r.Kind), r.Body); err == nil {
			d.count(body)
		}
	}
	if durable {
		d.durable = len(d.rows)
	} else {
		d.later++
	}
}

func (d *remains) count(b machine.Body) {
	if f, ok := b.(*machine.Finished); ok && f.Checkpoint.ID != "" {
		d.saved++
	}
}

// cut makes the directory of a run that has lost its power.
func (d *remains) cut(t *testing.T, c Config) Config {
	t.Helper()
	after := c
	after.Dir, after.journalled = testdir.InMemory(t), nil
	j, err := journal.Create(filepath.Join(after.Dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Append(d.rows[:d.durable]); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	from, to := filepath.Join(c.Dir, CheckpointDir), filepath.Join(after.Dir, CheckpointDir)
	for _, name := range names(t, from) {
		err := os.CopyFS(filepath.Join(to, name), os.DirFS(filepath.Join(from, name)))
		switch {
		case errors.Is(err, fs.ErrNotExist): // it is being deleted, as the journal says, or else it will be missed
			err = os.RemoveAll(filepath.Join(to, name))
		case name[0] == '.':
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return after
}

// A lazily saving run does without most fsyncs of its journal. Whenever the power
// fails, what is on the disk is a run that goes on: everything that its journal keeps
// is there, no outcome with a checkpoint is lost, and it ends with the whole budget.
func TestLater_APowerCutLosesNothingThatWasSaved(t *testing.T) {
	for seed := range uint64(5) {
		spec := lazySpec()
		spec.Seed, spec.SaveEvery, spec.Policy.Exploit = seed, 8, pbt.Truncation{Fraction: 0.34}
		var d remains
		c := testConfig(t, spec, 2, climb)
		var cuts []Config
		c.journalled = func(rows []journal.Row, durable bool) {
			d.see(rows, durable)
			d.keeps(t, c)
			if len(cuts) < 3 && d.saved >= 8*(len(cuts)+1) && !durable {
				cuts = append(cuts, d.cut(t, c))
			}
		}
		spentAll(t, mustRun(t, c))
		check(t, c)
		if d.later == 0 || d.durable != len(d.rows) {
			t.Fatalf("%d commits without an fsync; %d of %d rows durable at the end", d.later, d.durable, len(d.rows))
		}
		for i, after := range cuts {
			spentAll(t, mustResume(t, after))
			check(t, after)
			var got remains
			for _, f := range bodies[*machine.Finished](t, after) {
				got.count(f)
			}
			if want := 8 * (i + 1); got.saved < want {
				t.Errorf("seed %d, after cut %d there are %d saved outcomes, and there were %d", seed, i, got.saved, want)
			}
		}
	}
}

// keeps checks that what a run needs that loses its power now is on the disk.
func (d *remains) keeps(t *testing.T, c Config) {
	t.Helper()
	for ; d.applied < d.durable; d.applied++ {
		var err error
		r := d.rows[d.applied]
		if d.applied == 0 {
			if d.machine, err = firstEvent(r, c.SpecOf); err != nil {
				t.Fatal(err)
			}
		}
		body, err := d.machine.DecodeForReplay(machine.Kind(r.Kind), r.Body)
		if err == nil {
			err = d.machine.Apply(machine.Event{At: r.At, Body: body})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	there := names(t, filepath.Join(c.Dir, CheckpointDir))
	for s := range d.machine.Segments() {
		if name, kept := d.machine.NeedsCheckpoint(s + 1); kept && name != "" && !slices.Contains(there, name) {
			t.Errorf("after %d commits that did not wait, a power cut leaves a journal that needs %s, which is gone", d.later, name)
		}
	}
}

// What waits for the disk waits for a moment only, also when nothing follows.
func TestLater_TheClockBringsItToTheDisk(t *testing.T) {
	now := int64(1)
	e := &Engine{clock: func() int64 { return now }}
	e.lazy.Store(true)
	held := machine.Event{Body: &machine.Finished{}}
	for range 3 {
		if e.events = []machine.Event{held}; !e.mayWait() {
			t.Fatal("an outcome without a checkpoint cannot wait")
		}
		e.unsynced = true
		now += int64(syncLag) / 4
	}
	now += int64(syncLag) / 4
	if e.mayWait() {
		t.Error("it waits for ever, if only there is always something to wait for")
	}
	e.unsynced = false
	for _, worth := range []machine.Body{
		&machine.Finished{Checkpoint: machine.Checkpoint{ID: "s1"}}, &machine.Failed{}, &machine.Steered{}, &machine.Pinned{}, &machine.RolledBack{},
		&machine.MemberDone{}, &machine.RunEnded{}, &machine.Paused{}, &machine.Closed{}, &machine.Refused{}, &machine.SpecChanged{},
	} {
		if e.events = []machine.Event{held, {Body: worth}}; e.mayWait() {
			t.Errorf("%T waits for the disk", worth)
		}
	}
	e.lazy.Store(false)
	if e.events = []machine.Event{held}; e.mayWait() {
		t.Error("it waits though every ready point is saved")
	}
}
