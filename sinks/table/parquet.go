package table

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// A Parquet file of one level: row groups of column chunks of one page each, plain
// values, gzip. That is little enough to be written by hand, and every reader takes
// it: https://parquet.apache.org/docs/file-format. The footer is Thrift's compact
// protocol.

// A row group ends at so many rows or bytes of texts: it is held in memory.
const (
	groupRows  = 50_000
	groupBytes = 32 << 20
)

var magic = []byte("PAR1")

// parquet gathers a row group, column by column.
type parquet struct {
	out     io.Writer
	columns []Column
	chunks  []chunk
	rows    int
	size    int
	at      int64 // bytes written
	groups  []group
	total   int64
}

// chunk is a column of the row group being gathered.
type chunk struct {
	there  []bool // which rows have a value
	values []byte // plain
	bits   []bool // of truth values, which are packed
}

// group is a row group that has been written.
type group struct {
	rows    int
	columns []written
}

type written struct {
	at               int64
	plain, stored, n int
}

func newParquet(w io.Writer, columns []Column) *parquet {
	return &parquet{out: w, columns: columns, chunks: make([]chunk, len(columns))}
}

func (p *parquet) Write(row []any) error {
	for i, v := range row {
		c := &p.chunks[i]
		c.there = append(c.there, v != nil)
		before := len(c.values)
		switch v := v.(type) {
		case nil:
		case int64:
			if p.columns[i].Type == Time {
				v /= 1000 // to microseconds
			}
			c.values = binary.LittleEndian.AppendUint64(c.values, uint64(v))
		case float64:
			c.values = binary.LittleEndian.AppendUint64(c.values, math.Float64bits(v))
		case bool:
			c.bits = append(c.bits, v)
		case string:
			c.values = binary.LittleEndian.AppendUint32(c.values, uint32(len(v)))
			c.values = append(c.values, v...)
		default:
			return fmt.Errorf("a value of type %T has no form in Parquet", v)
		}
		p.size += len(c.values) - before
	}
	if p.rows++; p.rows >= groupRows || p.size >= groupBytes {
		return p.flush()
	}
	return nil
}

func (p *parquet) write(b []byte) error {
	n, err := p.out.Write(b)
	p.at += int64(n)
	return err
}

// flush writes the row group.
func (p *parquet) flush() error {
	if p.at == 0 {
		if err := p.write(magic); err != nil {
			return err
		}
	}
	if p.rows == 0 {
		return nil
	}
	g := group{rows: p.rows}
	for i := range p.chunks {
		w, err := p.page(&p.chunks[i])
		if err != nil {
			return err
		}
		g.columns = append(g.columns, w)
		p.chunks[i] = chunk{there: p.chunks[i].there[:0], values: p.chunks[i].values[:0], bits: p.chunks[i].bits[:0]}
	}
	p.groups = append(p.groups, g)
	p.total += int64(p.rows)
	p.rows, p.size = 0, 0
	return nil
}

// page writes a column chunk: a header, then definition levels (which values are
// there) and values, compressed together.
func (p *parquet) page(c *chunk) (written, error) {
	levels := packed(c.there)
	// One bit-packed run of the hybrid encoding: its header counts groups of eight.
	run := binary.AppendUvarint(nil, uint64((len(c.there)+7)/8)<<1|1)
	data := binary.LittleEndian.AppendUint32(nil, uint32(len(run)+len(levels)))
	data = append(append(data, run...), levels...)
	data = append(append(data, c.values...), packed(c.bits)...)
	var stored bytes.Buffer
	z, err := gzip.NewWriterLevel(&stored, gzip.BestSpeed)
	if err == nil {
		_, err = z.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return written{}, fmt.Errorf("compress a page: %w", err)
	}
	var h thrift
	h.open() // PageHeader
	h.i32(1, 0)
	h.i32(2, int64(len(data)))
	h.i32(3, int64(stored.Len()))
	h.structure(5, func() { // DataPageHeader
		h.i32(1, int64(len(c.there)))
		h.i32(2, encodingPlain)
		h.i32(3, encodingRLE)
		h.i32(4, encodingRLE)
	})
	h.close()
	w := written{at: p.at, plain: len(h.b) + len(data), stored: len(h.b) + stored.Len(), n: len(c.there)}
	if err := p.write(h.b); err != nil {
		return w, err
	}
	return w, p.write(stored.Bytes())
}

// packed are bits, the first lowest, filled up to bytes.
func packed(bits []bool) []byte {
	out := make([]byte, (len(bits)+7)/8)
	for i, b := range bits {
		if b {
			out[i/8] |= 1 << (i % 8)
		}
	}
	return out
}

