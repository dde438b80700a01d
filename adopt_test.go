package pbt

import "testing"

// A member that copied stands with its donor's record, but is not ranked with it
// and is nobody's donor before it has reported on its own: a lucky score must not
// live on in copies of copies (docs/adr/0001).
func TestABorrowedRecordIsNotRanked(t *testing.T) {
	p := NewPopulation(4, Maximize, 1)
	for i, score := range []Score{0.9, 0.5, 0.6, 0.1} {
		p.Set(i, Record{Segment: int64(i + 1), Score: score, Saved: true})
	}
	lucky, _ := p.Record(0)
	p.Adopt(3, lucky)
	p.Set(0, Record{Segment: 5, Score: 0.4, Saved: true}) // its owner has come down to earth
	if got, ok := p.Record(3); !ok || got.Segment != 1 {
		t.Errorf("the copy stands with segment %d, want 1", got.Segment)
	}
	if p.Ranked(3) || p.Scored() != 3 {
		t.Errorf("ranked %v, %d scored: want a copy that is not ranked, and 3", p.Ranked(3), p.Scored())
	}
	policy := Policy{MinScored: 2}
	d := policy.Decide(p, MustSpace(), Standing{Member: 0, Turn: 1, Segment: 5, Spent: 10, SinceCopy: 10})
	if d.Action != Copy || d.Rival.Member != 2 || d.Of != 3 {
		t.Errorf("%s: want a copy of member 2, the best with a record of its own", d.Say())
	}
	p.Set(3, Record{Segment: 6, Score: 0.95, Saved: true})
	if !p.Ranked(3) || p.Rank(3) != 0 {
		t.Error("its own report does not rank it")
	}
}

// Adopting changes others' places: nothing remembered may be stale.
func TestAdoptingMovesOthersUp(t *testing.T) {
	p := NewPopulation(3, Maximize, 1)
	for i, score := range []Score{0.9, 0.5, 0.6} {
		p.Set(i, Record{Segment: int64(i + 1), Score: score})
	}
	if p.Rank(2) != 1 {
		t.Fatal("rank before")
	}
	best, _ := p.Record(0)
	p.Adopt(0, best)
	if p.Rank(2) != 0 || p.Rank(1) != 1 || p.Rank(0) != 2 {
		t.Errorf("ranks %d %d %d", p.Rank(0), p.Rank(1), p.Rank(2))
	}
}
