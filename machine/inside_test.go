package machine_test

import (
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// The sentence about the random search inside a run, as status, page and report show it.
func TestInside_Says(t *testing.T) {
	score := pbt.Score(0.93)
	base := machine.Inside{Founders: 12, Of: 16, Segment: 212, Member: 4, Score: &score, Exact: true}
	for _, c := range []struct {
		name   string
		change func(s *machine.Inside)
		rule   pbt.Exploit
		want   string
	}{
		{"below", func(*machine.Inside) {}, nil, "12 of 16 members have never copied; their best is 0.93 (member 4, segment 212): the random search of this seed has at least that, and the best of this run is not better"},
		{"above", func(s *machine.Inside) { s.Above = true }, pbt.DefaultFounders(), "12 of 16 members have never copied; their best is 0.93 (member 4, segment 212): the random search of this seed has at least that, and the best of this run is better"},
		{"changed by hand", func(s *machine.Inside) { s.Exact = false }, nil, "12 of 16 members have never copied; their best is 0.93 (member 4, segment 212)"},
		{"a random search", func(*machine.Inside) {}, pbt.NoExploit{}, ""},
		{"no score yet", func(s *machine.Inside) { s.Score = nil }, nil, ""},
	} {
		s := base
		c.change(&s)
		if got := s.Say(c.rule); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
