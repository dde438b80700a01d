package mlflow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
	"github.com/seed-7a1a2db0/pbt/sinks/mlflow"
)

// startTime is how long a real MLflow may take to start: on a busy machine, minutes.
const startTime = 8 * time.Minute

// server starts a real MLflow. make sinks installs it.
func server(t *testing.T) string {
	t.Helper()
	python := os.Getenv("PBT_SINKS_PYTHON")
	if python == "" {
		t.Skip("PBT_SINKS_PYTHON names no Python with mlflow: see make sinks")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	dir := t.TempDir()
	var out bytes.Buffer
	c := exec.Command(python, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", fmt.Sprint(port), "--workers", "1",
		"--backend-store-uri", "sqlite:///"+dir+"/mlflow.db", "--default-artifact-root", dir+"/artifacts")
	c.Dir, c.Stdout, c.Stderr = dir, &out, &out
	c.Env = append(os.Environ(), "MLFLOW_DISABLE_TELEMETRY=true", "DO_NOT_TRACK=true")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
	})
	uri := fmt.Sprintf("http://127.0.0.1:%d", port)
	for begun := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		answer, err := http.Get(uri + "/health")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return uri
			}
		}
		if time.Since(begun) > startTime {
			t.Fatalf("MLflow does not start: %v\n%s", err, out.String())
		}
	}
}

// reader prints what MLflow's own client finds.
const reader = `
import json, sys, mlflow
mlflow.set_tracking_uri(sys.argv[1])
c = mlflow.MlflowClient()
e = c.get_experiment_by_name("pbt tests")
out = []
for r in c.search_runs([e.experiment_id], max_results=1000):
    metrics = {}
    for key in r.data.metrics:
        metrics[key] = [[m.step, m.timestamp, str(m.value)] for m in sorted(c.get_metric_history(r.info.run_id, key), key=lambda m: (m.step, m.timestamp))]
    tags = dict(r.data.tags)
    out.append({"id": r.info.run_id, "name": r.info.run_name, "status": r.info.status, "params": r.data.params,
        "member": tags.get("pbt.member", ""), "parent": tags.get("mlflow.parentRunId", ""), "tags": tags, "metrics": metrics, "end": r.info.end_time or 0})
print(json.dumps(out))
`

type run struct {
	ID, Name, Status, Member, Parent string
	Params, Tags                     map[string]string
	Metrics                          map[string][][3]any
	End                              int64
}

func stored(t *testing.T, uri string) map[string]run {
	t.Helper()
	c := exec.Command(os.Getenv("PBT_SINKS_PYTHON"), "-c", reader, uri)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var runs []run
	if err := json.Unmarshal(out, &runs); err != nil {
		t.Fatal(err)
	}
	all := map[string]run{}
	for _, r := range runs {
		if _, twice := all[r.Member]; twice {
			t.Errorf("member %q has two runs", r.Member)
		}
		all[r.Member] = r
	}
	return all
}

// flaky is a proxy that sometimes breaks: before the server hears of a request, or
// after it has done it.
type flaky struct {
	uri   string
	count atomic.Int64
	sound atomic.Bool
}

