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
}

// ErrInterrupted says that a signal ended the view.
var ErrInterrupted = errors.New("interrupted")

// Run shows the run on a terminal until the user has seen enough.
func Run(ctx context.Context, c Config, in io.Reader, out io.Writer) error {
	f, err := open(c.Dir)
	if err != nil {
		return err
	}
	p := tea.NewProgram(newModel(c), tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out))
	following, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.follow(following, func(s *snapshot) { p.Send(s) })
	}()
	_, err = p.Run()
	stop()
	<-done
	if errors.Is(err, tea.ErrInterrupted) {
		err = ErrInterrupted
	} else if err != nil {
		err = fmt.Errorf("show the run on the terminal: %w", err)
	}
	return errors.Join(err, f.close())
}
