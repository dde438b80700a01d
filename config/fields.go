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
		doc:   "What the run is called; its directory is named after it.",
		shape: text{max: 64, pattern: namePattern, form: "a name of letters, digits, dots, dashes and underscores"},
		unset: "the file's own name, without directory and ending"},
	{key: "seed", shape: whole{0, math.MaxUint64}, def: "1", example: "7",
		doc: "Where all the run's random draws come from. Two runs of one seed draw the same numbers; `--seed` overrides it."},
	{key: "population", shape: whole{1, machine.MaxPopulation}, def: "20", example: "16",
		doc: "How many members train side by side. The paper's study of population sizes finds 10 too few and steady gains from 20 on."},
	{key: "metric", shape: metric, def: `{"goal": "maximize"}`, example: "{name: accuracy, goal: maximize}",
		doc: "What decides who is better."},
	{key: "segment", shape: segment, example: "{steps: 200}",
		doc:   "How long a member trains between two ready points, where it may copy a better one. Long enough for a better setting to show, short enough for twenty or more in a run.",
		unset: "a twentieth of budget.steps, or of total_steps for each member"},
	{key: "budget", shape: budget, required: true, example: "{steps: 4000}", resume: true,
		doc: "When the run ends: at the first of these limits. At least one must be there."},
	{key: "hyperparameters", shape: space{}, required: true, example: "{lr: {log: [1e-5, 1e-1]}}",
		doc: "What may vary: each name with the kind of value it takes. Types and bounds come from here, never from a current value. Names may be nested in groups, optimizer: {lr: …}, and are then known as optimizer.lr."},
	{key: "constraints", shape: list{of: text{max: maxConstraint}, least: 0, most: pbt.MaxConstraints, name: "a list of conditions"}, def: "[]", example: `["dropout >= 0.1 or lr < 0.01"]`,
		doc: "Conditions between hyperparameters, in the language of expr-lang.org: numbers, texts, `+ - * / % **`, comparisons, `and`, `or`, `not`, `in`, `? :`, and the functions abs, ceil, floor, round, min, max. `$env[\"name\"]` is a name that is no identifier. What is drawn, explored, copied or set satisfies them; one that names a hyperparameter that does not exist at the time holds. Where a copy cannot combine the donor's values with those that it keeps (`inherit: false`), it takes all of the donor's."},
	{key: "initial", shape: list{of: point{}, least: 0, most: machine.MaxPopulation, name: "a list of mappings of hyperparameters to values"}, def: "[]", example: "[{lr: 1e-3, dropout: 0.1}]",
		doc: "The first members' hyperparameters, one mapping a member. What a mapping leaves open is drawn."},
	{key: "ready", shape: ready, def: "{}", example: "{burn_in: 1000, after_copy: 400}", resume: true,
		doc: "When a member may copy, beyond having finished a segment."},
	{key: "exploit", shape: either{words(exploitWords), exploit}, def: `{"truncation": 0.2}`, example: "{ttest: {alpha: 0.05}}", resume: true,
		doc: "Whether and whom a member copies at a ready point. A bare word takes the rule's default settings; `none` makes the run a random search."},
	{key: "explore", shape: either{words(exploreWords), explorer, list{of: either{words(stageWords), explorer}, least: 1, most: pbt.MaxStages, name: "a list of them, applied in turn"}},
		def: `{"perturb": {"factors": [0.8, 1.2], "resample": 0.25}}`, example: "[{resample: 0.25}, {perturb: [0.8, 1.2]}]", resume: true,
		doc: "How hyperparameters vary after a copy: one rule, or a list of rules applied in turn."},
	{key: "inherit", shape: words{"both", "weights", "hypers"}, def: `"both"`, example: "both", resume: true,
		doc: "What a copy takes over: weights and hyperparameters (the paper's rule), or one of them."},
	{key: "margin", shape: number{min: 0, max: math.Inf(1)}, def: "0", example: "0.01", resume: true,
		doc: "A copy must promise a score better by more than this, in the metric's own units."},
	{key: "peers", shape: peers, def: "{}", example: "{within: 400, min_scored: 8}", resume: true,
		doc: "Who is compared with whom."},
	{key: "explore_always", shape: flag{}, def: "false", example: "false", resume: true,
		doc: "`true`: explore at every ready point, also without a copy. The paper explores after a copy only."},
	{key: "repair", shape: words{"copy", "restart", "none"}, def: `"copy"`, example: "copy", resume: true,
		doc: "What becomes of a member whose score is not finite, or whose trainer fails for good: `copy` a healthy member (restart if there is none), `restart` from fresh weights, or `none`."},
	{key: "barrier", shape: either{flag{}, barrier}, def: "false", example: "{quorum: 0.9, deadline: 10m}", resume: true,
		doc: "`true`: members wait for each other, and a whole generation is decided at once. Without it nobody waits, as in the paper."},
	{key: "retries", shape: whole{0, machine.MaxRetries}, def: "2", example: "2", resume: true,
		doc: "How often a failed segment is tried again before its member is repaired. A failure counts once it is confirmed: the segment fails again in the same way on a machine that has finished another one in between."},
	{key: "timeout", shape: duration("none"), def: `"none"`, example: "10m", resume: true,
		doc: "A segment that takes longer has failed."},
	{key: "failures_in_a_row", shape: whole{1, 1_000_000}, def: "20", example: "20", resume: true,
		doc: "So many failures, with not one segment finished between them, pause the run: the trainer cannot work."},
	{key: "on_fault", shape: words{string(machine.FaultPause), string(machine.FaultRetry)}, def: `"pause"`, example: "retry", resume: true,
		doc: "What becomes of the run when the machine fails and no member is to blame: a data set that is not mounted, a full disk, a missing interpreter. `pause`: the run pauses and `pbt` exits. `retry`, for runs that nobody watches: the run waits, 1 s at first and up to 5 min, tries one segment, and continues when it finishes. Neither changes a decision nor counts against `retries`."},
	{key: "keep", shape: keep, def: "{}", example: "{best: 3, lineage: true}", resume: true,
		doc: "Which checkpoints stay beyond those the run still needs."},
	{key: "save", shape: either{words{"each", "lazy"}, save}, def: `"each"`, example: "{every: 20}", resume: true,
		doc: "When a member saves. `each`: at every ready point. `lazy`: only when a decision may need it: likely donors, each N-th ready point, a stop, the end. A crash loses what a member trained since its last save; it is trained again. For trainers that stay alive between segments; with a `barrier`, every ready point is saved all the same."},
	{key: "trainer", shape: trainer, required: true, example: "{command: [python, train.py], slots: 2}",
		doc: "What trains. Either a trainer that is built into the program, or any command."},
	{key: "sinks", shape: sinks, def: "{}", example: "{tensorboard: {}, mlflow: {uri: http://127.0.0.1:5000}}", resume: true,
		doc: "Where else to show the run: each sink is fed from the journal, and changes nothing in the run."},
	{key: "notify", shape: notify, def: "{}", example: "{webhook: $PBT_WEBHOOK, on: [finish, pause, trouble]}", resume: true,
		doc: "Whom to tell when something happens."},
}}

