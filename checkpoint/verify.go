package checkpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
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

// Verify reads the whole checkpoint and compares it with its manifest. It
// returns ErrMissing, a *CorruptError for the first difference, or the disk's
// own error where the disk cannot say.
func (s *Store) Verify(id string) error {
	if err := CheckID(id); err != nil {
		return explain("verify", id, err)
	}
	if err := s.verify(id); err != nil {
		return explain("verify", id, s.orMissing(id, err))
	}
	return nil
}

func (s *Store) verify(id string) error {
	m, _, err := s.readManifest(id)
	if err != nil {
		return err
	}
	if _, err := s.compareTree(id, m); err != nil {
		return err
	}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	for _, want := range m.Files {
		if err := s.compareFile(h, id, want, nil); err != nil {
			return err
		}
	}
	return nil
}

// orMissing names the plain reason for an error: the checkpoint is not there.
// That includes one which its owner deleted while a read-only store beside it
// was reading, and which must not be called corrupt.
func (s *Store) orMissing(id string, err error) error {
	if _, look := s.disk.Lstat(s.path(id)); errors.Is(look, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s", ErrMissing, s.path(id))
	}
	return err
}

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
// compares it with its entry.
func (s *Store) compareFile(h *hasher, id string, want fileEntry, w io.Writer) error {
	f, err := s.disk.Open(filepath.Join(s.path(id), filepath.FromSlash(want.Path)))
	if errors.Is(err, fs.ErrNotExist) {
		return &CorruptError{id, want.Path, MissingFile, ""}
	}
	if err != nil {
		return err
	}
	defer f.Close()
	have, err := h.measure(want.Path, f, w)
	switch {
	case err != nil:
		return err
	case have.Bytes != want.Bytes:
		return &CorruptError{id, want.Path, WrongSize, fmt.Sprintf("%d bytes were published, %d are there", want.Bytes, have.Bytes)}
	case have.SHA256 != want.SHA256:
		return &CorruptError{id, want.Path, WrongHash, fmt.Sprintf("sha256 %s was published, %s is there", want.SHA256, have.SHA256)}
	}
	return nil
}
