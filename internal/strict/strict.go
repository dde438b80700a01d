// Package strict reads JSON that another program has written: a trainer's messages, the bodies of HTTP
// requests, records of other tools. Unlike encoding/json it matches names exactly, and it refuses a name
// that occurs twice in one object and text that is not UTF-8, because two readers of such a text may
// understand two different things. It must not be used for journals: what is recorded stays readable.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxQuoted bounds how much of a text an error quotes.
const maxQuoted = 40

// Unmarshal reads one JSON value. Object members that the value has no field for are ignored.
// The error names the member and what was found, not Go's types.
func Unmarshal(text []byte, into any) error { return explain(jsonv2.Unmarshal(text, into)) }

// UnmarshalKnown is Unmarshal that refuses members without a field.
func UnmarshalKnown(text []byte, into any) error {
	return explain(jsonv2.Unmarshal(text, into, jsonv2.RejectUnknownMembers(true)))
}

// Check says why a text is not one strict JSON value.
func Check(text []byte) error { return check(text) }

// CheckNames is Check for text of programs whose encoding is unknown: any bytes may occur in strings.
func CheckNames(text []byte) error { return check(text, jsontext.AllowInvalidUTF8(true)) }

func check(text []byte, options ...jsontext.Options) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(text), options...)
	if err := dec.SkipValue(); err != nil {
		return explain(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON")
	}
	return nil
}

// explain turns the library's errors into words about the text.
func explain(err error) error {
	var syntax *jsontext.SyntacticError
	var wrong *jsonv2.SemanticError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &syntax):
		return explainSyntax(syntax)
	case errors.As(err, &wrong):
		return explainMeaning(wrong)
	case errors.Is(err, io.EOF):
		return errors.New("not JSON: empty")
	}
	return err
}

func explainSyntax(e *jsontext.SyntacticError) error {
	name := member(e.JSONPointer)
	switch {
	case errors.Is(e.Err, jsontext.ErrDuplicateName):
		return fmt.Errorf("the name %s occurs twice in one object: remove one", quoted(name))
	case errors.Is(e.Err, io.ErrUnexpectedEOF):
		return fmt.Errorf("not JSON: cut short after byte %d", e.ByteOffset)
	}
	if strings.Contains(e.Err.Error(), "UTF-8") || strings.Contains(e.Err.Error(), "surrogate") {
		return fmt.Errorf("not JSON: a string is not valid UTF-8 (at byte %d)", e.ByteOffset)
	}
	if strings.HasSuffix(e.Err.Error(), "after top-level value") {
		return fmt.Errorf("something follows the JSON (at byte %d)", e.ByteOffset)
	}
	return fmt.Errorf("not JSON: %w (at byte %d)", e.Err, e.ByteOffset)
}

func explainMeaning(e *jsonv2.SemanticError) error {
	where := ""
	if name := member(e.JSONPointer); name != "" {
		where = short(name) + ": "
	}
	switch {
	case errors.Is(e.Err, jsonv2.ErrUnknownName):
		return fmt.Errorf("the name %s is unknown", quoted(member(e.JSONPointer)))
	case e.Err != nil && e.GoType != nil && reflect.PointerTo(e.GoType).Implements(unmarshaler):
		return fmt.Errorf("%s%w", where, e.Err) // the type's own words
	case e.GoType == nil:
		return fmt.Errorf("%s%w", where, e)
	}
	return fmt.Errorf("%sfound %s; want %s", where, found(e), wanted(e.GoType))
}

var unmarshaler = reflect.TypeFor[json.Unmarshaler]()

// found is a JSON value's kind in words, with the value if it is a number.
func found(e *jsonv2.SemanticError) string {
	switch e.JSONKind {
	case jsontext.KindNull:
		return "null"
	case jsontext.KindFalse, jsontext.KindTrue:
		return "a boolean"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		if len(e.JSONValue) == 0 { // the library does not say
			return "a number"
		}
		return fmt.Sprintf("the number %.*s", maxQuoted, e.JSONValue)
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "an array"
	}
	return "something else"
}

// wanted is the JSON that a Go type is read from, in words.
func wanted(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a string"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number of at least 0"
	case reflect.Slice, reflect.Array:
		return "an array"
	}
	return "an object"
}

// member writes the place in a text as people do: metrics.loss.
func member(at jsontext.Pointer) string {
	var names []string
	for name := range at.Tokens() {
		names = append(names, name)
	}
	return strings.Join(names, ".")
}

func quoted(name string) string { return strconv.Quote(short(name)) }

func short(name string) string {
	if len(name) <= maxQuoted {
		return name
	}
	return strings.ToValidUTF8(name[:maxQuoted], "") + "…"
}
