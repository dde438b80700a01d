package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// A pseudo-terminal with a screen: what a program draws on it can be read, and keys
// can be typed.

// display is what a terminal shows. It understands what Bubble Tea writes.
type display struct {
	mu      sync.Mutex
	changed chan struct{} // closed at each change
	w, h    int
	cells   [][]string
	x, y    int
	top     int // of the lines that scroll
	bottom  int
	saved   [2]int
	last    string
	rest    []byte // of a sequence that is not complete
	alt     bool   // the alternate screen is on
	drawn   bool   // it was on at some time
	main    string // what the other one shows meanwhile
	mainAt  [2]int // and where its cursor is
	styled  bool   // there were colours
	over    bool   // nothing more comes
}

func newDisplay(w, h int) *display {
	d := &display{changed: make(chan struct{})}
	d.resize(w, h)
	return d
}

func (d *display) resize(w, h int) {
	cells := make([][]string, h)
	for y := range cells {
		cells[y] = make([]string, w)
		for x := range cells[y] {
			if cells[y][x] = " "; y < d.h && x < d.w {
				cells[y][x] = d.cells[y][x]
			}
		}
	}
	d.w, d.h, d.cells, d.top, d.bottom = w, h, cells, 0, h-1
	d.x, d.y = min(d.x, w-1), min(d.y, h-1)
}

// write takes in what a program has written.
func (d *display) write(text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text = append(d.rest, text...)
	for len(text) > 0 {
		n := d.next(text)
		if n == 0 {
			break
		}
		text = text[n:]
	}
	d.rest = append([]byte(nil), text...)
	d.tell()
}

func (d *display) tell() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// next does what the text begins with, and returns how long that is: 0 if its end is
// still to come.
func (d *display) next(text []byte) int {
	switch c := text[0]; {
	case c == 0x1b:
		return d.escape(text)
	case c == '\r':
		d.x = 0
	case c == '\n':
		d.lineFeed()
	case c == '\b':
		d.x = max(0, d.x-1)
	case c == '\t':
		d.x = min(d.w-1, (d.x/8+1)*8)
	case c >= 0x20:
		if !utf8.FullRune(text) {
			return 0
		}
		_, size := utf8.DecodeRune(text)
		d.put(string(text[:size]))
		return size
	}
	return 1
}

func (d *display) put(s string) {
	if d.x >= d.w {
		d.x = 0
		d.lineFeed()
	}
	d.cells[d.y][d.x], d.last = s, s
	d.x++
}

func (d *display) lineFeed() {
	if d.y == d.bottom {
		d.scroll(d.top, 1)
		return
	}
	d.y = min(d.h-1, d.y+1)
}

// scroll moves the lines from one on up, or down if n is negative.
func (d *display) scroll(from, n int) {
	blank := func() []string { return strings.Split(strings.Repeat(" ", d.w), "") }
	for range max(n, -n) {
		lines := d.cells[from : d.bottom+1]
		if n > 0 {
			copy(lines, lines[1:])
			lines[len(lines)-1] = blank()
		} else {
			copy(lines[1:], lines)
			lines[0] = blank()
		}
	}
}

// escape does an escape sequence.
func (d *display) escape(text []byte) int {
	if len(text) < 2 {
		return 0
	}
	switch text[1] {
	case '[':
		for i := 2; i < len(text); i++ {
			if text[i] >= 0x40 && text[i] <= 0x7e {
				d.control(string(text[2:i]), text[i])
				return i + 1
			}
		}
		return 0
	case ']', 'P', '_', '^', 'X': // a string, until BEL or ST
		for i := 2; i < len(text); i++ {
			if text[i] == 0x07 {
				return i + 1
			}
			if text[i] == '\\' && text[i-1] == 0x1b {
				return i + 1
			}
		}
		return 0
	case '(', ')':
		return min(3, len(text))
	case '7':
		d.saved = [2]int{d.x, d.y}
	case '8':
		d.x, d.y = d.saved[0], d.saved[1]
	case 'M':
		if d.y == d.top {
			d.scroll(d.top, -1)
		} else {
			d.y = max(0, d.y-1)
		}
	}
	return 2
}

// control does a control sequence.
func (d *display) control(params string, final byte) {
	if strings.HasPrefix(params, "?") {
		if (final == 'h' || final == 'l') && strings.Contains(params, "1049") {
			d.alternate(final == 'h')
		}
		return
	}
	if strings.ContainsAny(params, "<=>$ !\"'") {
		return
	}
	var n []int
	for _, p := range strings.Split(params, ";") {
		x, _ := strconv.Atoi(p)
		n = append(n, x)
	}
	n = append(n, 0)
	one := max(1, n[0])
	switch final {
	case 'A':
		d.y = max(0, d.y-one)
	case 'B':
		d.y = min(d.h-1, d.y+one)
	case 'C':
		d.x = min(d.w-1, d.x+one)
	case 'D':
		d.x = max(0, min(d.x, d.w-1)-one)
	case 'E':
		d.x, d.y = 0, min(d.h-1, d.y+one)
	case 'F':
		d.x, d.y = 0, max(0, d.y-one)
	case 'G', '`':
		d.x = min(d.w, one) - 1
	case 'd':
		d.y = min(d.h, one) - 1
	case 'H', 'f':
		d.y, d.x = min(d.h, one)-1, min(d.w, max(1, n[1]))-1
	case 'I':
		d.x = min(d.w-1, (d.x/8+one)*8)
	case 'Z':
		d.x = max(0, ((d.x+7)/8-one)*8)
	case 'm':
		d.styled = d.styled || n[0] >= 30
	case 'r':
		if d.top, d.bottom = one-1, n[1]-1; n[1] == 0 {
			d.bottom = d.h - 1
		}
		d.x, d.y = 0, 0
	default:
		d.edit(final, n[0])
	}
}

