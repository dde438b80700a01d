// Package mlflow sends a run to an MLflow tracking server: a run with a child for
// each member. It asks the server what is there already, by tags, so that a run
// goes on in the same MLflow runs after a crash, or without its cursor.
package mlflow

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
)

// Tags by which our runs are found again.
const (
	runTag    = "pbt.run"
	memberTag = "pbt.member" // of a child
)

// nobody is the key of the parent run among the members'.
const nobody = machine.NoMember

// MLflow's words for how a run stands.
const (
	running  = "RUNNING"
	finished = "FINISHED"
	failed   = "FAILED"
	killed   = "KILLED"
)

// Sink is one tracking server.
type Sink struct {
	api        api
	experiment string

	run          *feed.Run
	experimentID string
	runs         map[int]string // MLflow's run of each member, and the parent's
}

// New returns a sink that sends to a tracking server.
func New(uri, experiment string) *Sink {
	return &Sink{api: newAPI(uri, os.Getenv), experiment: experiment}
}

// Target implements feed.Sink.
func (s *Sink) Target() string { return s.api.base + " " + s.experiment }

// Close implements feed.Sink.
func (s *Sink) Close(context.Context) error {
	s.api.client.CloseIdleConnections()
	return nil
}

// Open implements feed.Sink: it finds the experiment and our runs in it.
func (s *Sink) Open(ctx context.Context, run *feed.Run, _ json.RawMessage) error {
	s.run, s.runs = run, map[int]string{}
	var err error
	if s.experimentID, err = s.findExperiment(ctx); err != nil {
		return err
	}
	return s.findRuns(ctx)
}

func (s *Sink) findExperiment(ctx context.Context) (string, error) {
	for range 2 { // if it was not there, somebody may make it while we do
		var found struct {
			Experiment struct {
				ID string `json:"experiment_id"`
			} `json:"experiment"`
		}
		err := s.api.get(ctx, "experiments/get-by-name", map[string]string{"experiment_name": s.experiment}, &found)
		if err == nil {
			return found.Experiment.ID, nil
		}
		if !isCode(err, "RESOURCE_DOES_NOT_EXIST") {
			return "", err
		}
		err = s.api.post(ctx, "experiments/create", map[string]any{"name": s.experiment}, nil)
		if err != nil && !isCode(err, "RESOURCE_ALREADY_EXISTS") {
			return "", err
		}
	}
	return "", fmt.Errorf("MLflow has no experiment %q, and makes none: was it deleted? Restore it, or choose another: sinks.mlflow.experiment", s.experiment)
}

// pageRuns is how many runs one answer lists.
const pageRuns = 1000

func (s *Sink) findRuns(ctx context.Context) error {
	for token := ""; ; {
		var found struct {
			Runs []struct {
				Info struct {
					ID string `json:"run_id"`
				} `json:"info"`
				Data struct {
					Tags []pair `json:"tags"`
				} `json:"data"`
			} `json:"runs"`
			Next string `json:"next_page_token"`
		}
		err := s.api.post(ctx, "runs/search", map[string]any{
			"experiment_ids": []string{s.experimentID}, "max_results": pageRuns, "page_token": token,
			"filter": fmt.Sprintf("tags.`%s` = '%s'", runTag, s.run.ID), "order_by": []string{"attributes.start_time ASC"},
		}, &found)
		if err != nil {
			return err
		}
		for _, r := range found.Runs {
			member := nobody
			for _, t := range r.Data.Tags {
				if n, err := strconv.Atoi(t.Value); t.Key == memberTag && err == nil {
					member = n
				}
			}
			s.runs[member] = r.Info.ID
		}
		if token = found.Next; token == "" {
			return nil
		}
	}
}

// pair is a tag or parameter.
type pair struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// metric is a point. Its time is the event's, so that a point that is sent twice is
// the same, which the server keeps once.
type metric struct {
	Key   string    `json:"key"`
	Value pbt.Score `json:"value"`
	At    int64     `json:"timestamp"` // milliseconds
	Step  int64     `json:"step"`
}

// page is what goes to one MLflow run.
type page struct {
	metrics []metric
	params  []pair
	tags    []pair
	status  string // "": as it was
	at      int64
}

