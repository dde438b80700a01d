// Package table writes rows as CSV, as lines of JSON, or as Parquet.
package table

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// Type is what a column holds.
type Type uint8

// The types of columns, and of the values in them.
const (
	Int   Type = iota + 1 // int64
	Float                 // float64
	Bool                  // bool
	Text                  // string
	Time                  // int64, Unix nanoseconds
	JSON                  // string: a JSON value
)

// Column is one column. Any value may be missing: nil.
type Column struct {
	Name string
	Type Type
}

// Writer takes rows, whose values are in the order of the columns.
type Writer interface {
	Write(row []any) error
	Close() error // finishes the table; not what it is written to
}

// Formats are the names of the formats, which are also the endings of files.
var Formats = []string{"csv", "jsonl", "parquet"}

// New returns a writer of a format, nil for an unknown one.
func New(format string, w io.Writer, columns []Column) Writer {
	switch format {
	case "csv":
		return &csvWriter{out: csv.NewWriter(w), columns: columns}
	case "jsonl":
		return &jsonWriter{out: bufio.NewWriter(w), columns: columns}
	case "parquet":
		return newParquet(w, columns)
	}
	return nil
}

// plain is a value as text; "" for a missing one.
func plain(t Type, v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case int64:
		if t == Time {
			return time.Unix(0, v).UTC().Format(time.RFC3339Nano)
		}
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	}
	panic(fmt.Sprintf("table: a value of type %T", v))
}

type csvWriter struct {
	out     *csv.Writer
	columns []Column
	begun   bool
	record  []string
}

func (c *csvWriter) head() error {
	if c.begun {
		return nil
	}
	c.begun = true
	for _, column := range c.columns {
		c.record = append(c.record, safe.Cell(column.Name))
	}
	return c.out.Write(c.record)
}

func (c *csvWriter) Write(row []any) error {
	if err := c.head(); err != nil {
		return err
	}
	c.record = c.record[:0]
	for i, v := range row {
		text := plain(c.columns[i].Type, v)
		if c.columns[i].Type == Text {
			text = safe.Cell(text)
		}
		c.record = append(c.record, text)
	}
	return c.out.Write(c.record)
}

func (c *csvWriter) Close() error {
	err := c.head()
	c.out.Flush()
	return errors.Join(err, c.out.Error())
}

type jsonWriter struct {
	out     *bufio.Writer
	columns []Column
}

// Write leaves missing values out. A number that is not finite is a text, as in the
// journal: JSON has none.
func (j *jsonWriter) Write(row []any) error {
	b := append(j.out.AvailableBuffer(), '{')
	for i, v := range row {
		if v == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(quote(b, j.columns[i].Name), ':')
		x, isFloat := v.(float64)
		switch t := j.columns[i].Type; {
		case t == Text, t == Time, isFloat && (math.IsNaN(x) || math.IsInf(x, 0)):
			b = quote(b, plain(t, v))
		default:
			b = append(b, plain(t, v)...)
		}
	}
	_, err := j.out.Write(append(b, "}\n"...))
	return err
}

func quote(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always marshals
	return append(b, text...)
}

func (j *jsonWriter) Close() error { return j.out.Flush() }
