package sim

import (
	"math"
	"time"

	"github.com/seed-7a1a2db0/pbt"
)

// dice are a stream of chance. Each use in a simulation has its own, so that
// looking at one part of a plan differently changes no other part.
type dice struct{ r *pbt.Rand }

func newDice(seed uint64, use string) dice { return dice{pbt.NewRand(seed, 0, 0, "simulator", use)} }

// yes is true with probability p.
func (d dice) yes(p float64) bool { return p > 0 && d.r.Float64() < p }

// n is a number in [0, n).
func (d dice) n(n int) int { return d.r.IntN(n) }

// whole is a number in [lo, hi].
func (d dice) whole(lo, hi int64) int64 { return lo + int64(d.r.IntN(int(hi-lo)+1)) }

// real is a number in [lo, hi).
func (d dice) real(lo, hi float64) float64 { return lo + (hi-lo)*d.r.Float64() }

// rate is log-uniform in [lo, hi): a rare fault finds other bugs than a frequent one.
func (d dice) rate(lo, hi float64) float64 { return math.Exp(d.real(math.Log(lo), math.Log(hi))) }

// span is a duration in nanoseconds, log-uniform.
func (d dice) span(lo, hi time.Duration) int64 { return int64(d.rate(float64(lo), float64(hi))) }

// one picks an element.
func one[T any](d dice, from ...T) T { return from[d.n(len(from))] }

// mix scrambles 64 bits (the finalizer of SplitMix64).
func mix(z uint64) uint64 {
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb
	return z ^ (z >> 31)
}

// unit turns a hash into a number in [0, 1).
func unit(h uint64) float64 { return float64(mix(h)>>11) / (1 << 53) }
