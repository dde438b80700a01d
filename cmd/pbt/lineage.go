package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/history"
)

func newLineage() *cobra.Command {
	var format string
	var asJSON bool
	c := &cobra.Command{
		Use: "lineage DIR", Short: "Show the tree of segments: whose weights came from where", Args: cobra.ExactArgs(1),
		Long: `Show the tree of segments, the paper's figure 6.
text draws it, one line for each stretch without a branch; dot is for Graphviz, newick for tree viewers.`,
		Example: "  pbt lineage runs/digits-1 --format dot | dot -Tsvg > lineage.svg",
		RunE: func(cmd *cobra.Command, args []string) error {
			if asJSON {
				format = "json"
			}
			write, ok := lineageFormats[format]
			if !ok {
				return usageError{fmt.Errorf("there is no format %q: want text, json, dot or newick", format)}
			}
			j, err := openJournal(args[0])
			if err != nil {
				return err
			}
			defer j.Close()
			l, err := history.ReadLineage(j, config.SpecOf)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if format == "json" {
				out := bufio.NewWriter(cmd.OutOrStdout())
				return errors.Join(l.WriteJSON(out, j), out.Flush())
			}
			return write(cmd.OutOrStdout(), newForest(l))
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to draw it, a `format`: text, json, dot or newick")
	oneOf(c, "format", "text", "json", "dot", "newick")
	jsonFlag(c, &asJSON)
	return c
}

var lineageFormats = map[string]func(io.Writer, *forest) error{
	"text": lineageText, "dot": lineageDot, "newick": lineageNewick, "json": nil,
}

// forest is the tree with its children at hand. The children of a segment are a chain of
// numbers, so that a million segments take little memory.
type forest struct {
	*history.Lineage
	first, last, next []int32 // by segment: its first and last child, and its next sibling; 0: none. [0] has the roots
	onBest            map[int64]bool
}

func newForest(l *history.Lineage) *forest {
	n := l.Len() + 1
	f := &forest{Lineage: l, first: make([]int32, n), last: make([]int32, n), next: make([]int32, n), onBest: map[int64]bool{}}
	for id := int64(1); id < n; id++ {
		parent := l.Parent(id)
		if f.first[parent] == 0 {
			f.first[parent] = int32(id)
		} else {
			f.next[f.last[parent]] = int32(id)
		}
		f.last[parent] = int32(id)
	}
	for id := l.Best; id != 0; id = l.Parent(id) {
		f.onBest[id] = true
	}
	return f
}

// children are the segments that go on from one, in order; of 0, the roots.
func (f *forest) children(id int64) (all []int64) {
	for c := f.first[id]; c != 0; c = f.next[c] {
		all = append(all, int64(c))
	}
	return all
}

// onlyChild is the one child of a segment; ok is false if it has none or several.
func (f *forest) onlyChild(id int64) (child int64, ok bool) {
	c := f.first[id]
	return int64(c), c != 0 && c == f.last[id]
}

// stretch follows a segment for as long as it has one child; n segments are on the way.
func (f *forest) stretch(id int64) (last int64, n int) {
	for n = 1; ; n++ {
		child, ok := f.onlyChild(id)
		if !ok {
			return id, n
		}
		id = child
	}
}

func scoreText(s *pbt.Score) string {
	if s == nil {
		return "-"
	}
	return s.String()
}

// lineageText draws the forest, one line for each stretch without a branch: copies
// are indented below the stretch they came from, and the stretch goes on after
// them. The stack is explicit: a lineage may be longer than a call stack is deep.
func lineageText(w io.Writer, f *forest) error {
	type frame struct {
		id    int64
		depth int
	}
	var stack []frame
	push := func(id int64, depth int) { stack = append(stack, frame{id, depth}) }
	for _, root := range slices.Backward(f.children(0)) {
		push(root, 0)
	}
	out := bufio.NewWriter(w)
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		last := f.writeStretch(out, at.id, at.depth)
		kids := f.children(last)
		for _, k := range slices.Backward(kids) {
			if !f.Node(k).Copied {
				push(k, at.depth)
			}
		}
		for _, k := range slices.Backward(kids) {
			if f.Node(k).Copied {
				push(k, at.depth+1)
			}
		}
	}
	return out.Flush()
}

// writeStretch writes a line for the segments up to the next branch and returns
// the last of them.
func (f *forest) writeStretch(w io.Writer, id int64, depth int) int64 {
	last, n := f.stretch(id)
	a, b := f.Node(id), f.Node(last)
	mark, how, which := " ", "", fmt.Sprintf("segment %d", a.ID)
	if f.onBest[id] {
		mark = "*"
	}
	if a.Copied {
		how = fmt.Sprintf(" copied segment %d", a.Parent)
	}
	if o := f.Started.Origin; o != nil && a.ID == 1 {
		how = fmt.Sprintf(" from segment %d of %s", o.Segment, clean(o.Run))
	}
	if n > 1 {
		which = fmt.Sprintf("%d segments, %d … %d", n, a.ID, b.ID)
	}
	fmt.Fprintf(w, "%s %smember %d%s: %s, steps %d–%d, score %s\n", mark, strings.Repeat("  ", depth), a.Member, how, which, a.From, b.Step, scoreText(b.Score))
	return last
}

func lineageDot(to io.Writer, f *forest) error {
	w := bufio.NewWriter(to)
	fmt.Fprintln(w, "digraph lineage {\n  node [shape=box, fontsize=10];")
	for id := int64(1); id <= f.Len(); id++ {
		n := f.Node(id)
		style := ""
		if f.onBest[n.ID] {
			style = ", penwidth=3"
		}
		fmt.Fprintf(w, "  s%d [label=\"%d\\nmember %d\\n%s\"%s];\n", n.ID, n.ID, n.Member, scoreText(n.Score), style)
		if n.Parent != 0 {
			style = ""
			if n.Copied {
				style = " [style=dashed]"
			}
			fmt.Fprintf(w, "  s%d -> s%d%s;\n", n.Parent, n.ID, style)
		}
	}
	fmt.Fprintln(w, "}")
	return w.Flush()
}

// lineageNewick writes one tree per initial member; branch lengths are steps. A
// lineage may be longer than a call stack is deep: the stack is explicit here, too.
func lineageNewick(w io.Writer, f *forest) error {
	out := bufio.NewWriter(w)
	type frame struct {
		id    int64
		child int32 // to write next; 0: none is left
	}
	for _, root := range f.children(0) {
		stack := []frame{{root, f.first[root]}}
		for len(stack) > 0 {
			at := &stack[len(stack)-1]
			if child := at.child; child != 0 {
				mark := byte(',')
				if child == f.first[at.id] {
					mark = '('
				}
				out.WriteByte(mark)
				at.child = f.next[child]
				stack = append(stack, frame{int64(child), f.first[child]})
				continue
			}
			if f.first[at.id] != 0 {
				out.WriteByte(')')
			}
			n := f.Node(at.id)
			fmt.Fprintf(out, "s%d_m%d:%d", n.ID, n.Member, n.Step-n.From)
			stack = stack[:len(stack)-1]
		}
		out.WriteString(";\n")
	}
	return out.Flush()
}
