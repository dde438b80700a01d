package rehearsal

import (
	"math"

	"github.com/seed-7a1a2db0/pbt"
)

// change is hyperparameters with one or more values changed.
type change struct {
	name   string
	hypers pbt.Hypers
}

// changes are those that exploring could make, one hyperparameter at a time, each to
// a value far away. What shapes the weights, or decides which others exist, is left.
func changes(space *pbt.Space, h pbt.Hypers) []change {
	decides := map[string]bool{}
	for _, p := range space.Params() {
		if p.When != nil {
			decides[p.When.Param] = true
		}
	}
	var list []change
	for _, p := range space.Params() {
		v, exists := h.Get(p.Name)
		if !exists || p.Fixed || p.Type == pbt.ConstantParam || decides[p.Name] {
			continue
		}
		if other := farFrom(p, v); other != v {
			list = append(list, change{p.Name, h.With(p.Name, other)})
		}
	}
	return list
}

// allOf makes all the changes at once.
func allOf(h pbt.Hypers, list []change) pbt.Hypers {
	for _, c := range list {
		v, _ := c.hypers.Get(c.name)
		h = h.With(c.name, v)
	}
	return h
}

// farFrom is another value: of a number the middle of the other half of its first
// range, in its own scale; of a list the one half a list away.
func farFrom(p pbt.Param, v pbt.Value) pbt.Value {
	if len(p.Values) > 0 {
		for i, known := range p.Values {
			if known == v {
				return p.Values[(i+max(1, len(p.Values)/2))%len(p.Values)]
			}
		}
		return v
	}
	x, ok := v.Float()
	if !ok {
		return v
	}
	lo, hi := scaled(p.Scale, p.Init.Lo), scaled(p.Scale, p.Init.Hi)
	at := lo + (hi-lo)/4
	if scaled(p.Scale, x) < lo+(hi-lo)/2 {
		at = hi - (hi-lo)/4
	}
	y := unscaled(p.Scale, at)
	if p.Type != pbt.IntParam {
		return pbt.Float(min(p.Init.Hi, max(p.Init.Lo, y)))
	}
	n := min(p.Init.Hi, max(p.Init.Lo, math.Round(y)))
	if n == x && x+1 <= p.Init.Hi {
		n = x + 1
	} else if n == x && x-1 >= p.Init.Lo {
		n = x - 1
	}
	return pbt.Int(int64(n))
}

func scaled(s pbt.Scale, x float64) float64 {
	switch s {
	case pbt.Log:
		return math.Log(x)
	case pbt.NearOne:
		return -math.Log(1 - x)
	}
	return x
}

func unscaled(s pbt.Scale, y float64) float64 {
	switch s {
	case pbt.Log:
		return math.Exp(y)
	case pbt.NearOne:
		return 1 - math.Exp(-y)
	}
	return y
}
