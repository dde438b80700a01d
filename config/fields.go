package config

import (
	"math"
	"regexp"
	"slices"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Limits of single settings.
const (
	MaxSlots     = 4096
	MaxGPUs      = 64     // of one machine; so many slots may share one
	MaxCPUs      = 1024   // of one slot
	MaxArguments = 1_000  // words of a command
	MaxText      = 10_000 // characters of an argument, a regular expression or a directory
)

var (
	namePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	metricPattern = regexp.MustCompile(`^[^\s"{}]+$`)
	envPattern    = regexp.MustCompile(`^[^=\s]{1,200}$`)
	gpuPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]*$`)
	fileName      = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)
)

var (
	steps    = whole{1, maxWhole}
	counting = whole{0, maxWhole}
	freeText = text{max: MaxText}
	aFile    = text{max: 100, pattern: fileName, form: "a file's name without a directory"}
)

// experiment is the whole file: the one table that the parser, the schema and the
// reference are made from. The order is the file's own.
var experiment = record{fields: []field{
	{key: "name", example: "digits",
		doc:   "The run's name. pbt names the run's directory after it.",
		shape: text{max: 64, pattern: namePattern, form: "a name of letters, digits, dots, dashes and underscores"},
		unset: "the file's own name, without directory and ending"},
	{key: "seed", shape: whole{0, math.MaxUint64}, def: "1", example: "7",
		doc: "The seed of all random numbers of the run. Two runs with the same seed draw the same numbers. `--seed` overrides it."},
	{key: "population", shape: whole{1, machine.MaxPopulation}, def: "20", example: "16",
		doc: "The number of members that train in parallel. In the paper's study of population sizes, 10 is too few and results improve steadily from 20 on."},
	{key: "metric", shape: metric, def: `{"goal": "maximize"}`, example: "{name: accuracy, goal: maximize}",
		doc: "The score that compares members, and its direction."},
	{key: "segment", shape: segment, example: "{steps: 200}",
		doc:   "The training between two ready points, at which a member may copy a better one. Choose it long enough for a better setting to change the score, and short enough for twenty or more segments in a run.",
		unset: "a twentieth of budget.steps, or of total_steps for each member"},
	{key: "budget", shape: budget, required: true, example: "{steps: 4000}", resume: true,
		doc: "The limits of the run. The run ends at the first limit that it reaches. At least one is required."},
	{key: "hyperparameters", shape: space{}, required: true, example: "{lr: {log: [1e-5, 1e-1]}}",
		doc: "The hyperparameters, each with its kind and range. This declaration alone defines types and bounds. Groups may nest names: `optimizer: {lr: …}` declares `optimizer.lr`."},
	{key: "constraints", shape: list{of: text{max: maxConstraint}, least: 0, most: pbt.MaxConstraints, name: "a list of conditions"}, def: "[]", example: `["dropout >= 0.1 or lr < 0.01"]`,
		doc: "Conditions between hyperparameters, in the language of expr-lang.org: numbers, texts, `+ - * / % **`, comparisons, `and`, `or`, `not`, `in`, `? :`, and the functions abs, ceil, floor, round, min, max. `$env[\"name\"]` refers to a name that is not an identifier. All values that pbt draws, explores, copies or sets satisfy the conditions. A condition that names a hyperparameter which does not exist at the time counts as satisfied. If the donor's values conflict with those that the copy keeps (`inherit: false`), the copy takes all values of the donor."},
	{key: "initial", shape: list{of: point{}, least: 0, most: machine.MaxPopulation, name: "a list of mappings of hyperparameters to values"}, def: "[]", example: "[{lr: 1e-3, dropout: 0.1}]",
		doc: "Hyperparameters of the initial members: the first mapping for member 0, and so on. pbt draws the hyperparameters that a mapping omits."},
	{key: "ready", shape: ready, def: "{}", example: "{burn_in: 1000, after_copy: 400}", resume: true,
		doc: "Further conditions for a copy, after a finished segment."},
	{key: "exploit", shape: either{words(exploitWords), exploit}, def: `{"truncation": 0.2}`, example: "{ttest: {alpha: 0.05}}", resume: true,
		doc: "The rule that decides at a ready point whether a member copies, and which donor. A bare word selects the rule with its default settings; `none` makes the run a random search."},
	{key: "explore", shape: either{words(exploreWords), explorer, list{of: either{words(stageWords), explorer}, least: 1, most: pbt.MaxStages, name: "a list of them, applied in turn"}},
		def: `{"perturb": {"factors": [0.8, 1.2], "resample": 0.25}}`, example: "[{resample: 0.25}, {perturb: [0.8, 1.2]}]", resume: true,
		doc: "The rule that changes hyperparameters after a copy: one rule, or a list of rules that are applied in order."},
	{key: "inherit", shape: words{"both", "weights", "hypers"}, def: `"both"`, example: "both", resume: true,
		doc: "The parts that a copy takes from the donor: weights and hyperparameters (the paper's rule), or one of them."},
	{key: "margin", shape: number{min: 0, max: math.Inf(1)}, def: "0", example: "0.01", resume: true,
		doc: "The minimum advantage of a donor, in units of the metric. A member copies a donor only if the donor's score is better by more than this."},
	{key: "peers", shape: peers, def: "{}", example: "{within: 400, min_scored: 8}", resume: true,
		doc: "The members that a member is compared with."},
	{key: "explore_always", shape: flag{}, def: "false", example: "false", resume: true,
		doc: "`true`: explore at every ready point, even without a copy. The paper explores only after a copy."},
	{key: "repair", shape: words{"copy", "restart", "none"}, def: `"copy"`, example: "copy", resume: true,
		doc: "The action for a member whose score is not finite, or whose segment failed with no retries left: `copy` a healthy member (restart if there is none), `restart` from fresh weights, or `none`."},
	{key: "barrier", shape: either{flag{}, barrier}, def: "false", example: "{quorum: 0.9, deadline: 10m}", resume: true,
		doc: "`true`: members wait for each other, and pbt decides a whole generation at once. Without a barrier, members do not wait, as in the paper."},
	{key: "retries", shape: whole{0, machine.MaxRetries}, def: "2", example: "2", resume: true,
		doc: "The number of times pbt retries a failed segment before it repairs the member. A failure counts once it is confirmed: the segment fails again in the same way, after the machine has finished another segment in between."},
	{key: "timeout", shape: duration("none"), def: `"none"`, example: "10m", resume: true,
		doc: "Time limit of a segment. A segment that exceeds it fails."},
	{key: "failures_in_a_row", shape: whole{1, 1_000_000}, def: "20", example: "20", resume: true,
		doc: "The number of failures in a row, with no finished segment between them, after which the run pauses."},
	{key: "on_fault", shape: words{string(machine.FaultPause), string(machine.FaultRetry)}, def: `"pause"`, example: "retry", resume: true,
		doc: "The action when the machine fails, not a member: a data set is not mounted, the disk is full, an interpreter is missing. `pause`: the run pauses and `pbt` exits. `retry`, for unattended runs: the run waits (1 s at first, up to 5 min), tries one segment, and continues when it finishes. Neither changes a decision or counts against `retries`."},
	{key: "keep", shape: keep, def: "{}", example: "{best: 3, lineage: true}", resume: true,
		doc: "Checkpoints to keep in addition to those that the run still needs."},
	{key: "save", shape: either{words{"each", "lazy"}, save}, def: `"each"`, example: "{every: 20}", resume: true,
		doc: "When members save. `each`: at every ready point. `lazy`: only when a decision may need the checkpoint: likely donors, every N-th ready point, a stop, the end. After a crash, pbt repeats the training since the member's last save. `lazy` requires a trainer that keeps running between segments. With a `barrier`, members save at every ready point in any case."},
	{key: "trainer", shape: trainer, required: true, example: "{command: [python, train.py], slots: 2}",
		doc: "The program that trains: a trainer that is built into pbt, or any command."},
	{key: "sinks", shape: sinks, def: "{}", example: "{tensorboard: {}, mlflow: {uri: http://127.0.0.1:5000}}", resume: true,
		doc: "Other systems that receive the run's data. Sinks read the journal and do not affect the run."},
	{key: "notify", shape: notify, def: "{}", example: "{webhook: $PBT_WEBHOOK, on: [finish, pause, trouble]}", resume: true,
		doc: "Notifications about events of the run."},
}}

