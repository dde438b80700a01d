package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The corpus: testdata/valid holds experiments that the parser and the schema
// accept. Each of testdata/invalid ends in comments with the complaints wanted,
//
//	# want: 3:13: population: found the text "16"; …
//
// in order, and "# strict" where the JSON Schema, which cannot express the fault,
// accepts the file. Run the test with UPDATE=1 to write them, and read the diff.

func corpus(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s: %v", dir, err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[file] = data
	}
	return all
}

func compiledSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SchemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(SchemaID) // checks it against draft 2020-12 itself
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge asks the third-party validator about a document. seen is false if the
// document is no JSON value at all.
func judge(t testing.TB, schema *jsonschema.Schema, data []byte) (verdict error, seen bool) {
	t.Helper()
	var faults complaints
	n := loadYAML(&source{name: "x"}, data, &faults)
	if n == nil || len(faults.list) > 0 || !isJSON(n) {
		return nil, false
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(appendJSON(nil, n)))
	if err != nil {
		t.Fatalf("%s: %v", appendJSON(nil, n), err)
	}
	return schema.Validate(instance), true
}

func isJSON(n *node) bool {
	if n.kind == nonFiniteKind {
		return false
	}
	for _, item := range n.items {
		if !isJSON(item) {
			return false
		}
	}
	for _, p := range n.pairs {
		if !isJSON(p.value) {
			return false
		}
	}
	return true
}

func complaintsOf(err error) []Complaint {
	var e *Error
	if errors.As(err, &e) {
		return e.Complaints
	}
	return nil
}

// loose are the complaints that the schema should share.
func loose(err error) (list []Complaint) {
	for _, c := range complaintsOf(err) {
		if !c.strict {
			list = append(list, c)
		}
	}
	return list
}

func TestValidCorpus(t *testing.T) {
	schema := compiledSchema(t)
	for file, data := range corpus(t, "valid") {
		if _, err := Parse(file, data); err != nil {
			t.Errorf("%v", err)
		}
		if verdict, seen := judge(t, schema, data); !seen || verdict != nil {
			t.Errorf("%s: the schema refuses it: %v", file, verdict)
		}
	}
}

func TestInvalidCorpus(t *testing.T) {
	schema := compiledSchema(t)
	for file, data := range corpus(t, "invalid") {
		_, err := Parse(filepath.Base(file), data)
		if err == nil {
			t.Errorf("%s is accepted", file)
			continue
		}
		got := wantLines(err)
		if os.Getenv("UPDATE") != "" {
			update(t, file, data, got)
			continue
		}
		if want := wanted(data); !slices.Equal(got, want) {
			t.Errorf("%s complains\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		if verdict, seen := judge(t, schema, data); seen && (verdict == nil) != (len(loose(err)) == 0) {
			t.Errorf("%s: the parser has %d complaints that the schema should share, which says: %v", file, len(loose(err)), verdict)
		}
	}
}

// wantLines are the comments that a file's complaints become.
func wantLines(err error) (lines []string) {
	if len(loose(err)) == 0 {
		lines = append(lines, "# strict")
	}
	for _, c := range complaintsOf(err) {
		_, rest, _ := strings.Cut(c.String(), ".yaml:")
		lines = append(lines, "# want: "+strings.ReplaceAll(strings.TrimSpace(rest), "\n", "⏎"))
	}
	return lines
}

func wanted(data []byte) (lines []string) {
	for line := range strings.SplitSeq(string(data), "\n") {
		if strings.HasPrefix(line, "# want: ") || line == "# strict" {
			lines = append(lines, line)
		}
	}
	return lines
}

func update(t *testing.T, file string, data []byte, want []string) {
	t.Helper()
	var kept []string
	for line := range strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n") {
		if !strings.HasPrefix(line, "# want: ") && line != "# strict" {
			kept = append(kept, line)
		}
	}
	text := strings.TrimLeft(strings.Join(append(kept, want...), "\n")+"\n", "\n")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
