package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// small makes a small disk.
func small(t *testing.T, disk, size string) {
	t.Helper()
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size="+size); err != nil {
		t.Skip("cannot mount a tmpfs here:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func enlarge(t *testing.T, disk string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
}

// A run on a disk that really fills up, be it under the journal or under a checkpoint.
func TestAFullDiskStopsARunThatGoesOnLater(t *testing.T) {
	dir := home(t, strings.Replace(quick, "budget: {steps: 50}", "budget: {steps: 1000}", 1))
	disk := filepath.Join(dir, "disk")
	small(t, disk, "600k")
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
	enlarge(t, disk)
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

// A sink whose disk is full delays nothing, and has everything, once, when there is space.
func TestASinkWhoseDiskIsFull(t *testing.T) {
	dir := home(t, strings.NewReplacer("slots: 2", "slots: 1", "steps: 50}", "steps: 400}").Replace(quick)+"sinks: {tensorboard: {}}\n")
	disk := filepath.Join(dir, "disk")
	small(t, disk, "32k")
	r := cli(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "sinks.tensorboard.dir=disk")
	if r.code != exitDone || !strings.Contains(r.err, "sink tensorboard has not got the last") || !strings.Contains(r.err, "no space left") {
		t.Error(r)
	}
	enlarge(t, disk)
	ok(t, dir, "export", "d", "--sinks")
	ok(t, dir, "run", "q.yaml", "--dir", "e", "--quiet") // the same, with space
	sizes := func(root string) (total, files int64) {
		t.Helper()
		paths, err := filepath.Glob(filepath.Join(dir, root, "member-*", "events.*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			total, files = total+info.Size(), files+1
		}
		return total, files
	}
	have, files := sizes("disk/d")
	if want, n := sizes("e/tensorboard"); have != want || files != n || n != 6 {
		t.Errorf("%d bytes in %d files, want %d in %d", have, files, want, n)
	}
}

// fullDevice takes nothing: each write to it finds the disk full.
func fullDevice(t *testing.T) *os.File {
	t.Helper()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { full.Close() })
	return full
}

// What nobody could read was not done, be it only the help.
func TestHelpSaysThatItCouldNotWrite(t *testing.T) {
	full := fullDevice(t)
	for _, args := range [][]string{{"--help"}, {}, {"run", "--help"}, {"help", "run"}, {"completion", "bash"}} {
		c := command(t, "", args...)
		c.Stdout = full
		r := finish(t, c, (*exec.Cmd).Run)
		if r.code != exitFailed || strings.Count(r.err, "no space left on device") != 1 {
			t.Error(r)
		}
	}
}

func TestBestSaysThatItCouldNotWrite(t *testing.T) {
	full := fullDevice(t)
	c := newRoot()
	c.SetOut(full)
	c.SetArgs([]string{"best", filepath.Join(finished(t), "d")})
	if err := c.Execute(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v", err)
	}
}
