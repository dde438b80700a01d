package pbt_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The repository's own rules (CONTRIBUTING.md), kept by a test.
const (
	maxFileLines     = 500 // of a Go file that is no test
	maxFunctionLines = 70  // of a function that is no test: a page
)

// unfinished are words that promise work instead of doing it.
var unfinished = []string{"TO" + "DO", "FIX" + "ME", "XX" + "X:"}

// notOurs are folders without sources of this repository.
var notOurs = []string{".git", ".cache", ".venv", "bin", "build", "dist", "node_modules", "runs", "testdata", "__pycache__"}

// textFiles are searched for unfinished work; Go files are checked for all the rules.
var textFiles = []string{".go", ".md", ".sh", ".py", ".js", ".ts", ".css", ".html", ".sql", ".yaml", ".yml", ".toml", "Makefile"}

func TestRules_OfTheRepository(t *testing.T) {
	files := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains(notOurs, d.Name()):
			return filepath.SkipDir
		case d.IsDir() || !slices.ContainsFunc(textFiles, func(end string) bool { return strings.HasSuffix(path, end) }):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, broken := range brokenRules(path, source) {
			t.Error(broken)
		}
		return nil
	})
	if err != nil || files < 30 {
		t.Errorf("%d files checked, error %v", files, err)
	}
}

// brokenRules lists what a file does against the rules.
func brokenRules(path string, source []byte) (broken []string) {
	for i, line := range strings.Split(string(source), "\n") {
		for _, word := range unfinished {
			if strings.Contains(line, word) {
				broken = append(broken, fmt.Sprintf("%s:%d: %s: do it, or file an issue", path, i+1, strings.TrimSuffix(word, ":")))
			}
		}
	}
	generated := bytes.Contains(source, []byte("\n// Code generated ")) || bytes.HasPrefix(source, []byte("// Code generated "))
	if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || generated {
		return broken
	}
	if n := bytes.Count(source, []byte("\n")); n > maxFileLines {
		broken = append(broken, fmt.Sprintf("%s: %d lines, at most %d are allowed", path, n, maxFileLines))
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return append(broken, err.Error())
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok {
			if n := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1; n > maxFunctionLines {
				broken = append(broken, fmt.Sprintf("%s: %s has %d lines, at most %d are allowed", path, f.Name.Name, n, maxFunctionLines))
			}
		}
		if file.Name.Name == "pbt" {
			for _, name := range undocumented(decl) {
				broken = append(broken, fmt.Sprintf("%s: %s has no comment", path, name))
			}
		}
	}
	return broken
}

// undocumented are a declaration's exported names without a comment, or with one
// that speaks of something else.
func undocumented(decl ast.Decl) (names []string) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		name := d.Name.Name
		if d.Name.IsExported() && !(d.Recv != nil && !exportedReceiver(d.Recv.List[0].Type)) && !speaksOf(d.Doc, name) {
			names = append(names, name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && !speaksOf(s.Doc, s.Name.Name) && !speaksOf(d.Doc, s.Name.Name) {
					names = append(names, s.Name.Name)
				}
			case *ast.ValueSpec:
				for _, name := range s.Names {
					if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
						names = append(names, name.Name)
					}
				}
			}
		}
	}
	return names
}

func speaksOf(doc *ast.CommentGroup, name string) bool {
	words := strings.Fields(doc.Text())
	return len(words) > 1 && slices.Contains(words[:2], name) // "Name …" or "A Name …"
}

func exportedReceiver(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.StarExpr:
		return exportedReceiver(e.X)
	case *ast.IndexExpr:
		return exportedReceiver(e.X)
	case *ast.Ident:
		return e.IsExported()
	}
	return true
}

// The rules can be broken: a file that breaks each of them once.
func TestRules_FindEveryBreach(t *testing.T) {
	long := strings.Repeat("\tprintln()\n", maxFunctionLines)
	source := "package pbt\n\nfunc Bare() {}\n\n// Something else entirely.\ntype Named int\n\n// long is long.\nfunc long() {\n" + long + "}\n\n" +
		"const Loose = 1\n\n// " + unfinished[0] + ": later\n\nfunc (Named) Method() {}\n\nfunc (hidden) Method() {}\n\ntype hidden int\n" + strings.Repeat("\n", maxFileLines)
	want := []string{
		"x.go:84: TO" + "DO: do it, or file an issue",
		"x.go: 590 lines, at most 500 are allowed",
		"x.go: Bare has no comment", "x.go: Named has no comment", "x.go: long has 72 lines, at most 70 are allowed",
		"x.go: Loose has no comment", "x.go: Method has no comment",
	}
	got := brokenRules("x.go", []byte(source))
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := brokenRules("x_test.go", []byte(source)); len(got) != 1 {
		t.Errorf("a test file may be long, but not unfinished: %q", got)
	}
	if got := brokenRules("x.go", []byte("package p\n\nfunc Fine() {}\n")); len(got) != 0 {
		t.Errorf("%q", got)
	}
}
