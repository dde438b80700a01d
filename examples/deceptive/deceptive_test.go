package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

// Dynamic programming over every schedule whose h is a multiple of 0.02 finds none
// better than the known optimum. The line and every such h are multiples of 0.02,
// so the sum that the penalty remembers is a whole number of them: the state is
// exact. From 500 on (0.2 · 500 · 0.02 = 2) nothing moves any more.
func TestOptimum(t *testing.T) {
	const unit, most = 0.02, 500
	for _, task := range tasks {
		distance := make([]float64, most+1) // |θ| in the end from a θ of 1, by the sum so far
		for i := range distance {
			distance[i] = 1
		}
		for i := intervals - 1; i >= 0; i-- {
			target := int(math.Round(line(i) / unit))
			before := make([]float64, most+1)
			for astray := range before {
				before[astray] = math.Inf(1)
				for h := range int(highest/unit) + 1 {
					sum := min(astray+max(h-target, target-h), most)
					f := max(2-float64(h)*unit-task.Penalty*float64(sum)*unit, 0)
					shrink := math.Pow(1-2*alpha*f, interval)
					before[astray] = min(before[astray], shrink*distance[sum])
				}
			}
			distance = before
		}
		found := quality(weights{θ: start * distance[0]})
		known := task.best().Median
		// The grid's lowest h is 0, below the 0.0001 that is allowed: worth less than 1e-6 of Q.
		if math.Abs(found-known) > 1e-6 {
			t.Errorf("%s: the best schedule found has Q %.8f, the known optimum %.8f", task.Name, found, known)
		}
	}
}

// The medians of the header, with room for another sequence of random numbers: the
// median of 30 seeds moves by a few hundredths in the Deceptive task, where one
// lucky member can save a run, and by a few ten-thousandths in the Plain one.
func TestTable(t *testing.T) {
	rows, err := measureAll(30)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]row{}
	for _, r := range rows {
		of[r.Task+"/"+r.Method] = r
	}
	for name, want := range map[string]struct{ median, room float64 }{
		"plain/optimum":                     {1.1997, 0.0001},
		"plain/PBT":                         {1.1995, 0.0002},
		"plain/PBT, bold: x0.5/2":           {1.1997, 0.0001},
		"plain/PBT, patient: every 100":     {1.1978, 0.0005},
		"plain/random search":               {1.1899, 0.0005},
		"deceptive/optimum":                 {1.1979, 0.0001},
		"deceptive/PBT":                     {0.99, 0.04},
		"deceptive/PBT, bold: x0.5/2":       {0.92, 0.04},
		"deceptive/PBT, patient: every 100": {1.19, 0.01},
		"deceptive/random search":           {1.047, 0.005},
	} {
		if r, ok := of[name]; !ok || math.Abs(r.Median-want.median) > want.room {
			t.Errorf("%s: median %.4f, want %.4f ± %g", name, r.Median, want.median, want.room)
		}
		task, _, _ := strings.Cut(name, "/")
		if best := of[task+"/optimum"].Median; of[name].P95 > best {
			t.Errorf("%s: Q %.6f is above the optimum %.6f", name, of[name].P95, best)
		}
	}
	if p, r := of["plain/PBT"], of["plain/random search"]; p.P5 <= r.P95 {
		t.Error("on Plain, PBT is not clearly better than random search")
	}
	if p, r := of["deceptive/PBT"], of["deceptive/random search"]; p.Median >= r.P5 {
		t.Error("on Deceptive, PBT is not greedy: its median is as good as random search")
	}
	if p, r := of["deceptive/PBT, patient: every 100"], of["deceptive/random search"]; p.P5 <= r.P95 {
		t.Error("on Deceptive, patience does not help PBT")
	}
}

func TestJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-seeds", "2", "-json"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	var got struct {
		Seeds int
		Rows  []row
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Seeds != 2 || len(got.Rows) != len(tasks)*(1+len(methods)) {
		t.Errorf("%d seeds, %d rows", got.Seeds, len(got.Rows))
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"-seeds 1", 0, "random search"},
		{"-help", 0, "-json"},
		{"-nonsense", 2, "nonsense"},
		{"-seeds 0", 2, "at least 1"},
		{"extra", 2, "extra"},
	} {
		var says bytes.Buffer
		if code := run(strings.Fields(c.args), &says, &says); code != c.code || !strings.Contains(says.String(), c.says) {
			t.Errorf("deceptive %s: exit %d, want %d; it says %q", c.args, code, c.code, &says)
		}
	}
}
