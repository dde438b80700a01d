package journal

import (
	"errors"
	"testing"
)

func TestRowsAtPositions(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, 3*chunkRows)
	fillRows(rows, 0)
	rows[5].Body = bigBody(chunkBytes - 10)
	rows[6].Body = bigBody(2 * chunkBytes)
	appendRows(t, j, rows)
	at := func(seqs ...int64) (got []Row, err error) {
		err = j.At(seqs, func(r Row) error {
			r.Body = append([]byte(nil), r.Body...)
			got = append(got, r)
			return nil
		})
		return got, err
	}
	var many []int64
	var want []Row
	for seq := int64(1); seq <= int64(len(rows)); seq += 2 {
		many, want = append(many, seq), append(want, rows[seq-1])
	}
	for _, seq := range []int64{7, 6, 7, 5, 3072, 1} { // in any order, large ones too
		many, want = append(many, seq), append(want, rows[seq-1])
	}
	got, err := at(many...)
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, got, want)
	if got, err := at(); err != nil || got != nil {
		t.Error(got, err)
	}
	for _, seq := range []int64{0, -1, 3073, 1 << 62} {
		got, err := at(1, seq)
		refused(t, err, "there is no such row", j.path)
		if len(got) != 0 {
			t.Errorf("%d rows before the one that is missing", len(got))
		}
	}
	enough := errors.New("enough")
	if err := j.At([]int64{1, 2}, func(Row) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = at(1)
	refused(t, err, "closed before")
}
