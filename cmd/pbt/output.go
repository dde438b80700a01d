package main

import (
	"bytes"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// output is standard output. It remembers what could not be written: a command whose
// text has not arrived has failed.
type output struct {
	w    *os.File
	door io.Writer // where text goes: w, or what cleans text for it
	err  error     // the first
}

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	n, err := o.door.Write(text)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// helpWhole writes a command's help in one piece. Cobra tells an error in writing it, and
// then ends well; here it is told at the end, by what output remembers.
func helpWhole(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		out := c.OutOrStdout()
		var text bytes.Buffer
		c.SetOut(&text)
		defer c.SetOut(out)
		help(c, args)
		_, _ = io.Copy(out, &text)
	})
}
