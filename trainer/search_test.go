package trainer_test

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/trainer"
)

// A score is found in what loggers, progress bars and pretty printers make of it.
func TestTheScoreInOtherOutput(t *testing.T) {
	for name, script := range map[string]string{
		"behind a bar in the same line": `printf '\r 99%%|####| {"score": 0.5}\n'`,
		"before a bar in the same line": `printf '{"score": 0.5}\r100%%|####|\n'`,
		"behind a logger's prefix":      `echo '2026-01-01 12:00:00,123 INFO [main] {"score": 0.5}' >&2`,
		"in a call":                     `echo 'Result({"score": 0.5}, rank=0)'`,
		"in colour":                     `printf '\033[32m{"score": 0.5}\033[0m\n'`,
		"in a link":                     `printf '\033]8;;http://x\033\\{"score": 0.5}\033]8;;\007\n'`,
		"each part in colour":           `printf '{\033[34m"score"\033[0m: \033[1;32m0.5\033[0m}\n'`,
		"over several lines":            `printf '{\n  "score": 0.5,\n  "acc": 0.9\n}\n'`,
		"over lines, behind a prefix":   `printf 'INFO {\n  "eval": {"score": 3},\n  "score": 0.5\n}\nbye\n'`,
		"over lines, without an end":    `printf '{\n"score": 0.5\n}'`,
		"over lines, the last counts":   `printf '{"score": 9}\n{\n"score": 0.5\n}\n'`,
		"then an object over lines":     `printf '{"score": 0.5}\n{\n  "time": 3\n}\n'`,
		"of the whole, not of a part":   `printf '{\n  "history": [\n    {"score": 9},\n    {"score": 7}\n  ],\n  "score": 0.5\n}\n'`,
		"parts of an object without it": `printf '{"score": 0.5}\n{\n  "history": [\n    {"score": 9}\n  ]\n}\n'`,
		"behind a brace never closed":   `printf 'Config {\n  lr: 3\n{"score": 0.5}\n'`,
		"behind JSON never closed":      `printf '{\n  "lr": 3\n{"score": 0.5}\nbye\n'`,
		"over lines, behind the same":   `printf '{\n  "lr": 3\n{\n  "score": 0.5\n}\n'`,
		"behind many braces":            `i=0; while [ $i -lt 1000 ]; do printf '{'; i=$((i+1)); done; printf '\n{"score": 0.5}\n'`,
		"behind other braces":           `echo '{rank 0} {"step": 3} {"score": 0.5}'`,
		"behind an array":               `echo '[{"score": 0.5}]'`,
		"in quotes":                     `echo '{"score": "0.5"}'`,
		"a brace in a string":           `printf '%s\n' '{"note": "} \" {", "score": 0.5}'`,
		"garbage before it":             `printf '\000\377\376 garbage \n{"score": 0.5}\n'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := sh(t, script)
			if err != nil || res.Score != 0.5 {
				t.Errorf("%v, %v", res.Score, err)
			}
		})
	}
}

// An error names the line that comes nearest to a score, and why it is none.
func TestWhyThereIsNoScore(t *testing.T) {
	json, regex := trainer.ScoreSource{JSON: "loss"}, trainer.ScoreSource{Regex: `loss: ([0-9.e+-]+)`}
	for script, c := range map[string]struct {
		source  trainer.ScoreSource
		nearest string
		why     string
	}{
		`echo "{'loss': np.float64(0.5)}"; echo bye`:                         {json, `{'loss': np.float64(0.5)}`, "single quotes"},
		`echo '{"loss": null}'`:                                              {json, `{"loss": null}`, "the value of loss is null"},
		`echo '{"loss": "good"}'; echo '{"epoch": 3}'; echo loss`:            {json, `{"loss": "good"}`, `the value of loss is "good"`},
		`echo '{"eval": {"test": {"loss": 0.5}}}'`:                           {json, `{"eval": {"test": {"loss": 0.5}}}`, "set trainer.score: {json: eval.test.loss}"},
		`echo '{"eval_loss": 0.5, "epoch": 3}'`:                              {json, `{"eval_loss": 0.5, "epoch": 3}`, "its keys are: epoch, eval_loss"},
		`echo '{"loss": 0.5, "loss": 0.6}'`:                                  {json, `{"loss": 0.5, "loss": 0.6}`, "occurs twice"},
		`echo '{"loss": .5}'`:                                                {json, `{"loss": .5}`, "not JSON"},
		`printf '\r10%% loss: 0.9\r20%% loss: 0.5'`:                          {json, `20% loss: 0.5`, "no JSON object"},
		`printf '{"loss": "\302\233\342\200\256x"}\n'; printf 'loss \007\n'`: {json, `{"loss": "\u009b\u202ex"}`, `"\u009b\u202ex", which is not a number`},
		`echo 'loss: 0.1.2.3'`:                                               {regex, "loss: 0.1.2.3", `"0.1.2.3", which is not a number`},
		`echo 'loss: none'`:                                                  {regex, "loss: none", "the rest of the pattern does not match"},
		`printf 'x\033]0;title\007' > "$0/s"`:                                {trainer.ScoreSource{File: "s"}, `x\x1b]0;title\a`, "the content of s is not a number"},
		`printf 'step,loss\n1,0.5\n2,nope\n' > "$0/s"`:                       {trainer.ScoreSource{File: "s", Column: "loss"}, "nope", "the last value in column loss of s"},
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			save := t.TempDir()
			_, err := try(t.Context(), c.source, save, "/bin/sh", "-c", script, save)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range []string{"exited with status 0", "\n  nearest: " + c.nearest + "\n", "\n  no match: ", c.why} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%v", want, err)
				}
			}
			if strings.ContainsAny(err.Error(), "\x1b\a\u009b\u202e") {
				t.Errorf("control characters are in %q", err)
			}
		})
	}
}

// The search in a hostile line takes time in proportion to its length.
func TestHostileLinesAreSearchedQuickly(t *testing.T) {
	start := time.Now()
	_, err := sh(t, `for i in 1 2 3 4 5; do head -c 1000000 /dev/zero | tr '\0' '{'; echo; head -c 1000000 /dev/zero | tr '\0' '"'; echo; done; yes '{"a":' | head -n 300000 | tr -d '\n'; echo; yes '{"a":' | head -n 100000`)
	if err == nil || time.Since(start) > 30*time.Second {
		t.Errorf("%v after %s", err, time.Since(start))
	}
}
