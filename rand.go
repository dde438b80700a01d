package pbt

import (
	"math"
	"math/bits"
)

// Purposes are the last part of a draw's address. They are part of the journal's
// meaning: renaming one changes what every old run would have drawn.
const (
	purposeInit       = "init"       // first hyperparameters, by parameter name
	purposeExploit    = "exploit"    // opponents and donors
	purposeExplore    = "explore"    // perturbations, by parameter name
	purposeConstraint = "constraint" // which changes to take over, by parameter name
	purposeTrain      = "train"      // the seed handed to a trainer
	purposeWeights    = "weights"    // the seed of fresh weights
	purposeTurn       = "turn"       // whose turn is first among equals
	purposeTie        = "tie"        // order among equal scores
	purposeBranch     = "branch"     // the seed of a run that begins with a segment of this one
)

// Rand is a stream of random numbers that belongs to one address: a run's seed,
// a member, that member's turn (the ordinal of its segment) and a purpose. The
// numbers depend on the address alone, so the order in which reports arrive
// changes nobody's draws, and any decision can be drawn again from the journal.
//
// It is SplitMix64 (Steele, Lea, Flood 2014) over a hash of the address, written
// out here because a journal outlives the library versions that wrote it.
type Rand struct{ state uint64 }

// NewRand returns the stream at an address. detail tells apart the draws of one
// purpose, usually by a parameter's name; it may be empty.
func NewRand(seed uint64, member int, turn int64, purpose, detail string) *Rand {
	r := randAt(seed, member, turn, purpose, detail)
	return &r
}

func randAt(seed uint64, member int, turn int64, purpose, detail string) Rand {
	h := mix(seed + 0x9e3779b97f4a7c15)
	h = mix(h ^ uint64(member))
	h = mix(h ^ uint64(turn))
	h = mix(h ^ hashString(purpose))
	h = mix(h ^ hashString(detail))
	return Rand{state: h}
}

// hashString is 64-bit FNV-1a.
func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := 0; i < len(s); i++ {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return h
}

func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// Uint64 returns the stream's next 64 random bits. With it, a Rand is a
// math/rand/v2 Source.
func (r *Rand) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	return mix(r.state)
}

// Float64 returns a number in [0, 1).
func (r *Rand) Float64() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// IntN returns a number in [0, n), without bias (Lemire 2019). n must be positive.
func (r *Rand) IntN(n int) int {
	if n <= 0 {
		panic("pbt: Rand.IntN needs a positive n")
	}
	hi, lo := bits.Mul64(r.Uint64(), uint64(n))
	if lo < uint64(n) {
		for reject := -uint64(n) % uint64(n); lo < reject; {
			hi, lo = bits.Mul64(r.Uint64(), uint64(n))
		}
	}
	return int(hi)
}

// Norm returns a standard normal number (Box and Muller 1958, one of the pair).
func (r *Rand) Norm() float64 {
	u := 1 - r.Float64() // (0, 1]: its logarithm is finite
	v := r.Float64()
	return math.Sqrt(-2*math.Log(u)) * math.Cos(2*math.Pi*v)
}

// TrainSeed is the seed a trainer gets for one segment. A retry draws another
// one, so that a failure of chance is not repeated by construction; handing the
// same attempt out again after a crash does not.
func TrainSeed(seed uint64, member int, turn int64, retry int) uint64 {
	r := randAt(seed, member, turn, purposeTrain, "")
	out := r.Uint64()
	for range retry {
		out = r.Uint64()
	}
	return out
}

// WeightSeed is the seed of a member's fresh weights. turn is that of the
// segment that starts from nothing: 0 at the start, later after a restart.
func WeightSeed(seed uint64, member int, turn int64) uint64 {
	r := randAt(seed, member, turn, purposeWeights, "")
	return r.Uint64()
}

// BranchSeed is the seed of a run that begins with a segment of another: another one
// than that run's, so that weights do not see the same random numbers twice. It is
// below 2^53, which every reader of JSON can hold.
func BranchSeed(seed uint64, segment int64) uint64 {
	r := randAt(seed, 0, segment, purposeBranch, "")
	return r.Uint64() >> 11
}

// TurnKey orders members that have trained equally long: the lowest goes first.
// It is drawn anew each turn, so that nobody is first for ever.
func TurnKey(seed uint64, member int, turn int64) uint64 {
	r := randAt(seed, member, turn, purposeTurn, "")
	return r.Uint64()
}
