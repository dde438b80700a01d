package checkpoint_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/checkpoint/checkpointtest"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// files is what a trainer saves: path to content.
type files = map[string]string

func open(t testing.TB, dir string, opts ...checkpoint.Option) *checkpoint.Store {
	t.Helper()
	s, err := checkpoint.Open(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stage(t testing.TB, s *checkpoint.Store, id string, saved files) string {
	t.Helper()
	staged, err := s.Stage(id)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkpointtest.Save(checkpoint.OS{}, staged, saved); err != nil {
		t.Fatal(err)
	}
	return staged
}

func publish(t testing.TB, s *checkpoint.Store, id string, saved files) checkpoint.Info {
	t.Helper()
	info, err := s.Publish(stage(t, s, id, saved), id)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// wantErr checks an error's kind, and that it says to a person what it should.
func wantErr(t *testing.T, err, kind error, says ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Errorf("got error %v, want one that is %v", err, kind)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("error %q does not say %q", err, s)
		}
	}
}

func wantEmpty(t *testing.T, dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 0 {
			t.Errorf("%s holds %v (%v), want nothing", dir, entries, err)
		}
	}
}

func TestLifeOfACheckpoint(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs", "r1", "checkpoints")
	s := open(t, dir)
	id := "s000000212"
	if s.Has(id) {
		t.Error("Has before Publish")
	}
	info := publish(t, s, id, files{"weights": "abc", "optimizer/state": "defgh", "assets/": ""})
	if info.ID != id || info.Files != 2 || info.Bytes != 8 || len(info.Digest) != 64 {
		t.Errorf("info %+v", info)
	}
	if again, err := s.Info(id); err != nil || again != info {
		t.Errorf("Info: %+v, %v; Publish gave %+v", again, err, info)
	}
	if got := s.Path(id); got != filepath.Join(dir, id) || !filepath.IsAbs(got) {
		t.Errorf("Path = %q", got)
	}
	if data, err := os.ReadFile(filepath.Join(s.Path(id), "optimizer/state")); string(data) != "defgh" {
		t.Errorf("the published file holds %q (%v)", data, err)
	}
	if !s.Has(id) {
		t.Error("no Has after Publish")
	}
	if err := s.Verify(id); err != nil {
		t.Error(err)
	}
	wantEmpty(t, filepath.Join(dir, ".staging"))

	if err := s.Delete(id); err != nil {
		t.Error(err)
	}
	if err := s.Delete(id); err != nil {
		t.Errorf("Delete is not idempotent: %v", err)
	}
	if s.Has(id) {
		t.Error("Has after Delete")
	}
	wantErr(t, s.Verify(id), checkpoint.ErrMissing, id)
	_, err := s.Info(id)
	wantErr(t, err, checkpoint.ErrMissing, id)
	wantEmpty(t, filepath.Join(dir, ".staging"), filepath.Join(dir, ".trash"))
}

func TestManifestOnDisk(t *testing.T) {
	s := open(t, t.TempDir())
	// "a-b" sorts before "a/b" as a path, and after it in a walk of the tree.
	publish(t, s, "s1", files{"a/b": "1", "a-b": "", "e/f/": ""})
	got, err := os.ReadFile(filepath.Join(s.Path("s1"), "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"version":1,"files":[` +
		`{"path":"a-b","bytes":0,"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},` +
		`{"path":"a/b","bytes":1,"sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}],` +
		`"empty_dirs":["e/f"]}` + "\n"
	if string(got) != want {
		t.Errorf("manifest\n%s\nwant\n%s", got, want)
	}
}

func TestIDs(t *testing.T) {
	s := open(t, t.TempDir())
	for _, id := range []string{"s000000212", "a", "A-b_c.d", strings.Repeat("x", checkpoint.MaxIDBytes)} {
		publish(t, s, id, files{"w": "1"})
	}
	bad := []string{"", ".", "..", ".staging", ".hidden", "a/b", "../x", "/abs", `a\b`, "a b", "é", "a\n", "a\x00",
		strings.Repeat("x", checkpoint.MaxIDBytes+1)}
	for _, id := range bad {
		_, err := s.Stage(id)
		wantErr(t, err, checkpoint.ErrBadID)
		_, err = s.Publish(stage(t, s, "ok", files{"w": "1"}), id)
		wantErr(t, err, checkpoint.ErrBadID)
		wantErr(t, s.Delete(id), checkpoint.ErrBadID)
		wantErr(t, s.Verify(id), checkpoint.ErrBadID)
		_, err = s.Info(id)
		wantErr(t, err, checkpoint.ErrBadID)
		wantErr(t, s.Copy(id, filepath.Join(t.TempDir(), "to")), checkpoint.ErrBadID)
		if s.Has(id) || s.Path(id) != "" {
			t.Errorf("id %q: Has %v, Path %q", id, s.Has(id), s.Path(id))
		}
	}
}

func TestStageIsUnique(t *testing.T) {
	dir := t.TempDir()
	seen := map[string]bool{}
	for range 2 { // also across a restart: the old trainer may still be writing
		s := open(t, dir)
		for range 3 {
			staged, err := s.Stage("s1")
			if err != nil {
				t.Fatal(err)
			}
			if seen[staged] {
				t.Errorf("%s was handed out twice", staged)
			}
			seen[staged] = true
			wantEmpty(t, staged)
		}
	}
}

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "1"})
	stage(t, s, "s2", files{"w": "1", "deep/er/x": "2"})
	outside := filepath.Join(t.TempDir(), "outside")
	for _, err := range []error{
		os.WriteFile(filepath.Join(dir, ".trash", "file"), nil, 0o600),
		os.WriteFile(outside, []byte("kept"), 0o600),
		os.Symlink(filepath.Dir(outside), filepath.Join(dir, ".staging", "link")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, dir)
	wantEmpty(t, filepath.Join(dir, ".staging"), filepath.Join(dir, ".trash"))
	if err := s.Verify("s1"); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Errorf("the sweep followed a link: %v", err)
	}
}

