package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A newcomer finds each command in a group, with an example, and flags that say what
// they want.
func TestEveryCommandExplainsItself(t *testing.T) {
	for _, c := range newRoot().Commands() {
		if c.GroupID == "" || c.Short == "" || !strings.Contains(c.Example, "pbt "+c.Name()) {
			t.Errorf("%s: group %q, %q, example %q", c.Name(), c.GroupID, c.Short, c.Example)
		}
		if groupOf[c.Name()] == "" && !slices.ContainsFunc(steering(), func(s *cobra.Command) bool { return s.Name() == c.Name() }) {
			t.Errorf("%s has no group", c.Name())
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if kind, usage := pflag.UnquoteUsage(f); usage == "" || kind == "ps" || kind == "stringArray" {
				t.Errorf("%s --%s wants a %q: %s", c.Name(), f.Name, kind, usage)
			}
		})
	}
}

// A shell completes directories, experiment files, and values of which there are few.
func TestArgumentsAreCompleted(t *testing.T) {
	dir := t.TempDir()
	for line, want := range map[string]string{
		"run ": "yaml\nyml\njson\n:8\n", "watch ": ":16\n", "kill d ": ":4\n", "serve a ": ":16\n", "version ": ":4\n",
		"report d --figure ": "population\nhypers\nlineage\nslots\n:4\n", "watch d --screen=": "auto\nalways\nnever\n:4\n",
	} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		if got := ok(t, dir, args...); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
