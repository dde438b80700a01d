package api

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/view"
)

// described compiles the schema of an operation's answer.
func described(t testing.TB, method, path string) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(Description(false))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("api.json", doc); err != nil {
		t.Fatal(err)
	}
	at := "api.json#/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(method) + "/responses/200/content/application~1json/schema"
	s, err := c.Compile(at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid checks an answer against its description.
func valid(t testing.TB, path, body string) {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v in %.300s", path, err, body)
	}
	if err := described(t, http.MethodGet, path).Validate(doc); err != nil {
		t.Errorf("%s: %v\n%.2000s", path, err, body)
	}
}

// questions are each route's, several times where its parameters matter.
var questions = map[string][]string{
	"/runs": {""}, "/runs/{run}": {""}, "/runs/{run}/members": {""},
	"/runs/{run}/segments":         {"", "?limit=3&order=newest", "?member=2&action=copy&state=finished&after=4", "?state=failed"},
	"/runs/{run}/segments/{n}":     {""},
	"/runs/{run}/segments/{n}/log": {""},
	"/runs/{run}/best":             {"", "?n=5"},
	"/runs/{run}/schedule":         {"", "?segment=3", "?format=json"},
	"/runs/{run}/curves":           {"", "?by=member&x=time&points=3", "?points=2"},
	"/runs/{run}/hypers/{name}":    {"", "?by=member&points=2"},
	"/runs/{run}/parallel":         {"", "?limit=1"},
	"/runs/{run}/lineage":          {""},
	"/runs/{run}/slots":            {"", "?from=5&to=9&points=10"},
	"/runs/{run}/health":           {""},
	"/runs/{run}/events":           {"", "?after=3&limit=2", "?before=30&kind=decided,failed&member=1", "?after=100000"},
	"/runs/{run}/checkpoints":      {""},
	"/runs/{run}/experiment":       {""},
	"/runs/{run}/stream":           nil, // has a test of its own
	"/runs/{run}/steer":            nil,
}

// Every route answers as /openapi.json says: on a finished run, on one at work, and on
// one that has only begun.
func TestEveryRouteAnswersAsDescribed(t *testing.T) {
	dir := finishedRun(t)
	l := liveRun(t, experiment, nil)
	young := liveRun(t, experiment, nil)
	_, web := serve(t, Config{}, Open(dir), l.source, young.source)
	l.permit(12)
	for i := range routes {
		r := &routes[i]
		asked, known := questions[r.path]
		if !known {
			t.Errorf("%s is not asked by this test", r.path)
		}
		for _, q := range asked {
			for _, id := range []string{"my_run", "my_run~2", "my_run~3"} {
				if r.path == "/runs/{run}/schedule" && id == "my_run~3" && !strings.Contains(q, "segment") {
					continue // nothing has a score yet
				}
				for _, name := range []string{"h0", "act"} {
					path := strings.NewReplacer("{run}", id, "{n}", "3", "{name}", name).Replace(r.path) + q
					res, body := ask(t, http.MethodGet, web.URL+prefix+path, "")
					if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/json" {
						t.Errorf("%s: %s %s", path, res.Status, body)
						continue
					}
					valid(t, prefix+r.path, body)
					if !strings.Contains(r.path, "{name}") {
						break
					}
				}
			}
		}
	}
}

