package doctest

import (
	"fmt"
	"strings"
	"testing"
)

// Each document has one thing wrong with it, at the line that holds "HERE" (or the
// one given), and nothing else: the checker must say so, at that line.
func TestBrokenDocumentsAreNoticed(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		line int // 0: the line with HERE
		say  string
	}{
		"a command fails":                  {"```sh\ntrue\nfalse # HERE\n```\n", 0, "exit status 1"},
		"a command of a pipe fails":        {"```sh\nfalse | cat # HERE\n```\n", 0, "exit status 1"},
		"a variable is misspelt":           {"```sh\n\necho $NOPE # HERE\n```\n", 0, "NOPE"},
		"a flag does not exist":            {"```sh\npbt version --frobnicate # HERE\n```\n", 0, "frobnicate"},
		"the output is another":            {"```console\n$ echo one two\none three HERE\n```\n", 0, "one two"},
		"a line is missing":                {"```console\n$ printf 'a\\nb\\nHERE\\n'\na\nHERE\n```\n", 4, "b"},
		"more is printed than shown":       {"```console\n$ printf 'a\\nb\\n'\na\n```\n", 3, "b"},
		"output is shown, nothing printed": {"```console\n$ true\nHERE\n```\n", 0, "true"},
		"nothing shown, something printed": {"```console\n$ echo HERE\n```\n", 0, "HERE"},
		"a failure is not shown":           {"```console\n$ true\n$ false # HERE\n```\n", 0, "exit status 1"},
		"a failure behind a wildcard":      {"```console\n$ false # HERE\n…\n```\n", 0, "exit status 1"},
		"a file somewhere else":            {"```sh\ncd /\n```\n```text file=HERE\na\n```\n", 0, "outside"},
		"a file further up":                {"```text file=../HERE\na\n```\n", 0, "outside"},
		"the shell ends":                   {"```console\n$ exit 3 # HERE\n$ true\n```\n", 0, "ended here"},
		"output before any command":        {"```console\nHERE\n$ true\n```\n", 0, "begins with a command"},
		"a console without commands":       {"x\n```console\n```\n", 3, "without a command"},
		"an experiment file is wrong":      {"```yaml\n# experiment\nbudget: {steps: 10}\nhyperparameters: {lr: {logg: [1e-5, 1]}} # HERE\ntrainer: {builtin: digits}\n```\n", 4, "did you mean"},
		"an unknown trainer":               {"```yaml\n# experiment\nbudget: {steps: 10}\nhyperparameters: {lr: {log: [1e-5, 1]}}\ntrainer: {builtin: digit}\n```\n", 5, "digits"},
		"a program does not compile":       {"```go\npackage main\n\nfunc main() {\n\tx := 1 // HERE\n}\n```\n", 0, "declared and not used"},
		"a program vets badly":             {"```go\npackage main\n\nimport \"fmt\"\n\nfunc main() {\n\tfmt.Printf(\"%d\\n\", \"HERE\")\n}\n```\n", 0, "wrong type"},
		"the API is another":               {"```go\npackage main\n\nimport \"github.com/seed-7a1a2db0/pbt\"\n\nfunc main() {\n\tpbt.Trane() // HERE\n}\n```\n", 0, "Trane"},
		"a fence is not closed":            {"text\n```text\n", 2, "never closed"},
		"an unknown language":              {"```bash\nfalse\n```\n", 1, "neither run nor plainly shown"},
		"notest without need":              {"```sh notest\necho HERE\n```\n", 1, "install packages"},
		"a misspelt notest":                {"```sh no-test\necho HERE\n```\n", 1, "want nothing more"},
		"a word nobody knows":              {"```yaml fil=x # HERE\na: 1\n```\n", 0, "want nothing more"},
		"a link to no file":                {"see [it](nosuch.md) HERE\n", 0, "not there"},
		"a link to no heading":             {"# One\nsee [it](#two) HERE\n", 0, "no such heading"},
		"a heading in a block":             {"```text\n# two\n```\nsee [it](#two) HERE\n", 0, "no such heading"},
	} {
		t.Run(name, func(t *testing.T) {
			problems := check(t, "t.md", tc.text)
			want := tc.line
			for i, line := range strings.Split(tc.text, "\n") {
				if want == 0 && strings.Contains(line, "HERE") {
					want = i + 1
				}
			}
			if len(problems) != 1 {
				t.Fatalf("%d problems, want 1: %v", len(problems), problems)
			}
			if p := problems[0]; p.Line != want || p.File != "t.md" || !strings.Contains(p.Text, tc.say) {
				t.Errorf("%v\nwant line %d and %q", p, want, tc.say)
			}
			if !strings.HasPrefix(problems[0].String(), fmt.Sprintf("t.md:%d: ", want)) {
				t.Errorf("%v does not begin with file and line", problems[0])
			}
		})
	}
}

