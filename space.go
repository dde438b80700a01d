package pbt

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// ParamType says which values a hyperparameter may take. It comes from the
// declaration and never from a current value.
type ParamType uint8

// The types of hyperparameter.
const (
	FloatParam    ParamType = iota + 1 // a real number in a range
	IntParam                           // a whole number in a range
	OrderedParam                       // one of a list whose order means something
	ChoiceParam                        // one of a set without order; truth values are a choice of false and true
	ConstantParam                      // one value, handed to the trainer and never changed
)

// Scale says in which space a number is drawn and perturbed.
type Scale uint8

// The scales of a number.
const (
	Linear  Scale = iota // uniform
	Log                  // uniform in the logarithm
	NearOne              // for x just under 1, such as a discount: 1−x is log-uniform and perturbed
)

// Range is a closed interval.
type Range struct{ Lo, Hi float64 }

func (r Range) contains(x float64) bool { return x >= r.Lo && x <= r.Hi }
func (r Range) clamp(x float64) float64 { return math.Min(math.Max(x, r.Lo), r.Hi) }

// When makes a parameter exist only while another one has one of some values.
type When struct {
	Param  string
	Values []Value
}

// Param declares one hyperparameter. Build one with Uniform, LogUniform,
// NearOneUniform, IntUniform, LogInt, Ordered, Choice, Bool or Constant.
type Param struct {
	Name   string
	Type   ParamType
	Scale  Scale
	Init   Range   // initial values are drawn from here
	Bounds Range   // no value ever leaves these; the zero Range means Init
	Values []Value // of an ordered list, a choice, or a constant
	When   *When   // nil: always exists

	Keep       bool // `inherit: false`: a copy keeps its own value
	Fixed      bool // `explore: false`: drawn once, copied, never explored
	StickyZero bool // `zero: absorbing`: perturbing a 0 leaves it 0, as bare multiplication would
}

// Limits of a space. They are far above use and keep a bad file from eating memory.
const (
	MaxParams     = 1000 // parameters in a space
	MaxValues     = 1000 // values of a list or choice
	MaxNameLength = 200  // bytes in a name or a text value
	maxExactInt   = 1 << 53
)

// Uniform declares a float drawn uniformly from [lo, hi].
func Uniform(name string, lo, hi float64) Param {
	return Param{Name: name, Type: FloatParam, Init: Range{lo, hi}}
}

// LogUniform declares a float whose logarithm is drawn uniformly; lo > 0.
func LogUniform(name string, lo, hi float64) Param {
	return Param{Name: name, Type: FloatParam, Scale: Log, Init: Range{lo, hi}}
}

// NearOneUniform declares a float just under 1 whose distance to 1 is drawn
// log-uniformly and perturbed, such as a discount in [0.9, 0.9999]; hi < 1.
func NearOneUniform(name string, lo, hi float64) Param {
	return Param{Name: name, Type: FloatParam, Scale: NearOne, Init: Range{lo, hi}}
}

// IntUniform declares a whole number drawn uniformly from lo…hi.
func IntUniform(name string, lo, hi int64) Param {
	return Param{Name: name, Type: IntParam, Init: Range{float64(lo), float64(hi)}}
}

// LogInt declares a whole number drawn log-uniformly from lo…hi; lo > 0.
func LogInt(name string, lo, hi int64) Param {
	return Param{Name: name, Type: IntParam, Scale: Log, Init: Range{float64(lo), float64(hi)}}
}

// Ordered declares one of a list whose order means something: exploring moves to a neighbour.
func Ordered(name string, values ...Value) Param {
	return Param{Name: name, Type: OrderedParam, Values: values}
}

// Choice declares one of a set without order: exploring draws again.
func Choice(name string, values ...Value) Param {
	return Param{Name: name, Type: ChoiceParam, Values: values}
}

// Bool declares a truth value: a choice of false and true.
func Bool(name string) Param { return Choice(name, Truth(false), Truth(true)) }

// Constant declares a value that is handed to the trainer and never changes.
func Constant(name string, v Value) Param {
	return Param{Name: name, Type: ConstantParam, Values: []Value{v}}
}

// Within sets hard bounds wider (or narrower) than the initial range.
func (p Param) Within(lo, hi float64) Param { p.Bounds = Range{lo, hi}; return p }

// OnlyWhen makes the parameter exist only while another, declared earlier, has one of the values.
func (p Param) OnlyWhen(param string, values ...Value) Param {
	p.When = &When{param, values}
	return p
}

// NotInherited makes a copy keep its own value.
func (p Param) NotInherited() Param { p.Keep = true; return p }

// NotExplored makes the value stay as first drawn, though a copy takes it over:
// what belongs to the weights, such as a layer's width.
func (p Param) NotExplored() Param { p.Fixed = true; return p }

