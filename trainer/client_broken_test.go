package trainer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// boundaries are the moments between two messages of a segment, with a script that
// gets there.
var boundaries = []struct{ name, script string }{
	{"at the start", "print hello"},
	{"connected", "connect"},
	{"in mid-hello", `connect; raw "{\"type\":\"hello\","`},
	{"hello", "hello"},
	{"welcomed", "greet"},
	{"given a segment", "greet; want segment"},
	{"in mid-loaded", `greet; want segment; raw "{\"type\":\"loaded\","`},
	{"loaded", "greet; want segment; loaded"},
	{"reported", "greet; want segment; loaded; report"},
	{"told to save", "greet; want segment; loaded; report; want save"},
	{"in mid-saved", `greet; want segment; loaded; report; want save; raw "{\"type\":\"saved\","`},
}

// Wherever a trainer dies, and however, its segment fails with the reason, and the
// next one goes to a new process.
func TestClient_ACrashAtEveryMessageBoundary(t *testing.T) {
	t.Parallel()
	for _, at := range boundaries {
		for end, says := range map[string]string{"exit 3": "exit status 3", "kill KILL": "signal: killed", "exit 0": "exit status 0"} {
			t.Run(at.name+"/"+end, func(t *testing.T) {
				t.Parallel()
				s := play(t, "print last words; "+at.script+"; "+end+" | greet; serve")
				err := s.bad(says)
				if err == nil || !strings.Contains(err.Error(), "last words") || errors.Is(err, trainer.ErrPreempted) || errors.Is(err, trainer.ErrLost) {
					t.Error(err)
				}
				s.good(0)
				s.good(2)
				if s.starts() != 2 {
					t.Errorf("%d processes", s.starts())
				}
			})
		}
	}
	t.Run("saved", func(t *testing.T) {
		t.Parallel()
		s := play(t, "greet; train; exit 3 | greet; serve")
		if _, err := s.train(0); err != nil {
			t.Fatal(err)
		}
		for s.Holds() != 0 {
			time.Sleep(time.Millisecond)
		}
		s.good(1) // its checkpoint is what counts
		if !strings.Contains(readDiary(s.diary), "segment 2 load segment-1") {
			t.Error("it was not loaded")
		}
	})
}

// Messages that make no sense fail the segment with what was wrong with them, and the
// trainer is told.
func TestClient_MessagesThatAreRefused(t *testing.T) {
	t.Parallel()
	const begun = "greet; want segment; loaded; "
	const reported = begun + "report; want save; "
	tell := "; want error; hang"
	for name, c := range map[string]struct{ script, says string }{
		"another version":       {"hello protocol=2" + tell, "hello: the client speaks version 2 of the protocol, and this pbt version 1: install the client"},
		"no hello":              {`connect; say {"type":"beat"}; say {"type":"saved","lease":1}` + tell, "saved: the first message must be hello"},
		"hello twice":           {"greet; want segment; hello" + tell, "hello: not now; want loaded or failed"},
		"HTTP":                  {`connect; raw "GET / HTTP/1.1\r\n\r\n"` + tell, `not a JSON object in one line: "GET / HTTP/1.1`},
		"a report too early":    {"greet; want segment; report" + tell, "report: not now; want loaded or failed"},
		"loaded twice":          {begun + "loaded" + tell, "loaded: not now; want report or failed"},
		"reported twice":        {begun + "report; report; want save" + tell, "report: not now; want saved or failed"},
		"saved before asked":    {begun + "saved" + tell, "saved: not now; want report or failed"},
		"another's loaded":      {`greet; want segment; say {"type":"loaded","lease":5,"hypers":{"lr":0.1,"n":3,"on":true,"name":"adam"}}` + tell, "loaded: lease 5 is not the current one, which is 101"},
		"another's report":      {begun + `say {"type":"report","lease":5,"score":1}` + tell, "report: lease 5 is not the current one, which is 101"},
		"another's saved":       {reported + `say {"type":"saved","lease":5}` + tell, "saved: lease 5 is not the current one, which is 101"},
		"another's failure":     {begun + `say {"type":"failed","lease":5,"kind":"error","error":"x"}` + tell, "failed: lease 5 is not the current one, which is 101"},
		"another's progress":    {begun + `say {"type":"progress","lease":5,"step":1}` + tell, "progress: lease 5 is not the current one, which is 101"},
		"progress of nothing":   {`greet; say {"type":"progress","lease":5,"step":1}` + tell, "progress: lease 5 "},
		"a name twice":          {begun + `say {"type":"report","lease":$lease,"score":1,"score":9}` + tell, `the name "score" occurs twice in one object`},
		"no lease":              {begun + `say {"type":"report","score":1}` + tell, "report: no lease: repeat the segment's"},
		"no score":              {begun + `say {"type":"report","lease":$lease}` + tell, "report: no score"},
		"a score that is text":  {begun + `report "0.9"` + tell, `the text "0.9" where a number is wanted`},
		"a score that is null":  {begun + `report null` + tell, "no score"},
		"unknown":               {begun + `say {"type":"done"}` + tell, `unknown type "done"`},
		"no type":               {begun + `say {}` + tell, "a message without a type"},
		"an empty line":         {begun + `raw "\n"` + tell, "not a JSON object in one line"},
		"binary garbage":        {begun + `raw "\x00\xff\xfe\n"` + tell, "not a JSON object in one line"},
		"cut JSON":              {begun + `raw "{\"type\":\n"` + tell, "not JSON: cut short after byte 8"},
		"too deep":              {begun + `say {"type":"beat","x":[[[[[[[[[]]]]]]]]]}` + tell, "nested deeper than 8 levels"},
		"an endless line":       {begun + `fill 4000000; hang`, "a message of more than 1048576 bytes"},
		"an endless first line": {`connect; fill 4000000; hang`, "a message of more than 1048576 bytes"},
		"a flood of beats":      {begun + `many 30000 {"type":"beat"}; hang`, "more than 10000 messages in a second"},
		"a kind of failure":     {begun + `say {"type":"failed","lease":$lease,"kind":"bored","error":"x"}` + tell, `kind is "bored"; want error, memory or preempted`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, c.script+" | greet; serve")
			err := s.bad(c.says)
			if err == nil {
				return
			}
			if n := strings.Count(err.Error(), "refused"); n != 1 {
				t.Errorf("it is refused %d times: %v", n, err)
			}
			s.good(0)
		})
	}
}

