package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// Info reads the manifest of the checkpoint id and sums it up. It does not look
// at the files: compare the Digest with the journal's to know that the manifest
// is the one that was published, and Verify to know that the files are its.
func (s *Store) Info(id string) (Info, error) {
	if err := CheckID(id); err != nil {
		return Info{}, explain("read", id, err)
	}
	m, encoded, err := s.readManifest(id)
	if err != nil {
		return Info{}, explain("read", id, s.orMissing(id, err))
	}
	return m.info(id, encoded), nil
}

// Examined is what Examine found to be in good order.
type Examined struct {
	Info
	// Hashed says that every byte was compared. If it is false, the checkpoint has
	// not been hashed yet, and names, sizes and times were.
	Hashed bool
}

// Verify reads the whole checkpoint and compares it with its manifest. It
// returns ErrMissing, a *CorruptError for the first difference, or the disk's
// own error where the disk cannot say. Of one that has not been hashed yet there
// is less to compare: see Examine.
func (s *Store) Verify(id string) error {
	_, err := s.Examine(id)
	return err
}

// Examine verifies a checkpoint and says how much there was to compare.
func (s *Store) Examine(id string) (Examined, error) {
	if err := CheckID(id); err != nil {
		return Examined{}, explain("verify", id, err)
	}
	found, err := s.examine(id)
	if err != nil {
		return Examined{}, explain("verify", id, s.orMissing(id, err))
	}
	return found, nil
}

func (s *Store) examine(id string) (found Examined, err error) {
	m, encoded, err := s.readManifest(id)
	if err != nil {
		return found, err
	}
	found.Info = m.info(id, encoded)
	if _, err := s.compareTree(id, m); err != nil {
		return found, err
	}
	if found.Hashed, err = s.addHashes(id, m, encoded); err != nil {
		return found, err
	}
	if !found.Hashed {
		_, err := s.unchanged(id, m)
		return found, err
	}
	return found, s.compareFiles(id, m)
}

// compareFiles reads the files of a checkpoint and compares them with their entries.
func (s *Store) compareFiles(id string, m *manifest) error {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for _, want := range m.Files {
		if _, err := s.compareFile(h, id, want, nil); err != nil {
			return err
		}
	}
	return nil
}

// addHashes puts the hashes into the manifest's entries, if there are any yet.
func (s *Store) addHashes(id string, m *manifest, encoded []byte) (hashed bool, err error) {
	if m.Version == hashedVersion {
		return true, nil
	}
	sums, err := s.readHashes(id, m, encoded)
	return sums != nil, err
}

// orMissing names the plain reason for an error: the checkpoint is not there.
// That includes one which its owner deleted while a read-only store beside it
// was reading, and which must not be called corrupt.
// A link in the checkpoint, or in its place, is the checkpoint's fault and not the disk's.
func (s *Store) orMissing(id string, err error) error {
	if _, look := s.disk.Lstat(s.path(id)); errors.Is(look, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrMissing, s.path(id))
	}
	if bad := (*CorruptError)(nil); notOurs(err) && !errors.As(err, &bad) {
		return &CorruptError{id, ".", ExtraFile, err.Error()}
	}
	return err
}

// notOurs says that a link, or what holds no bytes of its own, is where a file or a
// directory should be.
func notOurs(err error) bool { return errors.Is(err, disk.ErrLink) || errors.Is(err, disk.ErrKind) }

// readManifest reads manifest.json, decoded and as it is.
func (s *Store) readManifest(id string) (*manifest, []byte, error) {
	f, err := s.disk.Open(s.manifestPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, &CorruptError{id, manifestName, MissingFile, ""}
	}
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	encoded, err := io.ReadAll(io.LimitReader(f, MaxManifestBytes+1))
	if err != nil {
		return nil, nil, err
	}
	m, err := decodeManifest(encoded)
	if err != nil {
		return nil, nil, &CorruptError{id, manifestName, BadManifest, err.Error()}
	}
	return m, encoded, nil
}

// compareTree compares the names on the disk with those in the manifest.
func (s *Store) compareTree(id string, m *manifest) (tree, error) {
	t, err := readTree(s.disk, s.path(id))
	if bad := (*treeError)(nil); errors.As(err, &bad) {
		return tree{}, &CorruptError{id, bad.path, ExtraFile, bad.why}
	}
	if err != nil {
		return tree{}, err
	}
	files := make([]string, len(m.Files))
	for i, f := range m.Files {
		files[i] = f.Path
	}
	if m.Version == stampedVersion {
		t.files = slices.DeleteFunc(t.files, func(path string) bool { return path == hashesName })
	}
	for _, pair := range []struct{ want, have []string }{{files, t.files}, {m.EmptyDirs, t.emptyDirs}} {
		if path, problem := firstDifference(pair.want, pair.have); problem != "" {
			return tree{}, &CorruptError{id, path, problem, ""}
		}
	}
	return t, nil
}

// firstDifference compares two sorted lists of paths.
func firstDifference(want, have []string) (string, Problem) {
	for i := range max(len(want), len(have)) {
		switch {
		case i == len(want):
			return have[i], ExtraFile
		case i == len(have):
			return want[i], MissingFile
		case want[i] < have[i]:
			return want[i], MissingFile
		case want[i] > have[i]:
			return have[i], ExtraFile
		}
	}
	return "", ""
}

// compareFile reads one file of a checkpoint, to w if it is not nil, and
// compares it with its entry, which may be without a hash. It returns the entry
// as it should be.
func (s *Store) compareFile(h *hasher, id string, want fileEntry, w io.Writer) (have fileEntry, err error) {
	f, err := s.disk.Open(filepath.Join(s.path(id), filepath.FromSlash(want.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return have, &CorruptError{id, want.Path, MissingFile, ""}
	}
	if err != nil {
		return have, err
	}
	defer f.Close()
	have, err = h.measure(want.Path, f, w)
	switch {
	case err != nil:
		return have, err
	case have.Bytes != want.Bytes:
		return have, wrongSize(id, want.Path, want.Bytes, have.Bytes)
	case want.SHA256 != "" && have.SHA256 != want.SHA256:
		return have, &CorruptError{id, want.Path, WrongHash, fmt.Sprintf("sha256 %s was published, %s is there", want.SHA256, have.SHA256)}
	}
	return have, nil
}
