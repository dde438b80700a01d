package doctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// blockTimeout ends a block that hangs.
const blockTimeout = 10 * time.Minute

// terminal runs the sh and console blocks of one document.
type terminal struct {
	home   string // the document's own directory
	env    []string
	cwd    string // where the next block begins
	stuff  string // scripts and their output
	groups []int  // process groups to end
	blocks int
}

func newTerminal(home, stuff string, env []string) *terminal {
	return &terminal{home: home, env: env, cwd: home, stuff: stuff}
}

// close ends what blocks have left running in the background.
func (t *terminal) close() {
	for _, group := range t.groups {
		_ = syscall.Kill(-group, syscall.SIGKILL) // ESRCH if all have ended
	}
}

// write writes a block to a file where the terminal is, which must not be a
// directory of somebody else's.
func (t *terminal) write(name, text string) error {
	if inside, err := filepath.Rel(t.home, filepath.Join(t.cwd, name)); err != nil || !filepath.IsLocal(inside) {
		return fmt.Errorf("%s would be written outside this document's own directory: an earlier block went to %s", name, t.cwd)
	}
	return os.WriteFile(filepath.Join(t.cwd, name), []byte(text), 0o666)
}

// ran is what came of a script.
type ran struct {
	output string
	err    error
	notes  string // what the script wrote to its descriptor 3
}

// run runs a script. Its output goes to a file, so that whatever it starts in the
// background does not keep it from ending.
func (t *terminal) run(script string) ran {
	t.blocks++
	base := filepath.Join(t.stuff, strconv.Itoa(t.blocks))
	out, errOut := os.Create(base + ".out")
	notes, errNotes := os.Create(base + ".notes")
	if err := errors.Join(errOut, errNotes, os.WriteFile(base+".sh", []byte(script), 0o666)); err != nil {
		return ran{err: err}
	}
	defer out.Close()
	defer notes.Close()
	ctx, cancel := context.WithTimeout(context.Background(), blockTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", base+".sh")
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = t.cwd, t.env, out, out, []*os.File{notes}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Start()
	if err == nil {
		t.groups = append(t.groups, cmd.Process.Pid)
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("it took longer than %s", blockTimeout)
	}
	text, errRead := os.ReadFile(base + ".out")
	said, errSaid := os.ReadFile(base + ".notes")
	return ran{string(text), errors.Join(err, errRead, errSaid), t.takeDirectory(string(said))}
}

var wentTo = regexp.MustCompile(`(?m)^DIR (.*)\n`)

// takeDirectory reads where a script has gone to from what it noted down.
func (t *terminal) takeDirectory(notes string) string {
	if m := wentTo.FindStringSubmatch(notes); m != nil {
		t.cwd = m[1]
	}
	return wentTo.ReplaceAllString(notes, "")
}

// prologue is the first line of every script.
const prologue = `trap 'echo "DIR $PWD" >&3' EXIT; `

// sh runs a block in which every command must succeed.
func (t *terminal) sh(b *Block) []Problem {
	got := t.run(prologue + `trap 'echo "LINE $LINENO" >&3' ERR; set -eu -o pipefail` + "\n" + b.Text())
	if got.err == nil {
		return nil
	}
	line := 0
	if m := failedAt.FindStringSubmatch(got.notes + got.output); m != nil {
		n, _ := strconv.Atoi(m[1])
		line = max(0, min(n-2, len(b.Lines)-1)) // the prologue is line 1
	}
	return []Problem{b.problem(line, "%v\n%s", got.err, indent(last(got.output, 30)))}
}

// failedAt finds the line of a failure: as the trap noted it or, where a shell ends
// without its trap, in its message.
var failedAt = regexp.MustCompile(`(?m)(?:^LINE |\.sh: line )(\d+)`)

// command is one command of a console block with what the document shows of its
// output.
type command struct {
	line int // in the block
	text string
	want []string
}

// commands reads a console block. A command goes on over the next lines while a
// quote is open, after a backslash at the end, and through a here-document.
func commands(b *Block) (all []command, problems []Problem) {
	for i := 0; i < len(b.Lines); i++ {
		text, isCommand := strings.CutPrefix(b.Lines[i], "$ ")
		if !isCommand {
			if len(all) == 0 {
				return nil, []Problem{b.problem(i, "a console block begins with a command: $ …")}
			}
			all[len(all)-1].want = append(all[len(all)-1].want, b.Lines[i])
			continue
		}
		c := command{line: i, text: text}
		for i+1 < len(b.Lines) && unfinished(c.text) {
			i++
			c.text += "\n" + b.Lines[i]
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		problems = append(problems, b.problem(0, "a console block without a command"))
	}
	return all, problems
}

var heredoc = regexp.MustCompile(`<<-?\s*['"]?(\w+)['"]?`)

// unfinished tells whether a shell would ask for another line.
func unfinished(text string) bool {
	if m := heredoc.FindStringSubmatch(text); m != nil {
		return !strings.HasSuffix(text, "\n"+m[1])
	}
	quote, escaped := rune(0), false
	for _, r := range text {
		switch {
		case escaped:
			escaped = false
		case r == '\\' && quote != '\'':
			escaped = true
		case quote == 0 && (r == '"' || r == '\''):
			quote = r
		case r == quote:
			quote = 0
		}
	}
	return quote != 0 || escaped
}

const endOfCommand = "\x01end of command"

// console runs a block's commands in one shell and compares what they print.
func (t *terminal) console(b *Block) []Problem {
	all, problems := commands(b)
	if len(problems) > 0 {
		return problems
	}
	var script bytes.Buffer
	script.WriteString(prologue + "\n")
	for _, c := range all {
		fmt.Fprintf(&script, "%s\n__status=$?; echo; echo \"%s $__status\"; (exit $__status)\n", c.text, endOfCommand)
	}
	got := t.run(script.String())
	rest := got.output
	for _, c := range all {
		printed, after, ended := strings.Cut(rest, endOfCommand)
		status, after, _ := strings.Cut(after, "\n")
		if !ended {
			return append(problems, b.problem(c.line, "the shell ended here (%v)\n%s", got.err, indent(last(printed, 30))))
		}
		rest = after
		problems = append(problems, c.judge(b, printed, strings.TrimSpace(status))...)
	}
	return problems
}

// judge compares. A command may fail only where the document shows what it says.
func (c *command) judge(b *Block, printed, status string) []Problem {
	want := trimEnd(c.want)
	if silent := strings.Trim(strings.Join(want, ""), anything+" ") == ""; status != "0" && silent {
		return []Problem{b.problem(c.line, "exit status %s, and the document does not show why\n%s", status, indent(last(printed, 30)))}
	}
	at := Match(want, printed)
	if at < 0 {
		return nil
	}
	line := c.line
	if len(want) > 0 {
		line = c.line + strings.Count(c.text, "\n") + 1 + at
	}
	return []Problem{b.problem(line, "this is not what `%s` prints (exit status %s):\n%s", firstLine(c.text), status, indent(last(printed, 60)))}
}

func firstLine(s string) string {
	line, _, more := strings.Cut(s, "\n")
	if more {
		line += " …"
	}
	return line
}

// last keeps the end of a long text.
func last(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(all) > lines {
		all = append([]string{"…"}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n")
}

func indent(text string) string { return "\t" + strings.ReplaceAll(text, "\n", "\n\t") }
