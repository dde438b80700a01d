package pbt

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Action is what a decision makes of a member.
type Action string

// The actions.
const (
	Begin    Action = "start"    // fresh weights at the start of the run, or those that a branch begins with
	Continue Action = "continue" // its own weights train on
	Copy     Action = "copy"     // exploit: another's weights, hyperparameters, or both
	Mend     Action = "repair"   // a healthy member's weights and hyperparameters, after a failure
	Restart  Action = "restart"  // fresh weights and hyperparameters, after a failure with nobody to copy
)

// Why is the reason of a decision, as data.
type Why string

// The reasons.
const (
	WhyStart          Why = "start"
	WhyReady          Why = "ready"
	WhyNotReady       Why = "not_ready"
	WhyBurnIn         Why = "burn_in"
	WhyAfterCopy      Why = "burn_in_after_copy"
	WhyFewScored      Why = "few_scored"
	WhyAlone          Why = "nobody_to_compare_with"
	WhyNoRule         Why = "exploit_is_none"
	WhyNotBottom      Why = "not_in_bottom"
	WhyBottom         Why = "in_bottom"
	WhyNoBetter       Why = "nobody_is_better"
	WhyNotSaved       Why = "no_checkpoint"
	WhyRivalBetter    Why = "rival_is_better"
	WhyRivalNotBetter Why = "rival_is_not_better"
	WhyFewSamples     Why = "few_samples"
	WhySignificant    Why = "significantly_worse"
	WhyNotSignificant Why = "not_significant"
	WhyDiverged       Why = "diverged"
	WhyFailed         Why = "failed"
	WhyFounderKept    Why = "founder_kept"
	WhyFounderOut     Why = "founder_given_up"
	WhyPoolKept       Why = "not_in_pool_bottom"
	WhyPoolBottom     Why = "in_pool_bottom"
	WhyNoDonor        Why = "no_better_donor"
	WhyProbe          Why = "probe"
	WhySteered        Why = "by_hand" // a person's wish
	WhyBranch         Why = "branch"  // the run begins with a segment of another
)

// Donor names the record a decision compared with or copied: one indivisible
// (score, step, checkpoint), not "the member, whatever it holds by now".
type Donor struct {
	Member  int   `json:"member"`
	Segment int64 `json:"segment"`
	Score   Score `json:"score"`
	Step    int64 `json:"step"`
}

// Decision says how a member goes on, and why. Parent and Hypers are what the
// next segment starts from; the rest is the explanation.
type Decision struct {
	Action  Action    `json:"action"`
	Why     Why       `json:"why"`
	Rule    string    `json:"rule,omitempty"`    // the exploit rule
	Segment int64     `json:"segment,omitempty"` // the record it was judged by
	Score   Score     `json:"score"`             // that record's score
	Rank    int       `json:"rank,omitempty"`    // 1 is the best
	Of      int       `json:"of,omitempty"`      // members compared, itself included
	Cut     int       `json:"cut,omitempty"`     // truncation: how many are at the bottom and at the top
	Need    int       `json:"need,omitempty"`    // scored members needed before the first copy
	Margin  float64   `json:"margin,omitempty"`
	Rival   *Donor    `json:"donor,omitempty"` // whom it copied, or was compared with
	Test    *TestData `json:"test,omitempty"`

	Founders int    `json:"founders,omitempty"` // founders left when it was decided
	Quota    int    `json:"quota,omitempty"`    // founders that the rule keeps at this point of the budget
	Probe    *Donor `json:"probe,omitempty"`    // whose hyperparameters a probe trains the donor's weights with

	Inherit    Inherit  `json:"inherit,omitempty"`    // what it took over
	Changes    []Change `json:"changes,omitempty"`    // what exploring did
	Redrawn    int      `json:"redrawn,omitempty"`    // how often exploring was done again, because a constraint did not hold
	Constraint string   `json:"constraint,omitempty"` // the first one that did not
	Origin     string   `json:"origin,omitempty"`     // where a branch's first weights come from, in words

	Parent int64  `json:"-"` // the segment whose weights train on; 0: fresh weights
	Hypers Hypers `json:"-"` // in force from now on
}

// Copies tells whether the member takes over another's weights or hyperparameters.
func (d *Decision) Copies() bool { return d.Action == Copy || d.Action == Mend }

