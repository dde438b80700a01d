package main

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/examples/digits"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// builtins are the trainers in this binary: `trainer: {builtin: NAME}`.
var builtins = map[string]trainer.New{
	"digits":    digits.New,
	"quadratic": quadratic.New,
}

func builtinNames() []string { return slices.Sorted(maps.Keys(builtins)) }

// slotsOf says how an experiment's slots train, in a run's directory. What is wrong
// with a slot's log while the run is on is told on w.
func slotsOf(exp *config.Experiment, dir string, w io.Writer) (func(int) trainer.Slot, error) {
	t := &exp.Trainer
	if t.Builtin != "" {
		fresh, ok := builtins[t.Builtin]
		if !ok {
			return nil, fmt.Errorf("this pbt has no built-in trainer %q: it has %s", t.Builtin, builtinNames())
		}
		return func(int) trainer.Slot { return trainer.InProcess(fresh) }, nil
	}
	hosts, err := hostsOf(t, dir)
	if err != nil {
		return nil, err
	}
	newSlot := clientSlots
	if t.IsTemplate() {
		newSlot = templateSlots
	}
	if _, err := newSlot(t, hosts[0]); err != nil { // what is wrong with one is wrong with all
		return nil, err
	}
	return func(n int) trainer.Slot {
		for n > len(hosts) { // slots that were added since; checkSlots has said that they fit
			more := *t
			more.Slots = n
			if hosts, err = hostsOf(&more, dir); err != nil {
				return trainer.Broken(err)
			}
		}
		host := hosts[n-1]
		host.Log = openLog(dir, host.Slot, w)
		s, _ := newSlot(t, host) // has succeeded before
		return s
	}, nil
}

// checkSlots tells whether an experiment's slots have places to run in.
func checkSlots(t *config.Trainer, dir string) error {
	if t.Builtin != "" {
		return nil
	}
	_, err := hostsOf(t, dir)
	return err
}

// hostsOf are the places that an experiment's slots run in.
func hostsOf(t *config.Trainer, dir string) ([]trainer.Host, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var gpus []string
	if t.AllGPUs {
		gpus = trainer.VisibleGPUs()
	}
	cpus, err := cpusToPin(t)
	if err != nil {
		return nil, err
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(t.Env)) {
		env = append(env, name+"="+t.Env[name])
	}
	hosts := make([]trainer.Host, t.Slots)
	for i := range hosts {
		h := trainer.Host{
			Slot: engine.SlotName(i + 1), RunDir: dir, Dir: t.Workdir, Env: env, Threads: t.CPUsPerSlot,
			GPUShare: min(1, t.GPUsPerSlot), Memory: t.Memory, Grace: min(t.Grace, trainer.DefaultStopGrace),
		}
		if h.GPUs, err = t.GPUsOf(i, gpus); err != nil {
			return nil, err
		}
		if cpus != nil {
			h.CPUs = cpus[i*t.CPUsPerSlot : (i+1)*t.CPUsPerSlot]
		}
		hosts[i] = h
	}
	return hosts, nil
}

// cpusToPin are the CPUs to share out among slots that are to be bound to some; nil
// if they are not.
func cpusToPin(t *config.Trainer) ([]int, error) {
	if !t.Pin {
		return nil, nil
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("ask which CPUs this process may run on: %w", err)
	}
	var cpus []int
	for cpu := range len(set) * strconv.IntSize {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	if need := t.Slots * t.CPUsPerSlot; need > len(cpus) {
		return nil, fmt.Errorf("trainer.pin: %d slots with %d CPUs each need %d, and pbt may run on %d: lower trainer.slots or trainer.cpus_per_slot, or do not pin", t.Slots, t.CPUsPerSlot, need, len(cpus))
	}
	return cpus, nil
}

// logDir is where the output of a run's trainers goes.
const logDir = "logs"

// openLog opens a slot's log; without one, training goes on.
func openLog(dir, slot string, w io.Writer) *process.Log {
	path := filepath.Join(dir, logDir, slot+".log")
	err := disk.In(dir).MkdirAll(logDir, 0o777)
	if err == nil {
		var log *process.Log
		if log, err = process.OpenLog(path, 0); err == nil {
			return log
		}
	}
	fmt.Fprintf(w, "pbt: the output of %s is not logged: %v\n", slot, err)
	return nil
}

func clientSlots(t *config.Trainer, h trainer.Host) (trainer.Slot, error) {
	args, err := config.Expand(t.Command, func(string) (string, bool) { return "", false }) // only {{ and }}
	if err != nil {
		return nil, err
	}
	return trainer.NewClient(trainer.Client{
		Host: h, Args: args, Version: version,
		StartTimeout: t.StartTimeout, StepTimeout: t.StepTimeout, SaveTimeout: t.SaveTimeout, Silence: t.Silence,
	})
}

func templateSlots(t *config.Trainer, h trainer.Host) (trainer.Slot, error) {
	score := trainer.ScoreSource{JSON: t.Score.JSON, Regex: t.Score.Regex, File: t.Score.File}
	if csv := t.Score.CSV; csv.File != "" {
		score.File, score.Column = csv.File, csv.Column
	}
	return trainer.NewCommand(trainer.Command{
		Host:        h,
		Args:        func(j trainer.Job) ([]string, error) { return config.Expand(t.Command, jobValues(j)) },
		Score:       score,
		StepTimeout: t.StepTimeout,
	})
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
		case "weight_seed":
			return strconv.FormatUint(j.WeightSeed>>33, 10), true
		case "save":
			return j.Save, true
		case "load":
			return j.Load, j.Load != ""
		}
		v, ok := j.Hypers.Get(name)
		if !ok && name == "until" { // a hyperparameter of this name is older than the placeholder
			return strconv.FormatInt(j.From+j.Steps, 10), true
		}
		if !ok {
			return "", false
		}
		if text, isText := v.Text(); isText {
			return text, true
		}
		return string(v.AppendJSON(nil)), true
	}
}
