package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// Dir is the folder of the cursors in a run's directory.
const Dir = "sinks"

// cursor says how far a sink has come. It is a small file that is replaced as a
// whole, after what it tells of has been delivered.
type cursor struct {
	Run    string          `json:"run"`
	Target string          `json:"target"`
	mark                   // the last event delivered
	Opened int64           `json:"opened"`         // when a process last took the run, of what was delivered: Unix nanoseconds
	Anew   int             `json:"anew,omitempty"` // how often the journal was found to have lost what was delivered
	State  json.RawMessage `json:"state,omitempty"`
}

// desk is where one sink's cursor is kept, in the hands of one process.
type desk struct {
	run  disk.Dir
	path string // of the cursor, in the run's directory
	lock *os.File
}

// errBusy says that another process feeds the sink.
var errBusy = errors.New("another process feeds this sink of the run")

// takeDesk opens the desk of a sink, or returns errBusy.
func takeDesk(runDir, name string) (*desk, error) {
	run := disk.In(runDir)
	if err := run.MkdirAll(Dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the folder of the sinks' cursors: %w", err)
	}
	path := filepath.Join(Dir, name)
	f, err := run.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = errBusy
		}
		return nil, err
	}
	return &desk{run: run, path: path + ".cursor", lock: f}, nil
}

// load reads the cursor; one that is not there, or not readable, or of another run
// or target, is that of the beginning.
func (d *desk) load(run, target string) (c cursor, known bool, err error) {
	fresh := cursor{Run: run, Target: target}
	text, err := d.run.ReadFile(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, false, nil
	}
	if err != nil {
		return fresh, false, fmt.Errorf("read a sink's cursor: %w", err)
	}
	if json.Unmarshal(text, &c) != nil || c.Run != run || c.Target != target || c.Seq < 0 {
		return fresh, false, nil
	}
	return c, true, nil
}

// save replaces the cursor, and returns when that is durable.
func (d *desk) save(c cursor) error {
	text, err := json.Marshal(c)
	if err == nil {
		err = replaceFile(d.run, d.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("write a sink's cursor: %w", err)
	}
	return nil
}

func (d *desk) leave() { d.lock.Close() }

// replaceFile needs no draft of a new name: a desk is in the hands of one process.
func replaceFile(dir disk.Dir, path string, text []byte) error {
	draft := path + ".new"
	if err := dir.Remove(draft); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := dir.Create(draft, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return dir.Rename(draft, path)
}
