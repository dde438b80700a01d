package journal_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/journal"
)

// A journal can be made at every path that CheckPath allows, and at no longer one: then the
// error names the limit.
func TestPathsUpToSQLitesLimit(t *testing.T) {
	root := t.TempDir()
	for len(root) < 250 {
		root = filepath.Join(root, strings.Repeat("d", 50))
	}
	allowed, refused := 0, 0
	for n := 440 - len(root); n < 500-len(root); n++ {
		dir := filepath.Join(root, strings.Repeat("x", n/2), strings.Repeat("y", n-n/2))
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "journal.sqlite")
		checked := journal.CheckPath(path)
		j, err := journal.Create(path)
		if err == nil {
			err = j.Close()
		}
		switch {
		case (checked == nil) != (err == nil):
			t.Fatalf("%d bytes: checked: %v; made: %v", len(path), checked, err)
		case checked == nil:
			allowed++
		default:
			refused++
			if !strings.Contains(err.Error(), "SQLite opens at most 475") {
				t.Fatal(err)
			}
		}
	}
	if allowed < 10 || refused < 10 {
		t.Errorf("%d were allowed, %d refused: the limit is elsewhere", allowed, refused)
	}
}
