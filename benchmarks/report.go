package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/internal/hardware"
)

// Results are one run of the benchmarks.
type Results struct {
	Date       string  `json:"date"`
	Commit     string  `json:"commit"` // with "-dirty" if the tree had changes
	Quick      bool    `json:"quick,omitempty"`
	Machine    Machine `json:"machine"`
	LoadBefore string  `json:"load_before"` // /proc/loadavg: was the machine busy with other work?
	LoadAfter  string  `json:"load_after"`
	Rows       []Row   `json:"rows"`
}

// Machine is where they were measured.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	MemoryBytes uint64 `json:"memory_bytes"`
	Kernel      string `json:"kernel"`
	FileSystem  string `json:"file_system"` // that holds the scratch directory
	Go          string `json:"go"`
}

// Row is one measure beside its target.
type Row struct {
	Benchmark string   `json:"benchmark"`
	Measure   string   `json:"measure"`
	Target    *float64 `json:"target,omitempty"` // nil: for information
	AtLeast   bool     `json:"at_least,omitempty"`
	Unit      string   `json:"unit"`
	Value     float64  `json:"value"`
	Met       *bool    `json:"met,omitempty"`
	Note      string   `json:"note,omitempty"`
	Table     *Table   `json:"table,omitempty"`
}

// Table shows how a measure grows, or where its time goes.
type Table struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

func (t *Table) add(cells ...any) {
	for i, c := range cells {
		if x, ok := c.(float64); ok {
			cells[i] = round(x)
		}
	}
	t.Rows = append(t.Rows, cells)
}

// round keeps four digits: the fifth is noise.
func round(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

func atLeast(x float64) (*float64, bool) { return &x, true }

func atMost(x float64) *float64 { return &x }

func (r *Row) judge() {
	r.Value = round(r.Value)
	if r.Target == nil {
		return
	}
	met := r.Value <= *r.Target
	if r.AtLeast {
		met = r.Value >= *r.Target
	}
	r.Met = &met
}

func showFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var results Results
	if err := json.Unmarshal(text, &results); err != nil {
		return fmt.Errorf("%s holds no results: %w", path, err)
	}
	results.print(os.Stdout)
	return nil
}

// print writes Markdown.
func (r *Results) print(w io.Writer) {
	m := r.Machine
	fmt.Fprintf(w, "%s, commit %s; %s, %d cores, %.0f GiB; Linux %s, %s; %s; load %s before, %s after\n\n",
		r.Date, r.Commit, m.CPU, m.Cores, float64(m.MemoryBytes)/(1<<30), m.Kernel, m.FileSystem, m.Go, r.LoadBefore, r.LoadAfter)
	if r.Quick {
		fmt.Fprint(w, "A quick run: it shows that everything works, and proves nothing.\n\n")
	}
	all := Table{Columns: []string{"benchmark", "measure", "target", "measured", ""}}
	for i := range r.Rows {
		row := &r.Rows[i]
		all.Rows = append(all.Rows, []any{row.Benchmark, row.Measure, row.target(), number(row.Value) + " " + row.Unit, row.verdict()})
	}
	all.print(w)
	for i := range r.Rows {
		r.Rows[i].print(w)
	}
}

func (r *Row) target() string {
	switch {
	case r.Target == nil:
		return ""
	case r.AtLeast:
		return "≥ " + number(*r.Target) + " " + r.Unit
	}
	return "≤ " + number(*r.Target) + " " + r.Unit
}

func (r *Row) verdict() string {
	switch {
	case r.Met == nil:
		return ""
	case *r.Met:
		return "met"
	}
	return "MISSED"
}

func (r *Row) print(w io.Writer) {
	if r.Note == "" && r.Table == nil {
		return
	}
	fmt.Fprintf(w, "\n**%s**: %s %s. %s\n", r.Measure, number(r.Value), r.Unit, r.Note)
	if r.Table != nil {
		fmt.Fprintln(w)
		r.Table.print(w)
	}
}

func (t *Table) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.DiscardEmptyColumns)
	fmt.Fprintln(tw, "| "+strings.Join(t.Columns, "\t | ")+"\t |")
	fmt.Fprintln(tw, strings.Repeat("| ---\t ", len(t.Columns))+"|")
	for _, cells := range t.Rows {
		var texts []string
		for _, c := range cells {
			if x, ok := c.(float64); ok {
				c = number(x)
			}
			texts = append(texts, fmt.Sprint(c))
		}
		fmt.Fprintln(tw, "| "+strings.Join(texts, "\t | ")+"\t |")
	}
	tw.Flush()
}

// number writes a number with the thousands apart.
func number(x float64) string {
	text := strconv.FormatFloat(x, 'f', -1, 64)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}

func describeMachine(dir string) Machine {
	m := Machine{
		CPU: hardware.CPU(), MemoryBytes: hardware.MemoryBytes(), Cores: runtime.NumCPU(),
		Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH, FileSystem: fileSystem(dir),
	}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	return m
}

// fileSystem names the type and the device of the mount that holds a directory.
func fileSystem(dir string) string {
	text, _ := os.ReadFile("/proc/mounts")
	name, longest := "unknown", 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest || !strings.HasPrefix(dir+"/", strings.TrimSuffix(f[1], "/")+"/") {
			continue
		}
		name, longest = f[2]+" on "+f[0], len(f[1])
	}
	return name
}

func load() string {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