// TakesWeights tells whether the next segment starts from another member's weights.
func (d *Decision) TakesWeights() bool { return d.Copies() && d.Inherit != InheritHypers }

// Departs tells whether the member is not a founder from now on. A branch begins with the
// weights of another run: its members are founders of the new one.
func (d *Decision) Departs() bool {
	return d.TakesWeights() && d.Why != WhyBranch || d.Action == Restart
}

// WasReady tells whether the ready rule said yes, or was not asked because
// something had broken.
func (d *Decision) WasReady() bool {
	switch d.Why {
	case WhyStart, WhyReady, WhyAlone, WhyDiverged, WhyFailed:
		return true
	}
	return d.Of > 0 // who is not ready, for whatever reason of a user's own rule, compares with nobody
}

// Say explains the decision in one sentence:
//
//	rank 15 of 16 (0.61) is in the bottom 3; copies member 4 (0.93, segment 212); lr 0.0031 × 0.8 = 0.00248
func (d *Decision) Say() string {
	var b strings.Builder
	b.WriteString(d.sayWhy())
	switch d.Action {
	case Copy:
		if d.Probe != nil {
			fmt.Fprintf(&b, "; trains the weights of member %s with the hyperparameters of member %s", d.Rival, d.Probe)
			break
		}
		fmt.Fprintf(&b, "; copies %sof member %s", [...]string{"weights and hyperparameters ", "the weights ", "the hyperparameters "}[d.Inherit], d.Rival)
	case Mend:
		fmt.Fprintf(&b, "; repaired from member %s", d.Rival)
	case Restart:
		b.WriteString("; restarts with fresh weights and hyperparameters")
	case Continue:
		b.WriteString("; goes on")
	}
	for i, c := range d.Changes {
		sep := ", "
		if i == 0 {
			sep = "; "
		}
		b.WriteString(sep + c.String())
	}
	b.WriteString(d.sayConstraint())
	return b.String()
}

func (d *Decision) sayWhy() string {
	rank := fmt.Sprintf("rank %d of %d (%s)", d.Rank, d.Of, d.Score)
	switch d.Why {
	case WhyStart:
		return "starts with fresh weights"
	case WhyNotReady:
		return "not ready"
	case WhyBurnIn:
		return "in its burn-in"
	case WhyAfterCopy:
		return "in the burn-in after its last copy"
	case WhyFewScored:
		return fmt.Sprintf("members with a score: %d, needed before the first copy: %d", d.Of, d.Need)
	case WhyAlone:
		return "nobody to compare with"
	case WhyNoRule:
		return rank + "; nobody copies in this run"
	case WhyNotBottom:
		return fmt.Sprintf("%s is not in the bottom %d", rank, d.Cut)
	case WhyBottom:
		return fmt.Sprintf("%s is in the bottom %d", rank, d.Cut)
	case WhyNoBetter:
		return fmt.Sprintf("%s is in the bottom %d, but none of the top %d is better%s", rank, d.Cut, d.Cut, d.sayMargin())
	case WhyNotSaved:
		if d.Rival != nil {
			return fmt.Sprintf("%s would copy member %s, which has no checkpoint", rank, d.Rival)
		}
		return rank + ", but no better member has a checkpoint"
	case WhyRivalBetter:
		return fmt.Sprintf("%s lost to member %s%s", rank, d.Rival, d.sayMargin())
	case WhyRivalNotBetter:
		if d.Test != nil && d.Rival != nil && d.Rival.Score.Finite() {
			return d.sayMeans("is not worse") + d.sayMargin()
		}
		return fmt.Sprintf("%s did not lose to member %s%s", rank, d.Rival, d.sayMargin())
	case WhyFewSamples:
		return fmt.Sprintf("%s met member %s, but a test needs two samples of each", rank, d.Rival)
	case WhySignificant:
		return d.sayMeans("is significantly worse") + d.sayTest()
	case WhyNotSignificant:
		return d.sayMeans("is not significantly worse") + d.sayTest()
	case WhyDiverged:
		return fmt.Sprintf("its score is %s", d.Score)
	case WhyFounderKept:
		return fmt.Sprintf("rank %d of %d founders (%s): %s", d.Rank, d.Of, d.Score, d.sayQuota())
	case WhyFounderOut:
		return fmt.Sprintf("rank %d of %d founders (%s): %s, and it is among the last %d", d.Rank, d.Of, d.Score, d.sayQuota(), d.Cut)
	case WhyPoolKept:
		return fmt.Sprintf("rank %d of %d in the pool (%s) is not in the bottom %d", d.Rank, d.Of, d.Score, d.Cut)
	case WhyPoolBottom, WhyProbe:
		return fmt.Sprintf("rank %d of %d in the pool (%s) is in the bottom %d", d.Rank, d.Of, d.Score, d.Cut)
	case WhyNoDonor:
		return rank + " would copy, but no member at the top is better" + d.sayMargin()
	case WhySteered:
		return "as somebody wished"
	case WhyBranch:
		if d.Action == Begin {
			return fmt.Sprintf("begins with %s (%s)", d.Origin, d.Score)
		}
		return "begins with the weights that the run was branched from"
	case WhyFailed:
		return "its segment failed for good"
	}
	return string(d.Why)
}

