package config

import (
	"bytes"
	"encoding/json"

	"github.com/seed-7a1a2db0/pbt"
)

// Underived returns an experiment, as JSON and as a file, without the settings whose
// defaults follow from others (from the population, a range, the budget, the metric's
// name), so that other settings give them anew. What the user wrote stays: what stands in
// the source, the user's own file, what the command line set when the run began, and what is
// not the default. sets are applied to both.
func (e *Experiment) Underived(source []byte, began []string, sets ...string) (stored, file []byte, err error) {
	doc, err := e.encode()
	if err != nil {
		return nil, nil, err
	}
	wrote := loadYAML(&source0, source, &complaints{})
	for _, set := range began {
		wrote = assign(wrote, set, &complaints{})
	}
	at := position{src: &source0}
	for _, path := range e.derived() {
		if wrote.reaches(path) {
			continue
		}
		without := put(doc, path, &node{kind: nullKind}, at)
		again, err := FromJSON(appendJSON(nil, without))
		if err != nil {
			continue // there is no default
		}
		same, err := json.Marshal(again)
		if err != nil {
			return nil, nil, err
		}
		if mine, err := json.Marshal(e); err == nil && bytes.Equal(mine, same) {
			doc = without
		}
	}
	var faults complaints
	changed := doc
	for _, set := range sets {
		changed = assign(changed, set, &faults)
	}
	return appendJSON(nil, doc), appendYAML(nil, changed), nil
}

// source0 is for what is read a second time, without complaints.
var source0 = source{name: "source"}

// derived are the paths of the settings whose defaults follow from others.
func (e *Experiment) derived() [][]string {
	paths := [][]string{{"peers", "min_scored"}, {"segment"}, {"trainer", "score"}}
	for i := range e.Hyperparameters {
		if p := &e.Hyperparameters[i]; p.Type == pbt.FloatParam || p.Type == pbt.IntParam {
			paths = append(paths, []string{"hyperparameters", p.Name, "bounds"})
		}
	}
	return paths
}

// reaches tells whether a document has a value at a path.
func (n *node) reaches(path []string) bool {
	if len(path) == 0 {
		return true
	}
	if n == nil || n.kind != mapKind {
		return false
	}
	for i := range n.pairs {
		key := n.pairs[i].key
		if key == path[0] && n.pairs[i].value.reaches(path[1:]) {
			return true
		}
		if rest, nested := cutName(path[0], key); nested && n.pairs[i].value.reaches(append([]string{rest}, path[1:]...)) {
			return true // optimizer.lr, written nested
		}
	}
	return false
}

// cutName takes a group's name off a dotted one.
func cutName(name, group string) (rest string, ok bool) {
	if len(name) > len(group)+1 && name[:len(group)] == group && name[len(group)] == '.' {
		return name[len(group)+1:], true
	}
	return "", false
}
