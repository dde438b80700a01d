package pbt

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
)

// Welch's statistic, degrees of freedom and one-sided p against scipy 1.17.1:
//
//	pip install scipy; python
//	r = scipy.stats.ttest_ind(other, own, equal_var=False, alternative='greater')
//	print("%.12g %.12g %.12g" % (r.statistic, r.df, r.pvalue))
//
// For the samples near 1e-90 and 1e120 both were divided by their largest first.
var welchCases = []struct {
	own, other []float64
	t, df, p   float64
}{
	{[]float64{1, 2, 3, 4, 5}, []float64{2, 3, 4, 5, 7}, 1.07763181216, 7.7111334002, 0.156875804731},
	{
		[]float64{0.61, 0.58, 0.63, 0.6, 0.59, 0.62, 0.6, 0.61, 0.57, 0.64},
		[]float64{0.93, 0.9, 0.95, 0.91, 0.94, 0.92, 0.9, 0.93, 0.96, 0.89},
		31.6945270726, 17.9314928177, 1.6878346381e-17,
	},
	{[]float64{10, 12}, []float64{11, 19}, 0.970142500145, 1.12451361868, 0.247440472932},
	{[]float64{3, 3, 3, 3}, []float64{3.5, 4.5}, 2, 1, 0.14758361765},
	{[]float64{5, 5.1, 4.9}, []float64{5.05, 5.15, 4.95, 5.2, 5, 5.1, 5.1}, 1.18616050524, 3.3535753871, 0.156372026483},
	{
		[]float64{-100, 250, 80, -30, 60, 10, -55, 140, 90, 20},
		[]float64{120, -40, 300, 75, 210, -10, 180, 95, 60, 250},
		1.63347042377, 17.8801367688, 0.0599272752016,
	},
	{[]float64{1e-90, 2e-90, 3e-90}, []float64{4e-90, 6e-90, 5e-90}, 3.67423461417, 4, 0.0106558205644},
	{[]float64{1e120, 2e120, 3e120}, []float64{4e120, 6e120, 5e120}, 3.67423461417, 4, 0.0106558205644},
	{[]float64{1000000.1, 1000000.2, 1000000.3}, []float64{1000000.3, 1000000.4, 1000000.6}, 2.21359436504, 3.44827586323, 0.0510341481713},
	{[]float64{0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, []float64{0, 1, 1, 1, 0, 1, 1, 1, 0, 1}, 0.884651736929, 17.8649155722, 0.194048066693},
}

func TestWelch_AgreesWithScipy(t *testing.T) {
	near := func(x, y float64) bool { return math.Abs(x-y) <= 1e-8*math.Abs(y) }
	for _, c := range welchCases {
		for _, g := range []Goal{Maximize, Minimize} {
			own, other := c.own, c.other
			if g == Minimize {
				own, other = negated(own), negated(other)
			}
			d, better := welch(g, own, other, 0)
			if !better || !near(d.T, c.t) || !near(d.DF, c.df) || !near(d.P, c.p) {
				t.Errorf("%v: %v against %v: t %.12g df %.12g p %.12g, scipy has %g %g %g", g, own, other, d.T, d.DF, d.P, c.t, c.df, c.p)
			}
			if _, better := welch(g, other, own, 0); better {
				t.Errorf("%v: both of %v and %v are better than the other", g, own, other)
			}
		}
	}
}

func negated(xs []float64) []float64 {
	out := slices.Clone(xs)
	for i := range out {
		out[i] = -out[i]
	}
	return out
}

// The test's numbers do not depend on the unit of the scores, to the last bit for
// powers of two, from where squares vanish to where they overflow.
func TestWelch_IsFreeOfScale(t *testing.T) {
	for _, c := range welchCases[:6] {
		want, _ := welch(Maximize, c.own, c.other, 0)
		for exp := -1000; exp <= 1000; exp += 50 {
			scaled := func(xs []float64) []float64 {
				out := slices.Clone(xs)
				for i := range out {
					out[i] = math.Ldexp(out[i], exp)
				}
				return out
			}
			d, better := welch(Maximize, scaled(c.own), scaled(c.other), 0)
			if !better || d.T != want.T || d.DF != want.DF || d.P != want.P {
				t.Errorf("times 2^%d: t %g df %g p %g, want %g %g %g", exp, d.T, d.DF, d.P, want.T, want.DF, want.P)
			}
		}
	}
}

// Whatever the samples, the numbers can be written down, p is a probability, and
// never are both sides better.
func TestWelch_AnySamplesGiveNumbersThatCanBeJournalled(t *testing.T) {
	pool := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 5e-324, 1e-310, 1e-170, -1e-85, 1, 1 + 1e-16, math.Nextafter(1, 2), -3, 1e85, 1e170, -1.7e308, math.MaxFloat64}
	r := Rand{state: 1}
	draw := func() []float64 {
		out := make([]float64, 2+r.IntN(4))
		for i := range out {
			out[i] = pool[r.IntN(len(pool))]
		}
		return out
	}
	for range 50_000 {
		own, other := draw(), draw()
		d, better := welch(Maximize, own, other, 0)
		if _, err := json.Marshal(d); err != nil {
			t.Fatalf("%v against %v: %+v: %v", own, other, d, err)
		}
		if !(d.P >= 0 && d.P <= 1) || better && !(d.RivalMean.Finite()) {
			t.Fatalf("%v against %v: %+v", own, other, d)
		}
		if _, back := welch(Maximize, other, own, 0); better && back {
			t.Fatalf("both of %v and %v are better than the other", own, other)
		}
	}
}

