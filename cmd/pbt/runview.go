package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/api"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/watch"
)

// When a run is drawn on the terminal.
const (
	screenAuto   = "auto"   // on a terminal that can draw
	screenAlways = "always" // though NO_COLOR is set: without colours
	screenNever  = "never"
)

func screenFlag(c *cobra.Command, when *string) {
	c.Flags().StringVar(when, "screen", screenAuto, "`when` to draw the run on the terminal: auto, always (also with NO_COLOR), never (lines)")
	c.Flags().Lookup("screen").NoOptDefVal = screenAlways
	oneOf(c, "screen", screenAuto, screenAlways, screenNever)
}

// drawsOn tells whether a screen is drawn on a terminal, whose keys are read.
func drawsOn(out *os.File, when string) (bool, error) {
	able := out != nil && term.IsTerminal(int(out.Fd())) && term.IsTerminal(int(os.Stdin.Fd()))
	switch when {
	case screenAuto:
		return able && !plainTerminal() && watch.Foreground(os.Stdin), nil
	case screenAlways:
		if !able {
			return false, usageError{errors.New("--screen: there is no terminal to draw on")}
		}
		return true, nil
	case screenNever:
		return false, nil
	}
	return false, usageError{fmt.Errorf("--screen=%s: want one of %s", when, strings.Join([]string{screenAuto, screenAlways, screenNever}, ", "))}
}

// readHypers reads NAME=VALUE texts.
func readHypers(given []string) (*pbt.Hypers, error) {
	h := &pbt.Hypers{}
	return h, parseHypers(h, given)
}

// runView is the screen of a command that trains a run: population, schedule and events
// in place of lines, for as long as the user wants to see it.
type runView struct {
	when   string
	drawn  bool
	screen atomic.Pointer[watch.Screen]
	done   chan struct{}
}

func (v *runView) add(c *cobra.Command) { screenFlag(c, &v.when) }

// observe makes the engine's configuration tell the screen how far segments are.
func (v *runView) observe(cmd *cobra.Command, c *engine.Config, silent bool) (err error) {
	v.drawn, err = drawsOn(fileOf(cmd.ErrOrStderr()), v.when)
	v.drawn = v.drawn && !silent
	if !v.drawn {
		return err
	}
	before := c.Progress
	c.Progress = func(p trainer.Progress) {
		if before != nil {
			before(p)
		}
		if s := v.screen.Load(); s != nil {
			s.Hear(p.Member, p.Segment, p.Step)
		}
	}
	return err
}

// begin shows the run. The view ends when the user closes it, or with [runView.end];
// lines follow it.
func (v *runView) begin(cmd *cobra.Command, dir, link string, steerer *steerer, show *progress) {
	out, ok := cmd.ErrOrStderr().(*console)
	if !v.drawn || !ok {
		return
	}
	s, err := watch.Open(watch.Config{
		Dir: dir, Colours: os.Getenv("NO_COLOR") == "", Link: link, Hypers: readHypers,
		Ask: func(c api.Command) (api.Steered, error) {
			say, seq, err := steerer.Steer(c)
			return api.Steered{Seq: seq, Say: say}, err
		},
		Interrupt: func() {
			if p, err := os.FindProcess(os.Getpid()); err == nil {
				_ = p.Signal(os.Interrupt) // as the terminal does it when nobody draws on it
			}
		},
	}, os.Stdin, fileOf(out))
	if err != nil {
		fmt.Fprintf(out, "pbt: the run cannot be drawn: %s\n", clean(err.Error()))
		return
	}
	v.screen.Store(s)
	v.done = make(chan struct{})
	go func() {
		defer close(v.done)
		show.hide() // what there is to tell is written first
		out.hide(s)
		err := s.Run(context.WithoutCancel(cmd.Context()))
		v.screen.Store(nil)
		out.uncover()
		show.uncover()
		switch {
		case errors.Is(err, watch.ErrBackground): // the shell's user knows
		case err != nil:
			fmt.Fprintf(out, "pbt: %s; the run goes on\n", clean(err.Error()))
		case !s.Ended():
			fmt.Fprintf(out, "the run goes on; Ctrl-C stops it, pbt watch %s shows it again\n", safe.Path(dir))
		}
	}()
}

// end takes the screen away.
func (v *runView) end() {
	if v.done == nil {
		return
	}
	if s := v.screen.Load(); s != nil {
		s.End()
	}
	<-v.done
}
