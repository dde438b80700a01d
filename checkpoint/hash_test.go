package checkpoint_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
)

// openLater opens a store that leaves all hashing to Hash.
func openLater(t testing.TB, dir string, opts ...checkpoint.Option) *checkpoint.Store {
	t.Helper()
	return open(t, dir, append(opts, checkpoint.WithHashAtOnce(-1))...)
}

func hash(t testing.TB, s *checkpoint.Store, id string) string {
	t.Helper()
	digest, err := s.Hash(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func wantHashed(t *testing.T, s *checkpoint.Store, id string, want bool) {
	t.Helper()
	if found, err := s.Examine(id); err != nil || found.Hashed != want || found.ID != id {
		t.Errorf("Examine(%s): %+v, %v; want Hashed to be %v", id, found, err, want)
	}
}

func wantUnhashed(t *testing.T, s *checkpoint.Store, want ...string) {
	t.Helper()
	if got, err := s.Unhashed(); err != nil || !slices.Equal(got, want) {
		t.Errorf("Unhashed() = %q, %v; want %q", got, err, want)
	}
}

// The times of a small checkpoint are not recorded: it is read.
func TestUnchangedReadsWhatWasHashedAtOnce(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "123"})
	if err := s.Unchanged("s1"); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "s1", "w"), []byte("923"), 0o666); err != nil {
		t.Fatal(err)
	}
	var corrupt *checkpoint.CorruptError
	if err := s.Unchanged("s1"); !errors.As(err, &corrupt) || corrupt.Problem != checkpoint.WrongHash {
		t.Errorf("%v, want %s", err, checkpoint.WrongHash)
	}
}

func TestHashLater(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, checkpoint.WithHashAtOnce(3))
	small := publish(t, s, "small", files{"w": "123"})
	large := publish(t, s, "large", files{"w": "1234", "d/opt": "", "e/": ""})
	if s.HashesLater(small.Bytes) || !s.HashesLater(large.Bytes) {
		t.Error("HashesLater says otherwise")
	}
	wantUnhashed(t, s, "large")
	wantHashed(t, s, "small", true)
	wantHashed(t, s, "large", false)
	for _, id := range []string{"small", "large"} {
		if err := errors.Join(s.Verify(id), s.Unchanged(id)); err != nil {
			t.Error(err)
		}
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "large", "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}

	digest := hash(t, s, "large")
	wantUnhashed(t, s)
	wantHashed(t, s, "large", true)
	if again := hash(t, s, "large"); again != digest {
		t.Errorf("Hash gave %s, and then %s", digest, again)
	}
	if got := hash(t, s, "small"); got != small.Digest {
		t.Errorf("of one hashed at once, Hash gave %s, want its digest %s", got, small.Digest)
	}
	if now, err := os.ReadFile(filepath.Join(dir, "large", "manifest.json")); err != nil || !bytes.Equal(now, manifest) {
		t.Errorf("Hash changed the manifest (%v)", err)
	}
	if info, err := s.Info("large"); err != nil || info != large {
		t.Errorf("Info: %+v, %v; Publish gave %+v", info, err, large)
	}
	if err := s.Unchanged("large"); err != nil {
		t.Error(err)
	}
	sums, err := os.ReadFile(filepath.Join(dir, "large", "hashes.json"))
	if err != nil || fmt.Sprintf("%x", sha256.Sum256(sums)) != digest {
		t.Errorf("the digest is not that of hashes.json (%v)", err)
	}
	wantEmpty(t, filepath.Join(dir, ".staging"))
	if err := s.Delete("large"); err != nil {
		t.Error(err)
	}
	_, err = s.Hash(t.Context(), "large")
	wantErr(t, err, checkpoint.ErrMissing, "hash large")
	wantErr(t, s.Unchanged("large"), checkpoint.ErrMissing, "large")
}

