package journal

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// exec runs SQL on a journal's file, as another tool does.
func execOn(t *testing.T, path, sql string) {
	t.Helper()
	c, err := openConn(path, readWrite)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec(sql), c.close()); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func halfFull(t *testing.T, n int) (path string, rows []Row) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "journal.db")
	j, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	rows = make([]Row, n)
	fillRows(rows, 0)
	appendRows(t, j, rows[:n/2])
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path, rows
}

func TestWhatPbtDidNotMakeInAJournalIsRefused(t *testing.T) {
	const onInsert = ` AFTER INSERT ON events BEGIN UPDATE events SET body = '{}' WHERE seq = new.seq; END`
	for name, c := range map[string]struct{ sql, says string }{
		"a trigger":        {`CREATE TRIGGER t` + onInsert, `the trigger "t"`},
		"an odd name":      {`CREATE TRIGGER "a "" b"` + onInsert, `the trigger "a \" b"`},
		"a view":           {`CREATE VIEW v AS SELECT * FROM events`, `the view "v"`},
		"a view's trigger": {`CREATE VIEW v AS SELECT 1; CREATE TRIGGER t INSTEAD OF INSERT ON v BEGIN SELECT 1; END`, `the trigger "t"`},
		"a table":          {`CREATE TABLE extra (x)`, `the table "extra"`},
		"an index":         {`CREATE INDEX i ON events (segment)`, `the index "i"`},
		"a column":         {`ALTER TABLE events ADD COLUMN x`, `the table "events"`},
		"a view in a table's place": {
			`ALTER TABLE meta RENAME TO m; CREATE VIEW meta AS SELECT key, value FROM m`, `the view "meta"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			path, rows := halfFull(t, 6)
			execOn(t, path, c.sql)
			if j, err := Open(path); !errors.Is(err, ErrAltered) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v, %v\nwant %s", j, err, c.says)
			}
			r := openReadOnly(t, path) // it can still be read
			sameRows(t, readAll(t, r, 0), rows[:3])
			if found, err := r.Foreign(); err != nil || !slices.Contains(found, c.says) {
				t.Error(found, err)
			}
			j, err := OpenAltered(path)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Contains(j.Accepted(), c.says) {
				t.Error(j.Accepted())
			}
			appendRows(t, j, rows[3:])
			sameRows(t, readAll(t, j, 0), rows) // no trigger has fired
			if err := errors.Join(j.Verify(), j.Close()); err != nil {
				t.Error(err)
			}
			isTable := slices.ContainsFunc(j.Accepted(), func(what string) bool { return strings.HasPrefix(what, "the table ") })
			if j, err := Open(path); (err == nil) == isTable {
				t.Errorf("after it was accepted: %v", err)
			} else if err == nil {
				j.Close()
			}
		})
	}
}

// ANALYZE and views of an earlier pbt alter nothing. The owner makes the views anew.
func TestHarmlessObjectsInAJournalAreAccepted(t *testing.T) {
	path, rows := halfFull(t, 6)
	execOn(t, path, `ANALYZE; DROP VIEW failures; CREATE VIEW failures AS SELECT 1 AS one`)
	if found, err := openReadOnly(t, path).Foreign(); err != nil || len(found) > 0 {
		t.Error(found, err)
	}
	j, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	sql, err := j.writer.conn.queryTexts(`SELECT sql FROM sqlite_master WHERE name = 'failures'`)
	if err != nil || len(sql) != 1 || !strings.Contains(viewsSQL, sql[0]) {
		t.Error(sql, err)
	}
	appendRows(t, j, rows[3:])
	sameRows(t, readAll(t, j, 0), rows)
}

func TestReadVerifiedNamesTheFirstAlteredRow(t *testing.T) {
	path, _ := halfFull(t, 12)
	execOn(t, path, `UPDATE events SET body = replace(body, '{', '{ ') WHERE seq = 4`)
	j := openReadOnly(t, path)
	var good, bad int
	err := j.ReadVerified(func(r Row, altered error) error {
		switch {
		case altered == nil:
			good++
		case !errors.Is(altered, ErrAltered) || !strings.Contains(altered.Error(), "row 4 "):
			t.Errorf("row %d: %v", r.Seq, altered)
		default:
			bad++
		}
		return nil
	})
	if err != nil || good != 3 || bad != 3 {
		t.Errorf("%d rows as written, %d not, %v", good, bad, err)
	}
}
