// Command pbt runs Population Based Training: see `pbt --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-7a1a2db0/pbt/config"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = "dev"

// The exit codes, as documented in `pbt --help`.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitMembers     = 3
	exitInterrupted = 130
)

// usageError is a mistake in the command line.
type usageError struct{ error }

// membersFailed is a run that has ended without some of its members.
type membersFailed struct{ error }

// errInterrupted ends a command that the user has stopped.
var errInterrupted = errors.New("interrupted")

// silent is an error that has been told already.
type silent struct{ error }

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	root := newRoot()
	root.SetArgs(args)
	out, printed := &console{w: os.Stderr, door: terminalDoor(os.Stderr)}, &output{w: os.Stdout, door: terminalDoor(os.Stdout)}
	root.SetErr(out)
	root.SetOut(printed)
	ctx, stop := context.Background(), func() {}
	if cmd, _, err := root.Find(args); err == nil && stopsInOrder[cmd.Name()] {
		ctx, stop = interruptible(drains[cmd.Name()], out)
	}
	defer stop()
	err := root.ExecuteContext(ctx)
	if err == nil { // what nobody looked at, such as the help's
		err = printed.err
	}
	if err == nil {
		return exitDone
	}
	var told silent
	if !errors.As(err, &told) && !errors.Is(err, errInterrupted) {
		fmt.Fprintln(out, "pbt:", clean(err.Error()))
	}
	return exitCode(err)
}

// stopsInOrder are the commands that look at their context. The others are stopped
// by Ctrl-C as any program is: they have nothing to lose.
var stopsInOrder = map[string]bool{"run": true, "resume": true, "replay": true, "branch": true, "events": true, "sim": true, "check": true, "serve": true, "export": true}

// drains are the commands that SIGTERM, which those send who take a machine away,
// lets finish what they are at. They are also those that have --stop-with-fd.
var drains = map[string]bool{"run": true, "resume": true, "replay": true, "branch": true}

func exitCode(err error) int {
	var usage usageError
	var badFile *config.Error
	var members membersFailed
	switch {
	case errors.As(err, &members):
		return exitMembers
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &badFile):
		return exitUsage
	}
	return exitFailed
}

// interruptible returns a context that ends with the first Ctrl-C or SIGTERM. Where
// the command drains, the first SIGTERM only closes terminated(ctx). Once the context
// has ended, another signal leaves at once: the journal is durable at every instant.
func interruptible(drains bool, out *console) (context.Context, func()) {
	o := orders{term: make(chan struct{}), gone: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), ordersKey{}, o))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		var s os.Signal = syscall.SIGTERM
		select {
		case s = <-signals:
		case <-o.gone: // and no second order where a SIGTERM came first
		}
		if drains && s == syscall.SIGTERM {
			close(o.term)
			fmt.Fprintln(out, "\npbt: segments may finish, no more are begun; once more gives them up")
			<-signals
		}
		cancel(errInterrupted)
		fmt.Fprintln(out, "\npbt: stopping in good order; once more stops at once")
		<-signals
		out.leave()
		os.Exit(exitInterrupted)
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// orders are the ways in which a command is asked to stop that are not its context's end.
type orders struct {
	term chan struct{} // closed once the command is to finish what it is at
	gone chan struct{} // closed by a watch of --stop-with-fd
}

type ordersKey struct{}

// terminated is closed by the SIGTERM that asks a command to finish what it is at.
func terminated(ctx context.Context) <-chan struct{} {
	o, _ := ctx.Value(ordersKey{}).(orders)
	return o.term
}

// flagError is what is wrong with flags. A negative number passes for one.
func flagError(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if _, notNumber := strconv.ParseFloat(unknown.GetSpecifiedShortnames(), 64); notNumber == nil {
			err = fmt.Errorf("-%s: pbt %s takes no negative number: segments are numbered from 1, members from 0\nusage: %s", unknown.GetSpecifiedShortnames(), c.Name(), c.UseLine())
		}
	}
	return usageError{err}
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "pbt",
		Short: "Population Based Training: train many models, let the poor copy the good, find the schedule",
		Long: `pbt trains a population of models side by side. Every so often a poor model copies a
better one's weights and hyperparameters (exploit) and varies the hyperparameters (explore).

Start with:   pbt init && pbt run experiment.yaml
FILE is an experiment file, DIR the directory that pbt run made for a run, such as runs/digits-1.

Exit codes: 0 done, 1 failed, 2 bad use or bad experiment file, 3 the run has ended and
members of it failed, 130 interrupted.`,
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetFlagErrorFunc(flagError)
	helpWhole(root)
	root.AddCommand(
		newInit(), newCheck(), newRun(), newResume(), newReplay(), newBranch(),
		newWatch(), newStatus(), newServe(), newReport(), newBest(), newSchedule(), newLineage(), newExplain(), newEvents(), newExport(),
		newVerify(), newSim(), newSchema(), newVersion(),
	)
	root.AddCommand(steering()...)
	arrange(root)
	for _, c := range root.Commands() {
		if args := c.Args; args != nil {
			c.Args = func(cmd *cobra.Command, given []string) error {
				if err := args(cmd, given); err != nil {
					return usageError{fmt.Errorf("%w\nusage: %s", err, cmd.UseLine())}
				}
				return nil
			}
		}
	}
	root.Args = func(_ *cobra.Command, given []string) error {
		if len(given) > 0 {
			return usageError{fmt.Errorf("there is no command %q: see pbt --help", given[0])}
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}
