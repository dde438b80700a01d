package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
	"github.com/seed-7a1a2db0/pbt/internal/safe"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// failedMembers says which members the run has ended without.
func (f *runFlags) failedMembers(m *machine.Machine) error {
	var failed []string
	last := ""
	for i := range m.Members() {
		if v := m.Member(i); v.State == machine.StateFailed {
			failed, last = append(failed, strconv.Itoa(i)), machine.Cause(v.LastFailure)
		}
	}
	if len(failed) == 0 {
		return nil
	}
	n := len(failed)
	if n > maxMissing {
		failed = append(failed[:maxMissing], "…")
	}
	return membersFailed{fmt.Errorf("%s failed, with no retry left: %s. The last cause: %s\nTo train what is left of its budget: pbt resume %s --retry-failed",
		plural.Of(int64(n), "member"), strings.Join(failed, ", "), clean(last), safe.Path(f.dir))}
}
