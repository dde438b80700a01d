package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
)

// feed is a run without trainers for those who look on: a journal that is long from the
// start, and grows at a steady rate until the process is ended.
type feed struct {
	dir      string
	members  int
	segments int64 // to begin with
	rate     int   // reports a second then
}

// Limits of a feed.
const (
	feedSlots     = 64
	feedEvery     = 20 * time.Millisecond // between commits while it grows
	maxFeedReport = 1000                  // of a single commit: what a feed that was held up does not make up for
)

// run says "written" on standard output once the beginning is there.
func (f feed) run() error {
	if err := os.MkdirAll(f.dir, 0o777); err != nil {
		return err
	}
	j, err := journal.Create(filepath.Join(f.dir, engine.JournalFile))
	if err != nil {
		return err
	}
	defer j.Close()
	rec := &recorder{journal: j}
	d, err := newDriver(f.members, min(feedSlots, f.members), false, rec.take)
	if err != nil {
		return err
	}
	for d.m.Segments() < f.segments {
		d.report()
		if len(rec.events) >= eventsPerCommit {
			if err := rec.commit(); err != nil {
				return err
			}
		}
	}
	if err := rec.commit(); err != nil {
		return err
	}
	fmt.Println("written")
	return f.grow(d, rec)
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
