package report

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

func shown(s *scale) string {
	texts := make([]string, len(s.ticks))
	for i, v := range s.ticks {
		texts[i] = s.format(v)
	}
	return strings.Join(texts, " ")
}

func TestTicks(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		lo, hi float64
		log    bool
		want   string
	}{
		{0, 1, false, "0 0.2 0.4 0.6 0.8 1.0"},
		{0, 8000, false, "0 2000 4000 6000 8000"},
		{0, 20000, false, "0 5k 10k 15k 20k"},
		{0, 3.5e6, false, "0 0.5M 1M 1.5M 2M 2.5M 3M 3.5M"},
		{-5, 0.2, false, "−5 −4 −3 −2 −1 0"},
		{0.1234, 0.1241, false, "0.1234 0.1235 0.1236 0.1237 0.1238 0.1239 0.1240 0.1241"},
		{1e-7, 9e-7, false, "2e-7 4e-7 6e-7 8e-7"},
		{1e9, 1e9 + 4, false, "1e9 1.000000001e9 1.000000002e9 1.000000003e9 1.000000004e9"},
		{0, 5e-324, false, "−0.4 −0.2 0 0.2 0.4"},
		{3, 3, false, "2.85 2.90 2.95 3.00 3.05 3.10 3.15"},
		{0, 0, false, "−0.4 −0.2 0 0.2 0.4"},
		{5, 1, false, "1 2 3 4 5"},
		{nan, 1, false, "0 0.2 0.4 0.6 0.8 1.0"},
		{-inf, inf, false, "0 0.2 0.4 0.6 0.8 1.0"},
		{1e-4, 1, true, "1e-4 0.001 0.01 0.1 1"},
		{1e-9, 1, true, "1e-8 1e-6 1e-4 0.01 1"},
		{0.01, 0.9, true, "0.01 0.02 0.05 0.1 0.2 0.5"},
		{0.1, 0.5, true, "0.1 0.15 0.2 0.3 0.4 0.5"},
		{1, 1.5, true, "1.0 1.1 1.2 1.3 1.4 1.5"},
		{0.3, 0.3, true, "0.2 0.3 0.4"},
		{1e-300, 1e300, true, ""},
		{0, 1, true, "0 0.2 0.4 0.6 0.8 1.0"}, // zero has no logarithm
		{-1, 1, true, "−1.0 −0.5 0 0.5 1.0"},
		{nan, nan, true, "0 0.2 0.4 0.6 0.8 1.0"},
	} {
		make := linear
		if c.log {
			make = logarithmic
		}
		s := make(c.lo, c.hi, 100, 0, 5)
		if got := shown(s); c.want != "" && got != c.want {
			t.Errorf("%g to %g, log %t:\n  %s, want\n  %s", c.lo, c.hi, c.log, got, c.want)
		}
	}
}

// Whatever the range: few ticks, in order, inside, drawn inside.
func TestTicks_OfAnyRange(t *testing.T) {
	values := []float64{0, 5e-324, 1e-300, 1e-9, 0.1, 0.1000000001, 1, 3, 1e15, 9.1e15, 1e17, 1e300, math.MaxFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}
	for _, v := range values {
		values = append(values, -v)
	}
	for _, lo := range values {
		for _, hi := range values {
			for name, s := range map[string]*scale{
				"linear": linear(lo, hi, 0, 100, 5), "log": logarithmic(lo, hi, 0, 100, 5), "padded": padded(lo, hi, false, 0, 100, 5), "padded log": padded(lo, hi, true, 0, 100, 5),
				"elapsed": elapsed(hi, 0, 100, 5),
			} {
				checkTicks(t, fmt.Sprintf("%s of %g to %g", name, lo, hi), s)
			}
		}
	}
}

func checkTicks(t *testing.T, name string, s *scale) {
	t.Helper()
	if len(s.ticks) > maxTicks+1 {
		t.Errorf("%s: %d ticks", name, len(s.ticks))
	}
	for i, v := range s.ticks {
		if i > 0 && v <= s.ticks[i-1] {
			t.Errorf("%s: %g after %g", name, v, s.ticks[i-1])
		}
		if at := s.at(v); !(at > -1 && at < 101) {
			t.Errorf("%s: %g is drawn at %g", name, v, at)
		}
		if text := s.format(v); text == "" || len(text) > 24 || strings.ContainsAny(text, "NI") {
			t.Errorf("%s: %g is written %q", name, v, text)
		}
	}
	if a, b := s.at(s.lo), s.at(s.hi); math.Abs(a) > 1e-6 || math.Abs(b-100) > 1e-6 {
		t.Errorf("%s: its ends are drawn at %g and %g", name, a, b)
	}
}