var metric = record{fields: []field{
	{key: "name", def: `"score"`, example: "accuracy",
		shape: text{max: 100, pattern: metricPattern, form: `a name without blanks, braces and double quotes`},
		doc:   "What the metric is called, in tables and charts, and in the JSON that a command prints."},
	{key: "goal", shape: words{"maximize", "minimize"}, required: true, example: "minimize",
		doc: "Whether a high score is good. It has no default beside a name: a loss that is maximised costs a day."},
}}

var segment = record{fields: []field{
	{key: "steps", shape: steps, required: true, example: "200",
		doc: "Training steps, in the trainer's own unit: batches, environment steps, epochs."},
}}

var budget = record{least: 1, fields: []field{
	{key: "steps", shape: steps, unset: "no limit", example: "4000", doc: "Steps that each member trains.", resume: true},
	{key: "total_steps", shape: steps, unset: "no limit", example: "64000", doc: "Steps of all members together.", resume: true},
	{key: "wall", shape: duration(""), unset: "no limit", example: "2h", doc: "Time the run has been at work, stops left out.", resume: true},
	{key: "target", shape: anyNumber, unset: "no limit", example: "0.99", doc: "A score that is good enough.", resume: true},
	{key: "patience", shape: steps, unset: "no limit", example: "40000", doc: "Steps of all members together without a new best score, after which the run ends.", resume: true},
}}

