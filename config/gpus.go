package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/seed-7a1a2db0/pbt/internal/plural"
)

// shareTolerance is how far from one n-th a share may be written: 0.33 is a third.
const shareTolerance = 0.015

// gpusPerSlot reads a number as a whole number, or as one n-th; 0 if it is neither.
func gpusPerSlot(x float64) float64 {
	if x == math.Trunc(x) {
		return x
	}
	n := math.Round(1 / x)
	if n < 2 || n > MaxGPUs || math.Abs(x*n-1) > shareTolerance {
		return 0
	}
	return 1 / n
}

// sharers is how many slots share a GPU; 0 if a slot has whole ones.
func (t *Trainer) sharers() int {
	if t.GPUsPerSlot >= 1 || t.GPUsPerSlot <= 0 {
		return 0
	}
	return int(math.Round(1 / t.GPUsPerSlot))
}

// SlotsOn is how many slots fit on so many GPUs.
func (t *Trainer) SlotsOn(gpus int) int {
	if n := t.sharers(); n > 0 {
		return gpus * n
	}
	return gpus / max(1, int(t.GPUsPerSlot))
}

// GPUsOf returns the GPUs of one slot, counted from 0: nil if the trainer has
// none. all are those that the machine has, which count only with `gpus: all`.
// Slots get whole GPUs in turn; where they share, each GPU gets one slot before
// any gets its second. It is an error if the slot does not fit.
func (t *Trainer) GPUsOf(slot int, all []string) ([]string, error) {
	ids := t.GPUs
	if t.AllGPUs {
		ids = all
	}
	switch fit := t.SlotsOn(len(ids)); {
	case t.AllGPUs && len(ids) == 0:
		return nil, fmt.Errorf("trainer.gpus: all, but this machine has no GPU that can be seen")
	case len(ids) == 0:
		return nil, nil
	case slot < 0 || slot >= fit:
		return nil, fmt.Errorf("no GPU is left for slot %d: %s; change trainer.slots or trainer.gpus_per_slot", slot+1, t.fitting(len(ids)))
	case t.sharers() > 0:
		return []string{ids[slot%len(ids)]}, nil
	}
	each := max(1, int(t.GPUsPerSlot))
	return slices.Clone(ids[slot*each : (slot+1)*each]), nil
}

// fitting says how many slots fit: "at most 2 slots on 4 GPUs, 2 for each slot".
func (t *Trainer) fitting(gpus int) string {
	share := fmt.Sprintf("%g for each slot", t.GPUsPerSlot)
	if n := t.sharers(); n > 0 {
		share = fmt.Sprintf("%d to a GPU", n)
	}
	if t.SlotsOn(gpus) == 0 {
		return fmt.Sprintf("no slot fits on %s, %s", plural.Of(gpus, "GPU"), share)
	}
	return fmt.Sprintf("at most %s on %s, %s", plural.Of(t.SlotsOn(gpus), "slot"), plural.Of(gpus, "GPU"), share)
}

// gpus decodes what GPUs the slots share out, and checks that they suffice. Slots
// that the file does not count are as many as fit.
func (d *decoder) gpus(t *Trainer, v fieldsView) {
	ids, share := v.value("gpus"), v.value("gpus_per_slot")
	written, _ := share.float()
	if t.GPUsPerSlot = gpusPerSlot(written); t.GPUsPerSlot == 0 {
		d.addStrict(share.at, "trainer.gpus_per_slot", "found %s; want a whole number of GPUs for each slot, or one n-th where n slots share one: 0.5, 0.33, 0.25, … and n at most %d", share.text, MaxGPUs)
		return
	}
	for _, item := range ids.items {
		id := item.text
		if item.kind == numberKind {
			id = strconv.FormatInt(item.int(), 10)
		}
		switch {
		case slices.Contains(t.GPUs, id):
			d.addStrict(item.at, "trainer.gpus", "lists %s twice", id)
		case id == "all" || id == "none":
			d.addStrict(item.at, "trainer.gpus", "%s stands alone, not in a list; write gpus: %s", id, id)
		}
		t.GPUs = append(t.GPUs, id)
	}
	t.AllGPUs = ids.text == "all"
	if t.GPUs == nil {
		if !t.AllGPUs && t.GPUsPerSlot != 1 {
			d.addStrict(share.at, "trainer.gpus_per_slot", "found %s, but the trainer has no GPUs; add gpus: all, or a list such as gpus: [0, 1]", share.text)
		}
		return
	}
	fit := t.SlotsOn(len(t.GPUs))
	slots := v.n.get("slots")
	switch {
	case slots == nil && fit > 0:
		t.Slots = fit
	case slots == nil:
		d.addStrict(ids.at, "trainer.gpus", "%s", t.fitting(len(t.GPUs)))
	case t.Slots > fit:
		d.addStrict(slots.at, "trainer.slots", "found %d; want %s", t.Slots, t.fitting(len(t.GPUs)))
	}
}

// encodeGPUs writes a number where the list had, or could have had, one.
func encodeGPUs(t Trainer) *node {
	switch {
	case t.AllGPUs:
		return textNode("all")
	case len(t.GPUs) == 0:
		return textNode("none")
	}
	list := listNode()
	for _, id := range t.GPUs {
		item := textNode(id)
		if n, err := strconv.ParseInt(id, 10, 64); err == nil && n >= 0 && n <= maxGPUNumber && strconv.FormatInt(n, 10) == id {
			item = wholeNode(n)
		}
		list.items = append(list.items, item)
	}
	return list.measure()
}
