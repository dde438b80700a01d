package pbt_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

func TestValue_KindsAndConversions(t *testing.T) {
	for _, c := range []struct {
		v       pbt.Value
		kind    pbt.ValueKind
		text    string // String
		json    string
		isFloat bool
		isInt   bool
	}{
		{pbt.Float(0.0031), pbt.KindFloat, "0.0031", "0.0031", true, false},
		{pbt.Float(1), pbt.KindFloat, "1", "1.0", true, true},
		{pbt.Float(1e21), pbt.KindFloat, "1e+21", "1e+21", true, false}, // beyond 2^53
		{pbt.Float(math.Copysign(0, -1)), pbt.KindFloat, "0", "0.0", true, true},
		{pbt.Float(1. / 3), pbt.KindFloat, "0.333333", "0.3333333333333333", true, false},
		{pbt.Float(5e-324), pbt.KindFloat, "4.94066e-324", "5e-324", true, false},
		{pbt.Int(-16), pbt.KindInt, "-16", "-16", true, true},
		{pbt.Int(math.MaxInt64), pbt.KindInt, "9223372036854775807", "9223372036854775807", true, true},
		{pbt.Text("relu"), pbt.KindText, "relu", `"relu"`, false, false},
		{pbt.Text("größe \"<&>\n"), pbt.KindText, "größe \"<&>\n", `"größe \"\u003c\u0026\u003e\n"`, false, false},
		{pbt.Truth(true), pbt.KindBool, "true", "true", false, false},
		{pbt.Truth(false), pbt.KindBool, "false", "false", false, false},
		{pbt.Value{}, 0, "none", "null", false, false},
	} {
		b, err := json.Marshal(c.v)
		_, isFloat := c.v.Float()
		_, isInt := c.v.Int()
		if err != nil || c.v.Kind() != c.kind || c.v.String() != c.text || string(b) != c.json || isFloat != c.isFloat || isInt != c.isInt {
			t.Errorf("%s %s (%d): float %v, int %v, error %v; want %+v", c.v, b, c.v.Kind(), isFloat, isInt, err, c)
		}
		var back pbt.Value
		if err := json.Unmarshal(b, &back); err != nil || back != c.v {
			t.Errorf("%s came back as %s (%v)", c.v, back, err)
		}
	}
}

func TestValue_BadJSONIsRefused(t *testing.T) {
	for _, bad := range []string{`{}`, `[1]`, `1e999`, `-1e999`, `99999999999999999999`, `"\x"`} {
		var v pbt.Value
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s was read as %s", bad, v)
		}
	}
	var v pbt.Value
	if err := v.UnmarshalJSON(nil); err == nil {
		t.Error("nothing was read as a value")
	}
}

func TestHypers_LookUpAndChange(t *testing.T) {
	h := pbt.MakeHypers("lr", pbt.Float(0.1), "batch", pbt.Int(32), "act", pbt.Text("relu"), "bn", pbt.Truth(true), "width", pbt.Float(8))
	if h.Float("lr") != 0.1 || h.Float("batch") != 32 || h.Int("batch") != 32 || h.Int("width") != 8 || h.Text("act") != "relu" || !h.Truth("bn") || h.Len() != 5 {
		t.Errorf("looked up wrongly in %s", h)
	}
	if got := h.String(); got != "lr=0.1 batch=32 act=relu bn=true width=8" {
		t.Error(got)
	}
	changed := h.With("lr", pbt.Float(0.2)).With("new", pbt.Int(1))
	if h.Float("lr") != 0.1 || h.Len() != 5 || changed.Float("lr") != 0.2 || changed.Int("new") != 1 || changed.Equal(h) {
		t.Errorf("%s became %s", h, changed)
	}
	if !changed.With("lr", pbt.Float(0.1)).Equal(h.With("new", pbt.Int(1))) {
		t.Error("Equal compares values")
	}
	n := 0
	for range h.All() {
		if n++; n == 2 {
			break
		}
	}
	for name, f := range map[string]func(){
		"a name that is not there":   func() { h.Float("nope") },
		"a text as a number":         func() { h.Float("act") },
		"a fraction as an integer":   func() { h.Int("lr") },
		"a number as a text":         func() { h.Text("lr") },
		"a number as a truth value":  func() { h.Truth("lr") },
		"MakeHypers with half":       func() { pbt.MakeHypers(append([]any{}, "lr")...) },
		"MakeHypers with a bare 0.1": func() { pbt.MakeHypers("lr", 0.1) },
	} {
		mustPanic(t, name, f)
	}
}

