package pbt

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt/internal/scan"
)

// ParseHypers reads hyperparameters as AppendJSON wrote them. Names that the
// space declares are not copied, which matters when a journal holds a million.
func (s *Space) ParseHypers(text []byte) (Hypers, error) {
	in := scan.New(text)
	h := Hypers{entries: make([]entry, 0, len(s.params))}
	var fault error
	next := 0
	in.Object(func(key []byte) {
		var name string
		if name, next = s.name(key, next); name == "" {
			name = string(key)
		}
		v, err := parseValue(&in)
		if err != nil && fault == nil {
			fault = fmt.Errorf("%s: %w", name, err)
		}
		h.entries = append(h.entries, entry{name, v})
	})
	if err := in.End(); err != nil {
		return h, err
	}
	return h, fault
}

// name finds a key among the declarations, from the one that is expected on.
func (s *Space) name(key []byte, next int) (string, int) {
	for range s.params {
		if next >= len(s.params) {
			next = 0
		}
		if p := &s.params[next]; string(key) == p.Name {
			return p.Name, next + 1
		}
		next++
	}
	return "", 0
}

func parseValue(in *scan.Scanner) (v Value, err error) {
	if in.IsText() {
		return Text(in.Text()), nil
	}
	token := in.Token()
	switch string(token) {
	case "true":
		return Truth(true), nil
	case "false":
		return Truth(false), nil
	}
	err = v.parseNumber(string(token))
	return v, err
}
