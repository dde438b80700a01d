package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// eachWay runs a test with openat2 and with openat.
func eachWay(t *testing.T, test func(t *testing.T)) {
	t.Run("at once", test)
	was := openIn
	openIn = openByParts
	defer func() { openIn = was }()
	t.Run("by parts", test)
}

// Every operation meets a link at the end of its path, and one on the way.
func TestLinksAreNotFollowed(t *testing.T) { eachWay(t, linksAreNotFollowed) }

func linksAreNotFollowed(t *testing.T) {
	run, outside := In(t.TempDir()), t.TempDir()
	must(t,
		os.WriteFile(filepath.Join(outside, "file"), []byte(secret), 0o600),
		os.Mkdir(filepath.Join(outside, "dir"), 0o700),
		os.Symlink(filepath.Join(outside, "file"), run.Path("file")),
		os.Symlink(outside, run.Path("way")),
		os.WriteFile(run.Path("mine"), nil, 0o600),
	)
	open := func(f *os.File, err error) error {
		if err == nil {
			f.Close()
		}
		return err
	}
	for what, err := range map[string]error{
		"Open":              open(run.Open("file")),
		"Open inside":       open(run.Open("way/file")),
		"Create inside":     open(run.Create("way/new", 0o600)),
		"Append":            open(run.Append("file")),
		"Append inside":     open(run.Append("way/file")),
		"truncate":          open(run.OpenFile("file", os.O_WRONLY|os.O_TRUNC|os.O_CREATE, 0o600)),
		"ReadDir":           second(run.ReadDir("way")),
		"ReadFile":          second(run.ReadFile("file")),
		"Lstat inside":      second(run.Lstat("way/file")),
		"Mkdir inside":      run.Mkdir("way/new", 0o700),
		"MkdirAll":          run.MkdirAll("way", 0o700),
		"MkdirAll inside":   run.MkdirAll("way/new", 0o700),
		"Rename from":       run.Rename("way/file", "here"),
		"Rename to":         run.Rename("mine", "way/mine"),
		"Remove inside":     run.Remove("way/file"),
		"RemoveAll inside":  run.RemoveAll("way/dir"),
		"WriteFile":         run.WriteFile("file", nil),
		"WriteFile inside":  run.WriteFile("way/new", nil),
		"WalkFiles":         run.WalkFiles(".", func(string, fs.FileInfo) error { return nil }),
		"WalkFiles, a link": run.WalkFiles("way", func(string, fs.FileInfo) error { return nil }),
	} {
		if !errors.Is(err, ErrLink) || !strings.Contains(err.Error(), "symbolic link, which pbt does not follow") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := run.Create("file", 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create on a link: %v", err)
	}
	if info, err := run.Lstat("file"); err != nil || info.Mode()&fs.ModeSymlink == 0 || info.Name() != "file" {
		t.Errorf("Lstat of a link: %v, %v", info, err)
	}
	must(t, run.RemoveAll("way"), run.Remove("file"))
	if text, err := os.ReadFile(filepath.Join(outside, "file")); err != nil || string(text) != secret {
		t.Errorf("outside: %q, %v", text, err)
	}
	if there, err := os.ReadDir(outside); err != nil || len(there) != 2 {
		t.Errorf("outside: %v, %v", there, err)
	}
}

func second[T any](_ T, err error) error { return err }

// What leads out of the directory by its name is refused, a link on the way to it is not.
func TestNames(t *testing.T) { eachWay(t, names) }

func names(t *testing.T) {
	real := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(real, link))
	d := In(link)
	must(t, d.MkdirAll("a/b/c", 0o700), d.WriteFile("a/b/f", []byte("1")), d.Rename("a/b/f", "a/g"))
	for _, name := range []string{"../x", "a/../../x", "/etc/passwd", ""} {
		if _, err := d.Open(name); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := Absolute().ReadDir("relative"); !errors.Is(err, unix.EINVAL) {
		t.Errorf("relative: %v", err)
	}
	if _, err := Absolute().ReadDir(link); !errors.Is(err, ErrLink) {
		t.Errorf("an absolute link: %v", err)
	}
	path, err := Real(filepath.Join(link, "a", "new", "newer"))
	if err != nil || path != filepath.Join(real, "a", "new", "newer") {
		t.Errorf("Real = %q, %v", path, err)
	}
	if entries, err := Absolute().ReadDir(filepath.Join(real, "a")); err != nil || len(entries) != 2 || entries[0].Name() != "b" {
		t.Errorf("%v, %v", entries, err)
	}
	must(t, os.Symlink("nothing", filepath.Join(real, "dangling")))
	if path, err := Real(filepath.Join(real, "dangling", "x")); err == nil {
		t.Errorf("Real through a link to nothing = %q", path)
	}
	if err := d.Rename("a/g", "a/b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Rename to a directory: %v", err)
	}
	if err := d.Remove("a"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Remove a directory with content: %v", err)
	}
	must(t, RemoveAll(filepath.Join(link, "a")), RemoveAll(filepath.Join(link, "a", "none")))
}

// A pipe makes nothing wait, and is no file; a device is written to.
func TestPipesAndDevices(t *testing.T) { eachWay(t, pipesAndDevices) }

func pipesAndDevices(t *testing.T) {
	d := In(t.TempDir())
	must(t, unix.Mkfifo(d.Path("pipe"), 0o600))
	_, open := d.Open("pipe")
	_, appends := d.Append("pipe")
	for _, err := range []error{open, appends, d.WalkFiles(".", func(string, fs.FileInfo) error { return nil })} {
		if !errors.Is(err, ErrKind) {
			t.Error(err)
		}
	}
	must(t, WriteFile("/dev/null", []byte("x")))
	if info, err := os.Stat("/dev/null"); err != nil || info.Mode().IsRegular() {
		t.Errorf("/dev/null is %v, %v", info, err)
	}
}

// Replace keeps a file's permissions, leaves its other names alone, and leaves nothing behind.
func TestReplace(t *testing.T) {
	d := In(t.TempDir())
	must(t, os.WriteFile(d.Path("f"), []byte("old"), 0o600), os.Link(d.Path("f"), d.Path("other")), d.WriteFile("f", []byte("new")))
	broken := errors.New("broken")
	if err := d.Replace("f", 0o666, func(f *os.File) error { _, err := f.WriteString("half"); return errors.Join(err, broken) }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := d.Replace(".", 0o666, nil); err == nil {
		t.Error("a directory was replaced")
	}
	entries, err := d.ReadDir(".")
	info, infoErr := d.Lstat("f")
	text, textErr := d.ReadFile("f")
	other, otherErr := d.ReadFile("other")
	must(t, err, infoErr, textErr, otherErr)
	if len(entries) != 2 || info.Mode().Perm() != 0o600 || string(text) != "new" || string(other) != "old" {
		t.Errorf("%v, %v, %q, %q", entries, info.Mode(), text, other)
	}
}
