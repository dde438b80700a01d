package history_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// sameAsHistory checks that the lineage, read in little memory, is what the whole story says.
func sameAsHistory(t *testing.T, j *journal.Journal, specOf machine.SpecFunc) {
	t.Helper()
	h, err := history.Read(j, specOf)
	if err != nil {
		t.Fatal(err)
	}
	l, err := history.ReadLineage(j, specOf)
	if err != nil {
		t.Fatal(err)
	}
	if l.Best != h.Best || l.Len() != int64(len(h.Tree)) || l.Goal != h.Goal {
		t.Errorf("best %d of %d, want %d of %d", l.Best, l.Len(), h.Best, len(h.Tree))
	}
	var got bytes.Buffer
	if err := l.WriteJSON(&got, j); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(map[string]any{"segments": h.Tree, "best": h.Best})
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, got.Bytes()); err != nil {
		t.Fatal(err)
	}
	var x, y struct{ Segments pbt.Tree }
	if json.Unmarshal(want, &x) != nil || json.Unmarshal(got.Bytes(), &y) != nil {
		t.Fatal("not the JSON of a tree")
	}
	for i := range x.Segments {
		a, _ := json.Marshal(x.Segments[i])
		b, _ := json.Marshal(y.Segments[i])
		if !bytes.Equal(a, b) {
			t.Fatalf("%s\nwant %s", b, a)
		}
	}
}

func TestLineageIsTheTreeOfTheHistory(t *testing.T) {
	for _, run := range []string{"v1", "v1-branch"} { // one was steered in every way
		j, err := journal.OpenReadOnly(filepath.Join("..", "verify", "testdata", run, "journal.sqlite"))
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		sameAsHistory(t, j, config.SpecOf)
	}
}
