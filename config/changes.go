package config

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Changes lists what differs between an experiment and its successor on
// `pbt resume --set`, one sentence each: "budget.steps: 4000 → 8000". allowed may
// change between stop and resume; refused would have altered decisions that are
// made already.
func Changes(old, new *Experiment) (allowed, refused []string) {
	before, err := old.encode()
	if err != nil {
		return nil, []string{err.Error()}
	}
	after, err := new.encode()
	if err != nil {
		return nil, []string{err.Error()}
	}
	mayChange := resumable(experiment.fields, "")
	eachChange(before, after, "", func(path, what string) {
		sentence := path + ": " + what
		if slices.ContainsFunc(mayChange, func(p string) bool { return path == p || strings.HasPrefix(path, p+".") }) {
			allowed = append(allowed, sentence)
		} else {
			refused = append(refused, sentence)
		}
	})
	return allowed, refused
}

// resumable lists the paths that the field table lets change.
func resumable(fields []field, path string) []string {
	var out []string
	for i := range fields {
		f := &fields[i]
		at := join(path, f.key)
		if f.resume {
			out = append(out, at)
			continue
		}
		switch s := f.shape.(type) {
		case record:
			out = append(out, resumable(s.fields, at)...)
		case variants:
			for _, v := range s.cases {
				out = append(out, resumable(append([]field{{key: v.key, shape: v.shape, resume: v.resume}}, v.extras...), at)...)
			}
		}
	}
	return out
}

// eachChange visits the innermost differences of two documents.
func eachChange(before, after *node, path string, visit func(path, what string)) {
	if before.kind != mapKind || after.kind != mapKind {
		if b, a := appendJSON(nil, before), appendJSON(nil, after); !bytes.Equal(b, a) {
			visit(path, fmt.Sprintf("%s → %s", appendFlow(nil, before), appendFlow(nil, after)))
		}
		return
	}
	var was, is []string // the keys in both, in their orders
	for _, p := range before.pairs {
		if other := after.get(p.key); other != nil {
			was = append(was, p.key)
			eachChange(p.value, other, join(path, p.key), visit)
		} else {
			visit(join(path, p.key), fmt.Sprintf("%s is gone", appendFlow(nil, p.value)))
		}
	}
	for _, p := range after.pairs {
		if before.get(p.key) != nil {
			is = append(is, p.key)
		} else {
			visit(join(path, p.key), fmt.Sprintf("%s is new", appendFlow(nil, p.value)))
		}
	}
	if !slices.Equal(was, is) {
		visit(path, "the order is another")
	}
}
