package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// gpuTrainer is the trainer that some keys describe.
func gpuTrainer(t *testing.T, keys string) Trainer {
	t.Helper()
	return mustParse(t, strings.Replace(smallest, "train.py]", "train.py], "+keys, 1)).Trainer
}

func TestGPUsOfEachSlot(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"slots: 2", "[] []"},
		{"gpus: none, slots: 2", "[] []"},
		{"gpus: [3, 5]", "[3] [5]"},
		{"gpus: [3, 5], slots: 1", "[3]"},
		{"gpus: [3, 5, GPU-a, 7, 8], gpus_per_slot: 2", "[3 5] [GPU-a 7]"},
		{"gpus: [3, 5], gpus_per_slot: 0.5", "[3] [5] [3] [5]"},
		{"gpus: [3, 5], gpus_per_slot: 0.5, slots: 2", "[3] [5]"}, // nobody shares before he must
		{"gpus: [3, 5], gpus_per_slot: 0.33, slots: 5", "[3] [5] [3] [5] [3]"},
		{"gpus: [3], gpus_per_slot: 1.0", "[3]"},
		{"gpus: all", "[a]"},
		{"gpus: all, slots: 3", "[a] [b] [c]"},
		{"gpus: all, slots: 2, gpus_per_slot: 2", "[a b] [c d]"},
		{"gpus: all, slots: 5, gpus_per_slot: 0.25", "[a] [b] [c] [d] [a]"},
	} {
		trainer := gpuTrainer(t, c.keys)
		var got []string
		for slot := range trainer.Slots {
			ids, err := trainer.GPUsOf(slot, []string{"a", "b", "c", "d"})
			if err != nil {
				t.Errorf("%s: slot %d: %v", c.keys, slot, err)
			}
			got = append(got, fmt.Sprint(ids))
		}
		if all := strings.Join(got, " "); all != c.want {
			t.Errorf("%s gives %s, want %s", c.keys, all, c.want)
		}
	}
}

func TestSlotsThatDoNotFit(t *testing.T) {
	for _, c := range []struct {
		keys string
		all  string
		slot int
		want string
	}{
		{"gpus: all, slots: 3", "a b", 2, "no GPU is left for slot 3: at most 2 slots on 2 GPUs, 1 for each slot"},
		{"gpus: all, slots: 1, gpus_per_slot: 4", "a b", 0, "no slot fits on 2 GPUs, 4 for each slot"},
		{"gpus: all, slots: 9, gpus_per_slot: 0.25", "a b", 8, "at most 8 slots on 2 GPUs, 4 to a GPU"},
		{"gpus: all", "", 0, "this machine has no GPU"},
		{"gpus: [1]", "a b", 1, "at most 1 slot on 1 GPU"},
		{"gpus: [1]", "a b", -1, "at most 1 slot on 1 GPU"},
	} {
		trainer := gpuTrainer(t, c.keys)
		ids, err := trainer.GPUsOf(c.slot, strings.Fields(c.all))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s on %q: slot %d gets %v, %v; want %s", c.keys, c.all, c.slot, ids, err, c.want)
		}
	}
}

// TestSharesOfAGPU: every n-th is read however it is rounded to three digits, and
// is the same number when it is read again.
func TestSharesOfAGPU(t *testing.T) {
	for n := 2; n <= MaxGPUs; n++ {
		exact := 1 / float64(n)
		for _, x := range []float64{exact, math.Round(exact*1e4) / 1e4} {
			if got := gpusPerSlot(x); got != exact || gpusPerSlot(got) != got {
				t.Errorf("%v is %v, want 1/%d", x, got, n)
			}
		}
		trainer := Trainer{GPUs: []string{"0", "1", "2"}, GPUsPerSlot: exact}
		if got := trainer.SlotsOn(3); got != 3*n {
			t.Errorf("%d slots share 3 GPUs by %d", got, n)
		}
	}
	for _, x := range []float64{0.3, 0.4, 0.49, 0.6, 0.9, 0.99, 1.5, 2.0001, 0.001, math.SmallestNonzeroFloat64} {
		if got := gpusPerSlot(x); got != 0 {
			t.Errorf("%v is %v", x, got)
		}
	}
}

// TestGPUNamesAreWrittenBack: numbers as numbers, what only looks like one as a text.
func TestGPUNamesAreWrittenBack(t *testing.T) {
	const keys = `gpus: [0, "7", "07", "9999", GPU-1, 0x10]`
	trainer := gpuTrainer(t, keys)
	if want := []string{"0", "7", "07", "9999", "GPU-1", "16"}; !slices.Equal(trainer.GPUs, want) {
		t.Errorf("%s is %q, want %q", keys, trainer.GPUs, want)
	}
	if got := string(appendJSON(nil, encodeGPUs(trainer))); got != `[0,7,"07","9999","GPU-1",16]` {
		t.Errorf("%s is written %s", keys, got)
	}
}
