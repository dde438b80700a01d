package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt"
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
			h, err := readHistory(args[0])
			if err != nil {
				return err
			}
			if format == "json" {
				return printJSON(cmd, map[string]any{"segments": h.Tree, "best": h.Best})
			}
			return write(cmd.OutOrStdout(), newForest(h))
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

// forest is the tree with its children at hand.
type forest struct {
	*history.History
	children [][]int64 // by segment; [0] holds the roots
	onBest   map[int64]bool
}

func newForest(h *history.History) *forest {
	f := &forest{History: h, children: make([][]int64, len(h.Tree)+1), onBest: map[int64]bool{}}
	for _, n := range h.Tree {
		f.children[n.Parent] = append(f.children[n.Parent], n.ID)
	}
	if path, err := h.Tree.Ancestry(h.Best); err == nil {
		for _, n := range path {
			f.onBest[n.ID] = true
		}
	}
	return f
}

func (f *forest) node(id int64) *pbt.Node { return &f.Tree[id-1] }

// stretch follows a segment for as long as it has one child; n segments are on the way.
func (f *forest) stretch(id int64) (last int64, n int) {
	for n = 1; len(f.children[id]) == 1; n++ {
		id = f.children[id][0]
	}
	return id, n
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
	for _, root := range slices.Backward(f.children[0]) {
		push(root, 0)
	}
	out := bufio.NewWriter(w)
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		last := f.writeStretch(out, at.id, at.depth)
		kids := f.children[last]
		for _, k := range slices.Backward(kids) {
			if !f.node(k).Copied {
				push(k, at.depth)
			}
		}
		for _, k := range slices.Backward(kids) {
			if f.node(k).Copied {
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
	a, b := f.node(id), f.node(last)
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

func lineageDot(w io.Writer, f *forest) error {
	fmt.Fprintln(w, "digraph lineage {\n  node [shape=box, fontsize=10];")
	for _, n := range f.Tree {
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
	_, err := fmt.Fprintln(w, "}")
	return err
}

// lineageNewick writes one tree per initial member; branch lengths are steps. A
// lineage may be longer than a call stack is deep: the stack is explicit here, too.
func lineageNewick(w io.Writer, f *forest) error {
	out := bufio.NewWriter(w)
	type frame struct {
		id   int64
		next int // child to write next
	}
	for _, root := range f.children[0] {
		stack := []frame{{id: root}}
		for len(stack) > 0 {
			at := &stack[len(stack)-1]
			kids := f.children[at.id]
			if at.next < len(kids) {
				mark := byte(',')
				if at.next == 0 {
					mark = '('
				}
				out.WriteByte(mark)
				at.next++
				stack = append(stack, frame{id: kids[at.next-1]})
				continue
			}
			if len(kids) > 0 {
				out.WriteByte(')')
			}
			n := f.node(at.id)
			fmt.Fprintf(out, "s%d_m%d:%d", n.ID, n.Member, n.Step-n.From)
			stack = stack[:len(stack)-1]
		}
		out.WriteString(";\n")
	}
	return out.Flush()
}
