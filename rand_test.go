package pbt

import (
	"fmt"
	"math"
	"math/bits"
	"testing"
)

// The numbers below are part of every journal's meaning and must never change. A
// few lines of Python that share no code with this package gave the same:
//
//	M = 2**64-1
//	def mix(z):
//	    z = ((z^(z>>30))*0xbf58476d1ce4e5b9)&M; z = ((z^(z>>27))*0x94d049bb133111eb)&M; return z^(z>>31)
//	def fnv(s):
//	    h = 0xcbf29ce484222325
//	    for b in s.encode(): h = ((h^b)*0x100000001b3)&M
//	    return h
//	def stream(seed, member, turn, purpose, detail, n):
//	    h = mix((seed+0x9e3779b97f4a7c15)&M)
//	    for x in (member, turn, fnv(purpose), fnv(detail)): h = mix(h^x)
//	    return [mix((h+i*0x9e3779b97f4a7c15)&M) for i in range(1, n+1)]
func TestRand_KnownAnswers(t *testing.T) {
	for _, c := range []struct {
		seed            uint64
		member          int
		turn            int64
		purpose, detail string
		want            [3]uint64
	}{
		{0, 0, 0, "", "", [3]uint64{0xbd07ecd9a787f448, 0x9b96774de95f59f0, 0xf3efb69278fbc885}},
		{1, 0, 0, "init", "lr", [3]uint64{0x9f12e3993fb3336d, 0xb22f94175e4fd827, 0x074de13bdbfd8fde}},
		{1, 0, 0, "explore", "lr", [3]uint64{0x2adc4cc2e2c3a1c6, 0x699c5e4b59ca96ab, 0x3c6ee60b849764de}},
		{1, 0, 0, "init", "batch", [3]uint64{0xba669fdddd34c8ef, 0xf5cdbb24d3f2a6ad, 0xe2173bbdf4c464a9}},
		{1, 1, 0, "init", "lr", [3]uint64{0xb0dad8bb9a3125b0, 0x123185c3b52f615a, 0x7094ccd763ff3ed4}},
		{1, 0, 1, "init", "lr", [3]uint64{0x24cb6ed183c59c1f, 0x080ed2102de80367, 0xc87b71eecc39bf37}},
		{math.MaxUint64, 99999, 1000000000000, "exploit", "", [3]uint64{0xdd243e38a3b1a2ee, 0x5b0078b2bc4e95a7, 0xbc1c42f9995ff642}},
	} {
		r := NewRand(c.seed, c.member, c.turn, c.purpose, c.detail)
		if got := [3]uint64{r.Uint64(), r.Uint64(), r.Uint64()}; got != c.want {
			t.Errorf("%+v: %#x", c, got)
		}
	}
	// SplitMix64 itself, by the reference implementation's numbers for 1234567.
	r := Rand{state: 1234567}
	for _, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := r.Uint64(); got != want {
			t.Errorf("SplitMix64: %d, want %d", got, want)
		}
	}
	for retry, want := range []uint64{0xadc97b5959ce2acc, 0x5286b6e27bb7eb5e, 0x884c478fe86cdcdb} {
		if got := TrainSeed(7, 3, 11, retry); got != want {
			t.Errorf("TrainSeed, retry %d: %#x, want %#x", retry, got, want)
		}
	}
	if w, k := WeightSeed(7, 3, 11), TurnKey(7, 3, 11); w != 0x0ed2b45c7009d3ca || k != 0x1c59a08ff4f4dc6e {
		t.Errorf("WeightSeed %#x, TurnKey %#x", w, k)
	}
}

// What is drawn from the streams must not change either: hyperparameters,
// perturbations, an opponent.
func TestRand_KnownDraws(t *testing.T) {
	space := MustSpace(
		LogUniform("lr", 1e-5, 1e-1), Uniform("momentum", 0, 1), NearOneUniform("discount", 0.9, 0.9999),
		IntUniform("layers", 1, 9), LogInt("batch", 16, 512), Ordered("width", Int(32), Int(64), Int(128)),
		Choice("opt", Text("sgd"), Text("adam"), Text("lion")), Bool("nesterov").OnlyWhen("opt", Text("sgd")),
	)
	h := space.Draw(1, 2, 0)
	moved, _ := Perturb{}.Explore(space, h, Address{Seed: 1, Member: 2, Turn: 1})
	again, _ := Pipeline{Perturb{}, Resample{P: 0.5}}.Explore(space, h, Address{Seed: 1, Member: 2, Turn: 1})
	noisy, _ := AddNoise{Sigma: 0.1}.Explore(space, h, Address{Seed: 1, Member: 2, Turn: 1})
	pop := NewPopulation(10, Maximize, 1)
	for i := range 10 {
		pop.Set(i, Record{Segment: int64(i + 1), Score: Score(i / 2), Saved: true, Hypers: h})
	}
	var order, donors []int
	for i := range 10 {
		order = append(order, pop.At(i))
	}
	for turn := range int64(10) {
		d := (&Policy{Exploit: Tournament{}}).Decide(pop, space, Standing{Member: 0, Turn: turn, Hypers: h})
		donors = append(donors, d.Rival.Member)
	}
	for _, c := range []struct{ what, got, want string }{
		{"drawn", h.String(), "lr=1.75874e-05 momentum=0.683485 discount=0.994482 layers=9 batch=145 width=64 opt=lion"},
		{"perturbed", moved.String(), "lr=2.11049e-05 momentum=0.820182 discount=0.995586 layers=9 batch=174 width=32 opt=lion"},
		{"perturbed, then resampled", again.String(), "lr=0.0386044 momentum=0.820182 discount=0.999799 layers=9 batch=174 width=32 opt=lion"},
		{"with noise", noisy.String(), "lr=1e-05 momentum=0.631467 discount=0.989101 layers=9 batch=145 width=64 opt=lion"},
		{"order among equals", fmt.Sprint(order), "[8 9 6 7 4 5 3 2 1 0]"},
		{"opponents", fmt.Sprint(donors), "[6 5 7 6 9 7 1 9 3 4]"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.what, c.got, c.want)
		}
	}
}

