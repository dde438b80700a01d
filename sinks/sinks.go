// Package sinks shows a run where people already look: TensorBoard, MLflow,
// Weights & Biases, a webhook or a program. Each has a package of its own, which
// knows none of the others; package feed brings the events there.
package sinks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-7a1a2db0/pbt/config"
	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/sinks/mlflow"
	"github.com/seed-7a1a2db0/pbt/sinks/notify"
	"github.com/seed-7a1a2db0/pbt/sinks/tensorboard"
	"github.com/seed-7a1a2db0/pbt/sinks/wandb"
)

// How long events are gathered, so that a fast run does not make a request each.
const (
	fileLinger = time.Second
	webLinger  = 2 * time.Second
	newsLinger = 100 * time.Millisecond
)

// CloseTime is how long the end of a run waits for its sinks.
const CloseTime = 15 * time.Second

// Set are the sinks of one run. A nil Set has none.
type Set struct {
	source    *feed.Source
	followers []*feed.Follower
}

// Start begins to feed the sinks that an experiment asks for, from the journal in a
// run's directory, each from where its cursor stands. warn hears of sinks that are
// away or back; it may be nil. Call it once the run is in this process's hands.
func Start(ctx context.Context, runDir string, exp *config.Experiment, warn func(string)) (*Set, error) {
	warn = oneAtATime(warn)
	dir, err := filepath.Abs(runDir)
	if err != nil {
		return nil, fmt.Errorf("find the run's directory: %w", err)
	}
	configs, err := configsOf(dir, exp, warn)
	if err != nil || len(configs) == 0 {
		return nil, err
	}
	s := &Set{source: feed.NewSource(filepath.Join(dir, engine.JournalFile))}
	info := infoOf(dir, exp)
	for _, c := range configs {
		s.followers = append(s.followers, feed.Follow(ctx, s.source, info, c))
	}
	return s, nil
}

// Check tells whether the sinks that an experiment asks for can be started: without
// it, Start would say the same once the run is there.
func Check(runDir string, exp *config.Experiment) error {
	_, err := configsOf(runDir, exp, nil)
	return err
}

func oneAtATime(warn func(string)) func(string) {
	var mu sync.Mutex
	return func(text string) {
		mu.Lock()
		defer mu.Unlock()
		if warn != nil {
			warn(text)
		}
	}
}

func configsOf(dir string, exp *config.Experiment, warn func(string)) (all []feed.Config, err error) {
	if t := exp.Sinks.TensorBoard; t != nil {
		to := filepath.Join(dir, "tensorboard")
		if t.Dir != "" {
			if to, err = filepath.Abs(filepath.Join(t.Dir, filepath.Base(dir))); err != nil {
				return nil, fmt.Errorf("find TensorBoard's directory: %w", err)
			}
		}
		all = append(all, feed.Config{Name: "tensorboard", Sink: tensorboard.New(to), Linger: fileLinger, Warn: warn})
	}
	if m := exp.Sinks.MLflow; m != nil {
		uri := m.URI
		if uri == "" {
			uri = os.Getenv("MLFLOW_TRACKING_URI")
		}
		if uri == "" {
			return nil, errors.New("sinks.mlflow has no uri, and MLFLOW_TRACKING_URI is not set: set one of them, such as --set sinks.mlflow.uri=http://127.0.0.1:5000")
		}
		all = append(all, feed.Config{Name: "mlflow", Sink: mlflow.New(uri, m.Experiment), Linger: webLinger, Warn: warn})
	}
	if w := exp.Sinks.WandB; w != nil {
		sink := wandb.New(wandb.Config{Python: w.Python, Project: w.Project, Mode: w.Mode, Dir: filepath.Join(dir, feed.Dir)})
		all = append(all, feed.Config{Name: "wandb", Sink: sink, Linger: webLinger, Warn: warn})
	}
	told := func(name string, to notify.Sender) {
		sink := notify.New(to, exp.Notify.On, func(text string) { warn("notify: " + text) })
		all = append(all, feed.Config{Name: name, Sink: sink, Linger: newsLinger, FromNow: true, Warn: warn})
	}
	if exp.Notify.Webhook != "" {
		told("webhook", notify.Webhook(exp.Notify.Webhook))
	}
	if len(exp.Notify.Command) > 0 {
		told("command", notify.Command(exp.Notify.Command))
	}
	return all, nil
}

// infoOf is what the sinks show of an experiment.
func infoOf(dir string, exp *config.Experiment) feed.Info {
	return feed.Info{
		Dir: dir, Name: exp.Name, Metric: exp.Metric, Goal: exp.Goal,
		Settings: [][2]string{
			{"population", fmt.Sprint(exp.Population)}, {"seed", fmt.Sprint(exp.Seed)}, {"segment.steps", fmt.Sprint(exp.Segment)},
			{"metric", exp.Metric}, {"goal", exp.Goal.String()},
			{"exploit", exp.Policy.Exploit.Name()}, {"explore", exp.Policy.Explore.Name()}, {"slots", fmt.Sprint(exp.Trainer.Slots)},
		},
	}
}

// Wake says that the journal has grown. It never waits.
func (s *Set) Wake() {
	if s == nil {
		return
	}
	for _, f := range s.followers {
		f.Wake()
	}
}

// Observe is Wake for engine.Config.Observe. When the engine is about to close the
// journal, the sinks let it go, so that it ends as one file.
func (s *Set) Observe(v engine.View) {
	if s == nil {
		return
	}
	for i := range v.Events {
		if _, last := v.Events[i].Body.(*machine.Closed); last {
			s.source.Rest()
			return
		}
	}
	s.Wake()
}

// Close is to be called when the run is over: the sinks get what the journal holds,
// until ctx is done. It returns those that have not got everything; a later Start
// goes on there.
func (s *Set) Close(ctx context.Context) (left []feed.Left) {
	if s == nil {
		return nil
	}
	s.source.Resume()
	for _, f := range s.followers {
		f.Hurry()
	}
	for _, f := range s.followers {
		if l := f.Wait(ctx); l.Events > 0 {
			left = append(left, l)
		}
	}
	s.source.Close()
	return left
}
