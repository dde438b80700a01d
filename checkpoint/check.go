package checkpoint

import "fmt"

// AnotherError says that a checkpoint is not the one that was recorded: its manifest has another digest.
type AnotherError struct {
	ID         string
	Want, Have string // digests
}

// Error implements error.
func (e *AnotherError) Error() string {
	return fmt.Sprintf("checkpoint %s is another one than the journal recorded (digest %.16s…, not %.16s…)", e.ID, e.Have, e.Want)
}

// Sizes compares the checkpoint id with the digest that was recorded ("" for none) and its
// files' names and sizes with its manifest. It reads the manifest and no file, so it suits
// a look at all checkpoints of a run at once.
func (s *Store) Sizes(id, digest string) (Info, error) {
	return s.check(id, digest, s.compareSizes)
}

// Expect is Unchanged for the checkpoint with a recorded digest ("" for none).
func (s *Store) Expect(id, digest string) (Info, error) {
	return s.check(id, digest, s.lookUnchanged)
}

// ExamineExpected is Examine for the checkpoint with a recorded digest ("" for none).
func (s *Store) ExamineExpected(id, digest string) (Examined, error) {
	found, err := s.Examine(id)
	if err == nil {
		err = another(found.Info, digest)
	}
	return found, err
}

func another(info Info, digest string) error {
	if digest != "" && info.Digest != digest {
		return &AnotherError{info.ID, digest, info.Digest}
	}
	return nil
}

func (s *Store) check(id, digest string, more func(id string, m *manifest, encoded []byte) error) (Info, error) {
	if err := CheckID(id); err != nil {
		return Info{}, explain("look at", id, err)
	}
	m, encoded, err := s.readManifest(id)
	if err != nil {
		return Info{}, explain("look at", id, s.orMissing(id, err))
	}
	info := m.info(id, encoded)
	if err := another(info, digest); err != nil {
		return info, err
	}
	if err := more(id, m, encoded); err != nil {
		return info, explain("look at", id, s.orMissing(id, err))
	}
	return info, nil
}

// compareSizes compares the names and sizes of a checkpoint's files with its manifest.
func (s *Store) compareSizes(id string, m *manifest, _ []byte) error {
	if _, err := s.compareTree(id, m); err != nil {
		return err
	}
	for _, want := range m.Files {
		info, err := s.look(s.path(id), want.Path)
		if err != nil {
			return err
		}
		if info.Size() != want.Bytes {
			return wrongSize(id, want.Path, want.Bytes, info.Size())
		}
	}
	return nil
}
