// Command measure prints what a checkpoint of the digits is worth on the test images, which no decision has seen.
//
//	go run ./experiments/analysis/measure CHECKPOINT         {"accuracy": 96.1, "loss": 0.13}
//	go run ./experiments/analysis/measure -images train      a line of 64 inks and a label for each image, as CSV
package main

import (
	"encoding/csv"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/seed-7a1a2db0/pbt/examples/digits"
	"github.com/seed-7a1a2db0/pbt/examples/digits/data"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("measure", flag.ContinueOnError)
	images := flags.String("images", "", "print a set of images instead: train or validation")
	if err := flags.Parse(args); err != nil {
		return err
	}
	switch {
	case *images == "train" && flags.NArg() == 0:
		return dump(data.Train(), out)
	case *images == "validation" && flags.NArg() == 0:
		return dump(data.Validation(), out)
	case *images == "" && flags.NArg() == 1:
		return measure(flags.Arg(0), out)
	}
	return fmt.Errorf("want one checkpoint's directory, or -images train or validation; not %q", args)
}

func measure(dir string, out io.Writer) error {
	accuracy, loss, err := digits.Test(dir)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(map[string]float64{"accuracy": 100 * accuracy, "loss": loss})
}

func dump(set data.Images, out io.Writer) error {
	w := csv.NewWriter(out)
	for i, label := range set.Labels {
		var line []string
		for _, ink := range set.Image(i) {
			line = append(line, strconv.FormatFloat(float64(ink), 'g', -1, 32))
		}
		if err := w.Write(append(line, strconv.Itoa(int(label)))); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
