package pbt

import (
	"math"
	"strconv"
)

// Address says whose draws a decision makes: f(seed, member, turn). Turn is the
// ordinal of the segment the draws are for. Stage tells apart the explorers of a
// pipeline.
type Address struct {
	Seed   uint64
	Member int
	Turn   int64
	Stage  int
	Try    int   // above 0: drawn again, because a constraint did not hold
	Step   int64 // behind the weights that train on; part of no draw, but what a schedule goes by
}

func (a Address) rand(purpose, detail string) Rand {
	r := randAt(a.Seed, a.Member, a.Turn, purpose, detail)
	if a.Stage != 0 {
		r.state = mix(r.state ^ uint64(a.Stage))
	}
	if a.Try != 0 {
		r.state = mix(r.state + uint64(a.Try)*0x9e3779b97f4a7c15)
	}
	return r
}

// Change is what exploring did to one hyperparameter.
type Change struct {
	Name string `json:"name"`
	From Value  `json:"from"` // null when it did not exist before
	To   Value  `json:"to"`   // null when it exists no longer
	Op   string `json:"op"`   // "× 0.8", "next up", "drawn anew", …
}

// What a change did, as a person reads it.
const (
	opDrawn  = "drawn anew"
	opUp     = "next up"
	opDown   = "next down"
	opOn     = "now exists"
	opOff    = "exists no longer"
	opAdd    = "+ noise"
	opFollow = "→"
)

// Draw draws a member's first hyperparameters from the initial ranges.
func (s *Space) Draw(seed uint64, member int, turn int64) Hypers {
	h, _ := s.drawn(Hypers{}, Address{Seed: seed, Member: member, Turn: turn}, MaxDraws)
	return h
}

// Complete draws what given hyperparameters leave open: for members that start
// from values the user wrote down.
func (s *Space) Complete(given Hypers, seed uint64, member int, turn int64) (Hypers, error) {
	coerced := Hypers{}
	for i := range s.params {
		if v, ok := given.Get(s.params[i].Name); ok {
			coerced.entries = append(coerced.entries, entry{s.params[i].Name, s.params[i].Coerce(v)})
		}
	}
	for name := range given.All() {
		if _, ok := s.Param(name); !ok {
			coerced = coerced.With(name, Value{}) // Check names it
		}
	}
	h, _ := s.drawn(coerced, Address{Seed: seed, Member: member, Turn: turn}, MaxDraws)
	for name, v := range coerced.All() {
		if _, ok := h.Get(name); !ok {
			h = h.With(name, v)
		}
	}
	return h, s.Check(h)
}

// inherit is what a copy holds before exploring: the donor's values, but its own
// where the declaration says so.
func (s *Space) inherit(own, donor Hypers, at Address) Hypers {
	var mixed Hypers
	for i := range s.params {
		p := &s.params[i]
		from := donor
		if p.Keep {
			from = own
		}
		if v, ok := from.Get(p.Name); ok {
			mixed.entries = append(mixed.entries, entry{p.Name, v})
		}
	}
	h, ok := s.drawn(mixed, at, MaxDraws)
	switch { // what a member holds satisfies the constraints; a mixture of two may not
	case ok:
	case donor.Len() > 0:
		return donor
	case own.Len() > 0:
		return own
	}
	return h
}

// moveFunc returns a parameter's new value and what was done, "" for nothing.
type moveFunc func(p *Param, v Value, at Address) (Value, string)

// rebuild walks the declarations in order (parents come first), moves the values
// that exist and draws those whose condition has come to hold.
func (s *Space) rebuild(h Hypers, at Address, move moveFunc) (Hypers, []Change) {
	out := Hypers{entries: make([]entry, 0, len(s.params))}
	var changes []Change
	for i := range s.params {
		p := &s.params[i]
		old, had := h.Get(p.Name)
		if !p.exists(&out) {
			if had {
				changes = append(changes, Change{p.Name, old, Value{}, opOff})
			}
			continue
		}
		v, op := old, ""
		if had {
			v, op = move(p, old, at)
		} else {
			r := at.rand(purposeInit, p.Name)
			v, op = p.draw(&r), opOn
		}
		if op != "" {
			changes = append(changes, Change{p.Name, old, v, op})
		}
		out.entries = append(out.entries, entry{p.Name, v})
	}
	return out, changes
}

