package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/seed-7a1a2db0/pbt/trainer"
)

// model is a trainer with a fault: it descends a bowl of two weights with momentum,
// with noise from the segment's seed. Its score is a loss, above 0.
type model struct {
	W, V    [2]float64
	Count   int64   // steps, for a schedule
	Mean    float64 // a running mean that measuring uses, as batch norm's
	Log     []float64
	Ring    uint64 // a generator's state
	Pad     string
	fault   string
	initial [2]float64
	hypers  [2]float64 // lr, momentum
	key     int64
	chance  *rand.Rand // what is not seeded
	open    *os.File
}

var keys atomic.Int64

// faulty makes models with a fault; chance stands for what no seed governs.
func faulty(fault string, chance *rand.Rand) trainer.New {
	return func(seed uint64) (trainer.Trainer, error) {
		if fault == "same weights" {
			seed = 1
		}
		r := rand.New(rand.NewPCG(seed, 0))
		m := &model{fault: fault, chance: chance, Mean: 1, key: keys.Add(1)}
		for i := range m.W {
			m.W[i] = 1 + r.Float64()
		}
		m.initial = m.W
		return m, nil
	}
}

func (m *model) Step(ctx context.Context, s trainer.Segment) error {
	seed, lr, momentum := s.Seed, s.Hypers.Float("lr"), s.Hypers.Float("momentum")
	switch m.fault {
	case "hypers ignored", "reports lr":
		lr, momentum = 0.01, 0.5
	case "momentum ignored":
		momentum = 0.5
	case "hypers kept":
		if m.hypers[0] != 0 {
			lr, momentum = m.hypers[0], m.hypers[1]
		}
	case "fails with other hypers":
		if m.hypers[0] != 0 && m.hypers[0] != lr {
			return errors.New("shapes do not match")
		}
	case "seed ignored":
		seed = 1
	case "generator saved":
		if m.Ring == 0 {
			m.Ring = seed
		}
		seed = m.Ring
		m.Ring += 77
	case "one generator":
		seed = m.chance.Uint64()
	case "generator in memory":
		if m.Ring == 0 {
			m.Ring = 1
		}
		seed = m.Ring
		m.Ring++
	}
	m.hypers = [2]float64{lr, momentum}
	r := rand.New(rand.NewPCG(seed, 1))
	for range s.Steps {
		if err := ctx.Err(); err != nil && m.fault != "never stops" {
			return err
		}
		m.step(lr, momentum, r)
	}
	return nil
}

func (m *model) step(lr, momentum float64, r *rand.Rand) {
	switch m.fault {
	case "schedule":
		lr /= 1 + float64(m.Count)
	case "slow", "never stops":
		time.Sleep(time.Millisecond)
	}
	m.Count++
	if m.fault == "grows" {
		m.Log = append(m.Log, m.W[0])
	}
	for i := range m.W {
		noise := 0.1 * r.NormFloat64()
		if m.fault == "gpu" {
			noise += 1e-6 * m.chance.NormFloat64()
		}
		m.V[i] = momentum*m.V[i] + m.W[i] + noise
		m.W[i] -= 0.1 * lr * m.V[i]
	}
	m.Mean += 0.1 * (m.W[0]*0.7 - m.Mean)
}

func (m *model) Eval(context.Context) (trainer.Evaluation, error) {
	score := 0.1 + m.W[0]*m.W[0] + m.W[1]*m.W[1]
	switch m.fault {
	case "diverges":
		score = math.NaN()
	case "constant":
		score = 0.5
	case "batch norm":
		score += m.Mean
	case "noisy measuring":
		score += 0.05 * m.chance.NormFloat64()
	case "games won":
		won := 0.
		for range 10 {
			if m.chance.Float64() < 0.5 {
				won++
			}
		}
		score = won / 10
	case "coarse":
		score = math.Round(score*20) / 20
	case "normaliser": // coarse, as the mean of 10 returns is
		score = math.Round(100*(score+m.Mean)) / 10
	case "normaliser, sampled", "episodes":
		return m.play(score), nil
	}
	return trainer.Evaluation{Score: score, Metrics: map[string]float64{"norm": score, "seconds": float64(time.Now().UnixNano()) / 1e9}}, nil
}

// play measures by episodes; what they are played with is not seeded.
func (m *model) play(score float64) trainer.Evaluation {
	var e trainer.Evaluation
	for range 20 {
		x := math.Round(100*(score+m.Mean)+5*m.chance.NormFloat64()) / 10
		e.Samples = append(e.Samples, x)
		e.Score += x / 20
	}
	return e
}

func (m *model) Save(dir string) error {
	kept := *m
	path := filepath.Join(dir, "model.json")
	switch m.fault {
	case "momentum forgotten":
		kept.V = [2]float64{}
	case "schedule":
		kept.Count = 0
	case "batch norm", "normaliser", "normaliser, sampled":
		kept.Mean = 1
	case "generator in memory":
		kept.Ring = 0
	case "half precision":
		for i := range kept.W {
			kept.W[i] = float64(float32(kept.W[i])) * (1 + 2e-6)
		}
	case "frozen":
		kept = model{W: m.initial}
	case "saves nothing":
		return nil
	case "empty file":
		return os.WriteFile(path, nil, 0o666)
	case "link":
		return os.Symlink("/etc/hostname", path)
	case "own path":
		kept.Pad = dir
	case "time in it":
		kept.Pad = fmt.Sprint(time.Now().UnixNano())
	case "large":
		kept.Pad = strings.Repeat("x", 1<<16)
	}
	text, err := json.Marshal(struct {
		*model
		Key int64
	}{&kept, map[bool]int64{true: m.key}[m.fault == "only in this process"]})
	if err != nil {
		return err
	}
	return m.write(path, text)
}

// write writes a checkpoint's file, and with some faults goes on doing so.
func (m *model) write(path string, text []byte) error {
	if m.fault != "left open" && m.fault != "written later" {
		return os.WriteFile(path, text, 0o666)
	}
	if m.open != nil && m.fault == "written later" {
		if _, err := m.open.WriteString("\n"); err != nil {
			return err
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	m.open = f
	_, err = f.Write(text)
	return err
}

func (m *model) Load(dir string) error {
	path := filepath.Join(dir, "model.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	switch {
	case m.fault == "never loads":
		return nil
	case json.Valid(text):
	case m.fault == "fresh instead":
		return nil
	case m.fault == "guesses":
		m.W[0] = 3
		return nil
	}
	m.V, m.Mean, m.Count, m.Log, m.Ring, m.Pad = [2]float64{}, 1, 0, nil, 0, ""
	doc := struct {
		*model
		Key int64
	}{model: m}
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	m.initial = m.W
	switch {
	case m.fault == "only in this process" && doc.Key != m.key:
		return errors.New("no such handle")
	case m.fault == "writes where it loads":
		return os.WriteFile(filepath.Join(dir, "loaded"), []byte("yes"), 0o666)
	}
	return nil
}
