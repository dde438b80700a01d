package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// living is an experiment whose trainer is client.py with a fault.
const living = `name: living
population: 6
metric: {name: loss, goal: minimize}
segment: {steps: 30}
budget: {steps: 3000}
hyperparameters:
  lr: {log: [1e-3, 0.3]}
  momentum: {uniform: [0.1, 0.8]}
trainer: {command: [python3, client.py], slots: 2, grace: 1s, env: {FAULT: ""}}
`

// clientScript is the smallest client there is, in bare Python, with a choice of faults.
const clientScript = `import json, os, random, signal, socket, sys, time
fault = os.environ["FAULT"]
if fault == "dies": sys.exit("no CUDA device")
if fault == "deaf": signal.signal(signal.SIGTERM, signal.SIG_IGN)
sock = socket.socket(socket.AF_UNIX)
sock.connect(os.environ["PBT_SOCKET"])
lines = sock.makefile("r")
def say(**m): sock.sendall((json.dumps(m) + "\n").encode())
def hear():
    m = lines.readline()
    m = json.loads(m) if m else {"type": "exit"}
    while m["type"] == "welcome": m = json.loads(lines.readline())
    return m
say(type="hello", protocol=1, client="test", fresh=True)
w = v = None
mean = 0.0 # a running mean by which observations are normalised
old = trained = 0
while (m := hear())["type"] == "segment":
    h, lease = m["hypers"], m["lease"]
    if m["start"] == "fresh" and not (fault == "stale" and trained):
        w, v, mean = random.Random(0 if fault == "same" else m["weight_seed"]).uniform(1, 2), 0.0, 0.0
    if m["start"] == "load":
        if fault == "once" and trained: pass
        elif fault == "unloadable": say(type="failed", lease=lease, kind="error", error="no such tensor"); continue
        if fault != "once" or not trained:
            with open(m["load"] + "/w") as f: w, v, lr, mean = json.load(f)
        if fault == "echo": h["lr"] = lr
        if fault == "forgets": v = 0.0
        if fault.startswith("normaliser"): mean = 0.0
    say(type="loaded", lease=lease, hypers=h)
    r = random.Random(m["seed"])
    for _ in range(m["steps"]):
        v = h["momentum"] * v + w + 0.1 * r.gauss(0, 1)
        w -= 0.1 * h["lr"] * v
        mean += 0.2 * (w - mean)
        if m["steps"] > 100:
            time.sleep(0.01)
            if fault != "deaf":
                sock.setblocking(False)
                try:
                    if sock.recv(1, socket.MSG_PEEK): break
                except BlockingIOError: pass
                finally: sock.setblocking(True)
    else:
        trained += 1
        if "normaliser" in fault: # returns of 10 episodes, as coarse as those of many environments
            returns = [round(100 * (w * w + (w - mean) ** 2) + r.gauss(0, 3 if "noisy" in fault else 0.5)) for _ in range(10)]
            if "noisy" in fault: returns = [x + random.choice([-1, 0, 1]) for x in returns]
            extra = {"samples": returns} if "samples" in fault else {}
            say(type="report", lease=lease, score=sum(returns) / 10, **extra)
        else:
            say(type="report", lease=lease, score=0.1 + w * w)
        m = hear()
        if m["type"] != "save": break
        with open(m["dir"] + "/w", "w") as f: json.dump([w, v, h["lr"], mean], f)
        say(type="saved", lease=lease)
        if fault == "short": break
        continue
    say(type="failed", lease=lease, kind="preempted", error="stopped")
    break
if fault == "stays": time.sleep(60)
`

// checked is what pbt check --json prints.
type checked struct {
	Findings []struct{ Level, Check, Says, Hint string }
	Times    struct {
		Segment float64 `json:"segment_s"`
	}
}

// complain runs pbt check and returns its complaints, without those about time.
func complain(t *testing.T, dir string, code int, args ...string) (list []string, says string) {
	t.Helper()
	r := cli(t, dir, append([]string{"check", "q.yaml", "--json", "--quiet"}, args...)...)
	if r.code != code {
		t.Fatalf("want exit code %d: %s", code, r)
	}
	for _, f := range decode[checked](t, r.out).Findings {
		says += f.Level + " " + f.Check + ": " + f.Says + " → " + f.Hint + "\n"
		if f.Level != "ok" && f.Level != "unknown" && f.Level != "note" && f.Check != "length" {
			list = append(list, f.Level+" "+f.Check)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".pbt-check-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	return list, says
}

func TestCheckALivingProgram(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("python3 is not installed")
	}
	for fault, want := range map[string]struct {
		code  int
		finds string // level and check, joined by commas
		says  string
	}{
		"":                         {exitDone, "", "a fresh start is one"},
		"forgets":                  {exitFailed, "wrong memory", "the optimiser's state"},
		"echo":                     {exitFailed, "wrong hypers", "was asked for"},
		"unloadable":               {exitFailed, "wrong load", "no such tensor"},
		"normaliser":               {exitFailed, "wrong memory", "normalisers of inputs"},
		"normaliser samples":       {exitFailed, "wrong memory", "normalisers of inputs"},
		"normaliser noisy samples": {exitFailed, "wrong memory", "normalisers of inputs"},
		"kept normaliser noisy":    {exitDone, "", "would have been noticed with probability 90 %"},
		"once":                     {exitFailed, "wrong load", "in a process that has trained before"},
		"same":                     {exitDone, "warning weights", "identical weights"},
		"stale":                    {exitFailed, "wrong fresh", "is not one"},
		"short":                    {exitFailed, "wrong memory", "ends after a segment"},
		"deaf":                     {exitDone, "warning stop", "does not stop within 1 s"},
		"stays":                    {exitDone, "warning stop", "exit within 1 s"},
		"dies":                     {exitFailed, "wrong start", "no CUDA device"},
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			dir := home(t, strings.Replace(living, `FAULT: ""`, "FAULT: \""+fault+`"`, 1))
			save(t, dir, "client.py", clientScript)
			got, says := complain(t, dir, want.code, "--steps", "20")
			if strings.Join(got, ",") != want.finds || !strings.Contains(says, want.says) {
				t.Errorf("found %q; want %q, and %q in:\n%s", got, want.finds, want.says, says)
			}
		})
	}
}

