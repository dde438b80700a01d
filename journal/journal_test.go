package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestRowsComeBackAsTheyWere(t *testing.T) {
	want := []Row{
		{Seq: 1, At: 1, Kind: "run_started", Member: -1, Body: []byte(`{}`)},
		{Seq: 2, At: -5, Kind: "decided", Segment: 1, Member: 0, Body: []byte(`{"segment":1,"hypers":{"lr":0.01}}`)},
		{Seq: 3, At: 1 << 62, Kind: "ärgerlich 雪", Segment: 1 << 40, Member: 1 << 40, Body: []byte(`{"say":"späte Änderung 雪 \u0000"}`)},
		// Larger than a chunk, and followed by one that does not fit beside it.
		{Seq: 4, At: 4, Kind: "big", Member: -1, Body: bigBody(3 * chunkBytes)},
		{Seq: 5, At: 5, Kind: "big", Member: -1, Body: bigBody(chunkBytes - 10)},
		{Seq: 6, At: 6, Kind: "small", Member: 3, Body: []byte(`{ "spaced" : [1, 2] }`)},
	}
	j := newJournal(t)
	appendRows(t, j, want[:1])
	appendRows(t, j, nil)
	appendRows(t, j, want[1:])
	for after := range int64(8) {
		sameRows(t, readAll(t, j, after), want[min(after, 6):])
	}
	sameRows(t, readAll(t, j, -3), want)
	reopened, err := Open(j.path)
	if err != nil {
		t.Fatal(err)
	}
	defer reopened.Close()
	sameRows(t, readAll(t, reopened, 0), want)
	if last, err := reopened.Last(); last != 6 || err != nil {
		t.Fatal(last, err)
	}
}

func TestReadIsTheSameAcrossChunks(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 3*chunkRows+7)
	fillRows(rows, 0)
	appendRows(t, j, rows)
	sameRows(t, readAll(t, j, 0), rows)
	sameRows(t, readAll(t, j, chunkRows-1), rows[chunkRows-1:])
}

func TestReadStopsWhenTold(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 10)
	fillRows(rows, 0)
	appendRows(t, j, rows)
	enough := errors.New("enough")
	n := 0
	err := j.Read(0, func(Row) error {
		if n++; n == 4 {
			return enough
		}
		return nil
	})
	if err != enough || n != 4 {
		t.Fatalf("stopped after %d rows with %v", n, err)
	}
}

func TestTheJournalMayBeUsedInsideRead(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 20)
	fillRows(rows, 0)
	appendRows(t, j, rows[:10])
	var seen []int64
	err := j.Read(0, func(r Row) error {
		seen = append(seen, r.Seq)
		if r.Seq <= 10 {
			appendRows(t, j, rows[9+r.Seq:10+r.Seq])
		}
		if n := len(readAll(t, j, 5)); n < 5 {
			t.Errorf("inner Read gave %d rows", n)
		}
		return nil
	})
	if err != nil || len(seen) != 20 || !slices.IsSorted(seen) {
		t.Fatal(seen, err)
	}
}

func TestRowsOutOfPlaceAreRefused(t *testing.T) {
	good := make([]Row, 9)
	fillRows(good, 0)
	for name, seqs := range map[string][]int64{
		"a gap before the batch":  {5, 6},
		"a gap inside the batch":  {4, 6},
		"a row once more":         {3, 4},
		"the same row twice":      {4, 4},
		"backwards":               {5, 4},
		"a position of zero":      {0},
		"positions from the past": {1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(t)
			appendRows(t, j, good[:3])
			var rows []Row
			for _, seq := range seqs {
				r := good[8]
				r.Seq = seq
				rows = append(rows, r)
			}
			refused(t, j.Append(rows), "out of place", "next position is")
			appendRows(t, j, good[3:])
			sameRows(t, readAll(t, j, 0), good)
		})
	}
}

func TestRowsThatCannotBeReadBackAreRefused(t *testing.T) {
	for name, broken := range map[string]func(*Row){
		"its kind is empty":     func(r *Row) { r.Kind = "" },
		"segment is -1":         func(r *Row) { r.Segment = -1 },
		"member is -2":          func(r *Row) { r.Member = -2 },
		"over the limit":        func(r *Row) { r.Body = bigBody(maxBodyBytes + 1) },
		"not a JSON object: ":   func(r *Row) { r.Body = nil },
		`not a JSON object: "[`: func(r *Row) { r.Body = []byte(`[1]`) },
		`not a JSON object: "{`: func(r *Row) { r.Body = []byte(`{"score":NaN}`) },
	} {
		t.Run(name, func(t *testing.T) {
			j := newJournal(t)
			rows := make([]Row, 3)
			fillRows(rows, 0)
			broken(&rows[2])
			refused(t, j.Append(rows), name, "row 3", j.path)
			fillRows(rows, 0)
			appendRows(t, j, rows)
			sameRows(t, readAll(t, j, 0), rows)
		})
	}
}

