// Package journal is the append-only event log of one run: one SQLite file
// that any SQLite tool can read while the run is going.
//
// The journal keeps rows and knows nothing of what they mean: package machine
// writes and reads their bodies. Its promise is short. [Journal.Append] records
// all its rows or none, and once it returned nil they survive a crash of the
// process and of the machine. [Journal.Read] gives the rows back in order,
// without gaps. What a run is follows from that alone: its state is a fold over
// its journal.
//
// A run has one owner, the process that holds its [Lock]. The owner appends;
// any number of others read beside it with [OpenReadOnly]. The views in
// views.sql are for people: nothing in pbt reads them.
//
// The file must be on a local disk, or on a network file system that only one
// host uses at a time: SQLite's write-ahead log lives in memory shared between
// the processes of one host.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
)

// Row is one event.
type Row struct {
	Seq     int64  // position: 1, 2, 3, … without gaps
	At      int64  // when it happened: Unix nanoseconds, by the machine's clock
	Kind    string // what happened: "decided", "leased", "finished", "failed", …
	Segment int64  // the segment it is about, 0: none
	Member  int64  // the member it is about, -1: none
	Body    []byte // the event itself: a JSON object
}

// maxBodyBytes bounds one row. An event is a few hundred bytes; a body near
// this bound is a fault, and better met here than in every reader.
const maxBodyBytes = 16 << 20

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	path     string
	reader   *reader
	accepted []string // what pbt did not make in the file, and the owner has accepted

	mu     sync.Mutex // guards what follows, and is held while a batch is made durable
	writer *writer    // nil: read-only or closed
	last   int64      // position of the newest row
}

// errClosed is what every method of a closed journal returns.
var errClosed = errors.New("it was closed before")

// Append records rows in one transaction, with one fsync: all are durable when
// it returns nil. After an error none is acknowledged, the journal is as it was,
// and the same rows may be appended again, say once there is space
// ([IsDiskFull]). If the machine loses power right after such an error, the
// batch may turn up when the journal is opened again: whole, never in part.
//
// The rows carry their own positions and must continue the journal without a
// gap. That costs the caller nothing (its state knows how many events it has
// applied) and turns every lost, doubled or reordered batch into an error here.
func (j *Journal) Append(rows []Row) error { return j.add(rows, true) }

// AppendLater records rows like Append, without waiting for the disk. They survive a
// crash of the process; a crash of the machine may take the newest of them, until Sync
// or a later Append has returned nil.
func (j *Journal) AppendLater(rows []Row) error { return j.add(rows, false) }

// Sync makes what AppendLater has recorded survive a crash of the machine.
func (j *Journal) Sync() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.writer == nil {
		return fmt.Errorf("sync journal %s: %w", j.path, errClosed)
	}
	// Another handle of the same file: an fsync is about the file. SQLite locks the
	// other two files, so that closing this one gives no lock away.
	log, err := os.OpenFile(j.path+"-wal", os.O_RDWR, 0)
	if err == nil {
		err = errors.Join(log.Sync(), log.Close())
	}
	if err != nil {
		return fmt.Errorf("sync journal %s: %w%s", j.path, err, advice(err))
	}
	return nil
}

func (j *Journal) add(rows []Row, wait bool) error {
	if len(rows) == 0 {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.append(rows, wait)
	if err != nil {
		return fmt.Errorf("append rows %d to %d to journal %s: %w%s",
			rows[0].Seq, rows[len(rows)-1].Seq, j.path, err, advice(err))
	}
	j.last = rows[len(rows)-1].Seq
	return nil
}

func (j *Journal) append(rows []Row, wait bool) error {
	if j.writer == nil {
		if j.reader.closed() {
			return errClosed
		}
		return errors.New("it is open for reading only")
	}
	for i := range rows {
		if want := j.last + 1 + int64(i); rows[i].Seq != want {
			return fmt.Errorf("row %d is out of place: the next position is %d (is a second process writing, or was a batch lost?)",
				rows[i].Seq, want)
		}
		if err := rows[i].check(); err != nil {
			return fmt.Errorf("row %d (%s): %w", rows[i].Seq, rows[i].Kind, err)
		}
	}
	if err := j.writer.wait(wait); err != nil {
		return err
	}
	return j.writer.write(rows)
}

// check tells why a row cannot be recorded. It is here, and not a CHECK in the
// schema, because one body that is no JSON would break every view for good.
func (r *Row) check() error {
	switch {
	case r.Kind == "":
		return errors.New("its kind is empty")
	case r.Segment < 0:
		return fmt.Errorf("segment is %d, want 0 (none) or more", r.Segment)
	case r.Member < -1:
		return fmt.Errorf("member is %d, want -1 (none) or more", r.Member)
	case len(r.Body) > maxBodyBytes:
		return fmt.Errorf("its body of %d bytes is over the limit of %d", len(r.Body), maxBodyBytes)
	case len(r.Body) == 0 || r.Body[0] != '{' || !json.Valid(r.Body):
		return fmt.Errorf("its body is not a JSON object: %.80q", r.Body)
	}
	return nil
}

// Read calls fn with every row after a position, in order, and stops at the
// first error, which it returns. It ends where a batch ended. The row's body is
// valid during the call only.
//
// Read beside a running Append never waits for it, nor the other way round, and
// no transaction is open while fn runs: a slow fn does not make the write-ahead
// log grow, and fn may use the journal.
func (j *Journal) Read(after int64, fn func(Row) error) error {
	return j.read(after, false, func(r Row, _ link) error { return fn(r) })
}

func (j *Journal) read(after int64, sealed bool, fn func(Row, link) error) error {
	c := chunks.Get().(*chunk)
	defer c.release()
	for {
		if err := j.reader.fetch(after, sealed, c); err != nil {
			return fmt.Errorf("read journal %s after row %d: %w%s", j.path, after, err, advice(err))
		}
		if len(c.rows) == 0 {
			return nil
		}
		for i, row := range c.rows {
			var seal link
			if sealed {
				seal = c.seals[i]
			}
			if err := fn(row, seal); err != nil {
				return err
			}
		}
		after = c.rows[len(c.rows)-1].Seq
	}
}

// Last returns the position of the newest row, 0 for an empty journal.
func (j *Journal) Last() (int64, error) {
	last, err := j.reader.last()
	if err != nil {
		return 0, fmt.Errorf("read the last row of journal %s: %w%s", j.path, err, advice(err))
	}
	return last, nil
}

// Close closes the journal. The last to close it folds the write-ahead log into
// the file, so that a finished run is one file. Closing twice is harmless.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.reader.close()
	if j.writer != nil {
		err = errors.Join(err, j.writer.close())
		j.writer = nil
	}
	if err != nil {
		return fmt.Errorf("close journal %s: %w", j.path, err)
	}
	return nil
}
