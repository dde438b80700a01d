package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A run on a disk that really fills up, be it under the journal or under a checkpoint.
func TestAFullDiskStopsARunThatGoesOnLater(t *testing.T) {
	dir := home(t, strings.Replace(quick, "budget: {steps: 50}", "budget: {steps: 1000}", 1))
	disk := filepath.Join(dir, "disk")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=600k"); err != nil {
		t.Skip("cannot mount a tmpfs here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	r := cli(t, dir, "run", "q.yaml", "--dir", "disk/d", "--quiet")
	for _, want := range []string{"disk is full", "pbt resume disk/d"} {
		if r.code != exitFailed || !strings.Contains(r.err, want) {
			t.Errorf("%s\nwant a message with %q", r, want)
		}
	}
	before := lines(ok(t, dir, "events", "disk/d"))
	if again := cli(t, dir, "resume", "disk/d"); again.code != exitFailed || !strings.Contains(again.err, "free some space") && !strings.Contains(again.err, "disk is full") {
		t.Errorf("it is still full: %s", again)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	ok(t, dir, "resume", "disk/d", "--quiet")
	ok(t, dir, "verify", "disk/d")
	after := lines(ok(t, dir, "events", "disk/d"))
	for i := range before {
		if after[i] != before[i] {
			t.Fatalf("event %d was altered", i+1)
		}
	}
	if s := asJSON(t, dir, "status", "disk/d"); s["state"] != "finished" || s["segments"].(map[string]any)["failed"] != 0.0 {
		t.Errorf("%v", s["segments"])
	}
}
