package digits

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/examples/digits/data"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

func hypers(lr, momentum, decay, dropout, noise float64) pbt.Hypers {
	return pbt.MakeHypers("lr", pbt.Float(lr), "momentum", pbt.Float(momentum),
		"weight_decay", pbt.Float(decay), "dropout", pbt.Float(dropout), "noise", pbt.Float(noise))
}

// sensible hyperparameters use everything there is.
var sensible = hypers(0.05, 0.8, 1e-4, 0.2, 0.2)

func fresh(t *testing.T, seed uint64) *net {
	t.Helper()
	made, err := New(seed)
	if err != nil {
		t.Fatal(err)
	}
	return made.(*net)
}

// train goes on from where the network is.
func train(t *testing.T, n *net, steps int64, h pbt.Hypers, seed uint64) {
	t.Helper()
	segment := trainer.Segment{From: n.Steps, Steps: steps, Hypers: h, Seed: seed}
	if err := n.Step(context.Background(), segment); err != nil {
		t.Fatal(err)
	}
}

func evaluate(t *testing.T, n *net) trainer.Evaluation {
	t.Helper()
	e, err := n.Eval(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func saved(t *testing.T, n *net) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := n.Save(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestItLearns(t *testing.T) {
	n := fresh(t, 1)
	before := evaluate(t, n)
	train(t, n, 400, sensible, 1)
	after := evaluate(t, n)
	if after.Score > before.Score/4 || after.Metrics["accuracy"] < 0.9 || after.Metrics["train_loss"] > after.Score {
		t.Errorf("400 steps led from %+v to %+v", before, after)
	}
	if got, err := TestAccuracy(saved(t, n)); err != nil || got < 0.9 || got >= 1 {
		t.Errorf("test accuracy %v, %v", got, err)
	}
}

func TestSameSeedsSameBits(t *testing.T) {
	a, b := fresh(t, 7), fresh(t, 7)
	if *a != *b {
		t.Fatal("the same seed draws different weights")
	}
	if *a == *fresh(t, 8) {
		t.Fatal("another seed draws the same weights")
	}
	train(t, a, 50, sensible, 3)
	train(t, b, 50, sensible, 3)
	if *a != *b {
		t.Fatal("the same segment trains differently")
	}
	clone := *a
	train(t, a, 1, sensible, 4)
	train(t, &clone, 1, sensible, 5)
	if a.Weights == clone.Weights {
		t.Error("two clones with segment seeds of their own stay alike")
	}
}

// Trainers run side by side and share the images.
func TestNeighboursDoNotMatter(t *testing.T) {
	alone := fresh(t, 1)
	train(t, alone, 20, sensible, 1)
	together := [3]*net{fresh(t, 1), fresh(t, 1), fresh(t, 1)}
	var wg sync.WaitGroup
	for _, n := range together {
		wg.Go(func() {
			segment := trainer.Segment{Steps: 20, Hypers: sensible, Seed: 1}
			if err := n.Step(context.Background(), segment); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, n := range together {
		if *n != *alone {
			t.Error("a trainer with neighbours trains differently")
		}
	}
}

// Training, saving, loading elsewhere and training on is the same as never stopping.
func TestGoingOnFromACheckpoint(t *testing.T) {
	unbroken := fresh(t, 1)
	train(t, unbroken, 30, sensible, 1)
	dir := saved(t, unbroken)
	train(t, unbroken, 30, hypers(0.01, 0.9, 0, 0, 0), 2)

	resumed := fresh(t, 99)
	if err := resumed.Load(dir); err != nil {
		t.Fatal(err)
	}
	train(t, resumed, 30, hypers(0.01, 0.9, 0, 0, 0), 2)
	if *resumed != *unbroken {
		t.Error("the resumed network is another one")
	}
	if resumed.Steps != 60 {
		t.Errorf("60 steps are counted as %d", resumed.Steps)
	}
	if a, b := evaluate(t, resumed), evaluate(t, unbroken); a.Score != b.Score {
		t.Errorf("scores %v and %v", a.Score, b.Score)
	}
}

func TestEvalAndSaveChangeNothing(t *testing.T) {
	n := fresh(t, 1)
	train(t, n, 5, sensible, 1)
	before := *n
	evaluate(t, n)
	first, second := saved(t, n), saved(t, n)
	if *n != before {
		t.Error("evaluating and saving changed the network")
	}
	if !bytes.Equal(read(t, first), read(t, second)) {
		t.Error("saving twice wrote different files")
	}
	files, err := os.ReadDir(first)
	if err != nil || len(files) != 1 {
		t.Errorf("a checkpoint holds %v, %v; want one file", files, err)
	}
}

func read(t *testing.T, dir string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "digits.bin"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLoadRefusesWhatSaveDidNotWrite(t *testing.T) {
	n := fresh(t, 1)
	whole := read(t, saved(t, n))
	foreign := bytes.Clone(whole)
	foreign[0]++
	for name, content := range map[string][]byte{
		"empty":        {},
		"only a magic": whole[:8],
		"cut short":    whole[:len(whole)-1],
		"too long":     append(bytes.Clone(whole), 0),
		"foreign":      foreign,
		"a text":       []byte("epoch 3, loss 0.2\n"),
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "digits.bin"), content, 0o666); err != nil {
			t.Fatal(err)
		}
		before := *n
		err := n.Load(dir)
		if err == nil || !strings.Contains(err.Error(), "not a whole checkpoint") || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: error %v should say what is wrong with which file", name, err)
		}
		if *n != before {
			t.Errorf("%s: a refused checkpoint changed the network", name)
		}
		if _, err := TestAccuracy(dir); err == nil {
			t.Errorf("%s: has a test accuracy", name)
		}
	}
	if err := n.Load(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory: %v", err)
	}
	if err := n.Save(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("saving into no directory: %v", err)
	}
}

func TestStepStopsWhenAsked(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	n := fresh(t, 1)
	if err := n.Step(ctx, trainer.Segment{Steps: 1 << 40, Hypers: sensible}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped with %v", err)
	}
}

func TestStepRefusesOtherWeights(t *testing.T) {
	n := fresh(t, 1)
	if err := n.Step(context.Background(), trainer.Segment{From: 200, Steps: 1, Hypers: sensible}); err == nil {
		t.Error("fresh weights went on from step 200")
	}
}

// Absurd hyperparameters are a bad score, not a panic and not an error.
func TestBlowUpIsABadScore(t *testing.T) {
	n := fresh(t, 1)
	train(t, n, 300, hypers(1e3, 0.99, 1e-2, 0, 0), 1)
	e := evaluate(t, n)
	if !math.IsNaN(e.Score) || e.Metrics["accuracy"] != 0 {
		t.Errorf("a network of NaN evaluates to %+v", e)
	}
	if got, err := TestAccuracy(saved(t, n)); err != nil || got != 0 {
		t.Errorf("test accuracy of a network of NaN: %v, %v", got, err)
	}
	for _, h := range []pbt.Hypers{hypers(1e3, 0.5, 0, 0.8, 1), hypers(1e3, 0.9, 0, 0, 0), hypers(1, 0.99, 1e-2, 0.8, 1)} {
		n := fresh(t, 1)
		train(t, n, 100, h, 1)
		if e := evaluate(t, n); e.Score < 1 {
			t.Errorf("%s scores %v", h, e.Score)
		}
	}
}

// A network that says the same about every image ties all digits: no tie is right.
func TestADeadNetworkGuesses(t *testing.T) {
	n := &net{}
	accuracy, loss := n.measure(data.Validation())
	if accuracy > 0.11 || math.Abs(loss-math.Log(data.Classes)) > 1e-6 {
		t.Errorf("accuracy %v and loss %v, want about 0.1 and ln 10", accuracy, loss)
	}
}
