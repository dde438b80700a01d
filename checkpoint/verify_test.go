package checkpoint_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

// edit rewrites a file of the checkpoint.
func edit(name string, change func([]byte) []byte) func(dir string) error {
	return func(dir string) error {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, name), change(data), 0o600)
	}
}

func replace(old, new string) func([]byte) []byte {
	return func(data []byte) []byte {
		if !bytes.Contains(data, []byte(old)) {
			panic("the manifest does not hold " + old)
		}
		return bytes.Replace(data, []byte(old), []byte(new), 1)
	}
}

func remove(name string) func(dir string) error {
	return func(dir string) error { return os.RemoveAll(filepath.Join(dir, name)) }
}

func write(name string) func(dir string) error {
	return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600) }
}

func mkdir(name string) func(dir string) error {
	return func(dir string) error { return os.Mkdir(filepath.Join(dir, name), 0o700) }
}

func symlink(target, name string) func(dir string) error {
	return func(dir string) error { return os.Symlink(target, filepath.Join(dir, name)) }
}

const m = "manifest.json"

var sha256Field = regexp.MustCompile(`,"sha256":"[0-9a-f]*"`)

// damages are done to a checkpoint of "weights", "d/opt", "z" and the empty
// directory "e"; each with the difference that Verify must name.
var damages = []struct {
	name    string
	damage  func(dir string) error
	file    string
	problem checkpoint.Problem
}{
	{"flip a bit", edit("weights", func(b []byte) []byte { b[2] ^= 1; return b }), "weights", checkpoint.WrongHash},
	{"truncate", edit("weights", func(b []byte) []byte { return b[:2] }), "weights", checkpoint.WrongSize},
	{"truncate to nothing", edit("weights", func(b []byte) []byte { return nil }), "weights", checkpoint.WrongSize},
	{"append", edit("d/opt", func(b []byte) []byte { return append(b, 0) }), "d/opt", checkpoint.WrongSize},
	{"add a file", write("d/new"), "d/new", checkpoint.ExtraFile},
	{"add a directory", mkdir("new"), "new", checkpoint.ExtraFile},
	{"add a file to an empty directory", write("e/new"), "e/new", checkpoint.ExtraFile},
	{"add what differs in case from the manifest", write("MANIFEST.json"), "MANIFEST.json", checkpoint.ExtraFile},
	{"delete a file", remove("weights"), "weights", checkpoint.MissingFile},
	{"delete the last file", remove("z"), "z", checkpoint.MissingFile},
	{"delete a directory", remove("d"), "d/opt", checkpoint.MissingFile},
	{"delete an empty directory", remove("e"), "e", checkpoint.MissingFile},
	{"delete the manifest", remove(m), m, checkpoint.MissingFile},
	{"replace a file by a link to a copy", func(dir string) error {
		return errors.Join(os.Rename(filepath.Join(dir, "weights"), dir+"-w"), os.Symlink(dir+"-w", filepath.Join(dir, "weights")))
	}, "weights", checkpoint.ExtraFile},
	{"replace a file by a directory", func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, "weights")), os.Mkdir(filepath.Join(dir, "weights"), 0o700))
	}, "weights", checkpoint.MissingFile},

	{"empty the manifest", edit(m, func([]byte) []byte { return nil }), m, checkpoint.BadManifest},
	{"truncate the manifest", edit(m, func(b []byte) []byte { return b[:len(b)/2] }), m, checkpoint.BadManifest},
	{"reformat the manifest", edit(m, replace(`,"files"`, `, "files"`)), m, checkpoint.BadManifest},
	{"a field more", edit(m, replace(`{"version":1`, `{"version":1,"x":2`)), m, checkpoint.BadManifest},
	{"a version of the future", edit(m, replace(`"version":1`, `"version":3`)), m, checkpoint.BadManifest},
	{"the version without hashes", edit(m, replace(`"version":1`, `"version":2`)), m, checkpoint.BadManifest},
	{"no hash", edit(m, func(b []byte) []byte { return sha256Field.ReplaceAll(b, nil) }), m, checkpoint.BadManifest},
	{"a time", edit(m, replace(`{"path":"z","bytes":0,`, `{"path":"z","bytes":0,"mtime_ns":7,`)), m, checkpoint.BadManifest},
	{"add hashes.json", write("hashes.json"), "hashes.json", checkpoint.ExtraFile},
	{"a hash", edit(m, replace(`"sha256":"`, `"sha256":"0`)), "d/opt", checkpoint.WrongHash},
	{"a size", edit(m, replace(`"bytes":`, `"bytes":1`)), "d/opt", checkpoint.WrongSize},
	{"a negative size", edit(m, replace(`"bytes":`, `"bytes":-`)), m, checkpoint.BadManifest},
	{"a path that escapes", edit(m, replace(`"path":"d/opt"`, `"path":"../x"`)), m, checkpoint.BadManifest},
	{"an absolute path", edit(m, replace(`"path":"d/opt"`, `"path":"/etc/passwd"`)), m, checkpoint.BadManifest},
	{"a directory that escapes", edit(m, replace(`["e"]`, `["../e"]`)), m, checkpoint.BadManifest},
	{"another order", edit(m, replace(`"path":"d/opt"`, `"path":"zz"`)), m, checkpoint.BadManifest},
	{"another name", edit(m, replace(`"path":"d/opt"`, `"path":"d/opu"`)), "d/opt", checkpoint.ExtraFile},
	{"one file less", edit(m, func(b []byte) []byte {
		from, to := bytes.Index(b, []byte(`,{"path":"weights"`)), bytes.Index(b, []byte(`,{"path":"z"`))
		return append(b[:from:from], b[to:]...)
	}), "weights", checkpoint.ExtraFile},
}

