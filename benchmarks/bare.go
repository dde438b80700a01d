package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt/journal"
)

// bareLoop makes the system calls that a segment needs, and nothing else: nothing
// is decided, checked or known. It is as much of a competitor as can be: it
// neither lists nor reads again what was saved, and it, too, deletes beside the
// loop and commits one segment while it saves another.
type bareLoop struct {
	dir      string
	disk     bool // make checkpoints; otherwise only commit
	manifest []byte
	journal  *journal.Journal
	rows     []journal.Row // of one segment after another
	old      chan string   // checkpoints to delete
	deleted  chan error

	number atomic.Int64
	mu     sync.Mutex // serialises commits
	seq    int64
	kept   []string
	split  split
}

// rowsPerSegment: decided, leased, finished.
const rowsPerSegment = 3

func newBareLoop(dir string, rows []journal.Row, disk bool) (*bareLoop, error) {
	l := &bareLoop{
		dir: dir, disk: disk, manifest: make([]byte, 150), rows: rows[:len(rows)/rowsPerSegment*rowsPerSegment],
		old: make(chan string, 1<<10), deleted: make(chan error, 1),
	}
	for _, d := range []string{dir, l.path(".staging"), l.path(".trash")} {
		if err := os.Mkdir(d, 0o777); err != nil {
			return nil, err
		}
	}
	var err error
	l.journal, err = journal.Create(filepath.Join(dir, "journal.sqlite"))
	go l.sweep()
	return l, err
}

func (l *bareLoop) path(name string) string { return l.dir + "/" + name }

// turn does n segments in so many goroutines.
func (l *bareLoop) turn(n, goroutines int) error {
	work, ended := make(chan struct{}, n), make(chan error, goroutines)
	for range n {
		work <- struct{}{}
	}
	close(work)
	for range goroutines {
		go func() {
			var err error
			for range work {
				err = errors.Join(err, l.segment())
			}
			ended <- err
		}()
	}
	var err error
	for range goroutines {
		err = errors.Join(err, <-ended)
	}
	return err
}

func (l *bareLoop) segment() error {
	id := fmt.Sprintf("s%09d", l.number.Add(1))
	var s split
	if l.disk {
		if err := l.checkpoint(id, &s); err != nil {
			return err
		}
	}
	return l.commit(id, s)
}

// checkpoint makes a directory with one file and a manifest last.
func (l *bareLoop) checkpoint(id string, s *split) error {
	staged := l.path(".staging/" + id)
	start := time.Now()
	if err := os.Mkdir(staged, 0o777); err != nil {
		return err
	}
	s.stage, start = lap(start)
	if err := os.WriteFile(staged+"/weights", weights, 0o666); err != nil {
		return err
	}
	s.save, start = lap(start)
	err := syncClose(os.Open(staged + "/weights"))
	if err == nil {
		err = l.writeManifest(staged)
	}
	if err == nil {
		err = syncClose(os.Open(staged))
	}
	if err == nil {
		err = os.Rename(staged, l.path(id))
	}
	if err == nil {
		err = syncClose(os.Open(l.dir))
	}
	s.publish, _ = lap(start)
	return err
}

func (l *bareLoop) writeManifest(staged string) error {
	m, err := os.OpenFile(staged+"/manifest.json", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	_, err = m.Write(l.manifest)
	return syncClose(m, err)
}

// commit records the rows of a segment, and what it took so far. As many
// checkpoints are kept as there are members.
func (l *bareLoop) commit(id string, s split) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	start := time.Now()
	rows := make([]journal.Row, rowsPerSegment)
	for i := range rows {
		rows[i] = l.rows[l.seq%int64(len(l.rows))]
		l.seq++
		rows[i].Seq = l.seq
	}
	err := l.journal.Append(rows)
	s.journal, _ = lap(start)
	s.segments = 1
	l.split = l.split.plus(s)
	if l.kept = append(l.kept, id); l.disk && len(l.kept) > segmentMembers {
		l.old <- l.kept[0]
		l.kept = l.kept[1:]
	}
	return err
}

// sweep deletes as the engine does: out of the way first, then for good.
func (l *bareLoop) sweep() {
	var err error
	for id := range l.old {
		trashed := l.path(".trash/" + id)
		err = errors.Join(err, os.Rename(l.path(id), trashed), syncClose(os.Open(l.dir)),
			os.Remove(trashed+"/weights"), os.Remove(trashed+"/manifest.json"), os.Remove(trashed))
	}
	l.deleted <- err
}

func (l *bareLoop) close() error {
	close(l.old)
	return errors.Join(<-l.deleted, l.journal.Close())
}

func lap(start time.Time) (int64, time.Time) {
	now := time.Now()
	return int64(now.Sub(start)), now
}

func syncClose(f *os.File, err error) error {
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
