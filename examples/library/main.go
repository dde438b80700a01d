// Library runs Population Based Training inside a Go program.
//
//	go run ./examples/library
//
// Twenty lines are fitted to a hundred noisy points by stochastic gradient descent,
// one point at a time. No fixed learning rate is good at that: a large one never
// settles, a small one never arrives. The population finds a schedule.
//
// Expected, in a second on one core: learning rates that fall from about 0.1 to
// 0.001, and a loss within 0.00003 of what least squares gives, 0.241286; the best of
// twenty fixed rates stays ten to a hundred times further away.
package main

import (
	"fmt"
	"log"
	"math/rand/v2"

	"github.com/seed-7a1a2db0/pbt"
)

func main() {
	found, err := pbt.Train(pbt.Options{
		Members: 20, Steps: 2000, Goal: pbt.Minimize, Order: pbt.LockStep,
		Space:  pbt.MustSpace(pbt.LogUniform("lr", 0.001, 1).Within(0.00001, 1)),
		Policy: pbt.Policy{Ready: pbt.Every{Steps: 100}, Explore: pbt.Perturb{Factors: []float64{0.5, 2}}},
	}, pbt.Model[line]{
		Init: func(*pbt.Rand) line { return line{} },
		Step: line.step,
		Eval: line.loss,
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("best loss %.6f: y = %.2f x %+.2f\n", found.Best.Score, found.Theta.a, found.Theta.b)
	for _, s := range found.Schedule {
		fmt.Printf("steps %4d to %4d: %v\n", s.From, s.To, s.Hypers)
	}
}

// line is what is trained: the weights of y = a·x + b.
type line struct{ a, b float64 }

// step goes down the gradient of the squared error at one of the points.
func (l line) step(h pbt.Hypers, r *pbt.Rand) line {
	p, lr := points[r.IntN(len(points))], h.Float("lr")
	off := l.a*p.x + l.b - p.y
	return line{l.a - lr*off*p.x, l.b - lr*off}
}

// loss is the mean squared error over all points.
func (l line) loss() float64 {
	sum := 0.0
	for _, p := range points {
		off := l.a*p.x + l.b - p.y
		sum += off * off
	}
	return sum / float64(len(points))
}

// points scatter about y = 3x − 2.
var points = func() (ps [100]struct{ x, y float64 }) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range ps {
		x := 2*r.Float64() - 1
		ps[i].x, ps[i].y = x, 3*x-2+0.5*r.NormFloat64()
	}
	return ps
}()
