package trainer_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

func TestClient_TrainsOneSegmentAfterAnotherInOneProcess(t *testing.T) {
	t.Parallel()
	s := play(t, `greet; want segment; loaded; say {"type":"beat"}; say {"type":"report","lease":$lease,"score":2.5,"samples":[1,"NaN"],"metrics":{"loss":"Infinity"},"eval":1e300}; want save; saved; serve`)
	res := s.good(0)
	if res.Score != 2.5 || len(res.Samples) != 2 || !math.IsNaN(res.Samples[1]) || !math.IsInf(res.Metrics["loss"], 1) || !res.Saved {
		t.Errorf("%+v", res)
	}
	if res.Start <= 0 || res.Load <= 0 || res.Train != 0 || res.Eval <= 0 || res.Eval > time.Minute || res.Save <= 0 {
		t.Errorf("measuring cannot take longer than the segment: %+v", res)
	}
	if _, err := os.Stat(filepath.Join(s.saves[1], "w")); err != nil {
		t.Error(err)
	}
	if res := s.good(1); res.Start != 0 || res.Score != 0.5 {
		t.Errorf("%+v", res)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s.heard("start; welcome; segment 1 fresh; save; segment 2 hold; save; exit")
	log, err := os.ReadFile(s.log)
	if err != nil || !strings.Contains(string(log), "segment 2, member 2, lease 102") {
		t.Errorf("%s, %v", log, err)
	}
}

// The same table as for trainers in this process (TestASlotLoadsWhatItDoesNotHold).
func TestClient_LoadsWhatItDoesNotHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, heard string }{
		"it can make fresh weights": {"greet; serve",
			"start; welcome; segment 1 fresh; save; segment 2 hold; save; segment 3 load segment-1; save; segment 4 load segment-2; save; segment 5 fresh; save; segment 6 hold; save; exit"},
		"it cannot": {"greet -fresh; serve",
			"start; welcome; segment 1 fresh; save; segment 2 hold; save; segment 3 load segment-1; save; segment 4 load segment-2; save; exit; start; welcome; segment 5 fresh; save; segment 6 hold; save; exit"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, c.script)
			for _, parent := range []int64{0, 1, 1, 2, 0, 5} {
				s.good(parent)
			}
			s.Close()
			s.heard(c.heard)
		})
	}
}

func TestClient_RestartsOnWhatCannotChange(t *testing.T) {
	t.Parallel()
	with := func(name string, v pbt.Value) func(*trainer.Job) {
		return func(j *trainer.Job) { j.Hypers = fourHypers.With(name, v) }
	}
	s := play(t, `greet restart_on=["n","unknown"]; serve`)
	s.good(0)
	s.good(1, with("lr", pbt.Float(0.5))) // may change
	s.good(2, with("n", pbt.Int(4)))
	s.good(3, with("n", pbt.Int(4)))
	s.Close()
	s.heard("start; welcome; segment 1 fresh; save; segment 2 hold; save; exit; start; welcome; segment 3 load segment-2; save; segment 4 hold; save; exit")

	s.good(4, func(j *trainer.Job) { j.Wanted = func(trainer.Result) bool { return false } })
	j := s.job(5, with("n", pbt.Int(5)))
	j.Load = "" // only this slot has them
	if err := s.failsWith(t.Context(), "its restart_on names n, which changes", j); !errors.Is(err, trainer.ErrLost) {
		t.Error(err)
	}
}

// A program that needs a new process for other hyperparameters saves where those may
// change without a copy: its weights would be lost with it.
func TestClient_SavesWhereItMayHaveToRestart(t *testing.T) {
	t.Parallel()
	spare := func(j *trainer.Job) { j.Varies, j.Wanted = true, func(trainer.Result) bool { return false } }
	s := play(t, `greet restart_on=["n"]; serve`)
	s.good(0, spare)
	s.good(1, spare, func(j *trainer.Job) { j.Hypers = fourHypers.With("n", pbt.Int(4)) })
	s.Close()
	s.heard("start; welcome; segment 1 fresh; save; exit; start; welcome; segment 2 load segment-1; save; exit")
}

func TestClient_WhatIsInForceMustBeWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	for change, says := range map[string]string{
		"":                       "",
		"lr=0.10000000149011612": "", // as a float32
		"lr=0.1000002":           "lr is 0.1000002 in the trainer, and 0.1 was asked for",
		"lr=0.2":                 "lr is 0.2 in the trainer, and 0.1 was asked for; does loading a checkpoint bring the old value back?",
		"-lr":                    "the hyperparameter lr is missing from those in force",
		"n=3.0":                  "",
		"n=4":                    "n is 4 in the trainer, and 3 was asked for",
		"n=3.0000001":            "n is 3.0000001 in the trainer, and 3 was asked for",
		`lr="0.1"`:               `lr is "0.1" in the trainer, and 0.1 was asked for`,
		"on=false":               "on is false in the trainer, and true was asked for",
		"on=1":                   "on is 1 in the trainer, and true was asked for",
		`name="sgd"`:             `name is "sgd" in the trainer, and "adam" was asked for`,
		`more=7`:                 "",
		`-lr -n -on -name`:       "no hypers",
		`-lr -n -on -name lr={}`: "loaded: ",
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			s := play(t, "greet; want segment; loaded "+change+"; report; want save; saved; serve | greet; serve")
			if says == "" {
				s.good(0)
				return
			}
			s.bad(says)
			s.good(0)
			if s.starts() != 2 {
				t.Error("a trainer with other hyperparameters in force is still alive")
			}
		})
	}
}

func TestClient_LazySaving(t *testing.T) {
	t.Parallel()
	wants := func(want bool) func(*trainer.Job) {
		return func(j *trainer.Job) { j.Wanted = func(r trainer.Result) bool { return want && r.Score == 0.5 } }
	}
	s := play(t, "greet; serve")
	if res := s.good(0, wants(false)); res.Saved || res.Save != 0 {
		t.Errorf("%+v", res)
	}
	memory := func(j *trainer.Job) { j.Load = "" }
	if res := s.good(1, wants(true), memory); !res.Saved {
		t.Errorf("%+v", res)
	}
	s.good(2, wants(false))
	s.good(2) // falls back: 3 is forgotten
	s.Close()
	s.heard("start; welcome; segment 1 fresh; skip; segment 2 hold; save; segment 3 hold; skip; segment 4 load segment-2; save; exit")
	if err := s.bad("no longer holds", memory, func(j *trainer.Job) { j.Parent = 3 }); !errors.Is(err, trainer.ErrLost) {
		t.Error(err)
	}
}

// A stop reaches the trainer, which finishes if it can.
func TestClient_AStopIsForwarded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script, says string
	}{
		"finished":    {"greet; want segment; loaded; want stop; report; want save; saved", ""},
		"as it saves": {"greet; want segment; loaded; report; want save; want stop; saved", ""},
		"given up":    {`greet; want segment; loaded; want stop; say {"type":"failed","lease":$lease,"kind":"preempted","error":"no time"}`, "gave the segment up: no time"},
		"died of it":  {`greet; want segment; loaded; want stop; kill TERM`, "SIGTERM"},
		"ignored":     {`greet; want segment; loaded; want stop; hang`, "the run was stopped"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, c.script)
			stop := make(chan struct{})
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			j := s.job(0, func(j *trainer.Job) { j.Stop = stop })
			go func() {
				if name == "as it saves" {
					s.await("save")
				} else {
					s.await("segment 1 fresh")
				}
				close(stop)
				if name == "ignored" {
					s.await("stop, 19 seconds")
					cancel(errors.New("the run was stopped"))
				}
			}()
			res, err := s.Train(ctx, j)
			switch {
			case name == "ignored":
				if err == nil || err.Error() != c.says {
					t.Error(err)
				}
			case c.says == "":
				if err != nil || !res.Saved {
					t.Errorf("%+v, %v", res, err)
				}
			case !errors.Is(err, trainer.ErrPreempted):
				t.Error(err)
			}
			s.Close()
			if diary := readDiary(s.diary); !strings.Contains(diary, "stop, 19 seconds\n") { // a second is for the engine
				t.Error(diary)
			}
		})
	}
}

// A run that stops waits neither for a trainer to start, nor for its next try.
func TestClient_AStopEndsAStart(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"before it connects":   "hang",
		"before it says hello": "connect; hang",
		"while backing off":    "exit 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, script, func(c *trainer.Client) { c.Backoff = time.Hour })
			if name == "while backing off" {
				s.bad("ended before it connected")
			}
			stop := make(chan struct{})
			j := s.job(0, func(j *trainer.Job) { j.Stop = stop })
			go func() {
				s.await("start")
				close(stop)
			}()
			if err := s.failsWith(t.Context(), "told to stop", j); !errors.Is(err, trainer.ErrPreempted) {
				t.Error(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				s.await("start")
				cancel(errors.New("somebody pulled the plug"))
			}()
			s.failsWith(ctx, "somebody pulled the plug", s.job(0))
		})
	}
}

