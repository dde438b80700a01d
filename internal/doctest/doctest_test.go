package doctest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed-7a1a2db0/pbt/config"
)

// The documents are true: their commands work and print what they show, their
// experiment files and programs are valid, their links lead somewhere.
func TestDocuments(t *testing.T) {
	repo := repository(t)
	files, err := filepath.Glob(filepath.Join(repo, "docs", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no documents in %s: %v", repo, err)
	}
	if readme := filepath.Join(repo, "README.md"); exists(readme) {
		files = append(files, readme)
	}
	for _, file := range files {
		name, err := filepath.Rel(repo, file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range check(t, name, string(text)) {
				t.Error(p)
			}
		})
	}
}

// check parses and checks a document.
func check(t *testing.T, name, text string) []Problem {
	t.Helper()
	d, problems := Parse(name, text)
	c := Checker{Repo: repository(t), Bin: binary(t), Stuff: t.TempDir()}
	return append(problems, c.Check(d)...)
}

// docs/experiment-file.md is what `pbt schema --reference` prints.
func TestReferenceIsUpToDate(t *testing.T) {
	have, err := os.ReadFile(filepath.Join(repository(t), "docs", "experiment-file.md"))
	if err != nil {
		t.Fatal(err)
	}
	if want := config.Reference(); string(have) != want {
		t.Errorf("docs/experiment-file.md is not what config/fields.go says (%s); print it again: go generate ./internal/doctest", firstDifference(want, string(have)))
	}
}

func firstDifference(want, have string) string {
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	for i := range w {
		if i >= len(h) || w[i] != h[i] {
			return "first at: " + w[i]
		}
	}
	return "it is longer"
}

// The names that experiment files in documents may use are those of the binary.
func TestBuiltinsAreThoseOfTheBinary(t *testing.T) {
	for _, name := range append([]string{"nosuch"}, builtins...) {
		dir := t.TempDir()
		file := filepath.Join(dir, "x.yaml")
		text := "budget: {steps: 1}\nhyperparameters: {x: 1, bad: {uniform: [1, 0]}}\ntrainer: {builtin: " + name + "}\n"
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(filepath.Join(binary(t), "pbt"), "run", file, "--dir", filepath.Join(dir, "run")).CombinedOutput()
		if err == nil {
			t.Fatalf("%s was accepted", text)
		}
		if known := !bytes.Contains(out, []byte("trainer.builtin")); known != (name != "nosuch") {
			t.Errorf("trainer %s: known %v: %s", name, known, out)
		}
	}
}

// binary builds pbt once, as `make build` does, and returns its directory.
func binary(t *testing.T) string {
	t.Helper()
	b := built()
	if b.err != nil {
		t.Fatalf("build pbt: %v\n%s", b.err, b.out)
	}
	return b.dir
}

// debiansPython is python3 in the documents: the one that Debian's torch is for,
// whichever else comes first in PATH.
const debiansPython = "/usr/bin/python3"

type build struct {
	dir string
	out []byte
	err error
}

var built = sync.OnceValue(func() (b build) {
	if b.dir, b.err = os.MkdirTemp("", "doctest-bin-"); b.err != nil {
		return b
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", filepath.Join(b.dir, "pbt"), "github.com/seed-7a1a2db0/pbt/cmd/pbt")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b.out, b.err = cmd.CombinedOutput(); b.err == nil {
		b.err = os.Symlink(debiansPython, filepath.Join(b.dir, "python3"))
	}
	return b
})

func TestMain(m *testing.M) {
	code := m.Run()
	if b := built(); b.dir != "" {
		os.RemoveAll(b.dir)
	}
	os.Exit(code)
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(dir, "go.mod")) {
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above this test")
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
