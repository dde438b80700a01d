package checkpoint_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

// unfit is what a trainer may save beside a good file, and must not.
var unfit = []struct {
	name string
	save func(dir string) error
	says string
}{
	{"a trainer's own manifest", write("manifest.json"), "manifest.json"},
	{"the same to a disk blind to case", write("Manifest.JSON"), "manifest"},
	{"a directory of that name", mkdir("manifest.json"), "manifest"},
	{"a trainer's own hashes.json", write("hashes.json"), "hashes.json"},
	{"a directory of that name, in capitals", func(dir string) error {
		return errors.Join(mkdir("Hashes.json")(dir), write("Hashes.json/x")(dir))
	}, "Hashes.json"},
	{"an empty one", mkdir("hashes.json"), "hashes.json"},
	{"a link to a file", symlink("good", "link"), "link"},
	{"a link to nowhere", symlink("/no/such", "link"), "link"},
	{"a link to a directory", symlink("/", "link"), "link"},
	{"a link as manifest", symlink("good", "manifest.json"), "link"},
	{"a link further down", func(dir string) error {
		return errors.Join(mkdir("d")(dir), symlink("/etc/passwd", "d/link")(dir))
	}, "d/link"},
	{"a hard link to a file outside", func(dir string) error {
		return errors.Join(os.WriteFile("latest", []byte("1"), 0o600), os.Link("latest", filepath.Join(dir, "linked")))
	}, `"linked" has another name outside`},
	{"a pipe", func(dir string) error { return syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600) }, "pipe"},
	{"a socket", func(dir string) error {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "sock")})
		if err == nil {
			l.SetUnlinkOnClose(false)
			err = l.Close()
		}
		return err
	}, "sock"},
	{"a name with a backslash", write(`..\up`), "backslash"},
	{"a name with a newline", write("a\nb"), "control"},
	{"a name that is not UTF-8", write("\xff"), "UTF-8"},
	{"a path too long", func(dir string) error {
		return os.MkdirAll(filepath.Join(dir, strings.Repeat(strings.Repeat("d", 99)+"/", 11)), 0o700)
	}, "longer than 1024"},
}

func TestPublishAcceptsTwoNamesOfOneFile(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "c"))
	staged := stage(t, s, "s", files{"good": "1"})
	if err := os.Link(filepath.Join(staged, "good"), filepath.Join(staged, "latest")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(staged, "s"); err != nil {
		t.Error(err)
	}
}

func TestPublishRefuses(t *testing.T) {
	for _, c := range unfit {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // a socket's path must be short
			s := open(t, "c")
			staged := stage(t, s, "s", files{"good": "1"})
			rel := filepath.Join("c/.staging", filepath.Base(staged))
			if err := c.save(rel); err != nil {
				t.Fatal(err)
			}
			_, err := s.Publish(staged, "s")
			wantErr(t, err, checkpoint.ErrRefused, "publish s", c.says)
			if s.Has("s") || checkpoint.IsDiskFull(err) {
				t.Errorf("Has %v after %v", s.Has("s"), err)
			}
			if err := s.Discard(staged); err != nil {
				t.Error(err)
			}
			wantEmpty(t, "c/.staging")
		})
	}
}

func TestPublishRefusesNothingAtAll(t *testing.T) {
	s := open(t, t.TempDir())
	for _, saved := range []files{nil, {"only/": ""}} {
		staged := stage(t, s, "s1", saved)
		_, err := s.Publish(staged, "s1")
		wantErr(t, err, checkpoint.ErrRefused, "no files")
		if _, err := os.Stat(staged); err != nil {
			t.Errorf("the staged directory is gone: %v", err)
		}
	}
}

func TestPublishRefusesTooManyFiles(t *testing.T) {
	disk := checkpointtest.NewMem()
	s := open(t, "/c", checkpoint.WithFS(disk))
	saved := files{}
	for i := range checkpoint.MaxFiles {
		saved[fmt.Sprintf("f%05d", i)] = ""
	}
	for _, tooMany := range []bool{false, true} {
		if tooMany {
			saved["one/"] = ""
		}
		id := fmt.Sprint("s-", tooMany)
		staged, err := s.Stage(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkpointtest.Save(disk, staged, saved); err != nil {
			t.Fatal(err)
		}
		_, err = s.Publish(staged, id)
		if !tooMany && err != nil {
			t.Errorf("MaxFiles files: %v", err)
		}
		if tooMany {
			wantErr(t, err, checkpoint.ErrRefused, "more than 10000")
		}
	}
}

func TestPublishNeverReplaces(t *testing.T) {
	s := open(t, t.TempDir())
	publish(t, s, "s1", files{"w": "first"})
	second := stage(t, s, "s1", files{"w": "second"})
	_, err := s.Publish(second, "s1")
	wantErr(t, err, checkpoint.ErrExists, "publish s1")
	if data, _ := os.ReadFile(filepath.Join(s.Path("s1"), "w")); string(data) != "first" {
		t.Errorf("the checkpoint now holds %q", data)
	}
	if _, err := s.Publish(second, "s2"); err != nil {
		t.Errorf("the refused directory under another id: %v", err)
	}
}

func TestPublishOfWhatIsNotThere(t *testing.T) {
	s := open(t, t.TempDir())
	staged := stage(t, s, "s1", files{"w": "1"})
	if _, err := s.Publish(staged, "s1"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Publish(staged, "s2")
	wantErr(t, err, os.ErrNotExist, staged)
	if err := s.Discard(staged); err != nil {
		t.Errorf("Discard after Publish: %v", err)
	}
}

func TestConcurrentPublishes(t *testing.T) {
	const writers, each = 8, 4
	dir := t.TempDir()
	s := open(t, dir)
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]int{}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				own, shared := fmt.Sprintf("s%d-%d", w, i), fmt.Sprintf("shared%d", i)
				for _, id := range []string{own, shared} {
					staged, err := s.Stage(id)
					if err == nil {
						err = checkpointtest.Save(checkpoint.OS{}, staged, files{"w": own, "d/x": id})
					}
					if err == nil {
						_, err = s.Publish(staged, id)
					}
					switch {
					case err == nil:
						mu.Lock()
						won[id]++
						mu.Unlock()
					case !errors.Is(err, checkpoint.ErrExists):
						t.Error(err)
					}
					if err := s.Discard(staged); err != nil {
						t.Error(err)
					}
				}
				if i%2 == 0 {
					if err := s.Delete(own); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	ids, err := s.List()
	if err != nil || len(ids) != writers*each/2+each {
		t.Errorf("List = %v, %v", ids, err)
	}
	for id, n := range won {
		if n != 1 {
			t.Errorf("%s was published %d times", id, n)
		}
	}
	for _, id := range ids {
		if err := s.Verify(id); err != nil {
			t.Error(err)
		}
	}
	wantEmpty(t, filepath.Join(dir, ".staging"), filepath.Join(dir, ".trash"))
}

// A directory that was moved away, with a link in its place, would be swept away
// later from under its name.
func TestPublishRefusesALinkInTheDirectorysPlace(t *testing.T) {
	s := open(t, t.TempDir())
	staged := stage(t, s, "s1", files{"w": "1"})
	if err := errors.Join(os.Rename(staged, staged+"x"), os.Symlink(staged+"x", staged)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Publish(staged, "s1")
	wantErr(t, err, checkpoint.ErrRefused, "is no directory any more")
	if s.Has("s1") {
		t.Error("it was published")
	}
}
