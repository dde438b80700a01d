package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// finished is a directory with a finished run of quick, d: always the same one.
func finished(t testing.TB) string {
	t.Helper()
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--slots", "1")
	return dir
}

func TestStatusAndBest(t *testing.T) {
	dir := finished(t)
	s := asJSON(t, dir, "status", "d")
	has(t, s, "state", "members", "segments", "exploits", "best")
	has(t, s["segments"], "finished", "failed", "running")
	has(t, s["best"], "segment", "member", "step", "score", "hypers", "checkpoint")
	members := s["members"].([]any)
	if s["state"] != "finished" || len(members) != 6 || s["segments"].(map[string]any)["finished"] != 60.0 {
		t.Errorf("%v", s)
	}
	top := 0.0
	for i, m := range members {
		has(t, m, "id", "step", "spent", "score", "hypers", "segment")
		m := m.(map[string]any)
		if m["id"] != float64(i) || m["spent"] != 50.0 {
			t.Errorf("%v", m)
		}
		top = max(top, m["score"].(float64))
	}
	best := asJSON(t, dir, "best", "d")
	has(t, best, "segment", "member", "step", "score", "hypers", "checkpoint")
	if best["score"].(float64) < top || fmt.Sprint(best["segment"]) != fmt.Sprint(s["best"].(map[string]any)["segment"]) {
		t.Errorf("best %v, members' top %v", best, top)
	}
	text := ok(t, dir, "status", "d")
	if !strings.HasPrefix(text, "finished: every member has spent its budget\n60 segments finished, 0 running") || len(lines(text)) < 4+6 {
		t.Error(text)
	}
}

func TestAnEndlessExperimentFileIsRefused(t *testing.T) {
	fails(t, t.TempDir(), exitUsage, "more than 262144 bytes", "run", "/dev/zero")
}

func TestBestCopiesItsCheckpoint(t *testing.T) {
	dir := finished(t)
	best := asJSON(t, dir, "best", "d", "--copy", "model")
	for _, name := range []string{"theta.json", "manifest.json"} {
		a, errA := os.ReadFile(filepath.Join(dir, "model", name))
		b, errB := os.ReadFile(filepath.Join(dir, "d/checkpoints", best["checkpoint"].(string), name))
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: %v, %v", name, errA, errB)
		}
	}
	fails(t, dir, exitUsage, "model is there already", "best", "d", "--copy", "model")
	fails(t, dir, exitFailed, "inside the store", "best", "d", "--copy", "d/checkpoints/mine")
	if out := ok(t, dir, "best", "d", "--copy", "again"); !strings.Contains(out, "copied to again") {
		t.Error(out)
	}
}

// stage is an entry of `pbt schedule --json`.
type stage struct {
	From, To, Segment, Member int64
	Hypers                    map[string]float64
}

func TestScheduleInAllFormats(t *testing.T) {
	dir := finished(t)
	want := decode[[]stage](t, ok(t, dir, "schedule", "d", "--format", "json"))
	if same := decode[[]stage](t, ok(t, dir, "schedule", "d", "--json")); fmt.Sprint(same) != fmt.Sprint(want) {
		t.Error("--json is another one")
	}
	for _, s := range decode[[]any](t, ok(t, dir, "schedule", "d", "--json")) {
		has(t, s, "from", "to", "hypers", "segment", "member")
	}
	at := int64(0)
	for _, s := range want {
		if s.From != at || s.To != at+5 || len(s.Hypers) != 3 {
			t.Errorf("%+v after step %d", s, at)
		}
		at = s.To
	}
	best := asJSON(t, dir, "best", "d")
	if last := want[len(want)-1]; float64(last.To) != best["step"] || float64(last.Segment) != best["segment"] {
		t.Errorf("it ends with %+v, the best is %v", last, best)
	}

	rows, err := csv.NewReader(strings.NewReader(ok(t, dir, "schedule", "d", "--format", "csv"))).ReadAll()
	if err != nil || len(rows) != len(want)+1 || strings.Join(rows[0], " ") != "from to segment member h0 h1 noise" {
		t.Fatal(rows, err)
	}
	for i, s := range want {
		h0, err := strconv.ParseFloat(rows[i+1][4], 64)
		if err != nil || h0 != s.Hypers["h0"] || rows[i+1][0] != fmt.Sprint(s.From) || rows[i+1][2] != fmt.Sprint(s.Segment) {
			t.Errorf("row %v, want %+v", rows[i+1], s)
		}
	}
	var stages []stage
	if err := yaml.Unmarshal([]byte(ok(t, dir, "schedule", "d", "--format", "yaml")), &stages); err != nil || len(stages) != len(want) {
		t.Fatalf("%v\n%v\nwant %v", err, stages, want)
	}
	for i, s := range want {
		if stages[i].From != s.From || fmt.Sprint(stages[i].Hypers) != fmt.Sprint(s.Hypers) {
			t.Errorf("%+v, want %+v", stages[i], s)
		}
	}
	table := lines(ok(t, dir, "schedule", "d"))
	if fields := strings.Fields(table[0]); strings.Join(fields, " ") != "from to member segment h0 h1 noise" || len(table) > len(want)+1 {
		t.Errorf("%q", table)
	}
	early := decode[[]stage](t, ok(t, dir, "schedule", "d", "--json", "--segment", "7"))
	if last := early[len(early)-1]; last.Segment != 7 {
		t.Errorf("%+v", early)
	}
	fails(t, dir, exitFailed, "there is no segment 99: this run has segments 1 to 60", "schedule", "d", "--segment", "99")
}

