package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// bestSegment is how a person calls the best segment of a run.
const bestSegment = "best"

func newBranch() *cobra.Command {
	var f runFlags
	var noStart bool
	c := &cobra.Command{
		Use: "branch DIR SEGMENT", Short: "Start a new run from a segment of another", Args: cobra.ExactArgs(2),
		Long: `Start a new run from any segment of another whose checkpoint is kept; the other run may be going on,
and stays as it is. SEGMENT is a number, or "best".

Every member of the new run begins with a copy of the segment's weights. Member 0 keeps its hyperparameters,
the others explore from them as after any copy; --set initial=[…] gives values instead. The budget counts what
the new run trains. The settings are the old run's, but for those that --set changes and defaults
that follow from them, such as half the population for peers.min_scored.`,
		Example: "  pbt branch runs/digits-1 212 --set budget.steps=2000 --set 'explore.perturb=[0.5, 2]'",
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := planBranch(args[0], args[1], f.assignments(cmd), f.options(cmd))
			if err != nil {
				return err
			}
			if noStart {
				return f.makeBranch(cmd, b)
			}
			return f.startBranch(cmd, b)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.dir, "dir", "", "the new run's directory (default runs/<name>-branch-<n>)")
	c.Flags().StringVar(&f.seed, "seed", "", "the new run's seed (default: made from the old one and the segment)")
	c.Flags().BoolVar(&noStart, "no-start", false, "make the run, and leave it to pbt resume to train it")
	return c
}

// branching is a branch that can be made.
type branching struct {
	dir    string // of the old run
	exp    *config.Experiment
	spec   machine.Spec
	stored []byte
	source []byte
	from   engine.Branch
	origin *origin // nil if the old run has none
}

// planBranch says how a run begins with a segment of another, or why it cannot.
func planBranch(dir, segment string, sets []string, options []config.Option) (*branching, error) {
	h, err := readHistory(dir)
	if err != nil {
		return nil, err
	}
	if h.Altered != nil {
		return nil, fmt.Errorf("%s: %w: a branch would rest on what it holds; restore it from a copy (pbt verify %s checks all of it)", dir, h.Altered, safe.Path(dir))
	}
	var c api.Command
	if segment != bestSegment {
		if err := parseSegment(&c, segment); err != nil {
			return nil, usageError{err}
		}
	} else if c.Segment, err = h.Choose(0); err != nil {
		return nil, err
	}
	id := c.Segment
	b := &branching{dir: dir}
	b.from.Record, b.from.Origin.Member, err = h.Record(id)
	if err != nil {
		return nil, err
	}
	if err := b.find(h, id); err != nil {
		return nil, err
	}
	old, err := storedExperiment(dir)
	if err != nil {
		return nil, err
	}
	from, _ := relocate(dir, old)
	b.origin = from.derived()
	if err := b.settings(old, h.Started.Source, from.setAtStart(), id, sets, options); err != nil {
		return nil, err
	}
	return b, b.record(h, old, id)
}

// find looks for the segment's checkpoint.
func (b *branching) find(h *history.History, id int64) error {
	if !b.from.Record.Saved {
		hint := ""
		for n, err := h.Tree.Node(id); err == nil && n.Parent != 0; n, err = h.Tree.Node(n.Parent) {
			if o := h.Outcome(n.Parent); o != nil && o.Checkpoint.ID != "" {
				hint = fmt.Sprintf("; segment %d, before it, was", n.Parent)
				break
			}
		}
		return fmt.Errorf("segment %d was not saved (save: lazy saves what may be needed)%s", id, hint)
	}
	var err error
	if b.from.From, err = openCheckpoints(b.dir); err != nil {
		return err
	}
	for again := false; ; again = true {
		m, err := readMachine(b.dir)
		if err != nil {
			return err
		}
		name, there := keptCheckpoint(m, b.from.From, id)
		switch {
		case name == "":
			return fmt.Errorf("the checkpoint of segment %d is gone: nothing needed it any more. %s What you may want later: pbt pin, or keep: in the experiment file", id, b.elsewhere(m))
		case there:
			b.from.ID = name
			return nil
		case again: // the journal still keeps what was not there before
			return fmt.Errorf("the checkpoint of segment %d is missing: the run keeps it, and there is no %s; somebody else than pbt has deleted it. Put it back from a copy, or branch from another segment. %s", id, b.from.From.Path(name), b.elsewhere(m))
		}
	}
}

// elsewhere names a segment that can be branched.
func (b *branching) elsewhere(m *machine.Machine) string {
	if best, ok := m.Best(); ok {
		if _, there := keptCheckpoint(m, b.from.From, best.Segment); there {
			return fmt.Sprintf("The best one, segment %d, is kept, and those that members hold: see pbt status %s.", best.Segment, safe.Path(b.dir))
		}
	}
	for i := range m.Members() {
		r, _ := m.Record(i)
		if _, there := keptCheckpoint(m, b.from.From, r.Segment); there {
			return fmt.Sprintf("That of segment %d, which member %d holds, is there.", r.Segment, i)
		}
	}
	return "No other one of this run that is kept is there."
}

// branchSuffix ends the name of a branch.
const branchSuffix = "-branch"

