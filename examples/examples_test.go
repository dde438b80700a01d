package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// The examples in other languages, each run by the real binary at a small budget:
// once in peace, once killed after its first copy and resumed. Both must come to
// the very same population, which a trainer that seeds badly does not; and weights
// that were loaded must train on as those that were held do.

// fashion is where Debian's package dataset-fashion-mnist has its files.
const fashion = "/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz"

// example is a folder with a pbt.yaml.
type example struct {
	name   string
	python func(t *testing.T) string // that has what train.py imports; nil for no Python
	build  []string                  // a command to run first
	needs  map[string]string         // files that must be there, and Debian's package for each

	population, segment, segments int // small ones

	better func(score float64) bool // than chance, and than one segment alone
}

var examples = []example{
	{
		name: "jax", python: fromVenv, needs: map[string]string{fashion: "dataset-fashion-mnist"},
		population: 4, segment: 20, segments: 4,
		better: func(accuracy float64) bool { return accuracy > 0.6 }, // chance: 0.1
	},
	{
		name: "torch", python: debians, needs: map[string]string{fashion: "dataset-fashion-mnist"},
		population: 4, segment: 20, segments: 4,
		better: func(accuracy float64) bool { return accuracy > 0.6 }, // chance: 0.1
	},
	{
		name: "sklearn", python: fromVenv, population: 6, segment: 3, segments: 4,
		better: func(loss float64) bool { return loss < 0.5 }, // chance: 2.3
	},
	{
		name: "xgboost", python: fromVenv, population: 4, segment: 3, segments: 5,
		better: func(loss float64) bool { return loss < 0.5 }, // chance: 2.3
	},
	{
		name: "c", build: []string{"cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", "train", "train.c", "-lm"},
		population: 6, segment: 50_000, segments: 10,
		better: func(accuracy float64) bool { return accuracy > 0.84 }, // chance: 0.5
	},
	{
		name: "shell", population: 6, segment: 100, segments: 10,
		better: func(loss float64) bool { return loss < 0.4 }, // chance: 0.69
	},
}

func TestExamples(t *testing.T) {
	for _, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			w := workplace(t, e)
			if e.python != nil { // alone, and first: a missing module shows here
				w.must(exec.Command(w.python, "train.py", "--pbt.steps=2"))
			}
			w.pbt(w.run("peace", w.population, w.segments, "--quiet")...)
			w.killAfterACopy(w.run("killed", w.population, w.segments, "--verbose")...)
			w.pbt("resume", "killed", "--quiet")
			for _, run := range []string{"peace", "killed"} {
				w.pbt("verify", run)
				w.judge(run)
			}
			w.same("peace", "killed")
			if e.python != nil {
				w.pbt(w.run("held", 1, 2, "--quiet")...)
				w.pbt(w.run("loaded", 1, 1, "--quiet")...)
				w.pbt("resume", "loaded", "--quiet", fmt.Sprint("--set=budget.steps=", 2*w.segment))
				w.same("held", "loaded")
			}
		})
	}
}

// run are the arguments of a run in which one segment trains at a time, so that it
// is the same each time.
func (w *work) run(dir string, population, segments int, more ...string) []string {
	return append([]string{
		"run", "pbt.yaml", "--slots=1", "--dir=" + dir, fmt.Sprint("--set=population=", population),
		fmt.Sprint("--set=segment.steps=", w.segment), fmt.Sprint("--set=budget.steps=", segments*w.segment),
	}, more...)
}

// same checks that two runs came to the same population.
func (w *work) same(one, other string) {
	w.Helper()
	if a, b := w.members(one), w.members(other); !reflect.DeepEqual(a, b) {
		w.Errorf("%s: %v\n%s: %v\nwant the same", one, a, other, b)
	}
}