func TestLineageInAllFormats(t *testing.T) {
	dir := finished(t)
	doc := asJSON(t, dir, "lineage", "d")
	segments := doc["segments"].([]any)
	if len(segments) != 60 {
		t.Fatalf("%d segments", len(segments))
	}
	parents, copies := map[int]int{}, 0
	for i, s := range segments {
		has(t, s, "id", "member", "parent", "step", "score", "hypers", "copied")
		s := s.(map[string]any)
		parents[i+1] = int(s["parent"].(float64))
		if s["copied"] == true {
			copies++
		}
		if s["id"] != float64(i+1) || parents[i+1] >= i+1 {
			t.Errorf("%v", s)
		}
	}
	if s := asJSON(t, dir, "status", "d"); s["exploits"] != float64(copies) || copies == 0 {
		t.Errorf("%d segments are copies, status counts %v", copies, s["exploits"])
	}
	dot(t, ok(t, dir, "lineage", "d", "--format", "dot"), parents)
	trees := map[int]int{}
	for _, line := range lines(ok(t, dir, "lineage", "d", "--format", "newick")) {
		newick(t, line, trees)
	}
	if fmt.Sprint(trees) != fmt.Sprint(parents) {
		t.Errorf("newick has other parents:\n%v\n%v", trees, parents)
	}
	text := ok(t, dir, "lineage", "d")
	if len(lines(text)) < 6 || !strings.Contains(text, "* ") || !strings.Contains(text, "copied") {
		t.Error(text)
	}
}

var (
	dotNode = regexp.MustCompile(`^  s(\d+) \[label="(\d+)\\nmember \d+\\n[^"\\]+"(, penwidth=3)?\];$`)
	dotEdge = regexp.MustCompile(`^  s(\d+) -> s(\d+)( \[style=dashed\])?;$`)
)

// dot checks a Graphviz file against the tree.
func dot(t *testing.T, text string, parents map[int]int) {
	t.Helper()
	all := lines(text)
	if all[0] != "digraph lineage {" || all[len(all)-1] != "}" {
		t.Errorf("%s … %s", all[0], all[len(all)-1])
	}
	nodes, edges := 0, 0
	for _, line := range all[2 : len(all)-1] {
		if m := dotEdge.FindStringSubmatch(line); m != nil {
			from, _ := strconv.Atoi(m[1])
			to, _ := strconv.Atoi(m[2])
			if edges++; parents[to] != from {
				t.Errorf("%s, but its parent is %d", line, parents[to])
			}
		} else if dotNode.MatchString(line) {
			nodes++
		} else {
			t.Errorf("what is %q?", line)
		}
	}
	roots := 0
	for _, p := range parents {
		if p == 0 {
			roots++
		}
	}
	if nodes != len(parents) || edges != nodes-roots {
		t.Errorf("%d nodes and %d edges", nodes, edges)
	}
}

var newickName = regexp.MustCompile(`^s(\d+)_m\d+:\d+`)

// newick reads a tree and notes each segment's parent.
func newick(t *testing.T, text string, parents map[int]int) {
	t.Helper()
	var read func() int
	read = func() int {
		var kids []int
		if strings.HasPrefix(text, "(") {
			for strings.HasPrefix(text, "(") && len(kids) == 0 || strings.HasPrefix(text, ",") {
				text = text[1:]
				kids = append(kids, read())
			}
			if !strings.HasPrefix(text, ")") {
				t.Fatalf("want a ) at %.40q", text)
			}
			text = text[1:]
		}
		m := newickName.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("want a name at %.40q", text)
		}
		text = text[len(m[0]):]
		id, _ := strconv.Atoi(m[1])
		parents[id] = 0
		for _, kid := range kids {
			parents[kid] = id
		}
		return id
	}
	read()
	if text != ";" {
		t.Errorf("a tree ends with %q", text)
	}
}

