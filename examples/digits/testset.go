package digits

import "github.com/seed-7a1a2db0/pbt/examples/digits/data"

// TestAccuracy measures a checkpoint directory on the test images. It is for
// reporting, once all decisions are made: nothing that trains or evaluates calls it.
func TestAccuracy(dir string) (float64, error) {
	n := new(net)
	if err := n.Load(dir); err != nil {
		return 0, err
	}
	accuracy, _ := n.measure(data.Test())
	return accuracy, nil
}
