package trainer

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Limits of what is read from a program.
const (
	maxScoreFile = 1 << 10
	maxCSVFile   = 64 << 20
)

// output is what a program's two streams say. They are kept apart, so that half a
// line of a progress bar on one does not spoil the score on the other.
type output [2]report

func (o *output) line(stderr bool, line []byte, cut bool) {
	if stderr {
		o[1].line(line, cut)
		return
	}
	o[0].line(line, cut)
}

// last is what standard output reported, or else what standard error did. If neither
// reported a score, it is the one that came nearer.
func (o *output) last() *report {
	o[0].giveUp()
	o[1].giveUp()
	if o[0].found || !o[1].found && o[0].miss.rank >= o[1].miss.rank {
		return &o[0]
	}
	return &o[1]
}

// report is what a program says about its segment: its last word counts.
type report struct {
	source  ScoreSource
	pattern *regexp.Regexp

	result
	open object // JSON that has begun in an earlier line
	miss miss   // the line that comes nearest to a score
}

// result is a score, with what was reported beside it.
type result struct {
	found   bool
	score   float64
	metrics map[string]float64
	samples []float64
	steps   *int64 // trained; nil: as asked
	done    bool   // it has converged
	wrong   error  // what cannot be believed
}

func (o *report) line(line []byte, cut bool) {
	if cut || o.pattern == nil && o.source.JSON == "" {
		return
	}
	plain := plainOf(line)
	if o.pattern != nil {
		o.searchPattern(plain)
		return
	}
	for piece := range bytes.SplitSeq(plain, []byte{'\r'}) { // a progress bar writes over itself
		o.searchJSON(piece)
	}
}

// take takes the score from a text that is to be a number.
func (o *report) take(text string) bool {
	x, ok := parseNumber(text)
	if ok {
		o.score, o.found = x, true
	}
	return ok
}

// parseNumber is the number in a text, with or without quotes.
func parseNumber(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		text = strings.TrimSpace(text[1 : n-1])
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil || errors.Is(err, strconv.ErrRange)
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

// number is a JSON value as a number; one too large for a float64 is infinite, as the
// trainer's own would be. Of texts, only those count that say what no JSON number can:
// "NaN", "Infinity".
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		x, err := v.Float64()
		return x, err == nil || errors.Is(err, strconv.ErrRange)
	case string:
		x, err := strconv.ParseFloat(v, 64)
		return x, err == nil && (math.IsNaN(x) || math.IsInf(x, 0))
	}
	return 0, false
}

// readFile takes the score from a file.
func (o *report) readFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a named pipe must not make it wait
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return errors.Join(fmt.Errorf("%s is not a regular file", path), err)
	}
	if o.source.Column == "" {
		text, err := io.ReadAll(io.LimitReader(f, maxScoreFile))
		if err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
		if !o.take(string(text)) {
			o.miss.note(hasKey, text, "the content of %s is not a number", o.source.File)
		}
		return nil
	}
	if info.Size() > maxCSVFile {
		return fmt.Errorf("%s has %d bytes; want at most %d", path, info.Size(), maxCSVFile)
	}
	if err := o.readCSV(f); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// readCSV takes the last row of a column.
func (o *report) readCSV(from io.Reader) error {
	rows := csv.NewReader(from)
	rows.ReuseRecord, rows.FieldsPerRecord, rows.TrimLeadingSpace = true, -1, true
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("its first line, which names the columns: %w", err)
	}
	at := slices.IndexFunc(header, func(name string) bool { return strings.TrimSpace(name) == o.source.Column })
	if at < 0 {
		return fmt.Errorf("it has no column %q; it has %q", o.source.Column, header)
	}
	last := ""
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if at < len(row) && strings.TrimSpace(row[at]) != "" { // loggers leave out what was not measured
			last = row[at]
		}
	}
	if !o.take(last) {
		o.miss.note(hasKey, []byte(last), "the last value in column %s of %s is not a number", o.source.Column, o.source.File)
	}
	return nil
}
