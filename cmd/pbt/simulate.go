package main

import "github.com/spf13/cobra"

func newSim() *cobra.Command { return &cobra.Command{Use: "sim"} }
