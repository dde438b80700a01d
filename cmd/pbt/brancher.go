package main

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// How branches are begun for those who ask over HTTP.
const (
	branchPatience = 30 * time.Second // until an answer goes out before all is copied
	startPatience  = 20 * time.Second // until a new process must have begun, or say why not
	lookForStart   = 20 * time.Millisecond
	maxLogTail     = 2000 // bytes of what a process said that did not begin

	branchLog = "pbt.log" // what the process of a branch says, in its directory
)

// branchProcess trains a branch that was begun over HTTP.
type branchProcess struct {
	dir  string
	cmd  *exec.Cmd
	over chan struct{} // closed when it has ended
	err  error         // how, once over is closed
}

// settingsOfBranch are those that one may set over HTTP. What runs programs, or writes
// elsewhere, is for those who have a shell.
func settingsOfBranch(c *api.Command) (sets []string, err error) {
	for _, path := range slices.Sorted(maps.Keys(c.Set)) {
		top, _, _ := strings.Cut(path, ".")
		if slices.Contains([]string{"trainer", "sinks", "notify"}, strings.TrimSpace(top)) && path != "trainer.slots" {
			return nil, fmt.Errorf("set: %.80q runs programs, or writes elsewhere: branch in a shell for that (pbt branch … --set %.80s=…)", path, path)
		}
		sets = append(sets, path+"="+string(c.Set[path]))
	}
	return sets, nil
}

// dirOfBranch is where a branch goes that is begun over HTTP: beside the run.
func (s *steerer) dirOfBranch(name string) (string, error) {
	old, err := filepath.Abs(s.dir)
	if err != nil {
		return "", err
	}
	parent := filepath.Dir(old)
	dir := filepath.Join(parent, name)
	if strings.ContainsRune(name, filepath.Separator) {
		if dir, err = filepath.Abs(name); err != nil {
			return "", err
		}
	}
	if filepath.Dir(dir) != parent || dir == parent || dir == old || name == "." || name == ".." {
		return "", fmt.Errorf("dir: %.200q: over HTTP a branch goes into a new folder beside its run, such as %s; elsewhere: pbt branch … --dir", name, filepath.Base(old)+branchSuffix)
	}
	if err := checkBranchName(filepath.Base(dir)); err != nil {
		return "", err
	}
	if _, err := os.Lstat(dir); err == nil {
		return "", fmt.Errorf("dir: %s is there already: choose another", dir)
	}
	if wd, err := os.Getwd(); err == nil { // as short as the run's own is given
		if rel, err := filepath.Rel(wd, dir); err == nil && !filepath.IsAbs(s.dir) {
			dir = rel
		}
	}
	return dir, nil
}

// maxBranchName bounds the name of a branch's folder, in bytes: file systems allow no more.
const maxBranchName = 255

// checkBranchName refuses names that commands take for flags, that mean something to other
// programs (.git, .ssh), and that cannot be seen as they are.
func checkBranchName(name string) error {
	why := ""
	switch {
	case !utf8.ValidString(name) || safe.Line(name) != name:
		why = "it holds control characters, invisible ones, or bytes that are no UTF-8"
	case strings.HasPrefix(name, "-"):
		why = "commands take a name that begins with a dash for a flag"
	case strings.HasPrefix(name, "."):
		why = "a name that begins with a dot is hidden, and may mean something to other programs"
	case strings.TrimSpace(name) != name:
		why = "it begins or ends with a blank"
	case len(name) > maxBranchName:
		why = fmt.Sprintf("it has %d bytes, at most %d are allowed", len(name), maxBranchName)
	default:
		return nil
	}
	return fmt.Errorf("dir: %.200q: %s; choose another name, such as digits%s", name, why, branchSuffix)
}

