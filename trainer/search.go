package trainer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/seed-7a1a2db0/pbt/internal/strict"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// Limits of the search for a score.
const (
	maxObject   = 1 << 20 // bytes of a JSON object over several lines
	maxUnclosed = 32      // braces in one line that are never closed
	maxShown    = 200     // bytes of a line that an error shows
	maxKeys     = 8       // keys of an object that an error names
)

// plainOf is a line as its reader sees it, without colours: the same line if it has none.
func plainOf(line []byte) []byte {
	if bytes.IndexByte(line, 0x1b) < 0 {
		return line
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); {
		if line[i] == 0x1b {
			i += process.EscapeLength(line[i:])
			continue
		}
		out = append(out, line[i])
		i++
	}
	return out
}

// braces follows the nesting of a JSON object.
type braces struct {
	depth         int
	text, escaped bool // inside a string; after its backslash
}

// scan returns the length of what belongs to the object, -1 if it is not closed yet.
func (b *braces) scan(piece []byte) int {
	for i, c := range piece {
		switch {
		case b.escaped:
			b.escaped = false
		case b.text:
			b.escaped, b.text = c == '\\', c != '"'
		case c == '"':
			b.text = true
		case c == '{':
			b.depth++
		case c == '}':
			if b.depth--; b.depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// object is a JSON object that began in an earlier line.
type object struct {
	braces
	begun  []byte // nil: there is none
	inside *result
}

// add continues the object with a line. closed tells that the object is complete,
// broken that the line cannot belong to it.
func (o *object) add(line []byte) (closed, broken bool) {
	if text := bytes.TrimSpace(line); len(text) > 0 && !bytes.ContainsRune([]byte(`"{}[],0123456789-tfnNI`), rune(text[0])) {
		return false, true
	}
	end := o.scan(line)
	if end >= 0 {
		line = line[:end]
	}
	o.begun = append(append(o.begun, '\n'), line...)
	return end >= 0, o.text || len(o.begun) > maxObject
}

// searchJSON looks for JSON objects in a line: behind a progress bar, a logger's
// prefix, or as a part of an object over several lines. The last one counts.
func (o *report) searchJSON(line []byte) {
	if o.open.begun != nil {
		if !bytes.Equal(line, []byte("{")) { // else a new one begins
			closed, broken := o.open.add(line)
			switch {
			case closed && o.takeJSON(o.open.begun, &o.result):
				o.open = object{}
				return
			case !closed && !broken:
				o.searchLine(line, o.open.inside)
				return
			}
		}
		o.giveUp()
	}
	rest := o.searchLine(line, &o.result)
	if rest == nil {
		return
	}
	o.open = object{begun: slices.Clone(rest), inside: &result{}}
	o.open.scan(rest)
}

// giveUp takes what the lines of an object that was none said by themselves.
func (o *report) giveUp() {
	if o.open.inside != nil && o.open.inside.found {
		o.result = *o.open.inside
	}
	o.open = object{}
}

// searchLine takes the objects that begin and end in a line. It returns the beginning
// of one that may go on in the next line.
func (o *report) searchLine(line []byte, into *result) (rest []byte) {
	o.noteMention(line)
	unclosed := 0
	for i := bytes.IndexByte(line, '{'); i >= 0 && unclosed < maxUnclosed; {
		from := line[i:]
		var b braces
		end := b.scan(from)
		if end < 0 {
			unclosed++
			if inner := bytes.TrimSpace(from[1:]); rest == nil && !b.text && (len(inner) == 0 || inner[0] == '"') {
				rest = from
			}
			end = 1
		} else {
			o.takeJSON(from[:end], into)
		}
		next := bytes.IndexByte(from[end:], '{')
		if next < 0 {
			break
		}
		i += end + next
	}
	return rest
}

// takeJSON takes the score, the list named samples, and every other number as a
// metric. valid tells whether it is JSON at all. It takes nothing from an object in
// which a name occurs twice: which of two scores counts would be a guess.
func (o *report) takeJSON(text []byte, into *result) (valid bool) {
	quoted := quoteNonFinite(text)
	var doc map[string]any
	in := json.NewDecoder(bytes.NewReader(quoted))
	in.UseNumber() // 1e400 is no float64, and a number all the same
	err := strict.CheckNames(quoted)
	if err == nil {
		err = in.Decode(&doc)
	}
	if err != nil {
		o.noteInvalid(text, err)
		return json.Valid(quoted)
	}
	v := find(doc, o.source.JSON)
	x, ok := scoreOf(v)
	if !ok {
		o.noteObject(text, doc, v)
		return true
	}
	*into = result{found: true, score: x}
	for key, v := range doc {
		if x, ok := number(v); ok && key != o.source.JSON {
			if into.metrics == nil {
				into.metrics = map[string]float64{}
			}
			into.metrics[key] = x
		}
	}
	if v, counted := doc[stepsKey]; counted {
		delete(into.metrics, stepsKey)
		into.steps, into.wrong = stepsOf(v)
	}
	into.done, _ = doc["done"].(bool)
	list, _ := doc["samples"].([]any)
	for _, v := range list {
		if x, ok := number(v); ok {
			into.samples = append(into.samples, x)
		}
	}
	return true
}

// stepsKey is under which a program says how many steps it has trained, if not as many
// as it was asked to. It is not `steps`, under which many programs print their total.
const stepsKey = "steps_trained"

func stepsOf(v any) (*int64, error) {
	n, _ := v.(json.Number)
	steps, err := strconv.ParseInt(string(n), 10, 64)
	if err != nil || steps < 1 || steps > protocol.MaxSteps {
		return nil, fmt.Errorf("%s is %v in its output: want a whole number from 1 to %d, the steps trained in this segment", stepsKey, v, int64(protocol.MaxSteps))
	}
	return &steps, nil
}

// scoreOf is a number, also one in quotes.
func scoreOf(v any) (float64, bool) {
	if text, ok := v.(string); ok {
		return parseNumber(text)
	}
	return number(v)
}

// miss is a line that comes near to a score, and why it is none.
type miss struct {
	rank      int // how near; 0: there is none
	line, why string
}

// How near a line comes to a score.
const (
	mentions = iota + 1 // an object without the key, or text with it
	almost              // the key is there, in what is not quite JSON
	hasKey              // the key is there, its value is no number
)

func (m *miss) note(rank int, line []byte, format string, args ...any) {
	if rank >= m.rank {
		*m = miss{rank, Printable(line, maxShown), fmt.Sprintf(format, args...)}
	}
}

// key is the last part of the score's path.
func (o *report) key() string {
	return o.source.JSON[strings.LastIndexByte(o.source.JSON, '.')+1:]
}

func (o *report) noteMention(line []byte) {
	if o.miss.rank <= mentions && bytes.Contains(line, []byte(o.key())) {
		o.miss.note(mentions, line, "it holds no JSON object: print(json.dumps({%q: …})), or set trainer.score: {regex: …} in the experiment file", o.key())
	}
}

func (o *report) noteInvalid(text []byte, err error) {
	key := o.key()
	switch {
	case !bytes.Contains(text, []byte(key)):
	case bytes.Contains(text, []byte("'"+key+"'")):
		o.miss.note(almost, text, "its keys are in single quotes, as Python prints a dict, which is not JSON: print(json.dumps(…)), with numbers as float(x)")
	default:
		o.miss.note(almost, text, "%s. Print it with a JSON library", Printable([]byte(err.Error()), maxShown))
	}
}

// noteObject notes why an object holds no score; v is what stands where it should.
func (o *report) noteObject(text []byte, doc map[string]any, v any) {
	if v != nil || hasPath(doc, o.source.JSON) {
		shown, _ := json.Marshal(v) // has been JSON before
		o.miss.note(hasKey, text, "the value of %s is %s, which is not a number", o.source.JSON, Printable(shown, maxShown))
		return
	}
	if path := pathTo(doc, o.key()); path != "" {
		o.miss.note(almost, text, "the key is nested: set trainer.score: {json: %s} in the experiment file", Printable([]byte(path), maxShown))
		return
	}
	keys := slices.Sorted(maps.Keys(doc))
	more := ""
	if len(keys) > maxKeys {
		keys, more = keys[:maxKeys], ", …"
	}
	o.miss.note(mentions, text, "it has no key %s; its keys are: %s%s", o.source.JSON, Printable([]byte(strings.Join(keys, ", ")), maxShown), more)
}

// hasPath tells whether a path leads to a value, which may be null.
func hasPath(doc map[string]any, path string) bool {
	if _, ok := doc[path]; ok {
		return true
	}
	head, rest, deeper := strings.Cut(path, ".")
	inner, ok := doc[head].(map[string]any)
	return deeper && ok && hasPath(inner, rest)
}

// pathTo is the path to a number with that key, deeper in an object; "" if there is none.
func pathTo(doc map[string]any, key string) string {
	for _, name := range slices.Sorted(maps.Keys(doc)) {
		inner, ok := doc[name].(map[string]any)
		if !ok {
			continue
		}
		if _, ok := scoreOf(inner[key]); ok {
			return name + "." + key
		}
		if path := pathTo(inner, key); path != "" {
			return name + "." + path
		}
	}
	return ""
}

// searchPattern takes the last match of the score's pattern in a line.
func (o *report) searchPattern(line []byte) {
	all := o.pattern.FindAllSubmatch(line, -1)
	if all == nil {
		if prefix := literalOf(o.pattern); prefix != "" && bytes.Contains(line, []byte(prefix)) {
			o.miss.note(almost, line, "it holds %q, and the rest of the pattern does not match", prefix)
		}
		return
	}
	if text := all[len(all)-1][1]; !o.take(string(text)) {
		o.miss.note(hasKey, line, "the pattern's group matches %q, which is not a number", Printable(text, maxShown))
	}
}

// literalOf is the text that each match of a pattern begins with.
func literalOf(re *regexp.Regexp) string {
	prefix, _ := re.LiteralPrefix()
	return strings.TrimSpace(prefix)
}

// explain says which line comes nearest to a score, and why it is none.
func (m *miss) explain() string {
	if m.rank == 0 {
		return ""
	}
	return fmt.Sprintf("\n  nearest: %s\n  no match: %s", m.line, m.why)
}

// Printable is text from a program for a terminal: at most limit bytes, with what is
// not printable (control characters, bidirectional overrides, bytes that are not
// UTF-8) as an escape such as \u202e.
func Printable(text []byte, limit int) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		if b.Len() >= limit {
			b.WriteString("…")
			break
		}
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		i += n
	}
	return b.String()
}
