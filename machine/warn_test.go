package machine

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// Each setting that keeps members from exploring or copying is named; a choice of the user's
// (exploit: none, explore: none), and a setting that only delays, is not.
func TestSettingsThatPreventExploringOrCopyingAreNamed(t *testing.T) {
	lr := pbt.LogUniform("lr", 1e-4, 1)
	space := func(p ...pbt.Param) func(*Spec) { return func(s *Spec) { s.Space = pbt.MustSpace(p...) } }
	for name, c := range map[string]struct {
		change func(*Spec)
		steps  int64
		want   string // "": no warning
	}{
		"nothing":                 {change: func(*Spec) {}},
		"all constant":            {change: space(pbt.Constant("lr", pbt.Float(0.1))), want: "every hyperparameter is constant"},
		"one value each":          {change: space(pbt.Ordered("b", pbt.Int(3)), pbt.Uniform("x", 1, 1)), want: "every hyperparameter is constant"},
		"none explored":           {change: space(lr.NotExplored(), pbt.Constant("x", pbt.Int(1))), want: "no hyperparameter is explored"},
		"one explored":            {change: space(lr, pbt.Bool("b").NotExplored())},
		"explore: none":           {change: func(s *Spec) { s.Policy.Explore = pbt.NoExplore{} }},
		"one member":              {change: func(s *Spec) { s.Population = 1 }, want: "population is 1"},
		"one member, no exploit":  {change: func(s *Spec) { s.Population, s.Policy.Exploit = 1, pbt.NoExploit{} }},
		"burn-in at the end":      {change: func(s *Spec) { s.Policy.Ready = pbt.Every{BurnIn: 91} }, want: "ready.burn_in is 91 steps, and budget.steps allows 100 steps for each member, so its last ready point before the end is at step 90"},
		"burn-in, once":           {change: func(s *Spec) { s.Policy.Ready = pbt.Every{BurnIn: 90} }},
		"burn-in, no exploit":     {change: func(s *Spec) { s.Policy.Ready, s.Policy.Exploit = pbt.Every{BurnIn: 91}, pbt.NoExploit{} }},
		"burn-in, of the total":   {change: func(s *Spec) { s.Policy.Ready, s.Budget = pbt.Every{BurnIn: 200}, pbt.Budget{Total: 400} }, want: "budget.total_steps allows 100 steps"},
		"burn-in, of the clock":   {change: func(s *Spec) { s.Policy.Ready, s.Budget = pbt.Every{BurnIn: 200}, pbt.Budget{Wall: time.Hour} }, steps: 100, want: "the budget allows 100 steps"},
		"burn-in, not known":      {change: func(s *Spec) { s.Policy.Ready, s.Budget = pbt.Every{BurnIn: 200}, pbt.Budget{Wall: time.Hour} }},
		"rarely ready":            {change: func(s *Spec) { s.Policy.Ready = pbt.Every{Steps: 100} }, want: "ready points are 100 steps apart"},
		"one segment":             {change: func(s *Spec) { s.Segment = 100 }, want: "each member trains one segment only"},
		"one segment, of a total": {change: func(s *Spec) { s.Budget = pbt.Budget{Total: 40} }, want: "each member trains one segment only"},
		"total for a copy":        {change: func(s *Spec) { s.Budget = pbt.Budget{Total: 41} }},
	} {
		s := Spec{Population: 4, Space: pbt.MustSpace(lr), Segment: 10, Budget: pbt.Budget{Steps: 100}}
		c.change(&s)
		list := s.Warnings(c.steps)
		switch {
		case c.want == "" && len(list) == 0:
		case c.want == "" || len(list) != 1 || !strings.Contains(list[0].Says, c.want) || list[0].Hint == "":
			t.Errorf("%s: %+v, want %q", name, list, c.want)
		}
	}
}
