package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-7a1a2db0/pbt/protocol"
)

// Placeholders are the names, beside hyperparameters, that a command may hold in
// braces.
var Placeholders = []string{"steps", "load", "save", "seed", "weight_seed", "member", "from", "segment", "until"}

// IsTemplate tells the two kinds of command apart. One with a placeholder in it
// is a template: a process per segment. One without is a client: a process that
// stays alive and speaks pbt's protocol. Either way its words go through Expand.
func (t *Trainer) IsTemplate() bool { return holds(t.Command, func(Part) bool { return true }) }

// saves tells whether a command knows where to save.
func (t *Trainer) saves() bool {
	return holds(t.Command, func(p Part) bool { return p.Name == "save" })
}

// Loads tells whether a template mentions what to load: {load}, or the variable that
// holds it. A script may read that variable without a mention here.
func (t *Trainer) Loads() bool {
	return holds(t.Command, func(p Part) bool { return p.Name == "load" }) ||
		slices.ContainsFunc(t.Command, func(word string) bool { return strings.Contains(word, protocol.EnvLoad) })
}

// holds tells whether a command has such a placeholder.
func holds(command []string, such func(Part) bool) bool {
	return slices.ContainsFunc(command, func(word string) bool {
		parts, _ := ParseArgument(word)
		return slices.ContainsFunc(parts, func(p Part) bool { return p.Name != "" && such(p) })
	})
}

// Part is a piece of a command's argument: literal text, or a placeholder.
type Part struct {
	Text     string // literal
	Name     string // of a placeholder; "" for literal text
	Optional bool   // {name?flag}: nothing at all where there is no value
	Flag     string // what comes before an optional value, as an argument of its own unless it ends in =
}

// ParseArgument takes an argument of a command apart:
//
//	{lr}            the value of lr
//	{load?--load}   two arguments, --load and the value, or none if there is no value
//	{load?--load=}  the same as one argument
//	{{ and }}       a brace itself
//
// An optional placeholder is a whole argument.
func ParseArgument(arg string) ([]Part, error) {
	var parts []Part
	var literal strings.Builder
	rest := arg
	for rest != "" {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			break
		}
		literal.WriteString(rest[:i])
		if strings.HasPrefix(rest[i:], "{{") || strings.HasPrefix(rest[i:], "}}") {
			literal.WriteByte(rest[i])
			rest = rest[i+2:]
			continue
		}
		end := strings.IndexByte(rest[i:], '}')
		if rest[i] == '}' || end < 0 {
			return nil, errors.New("a single brace; write it twice, or put a name between { and }")
		}
		part, err := parsePlaceholder(rest[i+1 : i+end])
		if err != nil {
			return nil, err
		}
		if part.Optional && (i > 0 || len(parts) > 0 || literal.Len() > 0 || i+end+1 < len(rest)) {
			return nil, fmt.Errorf("{%s?…} must be an argument of its own", part.Name)
		}
		if literal.Len() > 0 {
			parts = append(parts, Part{Text: literal.String()})
			literal.Reset()
		}
		parts = append(parts, part)
		rest = rest[i+end+1:]
	}
	literal.WriteString(rest)
	if literal.Len() > 0 || len(parts) == 0 {
		parts = append(parts, Part{Text: literal.String()})
	}
	return parts, nil
}

func parsePlaceholder(inner string) (Part, error) {
	name, flag, optional := strings.Cut(inner, "?")
	switch {
	case name == "":
		return Part{}, errors.New("{} without a name; write a brace itself twice")
	case strings.ContainsAny(inner, " \t\n{\":"):
		return Part{}, fmt.Errorf("{%s} is no placeholder; write a brace itself twice", shorten(inner))
	case optional && flag == "":
		return Part{}, fmt.Errorf("{%s?} lacks the flag: {%s?--%s}", name, name, name)
	}
	return Part{Name: name, Optional: optional, Flag: flag}, nil
}

// needShell are characters that mean something to a shell only.
const needShell = "|&;<>()$`"

// SplitCommand splits a command into words as a POSIX shell would: at blanks,
// but for quotes and backslashes. What only a shell could do is an error.
func SplitCommand(command string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord, quoteMark := false, rune(0)
	escaped := false
	for _, r := range command {
		switch {
		case escaped:
			// Within double quotes, a backslash escapes only what is special there.
			if quoteMark == '"' && !strings.ContainsRune("\"\\$`\n", r) {
				word.WriteByte('\\')
			}
			if r != '\n' { // a backslash before a line's end joins the lines
				word.WriteRune(r)
				inWord = true
			}
			escaped = false
		case r == '\\' && quoteMark != '\'':
			escaped = true
		case r == quoteMark:
			quoteMark = 0
		case quoteMark == '\'':
			word.WriteRune(r)
		case strings.ContainsRune("$`", r), quoteMark == 0 && strings.ContainsRune(needShell, r):
			return nil, fmt.Errorf("%q needs a shell: put it in single quotes if it is just text, else write [sh, -c, '…']", r)
		case quoteMark == '"':
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quoteMark, inWord = r, true
		case r == ' ' || r == '\t' || r == '\r' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case quoteMark != 0:
		return nil, fmt.Errorf("the quote %c is not closed", quoteMark)
	case escaped:
		return nil, errors.New("a backslash at the end escapes nothing")
	}
	if inWord {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("the command is empty")
	}
	return words, nil
}
