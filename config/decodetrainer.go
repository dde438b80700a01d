package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// trainer decodes the trainer and checks what its command asks for.
func (d *decoder) trainer(n *node, e *Experiment, params *parameters) Trainer {
	if n == nil {
		return Trainer{}
	}
	which, chosen := trainer.pick(n)
	v := d.view(which.extras, n)
	t := Trainer{Slots: 1}
	if v.given("slots") {
		t.Slots = int(v.whole("slots"))
	}
	if which.key == "builtin" {
		t.Builtin = chosen.text
		if d.knowBuiltins && !slices.Contains(d.builtins, t.Builtin) {
			message := "this program has none built in"
			if len(d.builtins) > 0 {
				message = instead(t.Builtin, d.builtins)
			}
			d.addStrict(chosen.at, "trainer.builtin", "unknown trainer %s; %s", quote(t.Builtin), message)
		}
		return t
	}
	faults := len(d.list)
	t.Command = d.command(chosen, params)
	if faults == len(d.list) {
		d.kindOfCommand(&t, chosen, v)
	}
	t.Workdir = d.workdir(v.text("workdir"))
	if t.IsTemplate() {
		t.Score = d.score(v.value("score"), e.Metric)
	}
	for _, p := range v.value("env").pairs {
		if t.Env == nil {
			t.Env = map[string]string{}
		}
		t.Env[p.key] = p.value.text
	}
	t.CPUsPerSlot, t.Pin = int(v.whole("cpus_per_slot")), v.flag("pin")
	t.Memory, _ = parseSize(v.text("memory")) // 0 for none
	t.StartTimeout, t.StepTimeout, t.SaveTimeout = v.duration("start_timeout"), v.duration("step_timeout"), v.duration("save_timeout")
	t.Silence, t.Grace = v.duration("silence"), v.duration("grace")
	d.gpus(&t, v)
	return t
}

// kindOfCommand checks what only one of a template and a client may do. An older
// pbt knew templates only and minded neither fault: its journals stay readable.
func (d *decoder) kindOfCommand(t *Trainer, command *node, v fieldsView) {
	old := func(n *node) bool { return d.stored && (n.at.src == nil || !n.at.src.assigned) }
	if t.IsTemplate() {
		if !t.saves() && !old(command) {
			d.addStrict(command.at, "trainer.command", "a command with placeholders runs once per segment and must save: add {save}; a program that speaks pbt's protocol takes no placeholders")
		}
		return
	}
	if given := v.n.get("score"); given != nil && !old(given) {
		d.addStrict(given.at, "trainer.score", "a command without placeholders speaks pbt's protocol and reports its score itself; remove score, or give the command placeholders such as {save}")
	}
}

func (d *decoder) score(n *node, metric string) Score {
	if n == nil {
		return Score{JSON: metric}
	}
	place, at := score.pick(n)
	switch place.key {
	case "regex":
		re, err := regexp.Compile(at.text)
		switch {
		case err != nil:
			d.addStrict(at.at, "trainer.score.regex", "%v", err)
		case re.NumSubexp() != 1:
			d.addStrict(at.at, "trainer.score.regex", "has %d groups; want one, in parentheses around the number; (?:…) groups without counting", re.NumSubexp())
		}
		return Score{Regex: at.text}
	case "file":
		return Score{File: at.text}
	case "csv":
		c := d.view(csvScore.fields, at)
		return Score{CSV: CSVScore{File: c.text("file"), Column: c.text("column")}}
	}
	return Score{JSON: at.text}
}

// workdir is the directory a command runs in.
func (d *decoder) workdir(written string) string {
	if d.dir == "" || filepath.IsAbs(written) {
		return written
	}
	return filepath.Join(d.dir, written)
}

// command decodes a command and checks its placeholders.
func (d *decoder) command(n *node, params *parameters) []string {
	const path = "trainer.command"
	var words []string
	var places []position
	if n.kind == listKind {
		for _, item := range n.items {
			words, places = append(words, item.text), append(places, item.at)
		}
	} else {
		split, err := SplitCommand(n.text)
		if err != nil {
			d.addStrict(n.at, path, "%v", err)
		}
		words = split
		for range words {
			places = append(places, n.at)
		}
	}
	if len(words) > 0 && words[0] == "" {
		d.addStrict(places[0], path, "the program's name is empty")
	}
	if len(words) > MaxArguments {
		d.addStrict(n.at, path, "has %d words; want at most %d", len(words), MaxArguments)
		return nil
	}
	for i, word := range words {
		if strings.ContainsRune(word, 0) {
			d.addStrict(places[i], path, "%s holds a zero byte", quote(word))
			continue
		}
		parts, err := ParseArgument(word)
		if err != nil {
			d.addStrict(places[i], path, "%s: %v", quote(word), err)
		}
		for _, part := range parts {
			if part.Name != "" {
				d.placeholder(part, places[i], path, params)
			}
		}
	}
	return words
}

// placeholder checks that one stands for something that is always there.
func (d *decoder) placeholder(part Part, at position, path string, params *parameters) {
	own := slices.Contains(Placeholders, part.Name)
	declared := params.byName[part.Name]
	switch {
	case own && declared != nil:
		d.addStrict(at, path, "{%s} may be the hyperparameter or pbt's own; give the hyperparameter another name", part.Name)
	case own:
	case declared == nil:
		allowed := append(params.names(), Placeholders...)
		message := "want a hyperparameter or one of " + choices(Placeholders)
		if near := nearest(part.Name, allowed); near != "" {
			message = fmt.Sprintf("did you mean {%s}?", near)
		}
		d.addStrict(at, path, "unknown placeholder {%s}; %s (a brace itself is written twice: {{)", part.Name, message)
	case declared.param.When != nil && !part.Optional:
		d.addStrict(at, path, "{%s} does not always exist, see its when; {%s?--%s} stands for the flag and the value, or for nothing", part.Name, part.Name, part.Name)
	}
}