var metric = record{fields: []field{
	{key: "name", def: `"score"`, example: "accuracy",
		shape: text{max: 100, pattern: metricPattern, form: `a name without blanks, braces and double quotes`},
		doc:   "The metric's name in tables, in charts, and in the JSON that a trainer command prints."},
	{key: "goal", shape: words{"maximize", "minimize"}, required: true, example: "minimize",
		doc: "Whether higher or lower scores are better. It has no default if `name` is given, so that a loss is not maximized by mistake."},
}}

var segment = record{fields: []field{
	{key: "steps", shape: steps, required: true, example: "200",
		doc: "Training steps, in the trainer's unit: batches, environment steps, epochs."},
}}

var budget = record{least: 1, fields: []field{
	{key: "steps", shape: steps, unset: "no limit", example: "4000", doc: "Steps that each member trains.", resume: true},
	{key: "total_steps", shape: steps, unset: "no limit", example: "64000", doc: "Steps of all members together.", resume: true},
	{key: "wall", shape: duration(""), unset: "no limit", example: "2h", doc: "Time that the run has been running, without stops and pauses.", resume: true},
	{key: "target", shape: anyNumber, unset: "no limit", example: "0.99", doc: "The run ends when a score reaches this value.", resume: true},
	{key: "patience", shape: steps, unset: "no limit", example: "40000", doc: "The run ends after this many steps of all members together without a new best score.", resume: true},
}}

