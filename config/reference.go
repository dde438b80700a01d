package config

import (
	"fmt"
	"strings"
)

// Reference returns docs/experiment-file.md: every key with its meaning, what it
// takes and its default, from the table that the parser checks against.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	b.WriteString("| key | takes | default |\n| --- | --- | --- |\n")
	for i := range experiment.fields {
		f := &experiment.fields[i]
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s | %s |\n", f.key, f.key, cell(brief(f.shape)), f.otherwise())
	}
	b.WriteString("\n" + referenceRules)
	for i := range experiment.fields {
		f := &experiment.fields[i]
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", f.key, f.doc)
		fmt.Fprintf(&b, "\n```yaml\n%s\n```\n", f.sample())
		fmt.Fprintf(&b, "\nTakes %s. Default: %s.", brief(f.shape), f.otherwise())
		if f.resume {
			b.WriteString(" `pbt resume --set` may change it.")
		}
		b.WriteString("\n")
		describe(&b, f.shape, f.key)
		if f.key == "trainer" {
			b.WriteString(referenceCommand)
		}
	}
	return b.String()
}

const referenceHead = "# The experiment file\n\n" +
	"<!-- Printed by config.Reference from the table that the parser checks against. Edit config/fields.go, not this. -->\n\n" +
	"One YAML file describes what to train and how. This page lists every key with its type, default and meaning. The smallest file:\n\n```yaml\n" + smallest + "\n```\n\n" +
	"`pbt schema` prints the JSON Schema, which lets an editor complete and check the file while you type.\n" +
	"The command line can set any value: `pbt run FILE --set budget.steps=8000 --set 'hyperparameters.lr.log=[1e-4, 1e-2]'`;\n" +
	"`null` removes a key. Setting one of two alternatives, such as `exploit.ttest` and `exploit.truncation`, removes the other.\n\n"

var referenceRules = "The file is YAML 1.2 in UTF-8: `1e-5` is a number, `yes` is a text. Anchors, aliases and `<<` are allowed; tags are refused.\n" +
	"A whole number may be written `1e6`. A duration is `90s`, `10m`, `1h30m`, `1.5d`; a size is `500MB`, `10GB` (powers of 1000) or `1GiB` (of 1024).\n" +
	describeLimit() + "\n"

const referenceCommand = `
A command is one of two kinds:

| the command | is |
| --- | --- |
| contains placeholders | a template: one process for each segment. It must contain ` + "`{save}`" + `, the directory to save to. |
| contains none | a client: a process that keeps running and uses [pbt's protocol](protocol.md) over the socket in ` + "`PBT_SOCKET`" + `; in Python, ` + "`for segment in pbt.segments()`" + `. |

With whole GPUs, the first slot has the first ` + "`gpus_per_slot`" + ` of them, the second the next, and so on. Where slots share,
each GPU gets one slot before any GPU gets a second one. pbt refuses more slots than fit.

pbt replaces a name in braces by a value:

| placeholder | value |
| --- | --- |
| ` + "`{lr}`" + ` | the hyperparameter lr, and so on; nested ones with dots |
| ` + "`{steps}`" + ` | training steps of this segment |
| ` + "`{from}`" + ` | training steps that the weights already have |
| ` + "`{until}`" + ` | ` + "`{from}` + `{steps}`" + `: the step at which the segment ends, for programs that take an absolute target |
| ` + "`{load}`" + ` | the directory to load from; empty for fresh weights |
| ` + "`{save}`" + ` | the directory to save to |
| ` + "`{seed}`" + ` | a seed for this segment's randomness |
| ` + "`{weight_seed}`" + ` | a seed for fresh weights, the same for all attempts |
| ` + "`{member}`, `{segment}`" + ` | the member's and the segment's number |
| ` + "`{load?--load}`" + ` | the two arguments ` + "`--load` and the directory" + `, or none for fresh weights; also for a hyperparameter with ` + "`when`" + ` |
| ` + "`{load?--load=}`" + ` | the same as one argument |
| ` + "`{{`, `}}`" + ` | a brace itself |
`

