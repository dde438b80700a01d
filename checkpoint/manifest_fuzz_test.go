package checkpoint

import (
	"bytes"
	"strings"
	"testing"
)

// Whatever lies in manifest.json and hashes.json: what is accepted is what pbt
// writes, byte by byte, and its paths stay inside the checkpoint.
func FuzzDecodeManifest(f *testing.F) {
	sum := strings.Repeat("0a", 32)
	f.Add([]byte(`{"version":1,"files":[{"path":"a/b","bytes":1,"sha256":"`+sum+`"}],"empty_dirs":["e"]}`+"\n"), []byte(`{}`))
	stamped := []byte(`{"version":2,"files":[{"path":"a","bytes":1,"mtime_ns":5},{"path":"b","bytes":0}],"made":{"inode":7,"at_ns":9}}` + "\n")
	f.Add(stamped, []byte(`{"version":1,"manifest":"`+digest(stamped)+`","sha256":["`+sum+`","`+sum+`"]}`+"\n"))
	f.Add([]byte(`{"version":2,"files":[{"path":"../a","bytes":-1}],"made":null}`), []byte(`{"version":1,"sha256":null}`))
	f.Add([]byte(`{"version":3}`), []byte(``))
	f.Fuzz(func(t *testing.T, data, sums []byte) {
		m, err := decodeManifest(data)
		if err != nil {
			return
		}
		if again, err := m.encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%q was accepted, and is written %q (%v)", data, again, err)
		}
		if bytes.HasPrefix(data, stampedPrefix) != (m.Version == stampedVersion) {
			t.Errorf("%q is not known by its beginning", data)
		}
		for _, e := range m.Files {
			if why := badPath(e.Path); why != "" || e.Bytes < 0 || m.Version == stampedVersion && (isHashes(e.Path) || e.SHA256 != "") {
				t.Errorf("%+v was accepted (%s)", e, why)
			}
		}
		if m.Version != stampedVersion || m.decodeHashes(sums, data) != nil {
			return
		}
		if again, err := m.encodeHashes(data); err != nil || !bytes.Equal(again, sums) {
			t.Errorf("%q was accepted, and is written %q (%v)", sums, again, err)
		}
	})
}
