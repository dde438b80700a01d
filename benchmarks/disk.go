package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// checkpointBytes is how large the checkpoints are.
const checkpointBytes = 1 << 10

const weightsFile = "weights"

var weights = make([]byte, checkpointBytes)

// noop is a trainer that does nothing: what a run with it takes is pbt itself.
type noop struct {
	gate *gate // nil: never waits
	seed uint64
}

// newNoop makes trainers that pass a gate before each segment. Without a gate
// they do not even save: the disk is one that has their files already.
func newNoop(g *gate) trainer.New {
	return func(seed uint64) (trainer.Trainer, error) { return &noop{gate: g, seed: seed}, nil }
}

func (t *noop) Step(ctx context.Context, s trainer.Segment) error {
	t.seed = s.Seed
	if t.gate == nil {
		return nil
	}
	return t.gate.pass(ctx)
}

func (t *noop) Eval(context.Context) (trainer.Evaluation, error) {
	return trainer.Evaluation{Score: pbt.NewRand(t.seed, 0, 0, "benchmark", "").Float64()}, nil
}

func (t *noop) Save(dir string) error {
	if t.gate == nil || !t.gate.saves {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, weightsFile), weights, 0o666)
}

func (t *noop) Load(string) error { return nil }

// gate lets a given number of segments through, and then holds everybody until
// the next turn.
type gate struct {
	saves   bool
	permits chan struct{}
	arrived chan struct{} // somebody has begun to wait
}

func newGate(slots int, saves bool) *gate {
	return &gate{saves: saves, permits: make(chan struct{}, 1<<16), arrived: make(chan struct{}, slots)}
}

func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.permits:
		return nil
	default:
	}
	g.arrived <- struct{}{}
	select {
	case <-g.permits:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle waits until all slots stand at the gate.
func (g *gate) settle(slots int, ended <-chan error) error {
	for range slots {
		select {
		case <-g.arrived:
		case err := <-ended:
			return err
		}
	}
	return nil
}

// open lets n segments through.
func (g *gate) open(n int) {
	for range n {
		g.permits <- struct{}{}
	}
}

// noDisk is a disk that costs nothing and on which every checkpoint is there.
type noDisk struct{}

func (noDisk) Open(path string) (checkpoint.File, error) {
	if filepath.Base(path) == weightsFile {
		return &noFile{bytes.NewReader(weights)}, nil
	}
	return &noFile{bytes.NewReader(nil)}, nil
}

func (noDisk) ReadDir(path string) ([]fs.DirEntry, error) {
	if inside := filepath.Base(filepath.Dir(path)); inside == ".staging" || inside == ".trash" {
		return []fs.DirEntry{noEntry{}}, nil
	}
	return nil, nil
}

func (noDisk) Lstat(string) (fs.FileInfo, error)      { return noEntry{}, nil }
func (noDisk) Mkdir(string) error                     { return nil }
func (noDisk) Create(string) (checkpoint.File, error) { return &noFile{bytes.NewReader(nil)}, nil }
func (noDisk) Rename(string, string) error            { return nil }
func (noDisk) Remove(string) error                    { return nil }

type noFile struct{ io.Reader }

func (*noFile) Write(b []byte) (int, error) { return len(b), nil }
func (*noFile) Sync() error                 { return nil }
func (*noFile) Close() error                { return nil }

type noEntry struct{}

func (noEntry) Name() string               { return weightsFile }
func (noEntry) IsDir() bool                { return false }
func (noEntry) Type() fs.FileMode          { return 0 }
func (noEntry) Info() (fs.FileInfo, error) { return noEntry{}, nil }
func (noEntry) Size() int64                { return checkpointBytes }
func (noEntry) Mode() fs.FileMode          { return 0o666 }
func (noEntry) ModTime() time.Time         { return time.Time{} }
func (noEntry) Sys() any                   { return nil }

// stageTimer is a disk that times how long making a directory takes: in the
// engine, only staging a checkpoint does so.
type stageTimer struct {
	checkpoint.FS
	took atomic.Int64 // nanoseconds
}

func (d *stageTimer) Mkdir(path string) error {
	start := time.Now()
	defer func() { d.took.Add(int64(time.Since(start))) }()
	return d.FS.Mkdir(path)
}
