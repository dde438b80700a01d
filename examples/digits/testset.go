package digits

import "github.com/seed-7a1a2db0/pbt/examples/digits/data"

// TestAccuracy measures a checkpoint directory on the test images. It is for
// reporting, once all decisions are made: nothing that trains or evaluates calls it.
func TestAccuracy(dir string) (float64, error) {
	accuracy, _, err := Test(dir)
	return accuracy, err
}

// Test is TestAccuracy, with the mean cross-entropy (in nats) as well.
func Test(dir string) (accuracy, loss float64, err error) {
	n := new(net)
	if err := n.Load(dir); err != nil {
		return 0, 0, err
	}
	accuracy, loss = n.measure(data.Test())
	return accuracy, loss, nil
}
