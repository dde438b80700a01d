package journal

import (
	_ "embed"
	"errors"
	"fmt"
)

var (
	//go:embed schema.sql
	schemaSQL string
	//go:embed views.sql
	viewsSQL string
)

// applicationID is the letters "pbtj" in the file's header: how a journal is
// told from any other SQLite file, by pbt and by file(1).
const applicationID = 0x7062746a

// oldestReadable is the oldest version whose events table has today's columns.
// A reader takes it as it is; bringing it up to date needs the owner.
const oldestReadable = 1

// schema is what a version of pbt knows about journals. There is one in use,
// current; tests make others.
type schema struct {
	steps []string // steps[i] takes a journal from version i to version i+1
	views string   // dropped and made again at every step: they hold no data
}

var current = schema{steps: []string{schemaSQL}, views: viewsSQL}

// version is the version of the journals that s writes.
func (s schema) version() int64 { return int64(len(s.steps)) }

// build writes an empty journal to a path where no file is.
func (s schema) build(path string) error {
	c, err := openConn(path, readWriteCreate)
	if err != nil {
		return err
	}
	// 4096 bytes are a block of nearly every file system, and the least that a
	// commit writes: larger pages would make each commit write more.
	err = c.exec("PRAGMA page_size = 4096; " + writerPragmas)
	if err == nil {
		err = s.upgrade(c, 0)
	}
	if err == nil {
		err = c.exec("PRAGMA journal_mode = WAL")
	}
	return errors.Join(err, c.close())
}

// identify returns the version of the journal that c is open on, or says in one
// sentence why it cannot be used.
func (s schema) identify(c *conn) (version int64, err error) {
	id, err := c.queryInt("PRAGMA application_id")
	switch {
	case primaryCode(err) == codeNotADB:
		return 0, errors.New("it is not a pbt journal (not even an SQLite file): check the path")
	case err != nil:
		return 0, err
	case id != applicationID:
		return 0, fmt.Errorf("it is not a pbt journal (its SQLite application_id is %#x, not %#x): check the path", id, applicationID)
	}
	version, err = c.queryInt("PRAGMA user_version")
	switch {
	case err != nil:
		return 0, err
	case version > s.version():
		return 0, fmt.Errorf("it has version %d and this pbt knows versions up to %d: use the pbt that wrote it, or a newer one",
			version, s.version())
	case version < oldestReadable:
		return 0, fmt.Errorf("it has version %d and this pbt reads versions %d to %d: use the pbt that wrote it",
			version, oldestReadable, s.version())
	}
	return version, nil
}

// upgrade brings a journal from a version to the present one, in one transaction.
func (s schema) upgrade(c *conn, from int64) error {
	if from == s.version() {
		return nil
	}
	return c.transact(func() error {
		for i := from; i < s.version(); i++ {
			if err := c.exec(s.steps[i]); err != nil {
				return fmt.Errorf("upgrade from version %d to %d: %w", i, i+1, err)
			}
		}
		if err := s.renewViews(c); err != nil {
			return fmt.Errorf("make the views of version %d: %w", s.version(), err)
		}
		return c.exec(fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, s.version()))
	})
}

func (s schema) renewViews(c *conn) error {
	old, err := c.queryTexts("SELECT name FROM sqlite_master WHERE type = 'view'")
	if err != nil {
		return err
	}
	for _, name := range old {
		if err := c.exec(fmt.Sprintf("DROP VIEW %q", name)); err != nil {
			return err
		}
	}
	return c.exec(s.views)
}
