package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// prometheus is where a real Prometheus and its promtool are; `make api` knows.
func prometheus(t *testing.T, tool string) string {
	t.Helper()
	dir := os.Getenv("PBT_PROMETHEUS")
	if dir == "" {
		t.Skip("PBT_PROMETHEUS does not say where Prometheus is: make api")
	}
	return filepath.Join(dir, tool)
}

// scrapes is docs/sinks.md's configuration, for a test's pace.
const scrapes = `
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: pbt
    authorization: {credentials_file: token}
    static_configs: [{targets: ["%s"]}]
`

// A real Prometheus takes the metrics of a run in progress, its promtool has nothing to
// complain about, and each query of the Grafana dashboard finds something.
func TestPrometheusTakesTheMetrics(t *testing.T) {
	promtool := prometheus(t, "promtool")
	dashboard, err := os.ReadFile("../../docs/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	const token = "0123456789abcdef0123456789abcdef"
	dir := homeOf(t, `sleep 0.05; `+plainScript)
	s := serving(t, dir, true, "run", "q.yaml", "--dir", "d", "--token", token, "--set", "budget.steps=1000000")
	base, _, _ := strings.Cut(s.link, "/login")

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = res.Body
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}

	save(t, dir, "token", token)
	save(t, dir, "prometheus.yml", fmt.Sprintf(scrapes, strings.TrimPrefix(base, "http://")))
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput(); err != nil {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
	api := startPrometheus(t, dir)
	for _, query := range queriesOf(t, dashboard) {
		awaitResult(t, api, query)
	}
	if code := s.end(syscall.SIGINT); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
}

// startPrometheus starts one that scrapes, and returns where it answers.
func startPrometheus(t *testing.T, dir string) (api string) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "prometheus.log"))
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(prometheus(t, "prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb", "--web.listen-address="+addr)
	c.Dir, c.Stdout, c.Stderr = dir, log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("Prometheus said:\n%s", text)
		}
	})
	return "http://" + addr + "/api/v1/query?query="
}

// queriesOf are what a Grafana dashboard asks, its variables filled in.
func queriesOf(t *testing.T, dashboard []byte) (queries []string) {
	t.Helper()
	d := decode[struct {
		Panels []struct{ Targets []struct{ Expr string } }
	}](t, string(dashboard))
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			queries = append(queries, strings.NewReplacer("$run", ".*", "$__rate_interval", "1m").Replace(target.Expr))
		}
	}
	if len(queries) < 10 {
		t.Fatalf("%d queries", len(queries))
	}
	return queries
}

// awaitResult waits until a query finds something.
func awaitResult(t *testing.T, api, query string) {
	t.Helper()
	var body string
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		res, err := http.Get(api + url.QueryEscape(query))
		if err != nil {
			continue // it is about to start
		}
		var answer struct {
			Status string
			Error  string
			Data   struct{ Result []json.RawMessage }
		}
		err = json.NewDecoder(res.Body).Decode(&answer)
		_ = res.Body.Close()
		if res.StatusCode == http.StatusBadRequest {
			t.Errorf("%s: %s", query, answer.Error)
			return
		}
		if err == nil && answer.Status == "success" && len(answer.Data.Result) > 0 {
			return
		}
		body = fmt.Sprintf("%v %+v", err, answer)
	}
	t.Errorf("%s finds nothing: %s", query, body)
}
