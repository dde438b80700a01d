package view

import (
	"encoding/csv"
	"errors"
	"io"
	"strconv"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// HyperNames lists the hyperparameters of all stages, in the order they first appear.
func HyperNames(stages []pbt.Stage) []string {
	var names []string
	seen := map[string]bool{}
	for _, s := range stages {
		for name := range s.Hypers.All() {
			if !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	return names
}

// WriteScheduleCSV writes a schedule as a table, a row for each stage.
func WriteScheduleCSV(w io.Writer, stages []pbt.Stage) error {
	names := HyperNames(stages)
	c := csv.NewWriter(w)
	head := []string{"from", "to", "segment", "member"}
	for _, name := range names {
		head = append(head, safe.Cell(name))
	}
	errs := []error{c.Write(head)}
	for _, s := range stages {
		row := []string{strconv.FormatInt(s.From, 10), strconv.FormatInt(s.To, 10), strconv.FormatInt(s.Segment, 10), strconv.Itoa(s.Member)}
		for _, name := range names {
			row = append(row, exactValue(s.Hypers, name))
		}
		errs = append(errs, c.Write(row))
	}
	c.Flush()
	return errors.Join(append(errs, c.Error())...)
}

// exactValue is a value for a cell, a number with all its digits, "" if it does not exist.
func exactValue(h pbt.Hypers, name string) string {
	v, ok := h.Get(name)
	if !ok {
		return ""
	}
	if text, isText := v.Text(); isText {
		return safe.Cell(text)
	}
	return string(v.AppendJSON(nil))
}

// PythonValue is a value as Python writes it.
func PythonValue(v pbt.Value) string {
	if truth, ok := v.Truth(); ok {
		if truth {
			return "True"
		}
		return "False"
	}
	return string(v.AppendJSON(nil))
}