// What is described is there, and what is there is described.
func TestTheDescription(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	res, body := ask(t, http.MethodGet, web.URL+"/openapi.json", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || res.StatusCode != http.StatusOK || doc.OpenAPI != "3.1.0" {
		t.Fatal(err, res.Status, body)
	}
	ids := map[string]bool{}
	for path, ops := range doc.Paths {
		for method, op := range ops {
			if ids[op.OperationID] {
				t.Errorf("%s is the id of two operations", op.OperationID)
			}
			ids[op.OperationID] = true
			url := web.URL + strings.NewReplacer("{run}", "my_run", "{n}", "3", "{name}", "h0").Replace(path)
			if strings.HasSuffix(path, "/stream") {
				continue // does not end
			}
			res, body := ask(t, strings.ToUpper(method), url, "")
			if want := http.StatusOK; method == "get" && res.StatusCode != want {
				t.Errorf("%s: %s %s", path, res.Status, body)
			}
			for _, p := range op.Parameters {
				if p.In == "path" && !strings.Contains(path, "{"+p.Name+"}") {
					t.Errorf("%s has no %s", path, p.Name)
				}
			}
			for _, other := range []string{"PUT", "DELETE", "PATCH", "TRACE"} {
				res, body := ask(t, other, url, "")
				if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") == "" || !strings.Contains(body, "error") {
					t.Errorf("%s %s: %s %s", other, path, res.Status, body)
				}
			}
		}
	}
	if want := len(routes) + 3; len(ids) != want {
		t.Errorf("%d operations, want %d: %v", len(ids), want, slices.Sorted(maps.Keys(ids)))
	}
}

func TestWhatMakesNoSenseIsRefused(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"/runs/nope":                                      {404, "there is no run"},
		"/runs/..%2f..%2fetc":                             {404, "there is no run"},
		"/nope":                                           {404, "there is no such path"},
		"/runs/my_run/segments/0":                         {404, "want a whole number from 1"},
		"/runs/my_run/segments/x":                         {404, "there is no segment"},
		"/runs/my_run/segments/999":                       {404, "there is no segment 999"},
		"/runs/my_run/segments/999/log":                   {404, "there is no segment 999"},
		"/runs/my_run/schedule?segment=999":               {404, "there is no segment 999"},
		"/runs/my_run/hypers/nope":                        {404, "this run has no hyperparameter \"nope\""},
		"/runs/my_run/curves?by=colour":                   {400, "want one of lineage, member"},
		"/runs/my_run/curves?points=1":                    {400, "from 2 to 2000"},
		"/runs/my_run/curves?point=5":                     {400, "unknown parameter \"point\"; want by, x, points"},
		"/runs/my_run/curves?by=member&by=lineage":        {400, "is given 2 times"},
		"/runs/my_run/events?kind=decided,nope":           {400, "want some of run_started"},
		"/runs/my_run/events?limit=1e3":                   {400, "want a whole number"},
		"/runs/my_run/segments?state=":                    {400, "state is empty"},
		"/runs/my_run/members?x=1":                        {400, "want none"},
		"/runs/my_run/segments?after=9999999999999999999": {400, "want a whole number"},
		"/runs/my_run/lineage?%zz":                        {400, "cannot be read"},
	} {
		res, body := ask(t, http.MethodGet, web.URL+prefix+path, "")
		var e struct{ Error string }
		if err := json.Unmarshal([]byte(body), &e); err != nil || res.StatusCode != want.status || !strings.Contains(e.Error, want.says) {
			t.Errorf("%s: %s %s, want %d with %q", path, res.Status, body, want.status, want.says)
		}
	}
}

func TestPagesOfSegments(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	all := get[Segments](t, web.URL+prefix+"/runs/my_run/segments?limit=1000")
	if all.Next != nil || len(all.Segments) < 30 {
		t.Fatalf("%d segments, next %v", len(all.Segments), all.Next)
	}
	for _, order := range []string{"oldest", "newest"} {
		var ids []int64
		for after := "0"; ; {
			page := get[Segments](t, web.URL+prefix+"/runs/my_run/segments?limit=7&order="+order+"&after="+after)
			for _, s := range page.Segments {
				ids = append(ids, s.ID)
			}
			if page.Next == nil {
				break
			}
			b, _ := json.Marshal(*page.Next)
			after = string(b)
		}
		if order == "newest" {
			slices.Reverse(ids)
		}
		for i, s := range all.Segments {
			if i >= len(ids) || ids[i] != s.ID {
				t.Fatalf("%s: %v", order, ids)
			}
		}
	}
	for _, s := range get[Segments](t, web.URL+prefix+"/runs/my_run/segments?action=copy&member=1").Segments {
		if s.Action != "copy" || s.Member != 1 {
			t.Errorf("%+v", s)
		}
	}
}