func TestHashOfWhatIsNoneOfItsBusiness(t *testing.T) {
	dir := t.TempDir()
	owner := openLater(t, dir)
	publish(t, owner, "s1", files{"w": "1"})
	s, err := checkpoint.OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Hash(t.Context(), "s1")
	wantErr(t, err, checkpoint.ErrReadOnly)
	wantUnhashed(t, s, "s1")
	wantHashed(t, s, "s1", false)
	for _, id := range []string{"", "../x"} {
		_, err = owner.Hash(t.Context(), id)
		wantErr(t, err, checkpoint.ErrBadID)
		wantErr(t, s.Unchanged(id), checkpoint.ErrBadID)
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	_, err = owner.Hash(ctx, "s1")
	wantErr(t, err, cause, "hash s1")
	wantUnhashed(t, owner, "s1")
	wantEmpty(t, filepath.Join(dir, ".staging"))
}

// On the disk in memory, inodes and times repeat.
func TestStampedManifestOnDisk(t *testing.T) {
	disk := checkpointtest.NewMem()
	s := openLater(t, "/c", checkpoint.WithFS(disk))
	staged, err := s.Stage("s1")
	if err == nil {
		err = checkpointtest.Save(disk, staged, files{"a/b": "1", "a-b": "", "e/f/": ""})
	}
	if err == nil {
		_, err = s.Publish(staged, "s1")
	}
	if err != nil {
		t.Fatal(err)
	}
	hash(t, s, "s1")
	manifest := `{"version":2,"files":[` +
		`{"path":"a-b","bytes":0,"mtime_ns":6000000},` +
		`{"path":"a/b","bytes":1,"mtime_ns":9000000}],` +
		`"empty_dirs":["e/f"],"made":{"inode":10,"at_ns":12000000}}` + "\n"
	hashes := fmt.Sprintf(`{"version":1,"manifest":"%x","sha256":[`, sha256.Sum256([]byte(manifest))) +
		`"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",` +
		`"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"]}` + "\n"
	for name, want := range map[string]string{"manifest.json": manifest, "hashes.json": hashes} {
		if got := slurp(t, disk, "/c/s1/"+name); got != want {
			t.Errorf("%s\n%s\nwant\n%s", name, got, want)
		}
	}
}

const h = "hashes.json"

// lateDamages are done to a checkpoint that was hashed later, before that or after.
var lateDamages = []struct {
	name             string
	damage           func(dir string) error
	file             string
	unhashed, hashed checkpoint.Problem // "": not noticed
}{
	{"other bytes", edit("weights", func(b []byte) []byte { b[2] ^= 1; return b }), "weights", checkpoint.LateWrite, checkpoint.WrongHash},
	{"other bytes, and the time set back", func(dir string) error {
		path := filepath.Join(dir, "weights")
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		return errors.Join(os.WriteFile(path, []byte("abXdef"), 0o600), os.Chtimes(path, time.Time{}, info.ModTime()))
	}, "weights", "", checkpoint.WrongHash},
	{"truncate", edit("weights", func(b []byte) []byte { return b[:2] }), "weights", checkpoint.LateWrite, checkpoint.WrongSize},
	{"append", edit("d/opt", func(b []byte) []byte { return append(b, 0) }), "d/opt", checkpoint.LateWrite, checkpoint.WrongSize},
	{"the same bytes, written again", edit("weights", func(b []byte) []byte { return b }), "weights", checkpoint.LateWrite, ""},
	{"another file in its place", func(dir string) error {
		path := filepath.Join(dir, "weights")
		return errors.Join(os.WriteFile(path+"~", []byte("ABCDEF"), 0o600), os.Rename(path+"~", path))
	}, "weights", checkpoint.LateWrite, checkpoint.WrongHash},
	{"replace a file by a link to a copy", func(dir string) error {
		return errors.Join(os.Rename(filepath.Join(dir, "weights"), dir+"-w"), os.Symlink(dir+"-w", filepath.Join(dir, "weights")))
	}, "weights", checkpoint.ExtraFile, checkpoint.ExtraFile},
	{"replace a file by a directory", func(dir string) error {
		return errors.Join(os.Remove(filepath.Join(dir, "weights")), os.Mkdir(filepath.Join(dir, "weights"), 0o700))
	}, "weights", checkpoint.MissingFile, checkpoint.MissingFile},
	{"delete a file", remove("weights"), "weights", checkpoint.MissingFile, checkpoint.MissingFile},
	{"add a file", write("d/new"), "d/new", checkpoint.ExtraFile, checkpoint.ExtraFile},
	{"a time in the manifest", edit(m, replace(`"mtime_ns":1`, `"mtime_ns":2`)), "d/opt", checkpoint.LateWrite, checkpoint.BadManifest},
	{"a hash in the manifest", edit(m, replace(`"mtime_ns"`, `"sha256":"00","mtime_ns"`)), m, checkpoint.BadManifest, checkpoint.BadManifest},
	{"no inode", edit(m, replace(`"made"`, `"mode"`)), m, checkpoint.BadManifest, checkpoint.BadManifest},
	{"hashes.json among the files", edit(m, replace(`"path":"d/opt"`, `"path":"Hashes.json"`)), m, checkpoint.BadManifest, checkpoint.BadManifest},
	{"hashes of another", write(h), h, checkpoint.BadManifest, checkpoint.BadManifest},
	{"hashes as a directory", func(dir string) error {
		return errors.Join(remove(h)(dir), mkdir(h)(dir))
	}, h, checkpoint.ExtraFile, checkpoint.ExtraFile},
}

func TestVerifyFindsEveryLateChange(t *testing.T) {
	for _, c := range lateDamages {
		for _, hashed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, hashed %v", c.name, hashed), func(t *testing.T) {
				s := openLater(t, t.TempDir())
				publish(t, s, "s1", files{"weights": "abcdef", "d/opt": "0123", "e/": "", "z": ""})
				problem, file := c.unhashed, c.file
				if hashed {
					hash(t, s, "s1")
					problem = c.hashed
				}
				if c.name == "a time in the manifest" && hashed {
					file = h // its hashes are of another manifest
				}
				time.Sleep(10 * time.Millisecond) // more than a tick of any clock
				if err := c.damage(s.Path("s1")); err != nil {
					t.Fatal(err)
				}
				to := filepath.Join(t.TempDir(), "to")
				if problem == "" {
					if err := errors.Join(s.Verify("s1"), s.Copy("s1", to)); err != nil {
						t.Error(err)
					}
					return
				}
				wantCorrupt(t, s.Verify("s1"), file, problem)
				wantCorrupt(t, s.Copy("s1", to), file, problem)
				wantEmpty(t, filepath.Dir(to))
				if _, err := s.Hash(t.Context(), "s1"); problem == checkpoint.LateWrite {
					wantErr(t, err, checkpoint.ErrChanged, "hash s1", file, "was written to after it was reported")
					wantErr(t, s.Unchanged("s1"), checkpoint.ErrChanged, "was written to after it was reported")
					wantUnhashed(t, s, "s1")
				}
			})
		}
	}
}

