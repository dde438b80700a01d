package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

const (
	DefaultLogSize = 10 << 20 // bytes of a log file; a log has two of them
	minLogSize     = 16 << 10 // several lines of the longest kind

	maxLogLine = 4 << 10  // bytes of a line that are logged
	logBuffer  = 64 << 10 // bytes that wait at most for the next Flush
	noteRoom   = 256      // kept free for a note on lines that were lost
	logTime    = "2006-01-02T15:04:05.000Z"
)

// Log is a text file of what programs print, for people to read. Its size is bounded:
// when it is full it becomes path.1, and the one before that is gone. A disk that is
// full loses lines, which the log tells when there is room again; nobody waits for
// it. It may be used from several goroutines. A nil Log takes everything and does
// nothing.
type Log struct {
	mu   sync.Mutex
	path string
	max  int64

	file io.WriteCloser // nil: it has to be opened
	size int64          // of the file
	wait []byte         // lines to write

	lost int   // lines since the last that was written
	err  error // that began the losses
	news error // the same, until somebody asks
	torn bool  // the file ends within a line
}

// OpenLog opens a log to append to, or makes it. At max bytes it begins anew; 0 means
// DefaultLogSize.
func OpenLog(path string, max int64) (*Log, error) {
	if max == 0 {
		max = DefaultLogSize
	}
	if max < minLogSize {
		return nil, fmt.Errorf("a log of %d bytes is too small, at least %d are needed", max, minLogSize)
	}
	l := &Log{path: path, max: max}
	return l, l.open()
}

func (l *Log) open() error {
	d, name := disk.Beside(l.path)
	f, err := d.Append(name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return err
	}
	l.file, l.size = f, info.Size()
	return nil
}

// Line adds a line of a program's output, which is in the file after the next Flush.
func (l *Log) Line(stderr bool, line []byte, cut bool) {
	if l == nil {
		return
	}
	source := " out| "
	if stderr {
		source = " err| "
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(source, afterReturn(line), cut)
}

// Mark adds a line that separates, and is in the file at once.
func (l *Log) Mark(text string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(" --- ", append([]byte(text), " ---"...), false)
	l.flush()
}

// Flush writes what has been added.
func (l *Log) Flush() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
}

// Err is why lines are lost, or were since the last call. It is returned once: a disk
// that stays full is no news.
func (l *Log) Err() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.news
	l.news = nil
	return err
}

// Close writes what has been added. The log must not be used any more.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	var err error
	if l.file != nil {
		err = l.file.Close()
	}
	if l.lost > 0 {
		err = errors.Join(l.err, err)
	}
	return err
}

// add makes a line. What the file has no room for any more goes into the next.
func (l *Log) add(source string, text []byte, cut bool) {
	start := len(l.wait)
	l.wait = time.Now().UTC().AppendFormat(l.wait, logTime)
	l.wait = append(l.wait, source...)
	l.wait = appendPrintable(l.wait, text, maxLogLine)
	if cut && !bytes.HasSuffix(l.wait, []byte("…")) {
		l.wait = append(l.wait, "…"...)
	}
	l.wait = append(l.wait, '\n')
	if start > 0 && !l.fits(len(l.wait)) {
		line := bytes.Clone(l.wait[start:])
		l.wait = l.wait[:start]
		l.flush()
		l.wait = append(l.wait, line...)
	}
	if len(l.wait) > logBuffer {
		l.flush()
	}
}

// fits: so many bytes still go into the file.
func (l *Log) fits(n int) bool { return l.size+int64(n)+noteRoom <= l.max }

// flush writes the lines that wait, or loses them.
func (l *Log) flush() {
	if len(l.wait) == 0 {
		return
	}
	if err := l.write(l.wait); err != nil {
		if l.lost == 0 {
			l.err = err
			l.news = fmt.Errorf("lines of the log %s are lost: %w", l.path, err)
		}
		l.lost += bytes.Count(l.wait, []byte{'\n'})
	}
	l.wait = l.wait[:0]
}

// write puts lines into the file, after a note on those that are missing before them.
func (l *Log) write(lines []byte) error {
	if l.file == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if !l.fits(len(lines)) {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	if l.lost > 0 {
		note := fmt.Sprintf("%s --- %d lines are missing here: %.100v ---\n", time.Now().UTC().Format(logTime), l.lost, l.err)
		if l.torn {
			note = "\n" + note
		}
		if err := l.put([]byte(note)); err != nil {
			return err
		}
		l.lost = 0
	}
	return l.put(lines)
}

// put writes, and takes note of how far that got.
func (l *Log) put(b []byte) error {
	n, err := l.file.Write(b)
	l.size += int64(max(n, 0))
	if err == nil {
		l.torn = false
	} else if n > 0 {
		l.torn = b[n-1] != '\n'
	}
	return err
}

// rotate makes room: the file becomes path.1. If that fails nothing is written.
func (l *Log) rotate() error {
	l.file.Close()
	l.file, l.size = nil, 0
	d, name := disk.Beside(l.path)
	if err := d.Rename(name, name+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	l.torn = false
	return l.open()
}
