// Package digits is a model that pbt trains: a small neural network that reads
// handwritten digits, in plain Go. Copy this file to write your own.
package digits

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/seed-7a1a2db0/pbt/examples/digits/data"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

const (
	hidden = 64                   // neurons
	batch  = 32                   // images per training step
	split  = data.Pixels * hidden // where the second layer's weights begin
	magic  = "pbtdigit"           // tells our checkpoints from other files
)

// net is one member's model, and all that its training goes on from.
type net struct {
	Magic             [len(magic)]byte
	Steps             int64 // behind the weights
	Weights, Velocity [split + hidden*data.Classes]float32
}

// New makes a network with fresh weights, drawn from seed.
func New(seed uint64) (trainer.Trainer, error) {
	n, rng := &net{Magic: [len(magic)]byte([]byte(magic))}, rand.New(rand.NewPCG(seed, 0))
	for i := range n.Weights {
		n.Weights[i] = float32(rng.NormFloat64() * math.Sqrt(2./hidden)) // He et al. 2015
	}
	return n, nil
}

// Step trains on segment.Steps batches under the segment's hyperparameters. All
// randomness comes from the segment, so there is no generator to save.
func (n *net) Step(ctx context.Context, segment trainer.Segment) error {
	if segment.From != n.Steps {
		return fmt.Errorf("asked to train on from step %d, but these weights are at step %d", segment.From, n.Steps)
	}
	hyper := func(name string) float32 { return float32(segment.Hypers.Float(name)) }
	lr, momentum, decay := hyper("lr"), hyper("momentum"), hyper("weight_decay")
	rng := rand.New(rand.NewPCG(segment.Seed, 0))
	for range segment.Steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		x, labels := draw(data.Train(), hyper("noise"), rng)
		for i, gradient := range n.gradient(x, labels, hyper("dropout"), rng) {
			n.Velocity[i] = momentum*n.Velocity[i] + gradient/batch + decay*n.Weights[i]
			n.Weights[i] -= lr * n.Velocity[i]
		}
		n.Steps++
	}
	return nil
}

// Eval measures on the validation images. Its score, to be minimised, is the loss:
// many networks tie on accuracy. The test images are for TestAccuracy alone.
func (n *net) Eval(context.Context) (trainer.Evaluation, error) {
	accuracy, loss := n.measure(data.Validation())
	_, trainLoss := n.measure(data.Train())
	metrics := map[string]float64{"accuracy": accuracy, "train_loss": trainLoss}
	return trainer.Evaluation{Score: loss, Metrics: metrics}, nil
}

// Save writes the network into one file.
func (n *net) Save(dir string) error {
	b, err := binary.Append(nil, binary.LittleEndian, n)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "digits.bin"), b, 0o666)
}

// Load reads it back, bit for bit.
func (n *net) Load(dir string) error {
	path := filepath.Join(dir, "digits.bin")
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if len(b) != binary.Size(n) || !bytes.HasPrefix(b, []byte(magic)) {
		return fmt.Errorf("%s is not a whole checkpoint of this model: %d bytes of %d", path, len(b), binary.Size(n))
	}
	_, err = binary.Decode(b, binary.LittleEndian, n)
	return err
}

// draw picks a batch of images at random and adds noise to their pixels.
func draw(set data.Images, noise float32, rng *rand.Rand) (x matrix, labels []uint8) {
	ink := make([]float32, 0, batch*data.Pixels)
	for range batch {
		i := rng.IntN(set.Len())
		ink, labels = append(ink, set.Image(i)...), append(labels, set.Labels[i])
	}
	for i := range ink {
		ink[i] += noise * float32(rng.NormFloat64())
	}
	return columns(data.Pixels, ink), labels
}

// forward computes hidden neurons h = max(0, x·w1), of which dropout silences
// some at random, and the digits' probabilities y = softmax(h·w2).
func (n *net) forward(x matrix, dropout float32, rng *rand.Rand) (h, y matrix) {
	h = x.times(columns(hidden, n.Weights[:split]))
	for i, v := range h.Data {
		h.Data[i] = max(0, v) / (1 - dropout)
		if dropout > 0 && rng.Float32() < dropout {
			h.Data[i] = 0
		}
	}
	return h, h.times(columns(data.Classes, n.Weights[split:])).softmax()
}

// gradient is that of the batch's summed cross-entropy, one number per weight.
func (n *net) gradient(x matrix, labels []uint8, dropout float32, rng *rand.Rand) []float32 {
	h, y := n.forward(x, dropout, rng)
	for row, label := range labels {
		y.Data[row*data.Classes+int(label)]-- // probability − truth
	}
	dh := y.times(columns(data.Classes, n.Weights[split:]).T())
	for i, v := range h.Data {
		dh.Data[i] /= 1 - dropout
		if v == 0 {
			dh.Data[i] = 0
		}
	}
	return append(x.T().times(dh).Data, h.T().times(y).Data...)
}

// measure returns the accuracy and the mean cross-entropy on a set.
func (n *net) measure(set data.Images) (accuracy, loss float64) {
	for i, label := range set.Labels {
		_, y := n.forward(columns(data.Pixels, set.Image(i)), 0, nil)
		loss -= math.Log(max(float64(y.Data[label]), 1e-12)) // finite even when sure and wrong
		if slices.Index(y.Data, slices.Max(y.Data)) == int(label) {
			accuracy++
		}
	}
	return accuracy / float64(set.Len()), loss / float64(set.Len())
}
