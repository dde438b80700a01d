package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/examples/digits"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// builtins are the trainers in this binary: `trainer: {builtin: NAME}`.
var builtins = map[string]trainer.New{
	"digits":    digits.New,
	"quadratic": quadratic.New,
}

func builtinNames() []string { return slices.Sorted(maps.Keys(builtins)) }

// slotsOf says how an experiment's slots train.
func slotsOf(exp *config.Experiment) (func(int) trainer.Slot, error) {
	t := exp.Trainer
	if t.Builtin != "" {
		fresh, ok := builtins[t.Builtin]
		if !ok {
			return nil, fmt.Errorf("this pbt has no built-in trainer %q: it has %s", t.Builtin, builtinNames())
		}
		return func(int) trainer.Slot { return trainer.InProcess(fresh) }, nil
	}
	c := trainer.Command{
		Args:  func(j trainer.Job) ([]string, error) { return config.Expand(t.Command, jobValues(j)) },
		Dir:   t.Workdir,
		Score: trainer.ScoreSource{JSON: t.Score.JSON, Regex: t.Score.Regex, File: t.Score.File},
	}
	for _, name := range slices.Sorted(maps.Keys(t.Env)) {
		c.Env = append(c.Env, name+"="+t.Env[name])
	}
	if _, err := trainer.NewCommand(c); err != nil {
		return nil, err
	}
	return func(int) trainer.Slot {
		s, _ := trainer.NewCommand(c) // has just succeeded
		return s
	}, nil
}

// jobValues are the values of a command's placeholders for a job.
func jobValues(j trainer.Job) func(name string) (string, bool) {
	return func(name string) (string, bool) {
		switch name {
		case "steps":
			return strconv.FormatInt(j.Steps, 10), true
		case "from":
			return strconv.FormatInt(j.From, 10), true
		case "segment":
			return strconv.FormatInt(j.ID, 10), true
		case "member":
			return strconv.Itoa(j.Member), true
		case "seed":
			// 31 bits: what every language's generator takes
			return strconv.FormatUint(j.Seed>>33, 10), true
		case "save":
			return j.Save, true
		case "load":
			return j.Load, j.Load != ""
		}
		v, ok := j.Hypers.Get(name)
		if !ok {
			return "", false
		}
		if text, isText := v.Text(); isText {
			return text, true
		}
		return string(v.AppendJSON(nil)), true
	}
}
