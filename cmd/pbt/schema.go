package main

import (
	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/config"
)

func newSchema() *cobra.Command {
	var reference bool
	c := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of the experiment file", Args: cobra.NoArgs,
		Long: `Print the JSON Schema (draft 2020-12) of the experiment file, for editors and other programs.
With --reference, the same as a page to read.`,
		Example: "  pbt schema > experiment.schema.json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			text := config.Schema()
			if reference {
				text = []byte(config.Reference())
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
	c.Flags().BoolVar(&reference, "reference", false, "print the reference page (markdown)")
	return c
}