func wantCorrupt(t *testing.T, err error, file string, problem checkpoint.Problem) {
	t.Helper()
	var corrupt *checkpoint.CorruptError
	if !errors.As(err, &corrupt) || corrupt.File != file || corrupt.Problem != problem {
		t.Errorf("%v, want %s: %s", err, file, problem)
	}
}

func TestDamagedHashes(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"empty":        edit(h, func([]byte) []byte { return nil }),
		"cut":          edit(h, func(b []byte) []byte { return b[:len(b)/2] }),
		"reformatted":  edit(h, replace(`,"sha256"`, `, "sha256"`)),
		"the future":   edit(h, replace(`"version":1`, `"version":2`)),
		"a field more": edit(h, replace(`"version":1`, `"version":1,"x":1`)),
		"one less":     edit(h, func(b []byte) []byte { return append(b[:bytes.LastIndex(b, []byte(`,"`))], "]}\n"...) }),
		"no hash":      edit(h, replace(`["`, `["x`)),
		"in capitals":  edit(h, func(b []byte) []byte { return bytes.ReplaceAll(b, []byte("e3b0"), []byte("E3B0")) }),
		"of another":   edit(h, func(b []byte) []byte { b[len(`{"version":1,"manifest":"`)] ^= 3; return b }),
	} {
		t.Run(name, func(t *testing.T) {
			s := openLater(t, t.TempDir())
			publish(t, s, "s1", files{"w": "", "x": "1"})
			hash(t, s, "s1")
			if err := damage(s.Path("s1")); err != nil {
				t.Fatal(err)
			}
			wantCorrupt(t, s.Verify("s1"), h, checkpoint.BadManifest)
			_, err := s.Hash(t.Context(), "s1")
			wantCorrupt(t, err, h, checkpoint.BadManifest)
		})
	}
}

