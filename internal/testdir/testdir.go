// Package testdir gives tests directories in memory.
package testdir

import (
	"os"
	"testing"
)

// InMemory is a directory for a test: in memory where there is such a disk, for
// tests that make thousands of fsyncs and never pull the plug. It is removed when
// the test ends.
func InMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "pbt-test-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