func TestHypers_JSONKeepsOrderAndTypes(t *testing.T) {
	h := pbt.MakeHypers("z", pbt.Float(1), "a.b", pbt.Int(1), "ü", pbt.Text("1"), "t", pbt.Truth(false))
	b, err := json.Marshal(h)
	if want := `{"z":1.0,"a.b":1,"ü":"1","t":false}`; err != nil || string(b) != want {
		t.Errorf("%s (%v), want %s", b, err, want)
	}
	var back pbt.Hypers
	if err := json.Unmarshal(b, &back); err != nil || !back.Equal(h) {
		t.Errorf("%s came back as %s (%v)", h, back, err)
	}
	for bad, want := range map[string]string{
		`[1]`: "hyperparameters are a JSON object", `{"a":null}`: "a has no value", `{"a":{}}`: "a: pbt: \"{}\" is no hyperparameter value",
		`{"a":1e999}`: "is no finite number", `null`: "hyperparameters are a JSON object", `7`: "hyperparameters are a JSON object",
	} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", bad, err, want)
		}
	}
	if b, _ := json.Marshal(pbt.Hypers{}); string(b) != "{}" {
		t.Errorf("no hyperparameters are %s", b)
	}
}

func TestScore_JSONTextAndFinite(t *testing.T) {
	for _, c := range []struct {
		x            float64
		json, text   string
		finite       bool
		max, minimum bool // better than 1, by goal
	}{
		{0.93, "0.93", "0.93", true, false, true},
		{1. / 3, "0.3333333333333333", "0.3333", true, false, true},
		{1e300, "1e+300", "1e+300", true, true, false},
		{nan, `"NaN"`, "NaN", false, false, false},
		{inf, `"+Inf"`, "+Inf", false, false, false},
		{minf, `"-Inf"`, "-Inf", false, false, false},
	} {
		s := pbt.Score(c.x)
		b, err := json.Marshal(s)
		var back pbt.Score
		if e := json.Unmarshal(b, &back); err != nil || e != nil || string(b) != c.json || math.Float64bits(float64(back)) != math.Float64bits(c.x) && c.x == c.x {
			t.Errorf("%v: %s came back as %v (%v, %v)", c.x, b, back, err, e)
		}
		if s.String() != c.text || s.Finite() != c.finite || pbt.Maximize.Better(s, 1) != c.max || pbt.Minimize.Better(s, 1) != c.minimum {
			t.Errorf("%v: %+v", s, c)
		}
	}
	for _, g := range bothGoals { // what is not finite is worse than anything finite, and no better than its like
		for _, broken := range []float64{nan, inf, minf} {
			if !g.Better(pbt.Score(-1e308), pbt.Score(broken)) || !g.Better(1e308, pbt.Score(broken)) || g.Better(pbt.Score(broken), pbt.Score(minf)) {
				t.Errorf("%v: %v is not the worst", g, broken)
			}
		}
	}
	for _, bad := range []string{`"nan"`, `"Infinity"`, `"1"`, `true`, `1e999`, `{}`, `"\ud800"`} {
		var s pbt.Score
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s was read as the score %v", bad, s)
		}
	}
	if fmt.Sprint(pbt.Maximize, pbt.Minimize) != "maximize minimize" {
		t.Error("journals and files use these names; they are now:", pbt.Maximize, pbt.Minimize)
	}
}

func FuzzHypersJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"lr":0.1,"batch":32,"act":"relu","bn":true}`, `{"a":1e5,"b":-0.0,"c":1E-400,"d":"\u2028<>"}`, `{"a":1,"a":2}`, `{"":""}`, `{"a":9223372036854775807}`, `{"\ud800":"\ud800"}`, `[`} {
		f.Add([]byte(seed))
	}
	space := pbt.MustSpace(pbt.Uniform("lr", 0, 1), pbt.IntUniform("batch", 1, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h, back pbt.Hypers
		_, _ = space.ParseHypers(data) // whatever it is, no panic
		if json.Unmarshal(data, &h) != nil {
			return
		}
		b, err := json.Marshal(h)
		if err != nil || !json.Valid(b) {
			t.Fatalf("%q was read as %s, which is written as %q (%v)", data, h, b, err)
		}
		if err := json.Unmarshal(b, &back); err != nil || !back.Equal(h) {
			t.Fatalf("%q: %s came back as %s (%v)", data, h, back, err)
		}
		if fast, err := space.ParseHypers(b); err != nil || !fast.Equal(h) {
			t.Fatalf("%s came back from ParseHypers as %s (%v)", b, fast, err)
		}
		if again := back.AppendJSON(nil); string(again) != string(b) {
			t.Fatalf("%s was written again as %s", b, again)
		}
	})
}

func FuzzScoreJSON(f *testing.F) {
	for _, seed := range []string{`0`, `-0.0`, `1e308`, `1e-400`, `"NaN"`, `"+Inf"`, `"-Inf"`, `"\u004eaN"`, `null`, `0x1p-2`, `1_0`, `inf`} {
		f.Add([]byte(seed), 1.0)
	}
	f.Fuzz(func(t *testing.T, data []byte, x float64) {
		var s pbt.Score
		if json.Unmarshal(data, &s) != nil {
			s = pbt.Score(x)
		}
		b, err := json.Marshal(s)
		var back pbt.Score
		if e := json.Unmarshal(b, &back); err != nil || e != nil {
			t.Fatalf("%v was written as %q: %v, %v", s, b, err, e)
		}
		if math.Float64bits(float64(back)) != math.Float64bits(float64(s)) && !(math.IsNaN(float64(s)) && math.IsNaN(float64(back))) {
			t.Fatalf("%v came back as %v", s, back)
		}
	})
}