func TestOpenFailsClearly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := checkpoint.Open(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Open on a file: %v", err)
	}
	_, err := checkpoint.OpenReadOnly(file + "-none")
	wantErr(t, err, fs.ErrNotExist, file+"-none")
}

// A user may reach a run through links; its checkpoints may not be one, because what lies
// behind it may be another run's, and checkpoints are deleted.
func TestOpenThroughALink(t *testing.T) {
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), link); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(link, "checkpoints")
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "1"})
	if err := s.Copy("s1", filepath.Join(link, "copy")); err != nil {
		t.Error(err)
	}
	moved := filepath.Join(t.TempDir(), "moved")
	if err := errors.Join(os.Rename(dir, moved), os.Symlink(moved, dir)); err != nil {
		t.Fatal(err)
	}
	if s, err := checkpoint.OpenReadOnly(dir); err != nil || s.Verify("s1") != nil {
		t.Errorf("read-only: %v", err)
	}
	_, err := checkpoint.Open(dir)
	wantErr(t, err, disk.ErrLink, dir)
	if err := s.Delete("s1"); !errors.Is(err, disk.ErrLink) {
		t.Errorf("Delete in a directory that became a link: %v", err)
	}
	if _, err := os.Stat(filepath.Join(moved, "s1", "w")); err != nil {
		t.Errorf("deleted behind the link: %v", err)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, id := range []string{"s3", "s1", "s2"} {
		publish(t, s, id, files{"w": id})
	}
	stage(t, s, "s4", files{"w": "1"})
	// What a user keeps beside the checkpoints is not ours.
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "notes"), 0o700),
		os.WriteFile(filepath.Join(dir, "README"), nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, err := s.List(); err != nil || !slices.Equal(got, []string{"s1", "s2", "s3"}) {
		t.Errorf("List = %v, %v", got, err)
	}
	if s.Has("notes") {
		t.Error("Has a directory that is not a checkpoint")
	}
}

func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "1"})
	staged := stage(t, s, "s2", files{"w": "1", "d/x": "2"})
	for range 2 { // the second finds nothing left to do
		if err := s.Discard(staged); err != nil {
			t.Error(err)
		}
	}
	wantEmpty(t, filepath.Join(dir, ".staging"))
	for _, other := range []string{dir, s.Path("s1"), "", "/", filepath.Join(dir, ".staging"),
		filepath.Join(dir, ".staging", ".."), filepath.Join(dir, ".staging", "x", "..", "..", "s1"), t.TempDir()} {
		wantErr(t, s.Discard(other), checkpoint.ErrRefused)
		_, err := s.Publish(other, "s9")
		wantErr(t, err, checkpoint.ErrRefused)
	}
	if err := s.Verify("s1"); err != nil {
		t.Error(err)
	}
}

// A trash that cannot take the checkpoint must not look like a checkpoint that
// is gone.
func TestDeleteWithoutTrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	publish(t, s, "s1", files{"w": "1"})
	if err := os.Remove(filepath.Join(dir, ".trash")); err != nil {
		t.Fatal(err)
	}
	wantErr(t, s.Delete("s1"), fs.ErrNotExist, "s1")
	if err := s.Verify("s1"); err != nil {
		t.Error(err)
	}
}

func TestReadOnlyWritesNothing(t *testing.T) {
	dir := t.TempDir()
	owner := open(t, dir)
	publish(t, owner, "s1", files{"w": "1", "d/x": "2"})
	staged := stage(t, owner, "s2", files{"w": "live"})

	disk := checkpointtest.NewFault(checkpoint.OS{}, nil)
	s, err := checkpoint.OpenReadOnly(dir, checkpoint.WithFS(disk))
	if err != nil {
		t.Fatal(err)
	}
	if ids, err := s.List(); err != nil || !slices.Equal(ids, []string{"s1"}) {
		t.Errorf("List = %v, %v", ids, err)
	}
	if !s.Has("s1") {
		t.Error("Has(s1) = false")
	}
	if _, err := s.Info("s1"); err != nil {
		t.Error(err)
	}
	if err := s.Verify("s1"); err != nil {
		t.Error(err)
	}
	_, err = s.Stage("s3")
	wantErr(t, err, checkpoint.ErrReadOnly)
	_, err = s.Publish(staged, "s2")
	wantErr(t, err, checkpoint.ErrReadOnly)
	wantErr(t, s.Delete("s1"), checkpoint.ErrReadOnly)
	wantErr(t, s.Discard(staged), checkpoint.ErrReadOnly)
	for _, op := range disk.Ops() {
		if op.Writes() || op.Call == "sync" {
			t.Errorf("a read-only store did %v", op)
		}
	}
	// It may copy out of the store all the same.
	if err := s.Copy("s1", filepath.Join(t.TempDir(), "best")); err != nil {
		t.Error(err)
	}
	if _, err := owner.Publish(staged, "s2"); err != nil {
		t.Errorf("the owner was disturbed: %v", err)
	}
}
