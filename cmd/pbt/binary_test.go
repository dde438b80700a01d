package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/testdir"
)

// The tests of this package run the real binary, built once.

var binary struct {
	once sync.Once
	dir  string
	path string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binary.dir != "" {
		os.RemoveAll(binary.dir)
	}
	os.Exit(code)
}

func build() (path string, err error) {
	if binary.dir, err = os.MkdirTemp("", "pbt-binary-*"); err != nil {
		return "", err
	}
	path = filepath.Join(binary.dir, "pbt")
	c := exec.Command("go", "build", "-o", path, ".")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
}

func binaryPath(t testing.TB) string {
	t.Helper()
	binary.once.Do(func() { binary.path, binary.err = build() })
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// limit is how long a command may take before the test gives it up.
const limit = 2 * time.Minute

// command is pbt with arguments, to run in a directory.
func command(t testing.TB, dir string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, binaryPath(t), args...)
	c.Dir = dir
	return c
}

// result is what a command printed, and its exit code.
type result struct {
	args        []string
	out, err    string
	code        int
	interrupted bool // by a signal
}

func (r result) String() string {
	return fmt.Sprintf("pbt %s: exit code %d\n%s%s", strings.Join(r.args, " "), r.code, r.out, r.err)
}

// cli runs a command to its end.
func cli(t testing.TB, dir string, args ...string) result {
	t.Helper()
	return finish(t, command(t, dir, args...), (*exec.Cmd).Run)
}

func finish(t testing.TB, c *exec.Cmd, run func(*exec.Cmd) error) result {
	t.Helper()
	var out, errs bytes.Buffer
	if c.Stdout == nil {
		c.Stdout = &out
	}
	if c.Stderr == nil {
		c.Stderr = &errs
	}
	err := run(c)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{c.Args[1:], out.String(), errs.String(), c.ProcessState.ExitCode(), !c.ProcessState.Exited()}
}

// ok runs a command that must succeed, and returns what it printed.
func ok(t testing.TB, dir string, args ...string) string {
	t.Helper()
	r := cli(t, dir, args...)
	if r.code != exitDone {
		t.Fatal(r)
	}
	return r.out
}

// fails runs a command that must fail in a certain way, and say why.
func fails(t testing.TB, dir string, code int, says string, args ...string) {
	t.Helper()
	if r := cli(t, dir, args...); r.code != code || !strings.Contains(r.err, says) {
		t.Errorf("%s\nwant exit code %d and a message with %q", r, code, says)
	}
}

// decode reads one JSON document.
func decode[T any](t testing.TB, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in:\n%.2000s", err, text)
	}
	return v
}

// asJSON runs a command that prints JSON.
func asJSON(t testing.TB, dir string, args ...string) map[string]any {
	t.Helper()
	return decode[map[string]any](t, ok(t, dir, append(args, "--json")...))
}

// lines splits output.
func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// event is a line of pbt events.
type event struct {
	Seq     int64           `json:"seq"`
	At      int64           `json:"at"`
	Kind    string          `json:"kind"`
	Segment int64           `json:"segment"`
	Member  int64           `json:"member"`
	Event   json.RawMessage `json:"event"`
}

// home is a directory with an experiment file, q.yaml.
func home(t testing.TB, experiment string) string {
	t.Helper()
	dir := testdir.InMemory(t)
	save(t, dir, "q.yaml", experiment)
	return dir
}

func save(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// quick is an experiment that is over in a moment: 6 members, 10 segments each.
const quick = `name: quick
population: 6
metric: {name: q, goal: maximize}
segment: {steps: 5}
budget: {steps: 50}
hyperparameters:
  h0: {uniform: [0, 1]}
  h1: {uniform: [0, 1]}
  noise: {log: [1e-3, 1]}
trainer: {builtin: quadratic, slots: 2}
`

// programs is an experiment whose trainer is a shell script: train.sh SAVE H0 SEGMENT LOAD.
const programs = `name: programs
population: 4
metric: {name: q, goal: maximize}
segment: {steps: 5}
budget: {steps: 20}
hyperparameters:
  h0: {uniform: [0, 1]}
  mode: {choice: [fast, "slow\e[31m\u202e"]}
trainer:
  command: [sh, train.sh, "{save}", "{h0}", "{segment}", "{load}"]
  slots: 2
`

// homeOf is a directory with the experiment of programs, and a train.sh.
func homeOf(t testing.TB, script string) string {
	t.Helper()
	dir := home(t, programs)
	save(t, dir, "train.sh", script)
	return dir
}

const plainScript = `echo "$2" > "$1/w"; echo "{\"q\": $2}"` + "\n"
