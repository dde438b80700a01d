package pbt_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
)

var donor4 = &pbt.Donor{Member: 4, Segment: 212, Score: 0.93, Step: 4000}

var testData = &pbt.TestData{Mean: 0.61, RivalMean: 0.93, N: 10, RivalN: 8, T: 4.2, DF: 12.5, P: 0.0006, Alpha: 0.05}

// The sentence of every reason.
func TestDecision_SaysEveryReason(t *testing.T) {
	ranked := pbt.Decision{Action: pbt.Continue, Score: 0.61, Rank: 15, Of: 16, Cut: 3}
	with := func(change func(d *pbt.Decision)) pbt.Decision { d := ranked; change(&d); return d }
	for _, c := range []struct {
		d    pbt.Decision
		want string
	}{
		{pbt.Decision{Action: pbt.Begin, Why: pbt.WhyStart}, "starts with fresh weights"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyNotReady }), "not ready; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyBurnIn }), "in its burn-in; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyAfterCopy }), "in the burn-in after its last copy; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Of, d.Need = pbt.WhyFewScored, 1, 8 }), "members with a score: 1, needed before the first copy: 8; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyAlone }), "nobody to compare with; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyNoRule }), "rank 15 of 16 (0.61); nobody copies in this run; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rank = pbt.WhyNotBottom, 5 }), "rank 5 of 16 (0.61) is not in the bottom 3; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyNoBetter }), "rank 15 of 16 (0.61) is in the bottom 3, but none of the top 3 is better; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Margin = pbt.WhyNoBetter, 0.5 }), "rank 15 of 16 (0.61) is in the bottom 3, but none of the top 3 is better by more than 0.5; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyNotSaved }), "rank 15 of 16 (0.61), but no better member has a checkpoint; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rival = pbt.WhyNotSaved, donor4 }), "rank 15 of 16 (0.61) would copy member 4 (0.93, segment 212), which has no checkpoint; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rival = pbt.WhyRivalNotBetter, donor4 }), "rank 15 of 16 (0.61) did not lose to member 4 (0.93, segment 212); goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rival, d.Margin = pbt.WhyRivalNotBetter, donor4, 0.5 }), "rank 15 of 16 (0.61) did not lose to member 4 (0.93, segment 212) by more than 0.5; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rival, d.Test = pbt.WhyRivalNotBetter, donor4, testData }), "mean 0.61 of 10 samples is not worse than member 4's 0.93 of 8; goes on"},
		{with(func(d *pbt.Decision) {
			d.Why, d.Rival, d.Test = pbt.WhyRivalNotBetter, &pbt.Donor{Member: 4, Segment: 9, Score: pbt.Score(nan)}, testData
		}), "rank 15 of 16 (0.61) did not lose to member 4 (NaN, segment 9); goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rival = pbt.WhyFewSamples, donor4 }), "rank 15 of 16 (0.61) met member 4 (0.93, segment 212), but a test needs two samples of each; goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Rival, d.Test = pbt.WhyNotSignificant, donor4, testData }), "mean 0.61 of 10 samples is not significantly worse than member 4's 0.93 of 8 (Welch t 4.2, p 0.0006, level 0.05); goes on"},
		{with(func(d *pbt.Decision) { d.Why, d.Score = pbt.WhyDiverged, pbt.Score(nan) }), "its score is NaN; goes on"},
		{with(func(d *pbt.Decision) { d.Why = pbt.WhyFailed }), "its segment failed for good; goes on"},
		{with(func(d *pbt.Decision) { d.Why = "a user's own" }), "a user's own; goes on"},

		{with(func(d *pbt.Decision) { d.Why, d.Action, d.Rival = pbt.WhyBottom, pbt.Copy, donor4 }), "rank 15 of 16 (0.61) is in the bottom 3; copies weights and hyperparameters of member 4 (0.93, segment 212)"},
		{with(func(d *pbt.Decision) {
			d.Why, d.Action, d.Rival, d.Inherit = pbt.WhyRivalBetter, pbt.Copy, donor4, pbt.InheritWeights
		}), "rank 15 of 16 (0.61) lost to member 4 (0.93, segment 212); copies the weights of member 4 (0.93, segment 212)"},
		{with(func(d *pbt.Decision) {
			d.Why, d.Action, d.Rival, d.Inherit, d.Test = pbt.WhySignificant, pbt.Copy, donor4, pbt.InheritHypers, testData
		}), "mean 0.61 of 10 samples is significantly worse than member 4's 0.93 of 8 (Welch t 4.2, p 0.0006, level 0.05); copies the hyperparameters of member 4 (0.93, segment 212)"},
		{with(func(d *pbt.Decision) {
			d.Why, d.Action, d.Rival, d.Score = pbt.WhyDiverged, pbt.Mend, donor4, pbt.Score(inf)
		}), "its score is +Inf; repaired from member 4 (0.93, segment 212)"},
		{with(func(d *pbt.Decision) { d.Why, d.Action = pbt.WhyFailed, pbt.Restart }), "its segment failed for good; restarts with fresh weights and hyperparameters"},
		{with(func(d *pbt.Decision) {
			d.Why, d.Action, d.Rival = pbt.WhyBottom, pbt.Copy, donor4
			d.Changes = []pbt.Change{
				{Name: "lr", From: pbt.Float(0.0031), To: pbt.Float(0.00248), Op: "× 0.8"},
				{Name: "opt", From: pbt.Text("sgd"), To: pbt.Text("adam"), Op: "drawn anew"},
				{Name: "momentum", From: pbt.Float(0.9), Op: "exists no longer"},
				{Name: "beta", To: pbt.Float(0.99), Op: "now exists"},
			}
		}), "rank 15 of 16 (0.61) is in the bottom 3; copies weights and hyperparameters of member 4 (0.93, segment 212); lr 0.0031 × 0.8 = 0.00248, opt sgd drawn anew = adam, momentum exists no longer, beta now exists, 0.99"},

		// A journal that somebody altered may lack parts: the sentence is poorer, and nothing panics.
		{pbt.Decision{Action: pbt.Copy, Why: pbt.WhySignificant}, "significantly_worse; copies weights and hyperparameters of member <nil>"},
		{pbt.Decision{Action: pbt.Continue, Why: pbt.WhyNotSignificant, Rival: donor4}, "not_significant; goes on"},
		{pbt.Decision{Action: pbt.Continue, Why: pbt.WhyFewSamples}, "rank 0 of 0 (0) met member <nil>, but a test needs two samples of each; goes on"},
		{pbt.Decision{}, ""},
	} {
		if got := c.d.Say(); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.d.Why, got, c.want)
		}
	}
}

