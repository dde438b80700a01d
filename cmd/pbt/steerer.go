package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// steerer turns what people want of a run into inputs of its machine. It is made
// before its engine.
type steerer struct {
	dir  string
	stop context.CancelCauseFunc // ends the sitting at once

	show func(dir string) // lets those who look on see another run, too; nil if nobody does

	mu       sync.Mutex
	engine   *engine.Engine // nil before the run is trained
	exp      *config.Experiment
	branches []*branchProcess
}

// begin gives it the run to steer.
func (s *steerer) begin(dir string, e *engine.Engine, exp *config.Experiment, stop context.CancelCauseFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dir, s.engine, s.exp, s.stop = dir, e, exp, stop
}

// Steer implements api.Steerer. One wish at a time: the next one sees what this one
// has changed.
func (s *steerer) Steer(c api.Command) (say string, seq int64, err error) {
	if c.Verb == api.VerbBranch {
		return s.branch(c) // others need not wait for what it copies
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engine == nil {
		return "", 0, errNotTrained
	}
	switch c.Verb {
	case api.VerbStop:
		return s.end(c.Now)
	case api.VerbChange:
		return s.change(c)
	}
	in, say, err := s.input(c)
	if err != nil {
		return "", 0, err
	}
	seq, err = s.engine.Steer(in, 0)
	return say, seq, err
}

// errNotTrained is for those who are too early.
var errNotTrained = errors.New("the run is not being trained yet")

// end ends the sitting; what records it comes later.
func (s *steerer) end(now bool) (string, int64, error) {
	if now {
		s.stop(fmt.Errorf("stopped at once by hand (%s)", whoAmI()))
		return "the run stops at once; pbt resume goes on", 0, nil
	}
	s.engine.Finish(fmt.Sprintf("stopped by hand (%s)", whoAmI()))
	return "the run stops when the segments at work are done; pbt resume goes on", 0, nil
}

// input is a command as the machine knows it, and what it does in words.
func (s *steerer) input(c api.Command) (in machine.Input, say string, err error) {
	by := whoAmI()
	member := 0
	if c.Member != nil {
		member = *c.Member
	}
	switch c.Verb {
	case api.VerbPause:
		return machine.Hold{By: by, Reason: c.Reason}, "no more segments are handed out; those at work finish", nil
	case api.VerbResume:
		return machine.Resume{By: by}, "the run goes on", nil
	case api.VerbKill:
		return machine.Kill{Member: member, By: by}, fmt.Sprintf("member %d's segment is given up, and trained again", member), nil
	case api.VerbRestart:
		return machine.Steer{Member: member, By: by, Wish: pbt.Wish{Restart: true}}, fmt.Sprintf("member %d begins again with fresh weights", member), nil
	case api.VerbSet:
		return machine.Steer{Member: member, By: by, Wish: pbt.Wish{Set: *c.Hypers}}, fmt.Sprintf("member %d trains with %s from its next segment on", member, c.Hypers), nil
	case api.VerbCopy:
		wish, err := s.donor(c.Segment)
		return machine.Steer{Member: member, By: by, Wish: wish}, fmt.Sprintf("member %d goes on from segment %d", member, c.Segment), err
	case api.VerbInject:
		return s.inject(c, by)
	case api.VerbRetire:
		return machine.Retire{Member: member, By: by}, fmt.Sprintf("member %d trains no more", member), nil
	case api.VerbPin:
		return machine.Pin{Segment: c.Segment, By: by}, fmt.Sprintf("the checkpoint of segment %d is kept until it is unpinned", c.Segment), nil
	case api.VerbUnpin:
		return machine.Pin{Segment: c.Segment, Off: true, By: by}, fmt.Sprintf("the checkpoint of segment %d is kept by the rules again", c.Segment), nil
	}
	return nil, "", fmt.Errorf("there is no verb %q", c.Verb)
}

func (s *steerer) inject(c api.Command, by string) (machine.Input, string, error) {
	if c.Segment == 0 {
		given := pbt.Hypers{}
		if c.Hypers != nil {
			given = *c.Hypers
		}
		return machine.Inject{By: by, Wish: pbt.Wish{Fresh: &given}}, "a new member begins with fresh weights", nil
	}
	if c.Hypers != nil {
		return nil, "", errors.New("a new member begins from a segment or with hyperparameters; set the hyperparameters afterwards")
	}
	wish, err := s.donor(c.Segment)
	return machine.Inject{By: by, Wish: wish}, fmt.Sprintf("a new member begins from segment %d", c.Segment), err
}

// donor is the wish to go on from a segment's record.
func (s *steerer) donor(segment int64) (pbt.Wish, error) {
	h, err := readHistory(s.dir)
	if err != nil {
		return pbt.Wish{}, err
	}
	r, member, err := h.Record(segment)
	if err != nil {
		return pbt.Wish{}, err
	}
	return pbt.Wish{From: member, Donor: &r}, nil
}

// changesAtWork are the settings of the trainer that take effect while it works. The
// others wait for the next sitting, and so are refused in this one.
var changesAtWork = []string{"trainer.slots"}

// change changes settings of the experiment.
func (s *steerer) change(c api.Command) (string, int64, error) {
	var sets []string
	for _, path := range slices.Sorted(maps.Keys(c.Set)) {
		sets = append(sets, path+"="+string(c.Set[path]))
	}
	stored, err := json.Marshal(s.exp)
	if err != nil {
		return "", 0, err
	}
	exp, err := config.FromJSON(stored, config.Set(sets...), config.Builtins(builtinNames()...))
	if err != nil {
		return "", 0, err
	}
	allowed, refused := config.Changes(s.exp, exp)
	for _, what := range allowed {
		path, _, _ := strings.Cut(what, ":")
		if strings.HasPrefix(path, "trainer.") && !slices.Contains(changesAtWork, path) || strings.HasPrefix(path, "sinks") || strings.HasPrefix(path, "notify") {
			return "", 0, fmt.Errorf("%s takes effect at the start of a sitting: stop the run and resume it with --set %s=…", path, path)
		}
	}
	switch {
	case len(refused) > 0:
		return "", 0, fmt.Errorf("this would change decisions already made: %s", strings.Join(refused, "; "))
	case len(allowed) == 0:
		return "", 0, errors.New("nothing would change")
	}
	change, err := change(exp, allowed)
	if err != nil {
		return "", 0, err
	}
	slots := 0
	if exp.Trainer.Slots != s.exp.Trainer.Slots {
		slots = exp.Trainer.Slots
		if err := checkSlots(&exp.Trainer, s.dir); err != nil {
			return "", 0, err
		}
	}
	seq, err := s.engine.Steer(machine.Reconfigure{Change: *change, By: whoAmI()}, slots)
	if err != nil {
		return "", 0, err
	}
	s.exp = exp
	return strings.Join(allowed, "; "), seq, nil
}

// whoAmI names the user whose process it is, for the journal.
func whoAmI() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// serverFile tells, in a run's directory, where the process that trains it listens.
const serverFile = "server.json"

// serverNote is its content. It is readable by the user alone: with it, one can steer.
type serverNote struct {
	URL   string `json:"url"` // "" if it takes no orders
	Token string `json:"token,omitempty"`
	PID   int    `json:"pid"`
}

// noteServer writes down where to find this process: whole, or not at all. Only the run's
// owner does, so that its draft has a name of its own: what a killed process has left of
// one gives way to the next.
func noteServer(dir string, n serverNote) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	d, draftName := disk.In(dir), "."+serverFile
	if err := d.Remove(draftName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft, err := d.Create(draftName, 0o600) // readable by the user alone
	if err != nil {
		return err
	}
	_, err = draft.Write(append(text, '\n'))
	if err = errors.Join(err, draft.Close()); err == nil {
		err = d.Rename(draftName, serverFile)
	}
	if err != nil {
		return errors.Join(err, d.Remove(draftName))
	}
	return nil
}
