package pbt_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Package internal/disk is the only door to the file system (see its comment): other code
// of the product calls none of these functions, which follow links.
var doorsOfTheirOwn = map[string][]string{
	"os": {
		"Chdir", "Chmod", "Chown", "Chtimes", "CopyFS", "Create", "CreateTemp", "DirFS", "Lchown", "Link", "Mkdir", "MkdirAll", "MkdirTemp", "Open", "OpenFile",
		"OpenInRoot", "OpenRoot", "ReadDir", "ReadFile", "Remove", "RemoveAll", "Rename", "Symlink", "Truncate", "WriteFile",
	},
	"path/filepath":         {"Glob", "Walk", "WalkDir"},
	"io/fs":                 {"WalkDir"},
	"io/ioutil":             {"ReadDir", "ReadFile", "TempDir", "TempFile", "WriteFile"},
	"syscall":               {"Link", "Mkdir", "Open", "Openat", "Rename", "Renameat", "Rmdir", "Symlink", "Truncate", "Unlink", "Unlinkat"},
	"golang.org/x/sys/unix": {"Link", "Linkat", "Mkdir", "Mkdirat", "Open", "Openat", "Openat2", "Rename", "Renameat", "Renameat2", "Rmdir", "Symlink", "Truncate", "Unlink", "Unlinkat"},
}

// otherDoors are the files and folders that may call some of them, and why.
var otherDoors = map[string]string{
	"internal/disk/":                "the door itself",
	"internal/doctest/":             "runs the documents' code in tests",
	"internal/testdir/":             "directories of tests",
	"trainer/trainertest/":          "a test for trainers",
	"sinks/feed/feedtest/":          "a test for sinks",
	"benchmarks/":                   "measures the bare system calls as well",
	"experiments/":                  "programs that try pbt out",
	"examples/":                     "programs of users",
	"internal/quadratic/":           "a trainer: it writes where the store has told it to",
	"internal/hardware/":            "reads /proc",
	"trainer/process/tree.go":       "reads /proc",
	"trainer/process/sweep.go":      "reads /proc",
	"rehearsal/memory.go":           "reads /proc",
	"trainer/gpu.go":                "reads /dev",
	"journal/":                      "SQLite opens its files by their paths",
	"trainer/output.go":             "reads the score from a file that the user named, wherever that leads",
	"trainer/process/supervisor.go": "writes and reads /proc/self",
	"trainer/process/process.go":    "opens /dev/null",
	"rehearsal/inspect.go":          "reads /proc",
}

func TestRules_OneDoorToTheDisk(t *testing.T) {
	used, files := map[string]bool{}, 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notOurs, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		files++
		broken, err := opensDoors(path, nil)
		if err != nil {
			return err
		}
		for door := range otherDoors {
			if path == door || strings.HasSuffix(door, "/") && strings.HasPrefix(path, door) {
				used[door] = used[door] || len(broken) > 0
				return nil
			}
		}
		for _, call := range broken {
			t.Errorf("%s: it may follow a link: use package internal/disk", call)
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files checked, error %v", files, err)
	}
	for door, why := range otherDoors {
		if !used[door] {
			t.Errorf("%s (%s) calls none of these functions any more: take it from the list", door, why)
		}
	}
}

// The check can fail.
func TestRules_OneDoorToTheDisk_FindsCalls(t *testing.T) {
	const source = `package p
import ("os"; files "path/filepath"; "golang.org/x/sys/unix")
var remove = os.RemoveAll
func f() { files.WalkDir("", nil); unix.Unlinkat(0, "", 0); os.Getenv(""); os.Lstat("") }`
	if calls, err := opensDoors("p.go", source); err != nil || len(calls) != 3 {
		t.Errorf("%q, %v", calls, err)
	}
}

// opensDoors lists the uses of such functions in a file.
func opensDoors(path string, source any) (calls []string, err error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, source, 0)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, imp := range file.Imports {
		from, _ := strconv.Unquote(imp.Path.Value)
		name := from[strings.LastIndexByte(from, '/')+1:]
		if imp.Name != nil {
			name = imp.Name.Name
		}
		names[name] = from
	}
	ast.Inspect(file, func(n ast.Node) bool {
		use, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if of, ok := use.X.(*ast.Ident); ok && slices.Contains(doorsOfTheirOwn[names[of.Name]], use.Sel.Name) {
			calls = append(calls, fmt.Sprintf("%s: %s.%s", fset.Position(use.Pos()), of.Name, use.Sel.Name))
		}
		return true
	})
	return calls, nil
}