var ready = record{fields: []field{
	{key: "burn_in", shape: counting, def: "0", example: "1000", doc: "Steps a member must have trained before it may copy at all."},
	{key: "after_copy", shape: counting, def: "0", example: "400", doc: "Steps a member must have trained since it last copied."},
}}

var (
	exploitWords = []string{"truncation", "ttest", "tournament", "founders", "none"}
	exploreWords = []string{"perturb", "resample", "none"}
	stageWords   = []string{"perturb", "resample"}
)

var exploit = variants{what: "rules", words: []string{"tournament", "none"}, cases: []variant{
	{key: "truncation", doc: "A member in the bottom part of the population copies one drawn from the top part. The number is the share at either end.",
		shape: number{min: 0, minOpen: true, max: 0.5}, ex: "0.2", def: "0.2"},
	{key: "ttest", doc: "A member draws another one and copies it if Welch's t-test on their last samples finds it better.",
		shape: ttest, ex: "{alpha: 0.05}", def: "{}"},
	{key: "founders", doc: "Truncation selection that gives up initial members slowly and ranks them among themselves, so that the best of the random search inside the run is kept. Needs `budget.steps` or `budget.total_steps`.",
		shape: founders, ex: "{from: 0.2, keep: 0.25}", def: "{}"},
}}

var founders = record{fields: []field{
	{key: "from", shape: number{min: 0, max: 1, maxOpen: true}, def: "0.2", example: "0.2", doc: "The share of the budget during which every initial member is kept."},
	{key: "slope", shape: number{min: 0, minOpen: true, max: math.Inf(1)}, def: "1", example: "1", doc: "After that, the share of the population that is kept falls by this much per budget."},
	{key: "keep", shape: number{min: 0, minOpen: true, max: 1}, def: "0.25", example: "0.25", doc: "The share of the population that is kept to the end."},
	{key: "pool", shape: number{min: 0, minOpen: true, max: 0.5}, def: "0.4", example: "0.4", doc: "The share of the other members, the pool, that copies."},
	{key: "probe", shape: number{min: 0, max: 1}, def: "0.25", example: "0.25", doc: "How likely a copy in the pool is a probe: an initial member's weights with a leader's hyperparameters."},
}}

var ttest = record{fields: []field{
	{key: "alpha", shape: number{min: 0, minOpen: true, max: 0.5}, def: "0.05", example: "0.05", doc: "The level of the test, one-sided. The paper states none."},
}}

var (
	factors     = list{of: number{min: 0, minOpen: true, max: math.Inf(1)}, least: 1, most: pbt.MaxFactors, name: "a list of factors above 0"}
	probability = number{min: 0, max: 1}
)

var perturb = record{fields: []field{
	{key: "factors", shape: factors, def: "[0.8, 1.2]", example: "[0.8, 1.2]", doc: "Each hyperparameter is multiplied by one of these, drawn uniformly. 1 is no factor."},
	{key: "resample", shape: probability, def: "0.25", example: "0.25", doc: "How likely a choice, which has no neighbours, is drawn again."},
}}

var explorer = variants{what: "rules", words: []string{"none"}, cases: []variant{
	{key: "perturb", doc: "Multiply each number by one of a list of factors; an ordered value moves to a neighbour. A bare list gives the factors.",
		shape: either{factors, perturb}, ex: "[0.8, 1.2]", def: "{}"},
	{key: "resample", doc: "Draw each hyperparameter anew from its first range, with this probability.",
		shape: number{min: 0, minOpen: true, max: 1}, ex: "0.25", def: "0.25"},
	{key: "noise", doc: "Add a normal number with this standard deviation to every float, in its own units.",
		shape: number{min: 0, minOpen: true, max: math.Inf(1)}, ex: "0.1"},
	{key: "follow", doc: "Train each step with the hyperparameters that a schedule has for it: what `pbt replay` does. Each stage holds until the next; the first begins at step 0. A segment ends where a stage begins, also between two ready points. With `exploit: none`. A bare list gives the stages.",
		shape: either{stages, follow}, ex: "[{from: 0, hypers: {lr: 0.1}}, {from: 2000, hypers: {lr: 0.01}}]"},
}}

