package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binary is pbt, built as `make build` does.
func (b *bench) binary() (string, error) {
	if b.pbt != "" {
		return b.pbt, nil
	}
	path := filepath.Join(b.dir, "pbt")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=benchmark", "-o", path, "github.com/seed-7a1a2db0/pbt/cmd/pbt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build pbt: %w", err)
	}
	b.pbt = path
	return path, nil
}

// benchCommands times whole processes, in turns with one that does nothing.
func benchCommands(b *bench) ([]Row, error) {
	pbt, err := b.binary()
	if err != nil {
		return nil, err
	}
	run := journalSetting{Dir: filepath.Join(b.dir, "small"), Members: 16, Slots: 2, Events: 1000}
	if _, err := once("write", run); err != nil {
		return nil, err
	}
	commands := [][]string{
		{"true"}, {pbt, "version"}, {pbt, "version", "--json"}, {pbt, "--help"},
		{pbt, "status", run.Dir}, {pbt, "status", run.Dir, "--json"}, {pbt, "schema"},
	}
	samples := make([][]Sample, len(commands))
	for range b.pick(41, 5) {
		for i, c := range commands {
			s, err := wholeProcess(c[0], c[1:]...)
			if err != nil {
				return nil, err
			}
			samples[i] = append(samples[i], s)
		}
	}
	t := &Table{Columns: []string{"command", "ms", "ms CPU"}}
	for i, c := range commands {
		name := filepath.Base(c[0])
		for _, arg := range c[1:] {
			if arg == run.Dir {
				arg = "DIR"
			}
			name += " " + arg
		}
		t.add(name, median(samples[i], Sample.WallEach)/1e6, median(samples[i], Sample.CPUEach)/1e6)
	}
	return []Row{
		{Measure: "pbt version, whole process", Target: atMost(30), Unit: "ms", Value: median(samples[1], Sample.WallEach) / 1e6, Table: t,
			Note: fmt.Sprintf("Medians of %d, in turns. DIR is a run of 16 members and 1,000 events; `true` is what starting any process costs here.", len(samples[1]))},
		{Measure: "pbt status of a run of 16 members, whole process", Unit: "ms", Value: median(samples[4], Sample.WallEach) / 1e6},
	}, nil
}
