package trainer_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/trainer"
)

// asEngine makes this test's binary the parent of a program, so that it can be killed.
const asEngine = "PBT_TEST_RUN_THIS"

func TestMain(m *testing.M) {
	if script := os.Getenv(asTrainer); script != "" {
		perform(script)
	}
	if script := os.Getenv(asEngine); script != "" {
		_, err := try(context.Background(), trainer.ScoreSource{JSON: "score"}, "", "/bin/sh", "-c", script)
		fmt.Println(err)
		os.Exit(0)
	}
	os.Exit(leavingNothing(m.Run))
}

// leavingNothing runs the tests, and fails if they leave goroutines or directories.
func leavingNothing(run func() int) (code int) {
	if flag.Parse(); flag.Lookup("test.fuzz").Value.String() != "" {
		return run() // fuzzing has goroutines of its own
	}
	dir, err := os.MkdirTemp("", "pbt-trainer-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("TMPDIR", dir) // where sockets are made
	before := runtime.NumGoroutine()
	code = run()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() { // the last are just returning
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			fmt.Printf("goroutines are left:\n%s\n", stacks[:runtime.Stack(stacks, true)])
			return 1
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		fmt.Println("left behind:", left)
		return 1
	}
	return code
}

// try runs a program for one segment.
func try(ctx context.Context, source trainer.ScoreSource, save string, args ...string) (trainer.Result, error) {
	return tryAll(ctx, trainer.Command{Score: source}, save, args...)
}

func tryAll(ctx context.Context, c trainer.Command, save string, args ...string) (trainer.Result, error) {
	c.Args = func(trainer.Job) ([]string, error) { return args, nil }
	slot, err := trainer.NewCommand(c)
	if err != nil {
		return trainer.Result{}, err
	}
	defer slot.Close()
	return slot.Train(ctx, trainer.Job{Save: save})
}

// sh runs a shell script whose score is `score` in a line of JSON.
func sh(t *testing.T, script string) (trainer.Result, error) {
	t.Helper()
	return try(t.Context(), trainer.ScoreSource{JSON: "score"}, t.TempDir(), "/bin/sh", "-c", script)
}

func TestTheScoreInALineOfJSON(t *testing.T) {
	for name, c := range map[string]struct {
		key    string // score if empty
		script string
		want   float64
	}{
		"alone":                     {"", `echo '{"score": 0.5}'`, 0.5},
		"the last line":             {"", `echo '{"score": 0.1}'; echo '{"score": 0.5}'`, 0.5},
		"then other output":         {"", `echo '{"score": 0.5}'; echo bye; echo '{"epoch": 3}'; echo '[1]'`, 0.5},
		"no newline at the end":     {"", `printf '{"score": 0.5}'`, 0.5},
		"Windows line ends":         {"", `printf '{"score": 0.5}\r\n'`, 0.5},
		"indented":                  {"", `echo '   {"score": 0.5}  '`, 0.5},
		"on standard error":         {"", `echo '{"score": 0.5}' >&2`, 0.5},
		"on both":                   {"", `echo '{"score": 0.5}'; echo '{"score": 7}' >&2`, 0.5},
		"after a progress bar":      {"", `printf '10%%\r20%%\r{"score": 0.5}\n'`, 0.5},
		"beside a progress bar":     {"", `printf '\r 50%% ###   ' >&2; echo '{"score": 0.5}'; printf '\r100%% ######' >&2`, 0.5},
		"in depth":                  {"eval.acc", `echo '{"eval": {"acc": 0.5}}'`, 0.5},
		"a name with a dot":         {"eval.acc", `echo '{"eval.acc": 0.5}'`, 0.5},
		"a whole number":            {"", `echo '{"score": 3}'`, 3},
		"negative, with an e":       {"", `echo '{"score": -1.5e-3}'`, -0.0015},
		"NaN, as Python says it":    {"", `echo '{"score": NaN}'`, math.NaN()},
		"without blanks":            {"", `echo '{"score":NaN,"x":Infinity}'`, math.NaN()},
		"Infinity":                  {"", `echo '{"score": Infinity}'`, math.Inf(1)},
		"minus Infinity":            {"", `echo '{"score": -Infinity}'`, math.Inf(-1)},
		"too large a number":        {"", `echo '{"score": 1e400}'`, math.Inf(1)},
		"too small a number":        {"", `echo '{"score": -1e400}'`, math.Inf(-1)},
		"one too large beside it":   {"", `echo '{"loss": 1e400, "samples": [1e999], "score": 0.5}'`, 0.5},
		"NaN as a text":             {"", `echo '{"score": "NaN"}'`, math.NaN()},
		"NaN in a text beside it":   {"", `printf '%s\n' '{"score": 0.5, "note": "loss: NaN, \"Infinity\" \\"}'`, 0.5},
		"NaN in a list beside it":   {"", `echo '{"losses": [NaN, -Infinity, {"a": NaN}], "score": 0.5}'`, 0.5},
		"a name twice":              {"", `echo '{"score": 0.5}'; echo '{"score": 9, "score": 8}'`, 0.5},
		"bytes that are not UTF-8":  {"", `printf '{"score": 0.5, "note": "\377"}\n'`, 0.5},
		"a line that is not JSON":   {"", `echo '{"score": 0.5}'; echo '{score: 9}'; echo '{"score":'; echo '{"score": "good"}'; echo '{"score": null}'`, 0.5},
		"keys that lead nowhere":    {"a.b.c", `echo '{"a": {"b": {"c": 0.5}}}'; echo '{"a": {"b": 7}}'; echo '{"a": [1]}'`, 0.5},
		"a metric of the same name": {"eval.score", `echo '{"score": 9, "eval": {"score": 0.5}}'`, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			key := c.key
			if key == "" {
				key = "score"
			}
			res, err := try(t.Context(), trainer.ScoreSource{JSON: key}, t.TempDir(), "/bin/sh", "-c", c.script)
			if err != nil || res.Score != c.want && !(math.IsNaN(res.Score) && math.IsNaN(c.want)) {
				t.Errorf("%v, %v", res.Score, err)
			}
		})
	}
}

