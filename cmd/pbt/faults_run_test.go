package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// The fault tests let trainers go wrong in the real binary: each in its own way, once
// or for good, at a moment of its conversation with pbt. Whatever happens, no recorded
// outcome is lost, the journal verifies, the run ends with its whole budget or pauses
// with the reason, and no process is left.

// faultyTrainer is a trainer that speaks the protocol by hand (MODE=raw), or through
// the Python client (MODE=client). At the moment AT it runs FAULT, as Python.
const faultyTrainer = `
import json, os, shutil, signal, socket, sys, threading, time

alive = open("alive", "w")  # whoever holds this is not gone
MODE, AT, FAULT = os.environ["MODE"], os.environ["AT"], os.environ["FAULT"]
id, lease, dir, score = 0, 0, "", 0.0

def strikes(moment):
    if moment != AT or os.path.exists("mended") or 0 < id < 4:
        return False
    if os.environ["ALWAYS"]:
        return True
    try:
        os.close(os.open("struck", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True

def at(moment):
    if strikes(moment):
        exec(FAULT, globals())

def write(into, text):
    with open(into + "/w", "w") as f:
        f.write(text[:2])
        f.flush()
        at("half saved")
        f.write(text[2:] + " " * int(os.environ.get("PAD", 0)))

def read(directory):
    with open(directory + "/w") as f:
        return float(f.read())

def raw():
    global sock, lines, message, id, lease, dir, score
    at("start")
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.environ["PBT_SOCKET"])
    lines = sock.makefile("rb")
    at("connected")
    say(type="hello", protocol=1, client="raw", fresh=True, beats=True)
    at("hello")
    beat = json.loads(lines.readline())["beat"]
    threading.Thread(target=beats, args=(beat,), daemon=True).start()
    at("welcomed")
    weights = 0.0
    for line in lines:
        message = json.loads(line)
        if message["type"] != "segment":
            return
        id, lease = message["segment"], message["lease"]
        at("segment")
        if message["start"] != "hold":
            weights = read(message["load"]) if message["start"] == "load" else 0.0
        say(type="loaded", lease=lease, hypers=message["hypers"])
        at("loaded")
        score = weights = weights + message["hypers"]["h0"]
        at("trained")
        say(type="report", lease=lease, score=score)
        at("reported")
        answer = json.loads(lines.readline())
        if answer["type"] == "save":
            dir = answer["dir"]
            at("told to save")
            write(dir, repr(weights))
            at("before saved")
            say(type="saved", lease=lease)
        at("saved")

def say(**m):
    sock.sendall(json.dumps(m).encode() + b"\n")

def beats(every):
    while True:
        time.sleep(every)
        say(type="beat")

def client():
    global id, score, segment
    sys.path.insert(0, os.environ["CLIENT"])
    import pbt
    weights = 0.0
    at("start")
    for segment in pbt.segments(fresh=True):
        id = segment.id
        at("segment")
        if not segment.hold:
            weights = read(segment.load) if segment.load else 0.0
        for step in segment:
            weights += segment.hypers.h0
        score = weights
        at("trained")
        segment.report(score, save=lambda into: save(into, weights))
        at("saved")

def save(into, weights):
    global dir
    dir = into
    at("told to save")
    write(into, repr(weights))
    at("before saved")

client() if MODE == "client" else raw()
`

// faulty is an experiment of faultyTrainer: 3 members, 4 segments each.
const faulty = `name: faulty
population: 3
metric: {name: q, goal: maximize}
segment: {steps: 5}
budget: {steps: 20}
hyperparameters:
  h0: {uniform: [0.5, 1]}
trainer:
  command: [%q, train.py]
  slots: 2
  grace: 1s
  env: %s
`

// A fault is one way in which a trainer goes wrong, and what comes of it.
type fault struct {
	name   string
	client bool   // through the Python client, not by hand
	at     string // the moment
	python string // what happens
	always bool   // each time, until somebody mends it
	kind   string // of the failure that the journal tells; "" for none
	says   string // what it says
	sets   []string
}

// scene is a directory with a faulty experiment in it.
type faultScene struct {
	*testing.T
	fault
	dir  string
	keep *os.File // the named pipe that trainers hold, while the scene is on
}

// interpreter is python3 itself, and not a script that looks for it.
var interpreter = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

