package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// Limits of what is read of a run's origin, and told of it.
const (
	maxOriginBytes = 4 << 20
	maxCodeFiles   = 100
	maxCodeBytes   = 64 << 20
	maxTold        = 12 // lines
)

// origin is where a run came from, as its directory keeps it. It decides nothing: a run
// without it trains where its journal says.
type origin struct {
	File        string            `json:"file"`              // the experiment file; absolute
	FileFromRun string            `json:"file_from_run"`     // the same, relative to the run's directory
	Run         string            `json:"run"`               // the run's directory; absolute
	Workdir     string            `json:"workdir"`           // the trainer's, relative to the experiment file; "" if it was absolute
	Sets        []string          `json:"sets,omitempty"`    // what the command line set when the run began
	Code        map[string]string `json:"code,omitempty"`    // SHA-256 of the files that the trainer's command names
	Derived     bool              `json:"derived,omitempty"` // of a branch or replay: its settings are not the file's
}

// newOrigin notes where an experiment file lies. It is nil where the experiment came
// through a pipe.
func newOrigin(path string, source []byte, options []config.Option, sets []string) *origin {
	file, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	o := &origin{File: file, Sets: slices.Clone(sets)}
	if exp, err := config.Parse(path, source, options...); err == nil && !filepath.IsAbs(exp.Trainer.Workdir) {
		o.Workdir = filepath.Clean(exp.Trainer.Workdir)
	}
	return o
}

// kept is what a new run's directory keeps of an origin; nil if there is none.
func (o *origin) kept(dir string, t *config.Trainer) ([]byte, error) {
	if o == nil {
		return nil, nil
	}
	return o.text(dir, t)
}

// text is what is kept of an origin in a run's directory.
func (o *origin) text(dir string, t *config.Trainer) ([]byte, error) {
	run, err := realPath(dir)
	if err != nil {
		return nil, err
	}
	kept := *o
	kept.Run = run
	home, err := realPath(filepath.Dir(o.File))
	if err != nil {
		return nil, err
	}
	if kept.FileFromRun, err = filepath.Rel(run, filepath.Join(home, filepath.Base(o.File))); err != nil {
		return nil, err
	}
	if kept.Code == nil {
		kept.Code = codeOf(t)
	}
	text, err := json.MarshalIndent(&kept, "", "  ")
	return append(text, '\n'), err
}

// note replaces the origin in a run's directory. The run must be the caller's alone.
func (o *origin) note(dir string, t *config.Trainer) error {
	text, err := o.text(dir, t)
	if err == nil {
		err = disk.In(dir).WriteFileAlone(engine.OriginFile, text, 0o666)
	}
	if err != nil {
		return fmt.Errorf("note where the run's experiment file is: %w", err)
	}
	return nil
}

// realPath is a path without links, absolute, as far as it exists.
func realPath(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for dir, rest := abs, ""; ; dir, rest = filepath.Dir(dir), filepath.Join(filepath.Base(dir), rest) {
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			return filepath.Join(real, rest), nil
		}
		if dir == filepath.Dir(dir) {
			return abs, nil
		}
	}
}

// readOrigin reads a run's origin; nil if it has none that can be read.
func readOrigin(dir string) *origin {
	text, err := readAtMost(context.Background(), filepath.Join(dir, engine.OriginFile), maxOriginBytes)
	if err != nil {
		return nil
	}
	var o origin
	if json.Unmarshal(text, &o) != nil || o.File == "" || o.Run == "" {
		return nil
	}
	return &o
}

// derived is the origin of a run that another one's experiment became: nil if that has none.
func (o *origin) derived() *origin {
	if o == nil {
		return nil
	}
	return &origin{File: o.File, Workdir: o.Workdir, Derived: true}
}

// setAtStart is what the command line set when the run began, as far as it is known.
func (o *origin) setAtStart() []string {
	if o == nil {
		return nil
	}
	return o.Sets
}

// moved finds the experiment file of a run whose directory was moved or copied together
// with it, and tells whether it was.
func (o *origin) moved(dir string) (*origin, bool) {
	run, err := realPath(dir)
	if err != nil || run == o.Run || o.FileFromRun == "" {
		return o, false
	}
	file := filepath.Join(run, o.FileFromRun)
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() || file == o.File {
		return o, false
	}
	there := *o
	there.File, there.Run = file, run
	return &there, true
}

// trainerDir is where the trainer's relative working directory is now.
func (o *origin) trainerDir() string { return filepath.Join(filepath.Dir(o.File), o.Workdir) }

// relocate gives the trainer of a run that was moved or copied the directory of the copy.
// It returns the origin as it is now, nil if there is none, and says what it did.
func relocate(dir string, exp *config.Experiment) (now *origin, say string) {
	was := readOrigin(dir)
	if was == nil || exp.Trainer.Builtin != "" {
		return was, ""
	}
	now, moved := was.moved(dir)
	if !moved || was.Workdir == "" || filepath.Clean(exp.Trainer.Workdir) != was.trainerDir() {
		return now, ""
	}
	exp.Trainer.Workdir = now.trainerDir()
	return now, fmt.Sprintf("the run began in %s and is now in %s: its trainer runs in %s, with the code there", was.Run, now.Run, exp.Trainer.Workdir)
}

