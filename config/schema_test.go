package config

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestSchemaSaysEverything(t *testing.T) {
	var doc struct {
		Schema     string `json:"$schema"`
		ID         string `json:"$id"`
		Properties map[string]struct {
			Description string
			Default     json.RawMessage
			Examples    []json.RawMessage
		}
		AdditionalProperties *bool
		Required             []string
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	if doc.Schema != "https://json-schema.org/draft/2020-12/schema" || doc.ID != SchemaID {
		t.Errorf("it is %s, %s", doc.Schema, doc.ID)
	}
	if doc.AdditionalProperties == nil || *doc.AdditionalProperties {
		t.Error("further keys are allowed")
	}
	for _, f := range experiment.fields {
		p := doc.Properties[f.key]
		if p.Description == "" || len(p.Examples) == 0 || (f.def != "") != (len(p.Default) > 0) {
			t.Errorf("%s lacks description, examples or default: %+v", f.key, p)
		}
	}
	if got := strings.Join(doc.Required, " "); got != "budget hyperparameters trainer" {
		t.Errorf("%s are required", got)
	}
}

// TestReferenceExamples: each piece of YAML in the reference is accepted.
func TestReferenceExamples(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)\n```").FindAllStringSubmatch(Reference(), -1)
	if len(blocks) != len(experiment.fields)+1 {
		t.Errorf("there are %d examples for %d keys", len(blocks), len(experiment.fields))
	}
	const fill = "  lr: {log: [1e-5, 1e-1]}\n  dropout: {uniform: [0, 0.8]}\n"
	for _, block := range blocks {
		text := block[1]
		for key, value := range map[string]string{"budget": " {steps: 4000}", "hyperparameters": "\n" + fill, "trainer": " {builtin: x}"} {
			if !strings.Contains("\n"+text, "\n"+key+":") {
				text += "\n" + key + ":" + value
			}
		}
		if _, err := Parse("reference.yaml", []byte(text)); err != nil {
			t.Errorf("%v\nin\n%s", err, text)
		}
	}
}

// TestReferenceIsCurrent compares with the document in the repository.
func TestReferenceIsCurrent(t *testing.T) {
	const file = "../docs/experiment-file.md"
	data, err := os.ReadFile(file)
	if err != nil || string(data) != Reference() {
		t.Errorf("%s is not what config.Reference prints (%v)", file, err)
	}
}

func TestReferenceNamesEveryKey(t *testing.T) {
	text := Reference()
	var walk func(fields []field)
	walk = func(fields []field) {
		for _, f := range fields {
			if !strings.Contains(text, f.doc[:min(len(f.doc), 40)]) || !strings.Contains(text, f.key) {
				t.Errorf("%s is not in it", f.key)
			}
			if r, ok := f.shape.(record); ok {
				walk(r.fields)
			}
		}
	}
	walk(experiment.fields)
	for _, v := range []variants{parameter, exploit, explorer, trainer, score} {
		for _, c := range v.cases {
			if !strings.Contains(text, "."+c.key+"`") {
				t.Errorf("%s is not in it", c.key)
			}
			walk(c.extras)
		}
	}
	for _, p := range Placeholders {
		if !strings.Contains(text, "{"+p+"}") {
			t.Errorf("{%s} is not in it", p)
		}
	}
}
