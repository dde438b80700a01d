package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// runFlags are what run, resume and replay have in common.
type runFlags struct {
	exp     *config.Experiment
	dir     string
	made    []string // by chooseDir, the innermost first
	origin  *origin  // where the experiment file is; nil if that is not known
	from    string   // an experiment file whose settings a run takes over when it is resumed
	seed    string
	slots   int
	sets    []string
	asJSON  bool
	quiet   bool
	verbose bool
	charge  bool // failures that are not confirmed
	revive  bool // members that have failed

	acceptAltered bool // of resume
	stopFD        int  // of the process that started this one, or noFD
	web           runWebFlags
	sinks         runSinks
	view          runView
}

func (f *runFlags) add(c *cobra.Command) {
	c.Flags().IntVar(&f.slots, "slots", 0, "`number` of trainers at a time (default: as in the experiment file)")
	c.Flags().StringArrayVar(&f.sets, "set", nil, "set a value of the experiment file: `path=value` (may be repeated)")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "print nothing but the end")
	c.Flags().BoolVar(&f.verbose, "verbose", false, "tell every copy")
	c.Flags().IntVar(&f.stopFD, "stop-with-fd", noFD, "stop, as after SIGTERM, at the end of file of this inherited `descriptor`: with the process that holds the other end of a pipe")
	c.Flags().Lookup("stop-with-fd").DefValue = "0" // the help shows no default then
	c.PreRunE = func(cmd *cobra.Command, _ []string) error { return stopWithFD(cmd.Context(), f.stopFD) }
	jsonFlag(c, &f.asJSON)
	f.web.add(c)
	f.view.add(c)
}

// options are the assignments as config knows them.
func (f *runFlags) options(c *cobra.Command) []config.Option {
	return []config.Option{config.Set(f.assignments(c)...), config.Builtins(builtinNames()...)}
}

// assignments are what the command line sets.
func (f *runFlags) assignments(c *cobra.Command) []string {
	sets := slices.Clone(f.sets)
	if f.seed != "" {
		sets = append(sets, "seed="+f.seed)
	}
	if c.Flags().Changed("slots") {
		sets = append(sets, "trainer.slots="+strconv.Itoa(f.slots))
	}
	return sets
}

func newRun() *cobra.Command {
	var f runFlags
	var resume bool
	c := &cobra.Command{
		Use: "run FILE", Short: "Train a population", Args: cobra.ExactArgs(1),
		Long: `Train the population that an experiment file describes, in a directory of its own. On a terminal the
run is drawn while it goes on, as pbt watch draws it; ? tells the keys. The link that is printed, and
drawn at the top, is the same in a browser.

Ctrl-C stops in good order; a second one at once. Neither, nor kill -9, loses a recorded outcome:
pbt resume goes on. The last line of --json output is the best record.

With --resume, the same command starts the run in --dir, resumes it, or prints its result if it has ended: for
schedulers that requeue a job.`,
		Example: "  pbt run experiment.yaml --set budget.steps=8000 --slots 4\n  pbt run experiment.yaml --dir runs/night --resume",
		RunE: func(cmd *cobra.Command, args []string) error {
			if resume && f.dir == "" {
				return usageError{errors.New("--resume needs --dir: without it, each run gets a new directory")}
			}
			if resume {
				is, err := begun(f.dir)
				if err != nil {
					return err
				}
				if is {
					return f.resume(cmd)
				}
			}
			options := f.options(cmd)
			exp, source, err := readExperiment(cmd.Context(), args[0], options)
			if err != nil {
				return err
			}
			f.origin = newOrigin(args[0], source, options, f.assignments(cmd))
			return f.start(cmd, exp, source)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.dir, "dir", "", "the run's `directory` (default runs/<name>-<n>)")
	c.Flags().StringVar(&f.seed, "seed", "", "the run's seed, a `number` (default: as in the experiment file)")
	c.Flags().BoolVar(&resume, "resume", false, "resume the run if --dir holds one")
	return c
}

// readExperiment reads an experiment file, with what the command line sets.
func readExperiment(ctx context.Context, path string, options []config.Option) (exp *config.Experiment, source []byte, err error) {
	source, err = readAtMost(ctx, path, config.MaxFileSize+1)
	switch {
	case errors.Is(err, errInterrupted):
		return nil, nil, err
	case err != nil:
		return nil, nil, usageError{fmt.Errorf("read the experiment file: %w", err)}
	}
	home, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, nil, err
	}
	exp, err = config.Parse(path, source, append(options, config.Dir(home))...)
	return exp, source, err
}

