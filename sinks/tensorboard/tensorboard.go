// Package tensorboard writes a run as TensorBoard event files: a TensorBoard run
// for each member, at the steps that the member itself has trained, and one for the
// ancestry of the best weights, at the weights' own steps. So no curve jumps where a
// member copied another.
package tensorboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
)

// The names of TensorBoard's runs and tags.
const (
	bestRun   = "best"
	scoreTag  = "score"
	metricTag = "metrics/"
	hyperTag  = "hypers/"
)

// Sink writes into a directory. What it writes is a function of the events, and it
// remembers how long each file is: a tail that a killed process left is cut off.
type Sink struct {
	dir    string
	around disk.Dir // where dir lies
	base   string   // its name there
	run    *feed.Run
	state  state
	path   map[int64][]byte // the records of the segments in the best run
	stale  string           // the best run's old file, which goes once the cursor knows of the new one

	restUntil time.Time // when the best run may be stitched again
}

// state is what the cursor keeps for the sink.
type state struct {
	Files   map[string]int64  `json:"files"`           // lengths, by paths within the directory
	Best    int64             `json:"best"`            // the segment that the best run ends with
	Version int               `json:"version"`         // of the best run's file
	Texts   map[string]string `json:"texts,omitempty"` // the newest of each member's run
}

// New returns a sink that writes into a directory of its own.
func New(dir string) *Sink {
	around, base := disk.Beside(dir)
	return &Sink{dir: dir, around: around, base: base}
}

// within is the name, in the directory around the sink's own, of what lies in that: a link in
// the place of the sink's own is refused as well.
func (s *Sink) within(name string) string { return filepath.Join(s.base, name) }

// Target implements feed.Sink.
func (s *Sink) Target() string { return s.dir }

// Close implements feed.Sink. No file is open between deliveries.
func (s *Sink) Close(context.Context) error { return s.removeStale() }

func (s *Sink) removeStale() error {
	if s.stale == "" {
		return nil
	}
	if err := s.around.Remove(s.within(s.stale)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove an old event file: %w", err)
	}
	s.stale = ""
	return nil
}

// Open implements feed.Sink: it makes the files be what the state says.
func (s *Sink) Open(_ context.Context, run *feed.Run, text json.RawMessage) error {
	s.stale = "" // swept below, or in use after all
	s.run, s.state = run, state{Files: map[string]int64{}, Texts: map[string]string{}}
	if text != nil {
		if err := json.Unmarshal(text, &s.state); err != nil || s.state.Files == nil {
			return feed.ErrStartOver
		}
		if s.state.Texts == nil {
			s.state.Texts = map[string]string{}
		}
	}
	for name, length := range s.state.Files {
		if err := cut(s.around, s.within(name), length); err != nil {
			return err
		}
	}
	return s.sweep()
}

// cut makes a file as long as it should be. One that is shorter, or damaged, as
// after a loss of power, makes everything be written again.
func cut(dir disk.Dir, name string, length int64) error {
	f, err := dir.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return feed.ErrStartOver
	}
	if err != nil {
		return fmt.Errorf("go on with an event file: %w", err)
	}
	defer f.Close()
	if checkRecords(f, length) != nil {
		return feed.ErrStartOver
	}
	if err := f.Truncate(length); err != nil {
		return fmt.Errorf("cut an event file: %w", err)
	}
	return nil
}

// fileEnd marks the files that are ours to delete.
const fileEnd = ".pbt"

// sweep deletes files of ours that the state does not know.
func (s *Sink) sweep() error {
	runs, err := s.around.ReadDir(s.base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for old event files: %w", err)
	}
	for _, run := range runs {
		if !run.IsDir() {
			continue
		}
		files, err := s.around.ReadDir(s.within(run.Name()))
		if err != nil {
			return fmt.Errorf("look for old event files: %w", err)
		}
		for _, file := range files {
			name := filepath.Join(run.Name(), file.Name())
			if _, known := s.state.Files[name]; known || !strings.HasPrefix(file.Name(), "events.out.tfevents.") || !strings.HasSuffix(name, fileEnd) {
				continue
			}
			if err := s.around.Remove(s.within(name)); err != nil {
				return fmt.Errorf("remove an old event file: %w", err)
			}
		}
	}
	return nil
}

// fileOf is the event file of a TensorBoard run. A later version sorts later, so
// that a TensorBoard that is looking goes on with it.
func (s *Sink) fileOf(run string, version int) string {
	return filepath.Join(run, fmt.Sprintf("events.out.tfevents.%010d.%06d%s", s.run.Started/1e9, version, fileEnd))
}

func memberRun(member int) string { return fmt.Sprintf("member-%03d", member) }

// Deliver implements feed.Sink.
func (s *Sink) Deliver(ctx context.Context, events []feed.Event) (json.RawMessage, error) {
	if err := s.removeStale(); err != nil {
		return nil, err
	}
	next := state{Files: maps.Clone(s.state.Files), Best: s.state.Best, Version: s.state.Version, Texts: maps.Clone(s.state.Texts)}
	out := pages{}
	for i := range events {
		s.add(out, &next, &events[i])
	}
	old := ""
	if best := s.run.Best(); best != next.Best && s.due(events) {
		var err error
		if old, err = s.stitch(out, &next, best); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		length, err := s.append(name, next.Files[name], out[name])
		if err != nil {
			return nil, err
		}
		next.Files[name] = length
	}
	delete(next.Files, old)
	text, err := json.Marshal(next)
	if err == nil {
		s.state, s.stale = next, old
	}
	return text, err
}

