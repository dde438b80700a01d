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
	c.Flags().StringVar(&format, "format", "text", "text, json, dot or newick")
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

// stretch follows a segment for as long as it has one child.
func (f *forest) stretch(id int64) (last int64) {
	for len(f.children[id]) == 1 {
		id = f.children[id][0]
	}
	return id
}

func scoreText(s *pbt.Score) string {
	if s == nil {
		return "-"
	}
	return s.String()
}

// lineageText draws the forest with an explicit stack: a lineage may be longer
// than a call stack is deep.
func lineageText(w io.Writer, f *forest) error {
	type frame struct {
		id    int64
		depth int
	}
	var stack []frame
	push := func(ids []int64, depth int) {
		for _, id := range slices.Backward(ids) {
			stack = append(stack, frame{id, depth})
		}
	}
	push(f.children[0], 0)
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		last := f.stretch(at.id)
		a, b := f.node(at.id), f.node(last)
		mark := " "
		if f.onBest[at.id] {
			mark = "*"
		}
		how := ""
		if a.Copied {
			how = " copied"
		}
		if _, err := fmt.Fprintf(w, "%s %s%s member %d, segments %d–%d, steps %d–%d, score %s\n", mark, strings.Repeat("  ", at.depth), "└"+how,
			a.Member, a.ID, b.ID, a.From, b.Step, scoreText(b.Score)); err != nil {
			return err
		}
		push(f.children[last], at.depth+1)
	}
	return nil
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