// The example in the documentation, from a real decision.
func TestDecision_SayOfARealCopy(t *testing.T) {
	members := make([]one, 16)
	for i := range members {
		members[i] = one{score: float64(i) / 16, hypers: pbt.MakeHypers("lr", pbt.Float(0.0031), "batch", pbt.Int(16), "augment", pbt.Truth(true))}
	}
	w := newWorld(t, pbt.Maximize, 1, members...)
	want := "rank 15 of 16 (0.0625) is in the bottom 3; copies weights and hyperparameters of member 14 (0.875, segment 15); lr 0.0031 × 0.8 = 0.00248, batch 16 × 0.8 = 13"
	d := w.decide(pbt.Policy{}, 1)
	if got := d.Say(); got != want {
		t.Errorf("\ngot  %s\nwant %s", got, want)
	}
}

// kindsOfDecision are real decisions, one of each (action, reason).
func kindsOfDecision(t *testing.T) map[string]pbt.Decision {
	kinds := map[string]pbt.Decision{}
	space := pbt.MustSpace(pbt.LogUniform("lr", 1e-3, 1), pbt.Ordered("layers", pbt.Int(1), pbt.Int(2)), pbt.Bool("skip").OnlyWhen("layers", pbt.Int(2)))
	start, err := pbt.Start(space, 1, 0, pbt.Hypers{})
	if err != nil {
		t.Fatal(err)
	}
	kinds[brief(start)] = start
	for seed := range uint64(3000) {
		r := pbt.NewRand(seed, 0, 0, "test", "")
		members := randomMembers(r)
		w := newWorld(t, bothGoals[r.IntN(2)], seed)
		w.space, w.pop = space, pbt.NewPopulation(len(members), w.goal, seed)
		for i, m := range members {
			if !m.unscored {
				w.pop.Set(i, w.record(i, m))
			}
		}
		policy := randomPolicy(r, pbt.Truncation{}, pbt.Tournament{}, pbt.TTest{Alpha: 0.4}, pbt.NoExploit{})
		policy.Margin = float64(r.IntN(2)) / 2
		policy.Ready = []pbt.Ready{nil, nil, pbt.Every{Steps: 2000}, pbt.Every{BurnIn: 2000}, pbt.Every{AfterCopy: 20}}[r.IntN(5)]
		s := w.standing(r.IntN(len(members)))
		s.SinceCopy = 10
		if s.Hypers.Len() == 0 {
			s.Hypers = space.Draw(seed, s.Member, 0)
		}
		d := policy.Decide(w.pop, space, s)
		key := brief(pbt.Decision{Action: d.Action, Why: d.Why, Rival: &pbt.Donor{}})
		kinds[key] = d
		equals := newWorld(t, pbt.Maximize, seed, scores(1, 1, 1)...)
		equal := equals.decide(pbt.Policy{}, equals.pop.At(2))
		kinds[brief(equal)] = equal
		failed, _ := policy.DecideFailed(w.pop, space, s)
		kinds[string(failed.Action)+" failed"] = failed
	}
	return kinds
}