func TestMetricsAndSamplesBesideTheScore(t *testing.T) {
	res, err := sh(t, `echo '{"score": 1, "loss": 0.25, "best": NaN, "name": "x", "ok": true, "samples": [1, 2.5, -Infinity], "n": {"deep": 1}}'`)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Metrics) != 2 || res.Metrics["loss"] != 0.25 || !math.IsNaN(res.Metrics["best"]) {
		t.Errorf("metrics %v", res.Metrics)
	}
	if !slices.Equal(res.Samples, []float64{1, 2.5, math.Inf(-1)}) {
		t.Errorf("samples %v", res.Samples)
	}
}

func TestAProgramCountsItsSteps(t *testing.T) {
	res, err := sh(t, `echo '{"score": 1, "steps_trained": 7, "steps": 5000}'`)
	if err != nil || res.Steps == nil || *res.Steps != 7 || len(res.Metrics) != 1 || res.Metrics["steps"] != 5000 {
		t.Errorf("%+v, %v", res, err)
	}
	if res, err := sh(t, `echo '{"score": 1, "steps": 5000}'`); err != nil || res.Steps != nil {
		t.Errorf("a metric named steps counts: %+v, %v", res, err)
	}
	if res, err := sh(t, `echo '{"score": 1, "done": true}'`); err != nil || !res.Done {
		t.Errorf("it is not done: %+v, %v", res, err)
	}
	for _, wrong := range []string{"0", "-2", "2.5", "1e99", `"3"`, "null"} {
		if _, err := sh(t, `echo '{"score": 1, "steps_trained": `+wrong+`}'`); err == nil || !strings.Contains(err.Error(), "want a whole number from 1 to") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
	if res, err := sh(t, `echo '{"score": '$((PBT_UNTIL - PBT_FROM - PBT_STEPS))'}'`); err != nil || res.Score != 0 {
		t.Errorf("PBT_UNTIL is not PBT_FROM + PBT_STEPS: %+v, %v", res, err)
	}
}

func TestTheScoreByRegex(t *testing.T) {
	for name, c := range map[string]struct {
		regex, script string
		want          float64
	}{
		"the last match":         {`acc: ([0-9.]+)`, `echo 'acc: 0.1'; echo 'acc: 0.5 (final)'; echo done`, 0.5},
		"the last of a line":     {`acc: ([0-9.]+)`, `echo 'train acc: 0.9, test acc: 0.5'`, 0.5},
		"in a progress bar":      {`acc=([0-9.]+)`, `printf 'acc=0.1\racc=0.3\racc=0.5\n'`, 0.5},
		"NaN":                    {`loss (\S+)`, `echo 'loss nan'`, math.NaN()},
		"too large a number":     {`loss (\S+)`, `echo 'loss 1e400'`, math.Inf(1)},
		"a match that is no sum": {`loss (\S+)`, `echo 'loss 0.5'; echo 'loss decreases'`, 0.5},
		"a group without text":   {`loss(?: (\S+))?`, `echo 'loss 0.5'; echo 'loss'`, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := try(t.Context(), trainer.ScoreSource{Regex: c.regex}, t.TempDir(), "/bin/sh", "-c", c.script)
			if err != nil || res.Score != c.want && !(math.IsNaN(res.Score) && math.IsNaN(c.want)) {
				t.Errorf("%v, %v", res.Score, err)
			}
		})
	}
	for _, bad := range []string{"(", "no group"} {
		if _, err := trainer.NewCommand(trainer.Command{Score: trainer.ScoreSource{Regex: bad}}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestTheScoreInAFile(t *testing.T) {
	save := t.TempDir()
	file := trainer.ScoreSource{File: "score.txt"}
	res, err := try(t.Context(), file, save, "/bin/sh", "-c", `echo ' 0.5 ' > "$1"/score.txt; echo '{"score": 9}'`, "sh", save)
	if err != nil || res.Score != 0.5 {
		t.Errorf("%v, %v", res.Score, err)
	}
	for script, says := range map[string]string{
		`rm -f "$1"/score.txt; echo hello`:             "hello",
		`echo good > "$1"/score.txt`:                   "a number in the file score.txt",
		`: > "$1"/score.txt`:                           "a number in the file score.txt",
		`yes 1 | head -c 100000 > "$1"/score.txt`:      "a number in the file score.txt",
		`rm "$1"/score.txt; mkdir "$1"/score.txt`:      "score.txt",
		`rm -r "$1"/score.txt; mkfifo "$1"/score.txt`:  "score.txt",
		`rm -r "$1"/score.txt; ln -s . "$1"/score.txt`: "score.txt",
	} {
		if _, err := try(t.Context(), file, save, "/bin/sh", "-c", script, "sh", save); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

// Errors say what the user needs to mend the program.
func TestFailuresShowTheOutput(t *testing.T) {
	for script, says := range map[string][]string{
		`echo training; echo 'KeyError: lr' >&2; exit 3`: {"exit status 3", "training", "KeyError: lr"},
		`echo training`: {"its score was not found", `{"score": 0.93}`, "training"},
		`:`:             {"its score was not found", "it printed nothing"},
		`kill -SEGV $$`: {"segmentation fault"},
		`i=0; while [ $i -lt 100 ]; do echo line$i; i=$((i+1)); done; exit 1`: {"line80\n", "line99"},
		`printf 'caf\303\251 \377\n'; exit 1`:                                 {"café �"},
		`printf '1%%\r2%%\r3%% done\n'; exit 1`:                               {"\n  3% done"},
	} {
		_, err := sh(t, script)
		if err == nil {
			t.Errorf("%s: no error", script)
			continue
		}
		for _, want := range says {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q is not in:\n%v", script, want, err)
			}
		}
	}
	_, err := sh(t, `i=0; while [ $i -lt 100 ]; do echo line$i; i=$((i+1)); done; exit 1`)
	if strings.Contains(err.Error(), "line79") {
		t.Errorf("too much of it: %v", err)
	}
	if _, err := try(t.Context(), trainer.ScoreSource{JSON: "s"}, "", "/no/such/program", "--lr", "0.1"); err == nil || !strings.Contains(err.Error(), "/no/such/program --lr 0.1: ") {
		t.Error(err)
	}
	if _, err := try(t.Context(), trainer.ScoreSource{JSON: "s"}, ""); err == nil {
		t.Error("an empty command ran")
	}
	long := strings.Repeat("é", 10_000)
	if _, err := try(t.Context(), trainer.ScoreSource{JSON: "s"}, "", "/bin/sh", "-c", "exit 1", long); err == nil || len(err.Error()) > 1000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// No shell reads the arguments: each arrives as it is.
func TestArgumentsArriveVerbatim(t *testing.T) {
	save := t.TempDir()
	odd := []string{"", " ", "two words", `"quoted"`, "it's", "$HOME", "`id`", "$(touch x)", "a;b", "a|b", "a&&b", "*", "~", "\\", "-n", "--", "new\nline", "tab\t", "é\xff", "{lr}", "%s", "\x1b[31m"}
	args := append([]string{"/bin/sh", "-c", `out=$1; shift; printf '%s\0' "$@" > "$out"/args; echo '{"score": 1}'`, "sh", save}, odd...)
	if _, err := try(t.Context(), trainer.ScoreSource{JSON: "score"}, save, args...); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(save, "args"))
	if err != nil {
		t.Fatal(err)
	}
	if have := strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00"); !slices.Equal(have, odd) {
		t.Errorf("%q", have)
	}
}

func TestEnvironmentAndDirectory(t *testing.T) {
	t.Setenv("PBT_TEST_INHERITED", "1")
	t.Setenv("PBT_TEST_REPLACED", "1")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "train.sh"), []byte("#!/bin/sh\necho \"{\\\"score\\\": $PBT_TEST_INHERITED$PBT_TEST_REPLACED$PBT_TEST_NEW}\"; test -f train.sh\n"), 0o777); err != nil {
		t.Fatal(err)
	}
	c := trainer.Command{Host: trainer.Host{Dir: dir, Env: []string{"PBT_TEST_REPLACED=2", "PBT_TEST_NEW=3"}}, Score: trainer.ScoreSource{JSON: "score"}}
	res, err := tryAll(t.Context(), c, t.TempDir(), "./train.sh")
	if err != nil || res.Score != 123 {
		t.Errorf("%v, %v", res.Score, err)
	}
	c.Dir = filepath.Join(dir, "no")
	if _, err := tryAll(t.Context(), c, t.TempDir(), "./train.sh"); err == nil {
		t.Error("it ran in a directory that does not exist")
	}
}

// Standard input is empty, so that a program that asks something does not wait for ever.
func TestNobodyAnswersQuestions(t *testing.T) {
	if _, err := sh(t, `read answer && exit 1; echo '{"score": 1}'`); err != nil {
		t.Error(err)
	}
}

func TestAFloodOfOutputIsPassedOver(t *testing.T) {
	for name, script := range map[string]string{
		"many lines":     `yes '{"epoch": 1}' | head -n 100000; echo '{"score": 0.5}'`,
		"one huge line":  `head -c 20000000 /dev/zero | tr '\0' x; echo; echo '{"score": 0.5}'`,
		"a huge object":  `printf '{"x": "'; head -c 3000000 /dev/zero | tr '\0' x; echo '", "score": 9}'; echo '{"score": 0.5}'`,
		"on both":        `yes 1 | head -n 200000 & yes 2 | head -n 200000 >&2; wait; echo '{"score": 0.5}'`,
		"without an end": `echo '{"score": 0.5}'; head -c 5000000 /dev/zero`,
	} {
		t.Run(name, func(t *testing.T) {
			if res, err := sh(t, script); err != nil || res.Score != 0.5 {
				t.Errorf("%v, %v", res.Score, err)
			}
		})
	}
	_, err := sh(t, `head -c 20000000 /dev/zero | tr '\0' x; exit 1`)
	if err == nil || len(err.Error()) > 2000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// pipe is a named pipe: whoever reads it to its end knows that all who held the
// other end are gone.
type pipe struct{ path string }

func newPipe(t *testing.T) pipe {
	t.Helper()
	p := pipe{filepath.Join(t.TempDir(), "alive")}
	if err := syscall.Mkfifo(p.path, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// watch waits until somebody holds the pipe. The function it returns waits until
// nobody does any more.
func (p pipe) watch(t *testing.T) (gone func(what string)) {
	t.Helper()
	f, err := os.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	return func(what string) {
		t.Helper()
		defer f.Close()
		ended := make(chan error, 1)
		go func() { _, err := io.Copy(io.Discard, f); ended <- err }()
		select {
		case <-ended:
		case <-time.After(time.Minute):
			t.Errorf("%s: something is still running", what)
		}
	}
}

// When Train returns, nothing of the program is left: neither after its end nor when
// it was called off, nor if it does not want to die.
func TestNothingIsLeftBehind(t *testing.T) {
	const hold = `exec 3>"$1"; `
	for name, script := range map[string]string{
		"a child in the background":   hold + `sleep 1000 >/dev/null 2>&1 & echo '{"score": 1}'`,
		"one that holds the output":   hold + `sleep 1000 & echo '{"score": 1}'`,
		"grandchildren":               hold + `sh -c 'sleep 1000 & sleep 1000 & wait' & echo '{"score": 1}'`,
		"one that ignores signals":    hold + `(trap '' TERM HUP INT; while :; do sleep 1000; done) & echo '{"score": 1}'`,
		"and when the program failed": hold + `sleep 1000 & exit 1`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t)
			result := make(chan error, 1)
			go func() {
				_, err := try(t.Context(), trainer.ScoreSource{JSON: "score"}, "", "/bin/sh", "-c", script, "sh", p.path)
				result <- err
			}()
			gone := p.watch(t)
			if err := <-result; (err != nil) != strings.Contains(script, "exit 1") {
				t.Error(err)
			}
			gone(name)
		})
	}
	for name, script := range map[string]string{
		"called off":                  hold + `echo ready >&3; sleep 1000`,
		"called off with its child":   hold + `sleep 1000 & echo ready >&3; wait`,
		"called off with a stubborn":  hold + `(trap '' TERM; echo ready >&3; sleep 1000) & wait`,
		"called off, cleaning up":     hold + `trap 'exit 0' TERM; echo ready >&3; while :; do sleep 0.01; done`,
		"called off, having finished": hold + `trap 'echo "{\"score\": 1}"; exit 0' TERM; echo ready >&3; while :; do sleep 0.01; done`,
	} {
		t.Run(name, func(t *testing.T) {
			p := newPipe(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("enough")
			result := make(chan error, 1)
			go func() {
				_, err := try(ctx, trainer.ScoreSource{JSON: "score"}, "", "/bin/sh", "-c", script, "sh", p.path)
				result <- err
			}()
			f, err := os.Open(p.path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			in := bufio.NewReader(f)
			if line, err := in.ReadString('\n'); line != "ready\n" {
				t.Fatal(line, err)
			}
			cancel(why)
			if err := <-result; !errors.Is(err, why) {
				t.Error(err)
			}
			if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Error(string(rest), err)
			}
		})
	}
}

func TestAProgramThatIsCalledOffBeforeItStarts(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := try(ctx, trainer.ScoreSource{JSON: "score"}, "", "/bin/sh", "-c", ":"); !errors.Is(err, why) {
		t.Error(err)
	}
}

// A process that left the group is out of reach; it must not keep the run waiting.
func TestAnEscapedProcessIsNotWaitedFor(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("no setsid here")
	}
	p := newPipe(t)
	if err := syscall.Mkfifo(p.path+".end", 0o600); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	start := time.Now()
	go func() {
		_, err := try(t.Context(), trainer.ScoreSource{JSON: "score"}, "", "/bin/sh", "-c",
			`echo '{"score": 1}'; setsid sh -c 'exec 3>"$1"; echo $$ >&3; exec sleep 1000' sh "$1" & read end < "$1".end; true`, "sh", p.path)
		result <- err
	}()
	f, err := os.Open(p.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var pid int
	if _, err := fmt.Fscan(f, &pid); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	end, err := os.OpenFile(p.path+".end", os.O_WRONLY, 0) // lets the program end
	if err != nil {
		t.Fatal(err)
	}
	end.Close()
	if err := <-result; err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// SIGKILL gives an engine no time to clear up: the kernel ends its programs.
func TestAProgramDiesWithItsEngine(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := newPipe(t)
	engine := exec.Command(self)
	engine.Env = append(os.Environ(), asEngine+"=exec 3>"+p.path+"; exec sleep 1000")
	if err := engine.Start(); err != nil {
		t.Fatal(err)
	}
	gone := p.watch(t)
	if err := engine.Process.Kill(); err != nil {
		t.Error(err)
	}
	gone("after kill -9 of the engine")
	_ = engine.Wait()
}

func TestPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	program := `
import json, sys
print("epoch 1", file=sys.stderr, end="")
print(json.dumps({"score": float(sys.argv[1]), "nan": float("nan"), "samples": [1.0, float("-inf")]}))
`
	for arg, want := range map[string]float64{"0.1": 0.1, "1e-310": 1e-310, "nan": math.NaN(), "inf": math.Inf(1)} {
		res, err := try(t.Context(), trainer.ScoreSource{JSON: "score"}, "", python, "-c", program, arg)
		if err != nil || math.Float64bits(res.Score) != math.Float64bits(want) && !math.IsNaN(want) {
			t.Errorf("%s: %v, %v", arg, res.Score, err)
		}
		if len(res.Samples) != 2 || !math.IsNaN(res.Metrics["nan"]) {
			t.Errorf("%+v", res)
		}
	}
	_, err = try(t.Context(), trainer.ScoreSource{JSON: "score"}, "", python, "-c", "import json; json.dumps(object())")
	if err == nil || !strings.Contains(err.Error(), "TypeError: Object of type object is not JSON serializable") {
		t.Errorf("a traceback tells what is wrong: %v", err)
	}
}
