package journal

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// This file is the package's one door to SQLite: the dozen functions of its C
// interface that a journal needs, as modernc.org/sqlite/lib translates them to
// Go. The driver for database/sql above that library spends seven allocations
// on each row read: a million rows take it 0.8 s and 270 MB of garbage, against
// 0.25 s and none here. Addresses of C memory stay inside this file.

func init() {
	sqlite3.PatchIssue199() // Linux on arm64 with pages other than 4 KiB; the driver does the same
}

// busyTimeoutMs is how long a statement waits for another program's lock. Only
// a stranger's write transaction or the very moment of another's recovery can
// make it wait.
const busyTimeoutMs = 10_000

// openMode says what a connection may do.
type openMode int

const (
	readWrite openMode = iota
	readWriteCreate
	readOnly  // takes part in locking
	immutable // does not: nobody changes the file
	inMemory  // no file: the path is empty
)

// conn is one connection, used by one goroutine at a time.
type conn struct {
	tls *libc.TLS
	db  uintptr
}

func openConn(path string, mode openMode) (*conn, error) {
	// An absolute path: SQLite gives names such as ":memory:" a meaning, and
	// the process may change its directory.
	name, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	flags := sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_EXRESCODE
	switch mode {
	case readWrite:
		flags |= sqlite3.SQLITE_OPEN_READWRITE
	case readWriteCreate:
		flags |= sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE
	case readOnly:
		flags |= sqlite3.SQLITE_OPEN_READONLY
	case inMemory:
		flags |= sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_MEMORY
		name = ":memory:"
	case immutable:
		flags |= sqlite3.SQLITE_OPEN_READONLY | sqlite3.SQLITE_OPEN_URI
		name = (&url.URL{Scheme: "file", Path: name, RawQuery: "immutable=1"}).String()
	}
	c := &conn{tls: libc.NewTLS()}
	handle := c.alloc(unsafe.Sizeof(uintptr(0)))
	defer c.free(handle)
	cname := c.cString(name)
	defer c.free(cname)
	rc := sqlite3.Xsqlite3_open_v2(c.tls, cname, handle, int32(flags), 0)
	c.db = *at[uintptr](handle)
	if rc == sqlite3.SQLITE_OK {
		rc = sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, busyTimeoutMs)
	}
	if rc != sqlite3.SQLITE_OK {
		return nil, errors.Join(c.error(rc), c.close())
	}
	if mode == readWrite && c.isReadOnly() {
		return nil, errors.Join(c.error(sqlite3.SQLITE_READONLY), c.close())
	}
	return c, nil
}

// isReadOnly tells whether SQLite opened the file for reading only, which it
// does unasked where it cannot write.
func (c *conn) isReadOnly() bool {
	main := c.cString("main")
	defer c.free(main)
	return sqlite3.Xsqlite3_db_readonly(c.tls, c.db, main) == 1
}

func (c *conn) close() error {
	rc := sqlite3.Xsqlite3_close(c.tls, c.db)
	if rc != sqlite3.SQLITE_OK {
		return c.error(rc)
	}
	c.tls.Close()
	return nil
}

// exec runs any number of statements and drops the rows they return.
func (c *conn) exec(sql string) error {
	csql := c.cString(sql)
	defer c.free(csql)
	return c.error(sqlite3.Xsqlite3_exec(c.tls, c.db, csql, 0, 0, 0))
}

// transact runs f in a transaction that holds the write lock from the start.
// After an error the transaction is undone.
func (c *conn) transact(f func() error) error {
	if err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := f()
	if err == nil {
		err = c.exec("COMMIT")
	}
	if err != nil {
		return errors.Join(err, c.undo())
	}
	return nil
}

// undo ends a transaction that has failed. SQLite does so by itself after some
// errors, not after all.
func (c *conn) undo() error {
	if sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) != 0 {
		return nil
	}
	return c.exec("ROLLBACK")
}

// queryInt returns the integer that a query gives.
func (c *conn) queryInt(sql string) (int64, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return 0, err
	}
	defer s.close()
	if _, err := s.step(); err != nil {
		return 0, err
	}
	return s.int(0), nil
}

// queryTexts returns the first column of a query.
func (c *conn) queryTexts(sql string) ([]string, error) {
	s, err := c.prepare(sql)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var texts []string
	for {
		more, err := s.step()
		if err != nil || !more {
			return texts, err
		}
		texts = append(texts, string(s.text(0)))
	}
}

// error turns SQLite's result code for the latest call into an error.
func (c *conn) error(rc int32) error {
	if rc == sqlite3.SQLITE_OK {
		return nil
	}
	e := &sqliteError{code: int(rc), msg: libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))}
	if c.db == 0 {
		return e
	}
	// The connection's message is about its latest call, which may be another.
	if sqlite3.Xsqlite3_extended_errcode(c.tls, c.db) == rc {
		if detail := libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db)); detail != e.msg {
			e.msg += ": " + detail
		}
	}
	if code := rc & 0xff; code == codeIOErr || code == codeCantOpen {
		e.errno = syscall.Errno(sqlite3.Xsqlite3_system_errno(c.tls, c.db))
	}
	// The journal was there a moment ago: what was not found is the shared memory
	// file that SQLite could not make, and the name of the error would mislead.
	if e.errno == syscall.ENOENT {
		e.errno = 0
	}
	return e
}

