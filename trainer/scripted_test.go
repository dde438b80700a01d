package trainer_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// The trainers of these tests are this executable, playing a script that speaks the
// protocol by hand, so that it can say anything at any moment. A script is a list of
// lines, with semicolons between:
//
//	greet [FIELD=JSON …]     connect, say hello, and want to be welcomed
//	hello [FIELD=JSON …]     connect and say hello
//	connect                  only connect
//	want TYPE                the next message; another one ends the program
//	loaded [NAME=JSON|-NAME …]  echo the hyperparameters, some of them differently
//	report [SCORE]           report
//	saved                    write a file and say so
//	train                    want segment; loaded; report; want save; saved
//	serve                    one segment after another, until there is no more
//	say JSON                 a message; $lease is the current one
//	raw GOTEXT, fill N       bytes; N bytes without an end of line
//	many N JSON              N messages in one go
//	beats N MS               N heartbeats, so many milliseconds apart
//	dial                     try to connect once more, and note what came of it
//	print TEXT, close, hang, exit N, kill SIGNAL
//
// Of "A | B" the first process plays A, those after it B. What it hears is in a diary.
const (
	asTrainer = "PBT_TEST_TRAINER"
	diaryFile = "PBT_TEST_DIARY"
)

// actor is a process that plays a script.
type actor struct {
	conn   net.Conn
	in     *bufio.Reader
	heard  map[string]any // the last message
	lease  int64
	dir    string
	hypers map[string]any
}

func perform(script string) {
	parts := strings.Split(script, "|")
	starts := strings.Count(readDiary(os.Getenv(diaryFile)), "start\n")
	note("start")
	a := &actor{}
	for line := range strings.SplitSeq(parts[min(starts, len(parts)-1)], ";") {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		a.play(word, rest)
	}
	quit(0)
}

// quit ends at once: os.Exit takes a second, with the race detector.
func quit(code int) { syscall.Exit(code) }

