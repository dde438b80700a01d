package journal

import (
	"fmt"
	"path/filepath"
)

// SQLite opens files with absolute paths up to a length. A new journal needs more room: it
// is made in a directory beside its place.
const (
	maxPath   = 504 // bytes: SQLite's 512, less 8 for the names of the files beside a database
	draftRoom = len("/.creating-journal-") + 10
)

// CheckPath tells whether a journal can be made and opened at a path: SQLite itself says
// only that it cannot open the file.
func CheckPath(path string) error { return checkPath(path, maxPath-draftRoom) }

func checkPath(path string, most int) error {
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil // opening the file says why
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil { // as SQLite does
		dir = real
	}
	if n := len(filepath.Join(dir, filepath.Base(path))); n > most {
		return fmt.Errorf("the path of the run's journal has %d bytes, and SQLite opens at most %d here: %.80s…; choose a shorter directory for the run, such as --dir /tmp/run, or mount or move its parent to a shorter path", n, most, dir)
	}
	return nil
}