func (f *flaky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := f.count.Add(1)
	if n%7 == 3 && !f.sound.Load() {
		http.Error(w, "a proxy's error, no JSON", http.StatusBadGateway)
		return
	}
	body, _ := io.ReadAll(r.Body)
	forth, err := http.NewRequest(r.Method, f.uri+r.URL.String(), bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	forth.Header = r.Header
	back, err := http.DefaultClient.Do(forth)
	if err != nil || n%7 == 5 && !f.sound.Load() && !strings.HasSuffix(r.URL.Path, "runs/create") {
		panic(http.ErrAbortHandler) // it is done, and nobody hears of it
	}
	defer back.Body.Close()
	w.WriteHeader(back.StatusCode)
	_, _ = io.Copy(w, back.Body)
}

// A real server gets the whole run, once, however often the connection breaks and
// the process that feeds it dies.
func TestAgainstMLflow(t *testing.T) {
	uri := server(t)
	front := &flaky{uri: uri}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go http.Serve(l, front)
	defer l.Close()

	rows := feedtest.Rows(t, 5)
	dir, j := feedtest.Journal(t, rows[:1])
	cursor := filepath.Join(dir, feed.Dir, "mlflow.cursor")
	for at := 1; at < len(rows); {
		next := min(len(rows), at+70)
		feedtest.Grow(t, j, rows[at:next])
		at = next
		before, _ := os.ReadFile(cursor)
		sink := mlflow.New("http://"+l.Addr().String()+"/", "pbt tests")
		if left := feedtest.Feed(t, dir, feed.Config{Name: "mlflow", Sink: sink}); left.Events > 0 {
			t.Fatalf("%+v", left)
		}
		if before != nil { // it was killed before it could write down how far it had come
			if err := os.WriteFile(cursor, before, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	front.sound.Store(true)
	if left := feedtest.Feed(t, dir, feed.Config{Name: "mlflow", Sink: mlflow.New("http://"+l.Addr().String()+"/", "pbt tests")}); left.Events > 0 {
		t.Fatalf("%+v", left)
	}
	compare(t, stored(t, uri), rows)
}

func compare(t *testing.T, have map[string]run, rows []journal.Row) {
	t.Helper()
	want, params, best := map[string]map[string][][3]any{}, map[string]map[string]string{}, int64(0)
	add := func(member, key string, step, at int64, x float64) {
		if want[member] == nil {
			want[member] = map[string][][3]any{}
		}
		text := strings.ToLower(fmt.Sprint(x))
		want[member][key] = append(want[member][key], [3]any{float64(step), float64(at / 1e6), text})
	}
	plans, total, low := map[int64]*machine.Decided{}, int64(0), math.Inf(1)
	for _, r := range rows {
		body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
		if err != nil {
			t.Fatal(err)
		}
		switch b := body.(type) {
		case *machine.Decided:
			plans[b.Segment] = b
			if b.Turn == 0 {
				p := map[string]string{}
				for name, v := range b.Hypers.All() {
					p["initial/"+name] = v.String()
				}
				params[fmt.Sprint(b.Member)] = p
			}
		case *machine.Finished:
			member := fmt.Sprint(b.Member)
			total += plans[b.Segment].Steps
			add(member, "score", b.Spent, r.At, float64(b.Score))
			add(member, "metrics/x", b.Spent, r.At, float64(b.Metrics["x"]))
			add(member, "metrics/odd_one", b.Spent, r.At, float64(b.Metrics["odd one"]))
			for name, v := range plans[b.Segment].Hypers.All() {
				if x, ok := feed.Number(v); ok {
					add(member, "hypers/"+name, b.Spent, r.At, x)
				}
			}
			if float64(b.Score) < low {
				low, best = float64(b.Score), b.Segment
				add("", "best_score", total, r.At, low)
			}
		}
	}
	parent := have[""]
	for member, metrics := range want {
		for key, points := range metrics {
			if !samePoints(have[member].Metrics[key], points) {
				t.Errorf("member %q %s\nhave %v\nwant %v", member, key, have[member].Metrics[key], points)
			}
		}
		if len(have[member].Metrics) != len(metrics) {
			t.Errorf("member %q has %d metrics, want %d", member, len(have[member].Metrics), len(metrics))
		}
		if r := have[member]; r.Status != "FINISHED" || r.End == 0 || member != "" && (r.Parent != parent.ID || !reflect.DeepEqual(r.Params, params[member])) {
			t.Errorf("member %q: %s, parent %s, %v", member, r.Status, r.Parent, r.Params)
		}
	}
	if len(have) != len(want) || parent.Name != "tour" || parent.Params["population"] != "6" || parent.Tags["best.segment"] != fmt.Sprint(best) {
		t.Errorf("%d runs, want %d; parent %+v", len(have), len(want), parent)
	}
	if have["0"].Tags["hypers/act"] == "" {
		t.Error("a text is not shown")
	}
}

func samePoints(have, want [][3]any) bool {
	if len(have) != len(want) {
		return false
	}
	for i := range have {
		var a, b float64
		fmt.Sscan(have[i][2].(string), &a)
		fmt.Sscan(want[i][2].(string), &b)
		equal := a == b || math.IsNaN(a) && math.IsNaN(b)
		if have[i][0] != want[i][0] || have[i][1] != want[i][1] || !equal {
			return false
		}
	}
	return true
}

// What a server refuses is told with its words, and a password is not.
func TestARefusal(t *testing.T) {
	t.Setenv("MLFLOW_TRACKING_USERNAME", "me")
	t.Setenv("MLFLOW_TRACKING_PASSWORD", "hush")
	asked := make(chan string, 100)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		asked <- user + " " + password
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"error_code": "PERMISSION_DENIED", "message": "not you"}`)
	}))
	dir, _ := feedtest.Journal(t, feedtest.Rows(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	told := ""
	f := feed.Follow(ctx, feedtest.Source(dir), feedtest.Info(dir), feed.Config{
		Name: "mlflow", Sink: mlflow.New("http://"+l.Addr().String(), "x"), Warn: func(s string) { told = s; cancel() },
	})
	left := f.Wait(ctx)
	if left.Events == 0 || !strings.Contains(told, "403 Forbidden PERMISSION_DENIED not you") || strings.Contains(told, "hush") || <-asked != "me hush" {
		t.Errorf("%+v, %s", left, told)
	}
}