func TestEventsAreFoundFromBothSides(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	url := web.URL + prefix + "/runs/my_run/events"
	all := get[Events](t, url+"?limit=1000")
	if int64(len(all.Events)) != all.Seq || all.Events[0].Kind != "run_started" {
		t.Fatalf("%d events of %d", len(all.Events), all.Seq)
	}
	seqs := func(q string) (out []int64) {
		for _, e := range get[Events](t, url+q).Events {
			out = append(out, e.Seq)
		}
		return out
	}
	if got := seqs("?after=10&limit=3"); !slices.Equal(got, []int64{11, 12, 13}) {
		t.Error(got)
	}
	if got := seqs("?before=10&limit=3"); !slices.Equal(got, []int64{7, 8, 9}) {
		t.Error(got)
	}
	if got := seqs("?limit=2"); !slices.Equal(got, []int64{all.Seq - 1, all.Seq}) {
		t.Error(got)
	}
	good := 0
	for _, e := range all.Events {
		if e.Say == "" {
			t.Errorf("%+v says nothing", e)
		}
		if e.Level == view.LevelGood && e.Kind == "finished" {
			good++
		}
	}
	if good == 0 {
		t.Error("no outcome was the best so far")
	}
}

func TestASchedulePerFormat(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	for format, want := range map[string][]string{
		"csv":    {"text/csv", "from,to,segment,member,h0,h1,act\n0,10,"},
		"yaml":   {"application/yaml", "- {from: 0, hypers: {\"h0\":"},
		"python": {"text/x-python", "SCHEDULE = [\n    (0, {\"h0\": 0."},
	} {
		res, body := ask(t, http.MethodGet, web.URL+prefix+"/runs/my_run/schedule?format="+format, "")
		if !strings.HasPrefix(res.Header.Get("Content-Type"), want[0]) || !strings.Contains(body, want[1]) || !strings.Contains(res.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s: %v\n%s", format, res.Header, body)
		}
	}
}

