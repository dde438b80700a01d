package rehearsal

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

func TestJudge(t *testing.T) {
	nan, x := math.NaN(), 0.123456789
	for name, c := range map[string]struct {
		pairs []pair
		want  verdict
	}{
		"all the same":              {[]pair{{x, x, x}}, agrees},
		"but for rounding":          {[]pair{{x, x * (1 + 1e-9), x * (1 + 1e-9)}}, agrees},
		"all diverge":               {[]pair{{nan, nan, nan}}, agrees},
		"one load diverges":         {[]pair{{x, nan, x}}, agrees},
		"loading diverges":          {[]pair{{x, nan, nan}}, differs},
		"without noise":             {[]pair{{x, 2 * x, 2 * x}}, differs},
		"coarse, by chance":         {[]pair{{0.4, 0.6, 0.6}}, undecided},
		"coarse, six times":         {[]pair{{0.41, 0.61, 0.61}, {0.31, 0.6, 0.6}, {0.4, 0.7, 0.7}, {0.4, 0.6, 0.6}, {0.4, 0.6, 0.6}, {0.4, 0.6, 0.6}}, differs},
		"coarse and far, twice":     {[]pair{{103.7, 90.1, 90.1}, {103.9, 88.2, 88.2}}, differs},
		"coarse, within its steps":  {[]pair{{0.4, 0.6, 0.6}, {0.3, 0.6, 0.6}, {0.4, 0.7, 0.7}, {0.4, 0.6, 0.6}, {0.4, 0.6, 0.6}, {0.4, 0.6, 0.6}}, agrees},
		"coarse, up and down":       {[]pair{{0.4, 0.6, 0.6}, {0.7, 0.6, 0.6}, {0.4, 0.7, 0.7}}, agrees},
		"within the noise, so far":  {[]pair{{x, x + 0.01, x + 0.02}}, undecided},
		"within the noise":          {[]pair{{x, x + 0.01, x + 0.02}, {x, x + 0.01, x + 0.02}, {x, x + 0.01, x + 0.02}}, agrees},
		"over the noise":            {[]pair{{x, x + 0.1, x + 0.11}}, undecided},
		"over the noise, four":      {[]pair{{x, x + 0.1, x + 0.11}, {x, x + 0.12, x + 0.11}, {x, x + 0.1, x + 0.11}, {x, x + 0.1, x + 0.11}}, differs},
		"over the noise, then not":  {[]pair{{x, x + 0.1, x + 0.11}, {x, x + 0.1, x + 0.2}, {x, x + 0.1, x - 0.2}}, agrees},
		"far over the noise, twice": {[]pair{{x, x + 0.1, x + 0.1000001}}, differs},
	} {
		if got := judge(c.pairs); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestCoarse(t *testing.T) {
	for x, want := range map[float64]bool{0: true, 1: true, 0.5: true, 1. / 3: true, 5. / 12: true, 0.9125: true, 719. / 1797: true, float64(float32(0.9125)): true, float64(float32(1. / 7)): true, float64(float32(0.73125871)): false, math.Pi: false, 0.6337182: false, 1e-3 / math.E: false, 12345.678901: false} {
		if coarse(x) != want {
			t.Errorf("%v: %v", x, !want)
		}
	}
}

// Each change is allowed, changes one value, and reaches every kind that exploring does.
func TestChanges(t *testing.T) {
	space := pbt.MustSpace(
		pbt.LogUniform("lr", 1e-4, 1).Within(1e-6, 10), pbt.NearOneUniform("discount", 0.9, 0.9999), pbt.IntUniform("n", 1, 2),
		pbt.LogInt("unroll", 5, 50), pbt.Ordered("batch", pbt.Int(16), pbt.Int(32), pbt.Int(64)), pbt.Bool("nesterov"),
		pbt.Choice("opt", pbt.Text("sgd"), pbt.Text("adam")), pbt.Uniform("eps", 0, 1).OnlyWhen("opt", pbt.Text("adam")),
		pbt.Constant("epochs", pbt.Int(3)), pbt.IntUniform("layers", 1, 4).NotExplored(), pbt.Uniform("one", 2, 2),
	)
	for member := range 50 {
		start, err := pbt.Start(space, 1, member, pbt.Hypers{})
		if err != nil {
			t.Fatal(err)
		}
		h := start.Hypers
		list := changes(space, h)
		want := []string{"lr", "discount", "n", "unroll", "batch", "nesterov"}
		if h.Text("opt") == "adam" {
			want = append(want, "eps")
		}
		var names []string
		for _, c := range list {
			names = append(names, c.name)
			if err := space.Check(c.hypers); err != nil || c.hypers.Equal(h) {
				t.Errorf("%s: %s to %s: %v", c.name, h, c.hypers, err)
			}
		}
		if !slices.Equal(names, want) {
			t.Errorf("changes %v, want %v", names, want)
		}
		if all := allOf(h, list); space.Check(all) != nil {
			t.Error(all, space.Check(all))
		}
	}
}

func TestPeak(t *testing.T) {
	for name, c := range map[string]struct {
		keep   machine.Keep
		points int64
		want   int64
	}{
		"as needed":          {machine.Keep{Best: 3}, 20, 10 + 3 + 4},
		"a short run":        {machine.Keep{Best: 3}, 1, 12},
		"everything":         {machine.Keep{Everything: true}, 20, 202},
		"lineage":            {machine.Keep{Best: 3, Lineage: true}, 20, 17 + 20 + 20},
		"nobody knows where": {machine.Keep{Best: 3, Everything: true}, 0, 17},
	} {
		if got := peak(&machine.Spec{Population: 10, Keep: c.keep}, 2, c.points); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	lonely := machine.Spec{Population: 10, Keep: machine.Keep{Lineage: true}, Policy: pbt.Policy{Exploit: pbt.NoExploit{}}}
	if got := peak(&lonely, 2, 20); got != 202 {
		t.Error(got)
	}
}

// measured is a rehearsal whose segments of 10 steps took these times.
func measured(s machine.Spec, o outcome) *rehearsal {
	o.steps, o.segment = 10, 1
	o.saved.bytes = 1000
	return &rehearsal{Config: Config{Spec: s, Slots: 2, Kind: Client, Metric: "q"}, steps: 10, base: &o, all: []*outcome{&o}}
}

func TestWhatTheRunTakes(t *testing.T) {
	const s = time.Second
	var o outcome
	o.Start, o.Train, o.Eval, o.Save, o.publish = 5*s, 10*s, 2*s, s/10, s/10
	base := machine.Spec{Population: 10, Space: pbt.MustSpace(pbt.Uniform("x", 0, 1)), Segment: 100, Budget: pbt.Budget{Steps: 3000}, Keep: machine.Keep{Best: 3}}
	r := measured(base, o)
	r.estimate()
	e := r.report.Estimate
	if got := r.report.Times; got.Train != 100 || math.Abs(got.Segment-102.2) > 1e-9 || e.ReadyPoints != 30 || math.Abs(e.Seconds-(5+150*102.2)) > 1e-6 || math.Abs(e.FirstReady-(5+5*102.2)) > 1e-6 || e.Disk != 17_000 {
		t.Errorf("%+v\n%+v", r.report.Times, e)
	}
	for name, c := range map[string]struct {
		change func(*rehearsal)
		level  Level
		check  string
		says   string
	}{
		"nothing":            {func(*rehearsal) {}, OK, CheckLength, "30 ready points"},
		"a slow save":        {func(r *rehearsal) { r.base.Save = 20 * s }, Warning, CheckLength, "saving (20 s)"},
		"few ready points":   {func(r *rehearsal) { r.Spec.Budget.Steps = 400 }, Warning, CheckLength, "only 4 ready points"},
		"few by the clock":   {func(r *rehearsal) { r.Spec.Budget = pbt.Budget{Wall: 20 * time.Minute} }, Warning, CheckLength, "only 3 ready points"},
		"few in all":         {func(r *rehearsal) { r.Spec.Budget = pbt.Budget{Total: 5000} }, Warning, CheckLength, "only 5 ready points"},
		"few, but no copies": {func(r *rehearsal) { r.Spec.Budget.Steps, r.Spec.Policy.Exploit = 400, pbt.NoExploit{} }, OK, CheckLength, "4 ready points"},
		"one segment":        {func(r *rehearsal) { r.Spec.Budget.Steps = 90 }, Warning, CheckLength, "each member trains one segment only"},
		"a long burn-in": {func(r *rehearsal) {
			r.Spec.Budget, r.Spec.Policy.Ready = pbt.Budget{Wall: time.Hour}, pbt.Every{BurnIn: 5000}
		}, Warning, CheckLength, "ready.burn_in is 5000 steps"},
		"nothing to explore":  {func(r *rehearsal) { r.Spec.Space = pbt.MustSpace(pbt.Constant("x", pbt.Int(1))) }, Warning, CheckHypers, "every hyperparameter is constant"},
		"over the timeout":    {func(r *rehearsal) { r.Spec.Timeout = time.Minute }, Wrong, CheckLength, "the timeout is 1 min"},
		"a start per member":  {func(r *rehearsal) { r.restarted, r.base.Start = true, 1000*s }, Warning, CheckLength, "begins with a new process"},
		"a full disk":         {func(r *rehearsal) { r.Free = 16_000 }, Wrong, CheckDisk, "only 16 kB are free"},
		"a disk nearly full":  {func(r *rehearsal) { r.Free = 20_000 }, Warning, CheckDisk, "most of the 20 kB"},
		"everything is kept":  {func(r *rehearsal) { r.Spec.Keep.Everything = true }, Unknown, CheckDisk, "302 at a time: 302 kB"},
		"everything, bounded": {func(r *rehearsal) { r.Spec.Keep.Everything, r.Spec.Keep.Bytes = true, 50_000 }, Unknown, CheckDisk, "50 kB"},
	} {
		r := measured(base, o)
		c.change(r)
		r.estimate()
		if !slices.ContainsFunc(r.report.Findings, func(f Finding) bool {
			return f.Level == c.level && f.Check == c.check && strings.Contains(f.Says, c.says)
		}) {
			t.Errorf("%s: %q is not in\n%s", name, c.says, story(&r.report))
		}
	}
}

// What a process's first segment takes longer, because it compiles, is paid for once
// per process and not with each segment.
func TestAWarmUpIsPaidForOnce(t *testing.T) {
	const s = time.Second
	var first, second outcome
	first.Start, first.Train = 2*s, 31*s
	r := measured(machine.Spec{Population: 10, Segment: 100, Budget: pbt.Budget{Steps: 3000}}, first)
	if got := r.times(); got.PerStep != 3.1 || got.WarmUp != 0 {
		t.Errorf("with one segment nobody knows: %+v", got)
	}
	second.Train, second.steps, second.hypers = 1*s, 10, r.base.hypers
	r.all = append(r.all, &second)
	got := r.times()
	if got.PerStep != 0.1 || got.WarmUp != 30 || got.Segment != 10 {
		t.Errorf("%+v", got)
	}
	if e := r.expect(got); math.Abs(e.Seconds-(32+150*10)) > 1e-6 {
		t.Errorf("%+v", e)
	}
}

// Of a program per segment the steps' time is told from the rest by segments of two lengths.
func TestAProgramsTime(t *testing.T) {
	var long, short outcome
	long.Train, short.Train = 8*time.Second, 3500*time.Millisecond
	r := measured(machine.Spec{Population: 2, Segment: 100, Budget: pbt.Budget{Steps: 3000}}, long)
	r.Kind = Template
	short.steps = 1
	r.all = append(r.all, &short)
	if got := r.times(); got.PerStep != 0.5 || got.Program != 3 || got.Train != 50 || got.Segment != 53 {
		t.Errorf("%+v", got)
	}
}

func TestTextForPeople(t *testing.T) {
	for s, want := range map[float64]string{3e-6: "3 µs", 0.0123: "12.3 ms", 5: "5 s", 42: "42 s", 59.7: "1 min", 600: "10 min", 7260: "2 h 1 min", 400_000: "4.63 days"} {
		if got := Duration(s); got != want {
			t.Errorf("%v s: %s, want %s", s, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 bytes", 1: "1 byte", 999: "999 bytes", 37_900: "37.9 kB", 4_300_000_000: "4.3 GB"} {
		if got := bytesText(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestWhatIsReadOfAFile(t *testing.T) {
	dir := t.TempDir()
	text := "/tmp/staged/s1"
	long := strings.Repeat("x", 1<<20-5) + text + strings.Repeat("y", 1<<20) // across two pieces
	for name, content := range map[string]string{"a": long, "manifest.json": text, "hashes.json": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	first, err := inspect(dir, text)
	if err != nil || first.path != "a" || first.files != 1 || first.bytes != int64(len(long)) || first.digest == "" {
		t.Errorf("%+v %v", first, err)
	}
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	if other, err := inspect(dir, "not there"); err != nil || other.path != "" || other.digest == first.digest {
		t.Errorf("%+v %v", other, err)
	}
}

func TestMemoryOfAProcess(t *testing.T) {
	c := exec.Command("sleep", "100")
	c.Env = append(os.Environ(), "PBT_TEST_MEMORY="+t.TempDir())
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	entry := c.Env[len(c.Env)-1]
	deadline := time.Now().Add(10 * time.Second)
	for MemoryOf(entry) == 0 && time.Now().Before(deadline) { // between fork and exec it has another environment
		time.Sleep(time.Millisecond)
	}
	if n := MemoryOf(entry); n < 100<<10 || n > 100<<20 {
		t.Errorf("%d bytes", n)
	}
	if n := MemoryOf(entry + "x"); n != 0 {
		t.Errorf("%d bytes", n)
	}
}
