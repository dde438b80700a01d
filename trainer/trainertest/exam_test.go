package trainertest_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/examples/digits"
	"github.com/seed-7a1a2db0/pbt/internal/quadratic"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/trainer/trainertest"
)

var hypers = pbt.MakeHypers("h0", pbt.Float(0.5), "h1", pbt.Float(0.5), "noise", pbt.Float(0.1))

func TestQuadraticPasses(t *testing.T) { trainertest.Exam(t, quadratic.New, hypers) }

func TestDigitsPasses(t *testing.T) {
	h := pbt.MakeHypers("lr", pbt.Float(0.05), "momentum", pbt.Float(0.9), "weight_decay", pbt.Float(1e-4), "dropout", pbt.Float(0.1), "noise", pbt.Float(0.1))
	trainertest.Exam(t, digits.New, h)
}

// model is a trainer that passes; faulty turns one fault on.
type model struct {
	fault           string
	theta, momentum float64
}

var shared atomic.Int64 // what must not be

func (m *model) Step(ctx context.Context, s trainer.Segment) error {
	h := s.Hypers.Float("h0")
	if m.fault == "panics at NaN" && math.IsNaN(h) {
		panic("matrix is singular")
	}
	r := pbt.NewRand(s.Seed, 0, 0, "", "")
	for range s.Steps {
		if ctx.Err() != nil {
			if m.fault == "swallows the stop" {
				return nil
			}
			return ctx.Err()
		}
		if m.fault == "shares its state" {
			m.theta += float64(shared.Add(1))
		}
		m.momentum = 0.9*m.momentum + h*r.Float64()
		m.theta += m.momentum
	}
	return nil
}

func (m *model) Eval(context.Context) (trainer.Evaluation, error) {
	if m.fault == "eval trains" {
		m.theta++
	}
	return trainer.Evaluation{Score: m.theta}, nil
}

func (m *model) Save(dir string) error {
	name, text := "theta", fmt.Sprintf("%v %v end", m.theta, m.momentum)
	switch m.fault {
	case "saves nothing":
		return nil
	case "forgets its momentum":
		text = fmt.Sprintf("%v 0 end", m.theta)
	case "rounds":
		text = fmt.Sprintf("%.3f %v end", m.theta, m.momentum)
	case "takes our name":
		name = "manifest.json"
	case "saves a link":
		if err := os.Symlink("theta", filepath.Join(dir, "best")); err != nil {
			return err
		}
	case "save trains":
		m.theta++
	}
	return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666)
}

func (m *model) Load(dir string) error {
	if m.fault == "loads nothing" {
		return nil
	}
	name := "theta"
	if m.fault == "takes our name" {
		name = "manifest.json"
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	old := *m
	var end string
	_, err = fmt.Sscan(string(text), &m.theta, &m.momentum, &end)
	switch {
	case err != nil && m.fault == "panics at damage":
		panic(err)
	case m.fault == "keeps its old momentum" && old.momentum != 0:
		m.momentum = old.momentum
	case m.fault == "spoils what it loads":
		return os.WriteFile(filepath.Join(dir, name), append(text, ' '), 0o666)
	}
	return err
}

func faulty(fault string) trainer.New {
	return func(seed uint64) (trainer.Trainer, error) {
		if fault == "cannot be made" {
			return nil, errors.New("no GPU")
		}
		if fault == "fresh weights from anywhere" {
			return &model{fault: fault, theta: float64(shared.Add(1))}, nil
		}
		return &model{fault: fault, theta: float64(seed)}, nil
	}
}

func TestTheExamPassesAGoodTrainer(t *testing.T) { trainertest.Exam(t, faulty(""), hypers) }

// Each fault is noticed, and said.
func TestTheExamFailsABadTrainer(t *testing.T) {
	for fault, says := range map[string]string{
		"cannot be made":              "no GPU",
		"fresh weights from anywhere": "fresh weights from the same seed",
		"shares its state":            "same seeds",
		"eval trains":                 "Eval",
		"save trains":                 "Save",
		"saves nothing":               "wrote no file",
		"takes our name":              "manifest.json",
		"saves a link":                "regular files",
		"forgets its momentum":        "something missing in Save",
		"rounds":                      "after Load in a fresh trainer",
		"loads nothing":               "after Load",
		"keeps its old momentum":      "over other weights",
		"spoils what it loads":        "must stay as it is",
		"panics at damage":            "with half of theta: panic",
		"panics at NaN":               "with h0 = NaN: panic",
		"swallows the stop":           "its context was done",
	} {
		t.Run(fault, func(t *testing.T) {
			r := &recorder{TB: t}
			done := make(chan struct{})
			go func() { // Fatalf ends the goroutine
				defer close(done)
				trainertest.Exam(r, faulty(fault), hypers)
			}()
			<-done
			if all := strings.Join(r.said, "\n"); !strings.Contains(all, says) {
				t.Errorf("the exam says %q, want it to speak of %q", all, says)
			}
		})
	}
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}