// draw takes a value from the initial range.
func (p *Param) draw(r *Rand) Value {
	lo, hi := p.Init.Lo, p.Init.Hi
	switch {
	case p.Type == FloatParam && p.Scale == Log:
		return Float(p.Init.clamp(math.Exp(between(math.Log(lo), math.Log(hi), r.Float64()))))
	case p.Type == FloatParam && p.Scale == NearOne:
		return Float(p.Init.clamp(1 - math.Exp(between(math.Log(1-hi), math.Log(1-lo), r.Float64()))))
	case p.Type == FloatParam:
		return Float(p.Init.clamp(between(lo, hi, r.Float64())))
	case p.Type == IntParam && p.Scale == Log:
		x := math.Exp(between(math.Log(lo), math.Log(hi+1), r.Float64()))
		return Int(int64(p.Init.clamp(math.Floor(x))))
	case p.Type == IntParam:
		return Int(int64(lo) + int64(r.IntN(int(hi-lo)+1)))
	}
	return p.Values[r.IntN(len(p.Values))]
}

func between(lo, hi, u float64) float64 { return lo + u*(hi-lo) }

// zeroStep is the share of the bounds' width that stands in for |x| when a linear
// range reaches 0 or below and x is nearer to 0 than that: ×1.2 then moves by a
// fifth of it, so that 0 is no trap (ray#54755) and values far from 0 still scale.
const zeroStep = 0.1

// scale moves a value by a factor in the declaration's own space and clamps it.
// On a near-one scale the factor applies to the distance to 1.
func (p *Param) scale(v Value, factor float64) (Value, string) {
	switch p.Type {
	case FloatParam:
		x, _ := v.Float()
		return p.bounded(p.scaleFloat(x, factor))
	case IntParam:
		i, _ := v.Int()
		x := float64(i)
		y, op := p.scaleFloat(x, factor)
		rounded := math.Round(y)                       // half away from zero
		if rounded == x && !(p.StickyZero && x == 0) { // a 1 must be able to move
			step := math.Copysign(1, y-x)
			rounded, op = x+step, stepOp(step)
		}
		return p.bounded(rounded, op)
	case OrderedParam:
		return p.neighbour(v, factor > 1)
	}
	return v, ""
}

func (p *Param) scaleFloat(x, factor float64) (y float64, op string) {
	near := zeroStep * (p.Bounds.Hi - p.Bounds.Lo)
	switch {
	case p.Scale == NearOne:
		return 1 - (1-x)*factor, opOf("(1−x) × ", factor)
	case p.StickyZero || p.Bounds.Lo > 0 || p.Bounds.Hi < 0 || math.Abs(x) >= near:
		return x * factor, opOf("× ", factor)
	}
	step := (factor - 1) * math.Copysign(near, x)
	return x + step, stepOp(step)
}

func stepOp(step float64) string {
	if step < 0 {
		return opOf("− ", -step)
	}
	return opOf("+ ", step)
}

func opOf(sign string, x float64) string { return sign + strconv.FormatFloat(x, 'g', 4, 64) }

// bounded is a number of the parameter's type, within its bounds; what was done
// to it says so where they made a difference.
func (p *Param) bounded(x float64, op string) (Value, string) {
	y := p.Bounds.clamp(x)
	if y != x {
		op += ", bounded"
	}
	if p.Type == IntParam {
		return Int(int64(y)), op
	}
	return Float(y), op
}

// neighbour is the next value of an ordered list; at an end it turns round, so
// that a move always moves.
func (p *Param) neighbour(v Value, up bool) (Value, string) {
	i, last := p.index(v), len(p.Values)-1
	if last < 1 || i < 0 {
		return v, ""
	}
	if i == 0 {
		up = true
	} else if i == last {
		up = false
	}
	if up {
		return p.Values[i+1], opUp
	}
	return p.Values[i-1], opDown
}

// moves tells whether exploring may touch the parameter at all.
func (p *Param) moves() bool {
	if p.Keep || p.Fixed || p.Type == ConstantParam {
		return false
	}
	if p.Type == FloatParam || p.Type == IntParam {
		return p.Bounds.Lo < p.Bounds.Hi
	}
	return len(p.Values) != 1
}
