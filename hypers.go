package pbt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"strconv"
	"strings"
)

// A ValueKind is the type of one hyperparameter's value.
type ValueKind uint8

// The kinds of value.
const (
	KindFloat ValueKind = iota + 1
	KindInt
	KindText
	KindBool
)

// Value is one hyperparameter's value: a finite float, an integer, a text or a
// truth value. Values compare with ==.
type Value struct {
	kind ValueKind
	bits uint64 // float: IEEE bits; int: two's complement; bool: 0 or 1
	text string
}

// Float returns a float value.
func Float(x float64) Value {
	if x == 0 {
		x = 0 // -0 and 0 are one value
	}
	return Value{kind: KindFloat, bits: math.Float64bits(x)}
}

// Int returns an integer value.
func Int(x int64) Value { return Value{kind: KindInt, bits: uint64(x)} }

// Text returns a text value.
func Text(s string) Value { return Value{kind: KindText, text: s} }

// Truth returns a truth value.
func Truth(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.bits = 1
	}
	return v
}

// Kind tells the value's type; 0 for the zero Value, which is no value.
func (v Value) Kind() ValueKind { return v.kind }

// Float returns a float or integer value as a float64, and whether it was one.
func (v Value) Float() (float64, bool) {
	switch v.kind {
	case KindFloat:
		return math.Float64frombits(v.bits), true
	case KindInt:
		return float64(int64(v.bits)), true
	}
	return 0, false
}

// Int returns an integer value, or a float that has no fraction, and whether it was one.
func (v Value) Int() (int64, bool) {
	switch v.kind {
	case KindInt:
		return int64(v.bits), true
	case KindFloat:
		x := math.Float64frombits(v.bits)
		if x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
			return int64(x), true
		}
	}
	return 0, false
}

// Text returns a text value, and whether it was one.
func (v Value) Text() (string, bool) { return v.text, v.kind == KindText }

// Truth returns a truth value, and whether it was one.
func (v Value) Truth() (bool, bool) { return v.bits == 1, v.kind == KindBool }

// String returns the value as a person would write it: 0.0031, 16, relu, true.
func (v Value) String() string {
	switch v.kind {
	case KindFloat:
		x, _ := v.Float()
		return strconv.FormatFloat(x, 'g', 6, 64)
	case KindInt:
		return strconv.FormatInt(int64(v.bits), 10)
	case KindText:
		return v.text
	case KindBool:
		return strconv.FormatBool(v.bits == 1)
	}
	return "none"
}

// AppendJSON appends the value's JSON. A float always has a point or an
// exponent, so that a reader (Python's, too) keeps its type: 1.0, not 1.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.kind {
	case KindFloat:
		x, _ := v.Float()
		start := len(b)
		b = strconv.AppendFloat(b, x, 'g', -1, 64)
		if !bytes.ContainsAny(b[start:], ".e") {
			b = append(b, ".0"...)
		}
		return b
	case KindInt:
		return strconv.AppendInt(b, int64(v.bits), 10)
	case KindText:
		return appendText(b, v.text)
	case KindBool:
		return strconv.AppendBool(b, v.bits == 1)
	}
	return append(b, "null"...)
}

// MarshalJSON implements json.Marshaler.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler. A number with a point or an
// exponent is a float, any other an integer.
func (v *Value) UnmarshalJSON(b []byte) error {
	switch {
	case len(b) == 0:
		return errors.New("pbt: empty value")
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*v = Text(s)
		return nil
	case string(b) == "true", string(b) == "false":
		*v = Truth(b[0] == 't')
		return nil
	case string(b) == "null": // no value: one side of a Change
		*v = Value{}
		return nil
	}
	return v.parseNumber(string(b))
}

func (v *Value) parseNumber(s string) error {
	if !strings.ContainsAny(s, ".eE") {
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("pbt: %q is no hyperparameter value: want a number, a text, true or false", s)
		}
		*v = Int(i)
		return nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return fmt.Errorf("pbt: %q is no finite number", s)
	}
	*v = Float(x)
	return nil
}

// appendText appends a JSON string; the common case, plain ASCII, without encoding/json.
func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// Hypers are the hyperparameters of one segment: names and values in the order
// of their [Space], dotted names for nested ones, and only those that are active
// (whose condition holds). The zero Hypers is empty. Hypers are immutable: every
// change makes new ones.
type Hypers struct{ entries []entry }

