package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/seed-7a1a2db0/pbt/config"
)

func TestEveryCommandShowsAnExample(t *testing.T) {
	for _, c := range newRoot().Commands() {
		r := cli(t, "", c.Name(), "--help")
		if r.code != exitDone || r.err != "" || !strings.Contains(r.out, "Usage:") || !strings.Contains(r.out, "Examples:") {
			t.Error(r)
		}
		if c.Short == "" || !regexp.MustCompile(`(?m)^  pbt `+c.Name()+`\b`).MatchString(r.out) {
			t.Errorf("%s: it says too little:\n%s", c.Name(), r.out)
		}
	}
	top := ok(t, "", "--help")
	if ok(t, "") != top {
		t.Error("pbt alone does not show the help")
	}
	for _, want := range []string{"Exit codes: 0 done, 1 failed, 2 bad use or bad experiment file, 3 the run has ended and\nmembers of it failed, 130 interrupted", "pbt init && pbt run", "completion"} {
		if !strings.Contains(top, want) {
			t.Errorf("%q is not in:\n%s", want, top)
		}
	}
}

func TestBadUseIsToldWithExitCode2(t *testing.T) {
	dir := home(t, quick)
	for says, args := range map[string][]string{
		`there is no command "trian"`:           {"trian"},
		"unknown flag: --sed":                   {"run", "q.yaml", "--sed", "3"},
		"usage: pbt run FILE":                   {"run"},
		"usage: pbt status DIR":                 {"status", "a", "b"},
		"usage: pbt explain DIR SEGMENT":        {"explain", "runs/quick-1"},
		`"x" is no segment's number`:            {"explain", "runs/quick-1", "x"},
		`there is no format "xml": want table`:  {"schedule", "d", "--format", "xml"},
		`there is no format "xml": want text`:   {"lineage", "d", "--format", "xml"},
		"no/such.yaml":                          {"run", "no/such.yaml"},
		"flag needs an argument":                {"run", "q.yaml", "--set"},
		"invalid argument \"many\" for \"--slo": {"run", "q.yaml", "--slots", "many"},
		"trainer.slots":                         {"run", "q.yaml", "--slots", "0"},
		"popultion":                             {"run", "q.yaml", "--set", "popultion=3"},
		`--set seed=x`:                          {"run", "q.yaml", "--seed", "x"},
		`"0" for "--segment" flag: want a`:      {"schedule", "d", "--segment", "0"},
		`"-3" for "--segment" flag: want a`:     {"replay", "d", "--segment", "-3"},
		`"x" for "--segment" flag: want a`:      {"report", "d", "--segment", "x"},
		`"00" for "--segment" flag: want a`:     {"inject", "d", "--segment", "00"},
		"-1: pbt branch takes no negative":      {"branch", "d", "-1"},
		"usage: pbt explain DIR SEGMENT [flags": {"explain", "d", "-12"},
		"unknown shorthand flag: 'x' in -x":     {"explain", "d", "-x"},
	} {
		fails(t, dir, exitUsage, says, args...)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("bad use leaves nothing behind: %v", left)
	}
}

// An experiment may come through a pipe; nobody need wait for one into which nothing is written.
func TestAnExperimentThroughAPipe(t *testing.T) {
	dir := home(t, quick)
	c := command(t, dir, "run", "/dev/stdin", "--dir", "d", "--quiet")
	c.Stdin = strings.NewReader(quick)
	if r := finish(t, c, (*exec.Cmd).Run); r.code != exitDone {
		t.Error(r)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		c := command(t, dir, "run", "pipe", "--dir", "e")
		r := finish(t, c, func(c *exec.Cmd) error {
			if err := c.Start(); err != nil {
				return err
			}
			var in *os.File
			until(t, "somebody reads", func() (so bool) {
				var err error
				in, err = os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0)
				return err == nil
			})
			defer in.Close()
			if err := c.Process.Signal(s); err != nil {
				return err
			}
			return c.Wait()
		})
		if r.code != exitInterrupted {
			t.Errorf("%s: %s", s, r)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "e")); err == nil {
		t.Error("something was made")
	}
}

// One is one: 1 segment, not 1 segments.
func TestOneOfAThing(t *testing.T) {
	dir := home(t, quick)
	r := cli(t, dir, "run", "q.yaml", "--dir", "d", "--set", "population=1", "--set", "segment.steps=1", "--set", "budget.steps=1")
	says(t, r.out, "(1 segment, 0 copies)")
	says(t, r.err, "quick: 1 member, 2 at a time")
	says(t, ok(t, dir, "status", "d"), "\n1 segment finished, 0 running, 0 failed attempts; 0 copies, 0 repairs, 0 restarts; 1 step trained in ")
	says(t, ok(t, dir, "verify", "d"), ", 1 decision decided again, 1 checkpoint checked")
}

