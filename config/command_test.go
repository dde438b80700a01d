package config

import (
	"reflect"
	"slices"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	for command, want := range map[string][]string{
		"python train.py":                 {"python", "train.py"},
		"  a \t b\nc\r\n":                 {"a", "b", "c"},
		`a 'b c' "d e" f\ g`:              {"a", "b c", "d e", "f g"},
		`a '' ""`:                         {"a", "", ""},
		`a'b'"c"d`:                        {"abcd"},
		`a "it's" 'say "x"'`:              {"a", "it's", `say "x"`},
		`a "\"\\\$\x"`:                    {"a", `"\$\x`},
		`a '\'`:                           {"a", `\`},
		"a \\\n b":                        {"a", "b"},
		"a b\\\nc":                        {"a", "bc"},
		"a '$x' '|' '>'":                  {"a", "$x", "|", ">"},
		`a "|" "a;b" \$x \| \&`:           {"a", "|", "a;b", "$x", "|", "&"},
		"a {lr} {load?--load} * ? # ~ !":  {"a", "{lr}", "{load?--load}", "*", "?", "#", "~", "!"},
		"größe 'ü'":                       {"größe", "ü"},
		`sh -c 'python x.py | tee "log"'`: {"sh", "-c", `python x.py | tee "log"`},
	} {
		if got, err := SplitCommand(command); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q is split into %q, %v; want %q", command, got, err, want)
		}
	}
	for _, command := range []string{"", " ", "a 'b", `a "b`, `a \`, "a | b", "a > b", "a & b", "a; b", "a $b", "a `b`", `a "$b"`, "a $(b)", "(a)", `a "\`} {
		if got, err := SplitCommand(command); err == nil {
			t.Errorf("%q is split into %q", command, got)
		}
	}
}

func TestParseArgument(t *testing.T) {
	for arg, want := range map[string][]Part{
		"":               {{}},
		"plain":          {{Text: "plain"}},
		"{lr}":           {{Name: "lr"}},
		"--lr={lr}":      {{Text: "--lr="}, {Name: "lr"}},
		"{a}{b.c}":       {{Name: "a"}, {Name: "b.c"}},
		"x{a}y{b}z":      {{Text: "x"}, {Name: "a"}, {Text: "y"}, {Name: "b"}, {Text: "z"}},
		"{load?--load}":  {{Name: "load", Optional: true, Flag: "--load"}},
		"{load?--load=}": {{Name: "load", Optional: true, Flag: "--load="}},
		`{{"a": {a}}}`:   {{Text: `{"a": `}, {Name: "a"}, {Text: "}"}},
		"{{}}":           {{Text: "{}"}},
		"{{{a}}}":        {{Text: "{"}, {Name: "a"}, {Text: "}"}},
	} {
		if got, err := ParseArgument(arg); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v; want %+v", arg, got, err, want)
		}
	}
	for _, arg := range []string{"{", "}", "{}", "a}", "{a", "{a b}", `{"a":1}`, "{?x}", "{a?}", "x{a?--a}", "{a?--a}x", "{a?--a}{b}", "{{a}", "{a{b}"} {
		if got, err := ParseArgument(arg); err == nil {
			t.Errorf("%q is %+v", arg, got)
		}
	}
}

func TestIsTemplate(t *testing.T) {
	for word, want := range map[string]bool{
		"x": false, "{{lr}}": false, "{{}}": false, "": false, "{lr}": true, "--lr={lr}": true, "{load?--load}": true, "{{{lr}}}": true,
	} {
		if got := (&Trainer{Command: []string{"python", word}}).IsTemplate(); got != want {
			t.Errorf("%q makes a template: %v", word, got)
		}
	}
	if (&Trainer{Builtin: "digits"}).IsTemplate() {
		t.Error("a built-in trainer is a template")
	}
}

func TestExpand(t *testing.T) {
	values := map[string]string{"lr": "0.1", "empty": "", "save": "/run/a b"}
	value := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	for _, c := range []struct{ command, want []string }{
		{[]string{"python", "--lr={lr}", "{save}"}, []string{"python", "--lr=0.1", "/run/a b"}},
		{[]string{"x", "{load?--load}", "{load?--load=}", "[{load}]"}, []string{"x", "[]"}},
		{[]string{"x", "{save?--save}", "{save?--save=}", "{empty?-e}"}, []string{"x", "--save", "/run/a b", "--save=/run/a b", "-e", ""}},
		{[]string{"x", "{{lr}}", ""}, []string{"x", "{lr}", ""}},
	} {
		if got, err := Expand(c.command, value); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q becomes %q, %v; want %q", c.command, got, err, c.want)
		}
	}
	if got, err := Expand([]string{"{"}, value); err == nil {
		t.Errorf("a single brace becomes %q", got)
	}
}