// A document in which nothing is wrong has no problems.
func TestGoodDocumentsPass(t *testing.T) {
	for name, text := range map[string]string{
		"blocks share a directory":      "```sh\nmkdir a\ncd a\necho 12 > n\n```\n```console\n$ cat n\n13\n$ basename $PWD\na\n```\n",
		"the binary is first":           "```console\n$ pbt version\npbt … (go1.26.…, linux/amd64)\n```\n",
		"the repository is known":       "```sh\ntest -f \"$REPO/go.mod\"\n```\n",
		"a failure that is shown":       "```console\n$ ls nosuch; false\nls: …\n$ echo $?\n1\n```\n",
		"commands over several lines":   "```console\n$ echo 'a\nb' \\\n  c\na\nb c\n```\n",
		"here-documents":                "```console\n$ cat <<'E'\nx y\nE\nx y\n```\n",
		"wildcards":                     "```console\n$ printf 'a 1\\nb\\nc\\nd 4 e\\n'\na 2\n…\nd … e\n```\n",
		"no lines at all":               "```console\n$ true\n…\n```\n",
		"background work":               "```sh\nsleep 60 &\n```\n",
		"yaml that is no experiment":    "```yaml\na: [\n```\n",
		"go without a package":          "```go\nx :=\n```\n",
		"a program":                     "```go\npackage main\n\nimport \"github.com/seed-7a1a2db0/pbt\"\n\nfunc main() { _ = pbt.MustSpace(pbt.LogUniform(\"lr\", 1e-5, 1)) }\n```\n",
		"a block as a file":             "```sh file=x.sh\nexit $1\n```\n```console\n$ sh x.sh 3; echo $?\n3\n```\n",
		"installing is not run":         "```sh notest\nsudo apt-get install sqlite3\n```\n```sh notest\nmake run\n```\n",
		"links":                         "# A `b` c\n[1](#a-b-c) [2](docs/experiment-file.md#budget) [3](https://example.org/x) [4](docs)\n",
		"a fence within a longer fence": "````text\n```sh\nfalse\n```\n````\n",
		"a block in a list":             "- a\n  ```sh\n  true\n  ```\n",
	} {
		t.Run(name, func(t *testing.T) {
			if problems := check(t, "t.md", text); len(problems) > 0 {
				t.Errorf("%v", problems)
			}
		})
	}
}

func TestMatch(t *testing.T) {
	for _, tc := range []struct {
		want, have string
		first      int
	}{
		{"", "", -1},
		{"", "x", 0},
		{"x", "", 0},
		{"a 0.61 b", "a   17 b", -1},
		{"a 0.61 b", "a 1.2e-07 b", -1},
		{"a -0.61 b", "a 3 b", -1},
		{"a 1 b", "a NaN b", -1},
		{"a 1 b", "a one b", 0},
		{"a 1 b", "a b", 0},
		{"score ▁▂▃ 1 → 2", "score ▁▁▁▇▇█  9 → 0.5", -1},
		{"score 1 → 2", "score 1 = 2", 0},
		{"seal d37095684b4ff4c2644820ef5361a7db", "seal 00005684b4ff4c2644820ef5361a7db1", -1},
		{"seal d37095684b4ff4c2644820ef5361a7db", "seal xyz", 0},
		{"a\n…", "a\nb\nc", -1},
		{"…\nb", "a\nb\nb", -1},
		{"…\nb\n…\nd", "a\nb\nc\nd", -1},
		{"…\nb\n…\nd", "a\nb\nc", 3},
		{"a\nb\nc", "a\nx\nc", 1},
		{"a … c", "a b b c", -1},
		{"a … c", "a b b d", 0},
		{"a.b", "axb", 0},
		{"  indented", "\tindented  ", -1},
		{"plain", "\x1b[1mplain\x1b[0m", -1},
	} {
		if at := Match(strings.Split(tc.want, "\n"), tc.have); at != tc.first {
			t.Errorf("%q against %q: line %d, want %d", tc.want, tc.have, at, tc.first)
		}
	}
}
