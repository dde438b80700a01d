package config

import (
	"path/filepath"
	"regexp"
)

// Sinks are the tools that a run is shown in besides its own: nil for none.
type Sinks struct {
	TensorBoard *TensorBoard
	MLflow      *MLflow
	WandB       *WandB
}

// TensorBoard writes event files.
type TensorBoard struct {
	Dir string // "": within the run's directory
}

// MLflow sends to a tracking server.
type MLflow struct {
	URI        string // "": what MLFLOW_TRACKING_URI says
	Experiment string
}

// WandB logs through the user's own wandb package.
type WandB struct {
	Project string
	Mode    string // "offline" or "online"
	Python  string // the interpreter that has the package
}

// Notify says whom to tell of what. Without a webhook and a command, nobody.
type Notify struct {
	Webhook string   // a URL, or $NAME: what that environment variable holds
	Command []string // a program and its arguments; no shell reads them
	On      []string // of NotifyKinds
}

// NotifyKinds are the occasions to tell somebody.
var NotifyKinds = []string{"finish", "pause", "best", "trouble"}

// An address holds no password: the experiment file is recorded, and shown.
var (
	webPattern     = regexp.MustCompile(`^https?://[^\s/@?#]+(/[^\s]*)?$`)
	webhookPattern = regexp.MustCompile(`^(https?://[^\s/@?#]+(/[^\s]*)?|\$[A-Za-z_][A-Za-z0-9_]*)$`)
)

var sinks = record{fields: []field{
	{key: "tensorboard", shape: tensorBoard, unset: "not written", example: "{}", resume: true,
		doc: "Write TensorBoard event files: a run for each member, and one for the ancestry of the best weights."},
	{key: "mlflow", shape: mlflow, unset: "not sent", example: "{uri: http://127.0.0.1:5000}", resume: true,
		doc: "Send to an MLflow tracking server: a run with a child for each member. User names and passwords come from MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN."},
	{key: "wandb", shape: wandb, unset: "not logged", example: "{project: digits}", resume: true,
		doc: "Log to Weights & Biases, through the wandb package of a Python: a group with a run for each member. The key comes from WANDB_API_KEY, or from `wandb login`."},
}}

var tensorBoard = record{fields: []field{
	{key: "dir", shape: freeText, unset: "tensorboard/ in the run's directory", example: "logs",
		doc: "The directory to write to, in a folder named after the run's directory. A relative path starts at the experiment file."},
}}

var mlflow = record{fields: []field{
	{key: "uri", shape: text{max: MaxText, pattern: webPattern, form: "an address such as http://127.0.0.1:5000, without a password"},
		unset: "what MLFLOW_TRACKING_URI says when the run starts", example: "http://127.0.0.1:5000", doc: "The address of the tracking server."},
	{key: "experiment", shape: text{max: 200}, unset: "the run's name", example: "digits", doc: "The MLflow experiment for the runs. pbt creates it if it does not exist."},
}}

var wandb = record{fields: []field{
	{key: "project", shape: text{max: 128}, unset: "the run's name", example: "digits", doc: "The W&B project."},
	{key: "mode", shape: words{"offline", "online"}, def: `"offline"`, example: "online",
		doc: "`offline` writes files in the run's directory, for `wandb sync`; `online` sends."},
	{key: "python", shape: freeText, def: `"python3"`, example: ".venv/bin/python", doc: "A Python that has wandb installed. A path with a slash starts at the experiment file."},
}}

var notify = record{fields: []field{
	{key: "webhook", shape: text{max: MaxText, pattern: webhookPattern, form: "an address such as https://example.org/hook, or $NAME"},
		unset: "none", example: "$PBT_WEBHOOK", doc: "Send a JSON object to this address by POST. `$NAME` reads the address from the environment, so that a secret address is not recorded."},
	{key: "command", shape: list{of: scalar{maxText: MaxText}, least: 1, most: MaxArguments, name: "a list of words"},
		unset: "none", example: "[./tell.sh]", doc: "Run a program with the details in its environment (PBT_EVENT, PBT_MESSAGE, …) and as JSON on its standard input. It runs in the directory where pbt was started, without a shell."},
	{key: "on", shape: list{of: words(NotifyKinds), least: 1, most: len(NotifyKinds), unique: true, name: "a list of occasions"},
		def: `["finish", "pause", "trouble"]`, example: "[finish, pause, best, trouble]",
		doc: "The occasions: `finish` (the run has ended), `pause` (the run is paused by a fault or a user), `best` (a new best score, at most one a minute), `trouble` (failures in a row, a full disk)."},
}}

func (d *decoder) sinks(v fieldsView, name string) (s Sinks) {
	if v.value("tensorboard") != nil {
		s.TensorBoard = &TensorBoard{Dir: d.homeOf(v.sub("tensorboard", tensorBoard).text("dir"))}
	}
	if v.value("mlflow") != nil {
		m := v.sub("mlflow", mlflow)
		s.MLflow = &MLflow{URI: m.text("uri"), Experiment: orElse(m.text("experiment"), name)}
	}
	if v.value("wandb") != nil {
		w := v.sub("wandb", wandb)
		s.WandB = &WandB{Project: orElse(w.text("project"), name), Mode: w.text("mode"), Python: w.text("python")}
		if filepath.Base(s.WandB.Python) != s.WandB.Python {
			s.WandB.Python = d.homeOf(s.WandB.Python)
		}
	}
	return s
}

// homeOf is a directory or file of the user's, "" if none is named.
func (d *decoder) homeOf(written string) string {
	if written == "" {
		return ""
	}
	return d.workdir(written)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (d *decoder) notify(v fieldsView) Notify {
	n := Notify{Webhook: v.text("webhook"), On: v.texts("on")}
	if command := v.value("command"); command != nil {
		n.Command = v.texts("command")
		if n.Command[0] == "" {
			d.addStrict(command.at, "notify.command", "the program's name is empty")
		}
	}
	return n
}

// texts are a list's words; nil if there is no list.
func (v fieldsView) texts(key string) (out []string) {
	if n := v.value(key); n != nil {
		for _, item := range n.items {
			out = append(out, item.text)
		}
	}
	return out
}

func encodeSinks(s Sinks) *node {
	n := mapNode()
	add := func(key string, value *node) { n.pairs = append(n.pairs, pair{key: key, value: value}) }
	if t := s.TensorBoard; t != nil {
		add("tensorboard", mapNode("dir", textOrNil(t.Dir)))
	}
	if m := s.MLflow; m != nil {
		add("mlflow", mapNode("uri", textOrNil(m.URI), "experiment", m.Experiment))
	}
	if w := s.WandB; w != nil {
		add("wandb", mapNode("project", w.Project, "mode", w.Mode, "python", w.Python))
	}
	return n.measure()
}

func encodeNotify(n Notify) *node {
	return mapNode("webhook", textOrNil(n.Webhook), "command", textsOrNil(n.Command), "on", textsOrNil(n.On))
}

// textsOrNil leaves an empty list out.
func textsOrNil(texts []string) *node {
	if len(texts) == 0 {
		return nil
	}
	return textsNode(texts)
}

// textOrNil leaves an empty text out.
func textOrNil(s string) *node {
	if s == "" {
		return nil
	}
	return textNode(s)
}