// A trainer keeps a file open and goes on writing, at any moment of all that a
// store does: nothing is ever hashed that was not as it was when Publish returned.
func TestTrainerThatGoesOnWriting(t *testing.T) {
	for n := 0; ; n++ {
		mem := checkpointtest.NewMem()
		var open checkpoint.File
		reported := 0 // operations until then
		disk := checkpointtest.NewFault(mem, func(op checkpointtest.Op) error {
			if reported == 0 || op.N != reported+n {
				return nil
			}
			_, err := open.Write([]byte("late"))
			return err
		})
		s := openLater(t, "/c", checkpoint.WithFS(disk))
		staged, err := s.Stage("s1")
		if err == nil {
			open, err = mem.Create(filepath.Join(staged, "w"))
		}
		if err == nil {
			_, err = open.Write([]byte("in time"))
		}
		if err != nil {
			t.Fatal(err)
		}
		reported = len(disk.Ops())
		info, err := s.Publish(staged, "s1")
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Hash(t.Context(), "s1")
		ops := disk.Ops()[reported:]
		if err != nil {
			wantErr(t, err, checkpoint.ErrChanged, "hash s1", "was written to after it was reported")
			wantUnhashed(t, s, "s1")
			wantErr(t, s.Unchanged("s1"), checkpoint.ErrChanged)
		} else if got := slurp(t, mem, "/c/s1/w"); int64(len(got)) != info.Bytes {
			// Once the files have been looked at for the last time, it takes Unchanged to tell.
			wantErr(t, s.Unchanged("s1"), checkpoint.ErrChanged)
			wantCorrupt(t, s.Verify("s1"), "w", checkpoint.WrongSize)
			if last := lastLook(ops); n <= last {
				t.Errorf("a write before operation %d (%v) was not found, the last look is %d", n, ops[n], last)
			}
		}
		if n >= len(ops) {
			return
		}
	}
}

// lastLook finds the last operation that can tell of a write to "w".
func lastLook(ops []checkpointtest.Op) int {
	for i, op := range slices.Backward(ops) {
		if op.Call == "lstat" && filepath.Base(op.Path) == "w" {
			return i
		}
	}
	return -1
}

func TestPublishRefusesFilesThatDoNotComeToRest(t *testing.T) {
	for writes, fits := range map[int]bool{1: true, 2: true, 3: false} {
		mem := checkpointtest.NewMem()
		var open checkpoint.File
		disk := checkpointtest.NewFault(mem, func(op checkpointtest.Op) error {
			if op.Call == "sync" && filepath.Base(op.Path) == "w" && writes > 0 {
				writes--
				open.Write([]byte("more"))
			}
			return nil
		})
		s := openLater(t, "/c", checkpoint.WithFS(disk))
		staged, err := s.Stage("s1")
		if err == nil {
			open, err = mem.Create(filepath.Join(staged, "w"))
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Publish(staged, "s1")
		if fits {
			if err != nil {
				t.Error(err)
			}
			hash(t, s, "s1")
			continue
		}
		wantErr(t, err, checkpoint.ErrRefused, "publish s1", `"w"`, "still is")
		wantErr(t, err, checkpoint.ErrChanged)
		if _, err := s.Publish(staged, "s1"); err != nil {
			t.Errorf("when it had come to rest: %v", err)
		}
	}
}

// Whatever is done to a run by people who mean well, its checkpoints can be
// loaded, hashed and verified.
func TestWhatPeopleDoToRuns(t *testing.T) {
	for _, script := range []string{
		"mv run there", "cp -r run there", "cp -a run there", "cp -al run there", "cp -al run there; rm -r run",
		"mkdir there; tar c -C run . | tar x -C there",
		"cp -r run away; rm -r run; cp -r away there", // the inodes are given again
		"cp -a run away; rm -r run; cp -a away there",
		"find run -exec touch {} +; mv run there",
		"touch -d 1999-12-31 run/hashed/* run/not/*; mv run there",
		"chmod -R u+rwX,go= run; mv run there",
		"ln run/not/w elsewhere; ln run/hashed/w elsewhere2; mv run there",
	} {
		t.Run(script, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := openLater(t, filepath.Join(dir, "run"))
			publish(t, s, "not", files{"w": "1234", "d/opt": "", "e/": ""})
			publish(t, s, "hashed", files{"w": "1234", "d/opt": "", "e/": ""})
			hash(t, s, "hashed")
			time.Sleep(1100 * time.Millisecond) // nobody is as fast as a second
			people := exec.Command("sh", "-ec", script)
			people.Dir = dir
			if out, err := people.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			there := filepath.Join(dir, "there")
			s = openLater(t, there)
			for _, id := range []string{"not", "hashed"} {
				if err := s.Unchanged(id); err != nil {
					t.Error(err)
				}
				wantHashed(t, s, id, id == "hashed")
			}
			hash(t, s, "not")
			wantHashed(t, s, "not", true)
			// And damage is found there as it was before.
			if err := os.WriteFile(filepath.Join(there, "not", "w"), []byte("123"), 0o600); err != nil {
				t.Fatal(err)
			}
			wantErr(t, s.Unchanged("not"), checkpoint.ErrChanged, "not")
			wantCorrupt(t, s.Verify("not"), "w", checkpoint.WrongSize)
		})
	}
}

