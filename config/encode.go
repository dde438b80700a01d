package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
)

// MarshalJSON returns the experiment as canonical JSON on one line: itself an
// experiment file, in the long form of every setting, with no default left out.
// Equal experiments have equal JSON.
func (e Experiment) MarshalJSON() ([]byte, error) {
	n, err := e.encode()
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, n), nil
}

// YAML returns the same as an experiment file for people: a key a line.
func (e Experiment) YAML() ([]byte, error) {
	n, err := e.encode()
	if err != nil {
		return nil, err
	}
	return appendYAML(nil, n), nil
}

// appendYAML appends a document as a file: a key a line.
func appendYAML(b []byte, n *node) []byte {
	for _, p := range n.pairs {
		b = append(appendFlow(b, textNode(p.key)), ':')
		if lines := p.value.pairs; (p.key == "hyperparameters" || p.key == "trainer") && len(lines) > 0 {
			for _, line := range lines {
				b = append(appendFlow(append(b, "\n  "...), textNode(line.key)), ": "...)
				b = appendFlow(b, line.value)
			}
		} else {
			b = appendFlow(append(b, ' '), p.value)
		}
		b = append(b, '\n')
	}
	return b
}

var (
	plainPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./]*$`)
	oldBooleans  = regexp.MustCompile(`^(?i:y|n|yes|no|on|off)$`) // of YAML 1.1
)

// isPlain tells whether a text surely needs no quotes, whoever reads it.
func isPlain(s string) bool {
	if durationWhole.MatchString(s) || sizeWhole.MatchString(s) {
		return true
	}
	k, _, err := resolve(s)
	return plainPattern.MatchString(s) && !oldBooleans.MatchString(s) && k == textKind && err == nil
}

// appendFlow appends a node in YAML's flow style, with quotes only where needed.
func appendFlow(b []byte, n *node) []byte {
	switch n.kind {
	case textKind:
		if isPlain(n.text) {
			return append(b, n.text...)
		}
		return appendText(b, n.text)
	case listKind:
		b = append(b, '[')
		for i, item := range n.items {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendFlow(b, item)
		}
		return append(b, ']')
	case mapKind:
		b = append(b, '{')
		for i, p := range n.pairs {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = append(appendFlow(b, textNode(p.key)), ": "...)
			b = appendFlow(b, p.value)
		}
		return append(b, '}')
	}
	return appendJSON(b, n)
}

// encode is the way back from an experiment to a document, in the file's order.
func (e Experiment) encode() (*node, error) {
	exploit, err := encodeExploit(e.Policy.Exploit)
	if err != nil {
		return nil, err
	}
	explore, err := encodeExplore(e.Policy.Explore)
	if err != nil {
		return nil, err
	}
	every, ok := e.Policy.Ready.(pbt.Every)
	if !ok {
		return nil, fmt.Errorf("the rule of readiness %T has no form in an experiment file", e.Policy.Ready)
	}
	hyperparameters := mapNode()
	for i := range e.Hyperparameters {
		p := &e.Hyperparameters[i]
		hyperparameters.pairs = append(hyperparameters.pairs, pair{key: p.Name, value: encodeParam(p)})
	}
	initial := make([]*node, len(e.Initial))
	for i, h := range e.Initial {
		initial[i] = encodePoint(h)
	}
	within := textNode("all")
	if e.Policy.Window > 0 {
		within = wholeNode(e.Policy.Window)
	}
	var constraints *node // left out where there are none, as in experiments that are older
	if len(e.Constraints) > 0 {
		constraints = textsNode(e.Constraints)
	}
	return mapNode(
		"name", e.Name,
		"seed", wholeNode(e.Seed),
		"population", wholeNode(e.Population),
		"metric", mapNode("name", e.Metric, "goal", e.Goal.String()),
		"segment", mapNode("steps", wholeNode(e.Segment)),
		"budget", encodeBudget(e.Budget),
		"hyperparameters", hyperparameters,
		"constraints", constraints,
		"initial", listNode(initial...),
		"ready", mapNode("burn_in", wholeNode(every.BurnIn), "after_copy", wholeNode(every.AfterCopy)),
		"exploit", exploit,
		"explore", explore,
		"inherit", e.Policy.Inherit.String(),
		"margin", floatNode(e.Policy.Margin),
		"peers", mapNode("within", within, "min_scored", wholeNode(e.Policy.MinScored)),
		"explore_always", boolNode(e.Policy.ExploreAlways),
		"repair", e.Policy.Repair.String(),
		"barrier", encodeBarrier(e.Policy.Barrier),
		"retries", wholeNode(e.Retries),
		"timeout", orNone(formatDuration(e.Timeout)),
		"failures_in_a_row", wholeNode(e.FailureLimit),
		"on_fault", string(e.OnFault),
		"keep", mapNode("best", wholeNode(e.Keep.Best), "lineage", boolNode(e.Keep.Lineage),
			"everything", boolNode(e.Keep.Everything), "bytes", encodeSize(e.Keep.Bytes)),
		"save", encodeSave(e.SaveEvery),
		"trainer", encodeTrainer(e.Trainer),
		"sinks", encodeSinks(e.Sinks),
		"notify", encodeNotify(e.Notify),
	), nil
}

func encodePoint(h pbt.Hypers) *node {
	n := mapNode()
	for name, v := range h.All() {
		n.pairs = append(n.pairs, pair{key: name, value: encodeValue(v)})
	}
	return n
}

func orNone(s string) *node {
	if s == "" {
		return textNode("none")
	}
	return textNode(s)
}

func encodeSize(bytes int64) *node {
	if bytes == 0 {
		return textNode("none")
	}
	return textNode(formatSize(bytes))
}

func encodeBudget(b pbt.Budget) *node {
	n := mapNode()
	if b.Steps > 0 {
		n.pairs = append(n.pairs, pair{key: "steps", value: wholeNode(b.Steps)})
	}
	if b.Total > 0 {
		n.pairs = append(n.pairs, pair{key: "total_steps", value: wholeNode(b.Total)})
	}
	if b.Wall > 0 {
		n.pairs = append(n.pairs, pair{key: "wall", value: textNode(formatDuration(b.Wall))})
	}
	if b.Patience > 0 {
		n.pairs = append(n.pairs, pair{key: "patience", value: wholeNode(b.Patience)})
	}
	if b.Target != nil {
		n.pairs = append(n.pairs, pair{key: "target", value: floatNode(float64(*b.Target))})
	}
	return n
}

func encodeBarrier(b *pbt.Barrier) *node {
	if b == nil {
		return boolNode(false)
	}
	return mapNode("quorum", floatNode(b.Quorum), "deadline", orNone(formatDuration(b.Deadline)))
}

func encodeExploit(rule pbt.Exploit) (*node, error) {
	switch r := rule.(type) {
	case pbt.Truncation:
		return mapNode("truncation", floatNode(r.Fraction)), nil
	case pbt.TTest:
		return mapNode("ttest", mapNode("alpha", floatNode(r.Alpha))), nil
	case pbt.Founders:
		return mapNode("founders", mapNode("from", floatNode(r.From), "slope", floatNode(r.Slope), "keep", floatNode(r.Keep),
			"pool", floatNode(r.Pool), "probe", floatNode(r.Probe))), nil
	case pbt.Tournament, pbt.NoExploit:
		return textNode(r.Name()), nil
	}
	return nil, fmt.Errorf("the exploit rule %T has no form in an experiment file", rule)
}

func encodeExplore(rule pbt.Explore) (*node, error) {
	switch r := rule.(type) {
	case pbt.Perturb:
		factors := make([]*node, len(r.Factors))
		for i, f := range r.Factors {
			factors[i] = floatNode(f)
		}
		return mapNode("perturb", mapNode("factors", listNode(factors...), "resample", floatNode(max(0, r.Resample)))), nil
	case pbt.Resample:
		return mapNode("resample", floatNode(r.P)), nil
	case pbt.AddNoise:
		return mapNode("noise", floatNode(r.Sigma)), nil
	case pbt.Follow:
		stages := make([]*node, len(r.Stages))
		for i, s := range r.Stages {
			stages[i] = mapNode("from", wholeNode(s.From), "hypers", encodePoint(s.Hypers))
		}
		begin := "exactly"
		if r.AtReady {
			begin = "ready"
		}
		return mapNode("follow", mapNode("stages", listNode(stages...), "begin", begin)), nil
	case pbt.NoExplore:
		return textNode(r.Name()), nil
	case pbt.Pipeline:
		stages := make([]*node, len(r))
		for i := range r {
			var err error
			if stages[i], err = encodeExplore(r[i]); err != nil {
				return nil, err
			}
		}
		return listNode(stages...), nil
	}
	return nil, fmt.Errorf("the explore rule %T has no form in an experiment file", rule)
}

func encodeValue(v pbt.Value) *node {
	switch v.Kind() {
	case pbt.KindText:
		s, _ := v.Text()
		return textNode(s)
	case pbt.KindBool:
		b, _ := v.Truth()
		return boolNode(b)
	}
	return numberNode(string(v.AppendJSON(nil)))
}

func encodeValues(values []pbt.Value) *node {
	items := make([]*node, len(values))
	for i, v := range values {
		items[i] = encodeValue(v)
	}
	return listNode(items...)
}

func encodeParam(p *pbt.Param) *node {
	kindName, zero := kindOfParam(p), (*node)(nil)
	var values, bounds, when, explore, inherit *node
	switch p.Type {
	case pbt.FloatParam, pbt.IntParam:
		values, bounds = encodeRange(p.Type, p.Init), encodeRange(p.Type, p.Bounds)
		if p.Scale == pbt.Linear {
			zero = textNode("leaves")
			if p.StickyZero {
				zero = textNode("absorbing")
			}
		}
	case pbt.ConstantParam:
		values = encodeValue(p.Values[0])
	default:
		values = encodeValues(p.Values)
	}
	if p.Type != pbt.ConstantParam {
		explore, inherit = boolNode(!p.Fixed), boolNode(!p.Keep)
	}
	if p.When != nil {
		when = mapNode(p.When.Param, encodeValues(p.When.Values))
	}
	return mapNode(kindName, values, "bounds", bounds, "zero", zero, "explore", explore, "inherit", inherit, "when", when)
}

func encodeRange(t pbt.ParamType, r pbt.Range) *node {
	if t == pbt.IntParam {
		return listNode(wholeNode(int64(r.Lo)), wholeNode(int64(r.Hi)))
	}
	return listNode(floatNode(r.Lo), floatNode(r.Hi))
}

// kindOfParam is the key that declares it.
func kindOfParam(p *pbt.Param) string {
	switch p.Type {
	case pbt.FloatParam:
		return [...]string{pbt.Linear: "uniform", pbt.Log: "log", pbt.NearOne: "near_one"}[p.Scale]
	case pbt.IntParam:
		return [...]string{pbt.Linear: "int", pbt.Log: "log_int", pbt.NearOne: "int"}[p.Scale]
	case pbt.OrderedParam:
		return "ordered"
	case pbt.ChoiceParam:
		return "choice"
	}
	return "constant"
}

func encodeSave(every int) *node {
	if every > 1 {
		return mapNode("every", wholeNode(every))
	}
	return textNode("each")
}

func encodeTrainer(t Trainer) *node {
	slots := wholeNode(t.Slots)
	if len(t.Command) == 0 {
		return mapNode("builtin", t.Builtin, "slots", slots)
	}
	env := mapNode()
	for _, name := range slices.Sorted(maps.Keys(t.Env)) {
		env.pairs = append(env.pairs, pair{key: name, value: textNode(t.Env[name])})
	}
	return mapNode("command", textsNode(t.Command), "slots", slots,
		"gpus", encodeGPUs(t), "gpus_per_slot", floatNode(t.GPUsPerSlot), "cpus_per_slot", wholeNode(t.CPUsPerSlot),
		"pin", boolNode(t.Pin), "memory", encodeSize(t.Memory),
		"start_timeout", formatDuration(t.StartTimeout), "step_timeout", orNone(formatDuration(t.StepTimeout)),
		"save_timeout", orNone(formatDuration(t.SaveTimeout)), "silence", orNone(formatDuration(t.Silence)), "grace", formatDuration(t.Grace),
		"score", encodeScore(t), "env", env, "workdir", t.Workdir)
}

// encodeScore is where a template's score is found; a client has no such key.
func encodeScore(t Trainer) *node {
	s := t.Score
	switch {
	case !t.IsTemplate():
		return nil
	case s.Regex != "":
		return mapNode("regex", s.Regex)
	case s.File != "":
		return mapNode("file", s.File)
	case s.CSV.File != "":
		return mapNode("csv", mapNode("file", s.CSV.File, "column", s.CSV.Column))
	}
	return mapNode("json", s.JSON)
}
