package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// outageTrainer needs something outside of the run: the file data.
const outageTrainer = `[ -e data ] || { echo "Traceback" >&2; echo "OSError: data set is not mounted" >&2; exit 1; }
` + plainScript

// A data set that is away for a while costs no member anything: no member is repaired, and
// none is lost, also where no donor exists and no retry is left.
func TestAnOutageCostsNoMember(t *testing.T) {
	for _, c := range []struct{ population, exploit string }{{"1", "none"}, {"2", "none"}, {"4", "none"}, {"4", "{truncation: 0.5}"}} {
		t.Run(c.population+c.exploit, func(t *testing.T) {
			t.Parallel()
			dir := homeOf(t, outageTrainer)
			data := filepath.Join(dir, "data")
			save(t, dir, "data", "")
			ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "population="+c.population, "--set", "exploit="+c.exploit, "--set", "retries=0", "--set", "budget.steps=20")
			if err := os.Remove(data); err != nil {
				t.Fatal(err)
			}
			r := cli(t, dir, "resume", "d", "--set", "budget.steps=40")
			if r.code != exitFailed || !strings.Contains(r.err, "OSError: data set is not mounted\nNo member is charged with it") {
				t.Error(r)
			}
			if n := strings.Count(r.err, "Traceback"); n > 1 {
				t.Errorf("the cause is told %d times\n%s", n, r)
			}
			says(t, ok(t, dir, "status", "d"), "the last one: OSError: data set is not mounted\n")
			save(t, dir, "data", "")
			ok(t, dir, "resume", "d", "--quiet")
			text := ok(t, dir, "status", "d")
			says(t, text, "finished: every member has spent its budget\n")
			says(t, text, " 0 repairs, 0 restarts; ")
			ok(t, dir, "verify", "d")
		})
	}
}

// Under on_fault: retry the run waits, and continues by itself when the data is back.
func TestARunWaitsForAnOutageToEnd(t *testing.T) {
	t.Parallel()
	dir := homeOf(t, outageTrainer)
	save(t, dir, "data", "")
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "trainer.slots=1", "--set", "budget.steps=20")
	if err := os.Remove(filepath.Join(dir, "data")); err != nil {
		t.Fatal(err)
	}
	script := `if [ ! -e data ]; then echo x >>tries; [ $(wc -l <tries) -ge 4 ] && touch data; echo "OSError: not mounted" >&2; exit 1; fi
` + plainScript
	save(t, dir, "train.sh", script)
	r := cli(t, dir, "resume", "d", "--set", "budget.steps=40", "--set", "on_fault=retry")
	if r.code != exitDone {
		t.Fatal(r)
	}
	says(t, r.err, "waiting before the next attempt: ")
	says(t, r.err, "the fault is gone, after ")
	says(t, ok(t, dir, "events", "d"), `"kind":"recovered"`)
	ok(t, dir, "verify", "d")
}

// What pbt itself cannot do is no member's failure either: a socket directory, the
// directory of checkpoints.
func TestAFaultOfPbtItselfIsNoMembers(t *testing.T) {
	t.Parallel()
	dir := homeOf(t, plainScript)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet", "--set", "budget.steps=20", "--set", "exploit=none", "--set", "retries=0")
	script := "rm -rf " + filepath.Join(dir, "d/checkpoints/.staging") + "; exit 1\n"
	save(t, dir, "train.sh", script)
	r := cli(t, dir, "resume", "d", "--quiet", "--set", "budget.steps=40")
	if r.code != exitFailed || !strings.Contains(r.err, "pbt itself failed, no member did: ") {
		t.Error(r)
	}
	save(t, dir, "train.sh", plainScript)
	ok(t, dir, "resume", "d", "--quiet")
	if text := ok(t, dir, "status", "d"); !strings.Contains(text, "finished: every member has spent its budget\n") {
		t.Error(text)
	}
}