// readAtMost reads a file, but no more of it than most bytes: it may be /dev/zero. It may
// be a pipe, too, into which nobody ever writes: Ctrl-C and SIGTERM end the wait.
func readAtMost(ctx context.Context, path string, most int64) ([]byte, error) {
	type content struct {
		text []byte
		err  error
	}
	done := make(chan content, 1)
	go func() {
		f, err := disk.OpenNamed(path)
		if err != nil {
			done <- content{nil, err}
			return
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, most))
		done <- content{text, err}
	}()
	select {
	case c := <-done:
		return c.text, c.err
	case <-ctx.Done():
	case <-terminated(ctx):
	}
	return nil, errInterrupted
}

// start begins a run and trains it.
func (f *runFlags) start(cmd *cobra.Command, exp *config.Experiment, source []byte) error {
	spec, err := exp.Spec()
	if err != nil {
		return err
	}
	stored, err := json.Marshal(exp)
	if err != nil {
		return err
	}
	if err := f.chooseDir(exp.Name); err != nil {
		return err
	}
	c, show, err := f.config(cmd, exp)
	if err != nil {
		return f.notMade(err)
	}
	c.Spec, c.Experiment, c.Source = spec, stored, source
	if c.Origin, err = f.origin.kept(f.dir, &exp.Trainer); err != nil {
		return f.notMade(err)
	}
	e, err := engine.Create(c)
	if errors.Is(err, engine.ErrExists) {
		return usageError{err}
	}
	if err != nil {
		return f.notMade(err)
	}
	if exp.Trainer.IsTemplate() && !exp.Trainer.Loads() && !f.quiet {
		fmt.Fprintln(cmd.ErrOrStderr(), `warning: trainer.command never mentions {load}: unless the program reads PBT_LOAD by itself, every segment begins with fresh weights and a copy copies nothing. Add "{load?--load}" to the command, or test it: pbt check`)
	}
	f.warnSettings(cmd.ErrOrStderr(), &spec)
	return f.train(cmd, e, show)
}

// warnSettings warns of settings with which members never explore, or never copy.
func (f *runFlags) warnSettings(w io.Writer, spec *machine.Spec) {
	if f.quiet {
		return
	}
	for _, warning := range spec.Warnings(0) {
		fmt.Fprintf(w, "warning: %s. To change that: %s\n", clean(warning.Says), warning.Hint)
	}
}

// config is the engine's configuration for an experiment.
func (f *runFlags) config(cmd *cobra.Command, exp *config.Experiment) (engine.Config, *progress, error) {
	if err := f.web.check(); err != nil {
		return engine.Config{}, nil, err
	}
	newSlot, err := slotsOf(exp, f.dir, cmd.ErrOrStderr())
	if err != nil {
		return engine.Config{}, nil, err
	}
	show := newProgress(cmd.ErrOrStderr(), exp, f.quiet, f.verbose)
	c := engine.Config{
		Dir: f.dir, Version: version, SpecOf: config.SpecOf, Slots: exp.Trainer.Slots, NewSlot: newSlot, Observe: show.observe,
		Grace: exp.Trainer.Grace,
	}
	f.exp = exp
	f.web.observe(&c)
	if err := f.sinks.observe(&c, exp); err != nil {
		return engine.Config{}, nil, usageError{err}
	}
	return c, show, f.view.observe(cmd, &c, f.quiet || f.asJSON)
}

// MaxRunsPerName bounds the search for a directory that is free.
const maxRunsPerName = 100_000

// chooseDir makes a directory for a run, unless --dir names one.
func (f *runFlags) chooseDir(name string) (err error) {
	if f.dir == "" {
		f.dir, f.made, err = freshDir(name)
	}
	return err
}

// notMade removes the directories that chooseDir has made, if nothing lies in them, and
// returns why.
func (f *runFlags) notMade(why error) error {
	engine.RemoveEmpty(f.made)
	return why
}

// freshDir makes runs/<name>-<n> with the first n that is free.
func freshDir(name string) (dir string, made []string, err error) {
	err = disk.In(".").Mkdir("runs", 0o777)
	switch {
	case err == nil:
		made = []string{"runs"}
	case !errors.Is(err, fs.ErrExist):
		return "", nil, fmt.Errorf("make the directory of runs: %w", err)
	}
	for n := 1; n <= maxRunsPerName; n++ {
		dir := filepath.Join("runs", fmt.Sprintf("%s-%d", name, n))
		err := disk.In("runs").Mkdir(filepath.Base(dir), 0o777)
		if err == nil || !errors.Is(err, fs.ErrExist) {
			return dir, append([]string{dir}, made...), err
		}
	}
	return "", nil, fmt.Errorf("runs/ holds %d runs named %s: choose a --dir", maxRunsPerName, name)
}

