package api

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/view"
)

// disk is how large the journal is, its log included, and how much is free beside it.
func (s *Source) disk() (journal, free int64) {
	for _, name := range []string{engine.JournalFile, engine.JournalFile + "-wal"} {
		if info, err := os.Stat(filepath.Join(s.Dir, name)); err == nil { // never opened: see package journal
			journal += info.Size()
		}
	}
	var fs unix.Statfs_t
	if unix.Statfs(s.Dir, &fs) == nil {
		free = int64(fs.Bavail) * int64(fs.Bsize)
	}
	return journal, free
}

// sample is one line of a metric.
type sample struct {
	labels string
	value  float64
}

// metric is a family of samples, in Prometheus' words.
type metric struct {
	name, kind, help string
	of               func(*gauge) []sample
}

// gauge is what a run's samples are taken from.
type gauge struct {
	run    Run
	health view.Health
	busy   int
	states map[string]int
	stream int64
}

func one(x float64) []sample { return []sample{{"", x}} }

func truth(b bool) []sample {
	if b {
		return one(1)
	}
	return one(0)
}

// label writes a label; its value may be anything.
func label(name, value string) string {
	return name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(value, "\uFFFD")) + `"`
}

var metrics = []metric{
	{"pbt_run_info", "gauge", "A run; its value is always 1.", func(g *gauge) []sample {
		return []sample{{label("name", g.run.Name) + "," + label("phase", string(g.run.Phase)) + "," + label("metric", g.run.Metric) + "," + label("version", g.run.Version), 1}}
	}},
	{"pbt_run_live", "gauge", "Whether a process trains the run.", func(g *gauge) []sample { return truth(g.run.Live) }},
	{"pbt_run_progress_ratio", "gauge", "How much of the budget is spent.", func(g *gauge) []sample { return one(g.run.Progress) }},
	{"pbt_run_start_time_seconds", "gauge", "When the run began.", func(g *gauge) []sample { return one(float64(g.run.StartedAt) / 1e3) }},
	{"pbt_run_last_event_time_seconds", "gauge", "When the journal's newest event happened.", func(g *gauge) []sample { return one(float64(g.run.UpdatedAt) / 1e3) }},
	{"pbt_run_worked_seconds", "gauge", "How long the run has been at work, stops left out.", func(g *gauge) []sample { return one(g.run.WorkedS) }},
	{"pbt_run_eta_seconds", "gauge", "How long the run will still take.", func(g *gauge) []sample {
		if g.run.EtaS == nil {
			return nil
		}
		return one(*g.run.EtaS)
	}},
	{"pbt_best_score", "gauge", "The best score of weights that were saved.", func(g *gauge) []sample {
		if g.run.Best == nil {
			return nil
		}
		return one(float64(g.run.Best.Score))
	}},
	{"pbt_steps_total", "counter", "Training steps of all members together.", func(g *gauge) []sample { return one(float64(g.run.Spent)) }},
	{"pbt_segments_total", "counter", "Segments that have ended, by how.", func(g *gauge) []sample {
		c := &g.run.Counts
		return []sample{{`outcome="finished"`, float64(c.Finished)}, {`outcome="failed"`, float64(c.Failed)}, {`outcome="lost"`, float64(c.Lost)}, {`outcome="rolled_back"`, float64(c.RolledBack)}}
	}},
	{"pbt_copies_total", "counter", "Members that copied another.", func(g *gauge) []sample { return one(float64(g.run.Counts.Copies)) }},
	{"pbt_repairs_total", "counter", "Members that were repaired after a failure.", func(g *gauge) []sample { return one(float64(g.run.Counts.Repairs)) }},
	{"pbt_restarts_total", "counter", "Members that began anew.", func(g *gauge) []sample { return one(float64(g.run.Counts.Restarts)) }},
	{"pbt_reports_refused_total", "counter", "Reports that were turned away.", func(g *gauge) []sample { return one(float64(g.run.Counts.Refused)) }},
	{"pbt_opens_total", "counter", "Processes that have taken the run.", func(g *gauge) []sample { return one(float64(g.run.Counts.Opens)) }},
	{"pbt_journal_events_total", "counter", "Events in the journal.", func(g *gauge) []sample { return one(float64(g.run.Seq)) }},
	{"pbt_members", "gauge", "Members, by what they are at.", func(g *gauge) (out []sample) {
		for _, state := range slices.Sorted(maps.Keys(g.states)) {
			out = append(out, sample{label("state", state), float64(g.states[state])})
		}
		return out
	}},
	{"pbt_slots", "gauge", "Slots to train in.", func(g *gauge) []sample { return one(float64(g.run.Slots)) }},
	{"pbt_slots_busy", "gauge", "Slots that train now.", func(g *gauge) []sample { return one(float64(g.busy)) }},
	{"pbt_slot_seconds_total", "counter", "Where the time of all slots together went.", func(g *gauge) []sample {
		s := &g.health.Split
		return []sample{
			{`part="start"`, s.StartS}, {`part="load"`, s.LoadS}, {`part="train"`, s.TrainS}, {`part="eval"`, s.EvalS},
			{`part="save"`, s.SaveS}, {`part="publish"`, s.PublishS}, {`part="wait"`, s.WaitS},
		}
	}},
	{"pbt_steps_per_second", "gauge", "Training steps a second, lately.", func(g *gauge) []sample { return one(g.health.StepsPerS) }},
	{"pbt_checkpoints", "gauge", "Checkpoints that are kept.", func(g *gauge) []sample { return one(float64(g.health.Disk.Checkpoints)) }},
	{"pbt_checkpoint_bytes", "gauge", "Bytes of the checkpoints that are kept.", func(g *gauge) []sample { return one(float64(g.health.Disk.CheckpointBytes)) }},
	{"pbt_journal_bytes", "gauge", "Bytes of the journal.", func(g *gauge) []sample { return one(float64(g.health.Disk.JournalBytes)) }},
	{"pbt_disk_free_bytes", "gauge", "Bytes that are free where the run is.", func(g *gauge) []sample { return one(float64(g.health.Disk.FreeBytes)) }},
	{"pbt_stream_readers", "gauge", "Streams of the run's events that are open.", func(g *gauge) []sample { return one(float64(g.stream)) }},
}

// metrics answers a Prometheus.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	var gauges []*gauge
	for _, run := range s.list(r.Context()).Runs {
		src := s.source(run.ID)
		g := &gauge{run: run, health: src.run.Health(), stream: src.hub.readers.Load()}
		g.health.Disk.JournalBytes, g.health.Disk.FreeBytes = src.disk()
		if g.busy, g.states = src.run.Busy(); !run.Live {
			g.busy = 0
		}
		gauges = append(gauges, g)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	writeMetrics(w, gauges)
}

func writeMetrics(w io.Writer, gauges []*gauge) {
	for _, m := range metrics {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
		for _, g := range gauges {
			for _, x := range m.of(g) {
				labels := label("run", g.run.ID)
				if x.labels != "" {
					labels += "," + x.labels
				}
				fmt.Fprintf(w, "%s{%s} %s\n", m.name, labels, strconv.FormatFloat(x.value, 'g', -1, 64))
			}
		}
	}
}