// brief says in a few words what a shape takes; describe has the rest.
func brief(s shape) string {
	switch s := s.(type) {
	case words:
		return "`" + strings.Join(s, "`, `") + "`"
	case record:
		return "a mapping with `" + strings.Join(keysOf(s.fields), "`, `") + "`"
	case variants:
		return "a mapping with one of `" + strings.Join(s.keys(), "`, `") + "`"
	case either:
		parts := make([]string, len(s))
		for i := range s {
			parts[i] = brief(s[i])
		}
		return strings.Join(parts, "; or ")
	}
	return s.want()
}

// otherwise is what holds without the key.
func (f *field) otherwise() string {
	_, isRecord := f.shape.(record)
	switch {
	case f.required:
		return "none; required"
	case f.def == "{}" && isRecord:
		return "the defaults of its keys"
	case f.def != "":
		return "`" + cell(string(appendFlow(nil, f.defaultNode()))) + "`"
	}
	return cell(f.unset)
}

func (f *field) sample() string {
	if f.key == "hyperparameters" {
		return sampleSpace
	}
	return f.key + ": " + f.example
}

const sampleSpace = `hyperparameters:
  lr: {log: [1e-5, 1e-1], bounds: [1e-6, 1]}
  dropout: {uniform: [0, 0.8]}
  gamma: {near_one: [0.9, 0.9999]}
  layers: {int: [1, 4], explore: false}
  batch: {ordered: [16, 32, 64]}
  nesterov: {choice: [false, true]}
  optimizer:
    name: {choice: [sgd, adam]}
    momentum: {uniform: [0, 0.99], when: {optimizer.name: sgd}}
  epochs: 3`

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }

// describe tells of the keys within a shape.
func describe(b *strings.Builder, s shape, path string) {
	switch s := s.(type) {
	case record:
		describeFields(b, s.fields, path)
	case variants:
		describeCases(b, s, path)
	case either:
		for _, one := range s {
			describe(b, one, path)
		}
	case list:
		if e, ok := s.of.(either); !ok || path != "explore" || len(e) == 0 { // explore's list holds what stands before it
			describe(b, s.of, path)
		}
	case space:
		describeCases(b, parameter, path+".NAME")
		fmt.Fprintf(b, "\nA mapping without any of these keys (nor `bool`) is a group: its names become dotted names, such as `optimizer.momentum`.\n")
	}
}

func describeFields(b *strings.Builder, fields []field, path string) {
	fmt.Fprintf(b, "\n| key | takes | default | |\n| --- | --- | --- | --- |\n")
	for i := range fields {
		f := &fields[i]
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", join(path, f.key), cell(brief(f.shape)), f.otherwise(), cell(f.doc))
	}
	for i := range fields {
		describe(b, fields[i].shape, join(path, fields[i].key))
	}
}

func describeCases(b *strings.Builder, s variants, path string) {
	fmt.Fprintf(b, "\n| one of | takes | such as | |\n| --- | --- | --- | --- |\n")
	for _, v := range s.cases {
		fmt.Fprintf(b, "| `%s` | %s | `%s` | %s |\n", join(path, v.key), cell(brief(v.shape)), cell(v.ex), cell(v.doc))
	}
	var order []string
	goesWith := map[string][]string{}
	fields := map[string]*field{}
	for i := range s.cases {
		for j := range s.cases[i].extras {
			f := &s.cases[i].extras[j]
			if fields[f.key] == nil {
				fields[f.key] = f
				order = append(order, f.key)
			}
			goesWith[f.key] = append(goesWith[f.key], "`"+s.cases[i].key+"`")
		}
	}
	if len(order) > 0 {
		fmt.Fprintf(b, "\n| beside it | with | takes | default | |\n| --- | --- | --- | --- | --- |\n")
	}
	for _, key := range order {
		f := fields[key]
		with := strings.Join(goesWith[key], ", ")
		if len(goesWith[key]) == len(s.cases) {
			with = "all"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", key, with, cell(brief(f.shape)), f.otherwise(), cell(f.doc))
	}
	for _, v := range s.cases {
		describe(b, v.shape, join(path, v.key))
	}
	for _, key := range order {
		describe(b, fields[key].shape, join(path, key))
	}
}