// settings are the new run's: the old one's, with what was set. Defaults that follow from
// other settings follow from the new ones.
func (b *branching) settings(old *config.Experiment, wrote string, began []string, id int64, sets []string, options []config.Option) error {
	exp := *old
	exp.Name = strings.TrimSuffix(exp.Name, branchSuffix) + branchSuffix
	exp.Initial = nil // were for fresh weights
	exp.Seed = pbt.BranchSeed(old.Seed, id)
	stored, source, err := exp.Underived([]byte(wrote), began, sets...)
	if err != nil {
		return err
	}
	b.source = source
	if b.exp, err = config.FromJSON(stored, options...); err != nil {
		return err
	}
	if b.spec, err = b.exp.Spec(); err != nil {
		return err
	}
	b.stored, err = json.Marshal(b.exp)
	return err
}

// record is what the new run begins with: the outcome as the new settings see it.
func (b *branching) record(h *history.History, old *config.Experiment, id int64) error {
	o, r := h.Outcome(id), &b.from.Record
	dir, err := filepath.Abs(b.dir)
	if err != nil {
		return err
	}
	stages, err := h.Schedule(id)
	if err != nil {
		return err
	}
	for i := range stages {
		if stages[i].Run == "" {
			stages[i].Run = old.Name
		}
	}
	b.from.Origin = machine.Origin{
		Dir: dir, Run: old.Name, Began: h.Began, Segment: id, Member: b.from.Origin.Member, Digest: o.Checkpoint.Digest,
		Stages: pbt.Compact(stages), By: whoAmI(),
	}
	b.from.Metrics = o.Metrics
	if b.exp.Metric != old.Metric {
		score, ok := o.Metrics[b.exp.Metric]
		if !ok {
			return usageError{fmt.Errorf("segment %d was scored by %s, and has no metric %s: keep metric.name, or choose one that was reported", id, old.Metric, b.exp.Metric)}
		}
		r.Score, r.Samples = score, nil
	}
	h2, err := b.spec.Space.Complete(r.Hypers, b.spec.Seed, 0, 0)
	if err != nil {
		return usageError{fmt.Errorf("segment %d was trained with %s, which the new run does not allow: %w; leave the hyperparameters as they were, or widen them", id, r.Hypers, err)}
	}
	r.Hypers = h2
	if err := b.from.Validate(&b.spec); err != nil {
		return usageError{err}
	}
	return nil
}

// hold pins a checkpoint while it is copied, if a process trains its run and takes
// orders. Where none does, nobody deletes anything; where one does that takes no
// orders, a checkpoint that goes while it is copied is an error, and nothing worse. So it
// is if it was pinned already: then it stays so.
func (b *branching) hold() (release func()) {
	id := b.from.Origin.Segment
	if _, err := readServerNote(b.dir); err != nil {
		return func() {}
	}
	if _, err := askRun(b.dir, api.Command{Verb: api.VerbPin, Segment: id}); err != nil {
		return func() {}
	}
	return func() { _, _ = askRun(b.dir, api.Command{Verb: api.VerbUnpin, Segment: id}) }
}

// make makes the run in a directory, with everything durable, and lets go of the old one.
func (b *branching) make(c engine.Config, hold func() func()) (*engine.Engine, error) {
	defer hold()()
	if abs, err := filepath.Abs(c.Dir); err == nil && (abs == b.from.Origin.Dir || strings.HasPrefix(abs, b.from.Origin.Dir+string(filepath.Separator))) {
		return nil, usageError{fmt.Errorf("%s is in the old run's own directory: choose another --dir", c.Dir)}
	}
	c.Spec, c.Experiment, c.Source, c.Branch = b.spec, b.stored, b.source, &b.from
	var err error
	if c.Origin, err = b.origin.kept(c.Dir, &b.exp.Trainer); err != nil {
		return nil, err
	}
	e, err := engine.Create(c)
	if errors.Is(err, engine.ErrExists) {
		return nil, usageError{err}
	}
	if err != nil {
		return nil, fmt.Errorf("the branch is not made: %w", err)
	}
	return e, nil
}

// say tells what the new run begins with.
func (b *branching) say(dir string) string {
	return fmt.Sprintf("%s begins with segment %d of %s (%s %s, step %d)", dir, b.from.Origin.Segment, b.dir, b.exp.Metric, b.from.Record.Score, b.from.Record.Step)
}

// startBranch makes a branch and trains it.
func (f *runFlags) startBranch(cmd *cobra.Command, b *branching) error {
	c, show, err := f.branchConfig(cmd, b)
	if err != nil {
		return f.notMade(err)
	}
	e, err := b.make(c, b.hold)
	if err != nil {
		return f.notMade(err)
	}
	if !f.quiet {
		fmt.Fprintln(cmd.ErrOrStderr(), clean(b.say(f.dir)))
	}
	f.warnSettings(cmd.ErrOrStderr(), &b.spec)
	return f.train(cmd, e, show)
}

// makeBranch makes a branch, and trains nothing.
func (f *runFlags) makeBranch(cmd *cobra.Command, b *branching) error {
	c, _, err := f.branchConfig(cmd, b)
	if err != nil {
		return f.notMade(err)
	}
	e, err := b.make(c, b.hold)
	if err != nil {
		return f.notMade(err)
	}
	if err := e.Close(); err != nil {
		return err
	}
	if f.asJSON {
		return printJSON(cmd, map[string]any{"dir": f.dir, "segment": b.from.Origin.Segment})
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s; train it with: pbt resume %s\n", clean(b.say(f.dir)), safe.Path(f.dir))
	return err
}

func (f *runFlags) branchConfig(cmd *cobra.Command, b *branching) (engine.Config, *progress, error) {
	if err := f.chooseDir(b.exp.Name); err != nil {
		return engine.Config{}, nil, err
	}
	return f.config(cmd, b.exp)
}
