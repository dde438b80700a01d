package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func TestReadersBesideTheOwnerSeeWholeBatches(t *testing.T) {
	j := newJournal(t)
	const batches = 300
	var group sync.WaitGroup
	readUntilDone := func(name string, j *Journal) {
		defer group.Done()
		for after := int64(0); after < 3*batches; {
			from := after
			err := j.Read(after, func(r Row) error {
				if after++; r.Seq != after {
					return fmt.Errorf("row %d after row %d", r.Seq, after-1)
				}
				return nil
			})
			if err != nil || (after-from)%3 != 0 {
				t.Errorf("%s: read rows %d to %d: %v", name, from+1, after, err)
				return
			}
			if last, err := j.Last(); last < after || err != nil {
				t.Errorf("%s: the last row is %d after reading row %d: %v", name, last, after, err)
				return
			}
		}
	}
	group.Add(4)
	go readUntilDone("the owner's own", j)
	go readUntilDone("the owner's second", j)
	shared := openReadOnly(t, j.path)
	go readUntilDone("a reader", shared)
	go readUntilDone("another", openReadOnly(t, j.path))
	rows := make([]Row, 3)
	for i := range batches {
		fillRows(rows, int64(3*i))
		appendRows(t, j, rows)
	}
	group.Wait()
	refused(t, shared.Append(rows), "for reading only")
}

func TestReadingBesideALiveOwnerInAnotherProcess(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	_, lines := child(t, appendForeverTo, j.path)
	lines.Scan()
	r := openReadOnly(t, j.path)
	for after := 0; after < 300; {
		rows := readAll(t, r, 0)
		wholeSegments(t, "reader", rows, int64(after))
		after = len(rows)
	}
}

func TestADirectoryWhereNothingMayBeWritten(t *testing.T) {
	rows := make([]Row, 30)
	fillRows(rows, 0)

	t.Run("closed in good order", func(t *testing.T) {
		dir, seal := sealable(t)
		j, err := Create(filepath.Join(dir, "journal.db"))
		if err != nil {
			t.Fatal(err)
		}
		appendRows(t, j, rows)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		seal()
		sameRows(t, readAll(t, openReadOnly(t, j.path), 0), rows)
		_, err = Open(j.path)
		refused(t, err, j.path, "may not write there")
	})
	t.Run("owner killed", func(t *testing.T) {
		dir, seal := sealable(t)
		path := filepath.Join(dir, "journal.db")
		crashed(t, path, rows)
		seal()
		// The log and the memory file that the owner left are enough to read.
		sameRows(t, readAll(t, openReadOnly(t, path), 0), rows)
	})
	t.Run("owner killed, its memory file not copied", func(t *testing.T) {
		dir, seal := sealable(t)
		path := filepath.Join(dir, "journal.db")
		crashed(t, path, rows)
		os.Remove(path + "-shm")
		seal()
		_, err := OpenReadOnly(path)
		refused(t, err, path+"-wal", "copy the journal together with that file")
	})
}

// crashed leaves at path what an owner leaves that is killed after it appended.
func crashed(t *testing.T, path string, rows []Row) {
	t.Helper()
	j := newJournal(t)
	appendRows(t, j, rows)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		content, err := os.ReadFile(j.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path+suffix, content)
	}
}

// sealable returns a directory and what forbids writing to it from then on. Root
// may write wherever the mode of a directory says no, so root mounts one.
func sealable(t *testing.T) (dir string, seal func()) {
	t.Helper()
	dir = t.TempDir()
	if os.Geteuid() != 0 {
		t.Cleanup(func() { os.Chmod(dir, 0o777) })
		return dir, func() { os.Chmod(dir, 0o555) }
	}
	mountTmpfs(t, dir, "size=8m")
	return dir, func() { remountReadOnly(t, dir) }
}
