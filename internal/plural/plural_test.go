package plural

import "testing"

func TestOf(t *testing.T) {
	for want, have := range map[string]string{
		"0 segments":        Of(0, "segment"),
		"1 segment":         Of(int64(1), "segment"),
		"2 failed attempts": Of(2, "failed attempt"),
		"1 copy":            Of(1, "copy"),
		"3 copies":          Of(3, "copy"),
		"4 days":            Of(4, "day"),
		"-1 steps":          Of(-1, "step"),
	} {
		if have != want {
			t.Errorf("%q, want %q", have, want)
		}
	}
}
