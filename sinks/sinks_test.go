package sinks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

const file = `
name: tour
population: 4
budget: {steps: %d}
segment: {steps: 10}
hyperparameters: {h0: {uniform: [0, 1]}, h1: {uniform: [0, 1]}}
trainer: {builtin: quadratic, slots: 2}
`

func experiment(t testing.TB, steps int, more string) *config.Experiment {
	t.Helper()
	exp, err := config.Parse("tour.yaml", []byte(fmt.Sprintf(file, steps)+more))
	if err != nil {
		t.Fatal(err)
	}
	return exp
}

// train runs an experiment with its sinks, as cmd/pbt does.
func train(t testing.TB, dir string, exp *config.Experiment, closeTime time.Duration) []feed.Left {
	t.Helper()
	spec, err := exp.Spec()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(exp)
	if err != nil {
		t.Fatal(err)
	}
	var set *sinks.Set
	e, err := engine.Create(engine.Config{
		Dir: dir, Spec: spec, Experiment: stored, SpecOf: config.SpecOf, Slots: exp.Trainer.Slots, Version: "v9",
		NewSlot: func(int) trainer.Slot { return trainer.InProcess(quadratic.New) },
		Observe: func(v engine.View) { set.Observe(v) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if set, err = sinks.Start(t.Context(), dir, exp, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if phase, err := e.Run(t.Context()); err != nil || phase != machine.PhaseEnded {
		t.Fatal(phase, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), closeTime)
	defer cancel()
	return set.Close(ctx)
}

// All sinks of a run get all of it; the journal is one file all the same, and a
// later process finds nothing left to deliver.
func TestARunWithSinks(t *testing.T) {
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(body))
	}))
	defer server.Close()
	dir := testdir.InMemory(t)
	told := filepath.Join(dir, "told")
	logs := testdir.InMemory(t)
	exp := experiment(t, 200, fmt.Sprintf(`
sinks: {tensorboard: {dir: %s}}
notify: {webhook: %q, command: [sh, -c, 'echo $PBT_EVENT >> "$0"', %s], on: [finish]}
`, logs, server.URL, told))
	if left := train(t, dir, exp, time.Minute); len(left) > 0 {
		t.Fatalf("%+v", left)
	}
	for range 2 {
		files, err := filepath.Glob(filepath.Join(logs, filepath.Base(dir), "*", "events.*"))
		if err != nil || len(files) != 5 {
			t.Errorf("%v, %v", files, err)
		}
		if text, err := os.ReadFile(told); string(text) != "finish\n" {
			t.Errorf("%q, %v", text, err)
		}
		mu.Lock()
		if len(got) != 1 || !strings.Contains(got[0], `"event":"finish"`) {
			t.Errorf("%q", got)
		}
		mu.Unlock()
		if info, err := os.Stat(filepath.Join(dir, engine.JournalFile+"-wal")); err == nil && info.Size() > 0 {
			t.Errorf("the journal's log is left, of %d bytes", info.Size())
		}
		set, err := sinks.Start(t.Context(), dir, exp, nil) // nothing is left to deliver, nothing comes twice
		if err != nil {
			t.Fatal(err)
		}
		set.Wake()
		if left := set.Close(t.Context()); len(left) > 0 {
			t.Errorf("%+v", left)
		}
	}
}

// A sink that hangs holds up neither the run nor, for long, its end; later it gets
// what it has missed.
func TestASinkThatHangsHoldsUpNobody(t *testing.T) {
	hung := make(chan struct{})
	calls := make(chan string, 10)
	var asking sync.WaitGroup
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asking.Add(1)
		defer asking.Done()
		body, _ := io.ReadAll(r.Body)
		select {
		case <-hung:
			calls <- string(body)
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	dir := testdir.InMemory(t)
	exp := experiment(t, 100, fmt.Sprintf("notify: {webhook: %q, on: [finish]}", server.URL))
	left := train(t, dir, exp, 50*time.Millisecond)
	if len(left) != 1 || left[0].Name != "webhook" || left[0].Events == 0 {
		t.Fatalf("%+v", left)
	}
	asking.Wait() // for the call that was given up
	close(hung)
	set, err := sinks.Start(t.Context(), dir, exp, nil)
	if err != nil {
		t.Fatal(err)
	}
	if left := set.Close(t.Context()); len(left) > 0 || len(calls) != 1 {
		t.Errorf("%+v, %d calls", left, len(calls))
	}
}

func TestNoSinks(t *testing.T) {
	set, err := sinks.Start(t.Context(), "/no/such/place", experiment(t, 100, ""), nil)
	if set != nil || err != nil {
		t.Errorf("%v, %v", set, err)
	}
	set.Wake()
	set.Observe(engine.View{})
	if left := set.Close(t.Context()); left != nil {
		t.Error(left)
	}
}

func TestCheck(t *testing.T) {
	t.Setenv("MLFLOW_TRACKING_URI", "")
	exp := experiment(t, 100, "sinks: {mlflow: {}}")
	if err := sinks.Check("x", exp); err == nil || !strings.Contains(err.Error(), "MLFLOW_TRACKING_URI") {
		t.Error(err)
	}
	t.Setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
	if err := sinks.Check("x", exp); err != nil {
		t.Error(err)
	}
}

// BenchmarkRun compares a run with sinks with the same run without any, in turn, so
// that both meet the same disk: with TensorBoard, and with servers that hang.
func BenchmarkRun(b *testing.B) {
	hung := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		select {
		case <-hung:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(hung)
	logs := testdir.InMemory(b)
	bare := experiment(b, 2500, "")
	for name, more := range map[string]string{
		"tensorboard": fmt.Sprintf("sinks: {tensorboard: {dir: %s}}", logs),
		"hangs":       fmt.Sprintf("sinks: {mlflow: {uri: %q}}\nnotify: {webhook: %q, on: [best, finish]}", server.URL, server.URL),
	} {
		b.Run(name, func(b *testing.B) {
			exp := experiment(b, 2500, more)
			timed := func(exp *config.Experiment) float64 {
				dir := b.TempDir() // on a disk: its fsyncs are most of a segment
				begun := time.Now()
				train(b, dir, exp, time.Millisecond)
				return time.Since(begun).Seconds()
			}
			var with, without []float64
			for b.Loop() {
				with = append(with, timed(exp))
				without = append(without, timed(bare))
			}
			slices.Sort(with)
			slices.Sort(without)
			b.ReportMetric(with[len(with)/2]/without[len(without)/2], "times-bare")
			b.ReportMetric(with[len(with)/2]*1e6/1000, "µs/segment")
		})
	}
}

// The Grafana dashboard shows metrics that there are.
func TestDashboardShowsWhatThereIs(t *testing.T) {
	dashboard, err := os.ReadFile("../docs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	served, err := os.ReadFile("../api/metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(dashboard) {
		t.Error("it is no JSON")
	}
	names := regexp.MustCompile(`pbt_[a-z_]+`).FindAllString(string(dashboard), -1)
	for _, name := range names {
		if !strings.Contains(string(served), `{"`+name+`", "`) {
			t.Errorf("there is no metric %s", name)
		}
	}
	if len(names) < 15 {
		t.Errorf("%d metrics are shown", len(names))
	}
}
