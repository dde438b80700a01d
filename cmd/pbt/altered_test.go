package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const more = "--set=budget.steps=130"

// swap exchanges the contents of two checkpoints that members hold.
func swap(t *testing.T, dir string) {
	t.Helper()
	a := kept(t, dir)[0]
	b := kept(t, dir)[1]
	for _, move := range [][2]string{{a, a + ".x"}, {b, a}, {a + ".x", b}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// What was altered while no process had the run is found before a segment is trained.
func TestResumeRefusesAnAlteredRun(t *testing.T) {
	whole := finished(t)
	row := func(statement string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { alter(t, dir, statement) }
	}
	for name, c := range map[string]struct {
		alter func(*testing.T, string)
		says  string
	}{
		"an old score": {
			row(`UPDATE events SET body = json_set(body, '$.score', 1.1999) WHERE seq = (SELECT min(seq) FROM events WHERE kind = 'finished')`),
			"(finished), or the one before it, is not as it was written",
		},
		"swapped checkpoints": {swap, "is another one than the journal recorded"},
		"a byte of weights":   {grow("theta.json"), "wrong size"},
		"a trigger": {
			func(t *testing.T, dir string) {
				onJournal(t, dir, `CREATE TRIGGER t AFTER INSERT ON events BEGIN UPDATE events SET at = at + 1 WHERE seq = new.seq; END`)
			},
			`it holds the trigger "t", which pbt did not make`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			events := len(lines(ok(t, dir, "events", "d")))
			c.alter(t, dir)
			fails(t, dir, exitFailed, c.says, "resume", "d", more, "--quiet")
			fails(t, dir, exitFailed, "--accept-altered", "resume", "d", more, "--quiet")
			if n := len(lines(ok(t, dir, "events", "d"))); n != events { // it can still be read
				t.Errorf("%d events were recorded, now %d", events, n)
			}
			ok(t, dir, "status", "d")
			ok(t, dir, "lineage", "d")

			r := cli(t, dir, "resume", "d", more, "--quiet", "--accept-altered")
			if r.code != 0 || !strings.Contains(r.err, "WARNING: d was altered") || !strings.Contains(r.err, c.says[:8]) {
				t.Fatalf("%s", r)
			}
			fails(t, dir, exitFailed, "altered", "verify", "d")
			if s := ok(t, dir, "events", "d"); !strings.Contains(s, `"accepted":[{"what":`) {
				t.Error("the journal does not say that this was accepted")
			}
		})
	}
}

// Each byte of a checkpoint of an earlier session is read before its first use.
func TestResumeReadsACheckpointBeforeItsFirstUse(t *testing.T) {
	dir := finished(t)
	for _, path := range kept(t, dir) { // of the same size, at the same time: only the hash tells
		weights := filepath.Join(path, "theta.json")
		info, err := os.Stat(weights)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(weights)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(weights, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(weights, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	r := cli(t, dir, "resume", "d", more)
	if !strings.Contains(ok(t, dir, "events", "d"), "wrong hash") {
		t.Errorf("%s", r)
	}
}

// Verify knows what was handed out, also once it is superseded and deleted.
func TestVerifyAccountsForWhatWasHandedOut(t *testing.T) {
	dir := finished(t)
	ok(t, dir, "resume", "d", more, "--quiet")
	loads := asJSON(t, dir, "verify", "d")["loads"].(map[string]any)
	if loads["checked"].(float64) < 60 || loads["altered"] != 0.0 {
		t.Error(loads)
	}
	alter(t, dir, `UPDATE events SET body = json_set(body, '$.loaded', '0123456789abcdef') WHERE seq =
		(SELECT min(seq) FROM events WHERE kind = 'finished' AND json_extract(body, '$.loaded') IS NOT NULL)`)
	r := cli(t, dir, "verify", "d", "--json")
	loads = decode[map[string]any](t, r.out)["loads"].(map[string]any)
	if r.code != exitFailed || loads["altered"] != 1.0 {
		t.Error(r)
	}
}
