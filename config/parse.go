package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/seed-7a1a2db0/pbt/machine"
)

// Option changes how an experiment is read.
type Option func(*options)

type options struct {
	sets     []string
	builtins []string
	dir      string

	knowBuiltins bool // builtins lists them all
	stored       bool // by a pbt that may be older: what it accepted stays readable
}

// Set applies assignments, path=value, to the document before it is checked, as
// if they stood in it: Set("budget.steps=8000", "hyperparameters.lr.log=[1e-4, 1e-2]").
// The value is YAML; null takes a key away, so that its default holds.
func Set(assignments ...string) Option {
	return func(o *options) { o.sets = append(o.sets, assignments...) }
}

// Builtins says which built-in trainers there are. Without it any name passes.
func Builtins(names ...string) Option {
	return func(o *options) { o.builtins, o.knowBuiltins = append(o.builtins, names...), true }
}

// Dir is the directory where a relative trainer.workdir begins. Without it, or
// for an absolute one, workdir stays as written.
func Dir(dir string) Option { return func(o *options) { o.dir = dir } }

// Parse reads an experiment file. name is the file's, for complaints and for the
// experiment's default name. The error is an *Error with every complaint.
func Parse(name string, data []byte, opts ...Option) (*Experiment, error) {
	var faults complaints
	doc := loadYAML(&source{name: name}, data, &faults)
	if doc == nil {
		return nil, faults.err()
	}
	return build(doc, name, &faults, opts)
}

// FromJSON reads back what MarshalJSON wrote, exactly. It fills in defaults for
// fields that are newer than the JSON, and refuses fields it does not know. Rules
// for commands that are newer hold for those that are Set.
func FromJSON(data []byte, opts ...Option) (*Experiment, error) {
	const name = "experiment.json"
	doc, err := loadJSON(&source{name: name}, data)
	if err != nil {
		return nil, fmt.Errorf("reading the stored experiment: %w", err)
	}
	var faults complaints
	return build(doc, name, &faults, append([]Option{func(o *options) { o.stored = true }}, opts...))
}

// SpecOf makes the spec of an experiment as a journal stores it: the
// machine.SpecFunc of every run that began with an experiment file.
func SpecOf(stored []byte) (machine.Spec, error) {
	e, err := FromJSON(stored)
	if err != nil {
		return machine.Spec{}, err
	}
	return e.Spec()
}

// UnmarshalJSON is FromJSON.
func (e *Experiment) UnmarshalJSON(data []byte) error {
	read, err := FromJSON(data)
	if err == nil {
		*e = *read
	}
	return err
}

// build goes from a document to an experiment: assign, check, decode.
func build(doc *node, name string, faults *complaints, opts []Option) (*Experiment, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	for _, argument := range o.sets {
		doc = assign(doc, argument, faults)
	}
	c := &checker{complaints: faults, bad: map[*node]bool{}}
	if !experiment.fits(doc) {
		c.add(doc.at, "", "found %s; an experiment is a mapping, such as\n%s", doc.found(), smallest)
		return nil, faults.err()
	}
	c.against(experiment, doc, "")
	d := &decoder{checker: c, options: o, file: name}
	e := d.experiment(doc)
	if err := faults.err(); err != nil {
		return nil, err
	}
	// What is left is what only the rules themselves know. The checks above should
	// have found it with its place; this is the net below them.
	if _, err := e.Spec(); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			c.addStrict(doc.at, "", "%s", line)
		}
		return nil, faults.err()
	}
	return e, nil
}

// smallest is the smallest experiment.
const smallest = `budget: {steps: 4000}
hyperparameters:
  lr: {log: [1e-5, 1e-1]}
trainer: {command: [python, train.py]}`

var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// baseName is a file's name as an experiment's: "my exp.yaml" becomes my-exp.
func baseName(file string) string {
	base := filepath.Base(file)
	base = strings.TrimSuffix(base, filepath.Ext(base))
	base = strings.TrimLeft(notInName.ReplaceAllString(base, "-"), "-._")
	if base == "" {
		return "experiment"
	}
	return base[:min(len(base), 64)]
}
