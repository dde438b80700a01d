package config

import (
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// decoder turns a checked document into an experiment. It is lenient where the
// check has complained: such values are left out, and nobody sees the result.
// What it adds are the faults that need more than one value to see.
type decoder struct {
	*checker
	options
	file   string
	params *parameters // the declared hyperparameters; nil before they are decoded
}

// fieldsView reads a mapping by its fields: a missing value is the field's default.
type fieldsView struct {
	d      *decoder
	fields []field
	n      *node
}

func (d *decoder) view(fields []field, n *node) fieldsView { return fieldsView{d, fields, n} }

// value is a field's value or default; nil if it has neither, or a bad value.
func (v fieldsView) value(key string) *node {
	if n := v.n.get(key); n != nil {
		if v.d.bad[n] {
			return nil
		}
		return n
	}
	return fieldOf(v.fields, key).defaultNode()
}

func (v fieldsView) given(key string) bool { return v.n.get(key) != nil }

// defaultNode is a field's default, nil if it has none.
func (f *field) defaultNode() *node {
	if f == nil || f.def == "" {
		return nil
	}
	n, err := loadJSON(&source{name: "default"}, []byte(f.def))
	if err != nil {
		panic("config: the default of " + f.key + " is no JSON: " + err.Error())
	}
	return n
}

// sub is the view of a field that is a record.
func (v fieldsView) sub(key string, of record) fieldsView {
	return v.d.view(of.fields, v.value(key))
}

func (v fieldsView) whole(key string) int64 {
	if n := v.value(key); n != nil {
		return n.int()
	}
	return 0
}

func (v fieldsView) number(key string) float64 {
	if n := v.value(key); n != nil {
		x, _ := n.float()
		return x
	}
	return 0
}

func (v fieldsView) text(key string) string {
	if n := v.value(key); n != nil {
		return n.text
	}
	return ""
}

func (v fieldsView) flag(key string) bool {
	n := v.value(key)
	return n != nil && n.kind == boolKind && appendJSON(nil, n)[0] == 't'
}

// duration is 0 for the word that means none.
func (v fieldsView) duration(key string) time.Duration {
	d, _ := parseDuration(v.text(key))
	return d
}

// experiment decodes the whole document.
func (d *decoder) experiment(doc *node) *Experiment {
	v := d.view(experiment.fields, doc)
	e := &Experiment{
		Name:         v.text("name"),
		Population:   int(v.whole("population")),
		Budget:       d.budget(v.sub("budget", budget)),
		Retries:      int(v.whole("retries")),
		Timeout:      v.duration("timeout"),
		FailureLimit: int(v.whole("failures_in_a_row")),
		OnFault:      machine.OnFault(v.text("on_fault")),
		Keep:         d.keep(v.sub("keep", keep)),
	}
	if e.Name == "" {
		e.Name = baseName(d.file)
	}
	if n := v.value("seed"); n != nil {
		_, e.Seed, _, _ = n.whole()
	}
	m := v.sub("metric", metric)
	e.Metric = m.text("name")
	if m.text("goal") == "minimize" {
		e.Goal = pbt.Minimize
	}
	if n := doc.get("hyperparameters"); n != nil && n.kind == mapKind {
		d.params = d.hyperparameters(n)
		e.Hyperparameters = d.params.placed
		e.Trainer = d.trainer(v.value("trainer"), e, d.params)
		e.Constraints = d.constraints(v.value("constraints"), d.params)
		e.Initial = d.initial(v.value("initial"), e, d.params)
	}
	d.feasible(v.value("constraints"), e)
	e.Sinks = d.sinks(v.sub("sinks", sinks), e.Name)
	e.Notify = d.notify(v.sub("notify", notify))
	e.SaveEvery = d.saveEvery(v.value("save"), e.Trainer)
	e.Policy = d.policy(v, e.Population)
	e.Segment = d.segment(v, e)
	return e
}

func (d *decoder) budget(v fieldsView) pbt.Budget {
	b := pbt.Budget{Steps: v.whole("steps"), Total: v.whole("total_steps"), Wall: v.duration("wall"), Patience: v.whole("patience")}
	if n := v.value("target"); n != nil {
		x, _ := n.float()
		score := pbt.Score(x)
		b.Target = &score
	}
	return b
}

// readyPoints is how many ready points a run has where the file does not say how
// long a segment is.
const readyPoints = 20

func (d *decoder) segment(v fieldsView, e *Experiment) int64 {
	if v.given("segment") {
		return v.sub("segment", segment).whole("steps")
	}
	each := e.Budget.Steps
	if share := e.Budget.Total / int64(max(1, e.Population)); each == 0 || share > 0 && share < each {
		each = share
	}
	if each == 0 && e.Budget.Total == 0 && len(d.list) == 0 {
		d.addStrict(v.n.at, "", `"segment" is missing; without a budget in steps there is no default, want a mapping such as segment: {steps: 200}`)
	}
	return max(1, each/readyPoints)
}

func (d *decoder) keep(v fieldsView) machine.Keep {
	k := machine.Keep{Best: int(v.whole("best")), Lineage: v.flag("lineage"), Everything: v.flag("everything")}
	k.Bytes, _ = parseSize(v.text("bytes")) // 0 for none
	return k
}

// saveEvery decodes when to save. A process that ends with its segment cannot
// put that off.
func (d *decoder) saveEvery(n *node, t Trainer) int {
	every := 1
	switch {
	case n == nil:
	case n.kind == mapKind:
		every = int(d.view(save.fields, n).whole("every"))
	case n.text == "lazy":
		every = lazily
	}
	if every > 1 && t.IsTemplate() {
		d.addStrict(n.at, "save", "a command with placeholders runs once per segment and saves each time; want save: each, or a program that stays alive")
	}
	return every
}
