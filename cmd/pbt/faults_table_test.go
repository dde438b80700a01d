package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// faults are the trainers that go wrong once, and whose run gets over it.
var faults = []fault{
	// A crash at every message boundary.
	{name: "crash at the start", at: "start", python: "os._exit(3)", kind: "start", says: "it ended before it connected to $PBT_SOCKET"},
	{name: "crash, connected", at: "connected", python: "os._exit(3)", kind: "error", says: "the trainer ended before it said hello: "},
	{name: "crash, hello said", at: "hello", python: "os._exit(3)", kind: "error", says: "exit status 3"},
	{name: "crash, welcomed", at: "welcomed", python: "os._exit(3)", kind: "error", says: "exit status 3"},
	{name: "crash, given a segment", at: "segment", python: "os._exit(3)", kind: "error", says: "in the middle of a segment"},
	{name: "crash, loaded", at: "loaded", python: "os._exit(3)", kind: "error", says: "in the middle of a segment"},
	{name: "crash in mid-message", at: "trained", python: `sock.sendall(b'{"type":"rep'); os._exit(3)`, kind: "error", says: `its connection ended in the middle of a message: "{\"type\":\"rep"`},
	{name: "crash, reported", at: "reported", python: "os._exit(3)", kind: "error", says: "in the middle of a segment"},
	{name: "crash, told to save", at: "told to save", python: "os._exit(3)", kind: "error", says: "in the middle of a segment"},
	{name: "crash, half saved", at: "half saved", python: "os._exit(3)", kind: "error", says: "in the middle of a segment"},
	{name: "crash, all but saved", at: "before saved", python: "os._exit(3)", kind: "error", says: "in the middle of a segment"},
	{name: "crash, saved", at: "saved", python: "os._exit(3)", kind: maybe},
	{name: "killed while it trains", at: "loaded", python: "os.kill(os.getpid(), signal.SIGKILL)", kind: "error", says: "signal: killed (sent by somebody else"},
	{name: "killed while it saves", at: "half saved", python: "os.kill(os.getpid(), signal.SIGKILL)", kind: "error", says: "signal: killed"},
	{name: "segmentation fault", at: "trained", python: "os.kill(os.getpid(), signal.SIGSEGV)", kind: "error", says: "segmentation fault"},
	{name: "leaves a child behind", at: "loaded", python: "os.fork() or (os.setsid(), signal.signal(signal.SIGTERM, signal.SIG_IGN), time.sleep(3600)); os._exit(3)", kind: "error", says: "exit status 3"},
	{name: "exit 0 without a report", at: "trained", python: "os._exit(0)", kind: "error", says: "in the middle of a segment: exit status 0"},
	{name: "leaves the loop", client: true, at: "trained", python: "sys.exit(0)", kind: "error", says: "the program ended in the middle of segment"},
	{name: "exception", client: true, at: "trained", python: "1 / 0", kind: "error", says: "ZeroDivisionError"},
	{name: "exception while saving", client: true, at: "half saved", python: "1 / 0", kind: "error", says: "ZeroDivisionError"},
	{name: "out of memory, it says", client: true, at: "trained", python: "raise MemoryError", kind: "error", says: "out of memory: "},

	// Scores.
	{name: "NaN", client: true, at: "trained", python: `score = float("nan")`, kind: "diverged"},
	{name: "Infinity", client: true, at: "trained", python: `score = float("inf")`, kind: "diverged"},
	{name: "minus Infinity", at: "trained", python: `score = "-Infinity"`, kind: "diverged"},
	{name: "NaN as Python writes it", at: "trained", python: `score = float("nan")`, kind: "error", says: "the trainer's message was refused: not JSON"},
	{name: "a text for a score", at: "trained", python: `score = "0.9"`, kind: "error", says: `the text "0.9" where a number is wanted`},
	{name: "a text for a score, client", client: true, at: "trained", python: `score = "0.9"`, kind: "error", says: "want a number"},
	{name: "no score", at: "trained", python: "score = None", kind: "error", says: "report: no score"},

	// Hanging.
	{name: "hangs, beating", client: true, at: "trained", python: "time.sleep(3600)", kind: "timeout", says: "trainer.step_timeout, which is 1s", sets: []string{"trainer.step_timeout=1s"}},
	{name: "hangs in saving", client: true, at: "half saved", python: "time.sleep(3600)", kind: "timeout", says: "trainer.save_timeout, which is 1s", sets: []string{"trainer.save_timeout=1s"}},
	{name: "hangs at its start", at: "connected", python: "time.sleep(3600)", kind: "timeout", says: "trainer.start_timeout, which is 2s", sets: []string{"trainer.start_timeout=2s"}},
	{name: "hangs for the run's timeout", client: true, at: "trained", python: "time.sleep(3600)", kind: "timeout", says: "", sets: []string{"timeout=2s"}},
	{name: "SIGSTOP", client: true, at: "trained", python: "os.kill(os.getpid(), signal.SIGSTOP)", kind: "timeout", says: "not even a heartbeat came for 1s (trainer.silence)", sets: []string{"trainer.silence=1s"}},
	{name: "SIGSTOP, and SIGCONT too late", at: "trained", python: `
parent = os.getpid()
if os.fork() == 0:
    os.setsid()
    time.sleep(4)
    os.kill(parent, signal.SIGCONT)
    say(type="report", lease=lease, score=1e9)
    os._exit(0)
os.kill(parent, signal.SIGSTOP)`, kind: "timeout", says: "not even a heartbeat", sets: []string{"trainer.silence=1s"}},

	// Messages.
	{name: "garbage", at: "trained", python: `sock.sendall(b"\x00\xff garbage\n")`, kind: "error", says: "not a JSON object in one line"},
	{name: "a message of a gigabyte", at: "trained", python: `
for _ in range(1024): sock.sendall(b"x" * (1 << 20))`, kind: "error", says: "a message of more than 1048576 bytes"},
	{name: "reports twice", at: "reported", python: "say(type='report', lease=lease, score=99)", kind: "error", says: "report: not now; want saved or failed"},
	{name: "another's lease", at: "trained", python: "lease -= 1", kind: "error", says: "is not the current one"},
	{name: "other hyperparameters", at: "segment", python: "message['hypers']['h0'] = 0.1", kind: "error", says: "h0 is 0.1 in the trainer, and 0."},
	{name: "hello again", at: "trained", python: "say(type='hello', protocol=1)", kind: "error", says: "hello: not now"},
	{name: "another version", at: "connected", python: "say(type='hello', protocol=2)", kind: "error", says: "the client speaks version 2"},
	{name: "closes its socket", at: "trained", python: "sock.shutdown(socket.SHUT_RDWR); time.sleep(3600)", kind: "error", says: "closed its connection in the middle of a segment, and went on running"},
	{name: "speaks between segments", at: "saved", python: "say(type='report', lease=lease, score=99)", kind: maybe},
	{name: "a flood of messages", at: "trained", python: "sock.sendall(b'{\"type\":\"beat\"}\\n' * 100000)", kind: "error", says: "more than 10000 messages in a second"},
	{name: "a flood of progress", at: "trained", python: "for i in range(9000): say(type='progress', lease=lease, step=i)"},

	// Output.
	{name: "a flood of lines", client: true, at: "trained", python: `
for _ in range(300): sys.stdout.write("line\n" * 20000)`},
	{name: "a line without an end", client: true, at: "trained", python: `
for _ in range(200): sys.stderr.write("x" * (1 << 20))`},
	{name: "output that is no text", client: true, at: "trained", python: `os.write(1, bytes(range(256)) * 100 + b"\x1b[31m\n")`},

	// The directory.
	{name: "saves nothing", client: true, at: "before saved", python: `os.remove(dir + "/w")`, kind: "error", says: "holds no files: the trainer reported a checkpoint and saved none"},
	{name: "deletes the directory", client: true, at: "before saved", python: "shutil.rmtree(dir)", kind: "error", says: "no such file or directory"},
	{name: "a link", client: true, at: "before saved", python: `os.symlink("/etc/passwd", dir + "/link")`, kind: "error", says: "is a symbolic link"},
	{name: "a link upwards", client: true, at: "before saved", python: `os.symlink("../..", dir + "/up")`, kind: "error", says: "is a symbolic link"},
	{name: "the directory is a link", client: true, at: "before saved", python: `os.rename(dir, dir + "x"); os.symlink(dir + "x", dir)`, kind: "error", says: "is no directory any more"},
	{name: "a named pipe", client: true, at: "before saved", python: `os.mkfifo(dir + "/pipe")`, kind: "error", says: "is neither a file nor a directory"},
	{name: "beside the directory", client: true, at: "before saved", python: `open(dir + "/../beside", "w").close()`},
	{name: "a manifest of its own", client: true, at: "before saved", python: `open(dir + "/manifest.json", "w").close()`, kind: "error", says: "that name is pbt's"},

	// Signals from outside.
	{name: "SIGTERM to a trainer", at: "trained", python: "os.kill(os.getpid(), signal.SIGTERM)", kind: "preempted", says: "signal: terminated"},
	{name: "SIGTERM to a client", client: true, at: "trained", python: "os.kill(os.getpid(), signal.SIGTERM)", kind: "preempted", says: "SIGTERM"},
	{name: "SIGTERM between segments", client: true, at: "saved", python: "os.kill(os.getpid(), signal.SIGTERM)", kind: maybe},
}

