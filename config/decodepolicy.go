package config

import (
	"fmt"

	"github.com/seed-7a1a2db0/pbt"
)

func (d *decoder) policy(v fieldsView, population int) pbt.Policy {
	p := pbt.Policy{
		Exploit:       d.exploit(v.value("exploit")),
		Explore:       d.explore(v.value("explore"), "explore"),
		Margin:        v.number("margin"),
		ExploreAlways: v.flag("explore_always"),
	}
	r := v.sub("ready", ready)
	p.Ready = pbt.Every{BurnIn: r.whole("burn_in"), AfterCopy: r.whole("after_copy")}
	for _, i := range []pbt.Inherit{pbt.InheritBoth, pbt.InheritWeights, pbt.InheritHypers} {
		if v.text("inherit") == i.String() {
			p.Inherit = i
		}
	}
	for _, r := range []pbt.Repair{pbt.RepairCopy, pbt.RepairRestart, pbt.RepairNone} {
		if v.text("repair") == r.String() {
			p.Repair = r
		}
	}
	with := v.sub("peers", peers)
	if n := with.value("within"); n != nil && n.kind == numberKind {
		p.Window = n.int()
	}
	p.MinScored = max(1, (population+1)/2)
	if with.given("min_scored") {
		p.MinScored = int(with.whole("min_scored"))
		if n := with.value("min_scored"); n != nil && p.MinScored > population && population > 0 {
			d.addStrict(n.at, "peers.min_scored", "found %d; want at most the population, %d, or nobody ever copies", p.MinScored, population)
		}
	}
	if n := v.value("barrier"); n != nil && (n.kind == mapKind || v.flag("barrier")) {
		b := d.view(barrier.fields, n)
		p.Barrier = &pbt.Barrier{Quorum: b.number("quorum"), Deadline: b.duration("deadline")}
	}
	return p
}

func (d *decoder) exploit(n *node) pbt.Exploit {
	switch rule, settings := exploit.settle(n); rule {
	case "truncation":
		x, _ := settings.float()
		return pbt.Truncation{Fraction: x}
	case "ttest":
		return pbt.TTest{Alpha: d.view(ttest.fields, settings).number("alpha")}
	case "founders":
		f := d.view(founders.fields, settings)
		return pbt.Founders{From: f.number("from"), Slope: f.number("slope"), Keep: f.number("keep"), Pool: f.number("pool"), Probe: f.number("probe")}
	case "tournament":
		return pbt.Tournament{}
	case "none":
		return pbt.NoExploit{}
	}
	return nil
}

func (d *decoder) explore(n *node, path string) pbt.Explore {
	if n != nil && n.kind == listKind {
		stages := make(pbt.Pipeline, len(n.items))
		for i, item := range n.items {
			stages[i] = d.explore(item, fmt.Sprintf("%s[%d]", path, i))
		}
		if len(stages) == 1 {
			return stages[0]
		}
		for i, rule := range stages {
			if f, ok := rule.(pbt.Follow); ok && !f.AtReady {
				d.addStrict(n.items[i].at, fmt.Sprintf("%s[%d]", path, i), "a schedule that is followed at every step stands beside rules that change values at ready points; follow it alone, or write follow: {stages: […], begin: ready}")
			}
		}
		return stages
	}
	switch rule, settings := explorer.settle(n); rule {
	case "perturb":
		return d.perturb(settings, join(path, rule))
	case "resample":
		x, _ := settings.float()
		return pbt.Resample{P: x}
	case "noise":
		x, _ := settings.float()
		return pbt.AddNoise{Sigma: x}
	case "follow":
		return d.follow(settings, join(path, rule))
	case "none":
		return pbt.NoExplore{}
	}
	return nil
}

// follow decodes a schedule. Its stages are checked against the space.
func (d *decoder) follow(n *node, path string) pbt.Explore {
	var out pbt.Follow
	if d.params == nil || d.params.space == nil {
		return out
	}
	list := n
	if n.kind == mapKind {
		v := d.view(follow.fields, n)
		if list = v.value("stages"); list == nil {
			return out
		}
		path, out.AtReady = join(path, "stages"), v.text("begin") == "ready"
	} else {
		out.AtReady = d.stored && (n.at.src == nil || !n.at.src.assigned) // by a pbt that knew no other
	}
	for i, item := range list.items {
		v := d.view(stage.fields, item)
		at := fmt.Sprintf("%s[%d]", path, i)
		from := v.whole("from")
		if last := len(out.Stages) - 1; last < 0 && from != 0 {
			d.addStrict(item.at, at, "the first stage begins at step %d; want 0", from)
		} else if last >= 0 && from <= out.Stages[last].From {
			d.addStrict(item.at, at, "begins at step %d; want one after step %d, where the stage before it begins", from, out.Stages[last].From)
		}
		values := v.value("hypers")
		if values == nil {
			continue
		}
		h, ok := d.point(values, join(at, "hypers"), d.params)
		if ok {
			h, ok = d.ordered(h, values.at, at)
		}
		if ok {
			out.Stages = append(out.Stages, pbt.Stage{From: from, Hypers: h})
		}
	}
	return out
}

// ordered puts a stage's values in the space's order and checks that none is
// missing and none too many.
func (d *decoder) ordered(h pbt.Hypers, at position, path string) (pbt.Hypers, bool) {
	var pairs []any
	for _, p := range d.params.space.Params() {
		if v, ok := h.Get(p.Name); ok {
			pairs = append(pairs, p.Name, v)
		}
	}
	h = pbt.MakeHypers(pairs...)
	if err := d.params.space.Check(h); err != nil {
		d.addStrict(at, path, "%v", err)
		return h, false
	}
	return h, true
}

func (d *decoder) perturb(n *node, path string) pbt.Explore {
	v := d.view(perturb.fields, n)
	list := n
	if n.kind == mapKind {
		list = v.value("factors")
	}
	out := pbt.Perturb{Resample: v.number("resample")}
	if out.Resample == 0 {
		out.Resample = -1 // to the library, 0 is its default
	}
	for _, item := range list.items {
		x, _ := item.float()
		if x == 1 {
			d.addStrict(item.at, path, "found the factor %s, which changes nothing; want factors such as 0.8 and 1.2", item.text)
		}
		out.Factors = append(out.Factors, x)
	}
	return out
}
