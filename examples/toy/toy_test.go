package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/seed-7a1a2db0/pbt"
)

// expected are the means of an independent simulation of the figure: its own loop
// and random numbers, 1000 seeds, three digits, intervals 5 and 10. Where h can
// drift below 0 and diverge there is no stable mean, and the median is compared.
var expected = map[string]struct {
	at5, at10 float64
	median    bool
}{
	"grid":                                    {at5: .390, at10: .390},
	"exploit only, copy theta":                {at5: 1.185, at10: 1.181},
	"exploit only, copy theta+h":              {at5: .390, at10: .390},
	"explore only additive":                   {at5: 1.04, at10: .94, median: true},
	"exploit+explore, copy theta, add":        {at5: 1.173, at10: 1.172},
	"exploit+explore, copy theta, x1.2/0.8":   {at5: 1.154, at10: 1.162},
	"exploit+explore, copy theta+h, add":      {at5: 1.145, at10: 1.080},
	"exploit+explore, copy theta+h, x1.2/0.8": {at5: .390, at10: .390},
}

const expectedSeeds = 1000

// Four standard errors of the difference of two simulations are exceeded by chance
// once in 16,000 comparisons; to that comes the rounding of the expected values.
const (
	errors4  = 4
	rounding = 0.0005
)

func TestTable(t *testing.T) {
	const seeds = 100
	seen := 0
	for _, v := range variants {
		want, ok := expected[v.Name]
		if !ok {
			continue
		}
		seen++
		for interval, want := range map[int64]float64{5: want.at5, 10: want.at10} {
			best, err := finals(v, interval, 1, seeds)
			if err != nil {
				t.Fatal(err)
			}
			lo, hi := plausible(best, expected[v.Name].median)
			if want < lo || want > hi {
				t.Errorf("%s, interval %d: expected %.4g is not in [%.4f, %.4f]", v.Name, interval, want, lo, hi)
			}
		}
	}
	if seen != len(expected) {
		t.Errorf("%d of %d expected variants exist", seen, len(expected))
	}
}

// plausible is the range in which another simulation's mean, or median, is to be
// expected. A median's range is free of assumptions: it lies between quantiles.
func plausible(sorted []float64, median bool) (lo, hi float64) {
	share := 1/float64(len(sorted)) + 1.0/expectedSeeds
	if median {
		away := errors4 * 0.5 * math.Sqrt(share)
		return stat.Quantile(0.5-away, stat.LinInterp, sorted, nil), stat.Quantile(0.5+away, stat.LinInterp, sorted, nil)
	}
	mean, sd := stat.MeanStdDev(sorted, nil)
	away := errors4*sd*math.Sqrt(share) + rounding
	return mean - away, mean + away
}

// In lock-step the two members mirror each other: they tie at every ready point,
// and a tie is no win, so nobody ever copies.
func TestLockStepIsGridSearch(t *testing.T) {
	lockStep := 0
	for _, v := range variants {
		if v.Order != pbt.LockStep {
			continue
		}
		lockStep++
		for seed := range uint64(10) {
			want, err := train(grid, 5, seed, model, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := train(v, 5, seed, model, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Best.Score != want.Best.Score || got.Copies != 0 {
				t.Errorf("%s, seed %d: %v after %d copies, want exactly %v and none", v.Name, seed, got.Best.Score, got.Copies, want.Best.Score)
			}
		}
	}
	if lockStep != 6 {
		t.Errorf("%d variants in lock-step, want 6", lockStep)
	}
}

// What the figure shows is what Train did.
func TestRecord(t *testing.T) {
	for _, p := range panels {
		paths, err := record(p.variant, 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		r, err := train(p.variant, 5, 1, model, nil)
		if err != nil {
			t.Fatal(err)
		}
		copies := 0
		for i, path := range paths {
			if path.steps() != steps || path[len(path)-1].θ != r.Weights[i] {
				t.Errorf("%s, member %d: the path ends at %v", p.title, i, path[len(path)-1])
			}
			for k, s := range path[1:] {
				if s.copied {
					copies++
					if quality(s.θ) <= quality(path[k].θ) {
						t.Errorf("%s: a copy made member %d no better at step %d", p.title, i, s.step)
					}
				}
			}
		}
		if copies != r.Copies {
			t.Errorf("%s: %d jumps in the figure, %d copies in the run", p.title, copies, r.Copies)
		}
	}
}

func TestJSON(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-seeds", "3", "-json", "-interval", "5, 10,20"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	var got struct {
		Seeds int
		Rows  []row
	}
	dec := json.NewDecoder(&stdout)
	if err := dec.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.Seeds != 3 || len(got.Rows) != 3*len(variants) {
		t.Errorf("%d seeds, %d rows", got.Seeds, len(got.Rows))
	}
	for _, r := range got.Rows {
		if r.Variant == "" || r.P5 > r.Median || r.Median > r.P95 || r.P95 > optimum {
			t.Errorf("impossible row %+v", r)
		}
	}
}

func TestTableText(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-seeds", "2", "-interval", "10"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	for _, v := range variants {
		if !strings.Contains(stdout.String(), v.Name+"\n") {
			t.Errorf("no row %q in\n%s", v.Name, &stdout)
		}
	}
}

func TestSVG(t *testing.T) {
	file := filepath.Join(t.TempDir(), "toy.svg")
	if code := run([]string{"-seeds", "1", "-svg", file}, io.Discard, io.Discard); code != 0 {
		t.Fatalf("exit %d", code)
	}
	drawing, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for dec := xml.NewDecoder(bytes.NewReader(drawing)); ; {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := token.(xml.CharData); ok {
			words[string(data)] = true
		}
	}
	for _, p := range panels {
		if !words[p.title] {
			t.Errorf("no panel %q", p.title)
		}
	}
	if bytes.Contains(drawing, []byte("NaN")) || bytes.Contains(drawing, []byte("%!")) {
		t.Error("a value in the figure is no number")
	}
}

func TestExitCodes(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"-help", 0, "-interval"},
		{"-nonsense", 2, "nonsense"},
		{"-seeds x", 2, "seeds"},
		{"-seeds 0", 2, "at least 1"},
		{"-interval 5,0", 2, "-interval"},
		{"-interval ,", 2, "-interval"},
		{"extra", 2, "extra"},
		{"-seeds 1 -svg /no/such/folder/toy.svg", 1, "/no/such/folder"},
	} {
		var says bytes.Buffer
		if code := run(strings.Fields(c.args), &says, &says); code != c.code || !strings.Contains(says.String(), c.says) {
			t.Errorf("toy %s: exit %d, want %d; it says %q", c.args, code, c.code, &says)
		}
	}
}