// stmt is a prepared statement. Parameters count from 1, columns from 0.
type stmt struct {
	conn  *conn
	ptr   uintptr
	texts []cBuffer // by parameter: what is bound to it, kept to be used again
	err   error     // first error of a bind since the last run
}

func (c *conn) prepare(sql string) (*stmt, error) {
	csql := c.cString(sql)
	defer c.free(csql)
	handle := c.alloc(unsafe.Sizeof(uintptr(0)))
	defer c.free(handle)
	rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, csql, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, handle, 0)
	if rc != sqlite3.SQLITE_OK {
		return nil, c.error(rc)
	}
	s := &stmt{conn: c, ptr: *at[uintptr](handle)}
	s.texts = make([]cBuffer, sqlite3.Xsqlite3_bind_parameter_count(c.tls, s.ptr)+1)
	return s, nil
}

func (s *stmt) close() {
	sqlite3.Xsqlite3_finalize(s.conn.tls, s.ptr) // repeats the error of the last step, if any
	for _, t := range s.texts {
		s.conn.free(t.ptr)
	}
}

func (s *stmt) bindInt(param int32, v int64) {
	s.bound(sqlite3.Xsqlite3_bind_int64(s.conn.tls, s.ptr, param, v))
}

func (s *stmt) bindIntOrNull(param int32, v int64, null bool) {
	if null {
		s.bound(sqlite3.Xsqlite3_bind_null(s.conn.tls, s.ptr, param))
		return
	}
	s.bindInt(param, v)
}

func (s *stmt) bindText(param int32, v string) {
	copy(s.roomFor(param, len(v)), v)
	s.bindRoom(param, len(v))
}

// bindBytes binds v as text too.
func (s *stmt) bindBytes(param int32, v []byte) {
	copy(s.roomFor(param, len(v)), v)
	s.bindRoom(param, len(v))
}

// roomFor returns n bytes of C memory that live until the next run. SQLite is
// given those and not the caller's bytes, because Go may move a stack.
func (s *stmt) roomFor(param int32, n int) []byte {
	t := &s.texts[param]
	if t.size < n {
		s.conn.free(t.ptr)
		t.size = max(n, 2*t.size, 512)
		t.ptr = s.conn.alloc(uintptr(t.size))
	}
	return bytesAt(t.ptr, n)
}

func (s *stmt) bindRoom(param int32, n int) {
	s.bound(sqlite3.Xsqlite3_bind_text(s.conn.tls, s.ptr, param, s.texts[param].ptr, int32(n), sqlite3.SQLITE_STATIC))
}

func (s *stmt) bound(rc int32) {
	if rc != sqlite3.SQLITE_OK && s.err == nil {
		s.err = s.conn.error(rc)
	}
}

// run executes a statement that returns no rows, once.
func (s *stmt) run() error {
	_, err := s.step()
	s.reset()
	return err
}

// step goes to the next row and tells whether there is one.
func (s *stmt) step() (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	switch rc := sqlite3.Xsqlite3_step(s.conn.tls, s.ptr); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		return false, nil
	default:
		return false, s.conn.error(rc)
	}
}

// reset makes the statement ready to run again and ends its read transaction.
func (s *stmt) reset() {
	sqlite3.Xsqlite3_reset(s.conn.tls, s.ptr) // repeats the error of the last step, if any
	s.err = nil
}

func (s *stmt) int(col int32) int64 {
	return sqlite3.Xsqlite3_column_int64(s.conn.tls, s.ptr, col)
}

// intOr returns the integer in a column, or none for NULL.
func (s *stmt) intOr(col int32, none int64) int64 {
	if sqlite3.Xsqlite3_column_type(s.conn.tls, s.ptr, col) == sqlite3.SQLITE_NULL {
		return none
	}
	return s.int(col)
}

// text returns the text in a column, valid until the next step.
func (s *stmt) text(col int32) []byte {
	p := sqlite3.Xsqlite3_column_text(s.conn.tls, s.ptr, col)
	if p == 0 {
		return nil
	}
	return bytesAt(p, int(sqlite3.Xsqlite3_column_bytes(s.conn.tls, s.ptr, col)))
}

// cBuffer is memory of the C library.
type cBuffer struct {
	ptr  uintptr
	size int
}

func (c *conn) cString(s string) uintptr {
	p := c.alloc(uintptr(len(s) + 1))
	b := bytesAt(p, len(s)+1)
	copy(b, s)
	b[len(s)] = 0
	return p
}

func (c *conn) alloc(n uintptr) uintptr {
	p := libc.Xmalloc(c.tls, types.Size_t(n))
	if p == 0 {
		// As the Go runtime does when it can get no memory for a make.
		panic(fmt.Sprintf("journal: out of memory allocating %d bytes", n))
	}
	return p
}

func (c *conn) free(p uintptr) {
	if p != 0 {
		libc.Xfree(c.tls, p)
	}
}

// at looks at C memory. The detour over &p tells vet that the address is not
// one of Go's, which may not be kept in a uintptr.
func at[T any](p uintptr) *T { return *(**T)(unsafe.Pointer(&p)) }

func bytesAt(p uintptr, n int) []byte { return unsafe.Slice(at[byte](p), n) }
