package process

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Limits of what is kept of a program's output.
const (
	maxOutputLine = 1 << 20  // bytes of a line that are seen
	firstBuffer   = 64 << 10 // it grows with the lines
	tailLines     = 20       // shown when a program fails
	maxTailLine   = 400      // bytes of each
)

// stream is the reading end of one of the program's pipes.
type stream struct {
	file *os.File
	last bool // nobody is left who writes
	rest int  // then: bytes that are still in the pipe
}

// writersAreGone makes the reader take what is in the pipe, and no more: if somebody
// has the other end who was none of the program's, it has nothing to say.
func (s *stream) writersAreGone() { _ = s.file.SetReadDeadline(time.Unix(1, 0)) }

func (s *stream) Read(p []byte) (int, error) {
	if !s.last {
		n, err := s.file.Read(p)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		s.last = true
		if err := s.file.SetReadDeadline(time.Time{}); err != nil {
			return 0, err
		}
		raw, err := s.file.SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { s.rest, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		}
		if err != nil {
			return 0, err
		}
	}
	if s.rest <= 0 {
		return 0, io.EOF
	}
	n, err := s.file.Read(p[:min(len(p), s.rest)])
	s.rest -= n
	return n, err
}

// readLines shows each line of r, and pauses before each read: a read may take as
// long as it likes. Of a line that is too long the beginning is shown, and that it
// is cut; unless a progress bar has written over that beginning.
func readLines(r io.Reader, pause func(), see func(line []byte, cut bool)) {
	buf := make([]byte, firstBuffer)
	have, skipping := 0, false // bytes of a line without its end; the rest of a cut line
	for {
		pause()
		n, err := r.Read(buf[have:])
		line := 0 // where the current one begins
		for at := have; ; {
			i := bytes.IndexByte(buf[at:have+n], '\n')
			if i < 0 {
				break
			}
			if !skipping {
				see(bytes.TrimRight(buf[line:at+i], "\r"), false)
			}
			at += i + 1
			line, skipping = at, false
		}
		have += n
		switch {
		case skipping:
			have = 0
		case line > 0: // and not each time that a long line grows
			have = copy(buf, buf[line:have])
		}
		if have == len(buf) {
			buf, have, skipping = makeRoom(buf, see)
		}
		if err != nil { // the end, or nobody waits for more
			if have > 0 {
				see(bytes.TrimRight(buf[:have], "\r"), false)
			}
			pause()
			return
		}
	}
}

// makeRoom in a buffer full of one line.
func makeRoom(buf []byte, see func([]byte, bool)) (_ []byte, have int, skipping bool) {
	if len(buf) < maxOutputLine {
		return append(buf, make([]byte, len(buf))...), len(buf), false
	}
	if i := bytes.LastIndexByte(buf[:len(buf)-1], '\r'); i >= 0 {
		return buf, copy(buf, buf[i+1:]), false
	}
	see(buf, true)
	return buf, 0, true
}

// tail is the last lines of a program's output, for a person.
type tail struct {
	mu    sync.Mutex
	lines [tailLines + 1][]byte // a ring, its memory used again; the next is free
	next  int
	count int
}

const noOutput = "(it printed nothing)"

func (t *tail) add(line []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := appendPrintable(t.lines[t.next][:0], afterReturn(line), maxTailLine)
	t.lines[t.next] = text
	if len(text) == 0 {
		return
	}
	t.next = (t.next + 1) % len(t.lines)
	t.count = min(t.count+1, tailLines)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == 0 {
		return noOutput
	}
	var b strings.Builder
	b.WriteString("its last output:")
	for i := range t.count {
		b.WriteString("\n  ")
		b.Write(t.lines[(t.next+len(t.lines)-t.count+i)%len(t.lines)])
	}
	return b.String()
}

// afterReturn is what a terminal would show of a line in which a progress bar has
// written over itself.
func afterReturn(line []byte) []byte {
	line = bytes.TrimRight(line, "\r")
	return line[bytes.LastIndexByte(line, '\r')+1:]
}

// appendPrintable appends at most limit bytes of a line as plain text: no colours, no
// control characters, nothing that is not UTF-8, an ellipsis for what is missing.
func appendPrintable(to, line []byte, limit int) []byte {
	end := len(to) + limit
	for i := 0; i < len(line); {
		plain := i
		for plain < len(line) && (line[plain] >= ' ' && line[plain] < 0x7f || line[plain] == '\t') && plain-i <= limit {
			plain++
		}
		if room := end - len(to); plain-i > room {
			return append(append(to, line[i:i+room]...), "…"...)
		}
		to = append(to, line[i:plain]...)
		if i = plain; i == len(line) {
			break
		}
		switch c := line[i]; {
		case c == 0x1b:
			i += EscapeLength(line[i:])
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(line[i:])
			if len(to)+utf8.RuneLen(r) > end {
				return append(to, "…"...)
			}
			if !unicode.IsControl(r) && !unicode.Is(unicode.Bidi_Control, r) {
				to = utf8.AppendRune(to, r)
			}
			i += n
		}
	}
	return to
}

// EscapeLength is the length of the terminal's command that a text begins with: ESC [
// up to a letter, ESC ] (a link, a title) up to its end, or ESC and one character.
func EscapeLength(text []byte) int {
	if len(text) < 2 {
		return len(text)
	}
	switch text[1] {
	case '[':
	case ']':
		end := 2 // without its end it is no command
		if i := bytes.IndexByte(text, 0x07); i >= 0 {
			end = i + 1
		}
		if i := bytes.Index(text, []byte("\x1b\\")); i >= 0 && (end == 2 || i < end) {
			end = i + 2
		}
		return end
	default:
		return 2
	}
	for i := 2; i < len(text); i++ {
		if text[i] >= 0x40 && text[i] <= 0x7e {
			return i + 1
		}
	}
	return len(text)
}