func (d *Decision) sayQuota() string {
	return fmt.Sprintf("%d founders are left, %d are kept at this point", d.Founders, d.Quota)
}

func (d *Decision) sayMargin() string {
	if d.Margin == 0 {
		return ""
	}
	return fmt.Sprintf(" by more than %g", d.Margin)
}

func (d *Decision) sayMeans(compared string) string {
	if d.Test == nil || d.Rival == nil {
		return string(d.Why)
	}
	t := d.Test
	return fmt.Sprintf("mean %s of %d samples %s than member %d's %s of %d", t.Mean, t.N, compared, d.Rival.Member, t.RivalMean, t.RivalN)
}

func (d *Decision) sayTest() string {
	if d.Test == nil {
		return ""
	}
	return fmt.Sprintf(" (Welch t %.3g, p %.3g, level %g)", d.Test.T, d.Test.P, d.Test.Alpha)
}

// String shows the donor: 4 (0.93, segment 212).
func (d *Donor) String() string {
	return fmt.Sprintf("%d (%s, segment %d)", d.Member, d.Score, d.Segment)
}

// String shows the change: lr 0.0031 × 0.8 = 0.00248.
func (c Change) String() string {
	switch c.Op {
	case opOff:
		return c.Name + " " + c.Op
	case opOn:
		return fmt.Sprintf("%s %s, %s", c.Name, c.Op, c.To)
	}
	if c.Op == opGiven {
		return fmt.Sprintf("%s %s → %s, as given", c.Name, c.From, c.To)
	}
	if c.Op == opFollow {
		return fmt.Sprintf("%s %s → %s", c.Name, c.From, c.To)
	}
	return fmt.Sprintf("%s %s %s = %s", c.Name, c.From, c.Op, c.To)
}

// MarshalText implements encoding.TextMarshaler.
func (i Inherit) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *Inherit) UnmarshalText(b []byte) error {
	for _, known := range []Inherit{InheritBoth, InheritWeights, InheritHypers} {
		if known.String() == string(b) {
			*i = known
			return nil
		}
	}
	return fmt.Errorf("unknown inherit %q", b)
}

// Same tells whether two decisions are the same in every part, and if not, names
// the first that differs with both values. It is how `pbt verify` compares.
func (d *Decision) Same(o *Decision) (bool, string) {
	if d.Parent != o.Parent {
		return false, fmt.Sprintf("parent segment %d, not %d", o.Parent, d.Parent)
	}
	if !d.Hypers.Equal(o.Hypers) {
		return false, fmt.Sprintf("hyperparameters %s, not %s", o.Hypers.AppendJSON(nil), d.Hypers.AppendJSON(nil))
	}
	mine, other := reflect.ValueOf(*d), reflect.ValueOf(*o)
	for i := range mine.NumField() {
		name, _, _ := strings.Cut(mine.Type().Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue // Parent and Hypers
		}
		x, y := mine.Field(i).Interface(), other.Field(i).Interface()
		if reflect.DeepEqual(x, y) {
			continue
		}
		a, errA := json.Marshal(x) // two NaNs are the same, and what is written down counts
		b, errB := json.Marshal(y)
		if err := errors.Join(errA, errB); err != nil {
			return false, fmt.Sprintf("%s cannot be written down: %v", name, err)
		}
		if string(a) != string(b) {
			return false, fmt.Sprintf("%s %s, not %s", name, b, a)
		}
	}
	return true, ""
}