// What docs/from-your-script.md shows as the change that made a member of the JAX
// example is what stands there.
func TestThePageShowsTheExample(t *testing.T) {
	page, err := os.ReadFile("../docs/from-your-script.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("jax/train.py")
	if err != nil {
		t.Fatal(err)
	}
	_, diff, found := strings.Cut(string(page), "```diff\n")
	diff, _, closed := strings.Cut(diff, "```\n")
	var added strings.Builder
	for line := range strings.Lines(diff) {
		if line, ok := strings.CutPrefix(line, "+"); ok {
			added.WriteString(line)
		}
	}
	if !found || !closed || added.Len() == 0 || !strings.HasSuffix(string(script), added.String()) {
		t.Errorf("jax/train.py does not end with what the page shows:\n%s", added.String())
	}
}

// judge checks what came of a run.
func (w *work) judge(run string) {
	w.Helper()
	var best struct{ Score float64 }
	w.decode(w.pbt("best", run, "--json"), &best)
	if !w.better(best.Score) {
		w.Errorf("%s: the best score is %g: it has not learned", run, best.Score)
	}
	var status struct {
		State    string
		Exploits int
		Segments struct{ Failed int }
	}
	w.decode(w.pbt("status", run, "--json"), &status)
	if status.State != "finished" || status.Exploits == 0 || status.Segments.Failed > 0 {
		w.Errorf("%s: %+v: want it finished, with copies, and without failures", run, status)
	}
}

// members is every member's record.
func (w *work) members(run string) any {
	var status struct {
		Members []struct {
			ID     int
			Step   int
			Score  float64
			Hypers map[string]any
		}
	}
	w.decode(w.pbt("status", run, "--json"), &status)
	return status.Members
}

// work is a copy of an example's folder, and what runs there.
type work struct {
	*testing.T
	example
	dir, python string
	env         []string
}

func workplace(t *testing.T, e example) *work {
	t.Helper()
	for file, pkg := range e.needs {
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("%v: `make tools` installs it, or apt-get install %s", err, pkg)
		}
	}
	w := &work{T: t, example: e, dir: filepath.Join(t.TempDir(), e.name)}
	if err := os.CopyFS(w.dir, os.DirFS(e.name)); err != nil {
		t.Fatal(err)
	}
	client, err := filepath.Abs("../python/src")
	if err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	if e.python != nil {
		w.python = e.python(t)
		bin := t.TempDir() // a place in PATH that has this Python only
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", w.python)
		if err := os.WriteFile(filepath.Join(bin, "python3"), []byte(script), 0o777); err != nil {
			t.Fatal(err)
		}
		path = bin + string(os.PathListSeparator) + path
	}
	w.env = append(os.Environ(), "PATH="+path, "PYTHONPATH="+client, "OMP_NUM_THREADS=1",
		"JAX_COMPILATION_CACHE_DIR="+filepath.Join(w.dir, "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS=0")
	if e.build != nil {
		w.must(exec.Command(e.build[0], e.build[1:]...))
	}
	return w
}

// fromVenv is the Python that has what examples/requirements.txt names.
func fromVenv(t *testing.T) string {
	t.Helper()
	python, err := filepath.Abs("../build/venv/bin/python")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(python); err != nil {
		t.Fatalf("%v: `make build/venv/.done` makes it, with what examples/requirements.txt names", err)
	}
	return python
}

// debians is the system's Python, for which Debian packages torch.
func debians(t *testing.T) string {
	t.Helper()
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import torch").CombinedOutput(); err != nil {
		t.Fatalf("%s has no torch: `make tools` installs it, or apt-get install python3-torch\n%s", python, out)
	}
	return python
}

// limit is how long one command may take.
const limit = 5 * time.Minute

// must runs a command in the workplace that must succeed, and returns its output.
func (w *work) must(c *exec.Cmd) string {
	w.Helper()
	c.Dir, c.Env = w.dir, w.env
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	timer := time.AfterFunc(limit, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	if err := c.Run(); err != nil {
		w.Fatalf("%s: %v\n%s%s", c, err, out.String(), errs.String())
	}
	return out.String()
}

func (w *work) pbt(args ...string) string {
	w.Helper()
	return w.must(exec.Command(binary(w.T), args...))
}

// killAfterACopy starts pbt and kills it with SIGKILL when it tells of its first copy.
func (w *work) killAfterACopy(args ...string) {
	w.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	c := exec.CommandContext(ctx, binary(w.T), args...)
	c.Dir, c.Env = w.dir, w.env
	said, err := c.StderrPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.Fatal(err)
	}
	var all strings.Builder
	for lines := bufio.NewScanner(said); lines.Scan(); {
		fmt.Fprintln(&all, lines.Text())
		if strings.Contains(lines.Text(), "copies weights") {
			_ = c.Process.Kill()
			_ = c.Wait() // it says that it was killed
			return
		}
	}
	w.Fatalf("%s ended without a copy: %v\n%s", c, c.Wait(), all.String())
}

func (w *work) decode(text string, v any) {
	w.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		w.Fatalf("%v in:\n%.2000s", err, text)
	}
}

var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "pbt-examples-*"); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, "pbt"), "../cmd/pbt").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, err
})

// binary is pbt, built once.
func binary(t *testing.T) string {
	t.Helper()
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "pbt")
}

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, _ := built(); dir != "" {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}
