package wandb_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
	"github.com/seed-7a1a2db0/pbt/sinks/wandb"
)

// reader prints what is in wandb's files: records in LevelDB's log format, blocks of
// 32 KiB after a header of 7 bytes, each a message of wandb's own.
const reader = `
import glob, json, struct, sys
from wandb.proto import wandb_internal_pb2 as pb
def records(path):
    data, at, whole = open(path, "rb").read(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        _, size, kind = struct.unpack("<IHB", data[at:at+7])
        whole += data[at+7:at+7+size]
        at += 7 + size
        if kind in (1, 4):  # full, last
            r = pb.Record(); r.ParseFromString(whole); whole = b""
            yield r
for path in sorted(glob.glob(sys.argv[1] + "/wandb/offline-run-*/run-*.wandb")):
    name, rows, done = None, [], False
    for r in records(path):
        which = r.WhichOneof("record_type")
        if which == "run":
            name, group, project = r.run.display_name, r.run.run_group, r.run.project
        if which == "history":
            rows.append({(i.key or "/".join(i.nested_key)): json.loads(i.value_json) for i in r.history.item})
        done = done or which == "exit"
    print(name, group.split("-")[0], project, len(rows), [int(r["_step"]) for r in rows], sorted(k for k in rows[0] if k[0] != "_"), done, rows[0]["hypers/act"])
`

// wandb writes the run's files itself. make sinks installs it.
func TestOffline(t *testing.T) {
	python := os.Getenv("PBT_SINKS_PYTHON")
	if python == "" {
		t.Skip("PBT_SINKS_PYTHON names no Python with wandb: see make sinks")
	}
	rows := feedtest.Rows(t, 3)
	dir, _ := feedtest.Journal(t, rows)
	sink := wandb.New(wandb.Config{Python: python, Project: "tests", Mode: "offline", Dir: filepath.Join(dir, "w")})
	if left := feedtest.Feed(t, dir, feed.Config{Name: "wandb", Sink: sink}); left.Events > 0 || left.Err != nil {
		t.Fatalf("%+v", left)
	}
	c := exec.Command(python, "-c", reader, filepath.Join(dir, "w"))
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != feedtest.Population {
		t.Fatalf("%d runs:\n%s", len(lines), out)
	}
	for _, line := range lines {
		for _, want := range []string{"tour-member-00", " tour tests 3 [10, 20, 30] ", "'hypers/act', 'hypers/batch', 'hypers/lr', 'hypers/nesterov', 'metrics/odd one', 'metrics/x', 'score'", "True"} {
			if !strings.Contains(line, want) {
				t.Errorf("%s\nlacks %s", line, want)
			}
		}
	}
}

// A Python without wandb, or no Python, is a fault that says what to do.
func TestWithoutWandB(t *testing.T) {
	bare, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3")
	}
	dir, _ := feedtest.Journal(t, feedtest.Rows(t, 1))
	shadow := t.TempDir() // a wandb that cannot be imported, before any that can
	if err := os.WriteFile(filepath.Join(shadow, "wandb.py"), []byte("raise ImportError('shadowed')"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PYTHONPATH", shadow)
	for python, want := range map[string]string{bare: "has no wandb", "/no/such/python": "sinks.wandb.python"} {
		told := make(chan string, 1)
		sink := wandb.New(wandb.Config{Python: python, Project: "x", Mode: "offline", Dir: dir})
		f := feed.Follow(t.Context(), feedtest.Source(dir), feedtest.Info(dir), feed.Config{Name: "wandb", Sink: sink, Warn: func(s string) { told <- s }})
		select {
		case s := <-told:
			if !strings.Contains(s, want) {
				t.Errorf("%s: %s", python, s)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s: nothing is told", python)
		}
		f.Hurry()
		ctx, cancel := contextFor(t, 100*time.Millisecond)
		if left := f.Wait(ctx); left.Events == 0 {
			t.Errorf("%+v", left)
		}
		cancel()
	}
}

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}
