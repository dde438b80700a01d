package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// experiment is a small run. Its choice and its names make trouble for whoever takes
// text for markup.
const experiment = `name: trouble
population: 5
metric: {name: "<b>q</b>", goal: maximize}
segment: {steps: 10}
budget: {steps: 60}
hyperparameters:
  h0: {uniform: [0, 1]}
  h1: {log: [1e-3, 1]}
  act: {choice: ["</script>", relu]}
trainer: {builtin: quadratic, slots: 2}
`

// gated trains as the quadratic does, and takes a permission for each segment.
type gated struct {
	trainer.Trainer
	permits <-chan struct{}
}

var errBadLuck = errors.New("bad luck\n<img src=x onerror=alert(1)>")

func (g *gated) Step(ctx context.Context, s trainer.Segment) error {
	if g.permits != nil {
		select {
		case <-g.permits:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if s.ID%13 == 4 && s.Seed%2 == 0 {
		return errBadLuck
	}
	return g.Trainer.Step(ctx, s)
}

// runConfig is a run of the experiment in a directory of its own. Without permits it
// trains at once.
func runConfig(t testing.TB, text string, permits <-chan struct{}) engine.Config {
	t.Helper()
	exp, err := config.Parse("test.yaml", []byte(text), config.Builtins("quadratic"))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := exp.Spec()
	if err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(exp)
	if err != nil {
		t.Fatal(err)
	}
	return engine.Config{
		Dir: filepath.Join(testdir.InMemory(t), "my run"), Version: "test", Spec: spec, Experiment: stored, Source: []byte(text), SpecOf: config.SpecOf,
		Slots: exp.Trainer.Slots, NewSlot: func(int) trainer.Slot {
			return trainer.InProcess(func(seed uint64) (trainer.Trainer, error) {
				m, err := quadratic.New(seed)
				return &gated{m, permits}, err
			})
		},
	}
}

// finishedRun trains a run to its end.
func finishedRun(t testing.TB) string {
	t.Helper()
	c := runConfig(t, experiment, nil)
	e, err := engine.Create(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c.Dir
}

// serve serves runs until the test ends.
func serve(t testing.TB, c Config, sources ...*Source) (*Server, *httptest.Server) {
	t.Helper()
	s := New(c)
	for _, src := range sources {
		if err := s.Add(src); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return s, web
}

// ask sends a request with headers, given as "Name: value".
func ask(t testing.TB, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if req.Header.Set(name, value); name == "Host" {
			req.Host = value
		}
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// get asks for JSON.
func get[T any](t testing.TB, url string) (v T) {
	t.Helper()
	res, body := ask(t, http.MethodGet, url, "")
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s", url, res.Status, body)
	}
	if err := json.Unmarshal([]byte(body), &v); err != nil {
		t.Fatalf("%s: %v in %s", url, err, body)
	}
	return v
}

// live is a run that trains while a test looks on.
type live struct {
	source  *Source
	config  engine.Config
	permits chan struct{}
	over    chan struct{}
	stop    context.CancelFunc
}

// liveRun begins to train; it takes a permission for each segment.
func liveRun(t testing.TB, text string, steerer Steerer) *live {
	t.Helper()
	l := &live{permits: make(chan struct{}), over: make(chan struct{})}
	l.config = runConfig(t, text, l.permits)
	l.source = Live(l.config.Dir, steerer)
	l.config.Observe, l.config.Progress = l.source.Observe, l.source.Progress
	e, err := engine.Create(l.config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	l.stop = stop
	go func() {
		defer close(l.over)
		_, _ = e.Run(ctx)
		l.source.Ended()
	}()
	t.Cleanup(func() { stop(); <-l.over })
	return l
}

// permit lets n segments train, or as many as there are.
func (l *live) permit(n int) {
	for range n {
		select {
		case l.permits <- struct{}{}:
		case <-l.over:
			return
		}
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 20 s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// TestMain looks, after all tests, for goroutines that a server has left behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if left := lingering(); code == 0 && len(left) > 0 {
		fmt.Printf("goroutines left behind:\n%s\n", strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

func lingering() (left []string) {
	stacks := make([]byte, 1<<20)
	for range 200 {
		left = nil
		for _, g := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")[1:] {
			if strings.Contains(g, "/pbt/api") {
				left = append(left, g)
			}
		}
		if len(left) == 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return left
}