// pages are the bytes to append, by file.
type pages map[string][]byte

// put appends records to a file, which begins with its version.
func (p pages) put(next *state, name string, at int64, records ...[]byte) {
	if _, begun := next.Files[name]; !begun {
		next.Files[name] = 0
		p[name] = fileStart(at)
	}
	for _, r := range records {
		p[name] = append(p[name], r...)
	}
}

// add writes what an event shows of its member.
func (s *Sink) add(out pages, next *state, e *feed.Event) {
	switch b := e.Body.(type) {
	case *machine.Finished:
		name := s.fileOf(memberRun(b.Member), 1)
		out.put(next, name, e.At, summary(e.At, b.Spent, values(b, e.Plan.Hypers, func(hyper, text string) bool {
			key := name + " " + hyper
			changed := next.Texts[key] != text
			next.Texts[key] = text
			return changed
		})...))
	case *machine.RolledBack: // the steps from there on are trained again
		name := s.fileOf(memberRun(b.Member), 1)
		out.put(next, name, e.At, sessionBegins(e.At, e.Spent+1))
	}
}

// values are a segment's numbers, and of the texts among its hyperparameters those
// that are wanted.
func values(b *machine.Finished, h pbt.Hypers, wants func(name, text string) bool) [][]byte {
	values := [][]byte{scalar(scoreTag, float64(b.Score))}
	for _, name := range slices.Sorted(maps.Keys(b.Metrics)) {
		values = append(values, scalar(metricTag+name, float64(b.Metrics[name])))
	}
	for name, v := range h.All() {
		if x, ok := feed.Number(v); ok {
			values = append(values, scalar(hyperTag+name, x))
		} else if t, _ := v.Text(); wants(name, t) {
			values = append(values, words(hyperTag+name, t))
		}
	}
	return values
}

// maxShare is how much of the time may go into stitching: where the lineage of the
// best changes all the time, its run is brought up to date less often.
const maxShare = 10

// due tells whether the best run is to be brought up to date: at the end, always.
func (s *Sink) due(events []feed.Event) bool {
	switch events[len(events)-1].Body.(type) {
	case *machine.Closed, *machine.RunEnded, *machine.Paused:
		return true
	}
	return !time.Now().Before(s.restUntil)
}

// stitch brings the run of the best weights up to date: it goes on where the new
// best descends from the old one, else it is written anew. It returns the file that
// is out of date then.
func (s *Sink) stitch(out pages, next *state, best int64) (old string, err error) {
	begun := time.Now()
	path, err := s.run.Ancestry(best)
	if err == nil {
		err = s.remember(path)
	}
	if err != nil {
		return "", err
	}
	fresh := path
	if at := slices.Index(path, next.Best); at >= 0 {
		fresh = path[at+1:]
	} else {
		if next.Version > 0 {
			old = s.fileOf(bestRun, next.Version)
		}
		next.Version++
	}
	name := s.fileOf(bestRun, next.Version)
	if old != "" {
		out.put(next, name, s.run.Started, sessionBegins(s.run.Started, 0))
	}
	for _, id := range fresh {
		out.put(next, name, s.run.Started, s.path[id])
	}
	next.Best = best
	s.restUntil = time.Now().Add(maxShare * time.Since(begun))
	return old, nil
}

// remember makes the records of a path be in s.path, and no others.
func (s *Sink) remember(path []int64) error {
	records := make(map[int64][]byte, len(path))
	var unknown []int64
	for _, id := range path {
		if r, ok := s.path[id]; ok {
			records[id] = r
		} else {
			unknown = append(unknown, id)
		}
	}
	outcomes, err := s.run.Outcomes(unknown)
	if err != nil {
		return err
	}
	for i := range outcomes {
		o := &outcomes[i]
		values := append(values(&o.Finished, o.Plan.Hypers, always), scalar("member", float64(o.Member)))
		records[unknown[i]] = summary(o.At, o.Step, values...)
	}
	s.path = records
	return nil
}

func always(string, string) bool { return true }

// append writes bytes behind the length that a file should have.
func (s *Sink) append(name string, length int64, data []byte) (int64, error) {
	flags := os.O_WRONLY
	if length == 0 {
		if err := errors.Join(disk.MakeDir(filepath.Dir(s.dir)), s.around.MkdirAll(s.within(filepath.Dir(name)), 0o777)); err != nil {
			return 0, fmt.Errorf("make a folder for an event file: %w", err)
		}
		flags |= os.O_CREATE | os.O_TRUNC
	}
	f, err := s.around.OpenFile(s.within(name), flags, 0o666)
	if err != nil {
		return 0, fmt.Errorf("write an event file: %w", err)
	}
	_, err = f.WriteAt(data, length)
	if err = errors.Join(err, f.Close()); err != nil {
		return 0, fmt.Errorf("write an event file: %w", err)
	}
	return length + int64(len(data)), nil
}
