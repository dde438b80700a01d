package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/internal/testdir"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// spec is an experiment of models.
func spec() machine.Spec {
	return machine.Spec{
		Population: 8, Goal: pbt.Minimize, Segment: 40, Seed: 3,
		Space:  pbt.MustSpace(pbt.LogUniform("lr", 0.05, 1), pbt.Uniform("momentum", 0.2, 0.8)),
		Budget: pbt.Budget{Steps: 4000},
	}
}

// config is a rehearsal of a trainer, quick.
func config(t testing.TB, fresh trainer.New) Config {
	t.Helper()
	store, err := checkpoint.Open(testdir.InMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		NewSlot: func(int) trainer.Slot { return trainer.InProcess(fresh) }, Store: store, Spec: spec(),
		Metric: "loss", Slots: 1, Kind: InProcess, Steps: 20, Limit: time.Minute, Grace: 5 * time.Second, settling: 5 * time.Millisecond,
	}
}

func rehearse(t testing.TB, c Config) *Report {
	t.Helper()
	report, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// complaints are the findings that are not fine, without those about time: a disk in
// memory is one thing, a busy machine another.
func complaints(r *Report) (list []string) {
	for _, f := range r.Findings {
		if (f.Level == Warning || f.Level == Wrong) && f.Check != CheckLength {
			list = append(list, string(f.Level)+" "+f.Check)
		}
	}
	return list
}

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 9)) }

// A good trainer yields no complaint, and each fault its own and no other.
func TestEachFaultIsToldAndNoOther(t *testing.T) {
	for fault, want := range map[string][]string{
		"":                        nil,
		"large":                   nil,
		"coarse":                  nil,
		"time in it":              nil,
		"momentum forgotten":      {"wrong memory"},
		"schedule":                {"wrong memory"},
		"batch norm":              {"wrong memory"},
		"normaliser":              {"wrong memory"},
		"normaliser, sampled":     {"wrong memory"},
		"generator in memory":     {"wrong memory", "warning seed"},
		"half precision":          {"warning memory"},
		"generator saved":         {"warning seed"},
		"seed ignored":            {"warning seed"},
		"same weights":            {"warning weights"},
		"hypers ignored":          {"warning hypers"},
		"momentum ignored":        {"warning hypers"},
		"fails with other hypers": {"wrong hypers"},
		"diverges":                {"wrong score"},
		"constant":                {"warning score"},
		"saves nothing":           {"wrong checkpoint"},
		"empty file":              {"wrong load"},
		"link":                    {"wrong checkpoint"},
		"frozen":                  {"wrong memory", "wrong checkpoint"},
		"own path":                {"warning checkpoint"},
		"written later":           {"wrong checkpoint", "warning checkpoint"},
		"left open":               {"warning checkpoint"},
		"never loads":             {"wrong memory", "wrong load"},
		"fresh instead":           {"wrong damage"},
		"guesses":                 {"warning damage"},
		"reports lr":              {"warning hypers"},
		"writes where it loads":   {"wrong checkpoint"},
		"only in this process":    {"wrong load"},
		"grows":                   {"warning growth"},
		"never stops":             {"warning stop"},
		"hypers kept":             {"warning hypers"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			c := config(t, faulty(fault, random(1)))
			switch fault {
			case "grows":
				c.Steps = 200
			case "never stops":
				c.Grace = 200 * time.Millisecond
			}
			r := rehearse(t, c)
			if got := complaints(r); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q:\n%s", got, want, story(r))
			}
			for _, check := range Checks {
				if !r.has(check) {
					t.Errorf("nothing is said about %s", check)
				}
			}
			for _, f := range r.Findings {
				if f.Tested != (f.NotTested == "") || f.Level == OK && !f.Tested {
					t.Errorf("%+v: fine without a test", f)
				}
				if f.Says == "" || strings.Contains(f.Says, "%!") || (f.Level == Wrong || f.Level == Warning) && f.Hint == "" && f.Check != CheckHypers && f.Check != CheckLoad {
					t.Errorf("%+v says too little", f)
				}
			}
		})
	}
}

// found tells whether a check has found something of a level.
func (r *Report) found(level Level, check string) bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == level && f.Check == check })
}

func story(r *Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s %-10s %s\n", f.Level, f.Check, f.Says)
	}
	return b.String()
}

// innocent are trainers that never do the same twice.
var innocent = []string{"gpu", "noisy measuring", "games won", "one generator", "episodes"}

// dice are how often noise gets its chance.
const dice = 20

// A trainer is not accused of its noise, whatever the dice say.
func TestNoiseIsNoFault(t *testing.T) {
	for _, kind := range innocent {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			accused := 0
			for seed := range uint64(dice) {
				c := config(t, faulty(kind, random(seed)))
				c.Spec.Seed = seed
				r := rehearse(t, c)
				if list := complaints(r); len(list) > 0 {
					accused++
					t.Logf("seed %d: %s", seed, story(r))
				}
			}
			if accused > 0 {
				t.Errorf("accused %d of %d times", accused, dice)
			}
		})
	}
}

