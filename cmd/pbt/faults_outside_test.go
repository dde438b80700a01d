package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/protocol"
)

// Faults that come from outside of the trainers' conversation: what happens to files,
// to the disk, to memory, and to pbt itself.

// A trainer that goes on writing to what it has reported is found out, at the latest
// when somebody is to load it; nobody trains on from such weights.
func TestFault_WritesAfterTheReport(t *testing.T) {
	const goesOn = `
published = os.path.dirname(os.path.dirname(dir)) + "/" + os.path.basename(dir).rsplit(".", 1)[0] + "/w"
while not os.path.exists(published):
    time.sleep(0.001)
with open(published, "r+") as f:
    f.write("9")
    f.flush()
    os.fsync(f.fileno())`
	for name, pad := range map[string]int{"small, hashed at once": 0, "large, hashed later": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := stageFault(t, fault{
				at: "saved", python: goesOn, kind: "error", says: "is corrupt: \"w\": ",
				sets: []string{"trainer.slots=1", "keep.best=1", fmt.Sprintf("trainer.env.PAD=%d", pad), "retries=1"},
			})
			if r := s.run(); r.code != exitDone {
				t.Fatal(r)
			}
			s.blames()
			s.examine()
		})
	}
}

// A disk that fills up under a trainer pauses the run, and blames nobody.
func TestFault_DiskFull(t *testing.T) {
	for _, client := range []bool{false, true} {
		t.Run(fmt.Sprintf("client %t", client), func(t *testing.T) {
			s := stageFault(t, fault{client: client, sets: []string{"trainer.env.PAD=300000", "budget.steps=200", "keep.everything=true"}})
			disk := filepath.Join(s.dir, "d")
			if err := os.Mkdir(disk, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=4m"); err != nil {
				t.Skip("cannot mount a tmpfs here:", err)
			}
			t.Cleanup(func() {
				if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			r := s.run()
			if r.code != exitFailed || !strings.Contains(r.err, "disk is full") || !strings.Contains(r.err, "pbt resume d") {
				t.Errorf("%s", r)
			}
			for _, f := range s.failures() {
				if f.Kind != "disk_full" {
					t.Errorf("a full disk is nobody's fault: %+v", f)
				}
			}
			if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=128m"); err != nil {
				t.Fatal(err)
			}
			if r, _ := s.pbt("resume", "d", "--quiet"); r.code != exitDone {
				t.Fatal(r)
			}
			s.examine()
		})
	}
}

// A trainer that takes more memory than its slot has is ended before the machine
// suffers. Its segment is tried again, and the run continues.
func TestFault_Memory(t *testing.T) {
	t.Parallel()
	s := stageFault(t, fault{
		client: true, at: "trained", python: "hog = bytearray(os.urandom(1 << 20)) * 180; time.sleep(3600)", kind: "error", says: "out of memory: its processes held ",
		sets: []string{"trainer.memory=120MB", "retries=0"},
	})
	if r := s.run(); r.code != exitDone {
		t.Fatal(r)
	}
	s.blames()
	s.examine()
}

// waiting is a fault that lets trainers wait, from the fourth segment on, for a file.
func waiting(sets ...string) fault {
	return fault{client: true, at: "trained", always: true, python: `
while not os.path.exists("go"): time.sleep(0.005)`, sets: sets}
}

// launch starts the scene's run, and waits until three segments have finished and
// trainers are at work on others.
func (s *faultScene) launch() *live {
	s.Helper()
	args := []string{"run", "q.yaml", "--dir", "d"}
	for _, set := range s.sets {
		args = append(args, "--set", set)
	}
	l := launch(s.T, s.dir, args...)
	l.await("finished", 3)
	return l
}

// SIGTERM to pbt lets segments finish, and be saved.
func TestFault_SIGTERMLetsSegmentsFinish(t *testing.T) {
	for _, how := range []string{"each", "lazy"} {
		t.Run(how, func(t *testing.T) {
			s := stageFault(t, waiting("save="+how, "budget.steps=60", "trainer.grace=60s"))
			l := s.launch()
			l.await("leased", 1) // the fourth and the fifth segment are at work
			l.signal(syscall.SIGTERM)
			save(t, s.dir, "go", "")
			l.await("closed", 1)
			if r := <-l.done; r.code != exitInterrupted || !strings.Contains(r.err, "segments may finish") {
				t.Error(r)
			}
			if all := s.failures(); len(all) > 0 {
				t.Errorf("there was time to finish: %+v", all)
			}
			status := asJSON(t, s.dir, "status", "d")
			if n := status["segments"].(map[string]any); n["finished"].(float64) < 5 || n["running"] != 0.0 {
				t.Errorf("%v", n)
			}
			if r, _ := s.pbt("resume", "d", "--quiet"); r.code != exitDone {
				t.Fatal(r)
			}
			for _, line := range lines(ok(t, s.dir, "events", "d")) {
				if e := decode[event](t, line); e.Kind == "rolled_back" {
					t.Errorf("what was at work could be saved: %s", line)
				}
			}
			<-l.gone
			s.examine()
		})
	}
}

// What does not finish within the grace is given up without blame.
func TestFault_SIGTERMAndAGraceThatIsTooShort(t *testing.T) {
	s := stageFault(t, waiting("trainer.grace=1s"))
	l := s.launch()
	l.signal(syscall.SIGTERM)
	l.await("closed", 1)
	if r := <-l.done; r.code != exitInterrupted {
		t.Error(r)
	}
	for _, f := range s.failures() {
		if f.Kind != "lost" && f.Kind != "preempted" {
			t.Errorf("%+v", f)
		}
	}
	save(t, s.dir, "go", "")
	if r, _ := s.pbt("resume", "d", "--quiet"); r.code != exitDone {
		t.Fatal(r)
	}
	<-l.gone
	s.examine()
}

// A pbt that was stopped itself (Ctrl-Z) longer than trainers may be silent does not
// take that for their silence.
func TestFault_PBTItselfIsStopped(t *testing.T) {
	const silence = time.Second
	s := stageFault(t, waiting("trainer.silence=1s"))
	l := s.launch()
	l.signal(syscall.SIGSTOP)
	time.Sleep(2 * silence)
	l.signal(syscall.SIGCONT)
	save(t, s.dir, "go", "")
	if r := <-l.done; r.code != exitDone {
		t.Error(r)
	}
	if all := s.failures(); len(all) > 0 {
		t.Errorf("nobody was silent: %+v", all)
	}
	l.await("closed", 1)
	<-l.gone
	s.examine()
}

// Kills of pbt with trainers that live, and have children that cling to life.
//
//	PBT_CRASH_KILLS=500 PBT_CRASH_SEED=7 go test -run Fault_Kill ./cmd/pbt
const defaultFaultKills = 40

func TestFault_KilledAtAnyInstant(t *testing.T) {
	kills := setting(t, "PBT_CRASH_KILLS", defaultFaultKills)
	seed := setting(t, "PBT_CRASH_SEED", 1)
	dice := rand.New(rand.NewPCG(uint64(seed), 1))
	var toll toll
	for n := 0; toll.kills < kills && !t.Failed(); n++ {
		how := []string{"each", "lazy"}[n%2]
		t.Run(fmt.Sprintf("save %s/%d", how, n/2), func(t *testing.T) {
			s := stageFault(t, fault{at: "welcomed", always: true, python: `
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sock.close()
    os.fork()
    time.sleep(3600)
    os._exit(0)`})
			text, err := os.ReadFile(filepath.Join(s.dir, "q.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			save(t, s.dir, "q.yaml", strings.Replace(string(text), "budget: {steps: 20}", "budget: {steps: 50}\nsave: "+how, 1))
			binaryPath(t) // is built elsewhere
			t.Setenv("TMPDIR", filepath.Join(s.dir, "tmp"))
			v := &victim{t: t, dir: s.dir, dice: dice, toll: &toll, reference: &reference{took: time.Second}}
			toll.Runs++
			for sitting := 0; !v.sitting() && !t.Failed(); sitting++ {
				toll.Sittings++
				s.nobodyIsThere()
				if v.look(); sitting > enough {
					t.Fatalf("%d kills, and the run has not ended", enough)
				}
			}
			if !t.Failed() {
				v.remember(lines(ok(t, s.dir, "events", "d")))
				s.examine()
			}
			if t.Failed() {
				t.Logf("again with: PBT_CRASH_SEED=%d PBT_CRASH_KILLS=%d go test -run Fault_Kill ./cmd/pbt", seed, kills)
			}
		})
	}
	t.Logf("%+v", toll)
}

// nobodyIsThere waits until no process of the run is left.
func (s *faultScene) nobodyIsThere() {
	s.Helper()
	mark := protocol.EnvRunDir + "=" + filepath.Join(s.dir, "d") + "\x00"
	for deadline := time.Now().Add(limit); ; time.Sleep(2 * time.Millisecond) {
		left := ""
		environs, _ := filepath.Glob("/proc/[0-9]*/environ")
		for _, path := range environs {
			if text, err := os.ReadFile(path); err == nil && strings.Contains(string(text)+"\x00", mark) {
				left = path
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("a process has outlived pbt: %s", left)
		}
	}
}