var ready = record{fields: []field{
	{key: "burn_in", shape: counting, def: "0", example: "1000", doc: "Steps that a member must train before its first copy."},
	{key: "after_copy", shape: counting, def: "0", example: "400", doc: "Steps that a member must train after a copy before it may copy again."},
}}

var (
	exploitWords = []string{"truncation", "ttest", "tournament", "founders", "none"}
	exploreWords = []string{"perturb", "resample", "none"}
	stageWords   = []string{"perturb", "resample"}
)

var exploit = variants{what: "rules", words: []string{"tournament", "none"}, cases: []variant{
	{key: "truncation", doc: "A member in the bottom share of the population copies one drawn from the top share. The number is the share at either end.",
		shape: number{min: 0, minOpen: true, max: 0.5}, ex: "0.2", def: "0.2"},
	{key: "ttest", doc: "A member draws another member at random and copies it if Welch's t-test on their last samples shows that it is better.",
		shape: ttest, ex: "{alpha: 0.05}", def: "{}"},
	{key: "founders", doc: "Truncation selection that replaces initial members slowly and ranks them among themselves, so that the best member of the random search inside the run is kept. Needs `budget.steps` or `budget.total_steps`.",
		shape: founders, ex: "{from: 0.2, keep: 0.25}", def: "{}"},
}}

var founders = record{fields: []field{
	{key: "from", shape: number{min: 0, max: 1, maxOpen: true}, def: "0.2", example: "0.2", doc: "The first share of the budget, during which all initial members are kept."},
	{key: "slope", shape: number{min: 0, minOpen: true, max: math.Inf(1)}, def: "1", example: "1", doc: "The rate at which the kept share of the population then falls, per whole budget."},
	{key: "keep", shape: number{min: 0, minOpen: true, max: 1}, def: "0.25", example: "0.25", doc: "The share of the population whose initial members are kept to the end."},
	{key: "pool", shape: number{min: 0, minOpen: true, max: 0.5}, def: "0.4", example: "0.4", doc: "The share of the other members (the pool) that copies."},
	{key: "probe", shape: number{min: 0, max: 1}, def: "0.25", example: "0.25", doc: "The probability that a copy in the pool is a probe: an initial member's weights with the hyperparameters of a top member."},
}}

var ttest = record{fields: []field{
	{key: "alpha", shape: number{min: 0, minOpen: true, max: 0.5}, def: "0.05", example: "0.05", doc: "The one-sided level of the test. The paper does not state it."},
}}

var (
	factors     = list{of: number{min: 0, minOpen: true, max: math.Inf(1)}, least: 1, most: pbt.MaxFactors, name: "a list of factors above 0"}
	probability = number{min: 0, max: 1}
)

var perturb = record{fields: []field{
	{key: "factors", shape: factors, def: "[0.8, 1.2]", example: "[0.8, 1.2]", doc: "Each hyperparameter is multiplied by one of these factors, drawn uniformly. 1 is not allowed."},
	{key: "resample", shape: probability, def: "0.25", example: "0.25", doc: "The probability that a `choice`, which has no neighbours, is drawn again."},
}}

