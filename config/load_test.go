package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// scalarOf loads one scalar as YAML.
func scalarOf(t *testing.T, text string) *node {
	t.Helper()
	var faults complaints
	n := loadYAML(&source{name: "x"}, []byte(text), &faults)
	if n == nil {
		t.Fatalf("%q: %v", text, faults.err())
	}
	return n
}

func TestScalars(t *testing.T) {
	for _, c := range []struct {
		text string
		kind kind
		num  string
	}{
		{"1e-5", numberKind, "1e-5"}, {"1E5", numberKind, "1E5"}, {"-.5", numberKind, "-0.5"}, {"+1", numberKind, "1"}, {"1.", numberKind, "1.0"},
		{"1.e5", numberKind, "1.0e5"}, {"0", numberKind, "0"}, {"-0", numberKind, "-0"}, {"0.10", numberKind, "0.10"}, {"0x1F", numberKind, "31"}, {"0o17", numberKind, "15"},
		{"1e400", numberKind, "1e400"}, {"123456789012345678901234567890", numberKind, "123456789012345678901234567890"},
		{"1_000", textKind, ""}, {"1e", textKind, ""}, {".", textKind, ""}, {"-", textKind, ""}, {"12:30", textKind, ""}, {"1.2.3", textKind, ""}, {"2020-01-01", textKind, ""},
		{"yes", textKind, ""}, {"off", textKind, ""}, {"y", textKind, ""}, {"'1'", textKind, ""}, {`"true"`, textKind, ""}, {"''", textKind, ""}, {"0x", textKind, ""}, {"0b1", textKind, ""},
		{"true", boolKind, ""}, {"False", boolKind, ""}, {"TRUE", boolKind, ""}, {"tRUE", textKind, ""},
		{"~", nullKind, ""}, {"null", nullKind, ""}, {"Null", nullKind, ""},
		{".inf", nonFiniteKind, ""}, {"-.Inf", nonFiniteKind, ""}, {".NaN", nonFiniteKind, ""},
	} {
		text := c.text
		if text == "-" {
			text = `["-"]`
		}
		n := scalarOf(t, text)
		if n.kind == listKind {
			n = n.items[0]
		}
		if n.kind != c.kind || n.num != c.num {
			t.Errorf("%s is of kind %d, number %q; want %d, %q", c.text, n.kind, n.num, c.kind, c.num)
		}
	}
	for _, text := range []string{"010", "-007", "00"} {
		refuses(t, smallest+"\nname: "+text+"\n", []string{"needless 0"})
	}
}

func TestWholeNumbers(t *testing.T) {
	for _, c := range []struct {
		num  string
		want string
	}{
		{"0", "+0"}, {"-0", "+0"}, {"0e99999999999999999999", "+0"}, {"16", "+16"}, {"16.0", "+16"}, {"1.6e1", "+16"}, {"160e-1", "+16"}, {"-5", "-5"},
		{"0.5", "no"}, {"1e-5", "no"}, {"1e-99999999999999999999", "no"}, {"4000.0000000000000001", "no"},
		{"18446744073709551615", "+18446744073709551615"}, {"18446744073709551616", "range"}, {"1e19", "+10000000000000000000"}, {"1e20", "range"}, {"1e999999999", "range"},
		{"1e99999999999999999999", "range"}, {"0.00001e5", "+1"},
	} {
		negative, magnitude, ok, err := numberNode(c.num).whole()
		got := fmt.Sprintf("%c%d", map[bool]rune{true: '-', false: '+'}[negative], magnitude)
		if err != nil {
			got = "range"
		} else if !ok {
			got = "no"
		}
		if got != c.want {
			t.Errorf("%s is read as %s, want %s", c.num, got, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "10m": 10 * time.Minute, "1h30m": 90 * time.Minute, "1.5d": 36 * time.Hour, "250ms": 250 * time.Millisecond,
		"1m1s": 61 * time.Second, "1.2345s": 1235 * time.Millisecond, "3650d": maxDuration,
	} {
		got, err := parseDuration(text)
		if err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
		if again, err := parseDuration(formatDuration(got)); err != nil || again != got {
			t.Errorf("%s is written %s, which reads as %v, %v", text, formatDuration(got), again, err)
		}
	}
	for _, text := range []string{"", "5", "m", "-1m", "1 m", "1y", "0s", "0.1ms", "3651d", "1e3s", strings.Repeat("9", 400) + "h", "10M"} {
		if d, err := parseDuration(text); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
	if got := formatDuration(0); got != "" {
		t.Errorf("0 is written %q", got)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"500MB": 5e8, "10GB": 1e10, "1GiB": 1 << 30, "4096B": 4096, "1.5kB": 1500, "1.5KiB": 1536, "2KB": 2000, "1TiB": 1 << 40, "1TB": 1e12, "1MiB": 1 << 20, "1000TB": 1e15,
	} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%s is %d, %v; want %d", text, got, err, want)
		}
		if again, err := parseSize(formatSize(got)); err != nil || again != got {
			t.Errorf("%s is written %s, which reads as %d, %v", text, formatSize(got), again, err)
		}
	}
	for _, text := range []string{"", "5", "GB", "-1GB", "1 GB", "1gb", "0B", "0.1B", "1001TB", strings.Repeat("9", 400) + "TB", "1PB"} {
		if n, err := parseSize(text); err == nil {
			t.Errorf("%q is read as %d", text, n)
		}
	}
}

// TestUnreadable is what the corpus cannot hold: files that are no text, or huge.
func TestUnreadable(t *testing.T) {
	for _, c := range []struct{ name, data, want string }{
		{"no UTF-8", "name: gr\xf6\xdfe\n", "test.yaml:1:9: byte 0xf6 is no UTF-8"},
		{"UTF-16", "\xff\xfen\x00a\x00", "test.yaml:1:1: byte 0xff is no UTF-8"},
		{"zero byte", "name: a\x00b\n", "test.yaml:1:8: a control character (0x00)"},
		{"huge", "#" + strings.Repeat("x", MaxFileSize), "test.yaml: more than 262144 bytes are too many"},
		{"many tokens", "a: [" + strings.Repeat("1,", MaxTokens) + "]", "words and signs are too many"},
		{"binary", "\x7fELF\x02\x01", "control character"},
	} {
		t.Run(c.name, func(t *testing.T) { refuses(t, c.data, []string{c.want}) })
	}
	mustParse(t, "\ufeff"+smallest) // a byte order mark is no fault
}

func TestComplaintsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	_, err := Parse("test.yaml", []byte(b.String()))
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != maxComplaints+1 || !strings.HasPrefix(lines[maxComplaints], "and 2978 more") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	if !strings.HasPrefix(lines[0], "test.yaml:1:1:") {
		t.Errorf("the first is %q", lines[0])
	}
}