// train runs the engine to its end and tells what came of it.
func (f *runFlags) train(cmd *cobra.Command, e *engine.Engine, show *progress) error {
	if err := sweepTrainers(f.dir); err != nil {
		return errors.Join(err, e.Close())
	}
	show.begin(f.dir, e.Machine())
	ctx, stop := context.WithCancelCause(cmd.Context())
	defer stop(nil)
	f.web.steerer.begin(f.dir, e, f.exp, stop)
	if err := f.web.begin(cmd, f.dir, show); err != nil {
		show.end()
		return errors.Join(err, e.Close(), f.web.end())
	}
	if err := f.sinks.begin(cmd, f.dir); err != nil {
		show.end()
		return errors.Join(err, e.Close(), f.web.end())
	}
	over := make(chan struct{})
	go func() {
		select {
		case <-terminated(cmd.Context()):
			e.Drain("preempted: SIGTERM")
		case <-over:
		}
	}()
	f.view.begin(cmd, f.dir, f.web.link(), &f.web.steerer, show)
	defer f.view.end() // also if this panics: the terminal is the user's
	phase, err := e.Run(ctx)
	close(over)
	f.view.end()
	err = errors.Join(err, f.web.end())
	show.end()
	f.sinks.end(cmd.ErrOrStderr(), f.dir)
	f.web.steerer.leave(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	m := e.Machine()
	if phase == machine.PhasePaused && m.PausedBy() == "" {
		_, reason := m.Phase()
		return fmt.Errorf("the run has paused: %s\nNo member is charged with it. Continue with: pbt resume %s", clean(reason), safe.Path(f.dir))
	}
	if phase != machine.PhaseEnded {
		fmt.Fprintf(cmd.ErrOrStderr(), "interrupted; nothing recorded is lost. Go on with: pbt resume %s\n", safe.Path(f.dir))
		return errInterrupted
	}
	return f.finish(cmd, m)
}

// sweepTrainers ends what a process left behind that was killed together with those
// that watch over its trainers. The run is ours alone by now.
func sweepTrainers(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	trainer.SweepSockets(dir)
	_, err = process.Sweep(protocol.EnvRunDir + "=" + dir)
	return err
}

// finish shows the best member, its schedule, and what to do next.
func (f *runFlags) finish(cmd *cobra.Command, m *machine.Machine) error {
	o, ok := m.Best()
	if !ok {
		_, reason := m.Phase()
		return fmt.Errorf("the run has ended, but no segment finished with a score: %s; see pbt status %s", clean(reason), safe.Path(f.dir))
	}
	best := newBestRecord(o)
	store, err := openCheckpoints(f.dir)
	if err != nil {
		return err
	}
	best.Path = store.Path(best.Checkpoint)
	if f.asJSON {
		return errors.Join(printJSON(cmd, best), f.failedMembers(m))
	}
	stages, err := readSchedule(f.dir, o.Segment)
	if err != nil {
		return err
	}
	w := cmd.OutOrStdout()
	n := m.Counts()
	fmt.Fprintf(w, "\nbest score %s: member %d, segment %d, step %d (%s, %s",
		best.Score, best.Member, best.Segment, best.Step, plural.Of(n.Finished, "segment"), plural.Of(n.Copies, "copy"))
	if n.Failed > 0 {
		fmt.Fprintf(w, ", %s", plural.Of(n.Failed, "failed attempt"))
	}
	fmt.Fprint(w, ")\n")
	if says := m.Inside().Says; says != "" {
		fmt.Fprintf(w, "%s\n", says)
	}
	fmt.Fprint(w, "\nits schedule\n")
	chart(w, stages)
	return errors.Join(suggest(w, f.dir, best.Segment), f.failedMembers(m))
}

// suggest names the commands to look at next.
func suggest(w io.Writer, dir string, segment int64) error {
	fmt.Fprintln(w, "\nnext")
	dir = safe.Path(dir)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, s := range [][2]string{
		{"schedule " + dir, "the schedule in numbers"},
		{"lineage " + dir, "whose weights came from where"},
		{fmt.Sprintf("explain %s %d", dir, segment), "why that segment is what it is"},
		{"best " + dir + " --copy TO", "its checkpoint"},
		{"replay " + dir, "fresh weights along that schedule"},
	} {
		fmt.Fprintf(t, "  pbt %s\t%s\n", s[0], s[1])
	}
	return t.Flush()
}

func newResume() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use: "resume DIR", Short: "Go on with a run after a stop, a crash, or with a larger budget", Args: cobra.ExactArgs(1),
		Long: `Go on with a run: after Ctrl-C, after a crash, or with a larger budget.
--set may change what alters no decision already made: the budget, retries, timeouts, what is kept, the trainer.
If the experiment file was edited since the run began, resume says what differs; --from FILE applies what may
change. A run that was moved or copied together with its experiment file trains with the code beside that file.

Before it trains, pbt checks that the journal and the checkpoints are as they were recorded. If they are not, it
refuses, and names what differs. --accept-altered trains on regardless: decisions then rest on the altered data, the
journal records that, and pbt verify reports the run as altered from then on.`,
		Example: "  pbt resume runs/digits-1 --set budget.steps=8000\n  pbt resume runs/digits-1 --from experiment.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			f.dir = args[0]
			if err := isExperimentFile(f.dir); err != nil {
				return err
			}
			return f.resume(cmd)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.acceptAltered, "accept-altered", false, "train on though the journal or checkpoints were altered")
	c.Flags().StringVar(&f.from, "from", "", "apply what may change of an experiment `file`")
	c.Flags().BoolVar(&f.revive, "retry-failed", false, "train members on that have failed, with what is left of their budget")
	c.Flags().BoolVar(&f.charge, "charge-failures", false, "charge failures that could not be confirmed to their members, if they happen again")
	return c
}

