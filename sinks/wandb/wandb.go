// Package wandb logs a run to Weights & Biases through the user's own wandb
// package: a Python process, which lives as long as the sink, has a W&B run for
// each member.
package wandb

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
)

//go:embed helper.py
var helper string

// Config says how to log.
type Config struct {
	Python  string // that has wandb installed
	Project string
	Mode    string // "offline" or "online"
	Dir     string // where wandb keeps its files, in a folder wandb
}

// Sink is one W&B project.
type Sink struct {
	config Config
	run    *feed.Run
	helper *process // nil: not started
}

// New returns a sink.
func New(c Config) *Sink { return &Sink{config: c} }

// Target implements feed.Sink.
func (s *Sink) Target() string { return s.config.Mode + " " + s.config.Project }

// Open implements feed.Sink: it starts the helper anew.
func (s *Sink) Open(ctx context.Context, run *feed.Run, _ json.RawMessage) (err error) {
	s.run = run
	if s.helper != nil {
		s.helper.end()
	}
	if err := makeDir(s.config.Dir); err != nil {
		return fmt.Errorf("make the folder for wandb's files: %w", err)
	}
	if s.helper, err = start(s.config.Python); err != nil {
		return err
	}
	return s.helper.ask(ctx, request{Op: "open", Options: map[string]string{
		"project": s.config.Project, "mode": s.config.Mode, "dir": s.config.Dir,
		"group": run.Name + "-" + run.ID, "id": run.ID, "name": run.Name,
	}})
}

// makeDir makes a directory in a run's, unless a link is there.
func makeDir(path string) error {
	d, name := disk.Beside(path)
	return d.MkdirAll(name, 0o777)
}

// Close implements feed.Sink: wandb writes or sends what it still has.
func (s *Sink) Close(ctx context.Context) error {
	if s.helper == nil {
		return nil
	}
	defer s.helper.end()
	return s.helper.ask(ctx, request{Op: "finish"})
}

// request is a line to the helper.
type request struct {
	Op      string            `json:"op"`
	Options map[string]string `json:"options,omitempty"`
	Rows    []row             `json:"rows,omitempty"`
}

// row is one step of a member's W&B run.
type row struct {
	Member  int                  `json:"member"`
	Step    int64                `json:"step"`
	Values  map[string]pbt.Score `json:"values,omitempty"`
	Texts   map[string]string    `json:"texts,omitempty"`
	Initial *pbt.Hypers          `json:"initial,omitempty"`
}

// Deliver implements feed.Sink.
func (s *Sink) Deliver(ctx context.Context, events []feed.Event) (json.RawMessage, error) {
	var rows []row
	for i := range events {
		e := &events[i]
		switch b := e.Body.(type) {
		case *machine.Decided:
			if b.Turn == 0 {
				rows = append(rows, row{Member: b.Member, Initial: &b.Hypers})
			}
		case *machine.Finished:
			rows = append(rows, rowOf(b, e.Plan.Hypers))
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return nil, s.helper.ask(ctx, request{Op: "log", Rows: rows})
}

func rowOf(b *machine.Finished, h pbt.Hypers) row {
	r := row{Member: b.Member, Step: b.Spent, Values: map[string]pbt.Score{"score": b.Score}, Texts: map[string]string{}}
	for name, x := range b.Metrics {
		r.Values["metrics/"+name] = x
	}
	for name, v := range h.All() {
		if x, ok := feed.Number(v); ok {
			r.Values["hypers/"+name] = pbt.Score(x)
		} else {
			r.Texts["hypers/"+name] = v.String()
		}
	}
	return r
}

// process is the helper.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan []byte // closed when it says no more
	errors  *lastLine
	ended   chan struct{}
}

// start starts the helper in a process group of its own, so that a Ctrl-C that is
// meant for pbt does not reach it: it ends when its standard input does.
func start(python string) (*process, error) {
	p := &process{cmd: exec.Command(python, "-u", "-c", helper), answers: make(chan []byte), errors: &lastLine{}, ended: make(chan struct{})}
	p.cmd.Stderr = p.errors
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = endTime
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the Python that has wandb (sinks.wandb.python): %w", err)
	}
	go p.listen(out)
	return p, nil
}

func (p *process) listen(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		p.answers <- line
	}
	close(p.answers)
	_ = p.cmd.Wait() // how it ended does not matter: whoever asked gets no answer
	close(p.ended)
}

// ask sends a request and waits for its answer.
func (p *process) ask(ctx context.Context, r request) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		_, err := p.in.Write(append(text, '\n'))
		written <- err
	}()
	var line []byte
	select {
	case line = <-p.answers:
	case <-ctx.Done():
		return ctx.Err()
	}
	if line == nil {
		return fmt.Errorf("the Python that runs wandb has ended: %s", p.errors.String())
	}
	if err := <-written; err != nil {
		return fmt.Errorf("tell wandb: %w", err)
	}
	var answer struct {
		Error string `json:"error"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return fmt.Errorf("wandb's helper answers %.100q", line)
	}
	if answer.Error != "" {
		return errors.New("wandb: " + answer.Error)
	}
	return nil
}

// endTime is how long the helper may take to flush before it is killed.
const endTime = 5 * time.Second

// end lets the helper go.
func (p *process) end() {
	p.in.Close()
	timer := time.AfterFunc(endTime, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }) // gone already: fine
	defer timer.Stop()
	for range p.answers { // nobody waits for them any more
	}
	<-p.ended
}

// lastLine keeps the last lines that were written to it.
type lastLine struct {
	mu   sync.Mutex
	text []byte
}

const lastBytes = 600

func (l *lastLine) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	if n := len(l.text); n > lastBytes {
		l.text = slices.Clone(l.text[n-lastBytes:])
	}
	return len(b), nil
}

func (l *lastLine) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(l.text)), "\n")
	return lines[len(lines)-1]
}