func TestCopyOfWhatIsNotHashedIsHashed(t *testing.T) {
	s := openLater(t, t.TempDir())
	info := publish(t, s, "s1", files{"w": "1", "d/x": "2"})
	before, after := filepath.Join(t.TempDir(), "before"), filepath.Join(t.TempDir(), "after")
	if err := s.Copy("s1", before); err != nil {
		t.Fatal(err)
	}
	digest := hash(t, s, "s1")
	if err := s.Copy("s1", after); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{before, after} {
		around := openLater(t, filepath.Dir(to))
		id := filepath.Base(to)
		wantHashed(t, around, id, true)
		if err := around.Unchanged(id); err != nil {
			t.Error(err)
		}
		if got, err := around.Info(id); err != nil || got.Digest != info.Digest || hash(t, around, id) != digest {
			t.Errorf("the copy is another: %+v, %v", got, err)
		}
	}
}

// A release before this one let trainers save a file of that name.
func TestOldCheckpointWithAFileNamedHashes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("x")))
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "s1"), 0o700), write("s1/hashes.json")(dir),
		os.WriteFile(filepath.Join(dir, "s1", m), []byte(`{"version":1,"files":[{"path":"hashes.json","bytes":1,"sha256":"`+sum+`"}]}`+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	wantHashed(t, s, "s1", true)
	wantUnhashed(t, s)
	to := filepath.Join(t.TempDir(), "to")
	if err := s.Copy("s1", to); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(to, h)); string(got) != "x" {
		t.Errorf("the copy holds %q", got)
	}
}

// Deleted at any moment of its hashing, and published anew at once, with the
// same id: the hashes of the one never come to the other.
func TestDeleteWhileHashing(t *testing.T) {
	for n := 0; ; n++ {
		mem := checkpointtest.NewMem()
		var s *checkpoint.Store
		moments := 0
		s = openLater(t, "/c", checkpoint.WithFS(&hooked{mem, func(string) {
			if moments++; moments == n {
				if err := s.Delete("s1"); err != nil {
					t.Error(err)
				}
				publishOn(t, s, mem, "s1", files{"w": "new", "x": "new"})
			}
		}}))
		publishOn(t, s, mem, "s1", files{"w": "old", "x": "old"})
		_, err := s.Hash(t.Context(), "s1")
		if n > moments {
			return
		}
		if n > 0 {
			wantErr(t, err, checkpoint.ErrMissing, "hash s1")
			wantUnhashed(t, s, "s1")
			hash(t, s, "s1")
		}
		wantHashed(t, s, "s1", true)
		if left, err := mem.ReadDir("/c/.staging"); err != nil || len(left) > 0 {
			t.Errorf("%v (%v) is left", left, err)
		}
	}
}

// In a copy of a run the manifest's times say nothing; while Hash and Copy read,
// a write is found all the same.
func TestWriteWhileACopyIsRead(t *testing.T) {
	for what, read := range map[string]func(s *checkpoint.Store) error{
		"hash": func(s *checkpoint.Store) error { _, err := s.Hash(t.Context(), "s2"); return err },
		"copy": func(s *checkpoint.Store) error { return s.Copy("s2", "/to") },
	} {
		mem := checkpointtest.NewMem()
		var late checkpoint.File
		s := openLater(t, "/c", checkpoint.WithFS(&hooked{mem, func(path string) {
			if late != nil && strings.HasSuffix(path, "x") { // "w" has been read
				late.Write([]byte("late"))
			}
		}}))
		publishOn(t, s, mem, "s1", files{"w": "1", "x": "2"})
		if err := errors.Join(mem.Mkdir("/c/s2"), checkpointtest.Save(mem, "/c/s2", files{"x": "2", m: slurp(t, mem, "/c/s1/"+m)})); err != nil {
			t.Fatal(err)
		}
		f, err := mem.Create("/c/s2/w")
		if err != nil {
			t.Fatal(err)
		}
		f.Write([]byte("1"))
		wantHashed(t, s, "s2", false)
		late = f
		wantErr(t, read(s), checkpoint.ErrChanged, what, "s2", `"w"`)
		wantUnhashed(t, s, "s1", "s2")
		if _, err := mem.Lstat("/to"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s left something: %v", what, err)
		}
	}
}