func note(format string, args ...any) {
	f, err := os.OpenFile(os.Getenv(diaryFile), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(f, format+"\n", args...)
	f.Close()
}

func readDiary(path string) string {
	text, _ := os.ReadFile(path) // there is none at first
	return string(text)
}

func (a *actor) play(word, rest string) {
	switch word {
	case "":
	case "connect":
		a.connect()
	case "hello":
		a.hello(rest)
	case "greet":
		a.hello(rest)
		a.want("welcome")
	case "want":
		a.want(rest)
	case "loaded":
		a.loaded(rest)
	case "report":
		if rest == "" {
			rest = "0.5"
		}
		a.say(`{"type":"report","lease":$lease,"score":` + rest + `}`)
	case "saved":
		a.saved()
	case "train":
		a.want("segment")
		a.train()
	case "serve":
		a.serve()
	case "say":
		a.say(rest)
	default:
		a.misbehave(word, rest)
	}
}

func (a *actor) misbehave(word, rest string) {
	switch word {
	case "raw":
		text, err := strconv.Unquote(rest)
		must(err)
		a.write(text)
	case "fill":
		n, err := strconv.Atoi(rest)
		must(err)
		for ; n > 0; n -= 1 << 16 {
			a.write(strings.Repeat("x", min(n, 1<<16)))
		}
	case "many":
		count, line, _ := strings.Cut(rest, " ")
		n, err := strconv.Atoi(count)
		must(err)
		a.write(strings.Repeat(a.fill(line)+"\n", n))
	case "beats":
		var n, ms int
		_, err := fmt.Sscan(rest, &n, &ms)
		must(err)
		for range n {
			time.Sleep(time.Duration(ms) * time.Millisecond)
			a.say(`{"type":"beat"}`)
		}
	case "dial":
		_, err := net.Dial("unix", os.Getenv(protocol.EnvSocket))
		note("dial: connected is %t", err == nil)
	case "print":
		fmt.Println(rest)
	case "close":
		a.conn.Close()
	case "hang":
		hang()
	case "exit":
		n, err := strconv.Atoi(rest)
		must(err)
		quit(n)
	case "kill":
		must(syscall.Kill(os.Getpid(), map[string]syscall.Signal{"TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP}[rest]))
		hang()
	default:
		panic("a line of the script that nobody knows: " + word)
	}
}

func hang() {
	for {
		time.Sleep(time.Hour)
	}
}

func must(err error) {
	if err != nil {
		note("%v", err)
		quit(99)
	}
}

func (a *actor) connect() {
	conn, err := net.Dial("unix", os.Getenv(protocol.EnvSocket))
	must(err)
	a.conn, a.in = conn, bufio.NewReader(conn)
}

func (a *actor) hello(fields string) {
	if a.conn == nil {
		a.connect()
	}
	m := map[string]any{"type": "hello", "protocol": 1, "client": "script/1", "fresh": true}
	set(m, fields)
	line, err := json.Marshal(m)
	must(err)
	a.write(string(line) + "\n")
}

// set changes a message by NAME=JSON and -NAME.
func set(m map[string]any, fields string) {
	for field := range strings.FieldsSeq(fields) {
		name, text, _ := strings.Cut(field, "=")
		if drop, ok := strings.CutPrefix(name, "-"); ok {
			delete(m, drop)
			continue
		}
		var v any
		must(json.Unmarshal([]byte(text), &v))
		m[name] = v
	}
}

func (a *actor) loaded(changes string) {
	set(a.hypers, changes)
	hypers, err := json.Marshal(a.hypers)
	must(err)
	a.say(`{"type":"loaded","lease":$lease,"hypers":` + string(hypers) + `}`)
}

func (a *actor) saved() {
	must(os.WriteFile(filepath.Join(a.dir, "w"), []byte("weights"), 0o666))
	a.say(`{"type":"saved","lease":$lease}`)
}

// train is what comes after the message "segment".
func (a *actor) train() {
	a.loaded("")
	a.say(`{"type":"report","lease":$lease,"score":0.5}`)
	if a.read(); a.heard["type"] == "save" {
		a.saved()
	}
}

func (a *actor) serve() {
	for {
		a.read()
		switch a.heard["type"] {
		case "segment":
			a.train()
		default: // there is no more
			quit(0)
		}
	}
}

func (a *actor) fill(line string) string {
	return strings.ReplaceAll(line, "$lease", strconv.FormatInt(a.lease, 10))
}

func (a *actor) say(line string) { a.write(a.fill(line) + "\n") }

func (a *actor) write(text string) {
	_, err := a.conn.Write([]byte(text))
	must(err)
}

func (a *actor) want(kind string) {
	a.read()
	if a.heard["type"] != kind {
		note("wanted %s", kind)
		quit(98)
	}
}

// read takes the next message and puts it into the diary.
func (a *actor) read() {
	line, err := a.in.ReadString('\n')
	if err != nil {
		note("the connection has ended")
		quit(97)
	}
	m := map[string]any{}
	must(json.Unmarshal([]byte(line), &m))
	a.heard = m
	switch m["type"] {
	case "segment":
		a.lease, a.hypers = int64(m["lease"].(float64)), m["hypers"].(map[string]any)
		text := fmt.Sprintf("segment %v %v", m["segment"], m["start"])
		if load, ok := m["load"]; ok {
			text += " " + filepath.Base(load.(string))
		}
		note("%s", text)
	case "save":
		a.dir = m["dir"].(string)
		note("save")
	case "stop":
		note("stop, %v seconds", m["grace"])
	case "error":
		note("error: %v", m["error"])
	case "welcome":
		note("welcome")
		must(os.WriteFile(os.Getenv(diaryFile)+".beat", fmt.Append(nil, m["beat"]), 0o666))
	default:
		note("%v", m["type"])
	}
}

// scene is a slot with a scripted trainer.
type scene struct {
	testing.TB
	trainer.Slot
	diary string
	run   string           // the run's directory
	log   string           // its log's file
	saves map[int64]string // where segments are saved
	last  int64            // segment and lease
}

var fourHypers = pbt.MakeHypers("lr", pbt.Float(0.1), "n", pbt.Int(3), "on", pbt.Truth(true), "name", pbt.Text("adam"))

// play makes a slot; when the test ends, nothing of it may be left.
func play(t testing.TB, script string, change ...func(*trainer.Client)) *scene {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &scene{TB: t, diary: filepath.Join(dir, "diary"), run: dir, log: filepath.Join(dir, "log"), saves: map[int64]string{}}
	log, err := process.OpenLog(s.log, 0)
	if err != nil {
		t.Fatal(err)
	}
	c := trainer.Client{
		Host: trainer.Host{Slot: "slot-1", RunDir: dir, Dir: dir, Env: []string{asTrainer + "=" + script, diaryFile + "=" + s.diary}, Log: log, Grace: time.Minute},
		Args: []string{exe}, Version: "test", Backoff: time.Millisecond,
	}
	for _, f := range change {
		f(&c)
	}
	if s.Slot, err = trainer.NewClient(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if n, err := process.Sweep(protocol.EnvRunDir + "=" + dir); n != 0 || err != nil {
			t.Errorf("%d processes were left behind, %v", n, err)
		}
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			text, _ := os.ReadFile(s.log)
			t.Logf("the diary:\n%s\nthe log:\n%s", readDiary(s.diary), text)
		}
	})
	return s
}

// job is the next segment, from a parent's weights: 0 for fresh ones.
func (s *scene) job(parent int64, change ...func(*trainer.Job)) trainer.Job {
	s.Helper()
	s.last++
	save := filepath.Join(s.run, fmt.Sprintf("segment-%d", s.last))
	if err := os.Mkdir(save, 0o777); err != nil {
		s.Fatal(err)
	}
	s.saves[s.last] = save
	j := trainer.Job{
		Segment: trainer.Segment{Member: 2, ID: s.last, From: 10, Steps: 5, Hypers: fourHypers, Seed: 1<<63 + 7},
		Lease:   s.last + 100, Parent: parent, Load: s.saves[parent], Save: save, Name: filepath.Base(save), WeightSeed: 1<<63 + 9, Grace: 20 * time.Second,
	}
	for _, f := range change {
		f(&j)
	}
	return j
}

func (s *scene) train(parent int64, change ...func(*trainer.Job)) (trainer.Result, error) {
	s.Helper()
	return s.Train(s.Context(), s.job(parent, change...))
}

// good trains a segment that must succeed.
func (s *scene) good(parent int64, change ...func(*trainer.Job)) trainer.Result {
	s.Helper()
	res, err := s.train(parent, change...)
	if err != nil {
		s.Fatalf("segment %d: %v", s.last, err)
	}
	if s.Holds() != s.last {
		s.Errorf("it holds %d after segment %d", s.Holds(), s.last)
	}
	return res
}

// bad trains a segment that must fail, and say why.
func (s *scene) bad(says string, change ...func(*trainer.Job)) error {
	s.Helper()
	return s.failsWith(s.Context(), says, s.job(0, change...))
}

func (s *scene) failsWith(ctx context.Context, says string, j trainer.Job) error {
	s.Helper()
	_, err := s.Train(ctx, j)
	if err == nil || !strings.Contains(err.Error(), says) {
		s.Errorf("%v\nwant an error with %q", err, says)
	}
	if s.Holds() != 0 {
		s.Errorf("it holds %d after a failure", s.Holds())
	}
	return err
}

// heard checks what the trainers were told.
func (s *scene) heard(want string) {
	s.Helper()
	if have := strings.ReplaceAll(strings.TrimSpace(readDiary(s.diary)), "\n", "; "); have != want {
		s.Errorf("it heard\n  %s\nwant\n  %s", have, want)
	}
}

// await waits until a line is in the diary.
func (s *scene) await(line string) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(readDiary(s.diary), line+"\n"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%q does not come", line)
		}
	}
}

// starts is how many processes there were.
func (s *scene) starts() int { return strings.Count(readDiary(s.diary), "start\n") }

// beat is how often it was told to send heartbeats, in seconds.
func (s *scene) beat() float64 {
	x, err := strconv.ParseFloat(readDiary(s.diary+".beat"), 64)
	if err != nil {
		s.Error(err)
	}
	return x
}
