package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// linkBytes is how much of each SHA-256 a row keeps: enough that nobody finds two
// journals with the same end.
const linkBytes = 16

// link is a row's seal: a hash of the row and of the seal before it. Whoever
// alters, inserts or removes a row must change every seal after it, and a copy
// of the last one, kept elsewhere, gives even that away.
type link [linkBytes]byte

// sealer computes links without allocating.
type sealer struct {
	last link
	text []byte
}

func (s *sealer) seal(r *Row) link {
	b := append(s.text[:0], s.last[:]...)
	for _, x := range [...]int64{r.Seq, r.At, r.Segment, r.Member, int64(len(r.Kind))} {
		b = binary.LittleEndian.AppendUint64(b, uint64(x))
	}
	b = append(b, r.Kind...)
	b = append(b, r.Body...)
	s.text = b
	sum := sha256.Sum256(b)
	copy(s.last[:], sum[:])
	return s.last
}

func (l link) appendHex(b []byte) []byte { return hex.AppendEncode(b, l[:]) }

func parseLink(text []byte) (l link, err error) {
	if len(text) != hex.EncodedLen(linkBytes) {
		return l, fmt.Errorf("a row's seal has %d digits, want %d: %w", len(text), hex.EncodedLen(linkBytes), errDamaged)
	}
	_, err = hex.Decode(l[:], text)
	return l, err
}

// sealOf reads a row's seal. What is no seal is one that no row has.
func sealOf(text []byte) link {
	l, err := parseLink(text)
	if err != nil {
		return link{}
	}
	return l
}

// ReadVerified is Read from the first row on, with every seal recomputed. altered is nil
// for the rows that are as they were appended; from the first one on that is not, or that
// follows another one than it did, it names that row and is [ErrAltered].
func (j *Journal) ReadVerified(fn func(r Row, altered error) error) error {
	check := sealer{}
	var altered error
	return j.read(0, true, func(r Row, have link) error {
		if altered == nil && check.seal(&r) != have {
			altered = fmt.Errorf("%w: row %d (%s), or the one before it, is not as it was written", ErrAltered, r.Seq, r.Kind)
		}
		return fn(r, altered)
	})
}

// Verify recomputes the seal of every row and compares. The error names the first
// row that is not what was appended, or that follows another one than it did.
func (j *Journal) Verify() error {
	err := j.ReadVerified(func(_ Row, altered error) error { return altered })
	if err != nil {
		return fmt.Errorf("verify journal %s: %w", j.path, err)
	}
	return nil
}

// SealAt returns the seal of a row, in hexadecimal digits: "" where there is no such
// row. Two journals with the same seal at a position have the same rows up to it, so
// whoever keeps a seal notices when a journal has lost its end and grown another.
func (j *Journal) SealAt(seq int64) (string, error) {
	l, err := j.reader.linkAt(max(0, seq))
	if err != nil {
		return "", fmt.Errorf("read the seal of row %d of journal %s: %w%s", seq, j.path, err, advice(err))
	}
	if l == (link{}) {
		return "", nil
	}
	return string(l.appendHex(nil)), nil
}

// linkAt is the seal of a row, zero before the first one and after the last.
func (r *reader) linkAt(seq int64) (l link, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return l, errClosed
	}
	if seq == 0 {
		return l, nil
	}
	defer r.sealed.reset()
	r.sealed.bindInt(1, seq-1)
	if more, err := r.sealed.step(); err != nil || !more {
		return l, err
	}
	return parseLink(r.sealed.text(6))
}
