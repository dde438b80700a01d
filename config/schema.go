package config

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// SchemaID names the JSON Schema of the experiment file.
const SchemaID = "https://github.com/seed-7a1a2db0/pbt/experiment.schema.json"

// Schema returns the JSON Schema (draft 2020-12) of the experiment file, which
// editors use to complete and check while one types. It is made from the same
// table as the parser.
func Schema() []byte {
	root := experiment.schema()
	root.pairs = append([]pair{
		{key: "$schema", value: textNode("https://json-schema.org/draft/2020-12/schema")},
		{key: "$id", value: textNode(SchemaID)},
		{key: "title", value: textNode("pbt experiment")},
		{key: "description", value: textNode("An experiment of pbt: Population Based Training.")},
	}, root.pairs...)
	root.pairs = append(root.pairs, pair{key: "$defs", value: mapNode(
		"parameter", parameter.schema(),
		"value", value.schema(),
		"group", groupSchema(),
		"hyperparameter", anyOf(ref("value"), ref("parameter"), ref("group")),
		"point", pointSchema(),
	)})
	var out bytes.Buffer
	if err := json.Indent(&out, appendJSON(nil, root), "", "  "); err != nil {
		panic("config: the schema is no JSON: " + err.Error())
	}
	out.WriteByte('\n')
	return out.Bytes()
}

func ref(name string) *node { return mapNode("$ref", "#/$defs/"+name) }

func anyOf(schemas ...*node) *node { return mapNode("anyOf", listNode(schemas...)) }

// limit is a number's end, or nothing if it is open to infinity.
func limit(x float64) *node {
	if math.IsInf(x, 0) {
		return nil
	}
	return floatNode(x)
}

func (s number) schema() *node {
	low, high := "minimum", "maximum"
	if s.minOpen {
		low = "exclusiveMinimum"
	}
	if s.maxOpen {
		high = "exclusiveMaximum"
	}
	return mapNode("type", "number", low, limit(s.min), high, limit(s.max))
}

func (s whole) schema() *node {
	return mapNode("type", "integer", "minimum", wholeNode(s.min), "maximum", numberNode(strconv.FormatUint(s.max, 10)))
}

func (flag) schema() *node { return mapNode("type", "boolean") }

func (s words) schema() *node { return mapNode("enum", textsNode(s)) }

func (s text) schema() *node {
	var pattern *node
	if s.pattern != nil {
		pattern = textNode(s.pattern.String())
	}
	plain := mapNode("type", "string", "minLength", wholeNode(1), "maxLength", wholeNode(s.max), "pattern", pattern)
	if s.none == "" {
		return plain
	}
	return anyOf(mapNode("const", s.none), plain)
}

func (s scalar) schema() *node {
	return mapNode("type", textsNode([]string{"number", "string", "boolean"}), "maxLength", wholeNode(s.maxText))
}

func (s either) schema() *node {
	all := make([]*node, len(s))
	for i := range s {
		all[i] = s[i].schema()
	}
	return anyOf(all...)
}

func (s record) schema() *node {
	n := object(s.fields, nil)
	if s.least > 0 {
		n.pairs = append(n.pairs, pair{key: "minProperties", value: wholeNode(s.least)})
	}
	return n
}

// object is a closed mapping: its fields and no other key.
func object(fields []field, alsoRequired []string) *node {
	properties := mapNode()
	required := alsoRequired
	for i := range fields {
		f := &fields[i]
		properties.pairs = append(properties.pairs, pair{key: f.key, value: f.schema()})
		if f.required {
			required = append(required, f.key)
		}
	}
	var requiredNode *node
	if len(required) > 0 {
		requiredNode = textsNode(required)
	}
	return mapNode("type", "object", "properties", properties, "required", requiredNode, "additionalProperties", boolNode(false))
}

// schema adds to a shape's schema what only the field knows.
func (f *field) schema() *node {
	n := f.shape.schema()
	description := f.doc
	if f.unset != "" {
		description += " Without it: " + f.unset + "."
	}
	head := []pair{{key: "description", value: textNode(description)}}
	if f.def != "" {
		head = append(head, pair{key: "default", value: f.defaultNode()})
	}
	if f.example != "" {
		head = append(head, pair{key: "examples", value: listNode(exampleNode(f.example))})
	}
	n.pairs = append(head, n.pairs...)
	return n
}

// exampleNode reads an example, which is written as in the file.
func exampleNode(example string) *node {
	var faults complaints
	n := loadYAML(&source{name: "example"}, []byte(example), &faults)
	if n == nil {
		panic("config: the example " + example + " is no YAML: " + faults.err().Error())
	}
	return n
}

func (s variants) schema() *node {
	all := make([]*node, len(s.cases))
	for i, v := range s.cases {
		own := field{key: v.key, doc: v.doc, shape: v.shape, example: v.ex}
		all[i] = object(append([]field{own}, v.extras...), []string{v.key})
	}
	return mapNode("oneOf", listNode(all...))
}

func (s list) schema() *node {
	var unique *node
	if s.unique {
		unique = boolNode(true)
	}
	return mapNode("type", "array", "items", s.of.schema(), "minItems", wholeNode(s.least), "maxItems", wholeNode(s.most), "uniqueItems", unique)
}

func (s table) schema() *node {
	var names *node
	if s.key != nil {
		names = mapNode("pattern", s.key.String())
	}
	return mapNode("type", "object", "propertyNames", names, "additionalProperties", s.of.schema(),
		"minProperties", wholeNode(s.least), "maxProperties", wholeNode(s.most))
}

func (s space) schema() *node {
	if s.inner {
		return ref("group")
	}
	return mapNode("type", "object", "minProperties", wholeNode(1), "propertyNames", mapNode("minLength", wholeNode(1)),
		"additionalProperties", ref("hyperparameter"))
}

func groupSchema() *node {
	return mapNode(
		"description", "A group of hyperparameters, known by dotted names: "+strings.Join([]string{"optimizer.lr", "optimizer.name"}, ", ")+".",
		"type", "object", "minProperties", wholeNode(1),
		"propertyNames", mapNode("minLength", wholeNode(1), "not", mapNode("enum", textsNode(reserved))),
		"additionalProperties", ref("hyperparameter"))
}

func (point) schema() *node { return ref("point") }

func pointSchema() *node {
	return mapNode("type", "object", "additionalProperties", anyOf(value.schema(), ref("point")))
}
