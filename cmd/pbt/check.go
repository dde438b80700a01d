package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/rehearsal"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// checkFlags are those of pbt check.
type checkFlags struct {
	runFlags
	steps int64
	limit time.Duration
	keep  bool
}

func newCheck() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use: "check FILE", Short: "Rehearse an experiment's trainer for a minute, before a run", Args: cobra.ExactArgs(1),
		Long: `Test the trainer of an experiment file with short segments: train, save, load in a fresh process, train
again with other seeds and hyperparameters, load a damaged checkpoint. Print what is wrong, what it
means, and how long the run takes. The trainer sees ordinary segments. All files are removed at the end.

A check mark (✓) means that an experiment was made that could have failed. Without one, the line says
"not tested" and why. docs/check.md lists each experiment, what it proves, and its power.

Exit code 0 if nothing is wrong (there may be warnings), 1 if something is, 2 for a bad file.`,
		Example: "  pbt check experiment.yaml\n  pbt check experiment.yaml --steps 100 --time 10m",
		RunE: func(cmd *cobra.Command, args []string) error {
			exp, _, err := readExperiment(cmd.Context(), args[0], f.options(cmd))
			if err != nil {
				return err
			}
			if f.steps < 0 || f.limit <= 0 {
				return usageError{errors.New("--steps and --time must be above 0")}
			}
			return f.check(cmd, exp)
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.dir, "dir", "", "a `directory` on the disk that the run will use (default: runs, or the current one)")
	c.Flags().Int64Var(&f.steps, "steps", 0, "`number` of training steps of a rehearsed segment (default: the experiment's, or as many as the time allows)")
	c.Flags().DurationVar(&f.limit, "time", rehearsal.DefaultLimit, "time limit; optional checks are skipped after it")
	c.Flags().BoolVar(&f.keep, "keep", false, "keep the rehearsal's directory, with the trainer's output in logs/")
	return c
}

func (f *checkFlags) add(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.sets, "set", nil, "set a value of the experiment file: `path=value` (may be repeated)")
	c.Flags().IntVar(&f.slots, "slots", 0, "`number` of trainers at a time (default: as in the experiment file)")
	c.Flags().BoolVar(&f.quiet, "quiet", false, "print nothing but the end")
	jsonFlag(c, &f.asJSON)
}

// check rehearses in a directory of its own, and tells what it has found.
func (f *checkFlags) check(cmd *cobra.Command, exp *config.Experiment) (err error) {
	dir, err := f.tempDir()
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, sweepTrainers(dir))
		if f.keep {
			fmt.Fprintf(cmd.ErrOrStderr(), "kept: %s\n", dir)
			return
		}
		err = errors.Join(err, disk.RemoveAll(dir))
	}()
	c, err := f.config(cmd, exp, dir)
	if err != nil {
		return err
	}
	report, err := rehearsal.Run(cmd.Context(), c)
	if errors.Is(err, errInterrupted) {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if f.asJSON {
		err = printJSON(cmd, report)
	} else {
		err = showReport(cmd.OutOrStdout(), exp, report)
	}
	if err == nil && report.Worst() == rehearsal.Wrong {
		err = silent{errors.New("something is wrong with the trainer")}
	}
	return err
}

// config wires the rehearsal to the slots that a run would use.
func (f *checkFlags) config(cmd *cobra.Command, exp *config.Experiment, dir string) (rehearsal.Config, error) {
	var c rehearsal.Config
	spec, err := exp.Spec()
	if err != nil {
		return c, err
	}
	newSlot, err := slotsOf(exp, dir, cmd.ErrOrStderr())
	if err != nil {
		return c, err
	}
	store, err := checkpoint.Open(filepath.Join(dir, engine.CheckpointDir))
	if err != nil {
		return c, err
	}
	free, err := freeBytes(dir)
	if err != nil {
		return c, err
	}
	c = rehearsal.Config{
		NewSlot: newSlot, Store: store, Spec: spec, Metric: exp.Metric, Slots: exp.Trainer.Slots, Kind: kindOf(exp),
		Steps: f.steps, Limit: f.limit, Grace: rehearsal.DefaultGrace, Free: free,
		NeverLoads: exp.Trainer.IsTemplate() && !exp.Trainer.Loads(),
		Memory:     func() int64 { return rehearsal.MemoryOf(protocol.EnvRunDir + "=" + dir) },
	}
	if exp.Trainer.Builtin == "" {
		c.Grace = min(exp.Trainer.Grace, trainer.DefaultStopGrace)
	}
	if !f.quiet {
		c.Say = func(text string) { fmt.Fprintf(cmd.ErrOrStderr(), "… %s\n", clean(text)) }
	}
	return c, nil
}

func kindOf(exp *config.Experiment) rehearsal.Kind {
	switch {
	case exp.Trainer.Builtin != "":
		return rehearsal.InProcess
	case exp.Trainer.IsTemplate():
		return rehearsal.Template
	}
	return rehearsal.Client
}

// tempDir makes the rehearsal's directory beside where runs go, so that its disk is theirs.
func (f *checkFlags) tempDir() (string, error) {
	parent := f.dir
	if parent == "" {
		parent = "."
		if info, err := os.Stat("runs"); err == nil && info.IsDir() {
			parent = "runs"
		}
	}
	dir, err := disk.MkdirTemp(parent, ".pbt-check-")
	if err != nil {
		return "", usageError{fmt.Errorf("make a directory for the rehearsal: %w", err)}
	}
	return filepath.Abs(dir)
}

