package digits

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// trainer.go is what people copy: it stays short enough to read at once.
func TestTrainerIsShort(t *testing.T) {
	source, err := os.ReadFile("trainer.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(source, []byte("\n")); lines > 150 {
		t.Errorf("trainer.go has %d lines, at most 150 are allowed", lines)
	}
}

// The test images are looked at in one function, which nothing here calls: no
// training and no decision can see them.
func TestTestImagesStayUnseen(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range tree.Decls {
			function, _ := declaration.(*ast.FuncDecl)
			name := ""
			if function != nil && function.Recv == nil {
				name = function.Name.Name
			}
			ast.Inspect(declaration, func(node ast.Node) bool {
				switch node := node.(type) {
				case *ast.SelectorExpr:
					if from, ok := node.X.(*ast.Ident); ok && from.Name == "data" && node.Sel.Name == "Test" {
						looks++
						if name != "Test" {
							t.Errorf("%s looks at the test images outside Test", file)
						}
					}
				case *ast.CallExpr:
					called, ok := node.Fun.(*ast.Ident)
					if ok && (called.Name == "TestAccuracy" || called.Name == "Test" && name != "TestAccuracy") {
						t.Errorf("%s calls %s", file, called.Name)
					}
				}
				return true
			})
		}
	}
	if looks != 1 {
		t.Errorf("the test images are looked at in %d places, want 1", looks)
	}
}