// alternate changes to the alternate screen, or back to what the other one showed.
func (d *display) alternate(on bool) {
	if d.alt == on {
		return
	}
	d.alt, d.drawn = on, d.drawn || on
	if on {
		d.main, d.mainAt = d.String(), [2]int{d.x, d.y}
	}
	d.erase(0, d.w*d.h)
	if on {
		return
	}
	for y, line := range strings.Split(d.main, "\n")[:min(d.h, strings.Count(d.main, "\n"))] {
		for x, r := range []rune(line)[:min(d.w, utf8.RuneCountInString(line))] {
			d.cells[y][x] = string(r)
		}
	}
	d.x, d.y = min(d.mainAt[0], d.w-1), min(d.mainAt[1], d.h-1)
}

// edit does a control sequence that changes what is there.
func (d *display) edit(final byte, n int) {
	at, one := d.y*d.w+min(d.x, d.w-1), max(1, n)
	line := d.cells[d.y]
	switch final {
	case 'J':
		d.erase([]int{at, 0, 0}[n%3], []int{d.w * d.h, at + 1, d.w * d.h}[n%3])
	case 'K':
		d.erase([]int{at, d.y * d.w, d.y * d.w}[n%3], []int{(d.y + 1) * d.w, at + 1, (d.y + 1) * d.w}[n%3])
	case 'X':
		d.erase(at, min(at+one, (d.y+1)*d.w))
	case '@':
		one = min(one, d.w-d.x)
		copy(line[d.x+one:], line[d.x:])
		d.erase(at, at+one)
	case 'P':
		one = min(one, d.w-d.x)
		copy(line[d.x:], line[d.x+one:])
		d.erase((d.y+1)*d.w-one, (d.y+1)*d.w)
	case 'L':
		d.scroll(d.y, -one)
	case 'M':
		d.scroll(d.y, one)
	case 'S':
		d.scroll(d.top, one)
	case 'T':
		d.scroll(d.top, -one)
	case 'b':
		for range one {
			d.put(d.last)
		}
	}
}

func (d *display) erase(from, to int) {
	for i := from; i < to; i++ {
		d.cells[i/d.w][i%d.w] = " "
	}
}

// String is the screen as text.
func (d *display) String() string {
	var b strings.Builder
	for _, line := range d.cells {
		b.WriteString(strings.TrimRight(strings.Join(line, ""), " ") + "\n")
	}
	return b.String()
}

// terminal is a program on a pseudo-terminal.
type terminal struct {
	*display
	t      testing.TB
	master *os.File
	cmd    *exec.Cmd
	read   chan struct{} // closed when nothing more comes
}

// onTerminal starts a program on a terminal of a size.
func onTerminal(t testing.TB, cmd *exec.Cmd, w, h int) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	term := &terminal{newDisplay(w, h), t, master, cmd, make(chan struct{})}
	term.setSize(w, h)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go term.readAll()
	return term
}

func (term *terminal) setSize(w, h int) {
	term.t.Helper()
	if err := unix.IoctlSetWinsize(int(term.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(h), Col: uint16(w)}); err != nil {
		term.t.Fatal(err)
	}
}

// readAll reads until the program has closed the terminal.
func (term *terminal) readAll() {
	defer close(term.read)
	buf := make([]byte, 64<<10)
	for {
		n, err := term.master.Read(buf)
		term.write(buf[:n])
		if err != nil {
			term.mu.Lock()
			defer term.mu.Unlock()
			term.over = true
			term.tell()
			return
		}
	}
}

// resizeTo changes the terminal's size, which the program is told.
func (term *terminal) resizeTo(w, h int) {
	term.t.Helper()
	term.mu.Lock()
	term.display.resize(w, h)
	term.mu.Unlock()
	term.setSize(w, h)
}

func (term *terminal) typeKeys(keys ...string) {
	term.t.Helper()
	for _, key := range keys {
		if _, err := term.master.WriteString(key); err != nil {
			term.t.Fatal(err)
		}
	}
}

// sees waits until the screen shows all of some texts.
func (term *terminal) sees(texts ...string) string {
	term.t.Helper()
	deadline := time.After(limit)
	for {
		term.mu.Lock()
		screen, changed, over := term.String(), term.changed, term.over
		term.mu.Unlock()
		missing := ""
		for _, text := range texts {
			if !strings.Contains(screen, text) {
				missing = text
			}
		}
		if missing == "" {
			return screen
		}
		if over {
			term.t.Fatalf("it has ended, and %q is not on the screen:\n%s", missing, screen)
		}
		select {
		case <-changed:
		case <-deadline:
			term.t.Fatalf("%q is not on the screen:\n%s", missing, screen)
		}
	}
}

// ends waits for the program to end.
func (term *terminal) ends(code int) {
	term.t.Helper()
	_ = term.cmd.Wait() // its code is looked at below
	<-term.read
	if got := term.cmd.ProcessState.ExitCode(); got != code {
		term.t.Errorf("exit code %d, want %d:\n%s", got, code, term.String())
	}
	if term.alt {
		term.t.Error("it has left the alternate screen on")
	}
}