// Equal samples have their value as mean and no spread, however many and whatever
// their value: 0.1 added up ten times is not 1.
func TestWelch_EqualSamplesHaveNoSpread(t *testing.T) {
	for _, x := range []float64{0.1, 0.3, 1. / 3, 1e-300, 5e-324, 123456.789, math.MaxFloat64, -0.7} {
		for n := 2; n <= 30; n++ {
			xs := slices.Repeat([]float64{x}, n)
			exp := exponent(xs)
			mean, variance := meanVariance(xs, exp)
			if math.Ldexp(mean, exp) != x || variance != 0 {
				t.Errorf("%d times %g: mean %g, variance %g", n, x, math.Ldexp(mean, exp), variance)
			}
			if _, better := welch(Maximize, xs, xs[:2], 0); better {
				t.Errorf("%g twice is better than %g %d times", x, x, n)
			}
		}
	}
}

func TestWelch_EdgesAndMargin(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		name       string
		own, other []float64
		margin     float64
		better     bool
		p          float64
	}{
		{"no spread, other better", []float64{1, 1}, []float64{2, 2}, 0, true, 0},
		{"no spread, other worse", []float64{2, 2}, []float64{1, 1}, 0, false, 1},
		{"spread on one side only", []float64{1, 1}, []float64{2, 4}, 0, true, 0.147583617650433}, // t = 2 with one degree of freedom
		{"own not finite", []float64{1, nan}, []float64{2, 3}, 0, true, 0},
		{"own infinite", []float64{inf, inf}, []float64{2, 3}, 0, true, 0},
		{"other not finite", []float64{1, 2}, []float64{nan, 9}, 0, false, 1},
		{"other infinite", []float64{1, 2}, []float64{inf, 9}, 0, false, 1},
		{"both not finite", []float64{nan, 2}, []float64{nan, 9}, 0, false, 1},
		{"within the margin", []float64{1, 1}, []float64{2, 2}, 1, false, 1},
		{"beyond the margin", []float64{1, 1}, []float64{2, 2}, 0.9, true, 0},
		{"the means overflow apart", []float64{-1.7e308, -1.6e308}, []float64{1.7e308, 1.6e308}, 0, true, 0.00023}, // t = 46.7, df 2
	} {
		d, better := welch(Maximize, c.own, c.other, c.margin)
		if better != c.better || math.Abs(d.P-c.p) > 1e-5 {
			t.Errorf("%s: better %v, %+v", c.name, better, d)
		}
	}
}

// When both sides are alike, the test calls a difference at its level as often as
// the level says: half of the opponents have the higher mean, and of all of them
// 5 % look significant.
func TestWelch_FalseAlarmsAreAlphaOften(t *testing.T) {
	r := Rand{state: 42}
	const trials = 8000
	for _, alpha := range []float64{0.05, 0.2} {
		alarms := 0
		for range trials {
			own, other := make([]float64, SampleWindow), make([]float64, SampleWindow)
			for i := range own {
				own[i], other[i] = r.Norm(), 3*r.Norm() // Welch: the variances need not be equal
			}
			if d, better := welch(Maximize, own, other, 0); better && d.P < alpha {
				alarms++
			}
		}
		// Binomial(8000, α) ± five standard deviations.
		if limit := 5 * math.Sqrt(trials*alpha*(1-alpha)); math.Abs(float64(alarms)-trials*alpha) > limit {
			t.Errorf("α %g: %d false alarms of %d, want %g ± %.0f", alpha, alarms, trials, trials*alpha, limit)
		}
	}
}
