package journal

import (
	"errors"
	"fmt"
)

// writerPragmas hold for the owner's connection.
//
//   - synchronous: with FULL each commit ends with an fsync of the log. With
//     NORMAL a power cut would take acknowledged rows with it. fullfsync is the
//     same word on macOS, where plain fsync stops at the drive's cache.
//   - wal_autocheckpoint: every 1000 pages (4 MiB, some 500 segments) one commit
//     also copies the log into the file, in a few milliseconds. Rarer would be
//     no faster per commit, would make that one commit slower, and would leave
//     more to read through after a crash.
//   - journal_size_limit: a log that one huge batch or one patient reader made
//     large gives its space back.
//   - cache_size: an appender comes back to the last page only; 1 MiB is plenty.
const writerPragmas = `
	PRAGMA synchronous = FULL;
	PRAGMA fullfsync = ON;
	PRAGMA checkpoint_fullfsync = ON;
	PRAGMA wal_autocheckpoint = 1000;
	PRAGMA journal_size_limit = 16777216;
	PRAGMA cache_size = -1024`

// writer is the one connection that appends. It is used under Journal.mu.
type writer struct {
	conn   *conn
	begin  *stmt
	insert *stmt
	commit *stmt
	lazy   bool   // synchronous is NORMAL at the moment
	seals  sealer // continues from the newest durable row
	hex    []byte

	accepted []string // what pbt did not make in the file
}

func (s schema) openWriter(path string, accept bool) (*writer, error) {
	if err := mustExist(path); err != nil {
		return nil, err
	}
	c, err := openConn(path, readWrite)
	if err != nil {
		return nil, err
	}
	w := &writer{conn: c}
	if err := w.prepare(s, accept); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *writer) prepare(s schema, accept bool) error {
	version, err := s.identify(w.conn)
	if err != nil {
		return err
	}
	if w.accepted, err = s.refuseForeign(w.conn, version, accept); err != nil {
		return err
	}
	// journal_mode is kept in the file, but a copy made with other tools may
	// have lost it.
	if err := w.conn.exec(writerPragmas + "; PRAGMA journal_mode = WAL"); err != nil {
		return err
	}
	if err := s.upgrade(w.conn, version); err != nil {
		return err
	}
	for _, p := range []struct {
		to  **stmt
		sql string
	}{
		{&w.begin, "BEGIN IMMEDIATE"},
		{&w.insert, "INSERT INTO events (seq, at, kind, segment, member, body, seal) VALUES (?, ?, ?, ?, ?, ?, ?)"},
		{&w.commit, "COMMIT"},
	} {
		if *p.to, err = w.conn.prepare(p.sql); err != nil {
			return err
		}
	}
	return nil
}

// wait says whether a commit ends with an fsync of the log. The first that does makes
// all before it durable too: they are in the same file.
func (w *writer) wait(forDisk bool) error {
	if forDisk == !w.lazy {
		return nil
	}
	level := "NORMAL"
	if forDisk {
		level = "FULL"
	}
	if err := w.conn.exec("PRAGMA synchronous = " + level); err != nil {
		return err
	}
	w.lazy = !forDisk
	return nil
}

// write records rows in one transaction.
func (w *writer) write(rows []Row) error {
	before := w.seals.last
	err := w.begin.run()
	if err != nil {
		return err
	}
	for i := range rows {
		if err = w.insertRow(&rows[i]); err != nil {
			err = fmt.Errorf("row %d: %w", rows[i].Seq, err)
			break
		}
	}
	if err == nil {
		err = w.commit.run()
	}
	if err != nil {
		w.seals.last = before
		err = errors.Join(err, w.conn.undo())
	}
	return err
}

func (w *writer) insertRow(r *Row) error {
	w.insert.bindInt(1, r.Seq)
	w.insert.bindInt(2, r.At)
	w.insert.bindText(3, r.Kind)
	w.insert.bindIntOrNull(4, r.Segment, r.Segment == 0)
	w.insert.bindIntOrNull(5, r.Member, r.Member == -1)
	w.insert.bindBytes(6, r.Body)
	w.hex = w.seals.seal(r).appendHex(w.hex[:0])
	w.insert.bindBytes(7, w.hex)
	return w.insert.run()
}

// close folds the log into the file where it can. SQLite does so only when the
// last process closes, and a reader that stays longer than the owner may not.
// What cannot be folded stays in the log, which is as durable.
func (w *writer) close() error {
	for _, s := range []*stmt{w.begin, w.insert, w.commit} {
		if s != nil {
			s.close()
		}
	}
	if w.commit != nil {
		_ = w.conn.exec("PRAGMA busy_timeout = 100; PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return w.conn.close()
}