// A failure that the trainer tells of itself leaves it alive, unless it is out of memory.
func TestClient_FailuresThatAreTold(t *testing.T) {
	t.Parallel()
	fail := func(kind string) string {
		return `say {"type":"failed","lease":$lease,"kind":"` + kind + `","error":"because"}; `
	}
	for name, c := range map[string]struct {
		script, says string
		starts       int
	}{
		"for a segment":   {"greet; want segment; " + fail("error") + "serve", "because", 1},
		"loaded":          {"greet; want segment; loaded; " + fail("error") + "serve", "because", 1},
		"told to save":    {"greet; want segment; loaded; report; want save; " + fail("error") + "serve", "because", 1},
		"out of memory":   {"greet; want segment; loaded; " + fail("memory") + "hang | greet; serve", "out of memory: because", 2},
		"without a fresh": {"greet -fresh; want segment; loaded; " + fail("error") + "serve | greet; serve", "because", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, c.script)
			if err := s.bad(c.says); errors.Is(err, trainer.ErrPreempted) {
				t.Error(err)
			}
			s.good(0)
			s.good(2)
			if s.starts() != c.starts {
				t.Errorf("%d processes, want %d", s.starts(), c.starts)
			}
		})
	}
}

func TestClient_Timeouts(t *testing.T) {
	t.Parallel()
	const short = 300 * time.Millisecond
	start := func(c *trainer.Client) { c.StartTimeout = short }
	step := func(c *trainer.Client) { c.StepTimeout = short }
	save := func(c *trainer.Client) { c.SaveTimeout = short }
	silent := func(c *trainer.Client) { c.Silence = short }
	for name, c := range map[string]struct {
		script string
		limit  func(*trainer.Client)
		says   string
	}{
		"never connects":   {"hang", start, "it did not say hello within trainer.start_timeout, which is 300ms"},
		"says no hello":    {"connect; hang", start, "trainer.start_timeout"},
		"does not load":    {"greet; want segment; hang", step, "it took longer than trainer.step_timeout, which is 300ms from the start of a segment to its report"},
		"does not report":  {"greet; want segment; loaded; hang", step, "trainer.step_timeout"},
		"beats and hangs":  {"greet beats=true; want segment; loaded; beats 100000 10", step, "trainer.step_timeout"},
		"does not save":    {"greet; want segment; loaded; report; want save; hang", save, "it took longer than trainer.save_timeout, which is 300ms to save a checkpoint"},
		"falls silent":     {"greet beats=true; want segment; beats 5 10; loaded; hang", silent, "not even a heartbeat came for 300ms (trainer.silence)"},
		"is stopped":       {"greet beats=true; want segment; loaded; kill STOP", silent, "not even a heartbeat came"},
		"silent at saving": {"greet beats=true; want segment; loaded; report; want save; hang", silent, "not even a heartbeat came"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := c.limit
			if name != "never connects" && name != "says no hello" { // a start takes its time here
				limit = func(cl *trainer.Client) { c.limit(cl); cl.StartTimeout = time.Minute }
			}
			s := play(t, "print last words; "+c.script+" | greet; serve", limit)
			err := s.bad(c.says)
			if !errors.Is(err, trainer.ErrTimeout) || !strings.Contains(err.Error(), "last words") {
				t.Error(err)
			}
		})
	}
}

