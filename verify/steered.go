package verify

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
)

// wished is the record that an event by hand wishes to copy; nil for none.
func wished(body machine.Body) *machine.DonorRecord {
	switch e := body.(type) {
	case *machine.Steered:
		return e.Donor
	case *machine.MemberAdded:
		return e.Donor
	}
	return nil
}

// note finds out, before anything is verified, which outcomes somebody will wish to
// copy: only these need be remembered.
func (v *verifier) note(r journal.Row) error {
	if r.Kind != string(machine.KindSteered) && r.Kind != string(machine.KindMemberAdded) {
		return nil
	}
	if body, err := machine.Decode(machine.Kind(r.Kind), r.Body); err == nil {
		if d := wished(body); d != nil {
			v.donors[d.Segment] = nil
		}
	}
	return nil
}

// orderly checks what Apply takes on trust: that a run which is paused hands out
// nothing, and that whom somebody wishes to copy is as it was.
func (v *verifier) orderly(body machine.Body) error {
	switch e := body.(type) {
	case *machine.Decided, *machine.Leased:
		if phase, _ := v.machine.Phase(); phase == machine.PhasePaused {
			return fmt.Errorf("the run is %s", phase)
		}
	case *machine.Steered:
		if e.Donor != nil {
			return v.checkDonor(e.Segment, e.Donor)
		}
	case *machine.MemberAdded:
		if e.Donor != nil {
			return v.checkDonor(e.Segment, e.Donor)
		}
	}
	return nil
}

// checkDonor compares a record with the outcome that it is of. It may remember fewer
// samples of the ancestry, but no others.
func (v *verifier) checkDonor(segment int64, d *machine.DonorRecord) error {
	was := v.donors[d.Segment]
	if was == nil || segment != d.Segment {
		return fmt.Errorf("segment %d is to be copied (donor: segment %d), which has no outcome", segment, d.Segment)
	}
	claim, outcome := *d, *was
	if fewer := len(was.Samples) - len(d.Samples); fewer > 0 && len(d.Samples) > 0 {
		outcome.Samples = was.Samples[fewer:]
	}
	x, errX := json.Marshal(claim)
	y, errY := json.Marshal(outcome)
	if errX != nil || errY != nil || !bytes.Equal(x, y) {
		return fmt.Errorf("the record to be copied is %s, and it was %s", x, y)
	}
	return nil
}
