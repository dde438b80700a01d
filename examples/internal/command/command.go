// Package command is what the examples' command lines have in common: flags, and
// the exit codes of pbt itself.
package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// Exit codes.
const (
	Done   = 0
	Failed = 1
	BadUse = 2
)

// usageError is an error of the person at the keyboard.
type usageError struct{ error }

// Usage makes an error for which Run returns BadUse.
func Usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run parses the flags, runs the program and returns its exit code.
func Run(flags *flag.FlagSet, args []string, stdout, stderr io.Writer, program func() error) int {
	flags.Init(flags.Name(), flag.ContinueOnError)
	flags.SetOutput(io.Discard) // it would print every flag after each mistake
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintf(stdout, "Usage: %s [flags]\n", flags.Name())
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return Done
	case err != nil:
		err = usageError{err}
	case flags.NArg() > 0:
		err = Usage("%q is no flag, and nothing else is expected", flags.Arg(0))
	default:
		err = program()
	}
	if err == nil {
		return Done
	}
	fmt.Fprintf(stderr, "%s: %v\n", flags.Name(), err)
	if errors.As(err, new(usageError)) {
		fmt.Fprintf(stderr, "%s -help lists the flags\n", flags.Name())
		return BadUse
	}
	return Failed
}