// Numbers of the format's enumerations.
const (
	typeBoolean, typeInt64, typeDouble, typeBytes = 0, 2, 5, 6
	convertedUTF8, convertedMicros, convertedJSON = 0, 10, 19
	encodingPlain, encodingRLE                    = 0, 3
	codecGzip                                     = 2
	repetitionOptional                            = 1
)

// form is a type's physical type, and its converted type or -1.
func form(t Type) (physical, converted int64) {
	switch t {
	case Int:
		return typeInt64, -1
	case Time:
		return typeInt64, convertedMicros
	case Float:
		return typeDouble, -1
	case Bool:
		return typeBoolean, -1
	case JSON:
		return typeBytes, convertedJSON
	}
	return typeBytes, convertedUTF8
}

// Close writes the last row group and the footer.
func (p *parquet) Close() error {
	if err := p.flush(); err != nil {
		return err
	}
	var f thrift
	f.open() // FileMetaData
	f.i32(1, 1)
	f.list(2, len(p.columns)+1, func(i int) { // SchemaElement
		if i == 0 {
			f.text(4, "pbt")
			f.i32(5, int64(len(p.columns)))
			return
		}
		physical, converted := form(p.columns[i-1].Type)
		f.i32(1, physical)
		f.i32(3, repetitionOptional)
		f.text(4, p.columns[i-1].Name)
		if converted >= 0 {
			f.i32(6, converted)
		}
	})
	f.i64(3, p.total)
	f.list(4, len(p.groups), func(i int) { p.rowGroup(&f, &p.groups[i]) })
	f.text(6, "pbt")
	f.close()
	f.b = binary.LittleEndian.AppendUint32(f.b, uint32(len(f.b)))
	return p.write(append(f.b, magic...))
}

func (p *parquet) rowGroup(f *thrift, g *group) {
	bytes := int64(0)
	f.list(1, len(g.columns), func(i int) { // ColumnChunk
		w := &g.columns[i]
		bytes += int64(w.plain)
		f.i64(2, w.at)
		f.structure(3, func() { // ColumnMetaData
			physical, _ := form(p.columns[i].Type)
			f.i32(1, physical)
			f.i32s(2, encodingPlain, encodingRLE)
			f.texts(3, p.columns[i].Name)
			f.i32(4, codecGzip)
			f.i64(5, int64(w.n))
			f.i64(6, int64(w.plain))
			f.i64(7, int64(w.stored))
			f.i64(9, w.at)
		})
	})
	f.i64(2, bytes)
	f.i64(3, int64(g.rows))
}

// thrift writes structures in Thrift's compact protocol.
type thrift struct {
	b    []byte
	last []int // field numbers of the structures that are open
}

// Types of the protocol.
const (
	compactI32, compactI64, compactBinary, compactList, compactStruct = 5, 6, 8, 9, 12
)

func (t *thrift) open()  { t.last = append(t.last, 0) }
func (t *thrift) close() { t.b, t.last = append(t.b, 0), t.last[:len(t.last)-1] }

func (t *thrift) field(id, kind int) {
	last := &t.last[len(t.last)-1]
	t.b = append(t.b, byte((id-*last)<<4|kind)) // fields are near each other here
	*last = id
}

func (t *thrift) i32(id int, x int64) { t.field(id, compactI32); t.b = binary.AppendVarint(t.b, x) }
func (t *thrift) i64(id int, x int64) { t.field(id, compactI64); t.b = binary.AppendVarint(t.b, x) }

func (t *thrift) text(id int, s string) {
	t.field(id, compactBinary)
	t.bytes(s)
}

func (t *thrift) bytes(s string) { t.b = append(binary.AppendUvarint(t.b, uint64(len(s))), s...) }

func (t *thrift) structure(id int, fill func()) {
	t.field(id, compactStruct)
	t.open()
	fill()
	t.close()
}

func (t *thrift) listHead(id, n, kind int) {
	t.field(id, compactList)
	if n < 15 {
		t.b = append(t.b, byte(n<<4|kind))
		return
	}
	t.b = binary.AppendUvarint(append(t.b, byte(0xf0|kind)), uint64(n))
}

// list is a list of structures.
func (t *thrift) list(id, n int, fill func(i int)) {
	t.listHead(id, n, compactStruct)
	for i := range n {
		t.open()
		fill(i)
		t.close()
	}
}

func (t *thrift) i32s(id int, xs ...int64) {
	t.listHead(id, len(xs), compactI32)
	for _, x := range xs {
		t.b = binary.AppendVarint(t.b, x)
	}
}

func (t *thrift) texts(id int, ss ...string) {
	t.listHead(id, len(ss), compactBinary)
	for _, s := range ss {
		t.bytes(s)
	}
}
