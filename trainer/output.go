package trainer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Limits of what is read from a program.
const (
	maxOutputLine = 1 << 20 // bytes of a line that may hold the score; longer ones are passed over
	maxScoreFile  = 1 << 10
	tailLines     = 20  // of output shown when a program fails
	maxTailLine   = 400 // bytes of each
)

// readLines calls every function with each line of a program's output. Of a line
// that is too long they see the beginning, and that it is cut.
func readLines(r io.Reader, see ...func(line []byte, cut bool)) {
	in := bufio.NewReaderSize(r, maxOutputLine)
	for {
		line, err := in.ReadSlice('\n')
		cut := errors.Is(err, bufio.ErrBufferFull)
		for _, f := range see {
			f(bytes.TrimRight(line, "\r\n"), cut)
		}
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = in.ReadSlice('\n')
		}
		if err != nil { // the end, or nobody waits for more
			return
		}
	}
}

// tail is the last lines of a program's output, for a person.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line []byte, _ bool) {
	line = afterReturn(line)
	if len(line) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, strings.ToValidUTF8(string(line[:min(len(line), maxTailLine)]), "�"))
	if len(t.lines) > 2*tailLines {
		t.lines = append(t.lines[:0], t.lines[tailLines:]...)
	}
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := t.lines[max(0, len(t.lines)-tailLines):]
	if len(lines) == 0 {
		return "(it printed nothing)"
	}
	return "its last output:\n  " + strings.Join(lines, "\n  ")
}

// afterReturn is what a terminal would show of a line in which a progress bar has
// written over itself.
func afterReturn(line []byte) []byte {
	return line[bytes.LastIndexByte(line, '\r')+1:]
}

// report is what a program says about its segment: its last word counts.
type report struct {
	source  ScoreSource
	pattern *regexp.Regexp

	found   bool
	score   float64
	metrics map[string]float64
	samples []float64
}

func (o *report) line(line []byte, cut bool) {
	switch {
	case cut:
	case o.pattern != nil:
		if all := o.pattern.FindAllSubmatch(line, -1); all != nil {
			o.take(string(all[len(all)-1][1]))
		}
	case o.source.JSON != "":
		if line = bytes.TrimSpace(afterReturn(line)); len(line) > 0 && line[0] == '{' {
			o.takeJSON(line)
		}
	}
}

func (o *report) take(text string) {
	if x, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil || errors.Is(err, strconv.ErrRange) {
		o.score, o.found = x, true
	}
}

// takeJSON takes the score, the list named samples, and every other number as a metric.
func (o *report) takeJSON(line []byte) {
	var doc map[string]any
	if json.Unmarshal(quoteNonFinite(line), &doc) != nil {
		return
	}
	x, ok := number(find(doc, o.source.JSON))
	if !ok {
		return
	}
	o.score, o.found, o.metrics, o.samples = x, true, nil, nil
	for key, v := range doc {
		if x, ok := number(v); ok && key != o.source.JSON {
			if o.metrics == nil {
				o.metrics = map[string]float64{}
			}
			o.metrics[key] = x
		}
	}
	list, _ := doc["samples"].([]any)
	for _, v := range list {
		if x, ok := number(v); ok {
			o.samples = append(o.samples, x)
		}
	}
}

// find follows a dotted path of keys; a key that holds the dots itself goes first.
func find(doc map[string]any, path string) any {
	if v, ok := doc[path]; ok {
		return v
	}
	var at any = doc
	for key := range strings.SplitSeq(path, ".") {
		m, _ := at.(map[string]any)
		at = m[key]
	}
	return at
}

// nonFinite are the numbers that Python's json writes though JSON has no such.
var nonFinite = [][]byte{[]byte("NaN"), []byte("Infinity"), []byte("-Infinity")}

// quoteNonFinite makes texts of them.
func quoteNonFinite(line []byte) []byte {
	if !bytes.Contains(line, nonFinite[0]) && !bytes.Contains(line, nonFinite[1]) {
		return line
	}
	out := make([]byte, 0, len(line)+16)
	inText := false
	for i := 0; i < len(line); {
		n := 1
		if inText && line[i] == '\\' {
			n = min(2, len(line)-i)
		}
		quoted := false
		for _, word := range nonFinite {
			if !inText && bytes.HasPrefix(line[i:], word) {
				n, quoted = len(word), true
				break
			}
		}
		if quoted {
			out = append(append(append(out, '"'), line[i:i+n]...), '"')
		} else {
			out = append(out, line[i:i+n]...)
		}
		if line[i] == '"' {
			inText = !inText
		}
		i += n
	}
	return out
}

// number is a JSON value as a number. Of texts, only those count that say what no
// JSON number can: "NaN", "Infinity".
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case string:
		x, err := strconv.ParseFloat(v, 64)
		return x, err == nil && (math.IsNaN(x) || math.IsInf(x, 0))
	}
	return 0, false
}

func (o *report) readFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not make it wait
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("%s is not a regular file", path), err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxScoreFile))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	o.take(string(text))
	return nil
}
