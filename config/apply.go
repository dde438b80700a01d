package config

import (
	"strings"
)

// Apply makes of what differs between an experiment and a new one the assignments, as Set
// takes them, for what may change between stop and resume; refused says what may not.
func Apply(old, new *Experiment) (assignments, refused []string) {
	allowed, refused := Changes(old, new)
	after, err := new.encode()
	if err != nil {
		return nil, []string{err.Error()}
	}
	for _, sentence := range allowed {
		path, _, _ := strings.Cut(sentence, ": ")
		value := "null"
		if n := after.reach(strings.Split(path, ".")); n != nil {
			value = string(appendJSON(nil, n))
		}
		assignments = append(assignments, path+"="+value)
	}
	return assignments, refused
}

// Gives tells whether an experiment file itself gives a top-level key: what it does not give
// is derived, and may come out differently for another budget or population.
func Gives(file []byte, key string) bool {
	var faults complaints
	doc := loadYAML(&source{name: "experiment"}, file, &faults)
	return doc != nil && doc.kind == mapKind && doc.get(key) != nil
}

// reach is the value at a path; nil if there is none.
func (n *node) reach(path []string) *node {
	for len(path) > 0 {
		if n.kind != mapKind {
			return nil
		}
		i, used := n.longestKey(path)
		if i < 0 {
			return nil
		}
		n, path = n.pairs[i].value, path[used:]
	}
	return n
}
