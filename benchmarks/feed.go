package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
)

// feed is a run without trainers for those who look on: a journal that is long from the
// start, and grows at a steady rate until the process is ended.
type feed struct {
	dir      string
	members  int
	segments int64 // to begin with
	rate     int   // reports a second then; 0: none, the process ends
}

// Limits of a feed.
const (
	feedSlots     = 64
	feedEvery     = 20 * time.Millisecond // between commits while it grows
	maxFeedReport = 1000                  // of a single commit: what a feed that was held up does not make up for
)

// run says "written" on standard output once the beginning is there.
func (f feed) run() error {
	d, rec, err := f.write()
	if err != nil {
		return err
	}
	defer rec.journal.Close()
	fmt.Println("written")
	if f.rate == 0 {
		return nil
	}
	return f.grow(d, rec)
}

// write makes a run of so many segments, with the checkpoints that it needs: pbt verify
// finds it in good order.
func (f feed) write() (*driver, *recorder, error) {
	if err := os.MkdirAll(f.dir, 0o777); err != nil {
		return nil, nil, err
	}
	j, err := journal.Create(filepath.Join(f.dir, engine.JournalFile))
	if err != nil {
		return nil, nil, err
	}
	d, rec, err := f.fill(j)
	if err != nil {
		return nil, nil, errors.Join(err, j.Close())
	}
	return d, rec, nil
}

func (f feed) fill(j *journal.Journal) (*driver, *recorder, error) {
	store, err := checkpoint.Open(filepath.Join(f.dir, engine.CheckpointDir))
	if err != nil {
		return nil, nil, err
	}
	digest, err := publish(store, "example") // each has the same content, and so the same digest
	if err != nil {
		return nil, nil, err
	}
	if err := store.Delete("example"); err != nil {
		return nil, nil, err
	}
	rec := &recorder{journal: j}
	d, err := newDriver(f.members, min(feedSlots, f.members), false, rec.take)
	if err != nil {
		return nil, nil, err
	}
	d.digest = digest
	for d.m.Segments() < f.segments {
		d.report()
		if len(rec.events) >= eventsPerCommit {
			if err := rec.commit(); err != nil {
				return nil, nil, err
			}
		}
	}
	for _, segment := range d.m.Needed() {
		c, _ := d.m.Checkpoint(segment)
		if _, err := publish(store, c.ID); err != nil {
			return nil, nil, err
		}
	}
	return d, rec, rec.commit()
}

// publish makes a checkpoint of 1 KiB.
func publish(store *checkpoint.Store, id string) (digest string, err error) {
	staged, err := store.Stage(id)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(staged, "weights"), make([]byte, 1<<10), 0o666); err != nil {
		return "", err
	}
	info, err := store.Publish(staged, id)
	return info.Digest, err
}

func (f feed) grow(d *driver, rec *recorder) error {
	start, reported := time.Now(), 0
	for range time.Tick(feedEvery) {
		due := int(time.Since(start).Seconds()*float64(f.rate)) - reported
		for range min(due, maxFeedReport) {
			d.now = max(d.now, time.Now().UnixNano())
			d.report()
		}
		reported += due
		if len(rec.events) > 0 {
			if err := rec.commit(); err != nil {
				return err
			}
		}
	}
	return nil
}
