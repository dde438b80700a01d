package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"

	"github.com/seed-7a1a2db0/pbt"
)

// Limits of a constraint.
const (
	maxConstraint      = 1000 // characters
	maxConstraintNodes = 500
)

// functions are those that an expression may call: of numbers alone, so that the same
// values give the same answer at any time and on any machine.
var functions = []string{"abs", "ceil", "floor", "round", "min", "max"}

// constraint is an expression over hyperparameters: a pbt.Constraint.
type constraint struct {
	text    string
	program *vm.Program
	names   []string // of the hyperparameters in it
}

// String implements pbt.Constraint.
func (c *constraint) String() string { return c.text }

// Holds implements pbt.Constraint. An expression that fails, such as one that divides by
// 0, does not hold.
func (c *constraint) Holds(h pbt.Hypers) bool {
	env := map[string]any{}
	for _, name := range c.names {
		v, exists := h.Get(name)
		if !exists {
			return true
		}
		nest(env, strings.Split(name, "."), plainValue(v))
	}
	out, err := expr.Run(c.program, env)
	holds, isBool := out.(bool)
	return err == nil && isBool && holds
}

// nest puts a value where its dotted name leads.
func nest(env map[string]any, path []string, value any) {
	for len(path) > 1 {
		inner, ok := env[path[0]].(map[string]any)
		if !ok {
			inner = map[string]any{}
			env[path[0]] = inner
		}
		env, path = inner, path[1:]
	}
	env[path[0]] = value
}

func plainValue(v pbt.Value) any {
	if i, ok := v.Int(); ok && v.Kind() == pbt.KindInt {
		return int(i)
	}
	if x, ok := v.Float(); ok {
		return x
	}
	if b, ok := v.Truth(); ok {
		return b
	}
	text, _ := v.Text()
	return text
}

// compileConstraint checks and compiles an expression over a space's hyperparameters.
func compileConstraint(text string, params []pbt.Param) (*constraint, error) {
	c := &constraint{text: text}
	env := types.Map{}
	for i := range params {
		declare(env, strings.Split(params[i].Name, "."), typeOf(&params[i]))
	}
	options := []expr.Option{expr.Env(env), expr.AsBool(), expr.DisableAllBuiltins(), expr.MaxNodes(maxConstraintNodes)}
	for _, name := range functions {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(text, options...)
	if err != nil {
		return nil, tidy(err)
	}
	c.program = program
	used := &namesIn{}
	node := program.Node()
	ast.Walk(&node, used)
	if used.loops {
		return nil, errors.New("it loops over a list; write the conditions out")
	}
	for i := range params {
		if slices.Contains(used.names, params[i].Name) {
			c.names = append(c.names, params[i].Name)
		}
	}
	if len(c.names) == 0 {
		return nil, errors.New("it names no hyperparameter")
	}
	return c, nil
}

// tidy is expr's message without its drawing of the place.
func tidy(err error) error {
	var at *file.Error
	if errors.As(err, &at) {
		return fmt.Errorf("at character %d of the expression: %s", at.Column+1, at.Message)
	}
	return err
}

// declare gives a dotted name its type.
func declare(env types.Map, path []string, of types.Type) {
	for len(path) > 1 {
		inner, ok := env[path[0]].(types.Map)
		if !ok {
			inner = types.Map{}
			env[path[0]] = inner
		}
		env, path = inner, path[1:]
	}
	env[path[0]] = of
}

// typeOf is what an expression may do with a hyperparameter: any, where its values differ.
func typeOf(p *pbt.Param) types.Type {
	switch p.Type {
	case pbt.FloatParam:
		return types.Float
	case pbt.IntParam:
		return types.Int
	}
	kinds := map[pbt.ValueKind]types.Type{pbt.KindInt: types.Int, pbt.KindFloat: types.Float, pbt.KindText: types.String, pbt.KindBool: types.Bool}
	first := p.Values[0].Kind()
	for _, v := range p.Values {
		if v.Kind() != first {
			return types.Any
		}
	}
	return kinds[first]
}

// namesIn collects the names that an expression uses, dotted.
type namesIn struct {
	names []string
	loops bool
}

// Visit implements ast.Visitor.
func (n *namesIn) Visit(node *ast.Node) {
	if _, loop := (*node).(*ast.PredicateNode); loop {
		n.loops = true
	}
	if name := nameOf(*node); name != "" {
		n.names = append(n.names, name)
	}
}

func nameOf(node ast.Node) string {
	switch x := node.(type) {
	case *ast.IdentifierNode:
		return x.Value
	case *ast.ChainNode:
		return nameOf(x.Node)
	case *ast.MemberNode:
		key, ok := x.Property.(*ast.StringNode)
		if !ok {
			return ""
		}
		if id, ok := x.Node.(*ast.IdentifierNode); ok && id.Value == "$env" {
			return key.Value
		}
		if before := nameOf(x.Node); before != "" {
			return before + "." + key.Value
		}
	}
	return ""
}

// constrained adds constraints to a space.
func constrained(space *pbt.Space, texts []string) (*pbt.Space, error) {
	if len(texts) == 0 {
		return space, nil
	}
	var list []pbt.Constraint
	for _, text := range texts {
		c, err := compileConstraint(text, space.Params())
		if err != nil {
			return nil, fmt.Errorf("constraints: %q: %w", text, err)
		}
		list = append(list, c)
	}
	return space.Constrain(list...), nil
}

// constraints decodes conditions between hyperparameters.
func (d *decoder) constraints(n *node, ps *parameters) (texts []string) {
	if n == nil || ps.space == nil {
		return nil
	}
	var list []pbt.Constraint
	for i, item := range n.items {
		c, err := compileConstraint(item.text, ps.placed)
		if err != nil {
			d.addStrict(item.at, fmt.Sprintf("constraints[%d]", i), "%s: %v", quote(item.text), err)
			continue
		}
		texts, list = append(texts, item.text), append(list, c)
	}
	if len(list) > 0 {
		ps.space = ps.space.Constrain(list...)
	}
	return texts
}

// feasible looks whether each member finds first values that satisfy the constraints.
func (d *decoder) feasible(n *node, e *Experiment) {
	if len(e.Constraints) == 0 || len(d.list) > 0 {
		return
	}
	for i := len(e.Initial); i < e.Population; i++ {
		if _, err := d.params.space.Complete(pbt.Hypers{}, e.Seed, i, 0); err != nil {
			d.addStrict(n.at, "constraints", "member %d finds no first values that satisfy them, in %d draws: widen the ranges, or give values by initial. The last draw: %v", i, pbt.MaxDraws, err)
			return
		}
	}
}