// The time before a trainer that does not stay alive is started again grows.
func TestClient_BacksOff(t *testing.T) {
	t.Parallel()
	const unit = 20 * time.Millisecond
	s := play(t, "exit 1 | exit 1 | exit 1 | greet; serve", func(c *trainer.Client) { c.Backoff = unit })
	begin := time.Now()
	for range 3 {
		s.bad("ended before it connected")
	}
	s.good(0)
	if took := time.Since(begin); took < (1+2+4)*unit {
		t.Errorf("four starts took only %s", took)
	}
}

func TestClient_Preemption(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"before it connects":    "kill TERM",
		"before it says hello":  "connect; kill TERM",
		"in the segment":        "greet; want segment; loaded; kill TERM",
		"while it saves":        "greet; want segment; loaded; report; want save; kill TERM",
		"through a shell":       "greet; want segment; loaded; exit 143",
		"in its own words":      `greet; want segment; say {"type":"failed","lease":$lease,"kind":"preempted","error":"spot"}; hang`,
		"in mid-message":        `greet; want segment; raw "{\"type\":\"loa"; kill TERM`,
		"in mid-hello":          `connect; raw "{\"type\":\"he"; kill TERM`,
		"hello, and no welcome": "hello; kill TERM",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, script+" | greet; serve")
			if err := s.bad(""); !errors.Is(err, trainer.ErrPreempted) {
				t.Errorf("SIGTERM from outside is no failure: %v", err)
			}
			s.good(0)
		})
	}
}

// A trainer that was on its way out when it got a segment has not failed it.
func TestClient_ASegmentForATrainerThatIsLeavingGoesToAnother(t *testing.T) {
	t.Parallel()
	failing := `say {"type":"failed","lease":$lease,"kind":"error","error":"assert"}; `
	for name, script := range map[string]string{
		"after its last":  "greet; train; want segment; exit 0 | greet; serve",
		"after a failure": "greet; train; want segment; " + failing + "want segment; exit 1 | greet; serve",
		"slowly":          "greet; train; want segment; " + failing + "want segment; close; hang | greet; serve",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, script, func(c *trainer.Client) { c.Grace = 500 * time.Millisecond })
			s.good(0)
			if name != "after its last" {
				s.bad("assert")
			}
			s.good(1)
			if s.starts() != 2 {
				t.Errorf("%d starts", s.starts())
			}
			if diary := readDiary(s.diary); !strings.HasSuffix(diary, fmt.Sprintf("segment %d load segment-1\nsave\n", s.last)) {
				t.Error(diary)
			}
		})
	}
	t.Run("but only once", func(t *testing.T) {
		t.Parallel()
		s := play(t, "greet; train; want segment; exit 0 | greet; want segment; exit 0")
		s.good(0)
		s.bad("in the middle of a segment: exit status 0")
	})
	t.Run("unless it had weights that nobody else has", func(t *testing.T) {
		t.Parallel()
		s := play(t, "greet; train; want segment; exit 0 | greet; serve")
		s.good(0, func(j *trainer.Job) { j.Wanted = func(trainer.Result) bool { return false } })
		j := s.job(1)
		j.Load = ""
		if err := s.failsWith(t.Context(), "no longer holds", j); !errors.Is(err, trainer.ErrLost) {
			t.Error(err)
		}
	})
}

// What a trainer does when nothing was asked of it spoils it, and no segment.
func TestClient_BetweenTwoSegments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ script, says string }{
		"it dies":              {"kill KILL", "the trainer ended between two segments: "},
		"it exits":             {"exit 0", "the trainer ended between two segments: "},
		"it reports":           {"report; want error", "report: not now, between two segments"},
		"it reports for ever":  {`many 100 {"type":"saved","lease":$lease}; hang`, "saved: not now, between two segments"},
		"it talks nonsense":    {`raw "what?\n"; want error`, `not a JSON object in one line: "what?"`},
		"it closes its socket": {"close; hang", "the trainer closed its connection between two segments, and went on running"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, "greet; train; "+c.script+" | greet; serve", func(client *trainer.Client) {
				if c.script == "close; hang" { // else its end is waited for
					client.Grace = 50 * time.Millisecond
				}
			})
			res, err := s.train(0, func(j *trainer.Job) { j.Wanted = func(trainer.Result) bool { return false } })
			if err != nil || res.Saved {
				t.Fatal(res, err)
			}
			for s.Holds() != 0 { // until what it does has been noticed
				time.Sleep(time.Millisecond)
			}
			j := s.job(1)
			j.Load = ""
			if err := s.failsWith(t.Context(), c.says, j); !errors.Is(err, trainer.ErrLost) {
				t.Errorf("the weights are lost, and that is not the segment's fault: %v", err)
			}
			s.good(0)
			if log, _ := os.ReadFile(s.log); !strings.Contains(string(log), "the trainer was let go: ") {
				t.Errorf("%s", log)
			}
		})
	}
}

