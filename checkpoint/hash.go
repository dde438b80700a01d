package checkpoint

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"
)

// Hash reads the checkpoint id, if it has not been hashed yet, and keeps the
// hashes beside its manifest: whole or not at all, whenever the power fails, and
// for good once Hash returns. It returns a digest, SHA-256 in hex, that stands
// for every byte of the checkpoint.
//
// If files were written to after they were published, or are while Hash reads,
// it keeps nothing and returns ErrChanged. It gives up when ctx is done, or when
// the checkpoint is deleted (ErrMissing).
func (s *Store) Hash(ctx context.Context, id string) (digest string, err error) {
	if err := s.mayChange(id); err != nil {
		return "", explain("hash", id, err)
	}
	call := &hashing{ctx: ctx, id: id}
	s.mu.Lock()
	s.hashing[call] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.hashing, call)
		s.mu.Unlock()
	}()
	digest, err = s.hash(call)
	if err != nil && call.deleted.Load() {
		err = ErrMissing // else a new one of that id would pass for a late write
	}
	if err != nil {
		return "", explain("hash", id, s.orMissing(id, err))
	}
	return digest, nil
}

// HashesLater tells whether Publish leaves a checkpoint of so many bytes to Hash.
func (s *Store) HashesLater(bytes int64) bool { return bytes > s.hashAtOnce }

// Unhashed returns the ids of the checkpoints that wait for Hash, sorted.
func (s *Store) Unhashed() ([]string, error) {
	ids, err := s.List()
	if err != nil {
		return nil, err
	}
	waiting := ids[:0]
	for _, id := range ids {
		switch is, err := s.isUnhashed(id); {
		case err != nil && !errors.Is(err, fs.ErrNotExist): // else it was deleted meanwhile
			return nil, explain("look at", id, err)
		case is:
			waiting = append(waiting, id)
		}
	}
	return waiting, nil
}

// stampedPrefix begins a manifest without hashes: enough to know it by.
var stampedPrefix = fmt.Appendf(nil, `{"version":%d,`, stampedVersion)

func (s *Store) isUnhashed(id string) (bool, error) {
	if _, err := s.disk.Lstat(s.hashesPath(id)); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	f, err := s.disk.Open(s.manifestPath(id))
	if err != nil {
		return false, err
	}
	defer f.Close()
	begins := make([]byte, len(stampedPrefix))
	n, err := io.ReadFull(f, begins)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return false, err
	}
	return bytes.Equal(begins[:n], stampedPrefix), nil
}

// hashing is one call of Hash.
type hashing struct {
	ctx     context.Context
	id      string
	deleted atomic.Bool
}

// stop says why the call should go no further.
func (c *hashing) stop() error {
	if c.deleted.Load() {
		return ErrMissing
	}
	return context.Cause(c.ctx)
}

// pacedReader reads a file of a call that may be called off, and lets other
// goroutines go first: nobody waits for hashes.
type pacedReader struct {
	io.Reader
	call *hashing
}