func TestExplain(t *testing.T) {
	dir := finished(t)
	copied := 0
	for i, s := range asJSON(t, dir, "lineage", "d")["segments"].([]any) {
		if s.(map[string]any)["copied"] == true {
			copied = i + 1
			break
		}
	}
	x := asJSON(t, dir, "explain", "d", strconv.Itoa(copied))
	has(t, x, "segment", "member", "parent", "hypers", "hypers_before", "decision", "say", "draws", "outcome")
	has(t, x["decision"], "action", "why", "rank", "of", "cut", "donor", "changes")
	has(t, x["draws"], "seed", "member", "turn", "train_seed", "weight_seed")
	text := ok(t, dir, "explain", "d", strconv.Itoa(copied))
	for _, want := range []string{x["say"].(string), "starts from      the weights of segment", "copies weights and hyperparameters of member", "before", "outcome          score"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in:\n%s", want, text)
		}
	}
	if first := ok(t, dir, "explain", "d", "1"); !strings.Contains(first, "starts from      fresh weights") {
		t.Error(first)
	}
	fails(t, dir, exitFailed, "there is no segment 0: this run has segments 1 to 60", "explain", "d", "0")
}

func TestEvents(t *testing.T) {
	dir := finished(t)
	all := lines(ok(t, dir, "events", "d"))
	for i, line := range all {
		has(t, decode[any](t, line), "seq", "at", "kind", "event")
		e := decode[event](t, line)
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d: %s", i+1, line)
		}
	}
	first, last := decode[event](t, all[0]), decode[event](t, all[len(all)-1])
	if first.Kind != "run_started" || last.Kind != "closed" {
		t.Errorf("%s … %s", first.Kind, last.Kind)
	}
	rest := lines(ok(t, dir, "events", "d", "--after", "100"))
	if strings.Join(rest, "\n") != strings.Join(all[100:], "\n") {
		t.Error("--after 100 is not the rest")
	}
	if followed := ok(t, dir, "events", "d", "--follow"); followed != strings.Join(all, "\n")+"\n" {
		t.Error("--follow of a finished run is another one")
	}
}

// Scores that are not finite are texts in JSON, which every reader can read.
func TestScoresThatAreNotFinite(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip(err)
	}
	dir := homeOf(t, `echo x > "$1/w"; echo '{"q": NaN, "loss": Infinity, "samples": [NaN, 1, -Infinity]}'`+"\n")
	r := cli(t, dir, "run", "q.yaml", "--dir", "d", "--set", "retries=0")
	if r.code != exitFailed || !strings.Contains(r.err, "no segment finished with a score") {
		t.Error(r)
	}
	s := asJSON(t, dir, "status", "d")
	if s["best"] != nil || s["state"] != "finished" || s["members"].([]any)[0].(map[string]any)["score"] != "NaN" {
		t.Error(s)
	}
	asJSON(t, dir, "lineage", "d")
	x := asJSON(t, dir, "explain", "d", "1")
	if o := x["outcome"].(map[string]any); o["score"] != "NaN" || o["metrics"].(map[string]any)["loss"] != "+Inf" || fmt.Sprint(o["samples"]) != "[NaN 1 -Inf]" {
		t.Error(x)
	}
	for _, line := range lines(ok(t, dir, "events", "d")) {
		decode[event](t, line)
	}
	has(t, decode[any](t, ok(t, dir, "verify", "d", "--json")), "ok")
	ok(t, dir, "lineage", "d", "--format", "dot")
	ok(t, dir, "schedule", "d", "--segment", "1")
	fails(t, dir, exitFailed, "no segment has finished with a score yet", "best", "d")
	fails(t, dir, exitFailed, "no segment has finished with a score yet", "schedule", "d")
	var any json.RawMessage
	if err := json.Unmarshal([]byte(ok(t, dir, "status", "d", "--json")), &any); err != nil {
		t.Error(err)
	}
}

// Looking at a run leaves it as it is, even where nothing may be written.
func TestReadersChangeNothing(t *testing.T) {
	dir := finished(t)
	before := ok(t, dir, "events", "d")
	for _, args := range [][]string{{"status"}, {"best"}, {"schedule"}, {"lineage"}, {"verify"}, {"events"}} {
		ok(t, dir, append(args, "d")...)
	}
	if after := ok(t, dir, "events", "d"); after != before {
		t.Error("the journal has changed")
	}
}
