package journal

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A run of three members. Member 0 does well, member 1 fails once and then gives
// NaN, and goes on from member 0's weights; member 2 never starts.
var smallRun = []Row{
	{Kind: "run_started", Member: -1, Body: []byte(`{"name":"small"}`)},
	decided(1, 0, `{"segment":1,"member":0,"turn":0,"parent":0,"start":0,"steps":100,"hypers":{"lr":0.1,"opt":"sgd"},"decision":{"action":"start","why":"first","say":"drawn from the space"}}`),
	decided(2, 1, `{"segment":2,"member":1,"turn":0,"parent":0,"start":0,"steps":100,"hypers":{"lr":0.9,"opt":"adam"},"decision":{"action":"start","why":"first","say":"drawn from the space"}}`),
	leased(1, 0, 7, "w1"),
	leased(2, 1, 8, "w2"),
	{Kind: "failed", Segment: 2, Member: 1, Body: []byte(`{"segment":2,"member":1,"lease":8,"kind":"lost","error":"worker w2 went away","attempt":1}`)},
	leased(2, 1, 9, "w3"),
	finished(1, 0, 0, `0.8`, "s1"),
	finished(2, 1, 0, `"NaN"`, "s2"),
	decided(3, 0, `{"segment":3,"member":0,"turn":1,"parent":1,"start":100,"steps":100,"hypers":{"lr":0.1,"opt":"sgd"},"decision":{"action":"continue","why":"healthy","say":"rank 1 of 2"}}`),
	decided(4, 1, `{"segment":4,"member":1,"turn":1,"parent":1,"start":100,"steps":100,"hypers":{"lr":0.12,"opt":"sgd"},"decision":{"action":"copy","donor":{"member":0,"segment":1,"score":0.8},"why":"nonfinite","say":"its score is NaN"}}`),
	leased(4, 1, 10, "w2"),
	finished(4, 1, 100, `0.85`, "s4"),
	leased(3, 0, 11, "w1"),
	{Kind: "failed", Segment: 3, Member: 0, Body: []byte(`{"segment":3,"member":0,"lease":11,"kind":"error","error":"exit status 1","attempt":1,"final":true}`)},
	decided(5, 1, `{"segment":5,"member":1,"turn":2,"parent":4,"start":200,"steps":100,"hypers":{"lr":0.15,"opt":"sgd"},"decision":{"action":"continue"}}`),
	leased(5, 1, 12, "w2"),
	decided(6, 2, `{"segment":6,"member":2,"turn":0,"parent":0,"start":0,"steps":100,"hypers":{"lr":0.5,"opt":"sgd"},"decision":{"action":"start"}}`),
}

// A run that somebody steers: member 0's first segment is replaced, its second, given
// up by hand, is replaced too; member 1 fails for good and is repaired; member 2 is
// retired while it waits, member 3 after an outcome.
var steeredRun = []Row{
	{Kind: "run_started", Member: -1, Body: []byte(`{}`)},
	decided(1, 0, `{"segment":1,"member":0}`),
	decided(2, 1, `{"segment":2,"member":1}`),
	decided(3, 2, `{"segment":3,"member":2}`),
	decided(4, 3, `{"segment":4,"member":3}`),
	{Kind: "steered", Member: 0, Body: []byte(`{"member":0,"verb":"restart"}`)},
	decided(5, 0, `{"segment":5,"member":0}`),
	leased(5, 0, 1, "w1"),
	{Kind: "failed", Segment: 5, Member: 0, Body: []byte(`{"segment":5,"member":0,"lease":1,"kind":"lost","error":"given up by hand"}`)},
	{Kind: "steered", Member: 0, Body: []byte(`{"member":0,"verb":"restart"}`)},
	decided(6, 0, `{"segment":6,"member":0}`),
	leased(2, 1, 2, "w1"),
	{Kind: "failed", Segment: 2, Member: 1, Body: []byte(`{"segment":2,"member":1,"lease":2,"kind":"error","error":"boom","attempt":1,"final":true}`)},
	decided(7, 1, `{"segment":7,"member":1}`),
	{Kind: "member_done", Member: 2, Body: []byte(`{"member":2,"reason":"retired"}`)},
	leased(4, 3, 3, "w1"),
	finished(4, 3, 0, `0.8`, "s4"),
	decided(8, 3, `{"segment":8,"member":3}`),
	leased(8, 3, 4, "w1"),
	{Kind: "failed", Segment: 8, Member: 3, Body: []byte(`{"segment":8,"member":3,"lease":4,"kind":"lost","error":"the member is retired"}`)},
	{Kind: "member_done", Member: 3, Body: []byte(`{"member":3,"reason":"retired"}`)},
	leased(7, 1, 5, "w1"),
	{Kind: "failed", Segment: 7, Member: 1, Body: []byte(`{"segment":7,"member":1,"lease":5,"kind":"lost","error":"w1 is gone"}`)},
}

