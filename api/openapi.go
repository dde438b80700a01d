package api

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// object is a piece of JSON to write.
type object = map[string]any

// describe answers with what there is to ask.
func (s *Server) describe(w http.ResponseWriter, r *http.Request) {
	a, err := descriptions[s.config.Token != ""]()
	s.send(w, r, a, err)
}

var descriptions = map[bool]func() (*answer, error){false: describeOnce(false), true: describeOnce(true)}

func describeOnce(token bool) func() (*answer, error) {
	return sync.OnceValues(func() (*answer, error) {
		text, err := json.Marshal(Description(token))
		return &answer{kind: "application/json", body: text, etag: fmt.Sprintf(`"openapi-%t"`, token)}, err
	})
}

// Description is the API as an OpenAPI 3.1 document, made of the table that the server
// is made of and of the types that it answers with; of a server that wants a token, or
// of one that does not.
func Description(token bool) map[string]any {
	d := describer{token: token, schemas: object{"Error": object{
		"type": "object", "properties": object{"error": object{"type": "string"}}, "required": []string{"error"},
	}}}
	paths := object{}
	for i := range routes {
		r := &routes[i]
		full := prefix + r.path
		if paths[full] == nil {
			paths[full] = object{}
		}
		paths[full].(object)[strings.ToLower(r.method)] = d.operation(r)
	}
	for path, doc := range map[string]string{"/healthz": "Whether the server answers.", "/openapi.json": "This description.", "/metrics": "For Prometheus."} {
		kind := "application/json"
		schema := object{"type": "object"}
		if path == "/metrics" {
			kind, schema = "text/plain", object{"type": "string"}
		}
		refused := []int{http.StatusForbidden}
		op := object{"summary": doc, "operationId": operationID("get", path)}
		if path == "/healthz" {
			op["security"] = []object{} // it can always be asked
		} else if token {
			refused = append(refused, http.StatusUnauthorized)
		}
		op["responses"] = responses(object{"description": doc, "content": object{kind: object{"schema": schema}}}, refused)
		paths[path] = object{"get": op}
	}
	description := object{
		"openapi":    "3.1.0",
		"info":       object{"title": "pbt", "version": "1", "summary": "Population Based Training: runs as they are recorded.", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"paths":      paths,
		"components": object{"schemas": d.schemas},
	}
	if token {
		description["components"].(object)["securitySchemes"] = object{"token": object{"type": "http", "scheme": "bearer"}}
		description["security"] = []object{{"token": []string{}}}
	}
	return description
}

func operationID(method, path string) string {
	return method + strings.NewReplacer("/", "_", "{", "", "}", "", ".", "_").Replace(path)
}

// refusals are the statuses with which a server refuses, each with a sentence.
var refusals = map[int]string{
	http.StatusBadRequest:            "A parameter or a field is unknown, or out of its range.",
	http.StatusUnauthorized:          "A token is needed.",
	http.StatusForbidden:             "The server is not called so, or another site's page asks.",
	http.StatusNotFound:              "There is no such run, segment or hyperparameter.",
	http.StatusConflict:              "The command makes no sense now, or the run is trained elsewhere.",
	http.StatusRequestEntityTooLarge: "The body is too large.",
	http.StatusUnsupportedMediaType:  "The body is no JSON.",
	http.StatusInternalServerError:   "The run's journal or its logs cannot be read.",
	http.StatusServiceUnavailable:    "The run's journal is still being read, or holds no event yet: ask again.",
}

func responses(good object, refused []int) object {
	all := object{"200": good}
	for _, status := range refused {
		all[strconv.Itoa(status)] = object{
			"description": refusals[status], "content": object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}},
		}
	}
	return all
}

// refused are the statuses with which a route may refuse.
func (d *describer) refused(r *route) []int {
	list := []int{http.StatusBadRequest, http.StatusForbidden}
	if d.token {
		list = append(list, http.StatusUnauthorized)
	}
	if strings.Contains(r.path, "{run}") {
		list = append(list, http.StatusNotFound, http.StatusInternalServerError, http.StatusServiceUnavailable)
	}
	if r.body != nil {
		list = append(list, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType)
	}
	return list
}

func (d *describer) operation(r *route) object {
	content := object{}
	if r.answer != nil {
		content["application/json"] = object{"schema": d.schema(reflect.TypeOf(r.answer))}
	}
	for _, kind := range r.texts {
		content[kind] = object{"schema": object{"type": "string"}}
		if kind == "application/yaml" {
			content[kind] = object{} // whoever checks it reads it as JSON is read
		}
	}
	op := object{"summary": r.doc, "operationId": operationID(strings.ToLower(r.method), r.path), "responses": responses(object{"description": r.doc, "content": content}, d.refused(r))}
	var params []object
	for i := range r.params {
		params = append(params, r.params[i].describe())
	}
	if r.stream != nil {
		params = append(params, object{"name": "Last-Event-ID", "in": "header", "description": "the id of the last event that was received", "schema": object{"type": "string", "pattern": positionText.String()}})
	}
	if params != nil {
		op["parameters"] = params
	}
	if r.body != nil {
		op["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": d.commands()}}}
	}
	return op
}