func TestAnswersAreCompressedAndKnownAgain(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	url := web.URL + prefix + "/runs/my_run/events?limit=1000"
	plain, body := ask(t, http.MethodGet, url, "", "Accept-Encoding: identity")
	zipped, small := ask(t, http.MethodGet, url, "", "Accept-Encoding: gzip, br")
	if plain.Header.Get("Content-Encoding") != "" || zipped.Header.Get("Content-Encoding") != "gzip" || len(small) >= len(body) {
		t.Fatalf("%d bytes, zipped %d: %v", len(body), len(small), zipped.Header)
	}
	z, err := gzip.NewReader(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(z); err != nil || string(text) != body {
		t.Errorf("%v: %.100s", err, text)
	}
	again, none := ask(t, http.MethodGet, url, "", "If-None-Match: "+plain.Header.Get("Etag"))
	if again.StatusCode != http.StatusNotModified || none != "" {
		t.Error(again.Status, none)
	}
	head, none := ask(t, http.MethodHead, url, "", "Accept-Encoding: identity")
	if head.StatusCode != http.StatusOK || none != "" || head.ContentLength != int64(len(body)) {
		t.Error(head.Status, head.ContentLength, len(body))
	}
}

// A run's log is searched for what belongs to a segment; nothing else is read, whatever
// the journal calls its slot and whatever programs print.
func TestLogs(t *testing.T) {
	dir := finishedRun(t)
	_, web := serve(t, Config{}, Open(dir))
	seg := get[view.SegmentDetail](t, web.URL+prefix+"/runs/my_run/segments/7")
	if seg.Worker != "slot-1" && seg.Worker != "slot-2" {
		t.Fatalf("%+v", seg)
	}
	stamp := "2026-11-23T10:00:00.000Z"
	mark := func(id, lease string) string {
		return stamp + " --- segment " + id + ", member 1, lease " + lease + " ---\n"
	}
	line := func(s string) string { return stamp + " out| " + s + "\n" }
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "logs"), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "logs", name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	log := func() Log { t.Helper(); return get[Log](t, web.URL+prefix+"/runs/my_run/segments/7/log") }
	if l := log(); l.Slot != seg.Worker || len(l.Lines) != 0 || l.Cut {
		t.Errorf("without a file: %+v", l)
	}
	write(seg.Worker+".log", mark("7", "7")+line("first try")+mark("70", "8")+line("another's")+mark("7", "9")+line("second try")+
		line("x --- segment 7, member 1, lease 9 ---")+stamp+" err| --- segment 8, member 1, lease 10 ---\n"+line("\xff<b>"))
	if l := log(); len(l.Lines) != 4 || !strings.HasSuffix(l.Lines[0], "second try") || !strings.HasSuffix(l.Lines[3], "\uFFFD<b>") || l.Cut {
		t.Errorf("%+v", l)
	}
	write(seg.Worker+".log.1", mark("7", "9")+line("before"))
	write(seg.Worker+".log", line("after")+mark("9", "9")+line("no more"))
	if l := log(); len(l.Lines) != 2 || !strings.HasSuffix(l.Lines[1], "after") {
		t.Errorf("over two files: %+v", l)
	}
	write(seg.Worker+".log", mark("7", "9")+strings.Repeat(line(strings.Repeat("long ", 100)), 5000))
	if l := log(); !l.Cut || len(l.Lines) > maxLogLines || len(l.Lines) < 100 || !strings.HasPrefix(l.Lines[0], stamp) {
		t.Errorf("a long one: %d lines, cut %v", len(l.Lines), l.Cut)
	}
	path := filepath.Join(dir, "logs", seg.Worker+".log")
	replace := func(by func() error) (int, string) {
		t.Helper()
		if err := errors.Join(os.Remove(path), by()); err != nil {
			t.Fatal(err)
		}
		res, body := ask(t, http.MethodGet, web.URL+prefix+"/runs/my_run/segments/7/log", "")
		return res.StatusCode, body
	}
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte(mark("7", "9")+line("secret")), 0o666); err != nil {
		t.Fatal(err)
	}
	if status, body := replace(func() error { return os.Symlink(outside, path) }); status != http.StatusInternalServerError || strings.Contains(body, "secret\"") {
		t.Errorf("a link out of the run: %d %s", status, body)
	}
	if status, body := replace(func() error { return unix.Mkfifo(path, 0o666) }); status != http.StatusOK || strings.Contains(body, "long") {
		t.Errorf("a pipe: %d %s", status, body)
	}
}

var metricLine = regexp.MustCompile(`^(# (HELP|TYPE) pbt_\w+ .+|pbt_\w+\{\w+="[^"]*"(,\w+="[^"]*")*\} [-+0-9.eNaInf]+)$`)

func TestMetrics(t *testing.T) {
	_, web := serve(t, Config{}, Open(finishedRun(t)))
	res, body := ask(t, http.MethodGet, web.URL+"/metrics", "")
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Error(res.Header)
	}
	for _, want := range []string{
		"# TYPE pbt_segments_total counter\n", `pbt_segments_total{run="my_run",outcome="finished"} 30`, `pbt_members{run="my_run",state="done"} 5`,
		`pbt_run_info{run="my_run",name="trouble",phase="finished"`, `pbt_run_live{run="my_run"} 0`, `pbt_steps_total{run="my_run"} 300`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(body), "\n") {
		if !metricLine.MatchString(line) {
			t.Errorf("not a metric: %s", line)
		}
	}
}

// Runs that are broken or empty do not keep others from being shown.
func TestRunsThatCannotBeRead(t *testing.T) {
	good, broken, empty := finishedRun(t), filepath.Join(t.TempDir(), "broken"), filepath.Join(t.TempDir(), "empty")
	for _, dir := range []string{broken, empty} {
		if err := os.Mkdir(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(broken, "journal.sqlite"), []byte("hello"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, web := serve(t, Config{}, Open(good), Open(broken), Open(empty))
	if runs := get[Runs](t, web.URL+prefix+"/runs").Runs; len(runs) != 1 || runs[0].ID != "my_run" {
		t.Errorf("%+v", runs)
	}
	res, body := ask(t, http.MethodGet, web.URL+prefix+"/runs/broken", "")
	if res.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "it is not a pbt journal") {
		t.Error(res.Status, body)
	}
}
