package machine

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
)

// Inside is the random search inside a run: its founders, the members that have never taken over
// weights. Under one seed each of their records is that of a random search (exploit: none) with
// the same seed, machine and failures, so that search has at least the best of them.
type Inside struct {
	Founders int        `json:"founders"` // members that are founders now
	Of       int        `json:"of"`       // members of the run, without the retired ones
	Segment  int64      `json:"segment,omitempty"`
	Member   int        `json:"member"`
	Score    *pbt.Score `json:"score"` // null before the first
	Step     int64      `json:"step,omitempty"`
	Above    bool       `json:"above"` // the run's best is better than that
	Exact    bool       `json:"exact"` // no founder's hyperparameters were changed: the comparison holds
	Says     string     `json:"says"`  // all of this in a sentence; "" if there is nothing to compare
}

// Inside is the random search inside the run so far.
func (m *Machine) Inside() Inside {
	s := Inside{Founders: m.pop.Founders(), Of: m.pop.Size(), Member: NoMember, Exact: !m.varied && m.origin == nil}
	if m.founder.Segment != 0 {
		o := m.founder
		s.Segment, s.Member, s.Score, s.Step = o.Segment, o.Member, &o.Score, o.Step
		if best, ok := m.Best(); ok {
			s.Above = m.spec.Goal.Better(best.Score, o.Score)
		}
	}
	s.Says = s.Say(m.spec.Policy.Exploit)
	return s
}

// Say is the sentence for a run with an exploit rule.
func (s *Inside) Say(rule pbt.Exploit) string {
	if _, none := rule.(pbt.NoExploit); none || s.Score == nil {
		return ""
	}
	text := fmt.Sprintf("%d of %d members have never copied; their best is %s (member %d, segment %d)", s.Founders, s.Of, s.Score, s.Member, s.Segment)
	switch {
	case !s.Exact:
		return text
	case s.Above:
		return text + ": the random search of this seed has at least that, and the best of this run is better"
	}
	return text + ": the random search of this seed has at least that, and the best of this run is not better"
}

// noteFounder keeps the best record of a founder.
func (m *Machine) noteFounder(o Outcome) {
	if m.pop.Founder(o.Member) && o.Score.Finite() && (m.founder.Segment == 0 || m.spec.Goal.Better(o.Score, m.founder.Score)) {
		m.founder = o
	}
}