// A run says why it has ended, also if that is nobody's success.
func TestARunInWhichMembersFailForGood(t *testing.T) {
	dir := homeOf(t, "exit 3\n")
	for _, c := range []struct{ script, says string }{
		{`[ "$3" = 2 ] && exit 3; ` + plainScript, "every member has spent its budget, but for 1 that failed for good"},
	} {
		save(t, dir, "train.sh", c.script)
		r := cli(t, dir, "run", "q.yaml", "--dir", "d", "--set", "repair=none", "--set", "retries=0", "--set", "failures_in_a_row=99", "--set", "trainer.slots=1")
		says(t, ok(t, dir, "status", "d"), "finished: "+c.says+"\n")
		if r.code != exitMembers {
			t.Error(r)
		}
		says(t, r.err, "1 member failed, with no retry left: 1. The last cause: exit status 3 (it printed nothing)\nTo train what is left of its budget: pbt resume d --retry-failed")
		save(t, dir, "train.sh", plainScript)
		ok(t, dir, "resume", "d", "--retry-failed", "--quiet")
		says(t, ok(t, dir, "status", "d"), "finished: every member has spent its budget\n")
		ok(t, dir, "verify", "d")
		if err := os.RemoveAll(filepath.Join(dir, "d")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABadFileIsToldWithLineAndColumn(t *testing.T) {
	for text, says := range map[string]string{
		strings.Replace(quick, "population: 6", "populaton: 6", 1):            `q.yaml:2:1: unknown key "populaton"; did you mean "population"?`,
		strings.Replace(quick, "{steps: 50}", "{steps: fifty}", 1):            "q.yaml:5:17: ",
		strings.Replace(quick, "uniform: [0, 1]", "uniform: [1, 0]", 1):       "q.yaml:7:",
		strings.Replace(quick, "builtin: quadratic", "builtin: quadratik", 1): `did you mean "quadratic"?`,
		quick + "  - x\n": "q.yaml:",
		"":                "q.yaml",
	} {
		dir := home(t, text)
		fails(t, dir, exitUsage, says, "run", "q.yaml")
		if _, err := os.Stat(filepath.Join(dir, "runs")); err == nil {
			t.Errorf("%q: a bad file leaves nothing behind", says)
		}
	}
}

func TestWhatIsNoRunIsToldWithExitCode1(t *testing.T) {
	dir := home(t, quick)
	for _, name := range []string{"status", "best", "schedule", "lineage", "events", "verify", "resume", "replay"} {
		fails(t, dir, exitFailed, "no/such is not a run's directory", name, "no/such")
	}
	fails(t, dir, exitFailed, "is not a run's directory", "explain", ".", "1")
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Errorf("looking leaves nothing behind: %v", left)
	}
	save(t, dir, "journal.sqlite", "hello")
	fails(t, dir, exitFailed, "it is not a pbt journal", "status", ".")
}

func TestRunsAreNumberedByName(t *testing.T) {
	dir := home(t, quick)
	for i := 1; i <= 3; i++ {
		out := ok(t, dir, "run", "q.yaml", "--set", "budget.steps=5")
		if want := "runs/quick-" + strconv.Itoa(i); !strings.Contains(out, "pbt schedule "+want) {
			t.Errorf("run %d: %s", i, out)
		}
	}
	ok(t, dir, "status", "runs/quick-3")
	ok(t, dir, "run", "q.yaml", "--set", "budget.steps=5", "--dir", "elsewhere/mine")
	fails(t, dir, exitUsage, "elsewhere/mine holds a run already: go on with `pbt resume elsewhere/mine`", "run", "q.yaml", "--dir", "elsewhere/mine")
	kept, err := os.ReadFile(filepath.Join(dir, "elsewhere/mine/experiment.yaml"))
	if err != nil || string(kept) != quick {
		t.Errorf("the experiment file is kept as it was: %v", err)
	}
}

func TestSettingsFromTheCommandLine(t *testing.T) {
	dir := home(t, quick)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--seed", "77", "--slots", "3", "--quiet",
		"--set", "population=3", "--set", "budget.steps=10", "--set", "exploit.ttest.alpha=0.1", "--set", "hyperparameters.h0={choice: [0.25]}")
	var started struct {
		Seed       uint64          `json:"seed"`
		Source     string          `json:"source"`
		Experiment json.RawMessage `json:"experiment"`
	}
	first := decode[event](t, lines(ok(t, dir, "events", "d"))[0])
	started = decode[struct {
		Seed       uint64          `json:"seed"`
		Source     string          `json:"source"`
		Experiment json.RawMessage `json:"experiment"`
	}](t, string(first.Event))
	exp, err := config.FromJSON(started.Experiment)
	if err != nil {
		t.Fatal(err)
	}
	if started.Seed != 77 || exp.Seed != 77 || exp.Trainer.Slots != 3 || exp.Population != 3 || exp.Budget.Steps != 10 || exp.Policy.Exploit.Name() != "ttest" || started.Source != quick {
		t.Errorf("%+v %+v", started, exp)
	}
	for _, m := range asJSON(t, dir, "status", "d")["members"].([]any) {
		if h := m.(map[string]any)["hypers"].(map[string]any)["h0"]; h != 0.25 {
			t.Errorf("h0 is %v", h)
		}
	}
}

// The same seed gives the same run, another seed another one.
func TestASeedMakesARunAgain(t *testing.T) {
	dir := home(t, quick)
	var best []string
	for i, seed := range []string{"5", "5", "6"} {
		d := strconv.Itoa(i)
		ok(t, dir, "run", "q.yaml", "--dir", d, "--seed", seed, "--slots", "1", "--quiet")
		best = append(best, ok(t, dir, "schedule", d, "--json"))
	}
	if best[0] != best[1] || best[0] == best[2] {
		t.Error(best)
	}
}

func TestARunTellsWhatCameOfIt(t *testing.T) {
	dir := home(t, quick)
	r := cli(t, dir, "run", "q.yaml")
	if !strings.ContainsAny(r.out, string(bars)) {
		t.Errorf("there is no chart in:\n%s", r.out)
	}
	for _, want := range []string{"best score ", "its schedule", "pbt schedule runs/quick-1", "pbt explain runs/quick-1 ", "pbt best runs/quick-1 --copy"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is not in:\n%s", want, r.out)
		}
	}
	if !strings.HasPrefix(r.err, "quick: 6 members, 2 at a time, in runs/quick-1\n") {
		t.Errorf("progress: %q", r.err)
	}
	if quiet := cli(t, dir, "run", "q.yaml", "--quiet"); quiet.err != "" {
		t.Errorf("--quiet: %q", quiet.err)
	}
	loud := cli(t, dir, "run", "q.yaml", "--verbose", "--slots", "1")
	if !strings.Contains(loud.err, "copies weights and hyperparameters of member") {
		t.Errorf("--verbose: %q", loud.err)
	}
	printed := lines(ok(t, dir, "run", "q.yaml", "--json"))
	best := decode[map[string]any](t, printed[len(printed)-1])
	has(t, best, "segment", "member", "step", "score", "hypers", "checkpoint")
	if same := asJSON(t, dir, "best", "runs/quick-4"); same["segment"] != best["segment"] || same["score"] != best["score"] {
		t.Errorf("run says %v, best says %v", best, same)
	}
}

