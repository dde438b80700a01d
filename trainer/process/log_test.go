package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

func testLog(t *testing.T, max int64) *Log {
	t.Helper()
	l, err := OpenLog(filepath.Join(t.TempDir(), "slot-1.log"), max)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func logText(t *testing.T, l *Log) string {
	t.Helper()
	text, err := os.ReadFile(l.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestLog_Form(t *testing.T) {
	l := testLog(t, 0)
	l.Mark("segment 12, member 3, lease 40")
	l.Line(false, []byte("epoch 0\repoch 1\x1b[0m"), false)
	l.Line(true, []byte("oh\xff"), true)
	l.Line(true, nil, false)
	l.Line(false, []byte(strings.Repeat("x", 2*maxLogLine)), true)
	l.Mark("two\nlines")
	at := `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`
	want := regexp.MustCompile(`^` + at + ` --- segment 12, member 3, lease 40 ---\n` + at + ` out\| epoch 1\n` + at + ` err\| oh�…\n` + at + ` err\| \n` +
		at + ` out\| x+…\n` + at + ` --- twolines ---\n$`)
	if text := logText(t, l); !want.MatchString(text) || len(text) > maxLogLine+500 {
		t.Errorf("%s", text)
	}
	if err := l.Close(); err != nil || l.Err() != nil {
		t.Error(err, l.Err())
	}
}

// It goes on where it was, and never has more than two files of its size.
func TestLog_IsBounded(t *testing.T) {
	l := testLog(t, minLogSize)
	line := []byte(strings.Repeat("x", 100))
	for i := range 2000 {
		l.Line(false, line, false)
		switch {
		case i%7 == 0:
			l.Flush()
		case i%500 == 0:
			l.Line(false, []byte(strings.Repeat("y", 1<<20)), true)
		case i%300 == 0:
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if l, err = OpenLog(l.path, minLogSize); err != nil {
				t.Fatal(err)
			}
		}
		for _, path := range []string{l.path, l.path + ".1"} {
			if info, err := os.Stat(path); err == nil && info.Size() > minLogSize {
				t.Fatalf("%s has %d bytes", path, info.Size())
			}
		}
	}
	l.Mark("the end")
	old, err := os.ReadFile(l.path + ".1")
	text := string(old) + logText(t, l)
	if err != nil || len(text) < minLogSize || !strings.HasSuffix(text, "--- the end ---\n") || strings.Contains(text, "missing") || l.Err() != nil {
		t.Errorf("%d bytes, %v, %v", len(text), err, l.Err())
	}
	for line := range strings.Lines(text) {
		if len(line) < 30 || line[4] != '-' || line[len(line)-1] != '\n' {
			t.Errorf("%q", line)
		}
	}
}

// fullDisk is a file whose disk is full after some bytes.
type fullDisk struct {
	file   *os.File
	room   int
	writes int
}

func (d *fullDisk) Write(p []byte) (int, error) {
	d.writes++
	n, err := d.file.Write(p[:min(len(p), d.room)])
	d.room -= n
	if err == nil && n < len(p) {
		err = syscall.ENOSPC
	}
	return n, err
}

func (d *fullDisk) Close() error { return d.file.Close() }

// A full disk loses lines, is told once, and the log tells what is missing.
func TestLog_FullDisk(t *testing.T) {
	l := testLog(t, 0)
	d := &fullDisk{file: l.file.(*os.File), room: 100}
	l.file = d
	for i := range 10 {
		l.Line(false, fmt.Appendf(nil, "line %d", i), false)
		l.Flush()
	}
	if err := l.Err(); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), l.path) {
		t.Error(err)
	}
	if err := l.Err(); err != nil {
		t.Error("again:", err)
	}
	d.room = 1 << 20
	l.Mark("room")
	text := logText(t, l)
	if !regexp.MustCompile(`line 0\n.* line 1\n.*\n.*--- 8 lines are missing here: no space left on device ---\n.*--- room ---\n$`).MatchString(text) {
		t.Errorf("%s", text)
	}
	d.room = 0
	l.Mark("full again")
	if err := l.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := l.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// A trainer does not notice that the disk of its log is full.
func TestLog_FullDiskStopsNobody(t *testing.T) {
	l := testLog(t, 0)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	l.file.Close()
	l.file = full
	if err := over(t, started(t, Config{Args: helper("flood", "3000000", "50"), Log: l})); err != nil {
		t.Error(err)
	}
	if err := l.Err(); !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
}

// A link in the log's place is refused, and what it leads to stays as it is.
func TestLog_IsNoLink(t *testing.T) {
	dir := t.TempDir()
	outside, path := filepath.Join(dir, "outside"), filepath.Join(dir, "log")
	if err := errors.Join(os.WriteFile(outside, []byte("keep"), 0o600), os.Symlink(outside, path)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLog(path, 0); !errors.Is(err, disk.ErrLink) {
		t.Error(err)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "keep" {
		t.Errorf("%q, %v", text, err)
	}
}

// A log that cannot be moved out of the way does not grow.
func TestLog_RotationFails(t *testing.T) {
	l := testLog(t, minLogSize)
	if err := os.MkdirAll(filepath.Join(l.path+".1", "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		l.Line(false, []byte(strings.Repeat("x", 100)), false)
	}
	l.Flush()
	if text := logText(t, l); len(text) > minLogSize || l.Err() == nil {
		t.Errorf("%d bytes, %v", len(text), l.Err())
	}
	if err := os.RemoveAll(l.path + ".1"); err != nil {
		t.Fatal(err)
	}
	l.Mark("room")
	if text := logText(t, l); !regexp.MustCompile(`^.*lines are missing here.*\n.*--- room ---\n$`).MatchString(text) {
		t.Errorf("%s", text)
	}
}

// A flood costs a system call for many lines, not for each.
func TestLog_WritesManyLinesAtOnce(t *testing.T) {
	l := testLog(t, 0)
	d := &fullDisk{file: l.file.(*os.File), room: 1 << 30}
	l.file = d
	if err := over(t, started(t, Config{Args: helper("flood", "5000000", "50"), Log: l})); err != nil {
		t.Error(err)
	}
	if d.writes > 2000 || d.writes < 50 { // 100,000 lines
		t.Errorf("%d writes", d.writes)
	}
}

func TestLog_FromManyGoroutines(t *testing.T) {
	l := testLog(t, 20*minLogSize)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 200 {
				l.Line(i%2 == 0, fmt.Appendf(nil, "%d.%d", i, j), false)
				if j%10 == 0 {
					l.Mark("mark")
				}
			}
		})
	}
	all.Wait()
	l.Flush()
	if n := strings.Count(logText(t, l), "\n"); n != 8*220 {
		t.Errorf("%d lines", n)
	}
}

func TestLog_Nil(t *testing.T) {
	var l *Log
	l.Line(true, nil, true)
	l.Mark("x")
	l.Flush()
	if l.Err() != nil || l.Close() != nil {
		t.Error("nil fails")
	}
	if _, err := OpenLog("x", 1); err == nil {
		t.Error("too small")
	}
	if _, err := OpenLog("/nowhere/x", 0); err == nil {
		t.Error("no directory")
	}
}