func (r pacedReader) Read(p []byte) (int, error) {
	runtime.Gosched()
	if err := r.call.stop(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

func (s *Store) hash(call *hashing) (string, error) {
	m, encoded, err := s.readManifest(call.id)
	if err != nil {
		return "", err
	}
	if m.Version == hashedVersion {
		return digest(encoded), nil
	}
	switch sums, err := s.readHashes(call.id, m, encoded); {
	case err != nil:
		return "", err
	case sums != nil: // by a process, maybe, that was killed before they lasted
		return digest(sums), syncPath(s.disk, s.path(call.id))
	}
	before, err := s.unchanged(call.id, m)
	if err != nil {
		return "", err
	}
	for i := range m.Files {
		if err := s.hashFile(call, &m.Files[i]); err != nil {
			return "", err
		}
	}
	if err := s.stillUnchanged(call.id, m, before); err != nil {
		return "", err
	}
	sums, err := m.encodeHashes(encoded)
	if err != nil {
		return "", err
	}
	return digest(sums), s.keepHashes(call, sums)
}

// hashFile reads one file and notes its hash in its entry.
func (s *Store) hashFile(call *hashing, entry *fileEntry) error {
	f, err := s.disk.Open(filepath.Join(s.path(call.id), filepath.FromSlash(entry.Path)))
	if err != nil {
		return err
	}
	defer f.Close()
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	have, err := h.measure(entry.Path, pacedReader{f, call}, nil)
	if err != nil {
		return err
	}
	if have.Bytes != entry.Bytes {
		return lateWrite(call.id, entry.Path, fmt.Sprintf("it had %d bytes, and %d were read", entry.Bytes, have.Bytes))
	}
	entry.SHA256 = have.SHA256
	return nil
}

// stillUnchanged compares the stamps after reading with those before: in a copy,
// the manifest's times cannot tell of a write.
func (s *Store) stillUnchanged(id string, m *manifest, before []fileEntry) error {
	after, err := s.unchanged(id, m)
	if err != nil {
		return err
	}
	for i := range after {
		if after[i] != before[i] {
			return lateWrite(id, after[i].Path, "while it was read")
		}
	}
	return nil
}

// keepHashes writes hashes.json under another name and gives it its own by one
// rename, unless the checkpoint is gone or has them meanwhile.
func (s *Store) keepHashes(call *hashing, sums []byte) error {
	draft := filepath.Join(s.staging, s.uniqueName(call.id))
	err := writeNew(s.disk, draft, sums)
	if err == nil {
		err = s.nameHashes(call, draft)
	}
	if err == nil {
		return nil
	}
	if rest := s.disk.Remove(draft); rest != nil && !errors.Is(rest, fs.ErrNotExist) {
		err = errors.Join(err, rest) // the next Open sweeps it
	}
	return err
}

func (s *Store) nameHashes(call *hashing, draft string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := call.stop(); err != nil {
		return err
	}
	switch _, err := s.disk.Lstat(s.hashesPath(call.id)); {
	case err == nil: // another call was faster; it may not have made them last
		if err := s.disk.Remove(draft); err != nil {
			return err
		}
		return syncPath(s.disk, s.path(call.id))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return moveDurably(s.disk, draft, s.hashesPath(call.id))
}

// callOffAndRename moves a checkpoint out of the reach of those who hash it.
func (s *Store) callOffAndRename(id, to string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for call := range s.hashing {
		if call.id == id {
			call.deleted.Store(true)
		}
	}
	return s.disk.Rename(s.path(id), to)
}

func (s *Store) hashesPath(id string) string { return filepath.Join(s.dir, id, hashesName) }

// hashesVersion is the only version of hashes.json there is.
const hashesVersion = 1

// hashes is the content of hashes.json, in one line as the manifest is.
type hashes struct {
	Version  int      `json:"version"`
	Manifest string   `json:"manifest"` // its SHA-256: these are the hashes of no other checkpoint
	SHA256   []string `json:"sha256"`   // of its files, in its order
}

// encodeHashes gives the bytes of hashes.json for a manifest whose entries have
// their hashes.
func (m *manifest) encodeHashes(encoded []byte) ([]byte, error) {
	sums := hashes{Version: hashesVersion, Manifest: digest(encoded)}
	for _, f := range m.Files {
		sums.SHA256 = append(sums.SHA256, f.SHA256)
	}
	data, err := json.Marshal(sums)
	return append(data, '\n'), err
}

// decodeHashes puts the hashes into the manifest's entries, and accepts only what
// encodeHashes writes for it.
func (m *manifest) decodeHashes(data, encoded []byte) error {
	var sums hashes
	if err := json.Unmarshal(data, &sums); err != nil {
		return err
	}
	switch {
	case sums.Version != hashesVersion:
		return fmt.Errorf("version %d, and this pbt reads version %d: use the pbt that wrote it", sums.Version, hashesVersion)
	case len(sums.SHA256) != len(m.Files):
		return fmt.Errorf("%d hashes for %d files", len(sums.SHA256), len(m.Files))
	}
	filled := *m
	filled.Files = slices.Clone(m.Files)
	for i, sum := range sums.SHA256 {
		if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != sum {
			return fmt.Errorf("%.80q is not a SHA-256", sum)
		}
		filled.Files[i].SHA256 = sum
	}
	if canonical, err := filled.encodeHashes(encoded); err != nil || !bytes.Equal(canonical, data) {
		return errors.New("not of this manifest, or not in the form that pbt writes")
	}
	m.Files = filled.Files
	return nil
}

// readHashes puts the hashes of hashes.json into the manifest's entries and
// returns the file's bytes, nil if it is not there.
func (s *Store) readHashes(id string, m *manifest, encoded []byte) ([]byte, error) {
	f, err := s.disk.Open(s.hashesPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxManifestBytes+1))
	if err != nil {
		return nil, err
	}
	if err := m.decodeHashes(data, encoded); err != nil {
		return nil, &CorruptError{id, hashesName, BadManifest, err.Error()}
	}
	return data, nil
}
