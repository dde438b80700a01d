package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// loadJSON reads the JSON that MarshalJSON wrote, and the defaults in the field
// table, into nodes: the same ones that YAML becomes, without going through YAML.
func loadJSON(src *source, data []byte) (*node, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	n, err := jsonValue(src, dec, 1)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("there is more after the end of the JSON")
	}
	return n, nil
}

func jsonValue(src *source, dec *json.Decoder, depth int) (*node, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", MaxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	n := &node{at: position{src: src}}
	switch t := tok.(type) {
	case bool:
		n.kind, n.text = boolKind, boolNode(t).text
	case json.Number:
		n.kind, n.text, n.num = numberKind, t.String(), t.String()
	case string:
		n.kind, n.text = textKind, t
	case json.Delim:
		if t == '[' {
			n.kind = listKind
			for dec.More() {
				item, err := jsonValue(src, dec, depth+1)
				if err != nil {
					return nil, err
				}
				n.items = append(n.items, item)
			}
		} else if err := n.jsonObject(src, dec, depth); err != nil {
			return nil, err
		}
		if _, err := dec.Token(); err != nil { // the closing bracket
			return nil, err
		}
	}
	return n.measure(), nil
}

func (n *node) jsonObject(src *source, dec *json.Decoder, depth int) error {
	n.kind = mapKind
	seen := map[string]bool{}
	for dec.More() {
		tok, err := dec.Token()
		if err != nil {
			return err
		}
		key := tok.(string) // in an object, a decoder's tokens are a text and a value in turn
		if seen[key] {
			return fmt.Errorf("the key %s is there twice", quote(key))
		}
		seen[key] = true
		value, err := jsonValue(src, dec, depth+1)
		if err != nil {
			return err
		}
		n.pairs = append(n.pairs, pair{key: key, value: value})
	}
	return nil
}
