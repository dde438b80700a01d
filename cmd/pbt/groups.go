package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// The groups of commands in `pbt --help`.
const (
	groupTrain = "train"
	groupLook  = "look"
	groupSteer = "steer"
	groupCheck = "check"
)

// groupOf is each command's group; the commands that steer have their own.
var groupOf = map[string]string{
	"init": groupTrain, "check": groupTrain, "run": groupTrain, "resume": groupTrain, "replay": groupTrain, "branch": groupTrain,
	"status": groupLook, "watch": groupLook, "serve": groupLook, "report": groupLook, "best": groupLook, "schedule": groupLook,
	"lineage": groupLook, "explain": groupLook, "events": groupLook, "export": groupLook,
	"verify": groupCheck, "sim": groupCheck, "schema": groupCheck, "version": groupCheck,
}

// arrange puts the commands in groups, in the order in which a newcomer needs them.
func arrange(root *cobra.Command) {
	cobra.EnableCommandSorting = false
	root.AddGroup(&cobra.Group{ID: groupTrain, Title: "Train:"}, &cobra.Group{ID: groupLook, Title: "Look at a run, while it goes on and after it:"},
		&cobra.Group{ID: groupSteer, Title: "Steer a run that goes on:"}, &cobra.Group{ID: groupCheck, Title: "Check, and more:"})
	root.SetHelpCommandGroupID(groupCheck)
	root.SetCompletionCommandGroupID(groupCheck)
	for _, c := range root.Commands() {
		if c.GroupID = groupOf[c.Name()]; c.GroupID == "" {
			c.GroupID = groupSteer
		}
		if c.ValidArgsFunction == nil {
			c.ValidArgsFunction = complete
		}
	}
}

// complete completes a command's arguments in a shell: a run's directory, an experiment
// file, and else nothing.
func complete(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	words := strings.Fields(c.Use)
	if len(words) > 1 && (len(args) == 0 || strings.HasSuffix(words[1], "…")) {
		switch strings.Trim(words[1], "[]…") {
		case "DIR":
			return nil, cobra.ShellCompDirectiveFilterDirs
		case "FILE":
			return []cobra.Completion{"yaml", "yml", "json"}, cobra.ShellCompDirectiveFilterFileExt
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// oneOf completes a flag whose value is one of a few.
func oneOf(c *cobra.Command, name string, values ...string) {
	_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // it fails for a flag that is not there
}