// AbsorbingZero makes perturbation a bare multiplication, which never leaves 0.
func (p Param) AbsorbingZero() Param { p.StickyZero = true; return p }

// Space declares the hyperparameters of a run: types, ranges, bounds, conditions.
type Space struct {
	params      []Param
	constraints []Constraint
}

// NewSpace checks the declarations and returns the space. Its error lists every
// fault, each with the parameter's name. A parameter's parent comes before it.
func NewSpace(params ...Param) (*Space, error) {
	s := &Space{params: make([]Param, 0, len(params))}
	var faults []error
	if len(params) > MaxParams {
		return nil, fmt.Errorf("a space has at most %d hyperparameters, not %d", MaxParams, len(params))
	}
	for _, p := range params {
		if p.Bounds == (Range{}) {
			p.Bounds = p.Init
		}
		if err := s.checkParam(&p); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", p.Name, err))
		}
		s.params = append(s.params, p)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s, nil
}

// MustSpace is NewSpace for declarations written in a program; it panics on a fault.
func MustSpace(params ...Param) *Space {
	s, err := NewSpace(params...)
	if err != nil {
		panic("pbt: " + err.Error())
	}
	return s
}

// Params returns the declarations, in order. Do not change them.
func (s *Space) Params() []Param { return s.params }

// Param finds a declaration by name.
func (s *Space) Param(name string) (Param, bool) {
	for i := range s.params {
		if s.params[i].Name == name {
			return s.params[i], true
		}
	}
	return Param{}, false
}

func (s *Space) checkParam(p *Param) error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	for i := range s.params {
		other := s.params[i].Name
		if other == p.Name {
			return errors.New("declared twice")
		}
		if strings.HasPrefix(other, p.Name+".") || strings.HasPrefix(p.Name, other+".") {
			return fmt.Errorf("is both a value and the group of %s", other)
		}
	}
	if err := s.checkWhen(p); err != nil {
		return err
	}
	switch p.Type {
	case FloatParam, IntParam:
		return p.checkRange()
	case OrderedParam, ChoiceParam, ConstantParam:
		return p.checkValues()
	}
	return fmt.Errorf("unknown type %d", p.Type)
}

func checkName(name string) error {
	if name == "" {
		return errors.New("a hyperparameter needs a name")
	}
	if len(name) > MaxNameLength {
		return fmt.Errorf("a name has at most %d bytes", MaxNameLength)
	}
	for part := range strings.SplitSeq(name, ".") {
		if part == "" {
			return errors.New("a name has no empty part between dots")
		}
	}
	if !utf8.ValidString(name) {
		return errors.New("a name must be valid UTF-8")
	}
	for _, c := range name {
		if c < ' ' || c == '{' || c == '}' || c == '"' || c == 0x7f {
			return fmt.Errorf("a name has no %q in it", c)
		}
	}
	return nil
}

func (s *Space) checkWhen(p *Param) error {
	if p.When == nil {
		return nil
	}
	parent, ok := s.Param(p.When.Param)
	if !ok {
		return fmt.Errorf("exists when %s …, which must be declared before it", p.When.Param)
	}
	if parent.Type == FloatParam {
		return fmt.Errorf("cannot depend on %s, which is a float", parent.Name)
	}
	if len(p.When.Values) == 0 {
		return fmt.Errorf("exists when %s has which values?", parent.Name)
	}
	for _, v := range p.When.Values {
		if err := parent.check(v); err != nil {
			return fmt.Errorf("can never exist: %s: %w", parent.Name, err)
		}
	}
	return nil
}

func (p *Param) checkRange() error {
	for _, r := range []struct {
		what string
		Range
	}{{"range", p.Init}, {"bounds", p.Bounds}} {
		switch {
		case math.IsNaN(r.Lo) || math.IsNaN(r.Hi) || math.IsInf(r.Lo, 0) || math.IsInf(r.Hi, 0):
			return fmt.Errorf("%s [%g, %g]: both ends must be finite numbers", r.what, r.Lo, r.Hi)
		case r.Lo > r.Hi:
			return fmt.Errorf("%s [%g, %g] is reversed: the lower end comes first", r.what, r.Lo, r.Hi)
		case p.Scale == Log && r.Lo <= 0:
			return fmt.Errorf("%s [%g, %g]: a log scale needs a lower end above 0", r.what, r.Lo, r.Hi)
		case p.Scale == NearOne && r.Hi >= 1:
			return fmt.Errorf("%s [%g, %g]: the upper end must be below 1", r.what, r.Lo, r.Hi)
		case math.IsInf(r.Hi-r.Lo, 0):
			return fmt.Errorf("%s [%g, %g] is wider than a float64", r.what, r.Lo, r.Hi)
		case p.Type == IntParam && (r.Lo != math.Trunc(r.Lo) || r.Hi != math.Trunc(r.Hi)):
			return fmt.Errorf("%s [%g, %g]: both ends must be whole numbers", r.what, r.Lo, r.Hi)
		case p.Type == IntParam && (r.Lo < -maxExactInt || r.Hi > maxExactInt):
			return fmt.Errorf("%s [%g, %g]: whole numbers reach to 2^53", r.what, r.Lo, r.Hi)
		}
	}
	if p.Scale > NearOne {
		return fmt.Errorf("unknown scale %d", p.Scale)
	}
	if p.Type == IntParam && p.Scale == NearOne {
		return errors.New("a whole number has no near-one scale")
	}
	if p.Init.Lo < p.Bounds.Lo || p.Init.Hi > p.Bounds.Hi {
		return fmt.Errorf("the initial range [%g, %g] leaves the bounds [%g, %g]", p.Init.Lo, p.Init.Hi, p.Bounds.Lo, p.Bounds.Hi)
	}
	return nil
}

