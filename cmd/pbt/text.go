package main

import (
	"fmt"
	"strings"
	"unicode"
)

// clean makes text from outside (names, errors of trainers) safe for a terminal:
// no control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return '�'
		}
		return r
	}, s)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// cleanJSON escapes the control characters that JSON lets through: DEL, and those
// from U+0080 on, by which some terminals can be steered. They occur in texts only.
func cleanJSON(text []byte) []byte {
	var out []byte // nil as long as nothing was escaped
	for i := 0; i < len(text); i++ {
		control, n := rune(-1), 0
		switch {
		case text[i] == 0x7f:
			control = 0x7f
		case text[i] == 0xc2 && i+1 < len(text) && text[i+1] < 0xa0: // UTF-8 of U+0080 to U+009F
			control, n = rune(text[i+1]), 1
		}
		switch {
		case control < 0 && out != nil:
			out = append(out, text[i])
		case control >= 0:
			if out == nil {
				out = append(make([]byte, 0, len(text)+16), text[:i]...)
			}
			out = fmt.Appendf(out, "\\u%04x", control)
			i += n
		}
	}
	if out == nil {
		return text
	}
	return out
}