var explorer = variants{what: "rules", words: []string{"none"}, cases: []variant{
	{key: "perturb", doc: "Multiply each number by a factor from a list; move an ordered value to a neighbour. A bare list gives the factors.",
		shape: either{factors, perturb}, ex: "[0.8, 1.2]", def: "{}"},
	{key: "resample", doc: "Draw each hyperparameter again from its initial range, with this probability.",
		shape: number{min: 0, minOpen: true, max: 1}, ex: "0.25", def: "0.25"},
	{key: "noise", doc: "Add normally distributed noise with this standard deviation to every float, in the hyperparameter's units.",
		shape: number{min: 0, minOpen: true, max: math.Inf(1)}, ex: "0.1"},
	{key: "follow", doc: "Train each step with the hyperparameters that a schedule gives for it, as `pbt replay` does. Each stage lasts until the next; the first begins at step 0. A segment ends where a stage begins, also between two ready points. Requires `exploit: none`. A bare list gives the stages.",
		shape: either{stages, follow}, ex: "[{from: 0, hypers: {lr: 0.1}}, {from: 2000, hypers: {lr: 0.01}}]"},
}}

var stages = list{of: stage, least: 1, most: pbt.MaxFollow, name: "a list of stages"}

var follow = record{fields: []field{
	{key: "stages", shape: stages, required: true, example: "[{from: 0, hypers: {lr: 0.1}}]", doc: "The schedule."},
	{key: "begin", shape: words{"exactly", "ready"}, def: `"exactly"`, example: "exactly",
		doc: "Where a stage begins: `exactly` at its step, or at the next `ready` point at which the member explores (`explore_always: true`), with drawn initial values. `ready` is the behaviour of earlier versions."},
}}

var stage = record{fields: []field{
	{key: "from", shape: counting, required: true, example: "2000", doc: "The training step at which the stage begins."},
	{key: "hypers", shape: point{}, required: true, example: "{lr: 0.01}", doc: "The values of all hyperparameters that exist in the stage."},
}}

var peers = record{fields: []field{
	{key: "within", shape: either{words{"all"}, steps}, def: `"all"`, example: "400",
		doc: "Compare a member only with records at most this many steps away from its own. `all` compares with the newest record of every member, as the paper does. Use a number if members share slots and advance unevenly."},
	{key: "min_scored", shape: whole{1, machine.MaxPopulation}, unset: "half the population", example: "8",
		doc: "The number of members that must have a score before any member copies."},
}}

var barrier = record{fields: []field{
	{key: "quorum", shape: number{min: 0, minOpen: true, max: 1}, def: "1", example: "0.9", doc: "The share of the members that must wait before the barrier opens."},
	{key: "deadline", shape: duration("none"), def: `"none"`, example: "10m", doc: "The barrier opens this long after the first member arrived, even without the quorum."},
}}

var keep = record{fields: []field{
	{key: "best", shape: whole{1, machine.MaxKeepBest}, def: "3", example: "3", doc: "The number of best outcomes to keep. Keep more than one: the best score is partly luck.", resume: true},
	{key: "lineage", shape: flag{}, def: "false", example: "true", doc: "Keep every ancestor of the members' weights; at the end, those of the best weights.", resume: true},
	{key: "everything", shape: flag{}, def: "false", example: "false", doc: "Keep all checkpoints.", resume: true},
	{key: "bytes", shape: size("none"), def: `"none"`, example: "10GB", doc: "Size limit of all checkpoints. Above it, pbt deletes checkpoints that the run does not need, oldest first.", resume: true},
}}

// lazily is what the bare word says.
const lazily = 10

var save = record{fields: []field{
	{key: "every", shape: whole{1, machine.MaxSaveEvery}, required: true, example: "20", resume: true,
		doc: "Save lazily, but at least at every N-th ready point of a member. `lazy` is the same as 10, `each` the same as 1."},
}}

var trainer = variants{what: "trainers", cases: []variant{
	{key: "builtin", doc: "The name of a trainer that is compiled into the program.",
		shape: text{max: 100, pattern: metricPattern, form: "a name"}, extras: []field{slotsField}, ex: "digits"},
	{key: "command", doc: "The program and its arguments: a list, or one text that pbt splits into words like a shell, without running a shell. " +
		"A command with placeholders such as {lr} runs once per segment. A command without placeholders keeps running between segments and uses pbt's protocol.",
		shape:  either{list{of: scalar{maxText: MaxText}, least: 1, most: MaxArguments, name: "a list of words"}, freeText},
		resume: true, extras: slices.Concat([]field{slotsField}, resourceFields, patienceFields, commandFields), ex: `[python, train.py, --lr, "{lr}", --save, "{save}"]`},
}}

