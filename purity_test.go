package pbt_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The packages that decide are functions of their inputs: what they import and
// what they use is checked here, so that a run can be replayed, verified and
// simulated. Time comes in as a value, randomness from an address.

// purePackages and what each may import besides the pure packages before it.
var purePackages = []struct {
	dir     string
	imports []string
}{
	{"internal/scan", nil},
	{".", []string{"gonum.org/v1/gonum/stat/distuv", "reflect"}},
	{"machine", nil},
	{"sim", nil},
}

// pureImports are open to all of them. Of time, only what is no clock (below).
var pureImports = []string{
	"bytes", "cmp", "container/heap", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "hash/fnv", "io", "iter",
	"math", "math/bits", "slices", "sort", "strconv", "strings", "time", "unicode", "unicode/utf8",
}

// pureVariables are package-level variables that nothing writes to.
var pureVariables = []string{"paperFactors", "knownActions", "knownReasons"}

// clocks are what a pure package must not use of time.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Local", "LoadLocation"}

func TestPurity_DecidingPackagesAreFunctionsOfTheirInputs(t *testing.T) {
	exports := exportData(t)
	allowed := slices.Clone(pureImports)
	for _, p := range purePackages {
		if _, err := os.Stat(p.dir); errors.Is(err, os.ErrNotExist) {
			t.Logf("%s does not exist", p.dir)
			continue
		}
		pkg := listed(t, "./"+p.dir)
		for _, fault := range impurities(t, p.dir, pkg.GoFiles, append(slices.Clone(allowed), p.imports...), exports) {
			t.Error(fault)
		}
		allowed = append(allowed, pkg.ImportPath)
	}
}

// The check can fail: it finds every broken rule in testdata/impure, and nothing
// else there.
func TestPurity_FindsEveryViolation(t *testing.T) {
	dir := filepath.Join("testdata", "impure")
	source, err := os.ReadFile(filepath.Join(dir, "impure.go"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i, line := range strings.Split(string(source), "\n") {
		if _, rules, ok := strings.Cut(line, "// want "); ok {
			for rule := range strings.FieldsSeq(rules) {
				want = append(want, fmt.Sprintf("%d %s", i+1, rule))
			}
		}
	}
	var got []string
	shape := regexp.MustCompile(`impure\.go:(\d+): (\w+)`)
	for _, fault := range impurities(t, dir, []string{"impure.go"}, pureImports, exportData(t)) {
		m := shape.FindStringSubmatch(fault)
		got = append(got, m[1]+" "+m[2])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) || len(want) < 15 {
		t.Errorf("found %q\nwant  %q", got, want)
	}
}

type listedPackage struct {
	ImportPath, Export string
	GoFiles            []string
}

func goList(t *testing.T, args ...string) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Export,GoFiles"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v: %s", args, err, stderr.String())
	}
	var all []listedPackage
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listedPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func listed(t *testing.T, pattern string) listedPackage {
	t.Helper()
	return goList(t, pattern)[0]
}

// exportData are the compiled types of everything that the checked packages import.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	args := []string{"-export", "-deps", "math/rand", "os", "sync", "time"}
	for _, p := range purePackages {
		if _, err := os.Stat(p.dir); err == nil {
			args = append(args, "./"+p.dir)
		}
	}
	files := map[string]string{}
	for _, p := range goList(t, args...) {
		files[p.ImportPath] = p.Export
	}
	return files
}

