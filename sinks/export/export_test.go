package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/export"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
)

// exported is a table as CSV: its rows by the names of their columns.
func exported(t *testing.T, e *export.Exporter, name string) (rows []map[string]string) {
	t.Helper()
	var out bytes.Buffer
	if err := e.Write(name, "csv", &out); err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range all[1:] {
		row := map[string]string{}
		for i, column := range all[0] {
			row[column] = record[i]
		}
		rows = append(rows, row)
	}
	return rows
}

// The tables say what package history says of the same journal.
func TestTablesAgreeWithHistory(t *testing.T) {
	rows := feedtest.Rows(t, 12)
	_, j := feedtest.Journal(t, rows)
	h, err := history.Read(j, func([]byte) (machine.Spec, error) { return feedtest.Spec(12), nil })
	if err != nil {
		t.Fatal(err)
	}
	e, err := export.New(t.Context(), j, feedtest.Goal)
	if err != nil {
		t.Fatal(err)
	}
	segments := exported(t, e, "segments")
	if len(segments) != len(h.Tree) {
		t.Fatalf("%d segments, want %d", len(segments), len(h.Tree))
	}
	for i, n := range h.Tree {
		s := segments[i]
		lr, _ := n.Hypers.Get("lr")
		act, _ := n.Hypers.Text("act"), 0
		have := []string{s["segment"], s["member"], s["state"], s["hypers.lr"], s["hypers.act"], s["say"], s["from"]}
		want := []string{fmt.Sprint(n.ID), fmt.Sprint(n.Member), string(n.State), strings.TrimSuffix(string(lr.AppendJSON(nil)), ".0"), act, n.Say, fmt.Sprint(n.From)}
		if o := h.Outcome(n.ID); o != nil {
			have = append(have, s["score"], s["metrics.odd one"], s["spent"], s["checkpoint"])
			want = append(want, strings.Trim(string(o.Score.AppendJSON(nil)), `"`), fmt.Sprint(float64(o.Metrics["odd one"])), fmt.Sprint(o.Spent), o.Checkpoint.ID)
			if s["finished_at"] == "" || s["seconds"] == "" {
				t.Errorf("segment %d has no times: %v", n.ID, s)
			}
		}
		if !slices.Equal(have, want) {
			t.Errorf("segment %d\nhave %q\nwant %q", n.ID, have, want)
		}
	}
	stages, err := h.Tree.Schedule(h.Best)
	if err != nil {
		t.Fatal(err)
	}
	schedule := exported(t, e, "schedule")
	for i, s := range stages {
		if r := schedule[i]; r["from"] != fmt.Sprint(s.From) || r["to"] != fmt.Sprint(s.To) || r["segment"] != fmt.Sprint(s.Segment) || r["member"] != fmt.Sprint(s.Member) {
			t.Errorf("stage %d is %v, want %+v", i, r, s)
		}
	}
	if len(schedule) != len(stages) {
		t.Errorf("%d stages, want %d", len(schedule), len(stages))
	}
	events := exported(t, e, "events")
	for i, r := range rows {
		if ev := events[i]; ev["event"] != string(r.Body) || ev["kind"] != r.Kind || ev["seq"] != fmt.Sprint(r.Seq) {
			t.Errorf("event %d is %v", i+1, ev)
		}
	}
	members := exported(t, e, "members")
	for i, m := range members {
		if m["member"] != fmt.Sprint(i) || m["spent"] != "120" || m["finished"] != "12" || m["done"] != "budget" {
			t.Errorf("member %d: %v", i, m)
		}
	}
	if len(members) != feedtest.Population {
		t.Errorf("%d members", len(members))
	}
}

// In the middle of a run, segments that wait or run are rows, too; every prefix of
// a journal can be exported, in every format.
func TestEveryPrefix(t *testing.T) {
	rows := feedtest.Rows(t, 3)
	_, j := feedtest.Journal(t, rows[:1])
	states := map[string]bool{}
	for n := 5; n <= len(rows); n += 4 {
		feedtest.Grow(t, j, rows[n-4:n])
		e, err := export.New(t.Context(), j, feedtest.Goal)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range exported(t, e, "segments") {
			states[s["state"]] = true
		}
		for _, format := range []string{"jsonl", "parquet"} {
			for _, name := range export.Tables {
				if err := e.Write(name, format, &bytes.Buffer{}); err != nil {
					t.Fatalf("%d events, %s as %s: %v", n, name, format, err)
				}
			}
		}
	}
	for _, s := range []string{"waiting", "running", "finished"} {
		if !states[s] {
			t.Errorf("no segment is ever %s", s)
		}
	}
}

func TestExportFaults(t *testing.T) {
	_, j := feedtest.Journal(t, feedtest.Rows(t, 1))
	ctx, cancel := context.WithCancel(t.Context())
	e, err := export.New(ctx, j, feedtest.Goal)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Write("nosuch", "csv", &bytes.Buffer{}); err == nil {
		t.Error("an unknown table")
	}
	if err := e.Write("events", "xlsx", &bytes.Buffer{}); err == nil {
		t.Error("an unknown format")
	}
	cancel()
	if err := e.Write("events", "csv", &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
