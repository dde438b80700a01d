package journal

import (
	"errors"
	"fmt"
)

// errNoRow is a position that the journal does not have.
var errNoRow = errors.New("there is no such row")

// At calls fn with the rows at some positions, in the order given, and stops at the
// first error, which it returns. A position without a row is an error. For each row
// it costs a few microseconds; what Read promises holds here too.
func (j *Journal) At(seqs []int64, fn func(Row) error) error {
	c := chunks.Get().(*chunk)
	defer c.release()
	for len(seqs) > 0 {
		if err := j.reader.pick(seqs, c); err != nil {
			return fmt.Errorf("read row %d of journal %s: %w%s", seqs[len(c.rows)], j.path, err, advice(err))
		}
		for _, row := range c.rows {
			if err := fn(row); err != nil {
				return err
			}
		}
		seqs = seqs[len(c.rows):]
	}
	return nil
}

// pick fills a chunk with the rows at the first of some positions.
func (r *reader) pick(seqs []int64, into *chunk) error {
	into.rows, into.bodies = into.rows[:0], into.bodies[:0]
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return errClosed
	}
	for _, seq := range seqs {
		full, err := r.pickOne(seq, into)
		if err != nil || full {
			return err
		}
	}
	return nil
}

// pickOne adds the row at a position to a chunk, unless it is full.
func (r *reader) pickOne(seq int64, into *chunk) (full bool, err error) {
	defer r.rows.reset()
	r.rows.bindInt(1, max(seq, 1)-1)
	more, err := r.rows.step()
	if err != nil {
		return false, err
	}
	if !more {
		return false, errNoRow
	}
	row := r.row(r.rows)
	switch {
	case row.Seq != seq:
		return false, errNoRow
	case !into.fits(row.Body):
		return true, nil
	}
	into.add(row)
	return false, nil
}
