package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of an experiment file. They are far above use; they keep a bad file from
// eating memory or minutes.
const (
	MaxFileSize = 256 << 10 // bytes
	MaxDepth    = 40        // levels of nesting
	MaxTokens   = 30_000    // words and signs of YAML; the library takes time by the square of the lines
	MaxValues   = 100_000   // values, aliases expanded
)

// loadYAML reads one YAML document. It returns nil after a complaint.
func loadYAML(src *source, data []byte, faults *complaints) *node {
	l := &loader{src: src, faults: faults, anchors: map[string]*node{}}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !l.readable(data) {
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if !l.bounded(tokens) {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		l.syntax(err)
		return nil
	}
	body := l.onlyDocument(file)
	if body == nil {
		return nil
	}
	n := l.convert(body)
	if l.broken {
		return nil
	}
	return n
}

// parseTokens shields from the library's panics: there were some on odd input.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("this is no YAML that can be read")
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey()) // convert tells of all duplicates
}

type loader struct {
	src     *source
	faults  *complaints
	anchors map[string]*node
	values  int
	broken  bool // a complaint after which the document is not worth checking
}

func (l *loader) at(line, col int) position { return position{l.src, max(line, 1), max(col, 1)} }

func (l *loader) fail(at position, format string, args ...any) *node {
	if !l.broken {
		l.faults.addStrict(at, "", format, args...)
	}
	l.broken = true
	return nil
}

// readable checks size, encoding and characters.
func (l *loader) readable(data []byte) bool {
	if len(data) > MaxFileSize {
		l.fail(position{src: l.src}, "more than %d bytes are too many for an experiment", MaxFileSize)
		return false
	}
	line, col := 1, 0
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		col++
		switch {
		case r == utf8.RuneError && size == 1:
			l.fail(l.at(line, col), "byte 0x%02x is no UTF-8; save the file as UTF-8", data[i])
			return false
		case r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f:
			l.fail(l.at(line, col), "a control character (0x%02x), which YAML does not allow", data[i])
			return false
		case r == '\n':
			line, col = line+1, 0
		}
		i += size
	}
	return true
}

// bounded checks, before anything recurses, that there are not too many tokens
// and that they are not nested too deeply.
func (l *loader) bounded(tokens token.Tokens) bool {
	if len(tokens) > MaxTokens {
		l.fail(position{src: l.src}, "%d words and signs are too many for an experiment: at most %d are read", len(tokens), MaxTokens)
		return false
	}
	flow, line := 0, 0
	var columns []int // where the enclosing blocks begin
	for _, tk := range tokens {
		pos := tk.Position
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		}
		if opens := tk.Type == token.SequenceEntryType || tk.Type == token.MappingKeyType; flow <= 0 && (opens || pos.Line != line) {
			for len(columns) > 0 && columns[len(columns)-1] >= pos.Column {
				columns = columns[:len(columns)-1]
			}
			columns = append(columns, pos.Column)
		}
		line = pos.Line
		if flow > MaxDepth || len(columns) > MaxDepth {
			l.fail(l.at(pos.Line, pos.Column), "nested deeper than %d levels", MaxDepth)
			return false
		}
	}
	return true
}

// syntax turns the library's error into a complaint.
func (l *loader) syntax(err error) {
	var bad *yaml.SyntaxError
	if !errors.As(err, &bad) || bad.GetToken() == nil || bad.GetToken().Position == nil {
		l.fail(position{src: l.src}, "%v", err)
		return
	}
	at, message := bad.GetToken().Position, bad.GetMessage()
	switch {
	case strings.ContainsAny(message, "\t") || strings.Contains(message, "tab character"):
		message = "a tab; YAML indents with spaces"
	case strings.Contains(message, "mapping value is not allowed"):
		message += "; quote a text that holds \": \""
	case strings.Contains(message, "reserved character"):
		message += "; quote a text that begins with it"
	}
	l.fail(l.at(at.Line, at.Column), "%s", message)
}

// onlyDocument returns the file's one document, if it has just one.
func (l *loader) onlyDocument(file *ast.File) ast.Node {
	var body ast.Node
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil:
		case doc.Body.Type() == ast.DirectiveType:
			l.fail(l.place(doc.Body), "a YAML directive; remove it, YAML 1.2 is read")
			return nil
		case body != nil:
			l.fail(l.place(doc.Body), "a second document; an experiment is one, without --- between")
			return nil
		default:
			body = doc.Body
		}
	}
	if body == nil {
		if l.src.assigned {
			l.fail(position{src: l.src}, "no value after =; null goes back to the default")
		} else {
			l.fail(l.at(1, 1), "the file is empty; `pbt init` writes one to start from")
		}
	}
	return body
}