func (p *Param) checkValues() error {
	switch {
	case len(p.Values) == 0:
		return errors.New("needs at least one value")
	case len(p.Values) > MaxValues:
		return fmt.Errorf("has %d values, at most %d are allowed", len(p.Values), MaxValues)
	case p.Type == ConstantParam && len(p.Values) != 1:
		return errors.New("a constant has one value")
	}
	for i, v := range p.Values {
		if x, isFloat := v.Float(); v.Kind() == 0 || isFloat && (math.IsNaN(x) || math.IsInf(x, 0)) {
			return fmt.Errorf("value %d is not a finite number, a text or a truth value", i+1)
		}
		if len(v.text) > MaxNameLength {
			return fmt.Errorf("value %d is longer than %d bytes", i+1, MaxNameLength)
		}
		if !utf8.ValidString(v.text) {
			return fmt.Errorf("value %d must be valid UTF-8", i+1)
		}
		for _, w := range p.Values[:i] {
			if v == w {
				return fmt.Errorf("lists %s twice", v)
			}
		}
	}
	return nil
}

// check tells whether a value is one the declaration allows.
func (p *Param) check(v Value) error {
	switch p.Type {
	case FloatParam:
		x, ok := v.Float()
		if !ok || v.Kind() != KindFloat || math.IsNaN(x) || !p.Bounds.contains(x) {
			return fmt.Errorf("%s is not a number in [%g, %g]", v, p.Bounds.Lo, p.Bounds.Hi)
		}
	case IntParam:
		x, ok := v.Int()
		if !ok || v.Kind() != KindInt || !p.Bounds.contains(float64(x)) {
			return fmt.Errorf("%s is not a whole number in %g…%g", v, p.Bounds.Lo, p.Bounds.Hi)
		}
	default:
		if p.index(v) < 0 {
			return fmt.Errorf("%s is not one of its values", v)
		}
	}
	return nil
}

func (p *Param) index(v Value) int {
	for i := range p.Values {
		if p.Values[i] == v {
			return i
		}
	}
	return -1
}

// exists tells whether the parameter's condition holds among the values chosen so far.
func (p *Param) exists(h *Hypers) bool {
	if p.When == nil {
		return true
	}
	v, ok := h.Get(p.When.Param)
	if !ok {
		return false
	}
	for _, w := range p.When.Values {
		if v == w {
			return true
		}
	}
	return false
}

// Coerce gives a number the type that its declaration asks for: 1 becomes 1.0 where
// a float is declared, 2.0 becomes 2 where a whole number is, and in a list a number
// becomes the listed one that it equals. Other values come back unchanged.
func (p *Param) Coerce(v Value) Value {
	x, isNumber := v.Float()
	if !isNumber {
		return v
	}
	switch p.Type {
	case FloatParam:
		return Float(x)
	case IntParam:
		if i, ok := v.Int(); ok {
			return Int(i)
		}
	default:
		if p.index(v) >= 0 {
			return v
		}
		for _, listed := range p.Values {
			if y, ok := listed.Float(); ok && x == y {
				return listed
			}
		}
	}
	return v
}

// Check tells whether hyperparameters obey the declarations: exactly the active
// names, in order, each value of its type and within its bounds, and all constraints hold.
func (s *Space) Check(h Hypers) error {
	next := 0
	for i := range s.params {
		p := &s.params[i]
		if !p.exists(&h) {
			continue
		}
		if next >= len(h.entries) || h.entries[next].name != p.Name {
			return fmt.Errorf("%s is missing from %s", p.Name, h)
		}
		if err := p.check(h.entries[next].value); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		next++
	}
	if next < len(h.entries) {
		return fmt.Errorf("%s is not declared, or its condition does not hold", h.entries[next].name)
	}
	if c := s.broken(h); c != nil {
		return fmt.Errorf("%s does not satisfy the constraint %s", h, c)
	}
	return nil
}
