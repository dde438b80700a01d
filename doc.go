// Package pbt is Population Based Training (Jaderberg et al. 2017,
// arXiv:1711.09846), pure: the paper's algorithm, its rules and its nouns,
// without files, clocks, goroutines or global randomness.
//
// Start with [Train]: it is Algorithm 1 of the paper on one page. A [Policy]
// holds the three rules that the page calls, [Ready], [Exploit] and [Explore],
// and [Policy.Decide] applies them to one member of a [Population]. The same
// Decide serves Train, the engine on a laptop and the engine on a cluster.
//
// The paper's words and ours:
//
//	population P, member   Population, a member's number
//	weights θ              the W of Train; elsewhere a checkpoint
//	hyperparameters h      Hypers, drawn from a Space
//	performance p          Record.Score (and Record.Samples)
//	t                      Record.Step: training steps in the weights' ancestry
//	step, eval             what a Model (or a trainer) does
//	ready, exploit, explore  the three interfaces of a Policy
//
// A run is a tree of segments: stretches of training between two ready points.
// [Tree] answers questions about it: where weights come from, and which
// schedule of hyperparameters they saw.
package pbt