// has checks that a JSON object has fields.
func has(t *testing.T, doc any, fields ...string) {
	t.Helper()
	object, isObject := doc.(map[string]any)
	if !isObject {
		t.Errorf("%v is no object with %v", doc, fields)
		return
	}
	for _, f := range fields {
		if _, ok := object[f]; !ok {
			t.Errorf("there is no %q in %v", f, object)
		}
	}
}

func TestVersionAndSchema(t *testing.T) {
	has(t, asJSON(t, "", "version"), "version", "go", "platform")
	if out := ok(t, "", "version"); !strings.HasPrefix(out, "pbt ") {
		t.Error(out)
	}
	has(t, decode[any](t, ok(t, "", "schema")), "$schema", "properties", "required")
	if out := ok(t, "", "schema", "--reference"); !strings.Contains(out, "population") {
		t.Error(out)
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		script := ok(t, "", "completion", shell)
		if !strings.Contains(script, "pbt") || len(script) < 1000 {
			t.Errorf("%s: %.200s", shell, script)
		}
		program, err := exec.LookPath(shell)
		if err != nil {
			continue
		}
		check := exec.Command(program, "-n", "/dev/stdin")
		check.Stdin = strings.NewReader(script)
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", shell, err, out)
		}
	}
	out := ok(t, "", "__complete", "resu")
	if !strings.HasPrefix(out, "resume\t") {
		t.Errorf("completing resu: %s", out)
	}
}