func TestTheViewOfASteeredRun(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, len(steeredRun))
	for i, r := range steeredRun {
		r.Seq, r.At = int64(i+1), int64(i)
		rows[i] = r
	}
	appendRows(t, j, rows)
	db, err := sql.Open("sqlite", "file:"+j.path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := "1 dropped\n2 failed\n3 dropped\n4 finished\n5 dropped\n6 waiting\n7 failed\n8 dropped"
	if got := table(t, db, "SELECT segment, state FROM segments ORDER BY segment"); got != want {
		t.Errorf("%s", got)
	}
}

func decided(segment, member int64, body string) Row {
	return Row{Kind: "decided", Segment: segment, Member: member, Body: []byte(body)}
}

func leased(segment, member, lease int64, worker string) Row {
	body := fmt.Appendf(nil, `{"segment":%d,"member":%d,"lease":%d,"worker":"%s"}`, segment, member, lease, worker)
	return Row{Kind: "leased", Segment: segment, Member: member, Body: body}
}

func finished(segment, member, start int64, score, checkpoint string) Row {
	body := fmt.Appendf(nil, `{"segment":%d,"member":%d,"score":%s,"samples":[],"metrics":{"loss":1},"step":%d,"spent":%d,"checkpoint":{"id":"%s","bytes":123,"digest":"x"}}`,
		segment, member, score, start+100, start+100, checkpoint)
	return Row{Kind: "finished", Segment: segment, Member: member, Body: body}
}