func (f *runFlags) resume(cmd *cobra.Command) error {
	if _, live, err := journal.OwnerOf(f.dir); err == nil && live && len(f.sets) == 0 && f.from == "" {
		// Paused by hand, it waits in its process; if not, opening it says who has it.
		if done, err := askRun(f.dir, api.Command{Verb: api.VerbResume}); err == nil {
			if f.asJSON {
				return printJSON(cmd, done)
			}
			fmt.Fprintln(cmd.OutOrStdout(), clean(done.Say))
			return nil
		}
	}
	old, err := storedExperiment(f.dir)
	if err != nil {
		return err
	}
	stored, err := json.Marshal(old)
	if err != nil {
		return err
	}
	from, err := f.prepareResume(cmd.Context(), cmd.ErrOrStderr(), old)
	if err != nil {
		return err
	}
	exp, err := config.FromJSON(stored, f.options(cmd)...)
	if err != nil {
		return err
	}
	if err := checkWorkdir(&exp.Trainer, f.dir); err != nil {
		return usageError{err}
	}
	allowed, refused := config.Changes(old, exp)
	if len(refused) > 0 {
		return usageError{fmt.Errorf("this would change decisions already made; start a new run for it: %s", refused)}
	}
	c, show, err := f.config(cmd, exp)
	if err != nil {
		return err
	}
	if len(allowed) > 0 {
		if c.Change, err = change(exp, allowed); err != nil {
			return err
		}
	}
	c.AcceptAltered = f.acceptAltered
	c.Charge, c.Revive = f.charge, f.revive
	e, err := engine.Open(c)
	if err != nil {
		return err
	}
	warnAccepted(cmd.ErrOrStderr(), f.dir, e.Accepted())
	if err := errors.Join(tellMissing(cmd.ErrOrStderr(), f.dir, e.Machine()), f.noteOrigin(cmd.ErrOrStderr(), from, &exp.Trainer)); err != nil {
		return errors.Join(err, e.Close())
	}
	if phase, reason := e.Machine().Phase(); phase == machine.PhaseEnded {
		fmt.Fprintf(cmd.ErrOrStderr(), "the run has ended already: %s. To train on: pbt resume %s --set budget.steps=…\n", clean(reason), safe.Path(f.dir))
		return errors.Join(e.Close(), f.finish(cmd, e.Machine()))
	}
	return f.train(cmd, e, show)
}

// warnAccepted says what --accept-altered has accepted, and what that means.
func warnAccepted(w io.Writer, dir string, accepted []machine.Accepted) {
	if len(accepted) == 0 {
		return
	}
	fmt.Fprintf(w, "pbt: WARNING: %s was altered. Every decision from now on rests on what it holds now:\n", clean(dir))
	for _, a := range accepted {
		fmt.Fprintf(w, "pbt:   %s\n", clean(a.What))
	}
	fmt.Fprintln(w, "pbt: A checkpoint of which files are damaged is not loaded: its member is repaired, as repair: says. The journal\n"+
		"pbt: records that this was accepted, and pbt verify reports the run as altered from now on.")
}

func change(exp *config.Experiment, paths []string) (*machine.Change, error) {
	spec, err := exp.Spec()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(exp)
	return &machine.Change{Spec: spec, Experiment: text, Paths: paths}, err
}
