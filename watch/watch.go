// Package watch is a run on a terminal: who leads and why, the population as a table,
// the schedule that was found, what happens and what is busy, live while a process
// trains the run. Its keys steer the run, through the process that trains it.
//
// A follower folds the journal and hands snapshots to a model, which draws them. The
// model does no I/O but to ask.
package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
)

// Config says which run is watched, and how.
type Config struct {
	Dir     string
	Colours bool
	Zone    *time.Location // of the times shown; nil: this host's

	// Ask asks the process that trains the run to do something.
	Ask func(api.Command) (api.Steered, error)
	// Hypers reads NAME=VALUE texts.
	Hypers func(given []string) (*pbt.Hypers, error)

	// Interrupt is what Ctrl-C does; nil: it ends the view. With it, this process is
	// the one that trains the run, and the view a part of it: its texts say so.
	Interrupt func()
	// Link is where this process serves the run's dashboard; "" if it does not.
	Link string
}

// own tells whether this process trains the run.
func (c *Config) own() bool { return c.Interrupt != nil }

// ErrInterrupted says that a signal ended the view.
var ErrInterrupted = errors.New("interrupted")

// ErrBackground says that the view was suspended, and the shell let the process go on
// in the background, where it has no terminal.
var ErrBackground = errors.New("in the background")

// Screen is a run on a terminal, and what can be told to it from outside.
type Screen struct {
	Config
	in  io.Reader
	out io.Writer
	f   *follower
	m   *model

	mu      sync.Mutex
	program *tea.Program // nil while nothing is shown
	ended   bool
}

// Open begins to look at a run; [Screen.Run] shows it.
func Open(c Config, in io.Reader, out io.Writer) (*Screen, error) {
	f, err := open(c.Dir)
	if err != nil {
		return nil, err
	}
	return &Screen{Config: c, in: in, out: out, f: f, m: newModel(c)}, nil
}

// Run shows a run on a terminal until the user has seen enough.
func Run(ctx context.Context, c Config, in io.Reader, out io.Writer) error {
	s, err := Open(c, in, out)
	if err != nil {
		return err
	}
	return s.Run(ctx)
}

// Run shows the run until the user has seen enough, or [Screen.End]. It can be called
// once.
func (s *Screen) Run(ctx context.Context) error {
	following, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if r := recover(); r != nil {
				s.Leave() // first the terminal, so that the trace can be read
				panic(r)
			}
		}()
		s.f.follow(following, func(snap *snapshot) { s.tell(snap) })
	}()
	err := s.show(ctx)
	stop()
	<-done
	return errors.Join(err, s.f.close())
}

// show draws the run, and does it again after each time it was suspended.
func (s *Screen) show(ctx context.Context) error {
	for {
		s.m.suspended = false
		p, ok := s.begin(ctx)
		if !ok {
			return nil
		}
		_, err := p.Run()
		s.mu.Lock()
		s.program = nil
		s.mu.Unlock()
		switch {
		case errors.Is(err, tea.ErrInterrupted):
			return ErrInterrupted
		case err != nil:
			return fmt.Errorf("show the run on the terminal: %w", err)
		case !s.m.suspended:
			return nil
		}
		if suspend(); s.own() && !Foreground(os.Stdin) {
			return ErrBackground
		}
	}
}

func (s *Screen) begin(ctx context.Context) (*tea.Program, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, false
	}
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithInput(s.in), tea.WithOutput(s.out)}
	if s.own() { // whose signals are not the view's
		options = append(options, tea.WithoutSignalHandler())
	}
	s.program = tea.NewProgram(s.m, options...)
	return s.program, true
}

func (s *Screen) tell(msg tea.Msg) {
	s.mu.Lock()
	p := s.program
	s.mu.Unlock()
	if p != nil {
		p.Send(msg)
	}
}

// Note shows a message, until the next key.
func (s *Screen) Note(text string) {
	go s.tell(note(clean(text))) // a terminal that takes nothing must not hold up whoever has something to say
}

// note is a message from outside.
type note string

// Hear says how far a segment is, which no journal knows.
func (s *Screen) Hear(member int, segment, step int64) { s.f.run.Hear(member, segment, step) }

// End ends the view as soon as it has drawn what it was told.
func (s *Screen) End() {
	s.mu.Lock()
	s.ended = true
	p := s.program
	s.mu.Unlock()
	if p != nil {
		p.Quit()
	}
}

// Ended tells whether the view was ended from outside.
func (s *Screen) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// Leave gives the terminal back at once, whatever happens at the moment.
func (s *Screen) Leave() {
	s.mu.Lock()
	s.ended = true
	p := s.program
	s.mu.Unlock()
	if p != nil {
		p.Kill()
	}
}
