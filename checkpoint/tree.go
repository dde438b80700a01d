package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// tree lists what a checkpoint's directory holds beside its manifest: paths
// with '/', relative to it, sorted.
type tree struct {
	files     []string
	dirs      []string // those that hold something; parents come first
	emptyDirs []string

	hasManifest bool
}

// treeError says which path makes a directory unfit to be a checkpoint. Publish
// refuses what Verify calls corrupt.
type treeError struct{ path, why string }

func (e *treeError) Error() string { return fmt.Sprintf("%.200q %s", e.path, e.why) }

// readTree lists the directory at root. Nothing is opened but directories, and
// no link is followed.
func readTree(disk Reader, root string) (tree, error) {
	var t tree
	pending := []string{""}
	for len(pending) > 0 {
		dir := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		entries, err := disk.ReadDir(filepath.Join(root, filepath.FromSlash(dir)))
		if err != nil {
			return tree{}, err
		}
		switch {
		case dir == "":
		case len(entries) == 0:
			t.emptyDirs = append(t.emptyDirs, dir)
		default:
			t.dirs = append(t.dirs, dir)
		}
		for _, entry := range entries {
			path := entry.Name()
			if dir != "" {
				path = dir + "/" + path
			}
			if err := checkKind(path, entry.Type()); err != nil {
				return tree{}, err
			}
			if path == manifestName {
				t.hasManifest = true
				continue
			}
			if why := badPath(path); why != "" {
				return tree{}, &treeError{path, why}
			}
			if entry.IsDir() {
				pending = append(pending, path)
			} else {
				t.files = append(t.files, path)
			}
		}
		if len(t.files)+len(t.dirs)+len(t.emptyDirs)+len(pending) > MaxFiles {
			return tree{}, &treeError{".", fmt.Sprintf("holds more than %d files and directories: save fewer, larger ones", MaxFiles)}
		}
	}
	slices.Sort(t.files)
	slices.Sort(t.dirs)
	slices.Sort(t.emptyDirs)
	return t, nil
}

// checkKind admits what holds bytes of its own.
func checkKind(path string, kind fs.FileMode) error {
	switch {
	case kind&fs.ModeSymlink != 0:
		return &treeError{path, "is a symbolic link: a checkpoint must hold its own bytes, so save the file itself"}
	case !kind.IsRegular() && !kind.IsDir():
		return &treeError{path, fmt.Sprintf("is neither a file nor a directory (%v)", kind)}
	}
	return nil
}

// badPath says why a path cannot stand in a manifest, or "". It admits names
// that mean the same on every machine a checkpoint may be copied to, and that
// JSON writes in one way only. It guards both ways: what a trainer names its
// files, and what a tampered manifest names.
func badPath(path string) string {
	switch {
	case len(path) > MaxPathBytes:
		return fmt.Sprintf("is longer than %d bytes", MaxPathBytes)
	case !fs.ValidPath(path) || path == ".":
		return "is not a plain relative path in UTF-8"
	case strings.ContainsRune(path, '\\') || strings.ContainsFunc(path, unicode.IsControl):
		return "holds a backslash or a control character in its name"
	case len(path) == len(manifestName) && strings.EqualFold(path, manifestName): // as some disks see it
		return "is the name of the manifest itself"
	}
	return ""
}

// isHashes says whether a path is that of hashes.json, as any disk sees it.
func isHashes(path string) bool {
	name, _, _ := strings.Cut(path, "/")
	return len(name) == len(hashesName) && strings.EqualFold(name, hashesName)
}

// refusal turns what is wrong with a tree into ErrRefused, and leaves the
// disk's own errors alone.
func refusal(err error) error {
	if bad := (*treeError)(nil); errors.As(err, &bad) || notOurs(err) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}