func TestElapsed(t *testing.T) {
	for hi, want := range map[float64]string{
		0: "0 1 ms", 0.4: "0 0.1 s 0.2 s 0.3 s 0.4 s", 3: "0 1 s 2 s 3 s", 34: "0 10 s 20 s 30 s", 75: "0 15 s 30 s 45 s 1:00 1:15", 200: "0 1 min 2 min 3 min",
		7300: "0 30 min 1:00 h 1:30 h 2:00 h", 50000: "0 3 h 6 h 9 h 12 h", 400000: "0 1 d 2 d 3 d 4 d",
	} {
		if got := shown(elapsed(hi, 0, 100, 5)); got != want {
			t.Errorf("%g s: %s, want %s", hi, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 1: "1", 0.11912: "0.1191", -0.00158249: "−0.001582", 12345.6: "12,346", 1e7: "1e7", 1.23456e-6: "1.235e-6", -98765432: "−9.877e7",
		math.Inf(1): "+∞", math.Inf(-1): "−∞",
	} {
		if got := number(v, 4); got != want {
			t.Errorf("%g is written %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{1.2: "1.200", 0.11912: "0.1191", -0.00625: "−0.006250", 123: "123.0", 9999.7: "10000", 20000: "20,000", 0: "0", 1e-9: "1e-9", 0.99999: "1.000"} {
		if got := aligned(v, 4); got != want {
			t.Errorf("%g is written %q in a column, want %q", v, got, want)
		}
	}
	if number(math.NaN(), 4) != "NaN" || scoreText(nil) != none {
		t.Error("what is no number")
	}
	for s, want := range map[float64]string{-1: none, 0: "0 s", 0.25: "250 ms", 7.25: "7.2 s", 59.6: "1 min", 61: "1 min 1 s", 3000: "50 min", 8000: "2 h 13 min", 200000: "2 days 7 h", math.Inf(1): none} {
		if got := duration(s); got != want {
			t.Errorf("%g s are written %q, want %q", s, got, want)
		}
	}
	for got, want := range map[string]string{
		thousands(-1234567): "−1,234,567", thousands(999): "999", bytesText(999): "999 B", bytesText(1234567): "1.23 MB", percent(0.5): "50 %", percent(0.012): "1.2 %", compact(51_200): "51,200", compact(12_345_678): "12.3 M",
		count(1, "copy"): "1 copy", count(0, "copy"): "0 copies", valueText(pbt.Float(0.000125785)): "0.000126", valueText(pbt.Text("adam")): "adam",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestTextIsMadeVisible(t *testing.T) {
	for text, want := range map[string]string{
		"a\x1b[31mred\x1b[0m": "ared", "bell\a": "bell�", "\u202egnp.exe": "�gnp.exe", "bad\xffutf": "bad�utf", "two\nlines\tand\r": "two\nlines\tand", "grün 多": "grün 多",
	} {
		if got := visible(text); got != want {
			t.Errorf("%q is shown as %q, want %q", text, got, want)
		}
	}
	if got := clip("grünlich", 5); got != "grün…" {
		t.Error(got)
	}
}

func TestTrack(t *testing.T) {
	var k track
	for _, p := range [][2]float64{{1, 2}, {1.04, 2}, {4, 2}, {4, 3.5}, {math.NaN(), 1}, {7, 7}, {math.NaN(), 0}, {0.5, -0.5}, {-1, 2e9}} {
		k.to(p[0], p[1])
	}
	k.curve(0, 0, 1, 1, 2, 2, 3, 3)
	k.lift()
	if want := "M1 2h3v1.5M7 7h0M.5-.5l-1.5 100000.5M0 0C1 1 2 2 3 3"; string(k.d) != want {
		t.Errorf("%s, want %s", k.d, want)
	}
}