func stageFault(t *testing.T, f fault) *faultScene {
	t.Helper()
	python, err := interpreter()
	if err != nil {
		t.Skip("no python3 here:", err)
	}
	client, err := filepath.Abs("../../python/src")
	if err != nil {
		t.Fatal(err)
	}
	mode, always := "raw", ""
	if f.client {
		mode = "client"
	}
	if f.always {
		always = "always"
	}
	env, err := json.Marshal(map[string]string{
		"MODE": mode, "AT": f.at, "FAULT": f.python, "ALWAYS": always, "CLIENT": client, "PYTHONDONTWRITEBYTECODE": "1",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &faultScene{T: t, fault: f, dir: home(t, fmt.Sprintf(faulty, python, env))}
	save(t, s.dir, "train.py", faultyTrainer)
	if err := os.Mkdir(filepath.Join(s.dir, "tmp"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(s.dir, "alive"), 0o666); err != nil {
		t.Skip("no named pipes here:", err)
	}
	if s.keep, err = os.OpenFile(filepath.Join(s.dir, "alive"), os.O_RDWR, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.keep.Close() })
	return s
}

// pbt runs a command in the scene.
func (s *faultScene) pbt(args ...string) (result, *exec.Cmd) {
	s.Helper()
	c := command(s, s.dir, args...)
	c.Env = append(os.Environ(), "TMPDIR="+filepath.Join(s.dir, "tmp"))
	return finish(s, c, (*exec.Cmd).Run), c
}

func (s *faultScene) run() result {
	s.Helper()
	args := []string{"run", "q.yaml", "--dir", "d", "--quiet"}
	for _, set := range s.sets {
		args = append(args, "--set", set)
	}
	r, c := s.pbt(args...)
	if most := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10; most > 200<<20 {
		s.Errorf("pbt, or a trainer, held %d bytes", most)
	}
	return r
}

// examine looks at a run that is to be whole: verified, its budget spent, each
// segment finished once, and nothing left.
func (s *faultScene) examine() {
	s.Helper()
	s.nothingIsLeft()
	ok(s, s.dir, "verify", "d")
	m, err := readMachine(filepath.Join(s.dir, "d"))
	if err != nil {
		s.Fatal(err)
	}
	spec := m.Spec()
	for i := range spec.Population {
		if v := m.Member(i); v.Spent != spec.Budget.Steps {
			s.Errorf("member %d has spent %d steps of %d", i, v.Spent, spec.Budget.Steps)
		}
	}
}

// nothingIsLeft waits for the end of the last process that holds the pipe, and looks
// for sockets. It ends the scene.
func (s *faultScene) nothingIsLeft() {
	s.Helper()
	read, err := os.OpenFile(filepath.Join(s.dir, "alive"), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		s.Fatal(err)
	}
	defer read.Close()
	s.keep.Close()
	_ = read.SetReadDeadline(time.Now().Add(limit))
	if _, err := io.ReadAll(read); err != nil {
		s.Error("a trainer is left:", err)
	}
	for deadline := time.Now().Add(limit / 4); ; time.Sleep(time.Millisecond) { // a supervisor removes it last
		left := list(s.T, s.dir, "tmp")
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			s.Errorf("left in TMPDIR: %q", left)
			break
		}
	}
	if n, err := process.Sweep(protocol.EnvRunDir + "=" + filepath.Join(s.dir, "d")); n > 0 || err != nil {
		s.Errorf("%d processes were left behind, %v", n, err)
	}
}

// failures are what the journal tells of attempts that failed.
type failedAttempt struct {
	Kind  string `json:"kind"`
	Error string `json:"error"`
	Final bool   `json:"final"`
}

func (s *faultScene) failures() (all []failedAttempt) {
	s.Helper()
	for _, line := range lines(ok(s, s.dir, "events", "d")) {
		if e := decode[event](s, line); e.Kind == "failed" {
			all = append(all, decode[failedAttempt](s, string(e.Event)))
		}
	}
	return all
}

// blames checks that the journal tells of the fault.
func (s *faultScene) blames() {
	s.Helper()
	all := s.failures()
	if s.kind == "" {
		if len(all) > 0 {
			s.Errorf("the journal tells of failures: %+v", all)
		}
		return
	}
	for _, f := range all {
		if f.Kind == s.kind && strings.Contains(f.Error, s.says) {
			return
		}
	}
	s.Errorf("no failure of kind %q says %q: %+v", s.kind, s.says, all)
}