// place is where a value begins: of a mapping, its first key.
func (l *loader) place(n ast.Node) position {
	switch m := n.(type) {
	case *ast.MappingNode:
		if !m.IsFlowStyle && len(m.Values) > 0 {
			return l.place(m.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return l.place(m.Key)
	}
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return l.at(1, 1)
	}
	return l.at(n.GetToken().Position.Line, n.GetToken().Position.Column)
}

// convert turns the library's tree into nodes. It returns nil only when broken.
func (l *loader) convert(n ast.Node) *node {
	if l.values++; l.broken || l.values > MaxValues {
		return l.fail(l.place(n), "more than %d values, aliases included", MaxValues)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return l.mapping(l.place(n), n.Values)
	case *ast.MappingValueNode:
		return l.mapping(l.place(n), []*ast.MappingValueNode{n})
	case *ast.SequenceNode:
		return l.sequence(n)
	case *ast.LiteralNode:
		return (&node{kind: textKind, text: n.Value.Value, at: l.place(n)}).measure()
	case *ast.AnchorNode:
		value := l.convert(n.Value)
		if value != nil && n.Name != nil {
			l.anchors[n.Name.GetToken().Value] = value
		}
		return value
	case *ast.AliasNode:
		return l.alias(n)
	case *ast.TagNode:
		return l.fail(l.place(n), "a YAML tag (%s); remove it, or quote a value that is a text", quote(n.GetToken().Value))
	case ast.ScalarNode:
		return l.scalar(n)
	}
	return l.fail(l.place(n), "this has no place in an experiment")
}

func (l *loader) alias(n *ast.AliasNode) *node {
	name := ""
	if n.Value != nil && n.Value.GetToken() != nil {
		name = n.Value.GetToken().Value
	}
	target, ok := l.anchors[name]
	if !ok {
		return l.fail(l.place(n), "*%s stands for nothing: no &%s comes before it", name, name)
	}
	l.values += target.size - 1
	return target
}

func (l *loader) scalar(n ast.ScalarNode) *node {
	tk := n.GetToken()
	out := &node{kind: textKind, text: tk.Value, at: l.place(n)}
	switch tk.Type {
	case token.SingleQuoteType, token.DoubleQuoteType:
		return out.measure()
	case token.ImplicitNullType:
		out.text = ""
	}
	if strings.Contains(strings.TrimSpace(tk.Origin), "\t") && tk.Type == token.StringType {
		return l.fail(out.at, "a tab within a text; put the text in quotes") // the library drops it
	}
	var err error
	if out.kind, out.num, err = resolve(out.text); err != nil {
		return l.fail(out.at, "%v", err)
	}
	return out.measure()
}

func (l *loader) sequence(n *ast.SequenceNode) *node {
	out := &node{kind: listKind, at: l.place(n)}
	for _, value := range n.Values {
		item := l.convert(value)
		if item == nil {
			return nil
		}
		out.items = append(out.items, item)
	}
	return l.nested(out)
}

// nested bounds the depth that aliases within aliases add up to.
func (l *loader) nested(n *node) *node {
	if n.measure().depth > MaxDepth {
		return l.fail(n.at, "nested deeper than %d levels", MaxDepth)
	}
	return n
}

func (l *loader) mapping(at position, values []*ast.MappingValueNode) *node {
	out := &node{kind: mapKind, at: at}
	lines := make(map[string]int, len(values))
	var merged []*node
	for _, v := range values {
		if v.Key.IsMergeKey() {
			m := l.convert(v.Value)
			if m == nil {
				return nil
			}
			merged = append(merged, m)
			continue
		}
		key, keyAt, ok := l.key(v.Key)
		if !ok {
			return nil
		}
		if line, twice := lines[key]; twice {
			l.faults.addStrict(keyAt, "", "the key %s is here a second time; the first is in line %d", quote(key), line)
			continue
		}
		lines[key] = keyAt.line
		value := l.convert(v.Value)
		if value == nil {
			return nil
		}
		out.pairs = append(out.pairs, pair{key, keyAt, value})
	}
	for _, m := range merged {
		if !l.merge(out, m, lines) {
			return nil
		}
	}
	return l.nested(out)
}

// key reads a mapping's key, which is a plain name.
func (l *loader) key(k ast.MapKeyNode) (string, position, bool) {
	var n ast.Node = k
	if explicit, ok := n.(*ast.MappingKeyNode); ok {
		n = explicit.Value
	}
	scalar, ok := n.(ast.ScalarNode)
	if !ok || scalar.GetToken() == nil {
		l.fail(l.place(n), "a key must be a name")
		return "", position{}, false
	}
	return scalar.GetToken().Value, l.place(n), true
}

// merge adds what <<: brings in; a mapping's own keys win.
func (l *loader) merge(into, from *node, lines map[string]int) bool {
	if from.kind == listKind {
		for _, item := range from.items {
			if !l.merge(into, item, lines) {
				return false
			}
		}
		return true
	}
	if from.kind != mapKind {
		l.fail(from.at, "<<: takes a mapping, or a list of them; found %s", from.found())
		return false
	}
	for _, p := range from.pairs {
		if _, own := lines[p.key]; !own {
			lines[p.key] = p.at.line
			into.pairs = append(into.pairs, p)
		}
	}
	return true
}

// describeLimit is for the reference.
func describeLimit() string {
	return fmt.Sprintf("At most %d KiB, %d words and signs, %d levels of nesting and, aliases included, %d values are read.",
		MaxFileSize>>10, MaxTokens, MaxDepth, MaxValues)
}
