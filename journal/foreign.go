package journal

import (
	"errors"
	"fmt"
	"strings"
)

// ErrAltered says that a journal is not as pbt wrote it.
var ErrAltered = errors.New("the journal was altered")

// object is an entry of an SQLite file's schema.
type object struct{ kind, name, sql string }

func (o object) String() string { return fmt.Sprintf("the %s %.80q", o.kind, o.name) }

// statistics are the tables that ANALYZE makes. They change how a query is run, not what it returns.
var statistics = []string{"sqlite_stat1", "sqlite_stat4"}

// objects lists what a file's schema holds.
func (c *conn) objects() ([]object, error) {
	s, err := c.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer s.close()
	var all []object
	for {
		more, err := s.step()
		if err != nil || !more {
			return all, err
		}
		all = append(all, object{string(s.text(0)), string(s.text(1)), string(s.text(2))})
	}
}

// expected is what the schema of a journal of a version holds, by name.
func (s schema) expected(version int64) (map[string]object, error) {
	c, err := openConn("", inMemory)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for i := range version {
		if err := c.exec(s.steps[i]); err != nil {
			return nil, err
		}
	}
	if err := c.exec(s.views); err != nil && version == s.version() {
		return nil, err
	}
	all, err := c.objects()
	known := map[string]object{}
	for _, o := range all {
		known[o.name] = o
	}
	return known, err
}

// foreign lists what a journal of a version holds that pbt did not make: a trigger or a table with
// other columns could change what is recorded. A view of pbt's may have another text: pbt reads none,
// and the views of one version have changed.
func (s schema) foreign(c *conn, version int64) (strange []object, stale bool, err error) {
	known, err := s.expected(version)
	if err != nil {
		return nil, false, err
	}
	all, err := c.objects()
	for _, o := range all {
		want, ok := known[o.name]
		switch {
		case ok && o == want, o.kind == "index" && o.sql == "": // a table's own index
		case ok && o.kind == "view" && want.kind == "view":
			stale = true
		case o.kind == "table" && (o.name == statistics[0] || o.name == statistics[1]):
		case o.kind == "view" && version < s.version(): // an upgrade makes all views anew
		default:
			strange = append(strange, o)
		}
	}
	return strange, stale, err
}

// refuseForeign fails if a journal holds what pbt did not make, unless the caller accepts that:
// then it drops what could act, and returns what there was.
func (s schema) refuseForeign(c *conn, version int64, accept bool) (found []string, err error) {
	strange, stale, err := s.foreign(c, version)
	if err != nil {
		return nil, err
	}
	for _, o := range strange {
		found = append(found, o.String())
		if !accept || o.kind == "table" {
			continue
		}
		if err := c.exec(fmt.Sprintf(`DROP %s IF EXISTS "%s"`, o.kind, strings.ReplaceAll(o.name, `"`, `""`))); err != nil {
			return nil, fmt.Errorf("drop %s: %w", o, err)
		}
	}
	if len(found) > 0 && !accept {
		return nil, fmt.Errorf("%w: it holds %s, which pbt did not make and which may change what is recorded: drop it with sqlite3, or accept it with `pbt resume --accept-altered`",
			ErrAltered, strings.Join(found, ", "))
	}
	if stale && version == s.version() {
		err = c.transact(func() error { return s.renewViews(c) })
	}
	return found, err
}

// Foreign names what the journal's file holds that pbt did not make: triggers, views, tables, indexes.
func (j *Journal) Foreign() ([]string, error) {
	strange, err := j.reader.foreign(current)
	if err != nil {
		return nil, fmt.Errorf("read the schema of journal %s: %w%s", j.path, err, advice(err))
	}
	names := make([]string, len(strange))
	for i, o := range strange {
		names[i] = o.String()
	}
	return names, nil
}

func (r *reader) foreign(s schema) ([]object, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return nil, errClosed
	}
	version, err := s.identify(r.conn)
	if err != nil {
		return nil, err
	}
	strange, _, err := s.foreign(r.conn, version)
	return strange, err
}

// Accepted names what OpenAltered found in the file that pbt did not make.
func (j *Journal) Accepted() []string { return j.accepted }
