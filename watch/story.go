package watch

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// The run in a few sentences, in the words of the dashboard: who leads, where its
// weights came from, how its learning rate changed.

// mostHops is how many copies are told one by one.
const mostHops = 3

func story(sum *view.Summary, stages []pbt.Stage) string {
	return strings.TrimSpace(lead(sum) + " " + origin(sum, stages) + " " + change(mainHyper(sum.Hypers), stages))
}

func lead(sum *view.Summary) string {
	b := sum.Best
	if b == nil {
		if sum.Counts.Finished > 0 {
			return "No member has a finite score yet."
		}
		if sum.Phase == machine.PhaseEnded {
			return "The run has ended, and no member has a score."
		}
		return "No member has a score yet."
	}
	tense := "leads"
	if sum.Phase == machine.PhaseEnded {
		tense = "won"
	}
	return fmt.Sprintf("Member %d %s with %s %s after %s.", b.Member, tense, metric(sum), b.Score, plural.Of(b.Step, "step"))
}

// metric is what the score is called.
func metric(sum *view.Summary) string {
	if sum.Metric == "" {
		return "score"
	}
	return clean(sum.Metric)
}

// hop is when weights came to a member.
type hop struct {
	member int
	at     int64
}

func origin(sum *view.Summary, stages []pbt.Stage) string {
	if sum.Best == nil || len(stages) == 0 {
		return ""
	}
	var hops []hop
	members := map[int]bool{}
	for _, s := range stages {
		members[s.Member] = true
		if n := len(hops); n == 0 || hops[n-1].member != s.Member {
			hops = append(hops, hop{s.Member, s.From})
		}
	}
	if len(hops) == 1 {
		return "Its weights are its own from the first step; it never copied."
	}
	told := make([]string, len(hops)-1)
	for i, h := range hops[1:] {
		told[i] = fmt.Sprintf("member %d copied them at step %d", h.member, h.at)
	}
	began, last := fmt.Sprintf("Its weights began as member %d", hops[0].member), told[len(told)-1]
	switch {
	case len(told) == 1:
		return began + "; " + last + "."
	case len(told) <= mostHops:
		return began + "; " + strings.Join(told[:len(told)-1], ", ") + " and " + last + "."
	}
	return fmt.Sprintf("%s and were copied %d times, through %d members; last, %s.", began, len(told), len(members), last)
}

var rate = regexp.MustCompile(`(?i)^(.*[._-])?(lr|learning[._-]?rate)$`)

// mainHyper is the hyperparameter that a newcomer asks about first: the learning rate,
// or what comes closest; "" if there is none.
func mainHyper(defs []view.HyperDef) string {
	for _, fits := range []func(d *view.HyperDef) bool{
		func(d *view.HyperDef) bool { return rate.MatchString(d.Name) },
		func(d *view.HyperDef) bool { return d.Log },
		func(d *view.HyperDef) bool { return d.Kind == "float" },
		func(*view.HyperDef) bool { return true },
	} {
		for i := range defs {
			if defs[i].Kind != "constant" && fits(&defs[i]) {
				return defs[i].Name
			}
		}
	}
	return ""
}

// change tells how a hyperparameter went along an ancestry.
func change(name string, stages []pbt.Stage) string {
	var values []pbt.Value
	for _, s := range stages {
		if v, ok := s.Hypers.Get(name); ok && (len(values) == 0 || values[len(values)-1] != v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return ""
	}
	said := clean(name)
	if rate.MatchString(name) {
		said = "learning rate"
	}
	first, last := values[0], values[len(values)-1]
	if len(values) == 1 {
		return fmt.Sprintf("Its %s stayed at %s.", said, show(first))
	}
	x, isNumber := first.Float()
	y, too := last.Float()
	if !isNumber || !too {
		return fmt.Sprintf("Its %s changed from %s to %s.", said, show(first), show(last))
	}
	return fmt.Sprintf("Its %s %s.", said, moved(x, y, values))
}

func moved(first, last float64, values []pbt.Value) string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if x, ok := v.Float(); ok {
			lo, hi = min(lo, x), max(hi, x)
		}
	}
	switch {
	case hi-lo > 2*math.Abs(first-last):
		return fmt.Sprintf("moved between %s and %s and is %s now", digits(lo), digits(hi), digits(last))
	case last < first:
		return fmt.Sprintf("fell from %s to %s in %s", digits(first), digits(last), plural.Of(int64(len(values)-1), "change"))
	}
	return fmt.Sprintf("rose from %s to %s in %s", digits(first), digits(last), plural.Of(int64(len(values)-1), "change"))
}

// show is a value for a narrow column.
func show(v pbt.Value) string {
	if v.Kind() == pbt.KindFloat {
		x, _ := v.Float()
		return digits(x)
	}
	return clean(v.String())
}

// digits is a number with as many digits as people read.
func digits(x float64) string { return fmt.Sprintf("%.4g", x) }