// impurities type-checks a package and lists what breaks the rules.
func impurities(t *testing.T, dir string, names, allowed []string, exports map[string]string) []string {
	t.Helper()
	c := purityChecker{fset: token.NewFileSet(), allowed: allowed}
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(c.fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	lookup := func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(exports[path])
	}
	conf := types.Config{Importer: importer.ForCompiler(c.fset, "gc", lookup)}
	c.info = &types.Info{Uses: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
	if _, err := conf.Check(dir, c.fset, files, c.info); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	for _, file := range files {
		c.file(file)
	}
	return c.faults
}

type purityChecker struct {
	fset    *token.FileSet
	info    *types.Info
	allowed []string
	faults  []string
	excused map[int]bool // lines of this file whose map order has a reason not to matter
}

// orderExcuse marks a range over a map whose order does not show, with the reason:
//
//	for s := range k.nodes { //pbt:order does not matter: sorted below
const orderExcuse = "//pbt:order "

func (c *purityChecker) fault(at token.Pos, rule, format string, args ...any) {
	p := c.fset.Position(at)
	c.faults = append(c.faults, fmt.Sprintf("%s:%d: %s: %s", p.Filename, p.Line, rule, fmt.Sprintf(format, args...)))
}

func (c *purityChecker) file(file *ast.File) {
	c.excused = map[int]bool{}
	for _, group := range file.Comments {
		for _, comment := range group.List {
			reason, ok := strings.CutPrefix(comment.Text, orderExcuse)
			reason, _, _ = strings.Cut(reason, "//")
			if ok && len(strings.Fields(reason)) >= 3 {
				c.excused[c.fset.Position(comment.Pos()).Line] = true
			}
		}
	}
	for _, imp := range file.Imports {
		if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(c.allowed, path) {
			c.fault(imp.Pos(), "import", "%s is not on the list", path)
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.GenDecl:
			if d.Tok == token.VAR {
				c.variables(d)
			}
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				c.fault(d.Pos(), "init", "runs before anybody asked")
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool { c.node(n); return true })
}

func (c *purityChecker) variables(d *ast.GenDecl) {
	for _, spec := range d.Specs {
		v := spec.(*ast.ValueSpec)
		for i, name := range v.Names {
			if name.Name == "_" || slices.Contains(pureVariables, name.Name) || i < len(v.Values) && c.isSentinel(v.Values[i]) {
				continue
			}
			c.fault(name.Pos(), "variable", "%s can change between two decisions", name.Name)
		}
	}
}

// isSentinel: an error made by errors.New, to compare with.
func (c *purityChecker) isSentinel(e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && c.isOf(sel.Sel, "errors", "New")
}

func (c *purityChecker) isOf(id *ast.Ident, path string, names ...string) bool {
	obj := c.info.Uses[id]
	return obj != nil && obj.Pkg() != nil && obj.Pkg().Path() == path && slices.Contains(names, obj.Name())
}

func (c *purityChecker) node(n ast.Node) {
	switch n := n.(type) {
	case *ast.GoStmt:
		c.fault(n.Pos(), "goroutine", "its order of running is nobody's input")
	case *ast.SelectStmt:
		c.fault(n.Pos(), "select", "chooses at random")
	case *ast.SendStmt:
		c.fault(n.Pos(), "channel", "sends")
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			c.fault(n.Pos(), "channel", "receives")
		}
	case *ast.RangeStmt:
		switch coreType(c.info.TypeOf(n.X)).(type) {
		case *types.Map:
			if c.excused[c.fset.Position(n.Pos()).Line] {
				break
			}
			c.fault(n.Pos(), "map", "its order is random: keep a sorted list beside it")
		case *types.Chan:
			c.fault(n.Pos(), "channel", "receives")
		}
	case *ast.Ident:
		obj := c.info.Uses[n]
		_, isFunc := obj.(*types.Func)
		if c.isOf(n, "time", clocks...) && (!isFunc || obj.(*types.Func).Signature().Recv() == nil) {
			c.fault(n.Pos(), "clock", "time.%s: time is an input", n.Name)
		}
		if c.isOf(n, "reflect", "MapKeys", "MapRange") {
			c.fault(n.Pos(), "map", "its order is random")
		}
	}
}

// coreType is what a type, or every type of a type parameter's constraint, is underneath.
func coreType(t types.Type) types.Type {
	constraint, ok := t.Underlying().(*types.Interface)
	if _, generic := t.(*types.TypeParam); !ok || !generic {
		return t.Underlying()
	}
	if constraint.NumEmbeddeds() == 0 {
		return constraint
	}
	first := constraint.EmbeddedType(0)
	if union, ok := first.(*types.Union); ok && union.Len() > 0 {
		return union.Term(0).Type().Underlying()
	}
	return first.Underlying()
}