func TestDecision_JSONRoundTripOfEveryKind(t *testing.T) {
	kinds := kindsOfDecision(t)
	reasons := map[pbt.Why]bool{}
	children := false
	for kind, d := range kinds {
		reasons[d.Why] = true
		b, err := json.Marshal(d)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		var back pbt.Decision
		if err := json.Unmarshal(b, &back); err != nil {
			t.Errorf("%s: %s: %v", kind, b, err)
			continue
		}
		back.Parent, back.Hypers = d.Parent, d.Hypers // the segment's own columns hold these
		if same, what := d.Same(&back); !same || back.Say() != d.Say() || back.Copies() != d.Copies() || back.TakesWeights() != d.TakesWeights() || back.WasReady() != d.WasReady() {
			t.Errorf("%s: came back with %s: %s", kind, what, back.Say())
		}
		children = children || strings.Contains(string(b), `"from":null`) || strings.Contains(string(b), `"to":null`)
	}
	if !children {
		t.Error("no decision in which a child came or went")
	}
	for _, why := range []pbt.Why{
		pbt.WhyStart, pbt.WhyNotReady, pbt.WhyBurnIn, pbt.WhyAfterCopy, pbt.WhyFewScored, pbt.WhyAlone, pbt.WhyNoRule, pbt.WhyNotBottom, pbt.WhyBottom, pbt.WhyNoBetter,
		pbt.WhyNotSaved, pbt.WhyRivalBetter, pbt.WhyRivalNotBetter, pbt.WhyFewSamples, pbt.WhySignificant, pbt.WhyNotSignificant, pbt.WhyDiverged, pbt.WhyFailed,
	} {
		if !reasons[why] {
			t.Errorf("no decision for the reason %s", why)
		}
	}
}

// Readers outside (the journal's users, pbt verify) rely on these names.
func TestDecision_JSONIsStable(t *testing.T) {
	d := pbt.Decision{
		Action: pbt.Copy, Why: pbt.WhyBottom, Rule: "truncation", Segment: 7, Score: pbt.Score(nan), Rank: 15, Of: 16, Cut: 3, Need: 8, Margin: 0.5,
		Rival: donor4, Test: testData, Inherit: pbt.InheritWeights, Changes: []pbt.Change{{Name: "lr", From: pbt.Float(1), To: pbt.Value{}, Op: "× 0.8"}},
		Parent: 3, Hypers: pbt.MakeHypers("lr", pbt.Float(1)),
	}
	b, err := json.Marshal(d)
	want := `{"action":"copy","why":"in_bottom","rule":"truncation","segment":7,"score":"NaN","rank":15,"of":16,"cut":3,"need":8,"margin":0.5,` +
		`"donor":{"member":4,"segment":212,"score":0.93,"step":4000},` +
		`"test":{"mean":0.61,"rival_mean":0.93,"n":10,"rival_n":8,"t":4.2,"df":12.5,"p":0.0006,"alpha":0.05},` +
		`"inherit":"weights","changes":[{"name":"lr","from":1.0,"to":null,"op":"× 0.8"}]}`
	if err != nil || string(b) != want {
		t.Errorf("\ngot  %s (%v)\nwant %s", b, err, want)
	}
	var inherit pbt.Inherit
	if err := inherit.UnmarshalText([]byte("all")); err == nil {
		t.Error("inherit: all was read")
	}
	if got := fmt.Sprint(pbt.InheritBoth, pbt.InheritWeights, pbt.InheritHypers, pbt.RepairCopy, pbt.RepairRestart, pbt.RepairNone); got != "both weights hypers copy restart none" {
		t.Error(got)
	}
}

