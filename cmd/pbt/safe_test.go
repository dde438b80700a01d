package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// withQuotes has a hyperparameter whose value a spreadsheet would run and a terminal would
// obey.
const withQuotes = `name: quotes
population: 2
metric: {name: q, goal: maximize}
segment: {steps: 5}
budget: {steps: 5}
hyperparameters:
  h0: {uniform: [0, 1]}
  h1: {uniform: [0, 1]}
  noise: 0.1
  =mode: {choice: ["=1+1\u009b31m\u202e"]}
trainer: {builtin: quadratic, slots: 1}
`

func TestCSVOfARunIsNeutralised(t *testing.T) {
	dir := home(t, withQuotes)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
	schedule := ok(t, dir, "schedule", "d", "--format", "csv")
	if !strings.Contains(schedule, ",'=mode\n") || !strings.Contains(schedule, ",'=1+1") {
		t.Errorf("schedule: %q", schedule)
	}
	if segments := ok(t, dir, "export", "d"); !strings.Contains(segments, "'=1+1") || strings.Contains(segments, ",=1+1") {
		t.Errorf("segments: %q", segments)
	}
}

// A suggested command can be pasted, whatever the run's directory is called.
func TestSuggestedCommandsAreQuoted(t *testing.T) {
	dir := home(t, quick)
	const name = "it's; a run $(x)\x1b"
	const quoted = `$'it\'s; a run $(x)\033'`
	r := cli(t, dir, "run", "q.yaml", "--dir", name)
	for _, want := range []string{"pbt schedule " + quoted, "pbt lineage " + quoted, "pbt replay " + quoted} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in %s", want, r)
		}
	}
	again := cli(t, dir, "run", "q.yaml", "--dir", name)
	if !strings.Contains(again.err, "`pbt resume "+quoted+"`") || strings.Contains(r.out+r.err+again.err, "\x1b") {
		t.Errorf("%s\n%s", r, again)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	pasted := exec.Command(bash, "-c", `"$PBT" status `+quoted)
	pasted.Dir, pasted.Env = dir, append(os.Environ(), "PBT="+binaryPath(t))
	if out, err := pasted.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Over HTTP a branch gets no name that a command, another program or a reader takes for
// something else.
func TestNamesOfBranchesOverHTTP(t *testing.T) {
	s := steerer{dir: filepath.Join(t.TempDir(), "run")}
	for _, name := range []string{"-x", "--help", ".git", ".ssh", "..", ".", "a\nb", "a\x1b[2J", "a\u202eb", "a\u200bb", "a\xffb", " a", "a ", strings.Repeat("x", 256), "../a", "a/b", "/etc/a"} {
		if dir, err := s.dirOfBranch(name); err == nil || !strings.HasPrefix(err.Error(), "dir: ") {
			t.Errorf("%q becomes %q, %v", name, dir, err)
		}
	}
	for _, name := range []string{"a", "digits-branch", "größer 2", "a.git", "_x"} {
		if _, err := s.dirOfBranch(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// A run whose path SQLite cannot open is refused with the limit, and leaves nothing.
func TestALongRunPath(t *testing.T) {
	dir := home(t, quick)
	long := filepath.Join(strings.Repeat("a", 200), strings.Repeat("b", 200), strings.Repeat("c", 100))
	fails(t, dir, exitFailed, "SQLite opens at most 475 here", "run", "q.yaml", "--dir", long)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("%v, %v: want q.yaml alone", entries, err)
	}
}