// checkWorkdir refuses a trainer whose directory is missing, before it fails for each member.
func checkWorkdir(t *config.Trainer, dir string) error {
	if t.Builtin != "" || t.Workdir == "" {
		return nil
	}
	if info, err := os.Stat(t.Workdir); err != nil || !info.IsDir() {
		return fmt.Errorf("the trainer's directory %s is missing: was the project moved? Say where it is: pbt resume %s --set trainer.workdir=%s", t.Workdir, safe.Path(dir), "DIRECTORY")
	}
	return nil
}

// codeOf hashes the files that a trainer's command names, by the names it gives them.
func codeOf(t *config.Trainer) map[string]string {
	code := map[string]string{}
	for i, word := range t.Command {
		parts, err := config.ParseArgument(word)
		if err != nil || len(parts) != 1 || parts[0].Name != "" || len(code) >= maxCodeFiles {
			continue
		}
		name := parts[0].Text
		if i == 0 && !strings.ContainsRune(name, filepath.Separator) {
			continue // a program that is looked for in PATH
		}
		path := name
		if !filepath.IsAbs(path) {
			path = filepath.Join(t.Workdir, name)
		}
		if sum, err := hashFile(path); err == nil {
			code[name] = sum
		}
	}
	return code
}

// errNoCode is of what is no file, or too large to be code.
var errNoCode = errors.New("no file of code")

func hashFile(path string) (string, error) {
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() || info.Size() > maxCodeBytes {
		return "", errors.Join(err, errNoCode)
	}
	f, err := disk.OpenNamed(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, maxCodeBytes)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// otherCode says which files of the trainer's command are not those that the run began with.
func (o *origin) otherCode(t *config.Trainer) string {
	now := codeOf(t)
	var names []string
	for _, name := range slices.Sorted(maps.Keys(o.Code)) {
		if now[name] != o.Code[name] {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("the trainer's code differs from what the run began with: %s. Segments from now on train with the new code; recorded ones stay as they are", strings.Join(names, ", "))
}

// fileSettings are the experiment file as it is now and as it was when the run began, each
// with what the command line set then.
func (o *origin) fileSettings(ctx context.Context, dir string) (then, now *config.Experiment, err error) {
	old, err := disk.In(dir).ReadFile(engine.ExperimentFile)
	if err != nil {
		return nil, nil, err
	}
	text, err := readAtMost(ctx, o.File, config.MaxFileSize+1)
	if err != nil {
		return nil, nil, err
	}
	options := []config.Option{config.Set(o.Sets...), config.Builtins(builtinNames()...), config.Dir(filepath.Dir(o.File))}
	if then, err = config.Parse(o.File, old, options...); err != nil {
		return nil, nil, err
	}
	now, err = config.Parse(o.File, text, options...)
	if err == nil && !config.Gives(text, "segment") {
		now.Segment = then.Segment // derived from the budget when the run began
	}
	return then, now, err
}

// edited says how the experiment file differs from the run, as far as it was edited since
// the run began, and how to apply that; "" if it was not.
func (o *origin) edited(ctx context.Context, dir string, run *config.Experiment) string {
	if o.Derived {
		return ""
	}
	then, now, err := o.fileSettings(ctx, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ""
	case err != nil:
		return fmt.Sprintf("%s cannot be read as it is now; the run keeps its own settings: %v", o.File, err)
	}
	applicable, fixed := config.Changes(run, now)
	a, f := config.Changes(then, now)
	since := map[string]bool{} // paths that were edited
	for _, sentence := range slices.Concat(a, f) {
		path, _, _ := strings.Cut(sentence, ": ")
		since[path] = true
	}
	keep := func(list []string) []string {
		return slices.DeleteFunc(list, func(s string) bool { path, _, _ := strings.Cut(s, ": "); return !since[path] })
	}
	applicable, fixed = keep(applicable), keep(fixed)
	if len(applicable)+len(fixed) == 0 {
		return ""
	}
	say := o.File + " was edited since the run began; the run keeps its own settings:" + listed(applicable, "") + listed(fixed, " (needs a new run)")
	if len(applicable) > 0 {
		say += fmt.Sprintf("\nApply what may change with: pbt resume %s --from %s", safe.Path(dir), safe.Path(o.File))
	}
	return say
}

// listed are sentences on lines of their own.
func listed(sentences []string, note string) string {
	var b strings.Builder
	for i, s := range sentences {
		if i == maxTold {
			fmt.Fprintf(&b, "\n  and %d more", len(sentences)-i)
			break
		}
		b.WriteString("\n  " + s + note)
	}
	return b.String()
}
