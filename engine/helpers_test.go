package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/verify"
)

// testSpec is a small run: 6 members, 4 segments each.
func testSpec() machine.Spec {
	return machine.Spec{
		Population: 6,
		Space:      pbt.MustSpace(pbt.Uniform("h0", 0, 1), pbt.Uniform("h1", 0, 1)),
		Segment:    10, Budget: pbt.Budget{Steps: 40}, Seed: 1, Retries: 1,
	}
}

// testConfig is a run of a spec by a script, in a directory of its own.
func testConfig(t testing.TB, spec machine.Spec, slots int, s script) Config {
	t.Helper()
	return Config{
		Dir: testdir.InMemory(t), Version: "test", Spec: spec, Experiment: []byte("{}"), Source: []byte("# a test\n"), Slots: slots,
		SpecOf:  func([]byte) (machine.Spec, error) { return spec, nil },
		NewSlot: func(int) trainer.Slot { return trainer.InProcess(s.fresh) },
	}
}

// script is what a test's trainer does in a segment. theta is its weights.
type script func(ctx context.Context, s trainer.Segment, theta *float64) (score float64, err error)

// climb is the script of a trainer with nothing to tell.
func climb(_ context.Context, s trainer.Segment, theta *float64) (float64, error) {
	*theta += s.Hypers.Float("h0") * unit(s.Seed)
	return *theta, nil
}

// unit is a number in [0, 1) that depends on a seed alone.
func unit(seed uint64) float64 {
	r := splitMix(seed)
	return float64(r.Uint64()>>11) / (1 << 53)
}

func (s script) fresh(seed uint64) (trainer.Trainer, error) {
	return &scripted{script: s, theta: unit(seed)}, nil
}

// scripted is the trainer. Its weights are one number in one file.
type scripted struct {
	script
	theta, score float64
}

func (m *scripted) Step(ctx context.Context, s trainer.Segment) (err error) {
	m.score, err = m.script(ctx, s, &m.theta)
	return err
}

func (m *scripted) Eval(context.Context) (trainer.Evaluation, error) {
	return trainer.Evaluation{Score: m.score}, nil
}

func (m *scripted) Save(dir string) error {
	return os.WriteFile(filepath.Join(dir, "theta"), strconv.AppendFloat(nil, m.theta, 'g', -1, 64), 0o666)
}

func (m *scripted) Load(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "theta"))
	if err == nil {
		m.theta, err = strconv.ParseFloat(string(text), 64)
	}
	return err
}

// mustRun makes a run and trains it to its end.
func mustRun(t testing.TB, c Config) *machine.Machine {
	t.Helper()
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	return train(t, e, machine.PhaseEnded)
}

// mustResume opens a run and trains it to its end.
func mustResume(t testing.TB, c Config) *machine.Machine {
	t.Helper()
	e, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return train(t, e, machine.PhaseEnded)
}

func train(t testing.TB, e *Engine, want machine.Phase) *machine.Machine {
	t.Helper()
	phase, err := e.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if phase != want {
		_, reason := e.Machine().Phase()
		t.Fatalf("the run is %s (%s), want %s", phase, reason, want)
	}
	return e.Machine()
}

// check is what must hold of every run that nobody works on: pbt verify has nothing
// to say, the journal's fold is the state, and the disk holds what the state keeps
// and nothing else.
func check(t testing.TB, c Config) *machine.Machine {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(c.Dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	m, _, err := Fold(j, c.SpecOf)
	if err != nil {
		t.Fatal(err)
	}
	store, err := checkpoint.OpenReadOnly(filepath.Join(c.Dir, CheckpointDir))
	if err != nil {
		t.Fatal(err)
	}
	r, err := verify.Run(j, store, c.SpecOf)
	if err != nil || !r.OK {
		t.Fatalf("verify: %+v, %v", r, err)
	}
	onDisk(t, c, m)
	return m
}

// onDisk compares the checkpoints on disk with those that the state keeps.
func onDisk(t testing.TB, c Config, m *machine.Machine) {
	t.Helper()
	want := []string{".staging", ".trash"}
	for s := range m.Segments() {
		if name, kept := m.NeedsCheckpoint(s + 1); kept && name != "" {
			want = append(want, name)
		}
	}
	if have := names(t, filepath.Join(c.Dir, CheckpointDir)); !slices.Equal(have, want) {
		t.Errorf("checkpoints on disk: %v\nwant %v", have, want)
	}
	for _, temporary := range want[:2] {
		if have := names(t, filepath.Join(c.Dir, CheckpointDir, temporary)); len(have) > 0 {
			t.Errorf("left in %s: %v", temporary, have)
		}
	}
	for _, name := range names(t, c.Dir) {
		switch name {
		case "lock", JournalFile, JournalFile + "-wal", JournalFile + "-shm", ExperimentFile, CheckpointDir:
		default:
			t.Errorf("left in the run's directory: %s", name)
		}
	}
}

func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// story reads a run's history.
func story(t testing.TB, c Config) *history.History {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(c.Dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h, err := history.Read(j, c.SpecOf)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// bodies reads the events of one type.
func bodies[B machine.Body](t testing.TB, c Config) (out []B) {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(c.Dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	err = j.Read(0, func(r journal.Row) error {
		body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
		if b, ok := body.(B); ok {
			out = append(out, b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// spentAll fails the test unless each member has trained its whole budget.
func spentAll(t testing.TB, m *machine.Machine) {
	t.Helper()
	for i := range m.Spec().Population {
		if v := m.Member(i); v.State != machine.StateDone || v.Spent != m.Spec().Budget.Steps {
			t.Errorf("member %d is %s with %d steps of %d", i, v.State, v.Spent, m.Spec().Budget.Steps)
		}
	}
}

// tally counts by key, from any goroutine.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

// add counts and returns how many there are now.
func (c *tally) add(format string, args ...any) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	key := fmt.Sprintf(format, args...)
	c.n[key]++
	return c.n[key]
}

// TestMain looks, after all tests, for goroutines that a run has left behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := lingering(); code == 0 && len(left) > 0 {
		fmt.Printf("goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// lingering are the goroutines other than this one that are in this module's code.
// One that is on its way out gets the time it needs.
func lingering() (left []string) {
	stacks := make([]byte, 1<<20)
	for range 1000 {
		left = nil
		all := strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
		for _, g := range all[1:] {
			if strings.Contains(g, "/pbt") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return nil
		}
		runtime.Gosched()
	}
	return left
}

// splitMix is the generator behind pbt.Rand (SplitMix64), from a seed that a
// trainer is handed.
type splitMix uint64

func (s *splitMix) Uint64() uint64 {
	*s += 0x9e3779b97f4a7c15
	z := uint64(*s)
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}
