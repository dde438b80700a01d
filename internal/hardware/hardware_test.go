package hardware

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func TestDescribe(t *testing.T) {
	if got := Describe(); !regexp.MustCompile(`^\w+/\w+, \d+ CPUs?( \(.+\))?(, \d+\.\d GB of memory)?$`).MatchString(got) {
		t.Error(got)
	}
}

func TestValueIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cpuinfo")
	if err := os.WriteFile(path, []byte("model\t: 1\nmodel name\t: A: B\nmodel name\t: C\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"model name": "A: B", "model": "1", "cache": ""} {
		if got := ValueIn(path, key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
	if got := ValueIn(path+"x", "model"); got != "" {
		t.Errorf("of no file: %q", got)
	}
}
