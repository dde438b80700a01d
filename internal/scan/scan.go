// Package scan reads JSON that this program has written itself, fast and without
// allocating: what a run's events are folded from when a journal of a million
// of them is opened. It is strict enough to notice damage, and leaves anything
// out of the ordinary (escapes in strings) to encoding/json.
package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// Scanner walks through one JSON text. The first fault sticks: Err tells it, and
// everything read after it is zero.
type Scanner struct {
	text []byte
	at   int
	err  error
}

// New returns a scanner at the beginning of text.
func New(text []byte) Scanner { return Scanner{text: text} }

// Err is the first fault met.
func (s *Scanner) Err() error { return s.err }

func (s *Scanner) fail(want string) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: want %s", s.at, want)
	}
	s.at = len(s.text)
}

// peek is the next byte that is not white space; 0 at the end.
func (s *Scanner) peek() byte {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; c {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return c
		}
	}
	return 0
}

func (s *Scanner) take(c byte, want string) bool {
	if s.peek() != c {
		s.fail(want)
		return false
	}
	s.at++
	return true
}

// End checks that nothing follows.
func (s *Scanner) End() error {
	if s.err == nil && s.peek() != 0 {
		s.fail("the end")
	}
	return s.err
}

// Object calls member for every key of the object that comes next. member must
// read or Skip the value. The key is valid during the call.
func (s *Scanner) Object(member func(key []byte)) {
	if !s.take('{', "an object") {
		return
	}
	if s.peek() == '}' {
		s.at++
		return
	}
	for s.err == nil {
		key := s.raw()
		if !s.take(':', "a colon") {
			return
		}
		member(key)
		if s.peek() == ',' {
			s.at++
			continue
		}
		s.take('}', "a comma or the object's end")
		return
	}
}

// Array calls element before each element of the array that comes next.
func (s *Scanner) Array(element func()) {
	if !s.take('[', "an array") {
		return
	}
	if s.peek() == ']' {
		s.at++
		return
	}
	for s.err == nil {
		element()
		if s.peek() == ',' {
			s.at++
			continue
		}
		s.take(']', "a comma or the array's end")
		return
	}
}

// raw is a string's bytes between its quotes, unescaped if need be.
func (s *Scanner) raw() []byte {
	if !s.take('"', "a string") {
		return nil
	}
	start := s.at
	n := bytes.IndexByte(s.text[start:], '"')
	if n < 0 {
		s.fail("a string's end")
		return nil
	}
	if bytes.IndexByte(s.text[start:start+n], '\\') < 0 {
		s.at = start + n + 1
		return s.text[start : start+n]
	}
	return s.escaped(start)
}

func (s *Scanner) escaped(start int) []byte {
	for i := start; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			var text string
			if err := json.Unmarshal(s.text[start-1:i+1], &text); err != nil {
				s.fail("a string")
				return nil
			}
			s.at = i + 1
			return []byte(text)
		}
	}
	s.fail("a string's end")
	return nil
}

// Bytes reads a string as bytes that are valid until the text is reused.
func (s *Scanner) Bytes() []byte { return s.raw() }

// Text reads a string.
func (s *Scanner) Text() string { return string(s.raw()) }

// Token reads a number, true, false or null as it is written.
func (s *Scanner) Token() []byte {
	s.peek()
	start := s.at
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ',', '}', ']', ' ', '\n', '\t', '\r', ':', '"', '{', '[':
			return s.text[start:s.at]
		}
		s.at++
	}
	return s.text[start:s.at]
}

// Int reads a whole number.
func (s *Scanner) Int() int64 {
	token := s.Token()
	x, negative, digits := int64(0), false, token
	if len(digits) > 0 && digits[0] == '-' {
		negative, digits = true, digits[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return s.slowInt(token)
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return s.slowInt(token)
		}
		x = x*10 + int64(c-'0')
	}
	if negative {
		return -x
	}
	return x
}

func (s *Scanner) slowInt(token []byte) int64 {
	x, err := strconv.ParseInt(string(token), 10, 64)
	if err != nil {
		s.fail("a whole number")
	}
	return x
}

// Float reads a number, or one of the texts "NaN", "+Inf" and "-Inf".
func (s *Scanner) Float() float64 {
	var token []byte
	if s.peek() == '"' {
		token = s.raw()
		if t := string(token); t != "NaN" && t != "+Inf" && t != "-Inf" {
			s.fail("a number")
			return 0
		}
	} else {
		token = s.Token()
	}
	x, err := strconv.ParseFloat(string(token), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		s.fail("a number")
	}
	return x
}

// IsText tells whether a string comes next.
func (s *Scanner) IsText() bool { return s.peek() == '"' }

// Skip passes over the next value, whatever it is.
func (s *Scanner) Skip() {
	switch s.peek() {
	case '"':
		s.skipText()
	case '{', '[':
		s.skipNested()
	default:
		if len(s.Token()) == 0 {
			s.fail("a value")
		}
	}
}

func (s *Scanner) skipText() {
	for i := s.at + 1; i < len(s.text); i++ {
		switch s.text[i] {
		case '\\':
			i++
		case '"':
			s.at = i + 1
			return
		}
	}
	s.fail("a string's end")
}

func (s *Scanner) skipNested() {
	depth := 0
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case '"':
			s.skipText()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				s.at++
				return
			}
		}
		s.at++
	}
	s.fail("the end of an object or array")
}

// Value passes over the next value and returns its text.
func (s *Scanner) Value() []byte {
	s.peek()
	start := s.at
	s.Skip()
	return s.text[start:s.at]
}

// Fail makes err the scanner's fault, unless it has one.
func (s *Scanner) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.at = len(s.text)
}
