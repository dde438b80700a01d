package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// prepareResume finds where a run's experiment file and code are now, and says how they
// differ from what the run began with. It returns the origin as it is to be noted, nil if
// there is none, and adds what moved and what --from changes to the settings.
func (f *runFlags) prepareResume(ctx context.Context, w io.Writer, old *config.Experiment) (*origin, error) {
	tell := func(say string) {
		if say != "" {
			fmt.Fprintln(w, "pbt:", clean(say))
		}
	}
	here := *old
	o, say := relocate(f.dir, &here)
	tell(say)
	var sets []string
	if here.Trainer.Workdir != old.Trainer.Workdir {
		sets = append(sets, "trainer.workdir="+quoted(here.Trainer.Workdir))
	}
	switch {
	case f.from != "":
		more, err := f.fromFile(ctx, o, &here, tell)
		if err != nil {
			return nil, err
		}
		sets = append(sets, more...)
	case o != nil:
		tell(o.edited(ctx, f.dir, &here))
	}
	f.sets = append(sets, f.sets...)
	return o, nil
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a text always marshals
	return string(b)
}

// fromFile are the settings of an experiment file that may change on resume.
func (f *runFlags) fromFile(ctx context.Context, o *origin, old *config.Experiment, tell func(string)) ([]string, error) {
	options := []config.Option{config.Builtins(builtinNames()...)}
	if o != nil {
		options = append(options, config.Set(o.Sets...))
	}
	exp, text, err := readExperiment(ctx, f.from, options)
	if err != nil {
		return nil, err
	}
	if !config.Gives(text, "segment") {
		exp.Segment = old.Segment // derived from the budget when the run began
	}
	if o != nil && o.Derived {
		exp.Name, exp.Seed, exp.Initial = old.Name, old.Seed, old.Initial
	}
	assignments, refused := config.Apply(old, exp)
	if len(refused) > 0 {
		tell("not applied, because decisions already made depend on it:" + listed(refused, "") + "\nFor that, start a new run, or a branch (pbt branch --help)")
	}
	if len(assignments) == 0 {
		tell("nothing in " + f.from + " that may change differs from the run")
	}
	return assignments, nil
}

// noteOrigin notes where the experiment file is now, and says which code changed.
func (f *runFlags) noteOrigin(w io.Writer, o *origin, t *config.Trainer) error {
	if o == nil {
		return nil
	}
	if say := o.otherCode(t); say != "" {
		fmt.Fprintln(w, "pbt:", clean(say))
	}
	if was := readOrigin(f.dir); was != nil && was.Run == o.Run && was.File == o.File {
		return nil
	}
	return o.note(f.dir, t)
}

// begun tells whether a directory holds a run that has recorded something.
func begun(dir string) (bool, error) {
	if _, err := os.Stat(filepath.Join(dir, engine.JournalFile)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	j, err := openJournal(dir)
	if err != nil {
		return false, err
	}
	defer j.Close()
	last, err := j.Last()
	return last > 0, err
}

// isExperimentFile refuses a file in the place of a run's directory, and names the run that
// was probably meant.
func isExperimentFile(path string) error {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if dir := newestRunOf(path); dir != "" {
		return usageError{fmt.Errorf("%s is a file; resume takes a run's directory. The newest run of this file: pbt resume %s", path, safe.Path(dir))}
	}
	return usageError{fmt.Errorf("%s is a file; resume takes a run's directory, and there is no run of this file in runs. Start one: pbt run %s", path, safe.Path(path))}
}

// newestRunOf finds the run of an experiment file whose journal was written last, in runs/
// here or beside the file; "" if there is none.
func newestRunOf(path string) (newest string) {
	file, err := realPath(path)
	if err != nil {
		return ""
	}
	var at time.Time
	for _, parent := range slices.Compact([]string{"runs", filepath.Join(filepath.Dir(path), "runs")}) {
		entries, _ := disk.In(parent).ReadDir(".") // where none can be read, none is found
		for _, entry := range entries {
			dir := filepath.Join(parent, entry.Name())
			o := readOrigin(dir)
			if o == nil {
				continue
			}
			o, _ = o.moved(dir)
			if real, err := realPath(o.File); err != nil || real != file {
				continue
			}
			if info, err := os.Stat(filepath.Join(dir, engine.JournalFile)); err == nil && info.ModTime().After(at) {
				newest, at = dir, info.ModTime()
			}
		}
	}
	return newest
}

// maxMissing bounds how many missing checkpoints are named.
const maxMissing = 8

// tellMissing tells which checkpoints somebody has deleted that members go on from, and
// what that means.
func tellMissing(w io.Writer, dir string, m *machine.Machine) error {
	store, err := openCheckpoints(dir)
	if err != nil {
		return err
	}
	var missing []string
	for i := range m.Members() {
		r, _ := m.Record(i)
		if name, there := keptCheckpoint(m, store, r.Segment); name != "" && !there {
			missing = append(missing, fmt.Sprintf("%s (segment %d, of member %d)", name, r.Segment, i))
		}
	}
	if n := len(missing) - maxMissing; n > 0 {
		missing = append(missing[:maxMissing], fmt.Sprintf("and those of %d more", n))
	}
	if len(missing) > 0 {
		fmt.Fprintf(w, "pbt: missing in %s, and not deleted by pbt: %s. Who begins a segment with one of them fails, and is repaired once no attempt is left, as repair: says. To lose nothing, stop, put them back from a copy, and resume\n",
			filepath.Join(dir, engine.CheckpointDir), strings.Join(missing, ", "))
	}
	return nil
}