var slotsField = field{key: "slots", shape: whole{1, MaxSlots}, unset: "1, or as many as fit on the GPUs that `gpus` lists", example: "2", resume: true,
	doc: "The number of segments that train at the same time."}

const maxGPUNumber = 1023

// aGPU is a GPU's number or name.
var aGPU = either{whole{0, maxGPUNumber}, text{max: 100, pattern: gpuPattern, form: "a name of letters, digits and . _ : / -"}}

// resourceFields say what of the machine a slot gets.
var resourceFields = []field{
	{key: "gpus", shape: either{words{"none", "all"}, list{of: aGPU, least: 1, most: MaxGPUs, unique: true, name: "a list of GPUs, by number or name"}},
		def: `"none"`, example: "[0, 1]", resume: true,
		doc: "The GPUs that pbt distributes among the slots: all GPUs of the machine, or a list of numbers or names such as UUIDs."},
	{key: "gpus_per_slot", shape: number{min: 0, minOpen: true, max: MaxGPUs}, def: "1", example: "0.5", resume: true,
		doc: "A whole number n gives each slot n GPUs. A fraction 1/n, such as 0.5 or 0.25, lets n slots share a GPU; 0.33 counts as 1/3."},
	{key: "cpus_per_slot", shape: whole{1, MaxCPUs}, def: "1", example: "4", resume: true,
		doc: "The number of threads for a program's libraries. pbt sets OMP_NUM_THREADS and similar variables."},
	{key: "pin", shape: flag{}, def: "false", example: "true", resume: true,
		doc: "`true`: bind each slot to its own CPUs."},
	{key: "memory", shape: size("none"), def: `"none"`, example: "8GiB", resume: true,
		doc: "Memory limit for all processes of a slot together."},
}

// patienceFields say how long pbt waits for a program.
var patienceFields = []field{
	{key: "start_timeout", shape: duration(""), def: `"10m"`, example: "2m", resume: true,
		doc: "Time limit for a program that keeps running to become ready for its first segment."},
	{key: "step_timeout", shape: duration("none"), def: `"none"`, example: "30m", resume: true,
		doc: "Time limit from a trainer's start of a segment to its report. A segment that exceeds it fails."},
	{key: "save_timeout", shape: duration("none"), def: `"1h"`, example: "10m", resume: true,
		doc: "Time limit for saving a checkpoint. A segment that exceeds it fails."},
	{key: "silence", shape: duration("none"), def: `"5m"`, example: "1m", resume: true,
		doc: "Time without a message or heartbeat after which a program that keeps running counts as hung. pbt then ends it."},
	{key: "grace", shape: duration(""), def: `"30s"`, example: "2m", resume: true,
		doc: "Time limit for a trainer to stop after a stop request. pbt then kills it."},
}

var commandFields = []field{
	{key: "score", shape: score, resume: true, example: "{regex: 'accuracy: ([0-9.]+)'}", unset: "{json: NAME}, with the metric's name",
		doc: "Where pbt finds the score of a command with placeholders. Not allowed for a command without placeholders, which reports its score itself."},
	{key: "env", def: "{}", example: "{WANDB_MODE: offline}", resume: true,
		shape: table{of: scalar{maxText: MaxText}, most: 1000, key: envPattern, keyForm: "a name without blanks and =", name: "a mapping of names to values"},
		doc:   "Environment variables, in addition to those of pbt's own environment."},
	{key: "workdir", shape: freeText, def: `"."`, example: "src", resume: true,
		doc: "The command's working directory. A relative path starts at the experiment file."},
}

var score = variants{what: "places", cases: []variant{
	{key: "json", doc: "The key, or dotted path of keys, in the last JSON object of the output that has it. An object in which a name occurs twice is ignored.", shape: freeText, ex: "eval.accuracy"},
	{key: "regex", doc: "A regular expression (Go's syntax) with one group around the number; its last match in the output counts.", shape: freeText, ex: "'accuracy: ([0-9.]+)'"},
	{key: "file", doc: "A file that contains only the number. The program writes it to the checkpoint's directory.", shape: aFile, ex: "score.txt"},
	{key: "csv", doc: "A CSV file with a header. The program writes it to the checkpoint's directory; the last row's value in one column counts.", shape: csvScore, ex: "{file: log.csv, column: accuracy}"},
}}

var csvScore = record{fields: []field{
	{key: "file", shape: aFile, required: true, example: "log.csv", doc: "The file's name, without a directory."},
	{key: "column", shape: freeText, required: true, example: "accuracy", doc: "The column's name in the header."},
}}