// A disk that ends a file early, and says nothing, gets no hash.
func TestHashOnADiskThatReadsTooLittle(t *testing.T) {
	mem := checkpointtest.NewMem()
	s := openLater(t, "/c", checkpoint.WithFS(short{mem}))
	publishOn(t, s, mem, "s1", files{"w": "123"})
	_, err := s.Hash(t.Context(), "s1")
	wantErr(t, err, checkpoint.ErrChanged, `"w"`, "0 were read")
	wantUnhashed(t, s, "s1")
}

type short struct{ checkpoint.FS }

func (d short) Open(path string) (checkpoint.File, error) {
	f, err := d.FS.Open(path)
	if filepath.Base(path) == "w" {
		f = shortFile{f}
	}
	return f, err
}

type shortFile struct{ checkpoint.File }

func (shortFile) Read([]byte) (int, error) { return 0, io.EOF }

// Killed between giving the hashes their name and making that last: the next Hash
// finds them, and what it returns is for good.
func TestHashMakesLastWhatItFinds(t *testing.T) {
	mem := checkpointtest.NewMem()
	named := false
	disk := checkpointtest.NewFault(mem, func(op checkpointtest.Op) error {
		if named {
			return checkpointtest.ErrStopped
		}
		named = op.Call == "rename"
		return nil
	})
	s := openLater(t, "/c", checkpoint.WithFS(mem))
	publishOn(t, s, mem, "s1", files{"w": "123"})
	if _, err := openLater(t, "/c", checkpoint.WithFS(disk)).Hash(t.Context(), "s1"); !errors.Is(err, checkpointtest.ErrStopped) {
		t.Fatal(err)
	}
	wantUnhashed(t, s)
	hash(t, s, "s1")
	wantHashed(t, openLater(t, "/c", checkpoint.WithFS(mem.Crash(nil))), "s1", true)
}

// hooked is a disk on which something happens before each read of a trainer's
// file, and before hashes are written.
type hooked struct {
	checkpoint.FS
	before func(path string)
}

func (d *hooked) Open(path string) (checkpoint.File, error) {
	f, err := d.FS.Open(path)
	if err != nil || strings.HasSuffix(path, ".json") {
		return f, err
	}
	return &hookedFile{f, d, path}, nil
}

func (d *hooked) Create(path string) (checkpoint.File, error) {
	if filepath.Base(filepath.Dir(path)) == ".staging" {
		d.before(path)
	}
	return d.FS.Create(path)
}

type hookedFile struct {
	checkpoint.File
	disk *hooked
	path string
}

func (f *hookedFile) Read(p []byte) (int, error) {
	f.disk.before(f.path)
	return f.File.Read(p)
}

func publishOn(t testing.TB, s *checkpoint.Store, disk checkpoint.FS, id string, saved files) {
	t.Helper()
	staged, err := s.Stage(id)
	if err == nil {
		err = checkpointtest.Save(disk, staged, saved)
	}
	if err == nil {
		_, err = s.Publish(staged, id)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestHashBesideHash(t *testing.T) {
	s := openLater(t, t.TempDir())
	publish(t, s, "s1", files{"w": strings.Repeat("x", 1<<20)})
	digests := make(chan string, 8)
	for range cap(digests) {
		go func() {
			digest, err := s.Hash(context.Background(), "s1")
			if err != nil {
				t.Error(err)
			}
			digests <- digest
		}()
	}
	first := <-digests
	for range cap(digests) - 1 {
		if next := <-digests; next != first {
			t.Errorf("%s and %s", first, next)
		}
	}
	wantHashed(t, s, "s1", true)
	wantEmpty(t, filepath.Join(s.Path("s1"), "..", ".staging"))
}

func slurp(t *testing.T, disk checkpoint.FS, path string) string {
	t.Helper()
	f, err := disk.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