// branch begins a new run with a segment of this one, in a process of its own.
func (s *steerer) branch(c api.Command) (say string, seq int64, err error) {
	s.mu.Lock()
	e := s.engine
	s.mu.Unlock()
	if e == nil {
		return "", 0, errNotTrained
	}
	dir, err := s.dirOfBranch(c.Dir)
	if err != nil {
		return "", 0, err
	}
	sets, err := settingsOfBranch(&c)
	if err != nil {
		return "", 0, err
	}
	b, err := planBranch(s.dir, strconv.FormatInt(c.Segment, 10), sets, []config.Option{config.Set(sets...), config.Builtins(builtinNames()...)})
	if err != nil {
		return "", 0, err
	}
	if err := checkSlots(&b.exp.Trainer, dir); err != nil {
		return "", 0, err
	}
	type result struct {
		say string
		err error
	}
	done := make(chan result, 1)
	go func() {
		say, err := s.begun(e, b, dir, c.Start == nil || *c.Start)
		done <- result{say, err}
	}()
	select {
	case r := <-done:
		return r.say, 0, r.err
	case <-time.After(branchPatience):
		return b.say(dir) + "; its checkpoint is still being copied, then it trains", 0, nil
	}
}

// begun makes a branch, and starts its process if it is to.
func (s *steerer) begun(e *engine.Engine, b *branching, dir string, start bool) (string, error) {
	by, id := whoAmI(), b.from.Origin.Segment
	made, err := b.make(engine.Config{Dir: dir, Version: version, SpecOf: config.SpecOf, Slots: b.exp.Trainer.Slots}, func() func() {
		if _, err := e.Steer(machine.Pin{Segment: id, By: by}, 0); err != nil {
			return func() {} // it is pinned already; or gone, which the copy will tell
		}
		return func() { _, _ = e.Steer(machine.Pin{Segment: id, Off: true, By: by}, 0) }
	})
	if err == nil {
		err = made.Close()
	}
	if err != nil {
		return "", err
	}
	if s.show != nil {
		s.show(dir)
	}
	if !start {
		return fmt.Sprintf("%s; train it with: pbt resume %s", b.say(dir), safe.Path(dir)), nil
	}
	p, err := startBranch(dir)
	if err != nil {
		return "", fmt.Errorf("%s is made, and its process does not begin: %w; mend that, then: pbt resume %s", dir, err, safe.Path(dir))
	}
	s.mu.Lock()
	s.branches = append(s.branches, p)
	s.mu.Unlock()
	link := ""
	if note, err := readServerNote(dir); err == nil {
		link = ": " + note.URL
	}
	return fmt.Sprintf("%s, and trains in a process of its own (%d)%s", b.say(dir), p.cmd.Process.Pid, link), nil
}

// startBranch starts a process that trains a run, and waits until it does. It belongs to
// the same terminal: Ctrl-C stops it as well.
func startBranch(dir string) (*branchProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := disk.In(dir).Append(branchLog)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p := &branchProcess{dir: dir, cmd: exec.Command(self, "resume", dir), over: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.over)
	}()
	deadline := time.After(startPatience)
	for {
		if _, err := readServerNote(dir); err == nil {
			return p, nil
		}
		select {
		case <-p.over:
			if p.err == nil { // it was over that soon
				return p, nil
			}
			return nil, fmt.Errorf("%w: %s", p.err, logTail(filepath.Join(dir, branchLog)))
		case <-deadline: // it takes its time
			return p, nil
		case <-time.After(lookForStart):
		}
	}
}

// logTail is the end of a log, for an error.
func logTail(path string) string {
	d, name := disk.Beside(path)
	text, err := d.ReadFile(name)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(text[max(0, len(text)-maxLogTail):]))
}

// leave tells of the branches that train on when this run's process ends.
func (s *steerer) leave(w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.branches {
		select {
		case <-p.over:
		default:
			fmt.Fprintf(w, "%s trains on in a process of its own (%d); to stop it: pbt stop %s\n", clean(p.dir), p.cmd.Process.Pid, safe.Path(p.dir))
		}
	}
}
