package main

import (
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/safe"
)

// clean makes text from outside (names, errors of trainers) safe for a terminal.
func clean(s string) string { return safe.Text(s) }

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
