package journal

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// later is a pbt of the future: its journals have one more column and other
// views. (A real change of events changes the reader too.)
var later = schema{
	steps: append(slices.Clone(current.steps),
		"ALTER TABLE events ADD COLUMN host TEXT",
		"INSERT INTO meta VALUES ('upgraded', 'yes')"),
	views: "CREATE VIEW kinds AS SELECT DISTINCT kind, host FROM events",
}

func TestANewerJournalIsRefused(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	newer, err := later.open(j.path, false)
	if err != nil {
		t.Fatal(err)
	}
	newer.Close()
	for _, open := range openers {
		_, err := open(j.path)
		refused(t, err, j.path, "version 3", "versions up to 1", "use the pbt that wrote it, or a newer one")
	}
}

func TestAJournalOfNoVersionIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal.db")
	execSQL(t, path, fmt.Sprintf("CREATE TABLE events (seq); PRAGMA application_id = %d", applicationID))
	for _, open := range openers {
		_, err := open(path)
		refused(t, err, path, "version 0", "versions 1 to 1")
	}
}

func TestAnOlderJournalIsBroughtUpToDate(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]Row, 6)
	fillRows(rows, 0)
	appendRows(t, j, rows[:3])
	beside := openReadOnly(t, j.path)
	j.Close()

	// A reader of the later version takes it as it is.
	r, err := later.openReader(j.path)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, readAll(t, &Journal{reader: r}, 0), rows[:3])
	r.close()

	for range 2 { // the second time there is nothing to do
		j, err = later.open(j.path, false)
		if err != nil {
			t.Fatal(err)
		}
		sameRows(t, readAll(t, j, 0), rows[:3])
		if v, err := later.identify(j.writer.conn); v != 3 || err != nil {
			t.Fatal(v, err)
		}
		views, err := j.writer.conn.queryTexts("SELECT name FROM sqlite_master WHERE type = 'view'")
		if err != nil || !slices.Equal(views, []string{"kinds"}) {
			t.Fatal(views, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// One that had it open goes on.
	sameRows(t, readAll(t, beside, 0), rows[:3])

	j, err = later.open(j.path, false)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	appendRows(t, j, rows[3:])
	sameRows(t, readAll(t, beside, 0), rows)
}

func TestAnUpgradeThatFailsChangesNothing(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	j.Close()
	broken := later
	broken.steps = append(slices.Clone(later.steps), "INSERT INTO nowhere VALUES (1)")
	_, err = broken.open(j.path, false)
	refused(t, err, "from version 3 to 4", "nowhere")
	j, err = Open(j.path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	columns, err := j.writer.conn.queryTexts("SELECT name FROM pragma_table_info('events')")
	if want := "seq at kind segment member body seal"; err != nil || strings.Join(columns, " ") != want {
		t.Fatal(columns, err)
	}
}

func TestTheFileTellsWhatItIs(t *testing.T) {
	j := newJournal(t)
	for query, want := range map[string]string{
		"SELECT value FROM meta WHERE key = 'application'": "pbt",
		"PRAGMA application_id":                            fmt.Sprint(applicationID),
		"PRAGMA user_version":                              "1",
		"PRAGMA journal_mode":                              "wal",
		"PRAGMA synchronous":                               "2", // FULL
		"PRAGMA page_size":                                 "4096",
		"PRAGMA integrity_check":                           "ok",
	} {
		if got, err := j.writer.conn.queryTexts(query); err != nil || len(got) != 1 || got[0] != want {
			t.Errorf("%s: %v %v, want %s", query, got, err, want)
		}
	}
}