// Each of n numbers as often as the others, n being no power of two. Chi-square
// with n−1 degrees of freedom has mean n−1 and variance 2(n−1).
func TestRand_IntNIsUnbiased(t *testing.T) {
	r := Rand{state: 3}
	for _, n := range []int{1, 2, 3, 7, 10, 100} {
		counts := make([]int, n)
		draws := 2000 * n
		for range draws {
			counts[r.IntN(n)]++
		}
		chi := 0.0
		for _, c := range counts {
			chi += math.Pow(float64(c)-2000, 2) / 2000
		}
		if limit := float64(n-1) + 5*math.Sqrt(2*float64(n-1)) + 1e-9; chi > limit {
			t.Errorf("n = %d: χ² = %.1f, want at most %.1f", n, chi, limit)
		}
	}
	// Bias would be visible here: of 3·2^61 numbers, a plain modulus makes the lower
	// ones likelier, and a plain multiplication those with one remainder of three.
	const n = 3 << 61
	var third, rest [3]int
	for range 30_000 {
		x := r.IntN(n)
		third[x/(1<<61)]++
		rest[x%3]++
	}
	for i := range 3 { // binomial(30000, ⅓) ± five standard deviations
		if math.Abs(float64(third[i])-10_000) > 408 || math.Abs(float64(rest[i])-10_000) > 408 {
			t.Errorf("thirds %v, remainders %v", third, rest)
		}
	}
	for _, bad := range []int{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("IntN(%d) did not panic", bad)
				}
			}()
			r.IntN(bad)
		}()
	}
}

func TestRand_Float64AndNorm(t *testing.T) {
	r := Rand{state: 4}
	const n = 200_000
	var sum, m1, m2, m3, m4 float64
	for range n {
		u := r.Float64()
		if u < 0 || u >= 1 {
			t.Fatalf("Float64 gave %g", u)
		}
		sum += u / n
		x := r.Norm()
		if math.IsNaN(x) || math.IsInf(x, 0) {
			t.Fatalf("Norm gave %g", x)
		}
		m1, m2, m3, m4 = m1+x/n, m2+x*x/n, m3+x*x*x/n, m4+x*x*x*x/n
	}
	// Five standard errors: of a uniform mean √(1/12n), of normal moments √(1, 2, 15, 96)/√n.
	five := 5 / math.Sqrt(n)
	if math.Abs(sum-0.5) > five*math.Sqrt(1./12) || math.Abs(m1) > five || math.Abs(m2-1) > five*math.Sqrt(2) || math.Abs(m3) > five*math.Sqrt(15) || math.Abs(m4-3) > five*math.Sqrt(96) {
		t.Errorf("uniform mean %.4f; normal moments %.4f %.4f %.4f %.4f, want 0 1 0 3", sum, m1, m2, m3, m4)
	}
	for _, state := range []uint64{0, math.MaxUint64, 1 << 63} {
		r := Rand{state: state}
		for range 1000 {
			if x := r.Norm(); math.IsNaN(x) || math.Abs(x) > 9 {
				t.Fatalf("Norm gave %g", x)
			}
		}
	}
}

// No two addresses of a grid share their first number: 400,000 draws of 64 bits
// collide by chance once in 200 million grids.
func TestRand_AddressesDoNotCollide(t *testing.T) {
	seen := make(map[uint64]string, 400_000)
	for seed := range uint64(20) {
		for member := range 50 {
			for turn := range int64(50) {
				for _, purpose := range []string{purposeInit, purposeExploit, purposeExplore, purposeTrain} {
					for _, detail := range []string{"", "lr"} {
						r := randAt(seed, member, turn, purpose, detail)
						x := r.Uint64()
						if other, twice := seen[x]; twice {
							t.Fatalf("%d/%d/%d/%s/%s draws the same as %s", seed, member, turn, purpose, detail, other)
						}
						seen[x] = fmt.Sprintf("%d/%d/%d/%s/%s", seed, member, turn, purpose, detail)
					}
				}
			}
		}
	}
}

// Neighbouring addresses have nothing in common: half of the bits differ.
func TestRand_NeighboursAreIndependent(t *testing.T) {
	first := func(a Address, detail string) uint64 { r := a.rand(purposeExplore, detail); return r.Uint64() }
	var bitsApart [5]float64
	const n = 20_000
	for i := range n {
		a := Address{Seed: uint64(i % 17), Member: i % 101, Turn: int64(i)}
		x := first(a, "x")
		for k, b := range []Address{
			{Seed: a.Seed + 1, Member: a.Member, Turn: a.Turn},
			{Seed: a.Seed, Member: a.Member + 1, Turn: a.Turn},
			{Seed: a.Seed, Member: a.Member, Turn: a.Turn + 1},
			{Seed: a.Seed, Member: a.Member, Turn: a.Turn, Stage: 1},
		} {
			bitsApart[k] += float64(bits.OnesCount64(x^first(b, "x"))) / n
		}
		bitsApart[4] += float64(bits.OnesCount64(x^first(a, "y"))) / n
	}
	for k, apart := range bitsApart { // 64 fair bits: mean 32, standard error 4/√n
		if math.Abs(apart-32) > 5*4/math.Sqrt(n) {
			t.Errorf("%s: %.3f bits differ, want 32", []string{"seed", "member", "turn", "stage", "parameter"}[k], apart)
		}
	}
}
