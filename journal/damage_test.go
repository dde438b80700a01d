package journal

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"
)

func TestOtherFilesAreNotTakenForJournals(t *testing.T) {
	dir := t.TempDir()
	stranger := filepath.Join(dir, "stranger.db")
	execSQL(t, stranger, "CREATE TABLE events (seq INTEGER PRIMARY KEY)")
	before, err := os.ReadFile(stranger)
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "notes.txt")
	write(t, text, []byte("the run went well\n"))
	long := filepath.Join(dir, "long.txt")
	write(t, long, make([]byte, 100_000))
	empty := filepath.Join(dir, "empty")
	write(t, empty, nil)

	for _, path := range []string{stranger, text, long, empty} {
		for name, open := range openers {
			_, err := open(path)
			t.Logf("%s: %v", name, err)
			refused(t, err, path, "it is not a pbt journal", "check the path")
		}
	}
	if after, err := os.ReadFile(stranger); err != nil || string(after) != string(before) {
		t.Error("the stranger's file was changed", err)
	}
}

func TestADamagedJournalSaysSo(t *testing.T) {
	for name, damage := range map[string]func(content []byte) []byte{
		"half of it is gone":     func(c []byte) []byte { return c[:len(c)/2] },
		"the last page is gone":  func(c []byte) []byte { return c[:len(c)-4096] },
		"a page of zeros":        func(c []byte) []byte { clear(c[30*4096 : 31*4096]); return c },
		"a page of something":    func(c []byte) []byte { copy(c[30*4096:], c[32*4096:33*4096]); return c },
		"only the header's left": func(c []byte) []byte { return c[:4096] },
	} {
		t.Run(name, func(t *testing.T) {
			j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
			if err != nil {
				t.Fatal(err)
			}
			rows := make([]Row, 1000)
			fillRows(rows, 0)
			appendRows(t, j, rows)
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(j.path)
			if err != nil {
				t.Fatal(err)
			}
			write(t, j.path, damage(content))
			for name, open := range openers {
				err := openAndRead(open, j.path)
				t.Logf("%s: %v", name, err)
				refused(t, err, j.path, "the file is damaged", "put back a copy")
			}
		})
	}
}

func TestMissingRowsAreNoticed(t *testing.T) {
	for where, want := range map[string]string{
		"seq = 1": "row 1 is missing, the next is 2", "seq = 50": "row 50 is missing, the next is 51",
	} {
		j := newJournal(t)
		rows := make([]Row, 99)
		fillRows(rows, 0)
		appendRows(t, j, rows)
		execSQL(t, j.path, "DELETE FROM events WHERE "+where)
		refused(t, j.Read(0, func(Row) error { return nil }), want, j.path, "damaged")
		sameRows(t, readAll(t, j, 60), rows[60:])
	}
}

// Whatever is in the file, opening and reading it ends with rows or with an
// error. The seeds are a journal's header page and its content with holes.
func FuzzOpen(f *testing.F) {
	dir := f.TempDir()
	if err := current.build(filepath.Join(dir, "empty.db")); err != nil {
		f.Fatal(err)
	}
	empty, err := os.ReadFile(filepath.Join(dir, "empty.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(empty, 0, byte(0))
	f.Add(empty, 18, byte(1))
	f.Add(empty, 105, byte(200))
	f.Add(empty[:4096], 60, byte(9))
	f.Add([]byte("SQLite format 3\x00"), 0, byte('S'))
	f.Fuzz(func(t *testing.T, content []byte, at int, b byte) {
		if at >= 0 && at < len(content) {
			content[at] = b
		}
		path := filepath.Join(t.TempDir(), "journal.db")
		write(t, path, content)
		_ = openAndRead(OpenReadOnly, path)
		_ = openAndRead(Open, path)
	})
}

func openAndRead(open func(string) (*Journal, error), path string) error {
	j, err := open(path)
	if err != nil {
		return err
	}
	defer j.Close()
	n := 0
	err = j.Read(0, func(Row) error { n++; return nil })
	if err == nil && n == 0 {
		err = fmt.Errorf("%s has no rows", path)
	}
	return err
}

// execSQL does to a journal what a user's own SQLite tool can do.
func execSQL(t testing.TB, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
