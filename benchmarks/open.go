package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
)

func init() {
	children["write"] = child(writeChild)
	children["fold"] = child(foldChild)
	children["process"] = child(func(command []string) (func() (Sample, error), error) {
		return func() (Sample, error) { return wholeProcess(command[0], command[1:]...) }, nil
	})
}

// journalSetting is a run's journal to be written or opened.
type journalSetting struct {
	Dir     string
	Members int
	Slots   int
	Events  int64
}

// writeChild writes the journal of a run that has gone on for long.
func writeChild(s journalSetting) (func() (Sample, error), error) {
	return func() (Sample, error) { return timed(1, func() error { return writeJournal(s) }) }, nil
}

const eventsPerCommit = 10_000

func writeJournal(s journalSetting) (err error) {
	if err := os.MkdirAll(s.Dir, 0o777); err != nil {
		return err
	}
	j, err := journal.Create(filepath.Join(s.Dir, engine.JournalFile))
	if err != nil {
		return err
	}
	defer func() {
		if closing := j.Close(); err == nil {
			err = closing
		}
	}()
	rec := &recorder{journal: j}
	d, err := newDriver(s.Members, s.Slots, false, rec.take)
	if err != nil {
		return err
	}
	for rec.seq+int64(len(rec.events)) < s.Events {
		d.report()
		if len(rec.events) >= eventsPerCommit {
			if err := rec.commit(); err != nil {
				return err
			}
		}
	}
	return rec.commit()
}

// foldChild opens a journal as resume and status do. Each process opens it once,
// so that the most memory it ever held is that.
func foldChild(s journalSetting) (func() (Sample, error), error) {
	return func() (Sample, error) {
		sample, err := timed(1, func() error {
			j, err := journal.OpenReadOnly(filepath.Join(s.Dir, engine.JournalFile))
			if err != nil {
				return err
			}
			defer j.Close()
			m, last, err := engine.Fold(j, config.SpecOf)
			if err == nil && (last < s.Events || m.Counts().Finished == 0) {
				err = fmt.Errorf("%d events were read, written were %d", last, s.Events)
			}
			return err
		})
		sample.Bytes = peakMemory()
		return sample, err
	}, nil
}

// once lets a child take one turn in a process of its own.
func once(name string, setting any) (s Sample, err error) {
	c, err := newContender(name, setting)
	if err != nil {
		return s, err
	}
	s, err = c.turn()
	if closing := c.close(); err == nil {
		err = closing
	}
	return s, err
}

// benchOpen opens journals of a million events.
func benchOpen(b *bench) ([]Row, error) {
	pbt, err := b.binary()
	if err != nil {
		return nil, err
	}
	t := &Table{Columns: []string{"events", "members", "open: s", "s CPU", "peak MB", "pbt status --json: s", "s CPU", "peak MB", "journal MB"}}
	var seconds, megabytes float64
	events := int64(b.pick(1_000_000, 50_000))
	for _, s := range []journalSetting{
		{Members: 100, Slots: fewSlots, Events: events / 10}, {Members: 100, Slots: fewSlots, Events: events},
		{Members: 10_000, Slots: 256, Events: events},
	} {
		s.Dir = filepath.Join(b.dir, fmt.Sprintf("journal-%d-%d", s.Members, s.Events))
		if _, err := once("write", s); err != nil {
			return nil, err
		}
		folds, status, err := openTwice(pbt, s, b.pick(7, 1))
		if err != nil {
			return nil, err
		}
		info, err := os.Stat(filepath.Join(s.Dir, engine.JournalFile))
		if err != nil {
			return nil, err
		}
		wall, peak := median(folds, Sample.WallEach)/1e9, median(folds, peakOf)
		t.add(s.Events, s.Members, wall, median(folds, Sample.CPUEach)/1e9, peak,
			median(status, Sample.WallEach)/1e9, median(status, Sample.CPUEach)/1e9, median(status, peakOf), float64(info.Size())/1e6)
		seconds, megabytes = max(seconds, wall), max(megabytes, peak)
	}
	return []Row{
		{Measure: fmt.Sprintf("opening a journal of %s events", number(float64(events))), Target: atMost(3), Unit: "s", Value: seconds, Table: t,
			Note: "Wall time in a process of its own, medians; the dearer of the populations."},
		{Measure: "memory that takes, at its peak", Target: atMost(500), Unit: "MB", Value: megabytes},
	}, nil
}

func peakOf(s Sample) float64 { return s.Bytes / 1e6 }

// openTwice opens a journal both as a library and as a command, in turns.
func openTwice(pbt string, s journalSetting, rounds int) (folds, status []Sample, err error) {
	for range rounds {
		f, err := once("fold", s)
		if err != nil {
			return nil, nil, err
		}
		p, err := once("process", []string{pbt, "status", "--json", s.Dir}) // from a small process: see wholeProcess
		if err != nil {
			return nil, nil, err
		}
		folds, status = append(folds, f), append(status, p)
	}
	return folds, status, nil
}

// wholeProcess runs a command from its start to its end.
func wholeProcess(name string, args ...string) (Sample, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	start := time.Now()
	out, err := cmd.Output()
	wall := time.Since(start)
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", cmd, err)
	}
	if slices.Contains(args, "--json") && !json.Valid(out) {
		return Sample{}, fmt.Errorf("%s printed %.80q", cmd, out)
	}
	// The peak is never below what this process held when it forked.
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return Sample{
		N: 1, Wall: wall, CPU: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), Bytes: float64(usage.Maxrss) * 1024,
	}, nil
}
