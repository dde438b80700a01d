package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-7a1a2db0/pbt/internal/disk"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/spf13/cobra"
)

var (
	//go:embed template/experiment.yaml
	experimentTemplate []byte
	//go:embed template/train.py
	trainerTemplate []byte
)

func newInit() *cobra.Command {
	return &cobra.Command{
		Use: "init [DIR]", Short: "Write a commented experiment file and the smallest trainer that runs", Args: cobra.MaximumNArgs(1),
		Long:    "Write experiment.yaml and train.py into DIR (default: here). Files that exist are left alone, and nothing is written then.",
		Example: "  pbt init first && pbt run first/experiment.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			return writeTemplates(cmd, dir)
		},
	}
}

func writeTemplates(cmd *cobra.Command, dir string) error {
	if err := disk.MakeDir(dir); err != nil {
		return fmt.Errorf("make the directory: %w", err)
	}
	files := []struct {
		name string
		text []byte
	}{{"experiment.yaml", experimentTemplate}, {"train.py", trainerTemplate}}
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); !errors.Is(err, fs.ErrNotExist) {
			return usageError{fmt.Errorf("%s is there already: choose another directory", filepath.Join(dir, f.name))}
		}
	}
	for _, f := range files {
		if err := disk.WriteFile(filepath.Join(dir, f.name), f.text); err != nil {
			return fmt.Errorf("write a template: %w", err)
		}
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote %s and %s\nnext: pbt run %s\n",
		clean(filepath.Join(dir, "experiment.yaml")), clean(filepath.Join(dir, "train.py")), safe.Path(filepath.Join(dir, "experiment.yaml")))
	return err
}