var stages = list{of: stage, least: 1, most: pbt.MaxFollow, name: "a list of stages"}

var follow = record{fields: []field{
	{key: "stages", shape: stages, required: true, example: "[{from: 0, hypers: {lr: 0.1}}]", doc: "The schedule."},
	{key: "begin", shape: words{"exactly", "ready"}, def: `"exactly"`, example: "exactly",
		doc: "Where a stage begins: `exactly` at its step; or, as before there was this setting, at the next `ready` point at which the member explores (`explore_always: true`), with initial values that are drawn."},
}}

var stage = record{fields: []field{
	{key: "from", shape: counting, required: true, example: "2000", doc: "The training step at which the stage begins."},
	{key: "hypers", shape: point{}, required: true, example: "{lr: 0.01}", doc: "All the hyperparameters that exist then."},
}}

var peers = record{fields: []field{
	{key: "within", shape: either{words{"all"}, steps}, def: `"all"`, example: "400",
		doc: "Compare only with records at most so many steps away from one's own; `all` compares with everybody's newest, as the paper does. For members that share slots and so advance unevenly."},
	{key: "min_scored", shape: whole{1, machine.MaxPopulation}, unset: "half the population", example: "8",
		doc: "Nobody copies before so many members have a score."},
}}

var barrier = record{fields: []field{
	{key: "quorum", shape: number{min: 0, minOpen: true, max: 1}, def: "1", example: "0.9", doc: "The share of the members that must be waiting."},
	{key: "deadline", shape: duration("none"), def: `"none"`, example: "10m", doc: "Go on anyway so long after the first one came."},
}}

var keep = record{fields: []field{
	{key: "best", shape: whole{1, machine.MaxKeepBest}, def: "3", example: "3", doc: "The best so many outcomes. More than one, because the very best is partly luck.", resume: true},
	{key: "lineage", shape: flag{}, def: "false", example: "true", doc: "Every ancestor of the weights that members hold; at the end, of the best ones.", resume: true},
	{key: "everything", shape: flag{}, def: "false", example: "false", doc: "All checkpoints.", resume: true},
	{key: "bytes", shape: size("none"), def: `"none"`, example: "10GB", doc: "Above so much, what is kept beyond need goes, oldest first.", resume: true},
}}

// lazily is what the bare word says.
const lazily = 10

var save = record{fields: []field{
	{key: "every", shape: whole{1, machine.MaxSaveEvery}, required: true, example: "20", resume: true,
		doc: "Save lazily, but at least each N-th ready point of a member. Plain `lazy` is 10; 1 is `each`."},
}}

var trainer = variants{what: "trainers", cases: []variant{
	{key: "builtin", doc: "The name of a trainer that is compiled into the program.",
		shape: text{max: 100, pattern: metricPattern, form: "a name"}, extras: []field{slotsField}, ex: "digits"},
	{key: "command", doc: "The program and its arguments: a list, or one text that is split into words as a shell would, without running one. " +
		"With placeholders, such as {lr}, it runs once per segment; without, it stays alive and speaks pbt's protocol.",
		shape:  either{list{of: scalar{maxText: MaxText}, least: 1, most: MaxArguments, name: "a list of words"}, freeText},
		resume: true, extras: slices.Concat([]field{slotsField}, resourceFields, patienceFields, commandFields), ex: `[python, train.py, --lr, "{lr}", --save, "{save}"]`},
}}

var slotsField = field{key: "slots", shape: whole{1, MaxSlots}, unset: "1, or as many as fit on the GPUs that `gpus` lists", example: "2", resume: true,
	doc: "How many segments train at once."}

const maxGPUNumber = 1023

