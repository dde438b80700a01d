package machine

import (
	"slices"
	"testing"
)

// A user who accepts a checkpoint as it is now accepts it for every later session too.
func TestAnAcceptedCheckpointHasItsNewDigest(t *testing.T) {
	m := &Machine{keep: newKeeper()}
	m.keep.add(3, 0, Checkpoint{ID: "s000000003-1", Digest: "aa"})
	m.keep.add(5, 0, Checkpoint{ID: "s000000005-2", Digest: "bb"})
	m.accept([]Accepted{{What: "row 7"}, {What: "another", Segment: 3, Digest: "cc"}, {What: "damaged", Segment: 5}, {What: "gone", Segment: 9, Digest: "dd"}})
	for segment, want := range map[int64]string{3: "cc", 5: "bb"} {
		if c, kept := m.Checkpoint(segment); !kept || c.Digest != want {
			t.Errorf("segment %d: %+v", segment, c)
		}
	}
	if _, kept := m.Checkpoint(9); kept {
		t.Error("segment 9 has a checkpoint")
	}
}

func TestNeededListsWhatMayBeHandedOut(t *testing.T) {
	m := &Machine{keep: newKeeper()}
	for s := int64(1); s <= 9; s++ {
		c := Checkpoint{ID: CheckpointName(s, s)}
		if s == 4 {
			c.ID = "" // recorded without one
		}
		m.keep.add(s, 0, c)
	}
	m.members = []member{{record: 2, plan: plan{parent: 2}}, {record: 4, plan: plan{parent: 3}}, {}}
	m.members[1].base.record.Segment = 1
	m.best = []Outcome{{Segment: 7}, {Segment: 2}}
	m.keep.pins = []int64{6, 12}
	if got := m.Needed(); !slices.Equal(got, []int64{1, 2, 3, 6, 7}) {
		t.Error(got)
	}
}
