package machine

import "slices"

// keeper knows which checkpoints are still needed (law 8). A checkpoint goes when
// nobody needs it (no member's record, no plan, not among the best) and, beyond
// that, nothing wants it kept: a descendant, or keep everything. Under a byte
// budget, what is only wanted goes first, oldest first.
type keeper struct {
	policy  Keep
	nodes   map[int64]*node // by segment; looked up, never ranged over
	spares  []int64         // wanted but not needed, in the order they became so
	pins    []int64         // needed by hand
	garbage []string
	unused  []*node // for use again
	total   int64   // bytes of all checkpoints kept
	needed  int64   // bytes of those that somebody needs
}

type node struct {
	checkpoint Checkpoint
	needs      int
	wants      int
	parent     int64 // 0: none, or no claim on it
	spare      bool  // listed in spares
}

func newKeeper() keeper { return keeper{nodes: map[int64]*node{}} }

func (k *keeper) setPolicy(p Keep) { k.policy = p; k.shrink() }

// pin keeps a checkpoint by hand.
func (k *keeper) pin(segment int64) {
	k.pins = append(k.pins, segment)
	k.need(segment)
}

func (k *keeper) unpin(segment int64) {
	k.pins = slices.DeleteFunc(k.pins, func(s int64) bool { return s == segment })
	k.drop(segment)
}

func (k *keeper) pinned(segment int64) bool { return slices.Contains(k.pins, segment) }

// add brings a new checkpoint; the caller needs it at once.
func (k *keeper) add(segment, parent int64, c Checkpoint) {
	n := k.newNode()
	n.checkpoint = c
	k.nodes[segment] = n
	k.total += c.Bytes
	if k.policy.Everything {
		n.wants++
	}
	if k.policy.Lineage && k.nodes[parent] != nil {
		n.parent = parent
		k.nodes[parent].wants++
	}
}

func (k *keeper) newNode() *node {
	last := len(k.unused) - 1
	if last < 0 {
		return &node{}
	}
	n := k.unused[last]
	k.unused = k.unused[:last]
	*n = node{}
	return n
}

// name is a segment's checkpoint directory, "" if it is gone.
func (k *keeper) name(segment int64) string {
	if n := k.nodes[segment]; n != nil {
		return n.checkpoint.ID
	}
	return ""
}

func (k *keeper) need(segment int64) {
	n := k.nodes[segment]
	if n == nil {
		return
	}
	if n.needs++; n.needs == 1 {
		k.needed += n.checkpoint.Bytes
	}
	k.shrink()
}

func (k *keeper) drop(segment int64) {
	n := k.nodes[segment]
	if n == nil || n.needs == 0 {
		return
	}
	if n.needs--; n.needs > 0 {
		return
	}
	k.needed -= n.checkpoint.Bytes
	if n.wants > 0 {
		k.setAside(segment, n)
		k.shrink()
		return
	}
	k.free(segment, n)
}

// setAside lists a checkpoint that is wanted but not needed. Those that go because
// their last descendant does stay in the list, until they are the most of it.
func (k *keeper) setAside(segment int64, n *node) {
	if n.spare {
		return
	}
	n.spare = true
	k.spares = append(k.spares, segment)
	if len(k.spares) > 2*len(k.nodes) {
		k.spares = slices.DeleteFunc(k.spares, func(s int64) bool { return k.nodes[s] == nil })
	}
}

// free gives a checkpoint up, and with it the claim on its parent.
func (k *keeper) free(segment int64, n *node) {
	for {
		delete(k.nodes, segment)
		k.total -= n.checkpoint.Bytes
		if n.checkpoint.ID != "" {
			k.garbage = append(k.garbage, n.checkpoint.ID)
		}
		k.unused = append(k.unused, n)
		parent := k.nodes[n.parent]
		if parent == nil {
			return
		}
		if parent.wants--; parent.wants > 0 || parent.needs > 0 {
			return
		}
		segment, n = n.parent, parent
	}
}

// shrink obeys the byte budget.
func (k *keeper) shrink() {
	if k.policy.Bytes == 0 {
		return
	}
	for k.total > k.policy.Bytes && len(k.spares) > 0 {
		oldest := k.spares[0]
		k.spares = k.spares[1:]
		n := k.nodes[oldest]
		if n == nil {
			continue
		}
		n.spare = false
		if n.needs == 0 {
			k.free(oldest, n)
		}
	}
}