// Same notices a difference in every field, names it and shows both values.
func TestDecision_SameFindsEachField(t *testing.T) {
	base := func() pbt.Decision {
		donor, test := *donor4, *testData
		return pbt.Decision{
			Action: pbt.Copy, Why: pbt.WhyBottom, Rule: "truncation", Segment: 7, Score: pbt.Score(nan), Rank: 15, Of: 16, Cut: 3, Need: 8, Margin: 0.5,
			Rival: &donor, Test: &test, Inherit: pbt.InheritWeights, Changes: []pbt.Change{{Name: "lr", From: pbt.Float(1), To: pbt.Float(0.8), Op: "× 0.8"}},
			Origin: "segment 212 of digits", Founders: 12, Quota: 10, Parent: 3, Hypers: pbt.MakeHypers("lr", pbt.Float(0.8)),
		}
	}
	d, o := base(), base()
	if same, what := d.Same(&o); !same || what != "" {
		t.Fatalf("a decision differs from itself: %s", what)
	}
	spoil := map[string]struct {
		change func(d *pbt.Decision)
		want   string
	}{
		"Action":     {func(d *pbt.Decision) { d.Action = pbt.Mend }, `action "repair", not "copy"`},
		"Why":        {func(d *pbt.Decision) { d.Why = pbt.WhyFailed }, `why "failed", not "in_bottom"`},
		"Rule":       {func(d *pbt.Decision) { d.Rule = "ttest" }, `rule "ttest", not "truncation"`},
		"Segment":    {func(d *pbt.Decision) { d.Segment = 8 }, `segment 8, not 7`},
		"Score":      {func(d *pbt.Decision) { d.Score = 1 }, `score 1, not "NaN"`},
		"Rank":       {func(d *pbt.Decision) { d.Rank = 1 }, `rank 1, not 15`},
		"Of":         {func(d *pbt.Decision) { d.Of = 1 }, `of 1, not 16`},
		"Cut":        {func(d *pbt.Decision) { d.Cut = 1 }, `cut 1, not 3`},
		"Need":       {func(d *pbt.Decision) { d.Need = 1 }, `need 1, not 8`},
		"Margin":     {func(d *pbt.Decision) { d.Margin = 1 }, `margin 1, not 0.5`},
		"Rival":      {func(d *pbt.Decision) { d.Rival = nil }, `donor null, not {"member":4,"segment":212,"score":0.93,"step":4000}`},
		"Test":       {func(d *pbt.Decision) { d.Test.P = math.Nextafter(d.Test.P, 1) }, `"p":0.0006000000000000001`},
		"Inherit":    {func(d *pbt.Decision) { d.Inherit = pbt.InheritBoth }, `inherit "both", not "weights"`},
		"Changes":    {func(d *pbt.Decision) { d.Changes = nil }, `changes null, not [{"name":"lr"`},
		"Origin":     {func(d *pbt.Decision) { d.Origin = "" }, `origin "", not "segment 212 of digits"`},
		"Founders":   {func(d *pbt.Decision) { d.Founders = 11 }, `founders 11, not 12`},
		"Quota":      {func(d *pbt.Decision) { d.Quota = 9 }, `quota 9, not 10`},
		"Probe":      {func(d *pbt.Decision) { d.Probe = &pbt.Donor{Member: 2, Segment: 9, Score: 1, Step: 5} }, `probe {"member":2,"segment":9,"score":1,"step":5}, not null`},
		"Redrawn":    {func(d *pbt.Decision) { d.Redrawn = 3 }, `redrawn 3, not 0`},
		"Constraint": {func(d *pbt.Decision) { d.Constraint = "a == b" }, `constraint "a == b", not ""`},
		"Parent":     {func(d *pbt.Decision) { d.Parent = 4 }, `parent segment 4, not 3`},
		"Hypers":     {func(d *pbt.Decision) { d.Hypers = d.Hypers.With("lr", pbt.Float(math.Nextafter(0.8, 1))) }, `hyperparameters {"lr":0.8000000000000002}, not {"lr":0.8}`},
	}
	fields := reflect.TypeFor[pbt.Decision]()
	for i := range fields.NumField() {
		name := fields.Field(i).Name
		c, ok := spoil[name]
		if !ok {
			t.Errorf("a field %s that this test does not know", name)
			continue
		}
		d, o := base(), base()
		c.change(&o)
		if same, what := d.Same(&o); same || !strings.Contains(what, c.want) {
			t.Errorf("%s: %v, %s, want %s", name, same, what, c.want)
		}
	}
	d.Margin = nan
	if same, what := d.Same(&o); same || !strings.Contains(what, "margin cannot be written down") {
		t.Errorf("%v, %s", same, what)
	}
}