func TestInitWritesWhatRuns(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	dir := t.TempDir()
	out := ok(t, dir, "init", "first")
	if !strings.Contains(out, "pbt run first/experiment.yaml") {
		t.Error(out)
	}
	for _, args := range [][]string{{"init", "first"}, {"init", "first/"}} {
		fails(t, dir, exitUsage, "first/experiment.yaml is there already", args...)
	}
	ok(t, dir, "run", "first/experiment.yaml", "--set", "population=3", "--set", "budget.steps=20")
	ok(t, dir, "verify", "runs/first-1")
	if s := asJSON(t, dir, "status", "runs/first-1"); s["state"] != "finished" || s["segments"].(map[string]any)["finished"] != 6.0 {
		t.Error(s)
	}
	here := t.TempDir()
	ok(t, here, "init")
	if left, _ := filepath.Glob(filepath.Join(here, "*")); len(left) != 2 {
		t.Error(left)
	}
}

// The trainer's program gets what the file promises it.
func TestAProgramAsTrainer(t *testing.T) {
	dir := homeOf(t, `echo "$@" >> log; cat "$4/w" 2>/dev/null; `+plainScript)
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--slots", "1")
	text, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	calls := lines(string(text))
	if len(calls) != 16 {
		t.Errorf("%d calls", len(calls))
	}
	abs, _ := filepath.EvalSymlinks(dir)
	staged := filepath.Join(abs, "d", "checkpoints", ".staging") + "/"
	var segments []int
	for i, call := range calls {
		words := strings.Fields(call)
		segment, err := strconv.Atoi(words[2])
		if err != nil || !strings.HasPrefix(words[0], staged) {
			t.Errorf("call %d: %s", i, call)
		}
		segments = append(segments, segment)
		if (i >= 4) != (len(words) == 4) {
			t.Errorf("call %d loads %v", i, words[3:])
		}
	}
	slices.Sort(segments)
	for i, s := range segments {
		if s != i+1 {
			t.Errorf("segments %v", segments)
			break
		}
	}
	ok(t, dir, "verify", "d")
}

func TestATrainerThatCannotWorkPausesTheRun(t *testing.T) {
	dir := homeOf(t, "echo Traceback >&2; printf 'boom \\033[31m\\n' >&2; exit 3\n") // one stream: two have no order
	r := cli(t, dir, "run", "q.yaml", "--dir", "d", "--set", "failures_in_a_row=4")
	if r.code != exitFailed || !strings.Contains(r.err, "the run has paused") || !strings.Contains(r.err, "Continue with: pbt resume d") || !strings.Contains(r.err, "boom") {
		t.Error(r)
	}
	s := asJSON(t, dir, "status", "d")
	if s["state"] != "paused" || s["segments"].(map[string]any)["failed"].(float64) < 2 {
		t.Error(s)
	}
	if text := ok(t, dir, "status", "d"); !strings.Contains(text, "the last one: boom") || !strings.HasPrefix(text, "paused: ") {
		t.Error(text)
	}
	save(t, dir, "train.sh", plainScript)
	ok(t, dir, "resume", "d")
	ok(t, dir, "verify", "d")
}

// What a trainer prints, and what a value may be, never reaches a terminal raw.
func TestNoControlCharactersReachTheTerminal(t *testing.T) {
	dir := homeOf(t, `[ "$3" = 3 ] && { printf 'bell \007 red \033[31m csi \302\233 del \177 bidi \342\200\256\n'; exit 1; }; `+plainScript)
	run := cli(t, dir, "run", "q.yaml", "--dir", "d", "--verbose")
	if run.code != exitDone || !strings.Contains(run.err, "bell") {
		t.Fatal(run)
	}
	texts := []result{run}
	for _, args := range [][]string{{"status", "d"}, {"best", "d"}, {"schedule", "d"}, {"lineage", "d"}, {"explain", "d", "3"}, {"explain", "d", "1"}, {"lineage", "d", "--format", "dot"}, {"schedule", "d", "--format", "yaml"}} {
		texts = append(texts, cli(t, dir, args...))
	}
	for _, args := range [][]string{{"status", "d", "--json"}, {"events", "d"}, {"explain", "d", "3", "--json"}} {
		texts = append(texts, cli(t, dir, args...))
	}
	for _, r := range texts {
		for _, c := range r.out + r.err {
			if (unicode.IsControl(c) || unicode.Is(unicode.Cf, c)) && c != '\n' && c != '\t' {
				t.Errorf("%q in %s", c, r)
				break
			}
		}
	}
}
