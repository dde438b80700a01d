package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"sync"
)

// The two names in a checkpoint that belong to pbt.
const (
	manifestName = "manifest.json"
	hashesName   = "hashes.json"
)

// Versions of the manifest; any other one means another pbt.
const (
	hashedVersion  = 1 // holds the SHA-256 of each file
	stampedVersion = 2 // holds the time of each file; hashes.json, if it is there, the hashes
)

// manifest is the content of manifest.json: one line of JSON, in exactly the
// bytes that encode gives, so that its hash stands for the checkpoint.
type manifest struct {
	Version int         `json:"version"`
	Files   []fileEntry `json:"files"` // sorted by path
	// EmptyDirs are the directories that no file implies, sorted. Some formats
	// have them (TensorFlow's assets/) and do not load without.
	EmptyDirs []string `json:"empty_dirs,omitempty"`
	Made      *made    `json:"made,omitempty"` // of stampedVersion
}

type fileEntry struct {
	Path    string `json:"path"` // relative, with '/'
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256,omitempty"`   // hex; of hashedVersion
	MtimeNS int64  `json:"mtime_ns,omitempty"` // of stampedVersion
}

// made tells a manifest where it was published from its copies: see inPlace.
type made struct {
	Inode uint64 `json:"inode"` // of manifest.json itself
	AtNS  int64  `json:"at_ns"` // its time when it was created, empty
}

// encode gives the manifest's bytes.
func (m *manifest) encode() ([]byte, error) {
	data, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	if len(data) >= MaxManifestBytes {
		return nil, &treeError{manifestName, fmt.Sprintf("would be larger than %d bytes: save fewer files, under shorter names", MaxManifestBytes)}
	}
	return append(data, '\n'), nil
}

// decodeManifest accepts only what encode writes. A manifest that was edited,
// however harmlessly, is no longer what the trainer's report was accepted for.
func decodeManifest(data []byte) (*manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("larger than %d bytes", MaxManifestBytes)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	if m.Version != hashedVersion && m.Version != stampedVersion {
		return nil, fmt.Errorf("version %d, and this pbt reads versions %d and %d: use the pbt that wrote it", m.Version, hashedVersion, stampedVersion)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if canonical, err := m.encode(); err != nil || !bytes.Equal(canonical, data) {
		return nil, errors.New("not in the form that pbt writes")
	}
	return &m, nil
}

// check guards those who act on the paths of a manifest, such as Copy.
func (m *manifest) check() error {
	stamped := m.Version == stampedVersion
	if stamped != (m.Made != nil) {
		return errors.New("not of its version")
	}
	for _, f := range m.Files {
		if why := badPath(f.Path); why != "" {
			return fmt.Errorf("%.160q %s", f.Path, why)
		}
		if stamped == (f.SHA256 != "") || !stamped && f.MtimeNS != 0 || stamped && isHashes(f.Path) {
			return fmt.Errorf("%.160q is not as its version has it", f.Path)
		}
		if f.Bytes < 0 {
			return fmt.Errorf("%s: %d bytes", f.Path, f.Bytes)
		}
	}
	for _, dir := range m.EmptyDirs {
		if why := badPath(dir); why != "" {
			return fmt.Errorf("%.160q %s", dir, why)
		}
	}
	byPath := func(a, b fileEntry) int { return strings.Compare(a.Path, b.Path) }
	if !slices.IsSortedFunc(m.Files, byPath) || !slices.IsSorted(m.EmptyDirs) {
		return errors.New("not sorted by path")
	}
	return nil
}

// info sums the manifest up.
func (m *manifest) info(id string, encoded []byte) Info {
	info := Info{ID: id, Files: len(m.Files), Digest: digest(encoded)}
	for _, f := range m.Files {
		info.Bytes += f.Bytes
	}
	return info
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// hashBufferBytes is large enough that reading is not what limits hashing.
const hashBufferBytes = 128 << 10

// hasher measures files one after another; a pool keeps its buffer alive
// between publishes.
type hasher struct {
	hash hash.Hash
	buf  []byte
}

var hashers = sync.Pool{New: func() any {
	return &hasher{hash: sha256.New(), buf: make([]byte, hashBufferBytes)}
}}

// measure reads r to its end and gives its entry in a manifest. What it reads,
// it writes to w, unless w is nil.
func (h *hasher) measure(path string, r io.Reader, w io.Writer) (fileEntry, error) {
	h.hash.Reset()
	var size int64
	for {
		n, err := r.Read(h.buf)
		size += int64(n)
		h.hash.Write(h.buf[:n]) // never fails
		if w != nil && n > 0 {
			if _, err := w.Write(h.buf[:n]); err != nil {
				return fileEntry{}, err
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return fileEntry{}, err
		}
	}
	var sum [sha256.Size]byte
	return fileEntry{Path: path, Bytes: size, SHA256: hex.EncodeToString(h.hash.Sum(sum[:0]))}, nil
}