// maybe: whether the journal tells of it depends on who is faster.
const maybe = "maybe"

func TestFault_TheRunGetsOverIt(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			s := stageFault(t, f)
			if r := s.run(); r.code != exitDone {
				t.Fatalf("%s\n%v", r, s.failures())
			}
			if _, err := os.Stat(filepath.Join(s.dir, "struck")); err != nil {
				t.Error("the fault has not happened:", err)
			}
			if s.kind != maybe {
				s.blames()
			}
			s.examine()
		})
	}
}

// A trainer that is broken for good pauses the run with the reason, before its budget
// is burnt; mended, it goes on.
func TestFault_ForGood(t *testing.T) {
	for _, f := range []fault{
		{name: "dies at its start", at: "start", python: "sys.exit('no GPU here')", kind: "start", says: "no GPU here"},
		{name: "dies in each segment", at: "loaded", python: "os._exit(9)", kind: "error", says: "exit status 9"},
		{name: "fails each segment", client: true, at: "trained", python: "raise ValueError('no data')", kind: "error", says: "no data"},
		{name: "saves nothing, ever", client: true, at: "before saved", python: `os.remove(dir + "/w")`, kind: "error", says: "holds no files"},
		{name: "cannot import", client: true, at: "start", python: "import no_such_module", kind: "start", says: "no_such_module"},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			f.always, f.sets = true, []string{"failures_in_a_row=4"}
			s := stageFault(t, f)
			want, words := 4, "4 attempts have failed in a row"
			if f.kind == "start" { // what is missing will not appear by itself
				want, words = 2, "every trainer fails in the same way"
			}
			if r := s.run(); r.code != exitFailed || !strings.Contains(r.err, words) || !strings.Contains(r.err, f.says) || !strings.Contains(r.err, "Continue with: pbt resume d") {
				t.Errorf("%s", r)
			}
			s.blames()
			ok(t, s.dir, "verify", "d")
			before := lines(ok(t, s.dir, "events", "d"))
			if n := inARow(t, before); n != want {
				t.Errorf("%d failures in a row, and the run was to pause after %d", n, want)
			}
			save(t, s.dir, "mended", "")
			if r, _ := s.pbt("resume", "d", "--quiet"); r.code != exitDone {
				t.Fatal(r)
			}
			after := lines(ok(t, s.dir, "events", "d"))
			for i := range before {
				if after[i] != before[i] {
					t.Fatalf("event %d was altered", i+1)
				}
			}
			s.examine()
		})
	}
}

// inARow is how many attempts had failed, with nothing finished between, when the
// run paused.
func inARow(t *testing.T, events []string) (n int) {
	t.Helper()
	for _, line := range events {
		switch decode[event](t, line).Kind {
		case "failed":
			n++
		case "finished":
			n = 0
		case "paused":
			return n
		}
	}
	t.Error("the journal tells of no pause")
	return n
}