// goodScript is a template's program: train.sh SAVE H0 SEGMENT LOAD, with SEED in its
// environment.
const goodScript = `w=$PBT_WEIGHT_SEED; [ -z "$4" ] || w=$(grep -x '[-0-9.e]*' "$4/w") || exit 5
awk -v w="$w" -v h="$2" -v s="$5" -v steps="$6" 'BEGIN { printf "%.15g\n", (w % 1000) * (1 - h / 100 * steps) + s % 97 / 1000 }' > "$1/w"
echo "{\"q\": $(cat "$1/w")}"
`

func TestCheckAProgramPerSegment(t *testing.T) {
	template := strings.NewReplacer(`"{load}"]`, `"{load}", "{seed}", "{steps}"]`, "  mode: {choice: [fast, \"slow\\e[31m\\u202e\"]}\n", "").Replace(programs)
	for script, want := range map[string]struct {
		code        int
		finds, says string
	}{
		goodScript:                               {exitDone, "", "goes on from the checkpoint"},
		"exit 3":                                 {exitFailed, "wrong start", "exit status 3"},
		"echo hello; touch \"$1/w\"":             {exitFailed, "wrong start", "its score was not found"},
		"echo '{\"q\": 1}'":                      {exitFailed, "wrong checkpoint", "holds no files"},
		"[ -z \"$4\" ] || exit 4\n" + goodScript: {exitFailed, "wrong load", "exit status 4"},
		"trap '' TERM\n[ $6 -lt 1000 ] || sleep 30\n" + goodScript: {exitDone, "warning stop", "does not stop"},
	} {
		t.Run(firstLine(script), func(t *testing.T) {
			t.Parallel()
			dir := home(t, template)
			save(t, dir, "train.sh", script)
			got, says := complain(t, dir, want.code, "--steps", "5", "--set", "trainer.grace=1s")
			if strings.Join(got, ",") != want.finds || !strings.Contains(says, want.says) {
				t.Errorf("found %q; want %q, and %q in:\n%s", got, want.finds, want.says, says)
			}
		})
	}
}

func TestCheckForPeople(t *testing.T) {
	dir := home(t, strings.Replace(quick, "quadratic", "digits", 1))
	save(t, dir, "d.yaml", `name: d
metric: {name: loss, goal: minimize}
budget: {steps: 2000}
hyperparameters:
  lr:           {log: [1e-4, 1]}
  momentum:     {near_one: [0.5, 0.99]}
  weight_decay: {log: [1e-6, 1e-2]}
  dropout:      {uniform: [0, 0.8]}
  noise:        {uniform: [0, 1]}
trainer: {builtin: digits, slots: 2}
`)
	r := cli(t, dir, "check", "d.yaml")
	for _, want := range []string{"✓ memory", "each hyperparameter acts on a loaded checkpoint (5 tried", "a segment of 100 steps", "20 members, 2 at a time, 20 segments each: about", "nothing is wrong"} {
		if r.code != exitDone || !strings.Contains(r.out, want) {
			t.Errorf("%q is not in %s", want, r)
		}
	}
	if !strings.Contains(r.err, "… training 1 step from fresh weights") {
		t.Error(r.err)
	}
	if r := cli(t, dir, "check", "q.yaml"); r.code != exitFailed || !strings.Contains(r.out, "1 thing is wrong") || !strings.Contains(r.out, "  ✗ start") {
		t.Error(r)
	}
	fails(t, dir, exitUsage, "--steps and --time", "check", "d.yaml", "--time", "0s")
	fails(t, dir, exitUsage, "no/such.yaml", "check", "no/such.yaml")
	fails(t, dir, exitUsage, "popultion", "check", "d.yaml", "--set", "popultion=3")
}

// Ctrl-C ends a rehearsal and leaves nothing behind: no directory, no program.
func TestCheckIsInterrupted(t *testing.T) {
	dir := homeOf(t, "echo $$ > \"$PBT_RUN_DIR/../pid\"; sleep 100\n")
	c := command(t, dir, "check", "q.yaml")
	r := finish(t, c, func(c *exec.Cmd) error {
		if err := c.Start(); err != nil {
			return err
		}
		for range 1000 {
			if _, err := os.Stat(filepath.Join(dir, "pid")); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err := c.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		return c.Wait()
	})
	if r.code != exitInterrupted {
		t.Error(r)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".pbt-check-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	pid := 0
	if text, err := os.ReadFile(filepath.Join(dir, "pid")); err == nil {
		for _, c := range strings.TrimSpace(string(text)) {
			pid = 10*pid + int(c-'0')
		}
	}
	if pid == 0 || syscall.Kill(pid, 0) == nil {
		t.Errorf("process %d is still there", pid)
	}
}