// Progress is passed on for the current lease, so often as people can look.
func TestClient_Progress(t *testing.T) {
	t.Parallel()
	const many = 5000
	s := play(t, fmt.Sprintf(`greet; want segment; loaded; `+
		`say {"type":"progress","lease":$lease,"step":3,"metrics":{"loss":0.25}}; many %d {"type":"progress","lease":$lease,"step":4}; report; want save; saved; `+
		`many 3 {"type":"progress","lease":$lease,"step":9}; serve`, many))
	var seen []trainer.Progress
	begin := time.Now()
	s.good(0, func(j *trainer.Job) { j.Progress = func(p trainer.Progress) { seen = append(seen, p) } })
	seconds := int(time.Since(begin)/time.Second) + 2
	if len(seen) < 2 || len(seen) > seconds*protocol.MaxProgress {
		t.Fatalf("%d of %d messages were passed on, in %d seconds", len(seen), many, seconds)
	}
	first := seen[0]
	if first.Member != 2 || first.Segment != 1 || first.Step != 3 || first.Metrics["loss"] != 0.25 {
		t.Errorf("%+v", first)
	}
	if slices.ContainsFunc(seen, func(p trainer.Progress) bool { return p.Step > 4 }) {
		t.Error("progress after the report was passed on")
	}
	var late atomic.Int64
	s.good(1, func(j *trainer.Job) { j.Progress = func(trainer.Progress) { late.Add(1) } })
	if n := late.Load(); n != 0 {
		t.Errorf("%d messages about the segment before were passed on", n)
	}
}

// Progress of the segment before may cross with the next segment's message, until that is loaded.
func TestClient_ProgressMayCrossWithTheNextSegment(t *testing.T) {
	t.Parallel()
	s := play(t, `greet; train; want segment; say {"type":"progress","lease":101,"step":7}; loaded; report; want save; saved; serve`)
	s.good(0)
	var seen atomic.Int64
	s.good(1, func(j *trainer.Job) { j.Progress = func(trainer.Progress) { seen.Add(1) } })
	if n := seen.Load(); n != 0 {
		t.Errorf("%d messages about the segment before were passed on", n)
	}
}

// Once the next segment is loaded, the program knows its lease.
func TestClient_ProgressOfAnOldLeaseIsRefused(t *testing.T) {
	t.Parallel()
	s := play(t, `greet; train; want segment; loaded; say {"type":"progress","lease":101,"step":7}; want error; hang`)
	s.good(0)
	if _, err := s.train(1); err == nil || !strings.Contains(err.Error(), "progress: lease 101 is not the current one, which is 102") {
		t.Error(err)
	}
}

// A socket's path has a limit, which a long TMPDIR must not hit.
func TestClient_ALongTMPDIR(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	s := play(t, "greet; serve")
	s.good(0)
	s.Close()
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Error(left, err)
	}
	t.Setenv("TMPDIR", "/does/not/exist")
	s.bad("TMPDIR says where")
}

// Who is let go has the grace to leave by itself, then SIGTERM, then SIGKILL.
func TestClient_Close(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"as asked":     "greet; train; want exit",
		"deaf":         "greet; train; hang",
		"stopped":      "greet; train; kill STOP",
		"talks on":     `greet; train; many 100 {"type":"saved","lease":1}; hang`,
		"already gone": "greet; train",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, script, func(c *trainer.Client) {
				if name != "as asked" {
					c.Grace = 20 * time.Millisecond
				}
			})
			if _, err := s.train(0); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			if s.Holds() != 0 {
				t.Error("it holds something after its end")
			}
		})
	}
	if err := play(t, "hang").Close(); err != nil {
		t.Error("never used:", err)
	}
}

func TestClient_WhatCannotStart(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {""}} {
		if _, err := trainer.NewClient(trainer.Client{Args: args}); err == nil {
			t.Errorf("%q was taken", args)
		}
	}
	s := play(t, "", func(c *trainer.Client) { c.Args = []string{"no-such-program"} })
	s.bad(`no program "no-such-program" in PATH`)
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "pbt-*", "socket")); len(left) > 0 && s.starts() != 0 {
		t.Error(left)
	}
	s = play(t, "print I am no trainer; exit 0")
	if err := s.bad("ended before it connected to $PBT_SOCKET"); !strings.Contains(err.Error(), "I am no trainer") || !strings.Contains(err.Error(), "placeholders") {
		t.Error(err)
	}
}