// freeBytes are those free on a directory's disk.
func freeBytes(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("ask how much space is free in %s: %w", dir, err)
	}
	return int64(s.Bavail) * s.Bsize, nil
}

// Widths of the report.
const (
	checkWidth = 110 // of a line
	nameWidth  = 12  // of a check's name, with the gap after it

	warmUpWorthAWord = 0.1 // of a process's start
)

var marks = map[rehearsal.Level]string{rehearsal.OK: "✓", rehearsal.Warning: "!", rehearsal.Wrong: "✗", rehearsal.Note: "·", rehearsal.Unknown: "–"}

// showReport prints a rehearsal's report for people.
func showReport(w io.Writer, exp *config.Experiment, r *rehearsal.Report) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s rehearsed in %s\n\n", clean(exp.Name), plural.Of(r.Segments, "segment"), rehearsal.Duration(r.Seconds))
	counts := map[rehearsal.Level]int{}
	for i := 0; i < len(r.Findings); i++ {
		f := r.Findings[i]
		counts[f.Level]++
		names := f.Check
		for f.Level == rehearsal.Unknown && i+1 < len(r.Findings) && r.Findings[i+1].Says == f.Says { // one reason for many
			i++
			counts[f.Level]++
			names += ", " + r.Findings[i].Check
		}
		text, rest, _ := strings.Cut(clean(f.Says), "\n") // the end of a program's output
		if names != f.Check {
			text, names = names+": "+text, ""
		}
		b.WriteString(hang(fmt.Sprintf("  %s %-*s", marks[f.Level], nameWidth, names), text))
		for line := range strings.Lines(rest) {
			fmt.Fprintf(&b, "%*s| %s\n", nameWidth+4, "", strings.TrimRight(line, "\n"))
		}
		if f.Hint != "" && f.Level != rehearsal.OK {
			b.WriteString(hang(strings.Repeat(" ", nameWidth+4), "→ "+clean(f.Hint)))
		}
	}
	if r.Times.Segment > 0 {
		showTimes(&b, r)
	}
	b.WriteString("\n" + verdictOf(counts))
	if r.Times.Segment == 0 {
		b.WriteString("; what comes after it was not tried")
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func verdictOf(counts map[rehearsal.Level]int) string {
	text := "nothing is wrong"
	switch wrong := counts[rehearsal.Wrong]; {
	case wrong == 1:
		text = "1 thing is wrong"
	case wrong > 1:
		text = fmt.Sprintf("%d things are wrong", wrong)
	}
	if n := counts[rehearsal.Warning]; n > 0 || counts[rehearsal.Wrong] > 0 {
		text += ", " + plural.Of(n, "warning")
	}
	if n := counts[rehearsal.Unknown]; n > 0 {
		text += fmt.Sprintf(", %d not tested", n)
	}
	return text
}

// hang wraps a text beside its head.
func hang(head, text string) string {
	var b strings.Builder
	indent := utf8.RuneCountInString(head)
	b.WriteString(head)
	at := indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > checkWidth:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String() + "\n"
}

// showTimes tells where the time goes, and what the run takes.
func showTimes(b *strings.Builder, r *rehearsal.Report) {
	t, e := r.Times, r.Estimate
	fmt.Fprintf(b, "\na segment of %s\n", plural.Of(t.Steps, "step"))
	var parts []string
	for _, part := range []struct {
		name string
		s    float64
	}{{"train", t.Train}, {"start, load, measure and save", t.Program}, {"evaluate", t.Eval}, {"load", t.Load}, {"save", t.Save}, {"make durable", t.Publish}} {
		if part.s > 0 {
			parts = append(parts, fmt.Sprintf("%s %s (%.0f %%)", part.name, rehearsal.Duration(part.s), 100*part.s/t.Segment))
		}
	}
	fmt.Fprintf(b, "  %s\n", strings.Join(parts, "  "))
	parts = nil
	if t.PerStep > 0 {
		parts = append(parts, fmt.Sprintf("%.3g steps a second", 1/t.PerStep))
	}
	if e.Together > 0 {
		parts = append(parts, fmt.Sprintf("beside others a segment takes %.2g times as long", e.Together))
	}
	if t.Start > 0 {
		text := fmt.Sprintf("a process takes %s to start", rehearsal.Duration(t.Start))
		if t.WarmUp > warmUpWorthAWord*t.Start {
			text += fmt.Sprintf(", and %s more with its first segment", rehearsal.Duration(t.WarmUp))
		}
		parts = append(parts, text)
	}
	if len(parts) > 0 {
		fmt.Fprintf(b, "  %s\n", strings.Join(parts, "; "))
	}
	fmt.Fprintf(b, "\nthe run\n  %s, %d at a time", plural.Of(e.Members, "member"), e.Slots)
	if e.ReadyPoints > 0 {
		fmt.Fprintf(b, ", %s each", plural.Of(e.ReadyPoints, "segment"))
	}
	if e.Seconds > 0 {
		fmt.Fprintf(b, ": about %s", rehearsal.Duration(e.Seconds))
	}
	fmt.Fprintf(b, "; all have been scored once after %s\n", rehearsal.Duration(e.FirstReady))
	if e.Memory > 0 {
		fmt.Fprintf(b, "  memory: %.0f MB for each trainer\n", float64(e.Memory)/1e6)
	}
}
