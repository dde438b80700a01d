package main

import (
	"math"

	"github.com/seed-7a1a2db0/pbt"
)

const (
	wide   = 4 // decades of most learning rates
	narrow = 3
	unit   = 0 // a range from 0 to 1
)

// luck is a factor of the first weights with median 1.
func luck(spread float64, r *pbt.Rand) float64 { return math.Exp(spread * r.Norm()) }

// families are the kinds of curves, calibrated by hand to the rank correlations of the recorded random searches of
// experiments/ in a study of 2026-11-30, whose constants these are.
var families = []family{
	{
		name: "early", says: "digits: the rate decides early", params: []float64{wide, narrow, unit}, noise: 0.004,
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			best := 0.4 + 0.3*inst[0]
			k := 0.14 * bump(h[0], best, 0.16)
			if h[0] > best+0.3 { // too high a rate forgets
				k = 0
				s[0] *= 0.8
			}
			limit := 1 - 0.35*sq(h[1]-0.2-0.6*inst[1]) - 0.35*sq(h[2]-0.2-0.6*inst[2]) - 0.25*max(0, h[0]-best)
			s[0] += k*(limit-s[0]) + 0.002*r.Norm()
		},
		worth: func(s *numbers) float64 { return s[0] },
	},
	{
		name: "late", says: "SpaceInvaders: a plateau, then a take-off by another optimum and by luck", params: []float64{wide, narrow}, noise: 0.012,
		begin: func(s *numbers, _ instance, r *pbt.Rand) { s[5] = luck(0.35, r) },
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			shown := 0.5 + 0.2*inst[0] // the rate that looks best on the plateau
			hidden := shown - 0.12 - 0.12*inst[1]
			second := 0.2 + 0.6*inst[2]
			plateau := 0.55 + 0.45*bump(h[1], second, 0.5)
			a, b := r.Norm(), r.Norm()
			s[0] += 0.16*bump(h[0], shown, 0.22)*(plateau-s[0]) + 0.03*a*(1-0.5*s[0])
			g := bump(h[0], hidden, 0.13) * bump(h[1], second, 0.35) * s[5]
			s[1] += max(0, g*0.036*(1+0.6*b))
			if h[0] > shown+0.3 {
				s[0] *= 0.93
				s[1] *= 0.93
			}
			if s[1] > 1 {
				s[2] += 0.11 * g * (1.2 - s[2])
			}
		},
		worth: func(s *numbers) float64 { return 0.2*s[0] + 0.8*s[2] },
	},
	{
		name: "schedule", says: "a noisy quadratic: the rate must be high first and low later", params: []float64{narrow}, noise: 0.02,
		begin: func(s *numbers, _ instance, _ *pbt.Rand) { *s = numbers{1, 1, 1, 1, 1, 1} },
		segment: func(s *numbers, h []float64, _ instance, _ float64, _ *pbt.Rand) {
			rate := math.Pow(10, -2.7+3*h[0])
			for range 10 {
				for k := range s {
					curvature := math.Pow(10, -0.5*float64(k))
					s[k] = min(1e6, sq(1-rate*curvature)*s[k]+sq(rate)*0.012*curvature)
				}
			}
		},
		worth: func(s *numbers) float64 {
			loss := 0.0
			for k := range s {
				loss += math.Pow(10, -0.5*float64(k)) * s[k]
			}
			return -math.Log10(max(loss, 1e-12))
		},
	},
	{
		name: "horizon", says: "short-horizon bias (Wu et al. 2018): a lower rate always looks better at once", params: []float64{narrow}, noise: 0.02,
		begin: func(s *numbers, _ instance, _ *pbt.Rand) { s[0], s[1] = 1, 1 },
		segment: func(s *numbers, h []float64, inst instance, _ float64, _ *pbt.Rand) {
			rate := math.Pow(10, -2.7+3*h[0])
			for range 10 {
				s[0] = min(1e6, sq(1-rate)*s[0]+sq(rate)*0.6*(0.6+0.8*inst[0]))
				s[1] *= sq(1 - rate*0.004*(0.7+0.6*inst[1]))
			}
		},
		worth: func(s *numbers) float64 { return -math.Log10(max(s[0]+s[1], 1e-12)) },
	},
	{
		name: "noisy", says: "Breakout: breakthroughs under a noisy score", params: []float64{wide, narrow}, noise: 0.12,
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			best := 0.45 + 0.25*inst[0]
			b := bump(h[0], best, 0.17) * bump(h[1], 0.2+0.6*inst[1], 0.45)
			jump, size, drift := r.Float64(), r.Float64(), r.Norm()
			s[0] += 0.11 * b * (1 - s[0]/8)
			if jump < 0.06*b {
				s[0] += (0.3 + 0.9*size) * (1 - s[0]/8)
			}
			s[0] += 0.03 * drift
			if h[0] > best+0.25 {
				s[0] *= 0.85
			}
			s[0] = max(0, s[0])
		},
		worth: func(s *numbers) float64 { return s[0] },
	},
	{
		name: "toy", says: "the paper's figure 2 with one hyperparameter: a member weighs one of two sides at a time", params: []float64{unit}, noise: 0.002,
		begin: func(s *numbers, _ instance, _ *pbt.Rand) { s[0], s[1] = 0.9, 0.9 },
		segment: func(s *numbers, h []float64, _ instance, _ float64, r *pbt.Rand) {
			left, right := max(0, 1-2.2*h[0]), max(0, 2.2*h[0]-1.2)
			for range 5 {
				s[0] -= 0.02 * left * s[0]
				s[1] -= 0.02 * right * s[1]
			}
			s[0] += 0.002 * r.Norm()
			s[1] += 0.002 * r.Norm()
		},
		worth: func(s *numbers) float64 { return 1.2 - sq(s[0]) - sq(s[1]) },
	},
	{
		name: "plain", says: "PBT-Zoo's Plain: the lower the hyperparameter, the faster", params: []float64{unit}, lowest: 0.9 / 1.1,
		begin: func(s *numbers, _ instance, _ *pbt.Rand) { s[0] = 0.9 },
		segment: func(s *numbers, h []float64, _ instance, of float64, _ *pbt.Rand) {
			speed := max(2-max(1e-4, 1.1*h[0]), 0)
			for range int(1000 / of) {
				s[0] -= 0.002 * speed * s[0]
			}
		},
		worth: func(s *numbers) float64 { return 1.2 - sq(s[0]) },
	},
	{
		name: "dip", says: "GAN: learning lowers the score first; the rate must be high first and low later", params: []float64{wide, narrow}, noise: 0.03,
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			phase := min(1, s[0]*1.1)
			k := 0.15 * bump(h[0], 0.65+0.15*inst[0]-0.35*phase, 0.14) * bump(h[1], 0.5+0.3*inst[1]-0.2*phase, 0.3)
			s[0] = max(0, s[0]+k*(1.05-s[0])+0.04*r.Norm()*k)
		},
		worth: func(s *numbers) float64 { return s[0] - 0.35*min(1, 8*s[0])*max(0, 1-3.5*s[0]) },
	},
	{
		name: "tortoise", says: "the weights decide, and the fast ones end low", params: []float64{wide}, noise: 0.01,
		begin: func(s *numbers, _ instance, r *pbt.Rand) { s[1] = r.Float64() },
		segment: func(s *numbers, h []float64, _ instance, _ float64, _ *pbt.Rand) {
			s[0] += 0.16 * (1 - 0.8*s[1]) * bump(h[0], 0.5, 0.35) * (0.4 + 0.6*s[1] - s[0])
		},
		worth: func(s *numbers) float64 { return s[0] },
	},
	{
		name: "takeoff", says: "translation: the rates that lead first never take off", params: []float64{wide, narrow, unit}, noise: 0.02,
		begin: func(s *numbers, _ instance, r *pbt.Rand) { s[5] = luck(0.35, r) },
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			shown := 0.62 + 0.12*inst[0]
			hidden := shown - 0.16 - 0.12*inst[1]
			s[0] += 0.13 * bump(h[0], shown, 0.25) * (1 - s[0])
			g := bump(h[0], hidden, 0.12) * (1 - 0.5*h[2]) * s[5]
			s[1] += g * 0.055 * max(0, 1+0.4*r.Norm())
			if h[0] > hidden+0.25 {
				s[1] *= 0.9
			}
			if s[1] > 1 {
				s[2] += 0.12 * g * (1 - s[2])
			}
		},
		worth: func(s *numbers) float64 { return 0.3*s[0] + 0.7*s[2] },
	},
	{
		name: "walk", says: "luck only: a random walk", params: []float64{wide}, noise: 0.05, heldOut: true,
		segment: func(s *numbers, _ []float64, _ instance, _ float64, r *pbt.Rand) { s[0] += 0.02 + 0.15*r.Norm() },
		worth:   func(s *numbers) float64 { return s[0] },
	},
	{
		name: "reverse", says: "the ranking turns round after 70 % of the budget", params: []float64{wide}, noise: 0.01, heldOut: true,
		begin: func(s *numbers, _ instance, r *pbt.Rand) { s[1] = r.Float64() },
		segment: func(s *numbers, _ []float64, _ instance, of float64, _ *pbt.Rand) {
			s[2]++
			if s[2] < 0.7*of {
				s[0] += 0.03 * (1 - s[1])
			} else {
				s[0] += 0.15 * s[1]
			}
		},
		worth: func(s *numbers) float64 { return s[0] },
	},
	{
		name: "step decay", says: "a high rate is fast and limits how far one comes", params: []float64{narrow, narrow}, noise: 0.01, heldOut: true,
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			rate := math.Pow(10, -3+3*h[0])
			limit := 1 - 0.45*math.Sqrt(rate) - 0.2*sq(h[1]-0.3-0.4*inst[0])
			s[0] += min(0.5, 0.5*math.Pow(rate, 0.7))*(limit-s[0]) + 0.004*r.Norm()
		},
		worth: func(s *numbers) float64 { return s[0] },
	},
	{
		name: "overfit", says: "who learns fast overfits unless regularised", params: []float64{wide, unit}, noise: 0.01, heldOut: true,
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			s[0] += 0.09 * bump(h[0], 0.4+0.2*inst[0], 0.2) * (1 - s[0])
			s[1] += max(0, s[0]-0.55) * 0.05 * (1 - h[1]) * (1 + 0.3*r.Norm())
			s[2] = 0.12 * sq(h[1]-0.5)
		},
		worth: func(s *numbers) float64 { return s[0] - s[1] - s[2] },
	},
	{
		name: "noisy plateau", says: "a take-off after a plateau under heavy noise", params: []float64{wide}, noise: 0.06, heldOut: true,
		begin: func(s *numbers, _ instance, r *pbt.Rand) { s[5] = luck(0.5, r) },
		segment: func(s *numbers, h []float64, inst instance, _ float64, r *pbt.Rand) {
			best := 0.45 + 0.2*inst[0]
			g := bump(h[0], best, 0.15) * s[5]
			s[1] += 0.035 * g * max(0, 1+0.5*r.Norm())
			s[0] += 0.1 * (0.25*bump(h[0], best+0.1, 0.3) - s[0])
			if s[1] > 1 {
				s[2] += 0.1 * g * (1 - s[2])
			}
		},
		worth: func(s *numbers) float64 { return s[0] + s[2] },
	},
}
