// Command benchmarks measures what pbt promises about its speed, each row beside
// its target, and saves the numbers with the machine and the commit they belong to.
//
//	go run ./benchmarks -json benchmarks/results/mine.json
//	go run ./benchmarks -only segment,share -quick
//	go run ./benchmarks -show benchmarks/results/mine.json
//
// README.md says what each row means. Two things are compared only if they were
// measured in turns within one run: the machine may be busy with other work.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// benchmark measures one or more rows.
type benchmark struct {
	name string
	run  func(*bench) ([]Row, error)
}

var benchmarks = []benchmark{
	{"decide", benchDecide},
	{"machine", benchMachine},
	{"report", benchReport},
	{"segments", benchSegments},
	{"durable", benchDurable},
	{"segment", benchSegment},
	{"share", benchShare},
	{"readers", benchReaders},
	{"open", benchOpen},
	{"long", benchLong},
	{"commands", benchCommands},
}

// bench is what a benchmark gets to work with.
type bench struct {
	quick bool
	dir   string // scratch, on the disk that is measured
	pbt   string // the binary; built on first use if empty
}

// pick is the size of something: the first in a full run, the second in a quick one.
func (b *bench) pick(full, quick int) int {
	if b.quick {
		return quick
	}
	return full
}

// logf tells a person what goes on.
func (b *bench) logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func main() {
	if len(os.Args) > 2 && os.Args[1] == childArg {
		check(serveChild(os.Args[2:]))
		return
	}
	var b bench
	out := flag.String("json", "", "write the results to this file")
	only := flag.String("only", "", "measure only these, separated by commas: "+names())
	show := flag.String("show", "", "print the results in this file, and measure nothing")
	parent := flag.String("dir", "", "measure the disk that holds this directory (default: that of temporary files)")
	date := flag.String("date", time.Now().UTC().Format(time.DateOnly), "the date to write down")
	flag.BoolVar(&b.quick, "quick", false, "small sizes and few rounds: shows that everything works, proves nothing")
	flag.StringVar(&b.pbt, "pbt", "", "the pbt binary to measure (default: built from this source)")
	var f feed
	flag.StringVar(&f.dir, "feed", "", "write a run into this directory, and let it grow until this process is ended (not with -rate 0); measure nothing")
	flag.IntVar(&f.members, "members", 1000, "of -feed: members")
	flag.Int64Var(&f.segments, "segments", 1_000_000, "of -feed: segments to begin with")
	flag.IntVar(&f.rate, "rate", 100, "of -feed: segments that finish in a second then")
	flag.Parse()
	if f.dir != "" {
		check(f.run())
		return
	}
	if *show != "" {
		check(showFile(*show))
		return
	}
	check(b.main(*parent, *only, *out, *date))
}

func (b *bench) main(parent, only, out, date string) (err error) {
	if b.dir, err = os.MkdirTemp(parent, "pbt-benchmarks-*"); err != nil {
		return fmt.Errorf("make a scratch directory: %w", err)
	}
	defer os.RemoveAll(b.dir)
	results := Results{Date: date, Quick: b.quick, Commit: commit(), Machine: describeMachine(b.dir), LoadBefore: load()}
	for _, bm := range benchmarks {
		if only != "" && !slices.Contains(strings.Split(only, ","), bm.name) {
			continue
		}
		b.logf("measuring %s …", bm.name)
		rows, err := bm.run(b)
		if err != nil {
			return fmt.Errorf("%s: %w", bm.name, err)
		}
		for i := range rows {
			rows[i].Benchmark = bm.name
			rows[i].judge()
		}
		results.Rows = append(results.Rows, rows...)
	}
	if len(results.Rows) == 0 {
		return fmt.Errorf("nothing is called %q: want some of %s", only, names())
	}
	results.LoadAfter = load()
	results.print(os.Stdout)
	if out == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(out, append(text, '\n'), 0o666)
}

func names() string {
	var all []string
	for _, bm := range benchmarks {
		all = append(all, bm.name)
	}
	return strings.Join(all, ",")
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmarks:", err)
		os.Exit(1)
	}
}
