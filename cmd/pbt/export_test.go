package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const shown = `
name: shown
population: 4
budget: {steps: 200}
segment: {steps: 10}
hyperparameters: {h0: {uniform: [0, 1]}, h1: {uniform: [0, 1]}}
trainer: {builtin: quadratic, slots: 2}
`

// experimentFile writes an experiment file into a fresh directory.
func experimentFile(t *testing.T, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestExport(t *testing.T) {
	dir := experimentFile(t, shown)
	ok(t, dir, "run", "x.yaml", "--dir", "run", "--quiet")
	out := ok(t, dir, "export", "run", "-o", "tables")
	if out != "tables/segments.csv\ntables/events.csv\ntables/members.csv\ntables/schedule.csv\n" {
		t.Error(out)
	}
	segments, err := os.ReadFile(filepath.Join(dir, "tables", "segments.csv"))
	if err != nil || strings.Count(string(segments), "\n") != 81 || !strings.HasPrefix(string(segments), "segment,member,") {
		t.Errorf("%v\n%.300s", err, segments)
	}
	if to := ok(t, dir, "export", "run"); to != string(segments) {
		t.Errorf("to standard output: %.300s", to)
	}
	if lines := ok(t, dir, "export", "run", "--format", "jsonl", "--table", "members"); strings.Count(lines, "\n") != 4 {
		t.Error(lines)
	}
	if parquet := ok(t, dir, "export", "run", "--format", "parquet", "--table", "schedule"); !strings.HasPrefix(parquet, "PAR1") || !strings.HasSuffix(parquet, "PAR1") {
		t.Errorf("%.20q", parquet)
	}
	fails(t, dir, exitUsage, "xlsx", "export", "run", "--format", "xlsx")
	fails(t, dir, exitUsage, "no table", "export", "run", "--table", "moves")
	fails(t, dir, exitUsage, "-o OUT", "export", "run", "--table", "members,events")
	fails(t, dir, exitUsage, "names no sinks", "export", "run", "--sinks")
	fails(t, dir, exitFailed, "not a run's directory", "export", "tables")
}

// A run feeds its sinks; resume may add some, and they get the run from its beginning.
func TestSinksOfARun(t *testing.T) {
	dir := experimentFile(t, shown+"sinks: {tensorboard: {}}\n")
	ok(t, dir, "run", "x.yaml", "--dir", "run", "--quiet")
	count := func(pattern string) int {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if n := count("run/tensorboard/*/events.*"); n != 5 {
		t.Errorf("%d event files", n)
	}
	ok(t, dir, "resume", "run", "--quiet", "--set", "budget.steps=300", "--set", "sinks.tensorboard.dir=logs")
	if n := count("logs/run/*/events.*"); n != 5 {
		t.Errorf("%d event files in the new place", n)
	}
	ok(t, dir, "export", "run", "--sinks")
	ok(t, dir, "verify", "run")
	t.Setenv("MLFLOW_TRACKING_URI", "")
	fails(t, dir, exitUsage, "MLFLOW_TRACKING_URI", "run", "x.yaml", "--dir", "other", "--set", "sinks.mlflow={}")
	if count("other") != 0 {
		t.Error("a run that cannot be shown has begun")
	}
}

// A server that is away costs the run nothing; what it has missed is named, and
// comes later.
func TestASinkThatIsAwayForTheWholeRun(t *testing.T) {
	var calls atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	address := server.Listener.Addr().String()
	server.Listener.Close() // nobody listens there for now
	dir := experimentFile(t, shown+"notify: {webhook: http://"+address+"/hook, on: [finish]}\n")
	begun := time.Now()
	r := cli(t, dir, "run", "x.yaml", "--dir", "run", "--quiet")
	if r.code != exitDone || !strings.Contains(r.err, "sink webhook has not got the last") || !strings.Contains(r.err, "pbt export run --sinks") || !strings.Contains(r.err, "the run goes on") {
		t.Error(r)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("the end waited for %s", took)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("the port is taken by now")
	}
	server.Listener = l
	server.Start()
	defer server.Close()
	ok(t, dir, "export", "run", "--sinks")
	ok(t, dir, "export", "run", "--sinks")
	if calls.Load() != 1 {
		t.Errorf("%d calls", calls.Load())
	}
}