func TestViews(t *testing.T) {
	j := newJournal(t)
	rows := make([]Row, len(smallRun))
	for i, r := range smallRun {
		r.Seq = int64(i + 1)
		r.At = 1_767_323_045_500_000_000 + int64(i)*1_000_000_000 // 2026-01-02T03:04:05.5Z, then every second
		rows[i] = r
	}
	appendRows(t, j, rows)
	db, err := sql.Open("sqlite", "file:"+j.path+"?mode=ro") // as a user beside the owner
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	for query, want := range map[string]string{
		"SELECT segment, member, turn, parent, state, start, steps, action FROM segments ORDER BY segment": `
			1 0 0 0 finished 0 100 start
			2 1 0 0 finished 0 100 start
			3 0 1 1 failed 100 100 continue
			4 1 1 1 finished 100 100 copy
			5 1 2 4 running 200 100 continue
			6 2 0 0 waiting 0 100 start`,
		"SELECT segment, score, nonfinite, step, spent, checkpoint, checkpoint_bytes, tries, worker, seconds FROM segments ORDER BY segment": `
			1 0.8 - 100 100 s1 123 1 w1 4
			2 - NaN 100 100 s2 123 2 w3 2
			3 - - - - - - 1 w1 -
			4 0.85 - 200 200 s4 123 1 w2 1
			5 - - - - - - 1 w2 -
			6 - - - - - - 0 - -`,
		"SELECT segment, decided_at, leased_at, finished_at FROM segments WHERE segment = 1": `
			1 2026-01-02T03:04:06.500Z 2026-01-02T03:04:08.500Z 2026-01-02T03:04:12.500Z`,
		"SELECT segment, score, hypers, metrics FROM segments ORDER BY score DESC LIMIT 1": `
			4 0.85 {"lr":0.12,"opt":"sgd"} {"loss":1}`,
		"SELECT seq, at, segment, member, turn, action, donor_member, donor_segment, donor_score, why, say, parent, start, steps, hypers FROM decisions WHERE donor_member >= 0": `
			11 2026-01-02T03:04:15.500Z 4 1 1 copy 0 1 0.8 nonfinite its score is NaN 1 100 100 {"lr":0.12,"opt":"sgd"}`,
		"SELECT count(*) FROM decisions": `6`,
		"SELECT seq, at, segment, member, attempt, lease, kind, error, final FROM failures ORDER BY seq": `
			6 2026-01-02T03:04:10.500Z 2 1 1 8 lost worker w2 went away 0
			15 2026-01-02T03:04:19.500Z 3 0 1 11 error exit status 1 1`,
		"SELECT * FROM schedule": `
			0 1 0 0 100 lr 0.1
			0 1 0 0 100 opt sgd
			1 1 0 0 100 lr 0.1
			1 1 0 0 100 opt sgd
			1 4 1 100 200 lr 0.12
			1 4 1 100 200 opt sgd`,
	} {
		if got := table(t, db, query); got != strings.ReplaceAll(strings.TrimSpace(want), "\t", "") {
			t.Errorf("%s\n%s", query, got)
		}
	}
}

// A path is followed by index, step by step: without one, a long run's takes minutes.
func TestTheScheduleOfALongRun(t *testing.T) {
	const members, turns = 20, 30
	var rows []Row
	for turn := range int64(turns) {
		for m := range int64(members) {
			segment := turn*members + m + 1
			parent := max(0, (turn-1)*members+(m+turn)%members+1)
			rows = append(rows, decided(segment, m, fmt.Sprintf(`{"segment":%d,"member":%d,"turn":%d,"parent":%d,"start":%d,"steps":10,"hypers":{"lr":0.1}}`,
				segment, m, turn, parent, 10*turn)))
			rows = append(rows, finished(segment, m, 10*turn, "0.5", "c"))
		}
	}
	for i := range rows {
		rows[i].Seq = int64(i + 1)
	}
	j := newJournal(t)
	appendRows(t, j, rows)
	if n, err := j.writer.conn.queryInt("SELECT count(*) FROM schedule"); n != members*turns || err != nil {
		t.Error(n, err)
	}
	if plan := recursiveStep(t, j.writer.conn, "SELECT * FROM schedule"); !slices.ContainsFunc(plan, func(line string) bool {
		return strings.HasPrefix(line, "SEARCH d USING ") && strings.Contains(line, "INDEX (segment=?)")
	}) || slices.ContainsFunc(plan, func(line string) bool { return strings.HasPrefix(line, "SCAN ") && line != "SCAN p" }) {
		t.Errorf("a step of a path: %q", plan)
	}
}

// recursiveStep is what SQLite means to do for each new row of a recursive query.
func recursiveStep(t *testing.T, c *conn, query string) (plan []string) {
	t.Helper()
	s, err := c.prepare("EXPLAIN QUERY PLAN " + query)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	step := int64(-1)
	for {
		more, err := s.step()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return plan
		}
		switch text := string(s.text(3)); {
		case text == "RECURSIVE STEP":
			step = s.int(0)
		case s.int(1) == step:
			plan = append(plan, text)
		}
	}
}

// table gives a query's rows as lines of words, with - for NULL.
func table(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	cells, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range cells {
		places[i] = &cells[i]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.ReplaceAll(strings.Trim(fmt.Sprint(cells), "[]"), "<nil>", "-"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(query, err)
	}
	return strings.Join(lines, "\n")
}