func TestVerifyFindsEveryChange(t *testing.T) {
	for _, c := range damages {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, t.TempDir())
			info := publish(t, s, "s1", files{"weights": "abcdef", "d/opt": "0123", "e/": "", "z": ""})
			if err := s.Verify("s1"); err != nil {
				t.Fatal(err)
			}
			if err := c.damage(s.Path("s1")); err != nil {
				t.Fatal(err)
			}
			err := s.Verify("s1")
			var corrupt *checkpoint.CorruptError
			if !errors.As(err, &corrupt) || corrupt.ID != "s1" || corrupt.File != c.file || corrupt.Problem != c.problem {
				t.Fatalf("Verify: %v, want %s: %s", err, c.file, c.problem)
			}
			// A changed manifest also shows against the journal's digest.
			if now, err := s.Info("s1"); c.file == m && err == nil && now.Digest == info.Digest {
				t.Errorf("Info does not show the damage")
			}
			// And nothing damaged is copied.
			to := filepath.Join(t.TempDir(), "to")
			if err := s.Copy("s1", to); !errors.As(err, &corrupt) {
				t.Errorf("Copy: %v", err)
			}
			if _, err := os.Lstat(to); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the failed copy left %s (%v)", to, err)
			}
			wantEmpty(t, filepath.Dir(to))
		})
	}
}

// Whoever changes a file and the manifest together is found by the digest only.
func TestDigestStandsForEveryByte(t *testing.T) {
	s := open(t, t.TempDir())
	info := publish(t, s, "s1", files{"w": "abc"})
	sum := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	path := filepath.Join(s.Path("s1"), "manifest.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if sum(string(data)) != info.Digest {
		t.Errorf("the digest is not the manifest's SHA-256")
	}
	data = []byte(strings.Replace(string(data), sum("abc"), sum("xyz"), 1))
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.WriteFile(filepath.Join(s.Path("s1"), "w"), []byte("xyz"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify("s1"); err != nil {
		t.Errorf("Verify: %v", err)
	}
	if now, err := s.Info("s1"); err != nil || now.Digest == info.Digest {
		t.Errorf("Info: %v, %v", now, err)
	}
}

// A read-only store beside a live owner must not call a checkpoint corrupt that
// the owner deletes while it is being read.
func TestVerifyBesideDelete(t *testing.T) {
	mem := checkpointtest.NewMem()
	for n := 0; ; n++ {
		owner := open(t, fmt.Sprint("/c", n), checkpoint.WithFS(mem))
		staged, err := owner.Stage("s1")
		if err == nil {
			err = checkpointtest.Save(mem, staged, files{"w": "1", "d/x": "2"})
		}
		if err == nil {
			_, err = owner.Publish(staged, "s1")
		}
		if err != nil {
			t.Fatal(err)
		}
		deleted := false
		disk := checkpointtest.NewFault(mem, func(op checkpointtest.Op) error {
			if op.N != n {
				return nil
			}
			deleted = true
			return owner.Delete("s1")
		})
		reader, err := checkpoint.OpenReadOnly(fmt.Sprint("/c", n), checkpoint.WithFS(disk))
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Verify("s1"); err != nil && !errors.Is(err, checkpoint.ErrMissing) {
			t.Errorf("deleted before operation %d: %v", n, err)
		}
		if !deleted {
			return
		}
	}
}
