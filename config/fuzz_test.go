package config

import (
	"testing"
	"time"
)

// slow is far above what any document takes, also under the race detector on a busy machine.
const slow = 10 * time.Second

// FuzzParse: no document and no assignment panics or takes long; an accepted one
// round-trips.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"valid", "invalid"} {
		for _, data := range corpus(f, dir) {
			f.Add(string(data), "")
		}
	}
	f.Add(settable, "hyperparameters.lr.log=[1e-4, 1e-2]")
	f.Add(settable, "exploit.ttest.alpha=0.1")
	f.Add(settable, "explore.0=null")
	f.Fuzz(func(t *testing.T, data, set string) {
		var opts []Option
		if set != "" {
			opts = append(opts, Set(set))
		}
		start := time.Now()
		e, err := Parse("fuzz.yaml", []byte(data), opts...)
		if d := time.Since(start); d > slow {
			t.Errorf("takes %v", d)
		}
		if (e == nil) == (err == nil) {
			t.Fatalf("gives %v and %v", e, err)
		}
		if err == nil {
			roundTrip(t, e)
		}
	})
}

// FuzzFromJSON: no JSON panics; an accepted one round-trips.
func FuzzFromJSON(f *testing.F) {
	for _, text := range []string{smallest, settable} {
		stored, _ := mustParse(f, text).MarshalJSON()
		f.Add(stored)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if e, err := FromJSON(data); err == nil {
			roundTrip(t, e)
		}
	})
}

// FuzzSplitCommand: splitting what was quoted gives it back.
func FuzzSplitCommand(f *testing.F) {
	f.Add("a b 'c'")
	f.Fuzz(func(t *testing.T, command string) {
		words, err := SplitCommand(command)
		if err == nil && len(words) == 0 {
			t.Error("a command without words")
		}
	})
}
