package report

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// story tells in a few sentences who leads, where its weights came from, and how its
// learning rate changed.
func (r *report) story() []string {
	if r.chosen == nil {
		if r.sum.Counts.Finished > 0 {
			return []string{"No member has a finite score with saved weights yet."}
		}
		if r.sum.Phase == machine.PhaseEnded {
			return []string{"The run has ended, and no member has a score."}
		}
		return []string{"No member has a score yet."}
	}
	out := []string{r.sayLeader(), sayOrigin(r.chosen.Member, r.stages)}
	if s := sayChange(mainHyper(r.sum.Hypers), r.stages, r.sum.Phase == machine.PhaseEnded); s != "" {
		out = append(out, s)
	}
	return out
}

func (r *report) sayLeader() string {
	what := "a score of "
	if m := visible(r.sum.Metric); m != "" && m != "score" && len(m) <= 24 {
		what = m + " "
	}
	step := r.chosen.From + r.chosen.Steps // of a finished segment: those that were trained
	if r.o.Segment != 0 {
		if r.chosen.Score == nil {
			return fmt.Sprintf("This report follows segment %d of member %d, which has no score.", r.chosen.ID, r.chosen.Member)
		}
		return fmt.Sprintf("This report follows segment %d of member %d: %s%s after %s steps.", r.chosen.ID, r.chosen.Member, what, scoreText(r.chosen.Score), thousands(step))
	}
	verb := "leads"
	if r.sum.Phase == machine.PhaseEnded {
		verb = "won"
	}
	return fmt.Sprintf("Member %d %s with %s%s after %s steps.", r.chosen.Member, verb, what, scoreText(r.chosen.Score), thousands(step))
}

// hop is a change of members along an ancestry.
type hop struct {
	member int
	step   int64
}

func hops(stages []pbt.Stage) (out []hop) {
	for _, s := range stages {
		if n := len(out); n == 0 || out[n-1].member != s.Member {
			out = append(out, hop{s.Member, s.From})
		}
	}
	return out
}

func sayOrigin(member int, stages []pbt.Stage) string {
	list := hops(stages)
	if len(list) == 0 {
		return ""
	}
	if len(list) == 1 {
		return "Its weights are its own from the first step; it never copied."
	}
	say := func(h hop) string {
		return fmt.Sprintf("member %d copied them at step %s", h.member, thousands(h.step))
	}
	began := fmt.Sprintf("Its weights began as member %d", list[0].member)
	moves := list[1:]
	last := say(moves[len(moves)-1])
	switch {
	case len(moves) == 1:
		return fmt.Sprintf("%s; %s.", began, last)
	case len(moves) <= 3:
		said := make([]string, len(moves)-1)
		for i := range said {
			said[i] = say(moves[i])
		}
		return fmt.Sprintf("%s; %s and %s.", began, strings.Join(said, ", "), last)
	}
	members := map[int]bool{}
	for _, h := range list {
		members[h.member] = true
	}
	return fmt.Sprintf("%s and were copied %d times, through %d members; last, %s.", began, len(moves), len(members), last)
}

var rate = regexp.MustCompile(`(?i)^(.*[._-])?(lr|learning[._-]?rate)$`)

// mainHyper is the hyperparameter that a newcomer asks about first: the learning rate,
// or what comes closest; nil if there is none.
func mainHyper(defs []view.HyperDef) *view.HyperDef {
	fits := []func(d *view.HyperDef) bool{
		func(d *view.HyperDef) bool { return rate.MatchString(d.Name) },
		func(d *view.HyperDef) bool { return d.Log },
		func(d *view.HyperDef) bool { return d.Kind == "float" },
		func(*view.HyperDef) bool { return true },
	}
	for _, fit := range fits {
		for i := range defs {
			if defs[i].Kind != "constant" && fit(&defs[i]) {
				return &defs[i]
			}
		}
	}
	return nil
}

// sayChange says how a hyperparameter changed along an ancestry.
func sayChange(d *view.HyperDef, stages []pbt.Stage, ended bool) string {
	if d == nil {
		return ""
	}
	var values []pbt.Value
	var xs []float64
	for _, s := range stages {
		v, ok := s.Hypers.Get(d.Name)
		if !ok || len(values) > 0 && values[len(values)-1] == v {
			continue
		}
		x, isNumber := v.Float()
		if !isNumber {
			x = math.NaN()
		}
		values, xs = append(values, v), append(xs, x)
	}
	if len(values) == 0 {
		return ""
	}
	name := clip(visible(d.Name), 40)
	if rate.MatchString(d.Name) {
		name = "learning rate"
	}
	text := func(v pbt.Value) string { return clip(visible(valueText(v)), 40) }
	first, last := values[0], values[len(values)-1]
	x0, x1 := xs[0], xs[len(xs)-1]
	if len(values) == 1 {
		return fmt.Sprintf("Its %s stayed at %s.", name, text(first))
	}
	if math.IsNaN(x0) || math.IsNaN(x1) {
		return fmt.Sprintf("Its %s changed from %s to %s.", name, text(first), text(last))
	}
	lo, hi, _ := extent(xs)
	small := func(a, b float64) bool {
		if d.Log {
			return math.Abs(math.Log(a/b)) < 0.18
		}
		return math.Abs(a-b) < 0.1*(hi-lo)
	}
	if x0 == x1 || small(x0, x1) && hi-lo > 2*math.Abs(x0-x1) {
		end := "is %s now"
		if ended {
			end = "ended at %s"
		}
		return fmt.Sprintf("Its %s moved between %s and %s and "+end+".", name, number(lo, 3), number(hi, 3), text(last))
	}
	verb, peak := "rose", lo
	if x1 < x0 {
		verb, peak = "fell", hi
	}
	detour := ""
	if peak != x0 && !small(peak, x0) {
		detour = ", by way of " + number(peak, 3)
	}
	return fmt.Sprintf("Its %s %s from %s to %s%s.", name, verb, text(first), text(last), detour)
}