// aGPU is a GPU's number or name.
var aGPU = either{whole{0, maxGPUNumber}, text{max: 100, pattern: gpuPattern, form: "a name of letters, digits and . _ : / -"}}

// resourceFields say what of the machine a slot gets.
var resourceFields = []field{
	{key: "gpus", shape: either{words{"none", "all"}, list{of: aGPU, least: 1, most: MaxGPUs, unique: true, name: "a list of GPUs, by number or name"}},
		def: `"none"`, example: "[0, 1]", resume: true,
		doc: "The GPUs that the slots share out among them: all of the machine, or those listed, by number or by a name such as a UUID."},
	{key: "gpus_per_slot", shape: number{min: 0, minOpen: true, max: MaxGPUs}, def: "1", example: "0.5", resume: true,
		doc: "A whole number: so many GPUs for each slot. One n-th, such as 0.5 or 0.25: n slots share a GPU; 0.33 is a third."},
	{key: "cpus_per_slot", shape: whole{1, MaxCPUs}, def: "1", example: "4", resume: true,
		doc: "How many threads the libraries of a program may use, told by OMP_NUM_THREADS and its like."},
	{key: "pin", shape: flag{}, def: "false", example: "true", resume: true,
		doc: "`true`: bind each slot to CPUs of its own."},
	{key: "memory", shape: size("none"), def: `"none"`, example: "8GiB", resume: true,
		doc: "What all the processes of a slot together may use."},
}

// patienceFields say how long pbt waits for a program.
var patienceFields = []field{
	{key: "start_timeout", shape: duration(""), def: `"10m"`, example: "2m", resume: true,
		doc: "A program that stays alive must be ready for its first segment so soon."},
	{key: "step_timeout", shape: duration("none"), def: `"none"`, example: "30m", resume: true,
		doc: "A segment that takes longer, from the trainer's start of it to its report, has failed."},
	{key: "save_timeout", shape: duration("none"), def: `"1h"`, example: "10m", resume: true,
		doc: "Saving that takes longer has failed."},
	{key: "silence", shape: duration("none"), def: `"5m"`, example: "1m", resume: true,
		doc: "A program that stays alive, and from which not even a heartbeat has come for so long, hangs: it is ended."},
	{key: "grace", shape: duration(""), def: `"30s"`, example: "2m", resume: true,
		doc: "How long a trainer may take to stop when asked. Then it is killed."},
}

var commandFields = []field{
	{key: "score", shape: score, resume: true, example: "{regex: 'accuracy: ([0-9.]+)'}", unset: "{json: NAME}, with the metric's name",
		doc: "Where the score of a command with placeholders is found. One without them reports its score itself, and takes no `score`."},
	{key: "env", def: "{}", example: "{WANDB_MODE: offline}", resume: true,
		shape: table{of: scalar{maxText: MaxText}, most: 1000, key: envPattern, keyForm: "a name without blanks and =", name: "a mapping of names to values"},
		doc:   "Environment variables, beside those pbt itself runs with."},
	{key: "workdir", shape: freeText, def: `"."`, example: "src", resume: true,
		doc: "The directory a command runs in. A relative one begins at the experiment file."},
}

var score = variants{what: "places", cases: []variant{
	{key: "json", doc: "The key, or dotted path of keys, in the last JSON object of the output that has it. An object in which a name occurs twice is ignored.", shape: freeText, ex: "eval.accuracy"},
	{key: "regex", doc: "A regular expression (Go's syntax) with one group around the number; its last match in the output counts.", shape: freeText, ex: "'accuracy: ([0-9.]+)'"},
	{key: "file", doc: "A file with the number in it, which the program leaves beside its checkpoint.", shape: aFile, ex: "score.txt"},
	{key: "csv", doc: "A CSV file with a header, which the program leaves beside its checkpoint: the last row's value in one column counts.", shape: csvScore, ex: "{file: log.csv, column: accuracy}"},
}}

var csvScore = record{fields: []field{
	{key: "file", shape: aFile, required: true, example: "log.csv", doc: "The file's name, without a directory."},
	{key: "column", shape: freeText, required: true, example: "accuracy", doc: "The column's name in the header."},
}}
