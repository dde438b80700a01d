// Package safe makes text from outside (names, paths, values, errors of trainers) safe
// where it is shown: on a terminal, in JSON, in a shell, in a spreadsheet. It does no I/O
// but for Writer, which passes on what it has cleaned.
package safe

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unsafe tells whether a character steers a terminal, turns the direction of writing, or
// is invisible. Line breaks and tabs are for the caller to judge.
func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Text is a text for a terminal: unsafe characters become �, lines and tabs stay.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		if unsafe(r) && r != '\n' && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, s)
}

// Line is a text for one line of a terminal: Text, with blanks for line breaks and tabs.
func Line(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, Text(s))
}

// JSON escapes in a JSON text the unsafe characters that JSON allows unescaped. They occur
// in strings only, where the escape means the same character.
func JSON(text []byte) []byte {
	var out []byte // nil as long as nothing was escaped
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf && text[i] != 0x7f {
			if out != nil {
				out = append(out, text[i])
			}
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		if escape := unsafe(r); escape && out == nil {
			out = append(make([]byte, 0, len(text)+16), text[:i]...)
		}
		switch {
		case unsafe(r) && r > 0xffff:
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
		case unsafe(r):
			out = fmt.Appendf(out, `\u%04x`, r)
		case out != nil:
			out = append(out, text[i:i+size]...)
		}
		i += size
	}
	if out == nil {
		return text
	}
	return out
}

// plainWord are the characters that a shell leaves alone everywhere in a word.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=+,@%"

// Shell quotes a word so that it can be pasted into a POSIX shell. Unsafe characters are
// written as escapes in $'…', which bash, zsh and ksh read.
func Shell(word string) string {
	unsafeInside := !utf8.ValidString(word) || strings.ContainsFunc(word, unsafe)
	switch {
	case unsafeInside:
		return ansiQuoted(word)
	case word != "" && word[0] != '=' && strings.Trim(word, plainWord) == "":
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// ansiQuoted writes a word as $'…'.
func ansiQuoted(word string) string {
	var b strings.Builder
	b.WriteString("$'")
	for i := 0; i < len(word); {
		r, size := utf8.DecodeRuneInString(word[i:])
		switch {
		case r == '\'' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case unsafe(r) || r == utf8.RuneError && size == 1:
			for _, c := range []byte(word[i : i+size]) {
				fmt.Fprintf(&b, `\%03o`, c) // always three digits: what follows cannot join
			}
		default:
			b.WriteString(word[i : i+size])
		}
		i += size
	}
	b.WriteByte('\'')
	return b.String()
}

// Path quotes a path for a command line. One that begins with a dash would be taken for a
// flag: it gets ./ before it.
func Path(path string) string {
	if strings.HasPrefix(path, "-") {
		path = "./" + path
	}
	return Shell(path)
}

// Cell is a text for a cell of a CSV file. A spreadsheet runs a cell as a formula that
// begins with = + - @ or their wide forms, also behind a tab or line break: such a cell
// gets a quote before it. Numbers stay.
func Cell(s string) string {
	r, _ := utf8.DecodeRuneInString(s)
	if !strings.ContainsRune("=+-@\t\r\n＝＋－＠", r) || s == "" {
		return s
	}
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return s
	}
	return "'" + s
}

// erase begins a line of a terminal anew: pbt's own progress begins with it.
const erase = "\r\x1b[K"

// Writer passes text on to a terminal as Text has it. It accepts only valid UTF-8: bytes
// that are none become �. A character may come in several writes. A write may begin with
// the sequence that erases the line.
type Writer struct {
	W    io.Writer
	rest []byte // the beginning of a character
}

// Write implements io.Writer.
func (w *Writer) Write(text []byte) (int, error) {
	all := string(w.rest) + string(text)
	start := ""
	if plain, ok := strings.CutPrefix(all, erase); ok {
		start, all = erase, plain
	}
	whole := len(all) - incomplete(all)
	w.rest = append(w.rest[:0], all[whole:]...)
	if _, err := io.WriteString(w.W, start+Text(all[:whole])); err != nil {
		return 0, err
	}
	return len(text), nil
}

// incomplete is how many bytes at the end of a text begin a character that is not whole.
func incomplete(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		c := s[len(s)-n]
		if utf8.RuneStart(c) {
			if !utf8.FullRuneInString(s[len(s)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}