func TestASecondAppenderIsRefused(t *testing.T) {
	one := newJournal(t)
	two, err := Open(one.path)
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	rows := make([]Row, 6)
	fillRows(rows, 0)
	appendRows(t, one, rows[:3])
	refused(t, two.Append(rows[:3]), "UNIQUE")
	appendRows(t, one, rows[3:])
	sameRows(t, readAll(t, two, 0), rows)
}

func TestCreateTakesNoOnesPlace(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 3)
	fillRows(rows, 0)
	appendRows(t, j, rows)
	if _, err := Create(j.path); !errors.Is(err, fs.ErrExist) {
		t.Fatal("want fs.ErrExist, got", err)
	}
	sameRows(t, readAll(t, j, 0), rows)
	left, err := filepath.Glob(filepath.Join(filepath.Dir(j.path), ".creating*"))
	if len(left) > 0 || err != nil {
		t.Fatal("left behind:", left, err)
	}
}

func TestPathsMayBeOdd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "50% of a run? #1 & möre")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, path := range []string{":memory:", "file:x?mode=memory", filepath.Join(dir, "j#?%41.db")} {
		j, err := Create(path)
		if err != nil {
			t.Fatal(path, err)
		}
		rows := make([]Row, 3)
		fillRows(rows, 0)
		appendRows(t, j, rows)
		if err := j.Close(); err != nil {
			t.Fatal(path, err)
		}
		for _, mode := range []openMode{readOnly, immutable} {
			r, err := current.openReaderAs(path, mode)
			if err != nil {
				t.Fatal(path, mode, err)
			}
			sameRows(t, readAll(t, &Journal{path: path, reader: r}, 0), rows)
			r.close()
		}
	}
}

func TestOpeningNothing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "journal.db")
	for name, open := range openers {
		if _, err := open(missing); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: want fs.ErrNotExist, got %v", name, err)
		}
		_, err := open(filepath.Dir(missing))
		refused(t, err, "it is not a file")
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("opening made a file")
	}
	if _, err := Create(filepath.Join(missing, "journal.db")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Create in no directory: %v", err)
	}
}

func TestAClosedJournalSaysSo(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]Row, 3)
	fillRows(rows, 0)
	appendRows(t, j, rows)
	for range 2 {
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, lastErr := j.Last()
	for _, err := range []error{j.Append(rows), j.Read(0, func(Row) error { return nil }), lastErr} {
		if !errors.Is(err, errClosed) {
			t.Errorf("want %v, got %v", errClosed, err)
		}
	}
	files, _ := filepath.Glob(j.path + "*")
	if len(files) != 1 {
		t.Errorf("a closed journal is one file, not %v", files)
	}
}

func TestTheOwnersLeavingFoldsTheLogThoughReadersStay(t *testing.T) {
	j, err := Create(filepath.Join(t.TempDir(), "journal.db"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]Row, 300)
	fillRows(rows, 0)
	appendRows(t, j, rows)
	r := openReadOnly(t, j.path)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if log, err := os.Stat(j.path + "-wal"); err == nil && log.Size() > 0 {
		t.Errorf("%d bytes of log were left", log.Size())
	}
	sameRows(t, readAll(t, r, 0), rows)
}

var openers = map[string]func(string) (*Journal, error){"Open": Open, "OpenReadOnly": OpenReadOnly}

func bigBody(bytes int) []byte {
	const around = len(`{"x":""}`)
	return fmt.Appendf(nil, `{"x":"%s"}`, strings.Repeat("y", bytes-around))
}

func appendRows(t testing.TB, j *Journal, rows []Row) {
	t.Helper()
	if err := j.Append(rows); err != nil {
		t.Fatal(err)
	}
}

func openReadOnly(t testing.TB, path string) *Journal {
	t.Helper()
	j, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func readAll(t testing.TB, j *Journal, after int64) []Row {
	t.Helper()
	var rows []Row
	err := j.Read(after, func(r Row) error {
		r.Body = bytes.Clone(r.Body)
		rows = append(rows, r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func sameRows(t testing.TB, got, want []Row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d rows, want %d", len(got), len(want))
	}
	for i, g := range got {
		w := want[i]
		if g.Seq != w.Seq || g.At != w.At || g.Kind != w.Kind || g.Segment != w.Segment ||
			g.Member != w.Member || !bytes.Equal(g.Body, w.Body) {
			t.Fatalf("row %d:\n got %.300v\nwant %.300v", w.Seq, g, w)
		}
	}
}

// refused fails unless err is there and says all the words.
func refused(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
}
