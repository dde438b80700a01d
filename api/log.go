package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
)

// Log is what a trainer printed during a segment: its newest lines.
type Log struct {
	Slot  string   `json:"slot"`
	Lines []string `json:"lines"`
	Cut   bool     `json:"cut"` // there was more
}

// Limits of a log.
const (
	maxLogLines = 1000
	maxLogBytes = 256 << 10
	maxLogFile  = 16 << 20 // bytes of a file that are searched, from its end
	logDir      = "logs"
)

// slotName is what pbt calls slots: whatever else a journal says is no file's name.
var slotName = regexp.MustCompile(`^slot-[0-9]{1,6}$`)

// log finds the part of a slot's log that belongs to a segment: what follows its
// newest mark, up to the next one. Lines of programs cannot look like marks.
func (q *request) log() (any, error) {
	id := q.num("n")
	slot, err := q.source.run.Worker(id)
	if err != nil {
		return nil, err
	}
	l := Log{Slot: slot, Lines: []string{}}
	if !slotName.MatchString(slot) {
		return l, nil
	}
	dir := disk.In(q.source.Dir)
	path := filepath.Join(logDir, slot+".log")
	older, errOlder := tailOf(dir, path+".1")
	newer, err := tailOf(dir, path)
	if err := errors.Join(errOlder, err); err != nil {
		return nil, fmt.Errorf("read the log of %s: %w", slot, err)
	}
	l.find(append(older, newer...), id)
	return l, nil
}

// tailOf is the end of a file that may not be there. A run may come from elsewhere: a
// link is an error, and what is no file counts as absent.
func tailOf(dir disk.Dir, path string) ([]byte, error) {
	f, err := dir.Open(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, disk.ErrKind) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil, err
	}
	return io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxLogFile), maxLogFile))
}

// stampWidth is how many bytes stand before what a line of a log says.
const stampWidth = len("2006-01-02T15:04:05.000Z")

const markBegins = " --- segment "

// isMark tells whether a line separates segments, and whether it begins this one.
func isMark(line []byte, id int64) (mark, begins bool) {
	if len(line) <= stampWidth {
		return false, false
	}
	said := line[stampWidth:]
	return bytes.HasPrefix(said, []byte(markBegins)), bytes.HasPrefix(said, fmt.Appendf(nil, "%s%d,", markBegins, id))
}

// find takes the lines of a segment.
func (l *Log) find(text []byte, id int64) {
	begin := lastMark(text, id)
	if begin < 0 {
		return
	}
	rest := text[begin:]
	_, rest, _ = bytes.Cut(rest, []byte{'\n'})
	end := 0
	for end < len(rest) {
		line, _, _ := bytes.Cut(rest[end:], []byte{'\n'})
		if mark, _ := isMark(line, id); mark {
			break
		}
		end = min(len(rest), end+len(line)+1)
	}
	rest = bytes.TrimSuffix(rest[:end], []byte{'\n'})
	if len(rest) == 0 {
		return
	}
	if len(rest) > maxLogBytes {
		rest, l.Cut = rest[len(rest)-maxLogBytes:], true
		_, rest, _ = bytes.Cut(rest, []byte{'\n'})
	}
	for line := range bytes.SplitSeq(rest, []byte{'\n'}) {
		l.Lines = append(l.Lines, strings.ToValidUTF8(string(line), string(utf8.RuneError)))
	}
	if over := len(l.Lines) - maxLogLines; over > 0 {
		l.Lines, l.Cut = l.Lines[over:], true
	}
}

// lastMark is where a segment's newest mark begins, −1 for nowhere.
func lastMark(text []byte, id int64) int {
	needle := fmt.Appendf(nil, "%s%d,", markBegins, id)
	for end := len(text); ; {
		at := bytes.LastIndex(text[:end], needle)
		if at < 0 {
			return -1
		}
		start := bytes.LastIndexByte(text[:at], '\n') + 1
		if at-start == stampWidth {
			return start
		}
		end = at
	}
}
