package engine

import (
	"errors"
	"fmt"

	"github.com/seed-7a1a2db0/pbt/checkpoint"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// Branch is what a run begins with that is a branch of another: a record of that run,
// and its checkpoint there.
type Branch struct {
	machine.Branch                   // its Checkpoint is filled in by Create
	From           *checkpoint.Store // the other run's
	ID             string            // the checkpoint, there
}

// firstInput is what a run begins with. The checkpoint of a branch is in this run's own
// store, verified and durable, before its outcome is recorded.
func (e *Engine) firstInput() (machine.Start, error) {
	in := machine.Start{Experiment: e.config.Experiment, Version: e.config.Version, Source: string(e.config.Source)}
	b := e.config.Branch
	if b == nil {
		return in, nil
	}
	if err := b.Validate(&e.config.Spec); err != nil {
		return in, err
	}
	// A process that was killed before the first event may have left one.
	if err := e.store.Delete(machine.ImportName); err != nil {
		return in, err
	}
	there, here, err := e.store.Import(b.From, b.ID, machine.ImportName)
	switch {
	case errors.Is(err, checkpoint.ErrMissing):
		return in, fmt.Errorf("the checkpoint of %s is gone: %w", &b.Origin, err)
	case err != nil:
		return in, err
	case b.Origin.Digest != "" && b.Origin.Digest != there.Digest:
		return in, fmt.Errorf("the checkpoint of %s is another one than its journal recorded (digest %s, not %s)", &b.Origin, there.Digest, b.Origin.Digest)
	}
	branch := b.Branch
	branch.Origin.Digest = there.Digest
	branch.Checkpoint = machine.Checkpoint{ID: here.ID, Bytes: here.Bytes, Digest: here.Digest}
	in.Branch = &branch
	return in, nil
}
