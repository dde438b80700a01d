package main

import (
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/watch"
)

// maxKept bounds what is kept, in bytes, while a screen hides the terminal.
const maxKept = 64 << 10

// console is where pbt tells people things: standard error or, while a screen is drawn
// on it, that screen; it says it again when the screen has gone.
type console struct {
	w    io.Writer
	door io.Writer // where text goes: w, or what cleans text for it

	mu     sync.Mutex
	screen *watch.Screen
	kept   []byte
}

// Write implements io.Writer.
func (c *console) Write(text []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.screen == nil {
		return c.door.Write(text)
	}
	if len(c.kept)+len(text) <= maxKept {
		c.kept = append(c.kept, text...)
	}
	if say := strings.TrimSpace(string(text)); say != "" {
		c.screen.Note(say)
	}
	return len(text), nil
}

// terminalDoor is what pbt writes to a file through: what no command has cleaned, such as a
// table that it exports, is cleaned where the file is a terminal.
func terminalDoor(f *os.File) io.Writer {
	if term.IsTerminal(int(f.Fd())) {
		return &safe.Writer{W: f}
	}
	return f
}

// hide lets a screen have the terminal.
func (c *console) hide(s *watch.Screen) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen = s
}

// uncover has the terminal again.
func (c *console) uncover() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.screen = nil
	_, _ = c.door.Write(c.kept) // what cannot be written has no reader left
	c.kept = nil
}

// leave gives the terminal back before this process ends at once.
func (c *console) leave() {
	c.mu.Lock()
	s := c.screen
	c.mu.Unlock()
	if s != nil {
		s.Leave()
		c.uncover()
	}
}

// fileOf is the file that a writer writes to in the end; nil if it is none.
func fileOf(w io.Writer) *os.File {
	switch o := w.(type) {
	case *console:
		w = o.w
	case *output:
		return o.w
	}
	f, _ := w.(*os.File)
	return f
}

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// plainTerminal tells whether the user, or the terminal's kind, wants lines and nothing
// else.
func plainTerminal() bool {
	kind := os.Getenv("TERM")
	return kind == "" || kind == "dumb" || os.Getenv("NO_COLOR") != ""
}
