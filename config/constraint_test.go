package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
)

const withConstraints = `budget: {steps: 100}
hyperparameters:
  batch: {int: [1, 512]}
  minibatch: {int: [1, 64]}
  optimizer: {lr: {log: [1e-4, 1]}, kind: {choice: [sgd, adam]}}
  momentum: {uniform: [0, 1], when: {optimizer.kind: sgd}}
  odd-name: {uniform: [0, 1]}
constraints:
  - "minibatch <= batch"
  - batch % minibatch == 0
  - "optimizer.lr < 0.5 or optimizer.kind == 'adam'"
  - "momentum < 0.5"
  - $env["odd-name"] > 0.1 and max(batch, 3) > 2
trainer: {builtin: quadratic}
`

func TestConstraintsOfAFile(t *testing.T) {
	e, err := config.Parse("c.yaml", []byte(withConstraints))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := config.SpecOf(text) // as a journal stores it
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(200) {
		h := spec.Space.Draw(seed, 0, 0)
		batch, mini := h.Int("batch"), h.Int("minibatch")
		momentum, has := h.Get("momentum")
		m, _ := momentum.Float()
		if batch%mini != 0 || mini > batch || has && m >= 0.5 || h.Float("odd-name") <= 0.1 || h.Float("optimizer.lr") >= 0.5 && h.Text("optimizer.kind") != "adam" {
			t.Fatalf("seed %d draws %s", seed, h)
		}
	}
	if err := spec.Space.Check(spec.Space.Draw(1, 0, 0).With("batch", pbt.Int(7)).With("minibatch", pbt.Int(3))); err == nil || !strings.Contains(err.Error(), "batch % minibatch == 0") {
		t.Error(err)
	}
}

// A fault in a constraint is reported with its line and column.
func TestBadConstraints(t *testing.T) {
	for constraint, want := range map[string]string{
		`"minibatch <= bacth"`:        `c.yaml:9:5: constraints[0]: "minibatch <= bacth": at character 14 of the expression: unknown name bacth`,
		`"minibatch + 1"`:             "expected bool",
		`"minibatch <="`:              "c.yaml:9:5: constraints[0]",
		`"minibatch < 'a'"`:           "mismatched types",
		`"1 < 2"`:                     "it names no hyperparameter",
		`"now().Unix() > minibatch"`:  "c.yaml:9:5: constraints[0]",
		`"minibatch > batch * 1000"`:  "c.yaml:9:3: constraints: member 0 finds no first values that satisfy them, in 1000 draws",
		`"minibatch % 0 == 0"`:        "constraints",
		`"all([minibatch], {# > 0})"`: "c.yaml:9:5: constraints[0]",
		`"minibatch < ` + strings.Repeat("(", 600) + `1` + strings.Repeat(")", 600) + `"`: "constraints[0]",
	} {
		i := strings.Index(withConstraints, `  - "minibatch`)
		j := strings.Index(withConstraints, "trainer:")
		_, err := config.Parse("c.yaml", []byte(withConstraints[:i]+"  - "+constraint+"\n"+withConstraints[j:]))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", constraint, err, want)
		}
	}
}

// An experiment without constraints is stored as before.
func TestNoConstraintsAreNotStored(t *testing.T) {
	e, err := config.Parse("c.yaml", []byte("budget: {steps: 4}\nhyperparameters: {lr: {log: [0.1, 1]}}\ntrainer: {builtin: x}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(e); err != nil || strings.Contains(string(text), "constraints") {
		t.Errorf("%s %v", text, err)
	}
}
