package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"
)

// alter changes a run's journal with an SQLite tool, as anybody might.
func alter(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "d", "journal.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Exec(statement)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := res.RowsAffected(); n == 0 || err != nil {
		t.Fatalf("%s: %d rows, %v", statement, n, err)
	}
}

// kept are the run's checkpoints on disk.
func kept(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "d", "checkpoints", "s*"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	return paths
}

func TestVerifySaysWhatWasAltered(t *testing.T) {
	whole := finished(t)
	if out := ok(t, whole, "verify", "d"); !strings.HasPrefix(out, "ok: ") {
		t.Error(out)
	}
	r := asJSON(t, whole, "verify", "d")
	has(t, r, "ok", "decisions", "mismatches", "checkpoints")
	has(t, r["checkpoints"], "checked", "missing", "corrupt")
	if r["ok"] != true || r["decisions"] != 60.0 || r["mismatches"] != 0.0 || r["checkpoints"].(map[string]any)["checked"] != float64(len(kept(t, whole))) {
		t.Error(r)
	}

	row := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { alter(t, dir, statement) }
	}
	for name, c := range map[string]struct {
		alter func(t *testing.T, dir string)
		says  []string
	}{
		"a score": {
			row(`UPDATE events SET body = json_set(body, '$.score', 1.1999) WHERE seq = (SELECT min(seq) FROM events WHERE kind = 'finished')`),
			[]string{"the journal was altered", "(finished)"},
		},
		"a decision's hyperparameters": {
			row(`UPDATE events SET body = json_set(body, '$.hypers.h0', 0.5) WHERE seq = (SELECT max(seq) FROM events WHERE kind = 'decided')`),
			[]string{"the journal was altered", "(decided)"},
		},
		"a row gone":             {row(`DELETE FROM events WHERE seq = 50`), []string{"row 5"}},
		"the first row":          {row(`DELETE FROM events WHERE seq = 1`), []string{"row "}},
		"a row's time":           {row(`UPDATE events SET at = at + 1 WHERE seq = 40`), []string{"row 40"}},
		"a row's member":         {row(`UPDATE events SET member = member + 1 WHERE seq = 40`), []string{"row 40"}},
		"a row more":             {row(`INSERT INTO events SELECT max(seq) + 1, max(at), 'refused', 1, 1, '{}', '00000000000000000000000000000000' FROM events`), []string{"(refused)"}},
		"what is no JSON":        {row(`UPDATE events SET body = '{' WHERE seq = 40`), []string{"row 40"}},
		"a byte of weights":      {flip("theta.json"), []string{"wrong hash"}},
		"a byte of its manifest": {flip("manifest.json"), []string{"checkpoint s"}},
		"a checkpoint gone": {
			func(t *testing.T, dir string) {
				if err := os.RemoveAll(kept(t, dir)[0]); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"checkpoint s", "is missing"},
		},
		"a file gone": {
			func(t *testing.T, dir string) {
				if err := os.Remove(filepath.Join(kept(t, dir)[0], "theta.json")); err != nil {
					t.Fatal(err)
				}
			},
			[]string{"checkpoint s", "theta.json"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			c.alter(t, dir)
			r := cli(t, dir, "verify", "d")
			for _, says := range c.says {
				if r.code != exitFailed || r.out != "" || !strings.HasPrefix(r.err, "pbt: ") || !strings.Contains(r.err, says) {
					t.Errorf("%s\nwant exit code 1 and a message with %q", r, says)
				}
			}
			r = cli(t, dir, "verify", "d", "--json")
			if r.code != exitFailed || r.err != "" {
				t.Error(r)
			}
			report := decode[map[string]any](t, r.out)
			if report["ok"] != false || report["first"] == "" {
				t.Error(report)
			}
		})
	}
}

// flip changes one bit of a file of a checkpoint that is kept.
func flip(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		path := filepath.Join(kept(t, dir)[0], name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// grow adds a byte to a file of a checkpoint that is kept.
func grow(name string) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		f, err := os.OpenFile(filepath.Join(kept(t, dir)[0], name), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(" "); err != nil {
			t.Fatal(err)
		}
	}
}

// onJournal runs SQL on a run's journal.
func onJournal(t *testing.T, dir, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "d", "journal.sqlite"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}
