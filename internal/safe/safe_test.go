package safe_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"
	"unicode"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// evil has what steers a terminal or turns the direction of writing.
const evil = "a\x1b[31mb\u009bc\x7f\u202egnp\u2066x\u2028y\u061c\u200fz\U000e0041\xff\r"

func unsafeIn(s string) (found []rune) {
	for _, r := range s {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			found = append(found, r)
		}
	}
	return found
}

func TestTextAndLine(t *testing.T) {
	if have, want := safe.Text(evil+"\n\tgrün 多"), "a�[31mb�c��gnp�x�y��z���\n\tgrün 多"; have != want {
		t.Errorf("have %q\nwant %q", have, want)
	}
	if have, want := safe.Line("a\nb\tc\x1b"), "a b c�"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

func TestJSONStaysTheSameValue(t *testing.T) {
	text, err := json.Marshal(map[string]string{evil: evil + "größe"})
	if err != nil {
		t.Fatal(err)
	}
	clean := safe.JSON(text)
	var was, is map[string]string
	if err := json.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(clean, &is); err != nil {
		t.Fatal(err)
	}
	for name, value := range was {
		if is[name] != value {
			t.Errorf("have %q, want %q", is, was)
		}
	}
	if found := unsafeIn(string(clean)); len(found) > 0 {
		t.Errorf("%q in %s", found, clean)
	}
}

// What is quoted arrives in a shell as it was, and shows nothing unsafe.
func TestShellReadsWhatWasQuoted(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("there is no bash")
	}
	for _, word := range []string{"", "runs/digits-1", "a b", "it's", "$(touch x)", "`id`", "a;b", "-x", "=ls", "~", "#", "*", "größe", "a\nb", "a\\b\x1b1'", evil} {
		quoted := safe.Shell(word)
		out, err := exec.Command(bash, "-c", "printf %s "+quoted).Output()
		if err != nil || string(out) != word {
			t.Errorf("%q was quoted %s, which is %q (%v)", word, quoted, out, err)
		}
		if found := unsafeIn(quoted); len(found) > 0 {
			t.Errorf("%q in %s", found, quoted)
		}
	}
	for path, want := range map[string]string{"-x": "./-x", "--help me": "'./--help me'", "runs/a": "runs/a"} {
		if have := safe.Path(path); have != want {
			t.Errorf("%q: have %s, want %s", path, have, want)
		}
	}
}

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "a": "a", "=1+1": "'=1+1", "+cmd": "'+cmd", "-1+cmd|x": "'-1+cmd|x", "@SUM(1)": "'@SUM(1)", "\t=1": "'\t=1", "\r=1": "'\r=1", "＝1": "'＝1",
		"-1": "-1", "-1e-5": "-1e-5", "+Inf": "+Inf", "-Inf": "-Inf", "NaN": "NaN", "a=1": "a=1",
	} {
		if have := safe.Cell(text); have != want {
			t.Errorf("%q: have %q, want %q", text, have, want)
		}
	}
}

// A character that comes in pieces stays whole; a sequence that comes in pieces does not.
func TestWriterCleansWhatComesInPieces(t *testing.T) {
	for size := 1; size <= 7; size++ {
		var out bytes.Buffer
		w := &safe.Writer{W: &out}
		text := "größe 多\x1b[2J\u202e" + "end\n"
		for i := 0; i < len(text); i += size {
			piece := text[i:min(i+size, len(text))]
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if want := "größe 多�[2J�end\n"; out.String() != want {
			t.Errorf("in pieces of %d: %q, want %q", size, out.String(), want)
		}
	}
	var out bytes.Buffer
	w := &safe.Writer{W: &out}
	if _, err := w.Write([]byte("\r\x1b[K50% \x1b[2J")); err != nil || out.String() != "\r\x1b[K50% �[2J" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
