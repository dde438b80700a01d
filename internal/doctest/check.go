package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt/config"
)

// Checker checks documents against one repository and one binary.
type Checker struct {
	Repo  string // the repository's root
	Bin   string // a directory that holds pbt
	Stuff string // an empty directory of the checker's own
}

// mayStayUnrun are the commands for whose sake a block need not be run: they
// install packages, or run make, which runs these tests.
var mayStayUnrun = regexp.MustCompile(`\b(apt|apt-get|dnf|apk|brew|pacman)\b.* (install|add|-S)\b|\bpip3? install\b|\bgo install\b|\bmake\b`)

// Check checks a document: what its blocks do, and where its links go.
func (c *Checker) Check(d *Document) []Problem {
	home, err := os.MkdirTemp(c.Stuff, "home-")
	if err == nil {
		home, err = filepath.EvalSymlinks(home)
	}
	stuff, errStuff := os.MkdirTemp(c.Stuff, "scripts-")
	if err != nil || errStuff != nil {
		return []Problem{{d.File, 1, fmt.Sprint(err, errStuff)}}
	}
	t := newTerminal(home, stuff, c.environment())
	defer t.close()
	problems := c.links(d)
	for i := range d.Blocks {
		problems = append(problems, c.block(t, &d.Blocks[i])...)
	}
	return problems
}

func (c *Checker) environment() []string {
	return append(os.Environ(), "PATH="+c.Bin+string(os.PathListSeparator)+os.Getenv("PATH"),
		"REPO="+c.Repo, "PYTHONPATH="+filepath.Join(c.Repo, "python", "src"), "TERM=dumb", "LC_ALL=C.UTF-8")
}

func (c *Checker) block(t *terminal, b *Block) []Problem {
	if name, isFile := strings.CutPrefix(b.Info, "file="); isFile {
		if err := t.write(name, b.Text()); err != nil {
			return []Problem{b.problem(-1, "%v", err)}
		}
	} else if b.Info != "" && b.Info != "notest" {
		return []Problem{b.problem(-1, "%s %s: want nothing more, notest, or file=NAME", b.Lang, b.Info)}
	}
	switch b.Lang {
	case "sh":
		switch {
		case b.Info == "":
			return t.sh(b)
		case b.Info != "notest": // a file that a later block runs
		case !mayStayUnrun.MatchString(b.Text()):
			return []Problem{b.problem(-1, "notest is for blocks that install packages or run make")}
		}
	case "console":
		return t.console(b)
	case "yaml":
		return c.experiment(b)
	case "go":
		return c.vet(b)
	}
	return nil
}

// experiment reads a yaml block that says that it is an experiment file.
func (c *Checker) experiment(b *Block) []Problem {
	if len(b.Lines) == 0 || !strings.HasPrefix(b.Lines[0], "# experiment") {
		return nil
	}
	padded := strings.Repeat("\n", b.Line-1) + b.Text() // so that complaints name the document's lines
	if _, err := config.Parse(b.File, []byte(padded), config.Builtins(builtins...)); err != nil {
		return complaints(b, yamlPosition, err.Error())
	}
	return nil
}

var yamlPosition = regexp.MustCompile(`(?m)^(.*\.md):(\d+):\d+: (.*)$`)

// builtins are the trainers in the binary; a test asks it.
var builtins = []string{"digits", "quadratic"}

var (
	packageClause = regexp.MustCompile(`(?m)^package \w+`)
	goPosition    = regexp.MustCompile(`(?m)^(?:vet: )?\S*?([^/\s]+\.md):(\d+)(?::\d+)?: (.*)$`)
)

// vet compiles and vets a Go program inside this module. Files that are named one
// by one may be anywhere.
func (c *Checker) vet(b *Block) []Problem {
	if !packageClause.MatchString(b.Text()) {
		return nil
	}
	dir, err := os.MkdirTemp(c.Stuff, "program-")
	if err != nil {
		return []Problem{b.problem(0, "%v", err)}
	}
	file := filepath.Join(dir, "main.go")
	text := fmt.Sprintf("//line %s:%d\n%s", filepath.Join(c.Repo, b.File), b.Line, b.Text())
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		return []Problem{b.problem(0, "%v", err)}
	}
	cmd := exec.Command("go", "vet", file)
	cmd.Dir = c.Repo
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if found := complaints(b, goPosition, string(out)); len(found) > 0 {
		return found
	}
	return []Problem{b.problem(0, "go vet: %v\n%s", err, indent(string(out)))}
}

// complaints turns lines that begin with file:line into problems.
func complaints(b *Block, position *regexp.Regexp, text string) (problems []Problem) {
	for _, m := range position.FindAllStringSubmatch(text, -1) {
		line, err := strconv.Atoi(m[2])
		if err == nil {
			problems = append(problems, Problem{b.File, line, m[3]})
		}
	}
	return problems
}

// links follows the links to files and headings of this repository.
func (c *Checker) links(d *Document) []Problem {
	var problems []Problem
	for i, line := range d.Prose {
		for _, m := range link.FindAllStringSubmatch(codeSpan.ReplaceAllString(line, ""), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			if err := c.follow(d, m[1]); err != nil {
				problems = append(problems, Problem{d.File, i + 1, err.Error()})
			}
		}
	}
	return problems
}

func (c *Checker) follow(d *Document, target string) error {
	path, anchor, _ := strings.Cut(target, "#")
	to := d
	if path != "" {
		full := filepath.Join(c.Repo, filepath.Dir(d.File), path)
		if strings.HasPrefix(path, "/") {
			full = filepath.Join(c.Repo, path)
		}
		text, err := os.ReadFile(full)
		if info, statErr := os.Stat(full); statErr == nil && info.IsDir() {
			return nil
		}
		if err != nil {
			return fmt.Errorf("a link goes to %s, which is not there", target)
		}
		to, _ = Parse(path, string(text))
	}
	if anchor != "" && (path == "" || strings.HasSuffix(path, ".md")) && !to.Anchors()[anchor] {
		return fmt.Errorf("a link goes to %s, and there is no such heading", target)
	}
	return nil
}
