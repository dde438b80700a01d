package rehearsal

import (
	"slices"
	"strings"
	"unicode"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

// Words in the names of metrics that are usually to be small, or large.
var (
	small   = []string{"loss", "err", "error", "errors", "perplexity", "ppl", "nll", "mse", "rmse", "mae", "wer", "cer", "cost", "regret", "fid", "latency", "divergence", "bpc", "bpb"}
	large   = []string{"acc", "accuracy", "reward", "rewards", "return", "returns", "auc", "f1", "bleu", "rouge", "iou", "map", "precision", "recall", "r2", "elo", "win", "wins", "success", "likelihood", "psnr", "ssim"}
	negated = []string{"neg", "negative", "minus", "inverse", "inv", "one", "nll"}
)

// checkGoal compares the metric's name with the goal.
func (r *rehearsal) checkGoal() {
	words := wordsOf(r.Metric)
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	minimize := r.Spec.Goal == pbt.Minimize
	score := r.base.Score
	switch {
	case has(negated) && !slices.Contains(words, "nll"):
	case has(small) && !has(large) && !minimize && score > 0, has(large) && !has(small) && minimize && score > 0:
		r.find(Warning, CheckGoal, "metric: {name: "+r.Metric+", goal: "+opposite(minimize)+"}, unless it is meant so", "the goal is to %s a metric called %s", r.Spec.Goal, r.Metric)
		return
	}
	if !has(small) && !has(large) {
		r.find(Note, CheckGoal, "", "pbt will %s %s; the name does not say whether that is right", r.Spec.Goal, r.Metric)
		r.untested("the metric's name is not one whose goal is known")
		return
	}
	r.find(OK, CheckGoal, "", "the goal is to %s %s", r.Spec.Goal, r.Metric)
}

func opposite(minimize bool) string {
	if minimize {
		return pbt.Maximize.String()
	}
	return pbt.Minimize.String()
}

// wordsOf splits a name at what is no letter or digit, and before capitals.
func wordsOf(name string) []string {
	var b strings.Builder
	before := ' '
	for _, c := range name {
		if unicode.IsUpper(c) && unicode.IsLower(before) || !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			b.WriteByte(' ')
		}
		if unicode.IsLetter(c) || unicode.IsDigit(c) {
			b.WriteRune(unicode.ToLower(c))
		}
		before = c
	}
	return strings.Fields(b.String())
}

// fewScores are too few to call a score constant.
const fewScores = 5

// checkScores tells of a score that never changes.
func (r *rehearsal) checkScores() {
	if len(r.all) < fewScores {
		r.notTested(CheckScore, plural.Of(int64(len(r.all)), "segment")+" are too few to call a score constant")
		return
	}
	for _, o := range r.all {
		if !same(o.Score, r.base.Score) {
			r.find(OK, CheckScore, "", "the score is finite, and moves")
			return
		}
	}
	r.find(Warning, CheckScore, "does it measure the model as it is now? If it does and learns later, or the score is coarse, longer segments or a finer score show more: PBT needs differences to select by",
		"the score was %s in each of %d segments, with different seeds, hyperparameters and weights", pbt.Score(r.base.Score), len(r.all))
}
