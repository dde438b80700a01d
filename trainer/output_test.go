package trainer

import (
	"bytes"
	"encoding/json"
	"testing"
)

// What is JSON already stays as it is; and nothing that a program prints makes it panic.
func FuzzQuoteNonFinite(f *testing.F) {
	for _, text := range []string{
		``, `{}`, `{"a": "NaN", "b": "\"Infinity\\"}`, `{"a": NaN}`, `[-Infinity,Infinity,NaN]`, `{"\\": NaN, "-Infinity": 1}`,
		`"`, `"\`, `NaN`, `-`, `-Inf`, `{"é": NaN}`, `InfinityNaN`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		out := quoteNonFinite(text)
		if json.Valid(text) && !bytes.Equal(out, text) {
			t.Errorf("%q became %q", text, out)
		}
		r := report{source: ScoreSource{JSON: "a.b"}}
		r.line(text, false)
	})
}

func TestQuoteNonFinite(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": NaN, "b": [NaN,-Infinity], "NaN": Infinity}`: `{"a": "NaN", "b": ["NaN","-Infinity"], "NaN": "Infinity"}`,
		`{"a\"NaN": 1, "b": NaN}`:                           `{"a\"NaN": 1, "b": "NaN"}`,
	} {
		if have := quoteNonFinite([]byte(text)); string(have) != want {
			t.Errorf("%s became %s", text, have)
		}
	}
}
