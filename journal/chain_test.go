package journal

import (
	"path/filepath"
	"testing"
)

// Any change to what was appended is noticed, by whatever tool it was made.
func TestVerifyNoticesEveryAlteration(t *testing.T) {
	for name, sql := range map[string]string{
		"nothing":            "SELECT 1",
		"a body":             "UPDATE events SET body = replace(body, '\"n\":3', '\"n\":4') WHERE seq = 3",
		"a time":             "UPDATE events SET at = at + 1 WHERE seq = 2",
		"a member":           "UPDATE events SET member = 7 WHERE seq = 4",
		"a kind":             "UPDATE events SET kind = 'other' WHERE seq = 1",
		"a seal":             "UPDATE events SET seal = (SELECT seal FROM events WHERE seq = 1) WHERE seq = 5",
		"a row's removal":    "DELETE FROM events WHERE seq = 3; UPDATE events SET seq = seq - 1 WHERE seq > 3",
		"two rows' exchange": "UPDATE events SET seq = 100 WHERE seq = 2; UPDATE events SET seq = 2 WHERE seq = 3; UPDATE events SET seq = 3 WHERE seq = 100",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "j.sqlite")
			j, err := Create(path)
			if err != nil {
				t.Fatal(err)
			}
			for seq := int64(1); seq <= 6; seq++ {
				row := Row{Seq: seq, At: seq, Kind: "k", Member: -1, Body: []byte(`{"n":` + string(rune('0'+seq)) + `}`)}
				if err := j.Append([]Row{row}); err != nil {
					t.Fatal(err)
				}
				if seq == 3 { // seals go on over a reopening
					if err := j.Close(); err != nil {
						t.Fatal(err)
					}
					if j, err = Open(path); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := j.writer.conn.exec(sql); err != nil {
				t.Fatal(err)
			}
			err = j.Verify()
			if name == "nothing" && err != nil || name != "nothing" && err == nil {
				t.Errorf("Verify: %v", err)
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A seal tells of all rows up to its own: it is the same in a copy, and another after
// any row that is another.
func TestASealNamesWhatLedToIt(t *testing.T) {
	write := func(bodies ...string) *Journal {
		j, err := Create(filepath.Join(t.TempDir(), "j.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { j.Close() })
		for i, body := range bodies {
			if err := j.Append([]Row{{Seq: int64(i + 1), At: 5, Kind: "k", Member: -1, Body: []byte(body)}}); err != nil {
				t.Fatal(err)
			}
		}
		return j
	}
	seal := func(j *Journal, seq int64) string {
		t.Helper()
		s, err := j.SealAt(seq)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := write(`{"n":1}`, `{"n":2}`, `{"n":3}`), write(`{"n":1}`, `{"n":4}`, `{"n":3}`)
	if seal(a, 1) != seal(b, 1) || len(seal(a, 1)) != 2*linkBytes {
		t.Errorf("%q, %q", seal(a, 1), seal(b, 1))
	}
	if seal(a, 2) == seal(b, 2) || seal(a, 3) == seal(b, 3) {
		t.Error("another row has the same seal")
	}
	if seal(a, 0) != "" || seal(a, 4) != "" || seal(a, -1) != "" {
		t.Error("a row that is not there has a seal")
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := a.SealAt(1); err == nil {
		t.Errorf("a closed journal has the seal %q", s)
	}
}
