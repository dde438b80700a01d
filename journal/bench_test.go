package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// One segment is three rows. How much dearer than SQLite's bare transaction of
// the same rows, and than the bare write and fsync of one page, is recording it?
// Compare within one run: the disk's mood changes.
func BenchmarkAppendSegment(b *testing.B) {
	b.Run("journal", func(b *testing.B) {
		j := newJournal(b)
		rows := make([]Row, 3)
		b.ReportAllocs()
		slowest := time.Duration(0)
		for i := range b.N {
			fillRows(rows, int64(3*i))
			start := time.Now()
			if err := j.Append(rows); err != nil {
				b.Fatal(err)
			}
			slowest = max(slowest, time.Since(start))
		}
		b.ReportMetric(float64(slowest.Microseconds()), "max-µs")
	})
	b.Run("bare-sqlite", func(b *testing.B) {
		j := newJournal(b)
		c := j.writer.conn
		begin, commit := mustPrepare(b, c, "BEGIN IMMEDIATE"), mustPrepare(b, c, "COMMIT")
		rows := make([]Row, 3)
		for i := range b.N {
			fillRows(rows, int64(3*i))
			err := begin.run()
			for k := range rows {
				if err == nil {
					err = j.writer.insertRow(&rows[k])
				}
			}
			if err == nil {
				err = commit.run()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		begin.close()
		commit.close()
	})
	b.Run("bare-fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "log"))
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		const frame, log = 4096 + 24, 1000
		if _, err := f.Write(make([]byte, frame*log)); err != nil {
			b.Fatal(err)
		}
		page := make([]byte, frame)
		b.ResetTimer()
		for i := range b.N {
			if _, err := f.WriteAt(page, int64(i%log)*frame); err != nil {
				b.Fatal(err)
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendBatch(b *testing.B) {
	for _, size := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			j := newJournal(b)
			rows := make([]Row, size)
			b.ReportAllocs()
			for i := range b.N {
				fillRows(rows, int64(size*i))
				if err := j.Append(rows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(size*b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

func BenchmarkReadMillion(b *testing.B) {
	const million = 1_000_000
	j := newJournal(b)
	rows := make([]Row, 10_000)
	for i := 0; i < million; i += len(rows) {
		fillRows(rows, int64(i))
		if err := j.Append(rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		n, bytes := 0, 0
		err := j.Read(0, func(r Row) error {
			n++
			bytes += len(r.Body)
			return nil
		})
		if err != nil || n != million {
			b.Fatal(n, err)
		}
		b.ReportMetric(float64(bytes)/float64(n), "B/body")
	}
}

// fillRows makes a segment's three rows over and over, from a position on.
func fillRows(rows []Row, after int64) {
	for i := range rows {
		seq := after + int64(i) + 1
		segment := (seq-1)/3 + 1
		e := &benchEvents[(seq-1)%3]
		rows[i] = Row{
			Seq: seq, At: 1_790_000_000_000_000_000 + seq*1_000_003, Kind: e.kind,
			Segment: segment, Member: segment % 16, Body: e.body,
		}
	}
}

var benchEvents = []struct {
	kind string
	body []byte
}{
	{"decided", []byte(`{"segment":123456,"member":4,"turn":3,"parent":123400,"start":400,"steps":200,"hypers":{"lr":0.0123456789,"dropout":0.25,"batch":32},"decision":{"action":"copy","donor":{"member":2,"segment":8,"score":0.9345678},"why":"in_bottom","say":"rank 15 of 16 is in the bottom 20%"}}`)},
	{"leased", []byte(`{"segment":123456,"member":4,"lease":123999,"worker":"w-host-17/slot-3","ends":1790000000000000000}`)},
	{"finished", []byte(`{"segment":123456,"member":4,"lease":123999,"score":0.93456789,"samples":[],"metrics":{"loss":0.123456,"accuracy":0.93},"step":600,"spent":600,"checkpoint":{"id":"s000123456","bytes":12345678,"digest":"sha256:0123456789abcdef0123456789abcdef"}}`)},
}

func newJournal(tb testing.TB) *Journal {
	tb.Helper()
	j, err := Create(filepath.Join(tb.TempDir(), "journal.db"))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := j.Close(); err != nil {
			tb.Error(err)
		}
	})
	return j
}

func mustPrepare(tb testing.TB, c *conn, sql string) *stmt {
	tb.Helper()
	s, err := c.prepare(sql)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}