// Heartbeats keep a trainer alive however long it takes; one that sends none may be
// silent for as long as it likes.
func TestClient_WhoIsNotSilent(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"beats":           "greet beats=true; want segment; loaded; beats 25 50; report; want save; saved; serve",
		"sends none":      "greet; want segment; kill STOP",
		"beats when idle": "greet beats=true; train; beats 10 50; serve",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const silence = time.Second
			s := play(t, script, func(c *trainer.Client) { c.Silence = silence })
			if name == "sends none" {
				ctx, cancel := context.WithTimeout(t.Context(), silence*5/4)
				defer cancel()
				s.failsWith(ctx, context.DeadlineExceeded.Error(), s.job(0))
				return
			}
			s.good(0)
			if name == "beats when idle" {
				s.good(1)
			}
		})
	}
}

// The interval of heartbeats is shorter than the silence that would be its trainer's end.
func TestClient_BeatsComeOftenEnough(t *testing.T) {
	t.Parallel()
	s := play(t, "greet; serve", func(c *trainer.Client) { c.Silence = 2 * time.Second })
	s.good(0)
	if beat := s.beat(); beat != 0.5 {
		t.Errorf("a heartbeat every %v seconds, and silence is two", beat)
	}
}

func TestClient_AConnectionThatEndsWhileTheProgramGoesOn(t *testing.T) {
	t.Parallel()
	for _, at := range boundaries[1:] {
		if strings.HasPrefix(at.name, "in mid") {
			continue
		}
		t.Run(at.name, func(t *testing.T) {
			t.Parallel()
			s := play(t, at.script+"; close; hang | greet; serve", func(c *trainer.Client) { c.Grace = 50 * time.Millisecond })
			s.bad("closed its connection ")
			s.good(0)
		})
	}
}

// A segment that was called off ends with the reason, in whatever state its trainer is.
func TestClient_CalledOff(t *testing.T) {
	t.Parallel()
	why := errors.New("somebody pulled the plug")
	for name, script := range map[string]string{
		"trains":         "greet; want segment; print there; hang",
		"is stopped":     "greet; want segment; print there; kill STOP",
		"floods":         `greet; want segment; print there; many 100 {"type":"saved","lease":1}; hang`,
		"never reads":    "greet; print there; hang",
		"notices itself": "greet; want segment; print there; want stop; exit 5",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := play(t, script)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			j := s.job(0)
			heard := "segment 1 fresh"
			if name == "never reads" { // more than the socket takes
				j.Hypers, heard = pbt.MakeHypers("x", pbt.Text(strings.Repeat("x", 8<<20))), "welcome"
			}
			go func() {
				s.await(heard)
				cancel(why)
			}()
			if _, err := s.Train(ctx, j); name != "floods" && !errors.Is(err, why) || err == nil {
				t.Error(err)
			}
			if s.Holds() != 0 {
				t.Error("it holds something")
			}
		})
	}
}

// The socket is its first client's.
func TestClient_ASecondConnection(t *testing.T) {
	t.Parallel()
	s := play(t, "greet; dial; serve")
	s.good(0)
	s.Close()
	s.heard("start; welcome; dial: connected is false; segment 1 fresh; save; exit")
}

// What a program prints floods no memory and breaks no message.
func TestClient_FloodsOfOutput(t *testing.T) {
	t.Parallel()
	s := play(t, "greet; want segment; print "+strings.Repeat("x", 100_000)+"; loaded; report; want save; saved; serve")
	s.good(0)
	s.good(1)
}