type entry struct {
	name  string
	value Value
}

// MakeHypers returns hyperparameters from names and values in turn, for tests and
// examples: MakeHypers("lr", Float(0.1), "batch", Int(32)). It panics on anything else.
func MakeHypers(pairs ...any) Hypers {
	if len(pairs)%2 != 0 {
		panic("pbt: MakeHypers needs names and values in turn")
	}
	var h Hypers
	for i := 0; i < len(pairs); i += 2 {
		h.entries = append(h.entries, entry{pairs[i].(string), pairs[i+1].(Value)})
	}
	return h
}

// Len is the number of active hyperparameters.
func (h Hypers) Len() int { return len(h.entries) }

// Get returns the value of a name, and whether it is active.
func (h Hypers) Get(name string) (Value, bool) {
	for i := range h.entries {
		if h.entries[i].name == name {
			return h.entries[i].value, true
		}
	}
	return Value{}, false
}

// All yields names and values in the space's order.
func (h Hypers) All() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		for _, e := range h.entries {
			if !yield(e.name, e.value) {
				return
			}
		}
	}
}

// Float returns a number by name. It panics if there is none: a program that
// asks for a hyperparameter its space does not declare is wrong.
func (h Hypers) Float(name string) float64 {
	x, ok := h.must(name).Float()
	h.check(ok, name, "a number")
	return x
}

// Int returns an integer by name; like Float, it panics if there is none.
func (h Hypers) Int(name string) int {
	x, ok := h.must(name).Int()
	h.check(ok, name, "an integer")
	return int(x)
}

// Text returns a text by name; like Float, it panics if there is none.
func (h Hypers) Text(name string) string {
	s, ok := h.must(name).Text()
	h.check(ok, name, "a text")
	return s
}

// Truth returns a truth value by name; like Float, it panics if there is none.
func (h Hypers) Truth(name string) bool {
	b, ok := h.must(name).Truth()
	h.check(ok, name, "true or false")
	return b
}

func (h Hypers) must(name string) Value {
	v, ok := h.Get(name)
	if !ok {
		panic(fmt.Sprintf("pbt: there is no hyperparameter %q in %s", name, h))
	}
	return v
}

func (h Hypers) check(ok bool, name, want string) {
	if !ok {
		panic(fmt.Sprintf("pbt: hyperparameter %q is not %s in %s", name, want, h))
	}
}

// With returns the hyperparameters with one value changed, or added at the end.
func (h Hypers) With(name string, v Value) Hypers {
	out := Hypers{entries: make([]entry, len(h.entries), len(h.entries)+1)}
	copy(out.entries, h.entries)
	for i := range out.entries {
		if out.entries[i].name == name {
			out.entries[i].value = v
			return out
		}
	}
	out.entries = append(out.entries, entry{name, v})
	return out
}

// Equal tells whether names, order and values are the same.
func (h Hypers) Equal(o Hypers) bool {
	if len(h.entries) != len(o.entries) {
		return false
	}
	for i := range h.entries {
		if h.entries[i] != o.entries[i] {
			return false
		}
	}
	return true
}

// String shows the hyperparameters on one line: lr=0.0031 batch=16.
func (h Hypers) String() string {
	var b strings.Builder
	for i, e := range h.entries {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.name)
		b.WriteByte('=')
		b.WriteString(e.value.String())
	}
	return b.String()
}

// AppendJSON appends the hyperparameters as one flat JSON object in order.
func (h Hypers) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	for i, e := range h.entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, e.name)
		b = append(b, ':')
		b = e.value.AppendJSON(b)
	}
	return append(b, '}')
}

// MarshalJSON implements json.Marshaler.
func (h Hypers) MarshalJSON() ([]byte, error) { return h.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler; it keeps the order of the object.
func (h *Hypers) UnmarshalJSON(b []byte) error {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return errors.New("pbt: hyperparameters are a JSON object of names and values")
	}
	h.entries = nil
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return err
		}
		var v Value
		if err := v.UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if v.Kind() == 0 {
			return fmt.Errorf("pbt: %s has no value: want a number, a text, true or false", name)
		}
		h.entries = append(h.entries, entry{name.(string), v})
	}
	_, err := dec.Token()
	return err
}