// TestIsNeverSlow feeds what makes parsers slow, as large as is read at all.
func TestIsNeverSlow(t *testing.T) {
	fill := func(unit string) string { return strings.Repeat(unit, MaxFileSize/len(unit)) }
	const head = "budget: {steps: 1}\ntrainer: {builtin: x}\nhyperparameters:\n"
	chain := strings.Builder{}
	chain.WriteString(head)
	for i := 999; i > 0; i-- { // each depends on the next
		fmt.Fprintf(&chain, "  p%d: {choice: [x, y], when: {p%d: x}}\n", i, i-1)
	}
	chain.WriteString("  p0: {choice: [x, y]}\n")
	many := head
	for i := range MaxTokens/3 - 20 {
		many += fmt.Sprintf("  p%d: 1\n", i)
	}
	laughs := "a0: &a0 [x, x]\n"
	for i := range 60 {
		laughs += fmt.Sprintf("a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	for name, data := range map[string]string{
		"same key": strings.Repeat("a: 1\n", MaxTokens/3-1), "lines": strings.Repeat("- 1\n", MaxTokens/2-1), "values": "[" + strings.Repeat("1,", MaxTokens/2-2) + "]",
		"pairs": "{" + strings.Repeat("a: 1,", MaxTokens/4-2) + "}",
		"keys":  fill("a: 1\n"), "brackets": fill("["), "braces": fill("{a: "), "dashes": fill("- "), "questions": fill("? "),
		"quotes": fill("'"), "double quotes": fill("\""), "anchors": fill("&a "), "stars": fill("*a "), "tags": fill("!!str "), "documents": fill("---\n"),
		"comments": fill("# x\n"), "text": "a: " + fill("x ")[3:], "block": "a: |\n" + fill("  x\n")[10:], "spaces": fill(" "), "newlines": fill("\n"),
		"colons": fill(":"), "commas": "[" + fill(",")[1:], "returns": fill("\r"), "tabs": fill("\t"), "digits": "a: " + fill("9")[3:], "pipes": fill("|\n"),
		"chain": chain.String(), "many": many, "laughs": laughs, "escapes": "a: \"" + fill(`\x41`)[8:] + "\"",
		"exponent": head + "  a: {choice: [1e-999999999, 1e-999999998]}\n",
		"misspelt": strings.ReplaceAll(fill("experimenx: 1\n"), "x:", ":"),
	} {
		start := processorTime(t)
		_, err := Parse("test.yaml", []byte(data))
		if d := processorTime(t) - start; d > slow {
			t.Errorf("%s takes %v", name, d)
		} else {
			t.Logf("%-14s %8v %.100v", name, d.Round(time.Millisecond), err)
		}
	}
}
