package journal

import (
	"errors"
	"fmt"
	"syscall"

	sqlite3 "modernc.org/sqlite/lib"
)

// IsDiskFull tells whether err says that no more can be written: the disk is
// full, or the user's quota is. A failed Append leaves the journal as it was, so
// the caller may wait for space and append the same rows again.
func IsDiskFull(err error) bool {
	return primaryCode(err) == codeFull ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// SQLite's primary result codes that are told apart here.
const (
	codeBusy     = sqlite3.SQLITE_BUSY
	codeReadOnly = sqlite3.SQLITE_READONLY
	codeIOErr    = sqlite3.SQLITE_IOERR
	codeCorrupt  = sqlite3.SQLITE_CORRUPT
	codeFull     = sqlite3.SQLITE_FULL
	codeCantOpen = sqlite3.SQLITE_CANTOPEN
	codeNotADB   = sqlite3.SQLITE_NOTADB
)

// sqliteError is what SQLite answered.
type sqliteError struct {
	code  int           // extended result code
	errno syscall.Errno // the operating system's reason, 0: none
	msg   string
}

func (e *sqliteError) Error() string {
	if e.errno != 0 {
		return fmt.Sprintf("%s: %s (SQLite code %d)", e.msg, e.errno.Error(), e.code)
	}
	return fmt.Sprintf("%s (SQLite code %d)", e.msg, e.code)
}

// Unwrap gives the operating system's reason to errors.Is.
func (e *sqliteError) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// primaryCode returns SQLite's code without its details, 0 for another error.
func primaryCode(err error) int {
	if e, ok := errors.AsType[*sqliteError](err); ok {
		return e.code & 0xff
	}
	return 0
}

// deniesSharedMemory tells whether opening failed for want of a file that SQLite
// would have to create beside the journal.
func deniesSharedMemory(err error) bool {
	code := primaryCode(err)
	return code == codeCantOpen || code == codeReadOnly
}

// errDamaged marks a journal whose content contradicts itself.
var errDamaged = errors.New("the journal is damaged")

// advice ends an error with what to do about it.
func advice(err error) string {
	code := primaryCode(err)
	switch {
	case IsDiskFull(err):
		return "; free some space and try again: nothing of this was recorded, and what was recorded before is safe"
	case code == codeCorrupt, code == codeNotADB, errors.Is(err, errDamaged):
		return "; the file is damaged: put back a copy of it, or keep it and see what `sqlite3 FILE .recover` can save"
	case code == codeBusy:
		return "; another program has locked it: end that program's transaction, or the program"
	case code == codeReadOnly, code == codeCantOpen:
		return "; this process may not write there: check the owner and the mode of the file and of its directory"
	case code == codeIOErr:
		return "; the disk did not do as it was told: check it (dmesg) before going on"
	}
	return ""
}