func (p *param) describe() object {
	schema := object{}
	switch {
	case p.text:
		schema["type"], schema["minLength"] = "string", 1
		if p.pattern != nil {
			schema["pattern"] = p.pattern.String()
		}
	case p.list:
		schema["type"], schema["items"], schema["minItems"] = "array", object{"enum": p.choices}, 1
	case p.choices != nil:
		schema["enum"] = p.choices
	default:
		schema["type"], schema["minimum"], schema["maximum"] = "integer", p.min, p.max
	}
	if p.def != nil {
		schema["default"] = p.def
	}
	out := object{"name": p.name, "in": "query", "description": p.doc, "schema": schema}
	if p.list {
		out["style"], out["explode"] = "form", false
	}
	if p.inPath {
		out["in"], out["required"] = "path", true
	}
	return out
}

// commands describes a command: one shape for each verb.
func (d *describer) commands() object {
	fields := object{
		"reason": object{"type": "string", "maxLength": maxReason}, "now": object{"type": "boolean"},
		"member": object{"type": "integer", "minimum": 0, "maximum": math.MaxInt32}, "segment": object{"type": "integer", "minimum": 1, "maximum": maxWhole},
		"hypers": object{"type": "object", "additionalProperties": valueSchema, "minProperties": 1},
		"set":    object{"type": "object", "minProperties": 1, "maxProperties": maxSetting}, "dir": object{"type": "string", "minLength": 1, "maxLength": maxDir},
	}
	var shapes []object
	for _, verb := range verbs() {
		props, required := object{"verb": object{"const": verb}}, []string{"verb"}
		for _, name := range fieldsOf[Verb(verb)] {
			name, needed := strings.CutSuffix(name, "*")
			props[name] = fields[name]
			if needed {
				required = append(required, name)
			}
		}
		shapes = append(shapes, object{"type": "object", "title": verb, "properties": props, "required": required, "additionalProperties": false})
	}
	return object{"oneOf": shapes}
}

// describer makes JSON Schemas of Go types.
type describer struct {
	schemas object
	token   bool // the server wants one
}

var (
	valueSchema = object{"type": []string{"number", "string", "boolean"}}
	scoreSchema = object{"anyOf": []object{{"type": "number"}, {"enum": []string{"NaN", "+Inf", "-Inf"}}}}
)

// special are the types that write themselves.
var special = map[reflect.Type]object{
	reflect.TypeFor[pbt.Score]():       scoreSchema,
	reflect.TypeFor[*pbt.Score]():      {"anyOf": []object{{"type": []string{"number", "null"}}, {"enum": []string{"NaN", "+Inf", "-Inf"}}}},
	reflect.TypeFor[pbt.Hypers]():      {"type": "object", "additionalProperties": valueSchema},
	reflect.TypeFor[pbt.Value]():       {"type": []string{"number", "string", "boolean", "null"}},
	reflect.TypeFor[[]pbt.Value]():     {"type": []string{"array", "null"}, "items": valueSchema},
	reflect.TypeFor[view.Number]():     {"type": []string{"number", "null"}},
	reflect.TypeFor[view.Numbers]():    {"type": "array", "items": object{"type": []string{"number", "null"}}},
	reflect.TypeFor[machine.Metrics](): {"type": "object", "additionalProperties": scoreSchema},
	reflect.TypeFor[machine.Kind]():    {"enum": eventKinds()},
	reflect.TypeFor[pbt.NodeState]():   {"enum": states},
	reflect.TypeFor[pbt.Action]():      {"enum": actions},
	reflect.TypeFor[view.Level]():      {"enum": []string{"quiet", "info", "decision", "good", "warn", "error"}},
	reflect.TypeFor[machine.Phase]():   {"enum": []string{"running", "ending", "finished", "paused"}},
}

func (d *describer) schema(t reflect.Type) object {
	if s, ok := special[t]; ok {
		return s
	}
	switch t.Kind() {
	case reflect.Pointer:
		return object{"anyOf": []object{{"type": "null"}, d.schema(t.Elem())}}
	case reflect.Slice:
		return object{"type": "array", "items": d.schema(t.Elem())}
	case reflect.Array:
		return object{"type": "array", "items": d.schema(t.Elem()), "minItems": t.Len(), "maxItems": t.Len()}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schema(t.Elem())}
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Struct:
		return d.named(t)
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

// named describes a struct once, by its name.
func (d *describer) named(t reflect.Type) object {
	ref := object{"$ref": "#/components/schemas/" + t.Name()}
	if d.schemas[t.Name()] != nil {
		return ref
	}
	d.schemas[t.Name()] = object{} // for types within themselves
	props, required := object{}, []string{}
	d.fields(t, props, &required)
	slices.Sort(required)
	d.schemas[t.Name()] = object{"type": "object", "properties": props, "required": required, "additionalProperties": false}
	return ref
}

// fields describes a struct's fields, with those of structs within it that have no name.
func (d *describer) fields(t reflect.Type, props object, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && f.Tag.Get("json") == "" {
			d.fields(f.Type, props, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		props[name] = d.schema(f.Type)
		if options != "omitempty" {
			*required = append(*required, name)
		}
	}
}