// The noise does not hide a checkpoint from which a good part is missing.
func TestAFaultIsSeenThroughNoise(t *testing.T) {
	found := 0
	const n = 20
	for seed := range uint64(n) {
		chance := random(seed)
		c := config(t, func(seed uint64) (trainer.Trainer, error) {
			m, err := faulty("batch norm", chance)(seed)
			return noisy{m, chance}, err
		})
		if r := rehearse(t, c); r.found(Wrong, CheckHold) {
			found++
		}
	}
	if found < n*3/4 {
		t.Errorf("found %d of %d times", found, n)
	}
}

// noisy measures with an error that is small beside what its model forgets.
type noisy struct {
	trainer.Trainer
	chance *rand.Rand
}

func (n noisy) Eval(ctx context.Context) (trainer.Evaluation, error) {
	e, err := n.Trainer.Eval(ctx)
	e.Score += 0.001 * n.chance.NormFloat64()
	return e, err
}

// A trainer whose first segments are quick trains longer ones, up to the experiment's.
func TestSegmentsGrow(t *testing.T) {
	c := config(t, faulty("slow", random(1)))
	c.Steps, c.Limit = 0, 2*time.Second
	r := rehearse(t, c)
	if r.Steps < 5 || r.Steps > 1000 || len(complaints(r)) > 0 {
		t.Errorf("%d steps:\n%s", r.Steps, story(r))
	}
	c = config(t, faulty("", random(1)))
	c.Steps = 0
	if r := rehearse(t, c); r.Steps != c.Spec.Segment {
		t.Errorf("%d steps:\n%s", r.Steps, story(r))
	}
}

// When time is short, what can be left out is, and the report says so.
func TestTimeIsBounded(t *testing.T) {
	c := config(t, faulty("slow", random(1)))
	c.Limit = time.Millisecond
	r := rehearse(t, c)
	if len(complaints(r)) > 0 || !r.found(Unknown, CheckHypers) || !r.found(Unknown, CheckSeed) || !r.found(OK, CheckHold) {
		t.Error(story(r))
	}
}

func TestSlotsSideBySide(t *testing.T) {
	c := config(t, faulty("slow", random(1)))
	c.Slots = 3
	r := rehearse(t, c)
	if len(complaints(r)) > 0 || r.Estimate.Together < 1 || r.Estimate.Slots != 3 {
		t.Errorf("%+v\n%s", r.Estimate, story(r))
	}
	busy := make(chan struct{}, 1)
	c = config(t, func(seed uint64) (trainer.Trainer, error) {
		m, err := faulty("slow", random(1))(seed)
		return alone{m, busy}, err
	})
	c.Slots = 3
	if r := rehearse(t, c); !slices.Contains(complaints(r), "wrong start") {
		t.Error(story(r))
	}
}

// alone is a trainer that cannot bear another beside it.
type alone struct {
	trainer.Trainer
	busy chan struct{}
}

func (a alone) Step(ctx context.Context, s trainer.Segment) error {
	select {
	case a.busy <- struct{}{}:
	default:
		return errors.New("the GPU is in use")
	}
	defer func() { <-a.busy }()
	return a.Trainer.Step(ctx, s)
}

func TestTheGoalAndTheName(t *testing.T) {
	for _, c := range []struct {
		name string
		goal pbt.Goal
		warn bool
	}{
		{"loss", pbt.Minimize, false}, {"loss", pbt.Maximize, true}, {"valLoss", pbt.Maximize, true}, {"eval/top1_error", pbt.Maximize, true},
		{"accuracy", pbt.Minimize, true}, {"mean_episode_reward", pbt.Minimize, true}, {"accuracy", pbt.Maximize, false},
		{"neg_loss", pbt.Maximize, false}, {"score", pbt.Maximize, false}, {"score", pbt.Minimize, false}, {"glossary", pbt.Maximize, false},
		{"nll", pbt.Maximize, true}, {"error_reward", pbt.Maximize, false},
	} {
		r := rehearsal{Config: Config{Metric: c.name, Spec: machine.Spec{Goal: c.goal}}, base: &outcome{}}
		r.base.Score = 0.5
		if r.checkGoal(); r.report.found(Warning, CheckGoal) != c.warn {
			t.Errorf("%s, %s: %s", c.name, c.goal, story(&r.report))
		}
	}
}

func TestCtrlC(t *testing.T) {
	why := errors.New("Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := config(t, faulty("slow", random(1)))
	c.Steps = 1_000_000
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, err := Run(ctx, c); !errors.Is(err, why) {
		t.Error(err)
	}
}

// A rehearsal leaves no checkpoint behind.
func TestNothingIsLeft(t *testing.T) {
	c := config(t, faulty("", random(1)))
	rehearse(t, c)
	ids, err := c.Store.List()
	if err != nil || len(ids) > 0 {
		t.Error(ids, err)
	}
	if staged, err := os.ReadDir(strings.TrimSuffix(c.Store.Path("x"), "x") + ".staging"); err != nil || len(staged) > 0 {
		t.Error(staged, err)
	}
}
