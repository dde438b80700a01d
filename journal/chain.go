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

// Verify recomputes the seal of every row and compares. The error names the first
// row that is not what was appended, or that follows another one than it did.
func (j *Journal) Verify() error {
	check := sealer{}
	err := j.reader.eachSeal(func(r *Row, have link) error {
		if check.seal(r) != have {
			return fmt.Errorf("row %d (%s), or the one before it, is not as it was written", r.Seq, r.Kind)
		}
		return nil
	})
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

// sealRows is how many rows eachSeal reads without letting go of the connection.
const sealRows = 4096

// eachSeal calls fn with every row and its seal, in order.
func (r *reader) eachSeal(fn func(*Row, link) error) error {
	after, more := int64(0), true
	for more {
		var err error
		if after, more, err = r.someSeals(after, fn); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) someSeals(after int64, fn func(*Row, link) error) (last int64, more bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return after, false, errClosed
	}
	defer r.sealed.reset()
	r.sealed.bindInt(1, after)
	for range sealRows {
		if more, err = r.sealed.step(); err != nil || !more {
			return after, false, err
		}
		row := r.row(r.sealed)
		have, err := parseLink(r.sealed.text(6))
		if err == nil {
			err = fn(&row, have)
		}
		if err != nil {
			return after, false, err
		}
		after = row.Seq
	}
	return after, true, nil
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
