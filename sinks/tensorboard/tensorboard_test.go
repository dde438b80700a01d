package tensorboard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
	"github.com/seed-7a1a2db0/pbt/sinks/tensorboard"
)

func fed(t *testing.T, runDir, logs string) {
	t.Helper()
	if left := feedtest.Feed(t, runDir, feed.Config{Name: "tensorboard", Sink: tensorboard.New(logs)}); left.Events > 0 || left.Err != nil {
		t.Fatalf("%+v", left)
	}
}

// contents are the files of a directory, by name.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(dir, f)
		out[name] = string(text)
	}
	return out
}

func same(t *testing.T, have, want map[string]string, what string) {
	t.Helper()
	for name := range want {
		if have[name] != want[name] {
			t.Errorf("%s: %s has %d bytes, want %d", what, name, len(have[name]), len(want[name]))
		}
	}
	if len(have) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(have), len(want))
	}
}

// memberFiles leaves out the best run: its file's number says how often the best
// has changed its lineage as far as anybody looked.
func memberFiles(files map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		if strings.HasPrefix(name, "member-") {
			out[name] = text
		}
	}
	return out
}

// What is written is the same however often the writer stops on the way, and
// whatever a killed one leaves behind its cursor.
func TestItGoesOnWhereItWas(t *testing.T) {
	rows := feedtest.Rows(t, 8)
	whole, _ := feedtest.Journal(t, rows)
	fed(t, whole, filepath.Join(whole, "logs"))
	want := memberFiles(contents(t, filepath.Join(whole, "logs")))
	if len(want) != feedtest.Population {
		t.Fatalf("%d files", len(want))
	}

	dir, j := feedtest.Journal(t, rows[:2])
	logs := filepath.Join(dir, "logs")
	for at := 2; at < len(rows); {
		next := min(len(rows), at+1+at%17)
		feedtest.Grow(t, j, rows[at:next])
		at = next
		cursor := filepath.Join(dir, feed.Dir, "tensorboard.cursor")
		before, _ := os.ReadFile(cursor)
		fed(t, dir, logs)
		if at%3 == 0 && before != nil { // killed before it could write down how far it had come
			if err := os.WriteFile(cursor, before, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if at%5 == 0 { // killed in the middle of a record
			for name := range contents(t, logs) {
				f, err := os.OpenFile(filepath.Join(logs, name), os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteString("half a rec"); err != nil {
					t.Fatal(err)
				}
				f.Close()
			}
		}
	}
	fed(t, dir, logs)
	same(t, memberFiles(contents(t, logs)), want, "with stops")
	if n := len(contents(t, logs)); n != feedtest.Population+1 {
		t.Errorf("%d files: an old version of the best run is left", n)
	}
}

// Damage is mended by writing everything again: files cut short or changed, the
// cursor lost, unreadable or that of another run.
func TestDamageIsMended(t *testing.T) {
	rows := feedtest.Rows(t, 8)
	for name, damage := range map[string]func(t *testing.T, dir, file string){
		"cut short": func(t *testing.T, dir, file string) { must(t, os.Truncate(file, 100)) },
		"gone":      func(t *testing.T, dir, file string) { must(t, os.Remove(file)) },
		"changed": func(t *testing.T, dir, file string) {
			text, err := os.ReadFile(file)
			must(t, err)
			text[len(text)/2] ^= 1
			must(t, os.WriteFile(file, text, 0o666))
		},
		"zeros": func(t *testing.T, dir, file string) {
			text, err := os.ReadFile(file)
			must(t, err)
			clear(text[len(text)-64:])
			must(t, os.WriteFile(file, text, 0o666))
		},
		"no cursor": func(t *testing.T, dir, file string) {
			must(t, os.Remove(filepath.Join(dir, feed.Dir, "tensorboard.cursor")))
		},
		"an odd cursor":  func(t *testing.T, dir, file string) { setCursor(t, dir, []byte("{")) },
		"another's":      func(t *testing.T, dir, file string) { setCursor(t, dir, []byte(`{"run":"x","seq":7}`)) },
		"an odd state":   func(t *testing.T, dir, file string) { changeCursor(t, dir, "state", 7) },
		"far too far on": func(t *testing.T, dir, file string) { changeCursor(t, dir, "seq", 1e6) },
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := feedtest.Journal(t, rows)
			logs := filepath.Join(dir, "logs")
			fed(t, dir, logs)
			want := contents(t, logs)
			files, _ := filepath.Glob(filepath.Join(logs, "member-002", "*"))
			damage(t, dir, files[0])
			fed(t, dir, logs)
			same(t, contents(t, logs), want, name)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func setCursor(t *testing.T, dir string, text []byte) {
	t.Helper()
	must(t, os.WriteFile(filepath.Join(dir, feed.Dir, "tensorboard.cursor"), text, 0o666))
}

func changeCursor(t *testing.T, dir, key string, value any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, feed.Dir, "tensorboard.cursor"))
	must(t, err)
	var c map[string]any
	must(t, json.Unmarshal(text, &c))
	c[key] = value
	text, err = json.Marshal(c)
	must(t, err)
	setCursor(t, dir, text)
}

// A directory that cannot be written is a fault, and no loss.
func TestAPlaceThatCannotBeWritten(t *testing.T) {
	dir, _ := feedtest.Journal(t, feedtest.Rows(t, 3))
	logs := filepath.Join(dir, "logs")
	must(t, os.WriteFile(logs, nil, 0o666))
	ctx, cancel := context.WithCancel(t.Context())
	f := feed.Follow(ctx, feedtest.Source(dir), feedtest.Info(dir), feed.Config{Name: "tensorboard", Sink: tensorboard.New(logs), Warn: func(string) { cancel() }})
	f.Hurry()
	if left := f.Wait(ctx); left.Events == 0 || left.Err == nil {
		t.Errorf("%+v", left)
	}
	must(t, os.Remove(logs))
	fed(t, dir, logs)
	if len(contents(t, logs)) != feedtest.Population+1 {
		t.Error("not everything is there")
	}
}

// After a member has fallen back, the steps from there on are shown as they were
// trained the second time.
func TestRolledBack(t *testing.T) {
	rows := feedtest.Rows(t, 3)
	n := slices.IndexFunc(rows, func(r journal.Row) bool { return r.Kind == "finished" && r.Member == 0 })
	dir := testdir.InMemory(t)
	sink := tensorboard.New(dir)
	must(t, sink.Open(t.Context(), &feed.Run{}, nil))
	body, err := machine.Decode(machine.KindFinished, rows[n].Body)
	must(t, err)
	plan := &machine.Decided{}
	deliver := func(e ...feed.Event) {
		t.Helper()
		_, err := sink.Deliver(t.Context(), e)
		must(t, err)
	}
	deliver(feed.Event{Seq: 1, Body: body, Plan: plan})
	deliver(feed.Event{Seq: 2, At: 1, Spent: 4, Body: &machine.RolledBack{Member: 0, Lost: 6}})
	for name, text := range contents(t, dir) {
		if !bytes.HasSuffix([]byte(text[:len(text)-4]), []byte{7<<3 | 2, 2, 1 << 3, 1}) || !strings.Contains(text, "\x10\x05") {
			t.Errorf("%s ends in %q", name, text[max(0, len(text)-40):])
		}
	}
}

// TensorBoard itself reads the files. make sinks installs it.
func TestTensorBoardReadsIt(t *testing.T) {
	python := os.Getenv("PBT_SINKS_PYTHON")
	if python == "" {
		t.Skip("PBT_SINKS_PYTHON names no Python with tensorboard: see make sinks")
	}
	rows := feedtest.Rows(t, 12)
	dir, j := feedtest.Journal(t, rows[:len(rows)/2])
	logs := filepath.Join(dir, "logs")
	fed(t, dir, logs)
	feedtest.Grow(t, j, rows[len(rows)/2:])
	fed(t, dir, logs)

	c := exec.Command(python, "-c", reader, logs)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var have map[string]map[string][][2]any
	must(t, json.Unmarshal(out, &have))
	want, texts := expected(t, rows)
	for run, tags := range want {
		for tag, points := range tags {
			if !samePoints(have[run][tag], points) {
				t.Errorf("%s %s\nhave %v\nwant %v", run, tag, have[run][tag], points)
			}
			delete(have[run], tag)
		}
		for tag, points := range texts[run] {
			if !slices.EqualFunc(have[run][tag], points, func(a, b [2]any) bool { return a == b }) {
				t.Errorf("%s %s\nhave %v\nwant %v", run, tag, have[run][tag], points)
			}
			delete(have[run], tag)
		}
		if len(have[run]) > 0 {
			t.Errorf("%s has more: %v", run, have[run])
		}
	}
	if len(have) != len(want) {
		t.Errorf("%d runs, want %d", len(have), len(want))
	}
}

// reader prints every point that TensorBoard knows, by run and tag.
const reader = `
import json, math, sys
from tensorboard.backend.event_processing import event_multiplexer, tag_types
from tensorboard.util import tensor_util
m = event_multiplexer.EventMultiplexer(size_guidance={tag_types.TENSORS: 0, tag_types.SCALARS: 0})
m.AddRunsFromDirectory(sys.argv[1])
m.Reload()
out = {}
for run, tags in m.Runs().items():
    points = out[run] = {}
    for tag in tags[tag_types.SCALARS]:
        points[tag] = [[e.step, str(e.value)] for e in m.Scalars(run, tag)]
    for tag in tags[tag_types.TENSORS]:
        points[tag] = [[e.step, tensor_util.make_ndarray(e.tensor_proto).item().decode()] for e in m.Tensors(run, tag)]
        assert m.SummaryMetadata(run, tag).plugin_data.plugin_name == "text"
print(json.dumps(out))
`

type points map[string]map[string][][2]any // run → tag → step, value

// expected says what the events should look like, in the simplest way.
func expected(t *testing.T, rows []journal.Row) (numbers, texts points) {
	t.Helper()
	numbers, texts = points{}, points{}
	add := func(p points, run, tag string, step int64, v any) {
		if p[run] == nil {
			p[run] = map[string][][2]any{}
		}
		p[run][tag] = append(p[run][tag], [2]any{float64(step), v})
	}
	plans := map[int64]*machine.Decided{}
	outcomes := map[int64]*machine.Finished{}
	show := func(run string, step int64, o *machine.Finished) {
		add(numbers, run, "score", step, float64(o.Score))
		for name, x := range o.Metrics {
			add(numbers, run, "metrics/"+name, step, float64(x))
		}
		for name, v := range plans[o.Segment].Hypers.All() {
			if x, ok := feed.Number(v); ok {
				add(numbers, run, "hypers/"+name, step, x)
				continue
			}
			text, _ := v.Text()
			if was := texts[run]["hypers/"+name]; run == "best" || len(was) == 0 || was[len(was)-1][1] != text {
				add(texts, run, "hypers/"+name, step, text)
			}
		}
	}
	best := int64(0)
	for _, r := range rows {
		body, err := machine.Decode(machine.Kind(r.Kind), r.Body)
		must(t, err)
		switch b := body.(type) {
		case *machine.Decided:
			plans[b.Segment] = b
		case *machine.Finished:
			outcomes[b.Segment] = b
			show([]string{"member-000", "member-001", "member-002", "member-003", "member-004", "member-005"}[b.Member], b.Spent, b)
			if b.Score.Finite() && (best == 0 || b.Score < outcomes[best].Score) {
				best = b.Segment
			}
		}
	}
	var path []int64
	for at := best; at != 0; at = plans[at].Parent {
		path = append(path, at)
	}
	slices.Reverse(path)
	members := map[int]bool{}
	for i, id := range path {
		o := outcomes[id]
		show("best", o.Step, o)
		add(numbers, "best", "member", o.Step, float64(o.Member))
		members[o.Member] = true
		if want := int64(i+1) * 10; o.Step != want {
			t.Errorf("step %d of the best run is %d: it jumps", i, o.Step)
		}
	}
	if len(members) < 2 {
		t.Error("the best weights were never copied: this run tests too little")
	}
	return numbers, texts
}

// samePoints compares steps, and values as far as a float32 goes.
func samePoints(have, want [][2]any) bool {
	return slices.EqualFunc(have, want, func(a, b [2]any) bool {
		var x float64
		text, _ := a[1].(string)
		if text == "nan" {
			return a[0] == b[0] && math.IsNaN(b[1].(float64))
		}
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			return false
		}
		return a[0] == b[0] && float32(x) == float32(b[1].(float64))
	})
}
