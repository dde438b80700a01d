package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAFullDiskCostsNothingButTime(t *testing.T) {
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=1m")
	j, err := Create(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	fill(t, filepath.Join(dir, "ballast"), 300<<10)

	rows := make([]Row, 3)
	recorded := 0
	for ; err == nil; recorded++ {
		fillRows(rows, int64(3*recorded))
		err = j.Append(rows)
	}
	recorded--
	t.Logf("full after %d batches: %v", recorded, err)
	if !IsDiskFull(err) {
		t.Fatal("not recognised as a full disk:", err)
	}
	refused(t, err, j.path, "free some space and try again")
	for range 3 { // it stays full, and nothing gets worse
		if err := j.Append(rows); !IsDiskFull(err) {
			t.Fatal(err)
		}
		wholeSegments(t, "full", readAll(t, j, 0), int64(3*recorded))
	}

	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	appendRows(t, j, rows)
	wholeSegments(t, "same journal", readAll(t, j, 0), int64(3*recorded+3))
	wholeSegments(t, "a reader", readAll(t, openReadOnly(t, j.path), 0), int64(3*recorded+3))
}

func TestABatchTooLargeForTheDiskLeavesNoTrace(t *testing.T) {
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=1m")
	j, err := Create(filepath.Join(dir, "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	rows := make([]Row, 20_000)
	fillRows(rows, 0)
	if err := j.Append(rows); !IsDiskFull(err) {
		t.Fatal(err)
	}
	if last, err := j.Last(); last != 0 || err != nil {
		t.Fatal(last, err)
	}
	appendRows(t, j, rows[:3])
	sameRows(t, readAll(t, j, 0), rows[:3])
}

func TestCreatingOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	mountTmpfs(t, dir, "size=64k")
	fill(t, filepath.Join(dir, "ballast"), 56<<10)
	_, err := Create(filepath.Join(dir, "journal.db"))
	if !IsDiskFull(err) {
		t.Fatal(err)
	}
	left, _ := os.ReadDir(dir)
	if len(left) != 1 {
		t.Error("left behind:", left)
	}
}

// What needs no mount: the same through SQLite's own limit.
func TestAFullFile(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 300)
	fillRows(rows, 0)
	if err := j.writer.conn.exec("PRAGMA max_page_count = 5"); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(rows); !IsDiskFull(err) {
		t.Fatal(err)
	}
	if err := j.writer.conn.exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	appendRows(t, j, rows)
	sameRows(t, readAll(t, j, 0), rows)
}

func TestIsDiskFull(t *testing.T) {
	const ioErrWrite = codeIOErr | 3<<8
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("disk full"), false},
		{&sqliteError{code: codeFull}, true},
		{&sqliteError{code: codeCorrupt}, false},
		{&sqliteError{code: ioErrWrite, errno: syscall.ENOSPC}, true},
		{&sqliteError{code: ioErrWrite, errno: syscall.EDQUOT}, true},
		{&sqliteError{code: ioErrWrite, errno: syscall.EIO}, false},
		{fmt.Errorf("append: %w", &sqliteError{code: codeFull}), true},
		{&os.PathError{Op: "write", Path: "lock", Err: syscall.ENOSPC}, true},
	} {
		if got := IsDiskFull(c.err); got != c.want {
			t.Errorf("IsDiskFull(%v) = %v", c.err, got)
		}
	}
}

func fill(t *testing.T, path string, bytes int) {
	t.Helper()
	write(t, path, make([]byte, bytes))
}
