package machine

import (
	"fmt"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// Warning is a setting that is valid and probably not meant: with it, part of the algorithm
// never happens.
type Warning struct {
	About WarningAbout
	Says  string // the setting and what follows from it
	Hint  string // what to change
}

// WarningAbout is what a warning is about.
type WarningAbout uint8

// The subjects of warnings.
const (
	AboutHypers WarningAbout = iota + 1 // nothing is explored
	AboutCopies                         // no copy can happen
)

// Warnings are the settings of a valid spec that keep members from exploring or copying.
// steps is how many steps a member is expected to train; 0 if only the budget tells.
func (s *Spec) Warnings(steps int64) (list []Warning) {
	if says := s.neverExplores(); says != "" {
		list = append(list, Warning{AboutHypers, says, "give at least one hyperparameter a range or a list of values, and leave out explore: false"})
	}
	if says, hint := s.neverCopies(steps); says != "" {
		list = append(list, Warning{AboutCopies, says, hint})
	}
	return list
}

// neverExplores says why no hyperparameter ever changes; "" if one may, or if the user
// chose so (explore: none) or follows a schedule.
func (s *Spec) neverExplores() string {
	switch s.Policy.Explore.(type) {
	case pbt.NoExplore, pbt.Follow:
		return ""
	}
	varies, fixed := false, false
	for _, p := range s.Space.Params() {
		switch {
		case !severalValues(&p):
		case p.Fixed:
			fixed = true
		default:
			varies = true
		}
	}
	switch {
	case varies:
		return ""
	case fixed:
		return "no hyperparameter is explored: each is constant or has explore: false, so no member ever tries a value that was not drawn at the start"
	}
	return "every hyperparameter is constant: all members train with the same values, and pbt searches nothing"
}

// severalValues tells whether a hyperparameter can have more than one value.
func severalValues(p *pbt.Param) bool {
	switch p.Type {
	case pbt.ConstantParam:
		return false
	case pbt.OrderedParam, pbt.ChoiceParam:
		return slices.ContainsFunc(p.Values, func(v pbt.Value) bool { return v != p.Values[0] })
	}
	return p.Init.Lo < p.Init.Hi || p.Bounds.Lo < p.Bounds.Hi
}

// neverCopies says why no member can ever copy another; "" if one may, or if the user
// chose so (exploit: none).
func (s *Spec) neverCopies(steps int64) (says, hint string) {
	if _, none := s.Policy.Exploit.(pbt.NoExploit); none {
		return "", ""
	}
	if s.Population == 1 {
		return "no copy can happen: population is 1, so there is no other member to copy", "use a larger population, or exploit: none to say that this is meant"
	}
	budget, each := "the budget", steps
	limit := func(name string, most int64) {
		if most > 0 && (each == 0 || most < each) {
			budget, each = name, most
		}
	}
	limit("budget.steps", s.Budget.Steps)
	n := int64(s.Population)
	limit("budget.total_steps", s.Budget.Total/n+min(1, s.Budget.Total%n))
	ready, every := s.Policy.Ready.(pbt.Every)
	if each == 0 || s.Policy.Ready != nil && !every {
		return "", ""
	}
	last := (each - 1) / s.Segment * s.Segment // a member's last ready point with steps left to train
	per := countSteps(each) + " for each member"
	switch {
	case last == 0:
		return fmt.Sprintf("no copy can happen: a segment has %s, and %s allows %s, so each member trains one segment only", countSteps(s.Segment), budget, per), "use a larger budget or shorter segments"
	case ready.BurnIn > last:
		return fmt.Sprintf("no copy can happen: ready.burn_in is %s, and %s allows %s, so its last ready point before the end is at step %d", countSteps(ready.BurnIn), budget, per, last), "use a smaller ready.burn_in or a larger budget"
	case ready.Steps > last:
		return fmt.Sprintf("no copy can happen: ready points are %s apart, and %s allows %s, so no member is ready before the end", countSteps(ready.Steps), budget, per), "use more frequent ready points or a larger budget"
	}
	return "", ""
}

// countSteps is a number of steps in words. This package imports no other one for that.
func countSteps(n int64) string {
	if n == 1 {
		return "1 step"
	}
	return fmt.Sprintf("%d steps", n)
}
