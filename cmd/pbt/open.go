package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/history"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// jsonFlag adds --json, which every command has that prints facts.
func jsonFlag(c *cobra.Command, asJSON *bool) {
	c.Flags().BoolVar(asJSON, "json", false, "print JSON")
}

// segmentFlag adds --segment.
func segmentFlag(c *cobra.Command, segment *int64) {
	c.Flags().Var((*segmentNumber)(segment), "segment", "`number` of the segment whose ancestry is meant (default: the best)")
}

// segmentNumber is the value of a flag that names a segment; 0 as long as none is named.
type segmentNumber int64

// Set implements pflag.Value.
func (n *segmentNumber) Set(text string) error {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return errors.New("want a segment's number, from 1; pbt status and pbt lineage show them")
	}
	*n = segmentNumber(id)
	return nil
}

// String implements pflag.Value.
func (n *segmentNumber) String() string {
	if *n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

// Type implements pflag.Value.
func (n *segmentNumber) Type() string { return "number" }

func printJSON(cmd *cobra.Command, v any) error {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := cmd.OutOrStdout().Write(safe.JSON(text.Bytes()))
	return err
}

// openJournal opens a run's journal for reading, beside a process that may run it.
func openJournal(dir string) (*journal.Journal, error) {
	path := filepath.Join(dir, engine.JournalFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a run's directory: it holds no %s", dir, engine.JournalFile)
	}
	return journal.OpenReadOnly(path)
}

// notBegun is a run whose process was killed before its first event.
func notBegun(dir string) error {
	return fmt.Errorf("%s: the run has not begun, no event is recorded: start it with pbt run FILE --dir %s", dir, safe.Path(dir))
}

// readMachine folds a run's journal into its present state.
func readMachine(dir string) (*machine.Machine, error) {
	j, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	m, _, err := engine.Fold(j, config.SpecOf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if m == nil {
		return nil, notBegun(dir)
	}
	return m, nil
}

// readHistory reads a run's whole story.
func readHistory(dir string) (*history.History, error) {
	j, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	h, err := history.Read(j, config.SpecOf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return h, nil
}

// openCheckpoints opens a run's checkpoints for reading.
func openCheckpoints(dir string) (*checkpoint.Store, error) {
	return checkpoint.OpenReadOnly(filepath.Join(dir, engine.CheckpointDir))
}

// storedExperiment is the experiment that a run follows now: as it started, with
// what later sittings changed.
func storedExperiment(dir string) (*config.Experiment, error) {
	j, err := openJournal(dir)
	if err != nil {
		return nil, err
	}
	defer j.Close()
	var stored []byte
	err = j.Read(0, func(r journal.Row) error {
		switch machine.Kind(r.Kind) {
		case machine.KindRunStarted, machine.KindSpecChanged:
			var e struct {
				Experiment json.RawMessage `json:"experiment"`
			}
			if err := json.Unmarshal(r.Body, &e); err != nil {
				return err
			}
			stored = e.Experiment
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, notBegun(dir)
	}
	return config.FromJSON(stored)
}

// keptCheckpoint is the name of a segment's checkpoint, empty if the run keeps none, and
// whether it is there: else somebody has deleted it.
func keptCheckpoint(m *machine.Machine, store *checkpoint.Store, segment int64) (name string, there bool) {
	name, kept := m.NeedsCheckpoint(segment)
	if !kept || name == "" {
		return "", false
	}
	return name, store.Has(name)
}
