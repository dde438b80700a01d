package config

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slow is far above what any document takes of a processor, also under the race detector.
const slow = 10 * time.Second

// processorTime is what this process has had of processors: a busy machine does not add to it.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

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
		start := processorTime(t)
		e, err := Parse("fuzz.yaml", []byte(data), opts...)
		if d := processorTime(t) - start; d > slow {
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
