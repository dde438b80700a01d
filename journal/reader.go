package journal

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// A chunk is what Read fetches in one go: small enough to keep in the
// processor's cache and to hold a connection for well under a millisecond,
// large enough that starting the query anew for each costs nothing.
const (
	chunkRows  = 1024
	chunkBytes = 256 << 10
)

type chunk struct {
	rows   []Row
	seals  []link // of the rows, if they were asked for
	bodies []byte // backs the rows' bodies
}

var chunks = sync.Pool{New: func() any {
	return &chunk{rows: make([]Row, 0, chunkRows), bodies: make([]byte, 0, chunkBytes)}
}}

// release keeps the chunk for the next Read, unless a huge body made it grow.
func (c *chunk) release() {
	if cap(c.bodies) == chunkBytes {
		chunks.Put(c)
	}
}

// fits tells whether another body goes in without moving those already there.
// One that is larger than a whole chunk gets a chunk of its own.
func (c *chunk) fits(body []byte) bool {
	return len(c.rows) == 0 || len(c.rows) < chunkRows && len(c.bodies)+len(body) <= cap(c.bodies)
}

// add appends a row, with a copy of its body.
func (c *chunk) add(r Row) {
	start := len(c.bodies)
	c.bodies = append(c.bodies, r.Body...)
	r.Body = c.bodies[start:len(c.bodies):len(c.bodies)]
	c.rows = append(c.rows, r)
}

// maxKinds bounds the kinds a reader remembers; pbt knows some twenty.
const maxKinds = 256

// reader is the one connection that reads, shared by all readers of a Journal:
// each holds it for one chunk at a time.
type reader struct {
	mu      sync.Mutex
	conn    *conn // nil: closed
	rows    *stmt
	sealed  *stmt // the same rows, with their seals
	newest  *stmt
	kindsOf map[string]string // so that a million rows share a few strings
}

// readerPragmas: cell_size_check finds a damaged page when it is read, not when
// something odd comes out of it; the views may call nothing but SQLite's own
// harmless functions, whoever wrote the file. The cache needs to hold the path
// from the root to one leaf.
const readerPragmas = `
	PRAGMA cell_size_check = ON;
	PRAGMA trusted_schema = OFF;
	PRAGMA cache_size = -1024`

// openReader opens a journal without any wish to write. SQLite needs a shared
// memory file beside a journal with a write-ahead log, even to read. Where it
// cannot make one, the journal is taken for a file that nobody changes, provided
// no log says otherwise.
func (s schema) openReader(path string) (*reader, error) {
	if err := mustExist(path); err != nil {
		return nil, err
	}
	r, err := s.openReaderAs(path, readOnly)
	if err == nil || !deniesSharedMemory(err) {
		return r, err
	}
	if log, statErr := os.Stat(path + "-wal"); statErr == nil && log.Size() > 0 {
		return nil, fmt.Errorf("%w; its newest rows are in %s-wal, which cannot be read without writing to this directory: "+
			"copy the journal together with that file to a directory you can write to, and open it there", err, path)
	}
	return s.openReaderAs(path, immutable)
}

func (s schema) openReaderAs(path string, mode openMode) (*reader, error) {
	c, err := openConn(path, mode)
	if err != nil {
		return nil, err
	}
	r := &reader{conn: c, kindsOf: map[string]string{}}
	if err := r.prepare(s); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *reader) prepare(s schema) error {
	if _, err := s.identify(r.conn); err != nil {
		return err
	}
	if err := r.conn.exec(readerPragmas); err != nil {
		return err
	}
	var err error
	r.rows, err = r.conn.prepare("SELECT seq, at, kind, segment, member, body FROM events WHERE seq > ? ORDER BY seq")
	if err != nil {
		return err
	}
	r.sealed, err = r.conn.prepare("SELECT seq, at, kind, segment, member, body, seal FROM events WHERE seq > ? ORDER BY seq")
	if err != nil {
		return err
	}
	r.newest, err = r.conn.prepare("SELECT coalesce(max(seq), 0) FROM events")
	return err
}

// fetch fills a chunk with the rows after a position.
func (r *reader) fetch(after int64, sealed bool, into *chunk) error {
	into.rows, into.seals, into.bodies = into.rows[:0], into.seals[:0], into.bodies[:0]
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return errClosed
	}
	rows := r.rows
	if sealed {
		rows = r.sealed
	}
	defer rows.reset()
	rows.bindInt(1, max(after, 0))
	for want := max(after, 0) + 1; ; want++ {
		more, err := rows.step()
		if err != nil || !more {
			return err
		}
		row := r.row(rows)
		if row.Seq != want {
			return fmt.Errorf("row %d is missing, the next is %d: %w", want, row.Seq, errDamaged)
		}
		if !into.fits(row.Body) {
			return nil
		}
		if sealed {
			into.seals = append(into.seals, sealOf(rows.text(6)))
		}
		into.add(row)
	}
}

// row is what a statement stands on; its body is valid until the next step.
func (r *reader) row(s *stmt) Row {
	return Row{
		Seq:     s.int(0),
		At:      s.int(1),
		Kind:    r.kind(s.text(2)),
		Segment: s.intOr(3, 0),
		Member:  s.intOr(4, -1),
		Body:    s.text(5),
	}
}

// kind returns the kind as a string that is made once.
func (r *reader) kind(text []byte) string {
	if k, ok := r.kindsOf[string(text)]; ok {
		return k
	}
	k := string(text)
	if len(r.kindsOf) < maxKinds {
		r.kindsOf[k] = k
	}
	return k
}

func (r *reader) last() (int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return 0, errClosed
	}
	defer r.newest.reset()
	if _, err := r.newest.step(); err != nil {
		return 0, err
	}
	return r.newest.int(0), nil
}

func (r *reader) closed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn == nil
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil
	}
	for _, s := range []*stmt{r.rows, r.sealed, r.newest} {
		if s != nil {
			s.close()
		}
	}
	err := r.conn.close()
	r.conn = nil
	return err
}