// Deliver implements feed.Sink.
func (s *Sink) Deliver(ctx context.Context, events []feed.Event) (json.RawMessage, error) {
	pages := map[int]*page{}
	of := func(member int) *page {
		if pages[member] == nil {
			pages[member] = &page{}
		}
		return pages[member]
	}
	for i := range events {
		s.add(of, &events[i])
	}
	for _, member := range slices.Sorted(maps.Keys(pages)) { // the parent is first
		if err := s.send(ctx, member, pages[member]); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// add writes what an event says on the pages it concerns.
func (s *Sink) add(of func(int) *page, e *feed.Event) {
	stands := func(member int, status string) { of(member).status, of(member).at = status, e.At }
	switch b := e.Body.(type) {
	case *machine.RunStarted:
		for _, x := range s.run.Settings {
			of(nobody).params = append(of(nobody).params, pair{clean(x[0]), limited(x[1])})
		}
	case *machine.Opened:
		stands(nobody, running)
	case *machine.Decided:
		if b.Turn == 0 {
			for name, v := range b.Hypers.All() {
				of(b.Member).params = append(of(b.Member).params, pair{clean("initial/" + name), limited(v.String())})
			}
			of(b.Member).at = e.At
		}
	case *machine.Finished:
		s.finished(of, e, b)
	case *machine.MemberDone:
		stands(b.Member, failed)
		if b.Reason == "budget" || b.Reason == machine.ReasonEnded {
			stands(b.Member, finished)
		} else if b.Reason == machine.ReasonRetired {
			stands(b.Member, killed)
		}
	case *machine.Paused:
		if b.By == "" { // by hand, it may go on at any time
			stands(nobody, failed)
		}
	case *machine.RunEnded:
		stands(nobody, finished)
		for member := range s.runs {
			if member != nobody && of(member).status == "" {
				stands(member, finished)
			}
		}
	case *machine.Closed:
		if p := of(nobody); p.status == running || p.status == "" && b.Reason == "interrupted" {
			stands(nobody, killed)
		}
	}
}

func (s *Sink) finished(of func(int) *page, e *feed.Event, b *machine.Finished) {
	ms := e.At / 1e6
	p := of(b.Member)
	point := func(key string, x pbt.Score) {
		p.metrics = append(p.metrics, metric{clean(key), x, ms, b.Spent})
	}
	point("score", b.Score)
	for _, name := range slices.Sorted(maps.Keys(b.Metrics)) {
		point("metrics/"+name, b.Metrics[name])
	}
	for name, v := range e.Plan.Hypers.All() {
		if x, ok := feed.Number(v); ok {
			point("hypers/"+name, pbt.Score(x))
		} else {
			p.tags = append(p.tags, pair{clean("hypers/" + name), limited(v.String())})
		}
	}
	if !e.Best {
		return
	}
	p = of(nobody)
	p.metrics = append(p.metrics, metric{"best_score", b.Score, ms, e.Total})
	p.tags = append(p.tags, pair{"best.segment", fmt.Sprint(b.Segment)}, pair{"best.member", fmt.Sprint(b.Member)}, pair{"best.step", fmt.Sprint(b.Step)})
	for name, v := range e.Plan.Hypers.All() {
		p.tags = append(p.tags, pair{clean("best/" + name), limited(v.String())})
	}
}

// What MLflow takes in one request.
const (
	maxMetrics = 1000
	maxParams  = 100
	maxTags    = 100
	maxValue   = 500 // characters of a parameter, in its older versions
)

// send brings a page to a member's run, which is made if there is none.
func (s *Sink) send(ctx context.Context, member int, p *page) error {
	id, err := s.runOf(ctx, member, p.at)
	if err != nil {
		return err
	}
	p.tags = newest(p.tags)
	if err := s.describe(ctx, id, p.params); err != nil {
		return err
	}
	for len(p.metrics)+len(p.tags) > 0 {
		batch := map[string]any{"run_id": id}
		batch["metrics"], p.metrics = take(p.metrics, maxMetrics-maxTags)
		batch["tags"], p.tags = take(p.tags, maxTags)
		if err := s.api.post(ctx, "runs/log-batch", batch, nil); err != nil {
			return err
		}
	}
	if p.status == "" {
		return nil
	}
	change := map[string]any{"run_id": id, "status": p.status}
	if p.status != running {
		change["end_time"] = p.at / 1e6
	}
	return s.api.post(ctx, "runs/update", change, nil)
}

// describe gives a run its parameters. They are those of its beginning: what MLflow
// has already, it lets nobody change, and that is as it should be.
func (s *Sink) describe(ctx context.Context, id string, params []pair) error {
	for len(params) > 0 {
		batch := map[string]any{"run_id": id}
		batch["params"], params = take(params, maxParams)
		if err := s.api.post(ctx, "runs/log-batch", batch, nil); err != nil && !isCode(err, "INVALID_PARAMETER_VALUE") {
			return err
		}
	}
	return nil
}

// newest keeps the last value of each key, in the order of the keys.
func newest(tags []pair) []pair {
	last := map[string]string{}
	for _, t := range tags {
		last[t.Key] = t.Value
	}
	var out []pair
	for _, key := range slices.Sorted(maps.Keys(last)) {
		out = append(out, pair{key, last[key]})
	}
	return out
}

func take[T any](from []T, most int) (taken, rest []T) {
	n := min(len(from), most)
	return from[:n:n], from[n:]
}

// runOf is MLflow's run of a member, or the parent's.
func (s *Sink) runOf(ctx context.Context, member int, at int64) (string, error) {
	if id := s.runs[member]; id != "" {
		return id, nil
	}
	name := s.run.Name
	tags := []pair{{runTag, s.run.ID}, {"pbt.version", s.run.Version}, {"pbt.dir", s.run.Dir}}
	if at == 0 || member == nobody {
		at = s.run.Started
	}
	if member != nobody {
		parent, err := s.runOf(ctx, nobody, at)
		if err != nil {
			return "", err
		}
		name = fmt.Sprintf("%s member %03d", s.run.Name, member)
		tags = append(tags, pair{"mlflow.parentRunId", parent}, pair{memberTag, strconv.Itoa(member)})
	}
	var made struct {
		Run struct {
			Info struct {
				ID string `json:"run_id"`
			} `json:"info"`
		} `json:"run"`
	}
	err := s.api.post(ctx, "runs/create", map[string]any{
		"experiment_id": s.experimentID, "run_name": name, "start_time": at / 1e6, "tags": tags,
	}, &made)
	s.runs[member] = made.Run.Info.ID
	return made.Run.Info.ID, err
}

// clean makes a name that MLflow takes: letters, digits and _ - . / : and blanks.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./", r) {
			return r
		}
		return '_'
	}, limitedTo(name, 250))
}

func limited(value string) string { return limitedTo(value, maxValue) }

func limitedTo(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}
