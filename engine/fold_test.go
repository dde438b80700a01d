package engine

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// The state is the fold of the journal, and nothing else: also of one that is read in
// several batches, with settings that change on the way.
func TestTheStateIsTheFoldOfTheJournal(t *testing.T) {
	spec := testSpec()
	spec.Budget.Steps = 200
	longer := spec
	longer.Budget.Steps, longer.Keep.Best = 700, 4
	c := testConfig(t, spec, 2, climb)
	c.SpecOf = func(stored []byte) (machine.Spec, error) {
		if string(stored) == `{"longer":true}` {
			return longer, nil
		}
		return spec, nil
	}
	interrupt(t, c, Create, 70)
	c.Change = &machine.Change{Spec: longer, Experiment: []byte(`{"longer":true}`), Paths: []string{"budget.steps"}}
	m := mustResume(t, c)
	spentAll(t, m)
	if folded := check(t, c); folded.Fingerprint() != m.Fingerprint() {
		t.Errorf("the run ended as\n%s\nand its journal says\n%s", m.Fingerprint(), folded.Fingerprint())
	}

	// An event that does not follow is named, wherever it stands.
	j, err := journal.Open(filepath.Join(c.Dir, JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	last, err := j.Last()
	if err != nil || last < 2*foldBatch {
		t.Fatalf("%d events, %v", last, err)
	}
	row := journal.Row{Seq: last + 1, At: m.LastEvent(), Kind: "leased", Segment: 1, Member: 1, Body: []byte(`{"segment":1,"member":1,"lease":1,"worker":"w"}`)}
	if err := j.Append([]journal.Row{row}); err != nil {
		t.Fatal(err)
	}
	if _, have, err := Fold(j, c.SpecOf); err == nil || have != last || !strings.Contains(err.Error(), "is leased while it does not wait") {
		t.Errorf("%d events of %d, %v", have, last, err)
	}
}
