package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/internal/testdir"
)

// The crash test kills the real binary with SIGKILL, at random instants, hundreds of
// times, and looks after each kill, as any other process would, at what is left.
//
//	PBT_CRASH_KILLS=2000 PBT_CRASH_SEED=7 go test -run Kill ./cmd/pbt

const (
	defaultKills = 400
	shortKills   = 40
	enough       = 200 // kills of one run; a run that never ends would be a fault of its own
)

// crashCase is a run that is killed again and again.
type crashCase struct {
	name       string
	experiment string
	// same: whatever is killed, the run decides and scores as if nothing had happened.
	// So it is with one slot, and behind a barrier with any number of them.
	same bool
	disk bool // on a real disk, where an fsync takes its time
}

func crashCases() []crashCase {
	vary := func(name string, same, disk bool, changes ...string) crashCase {
		text := strings.Replace(quick, "name: quick", "name: crash", 1)
		for i := 0; i < len(changes); i += 2 {
			if !strings.Contains(text, changes[i]) {
				panic(changes[i])
			}
			text = strings.Replace(text, changes[i], changes[i+1], 1)
		}
		return crashCase{name, text, same, disk}
	}
	return []crashCase{
		vary("one slot", true, false, "slots: 2", "slots: 1"),
		vary("one slot, on disk", true, true, "slots: 2", "slots: 1", "{steps: 50}", "{steps: 100}"),
		vary("four slots, a barrier", true, false, "slots: 2}", "slots: 4}\nbarrier: true\nkeep: {lineage: true}"),
		vary("three slots, t-test", false, true, "slots: 2}", "slots: 3}\nexploit: ttest\nexplore: {resample: 0.5}"),
		vary("five slots for four, tournament", false, false, "population: 6", "population: 4", "slots: 2}", "slots: 5}\nexploit: tournament\nkeep: {everything: true}"),
		vary("programs", true, false, "slots: 2}", "slots: 1}", "builtin: quadratic",
			`command: [sh, -c, 'cat "$2/w" 2>/dev/null >"$1/w"; echo "$0" >>"$1/w"; echo "{{\"q\": $0}}"', "{h0}", "{save}", "{load}"]`, "{steps: 50}", "{steps: 20}"),
	}
}

// setting is an environment variable that is a number.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestNothingIsLostWhenARunIsKilled(t *testing.T) {
	kills := defaultKills
	if testing.Short() {
		kills = shortKills
	}
	kills = setting(t, "PBT_CRASH_KILLS", kills)
	seed := setting(t, "PBT_CRASH_SEED", 1)
	dice := rand.New(rand.NewPCG(uint64(seed), 0))
	cases := crashCases()
	references := make([]*reference, len(cases))
	toll := toll{slow: 1}
	for n := 0; toll.kills < kills && !t.Failed(); n++ {
		c, i := cases[n%len(cases)], n%len(cases)
		t.Run(fmt.Sprintf("%s/%d", c.name, n/len(cases)), func(t *testing.T) {
			if references[i] == nil {
				references[i] = undisturbed(t, c)
			}
			v := &victim{t: t, crashCase: c, dir: crashDir(t, c), dice: dice, toll: &toll, reference: references[i]}
			save(t, v.dir, "q.yaml", c.experiment)
			v.suffer()
			v.examine()
			if t.Failed() {
				t.Logf("again with: PBT_CRASH_SEED=%d PBT_CRASH_KILLS=%d go test -run Kill ./cmd/pbt", seed, kills)
			}
		})
	}
	t.Logf("%+v", toll)
	if !t.Failed() && kills >= defaultKills && (toll.BeforeTheFirstEvent == 0 || toll.WhileOpening == 0 || toll.WhileTraining < kills/4) {
		t.Errorf("the kills are not spread: %+v", toll)
	}
}

// toll counts kills by what they hit.
type toll struct {
	kills                                            int
	BeforeTheFirstEvent, WhileOpening, WhileTraining int
	Sittings, Runs                                   int

	slow float64 // how much longer than at first it takes to open a run, as the kills tell; at least 1
}

// hits notes whether a kill that was meant for a run in training has met it there. On a
// machine that is busy by now, those that came too early make the next ones come later.
func (v *victim) hits(training bool) {
	switch t := v.toll; {
	case !v.aimed:
	case training:
		t.slow = max(1, t.slow*0.8)
	default:
		t.slow = min(t.slow*1.25, 20)
	}
}

func crashDir(t *testing.T, c crashCase) string {
	if c.disk {
		return t.TempDir()
	}
	return testdir.InMemory(t)
}

// reference is the same run without a kill.
type reference struct {
	took time.Duration
	said map[string]string
}

func undisturbed(t *testing.T, c crashCase) *reference {
	t.Helper()
	dir := crashDir(t, c)
	save(t, dir, "q.yaml", c.experiment)
	start := time.Now()
	ok(t, dir, "run", "q.yaml", "--dir", "d", "--quiet")
	return &reference{time.Since(start), said(t, lines(ok(t, dir, "events", "d")))}
}

// said is what a run decided and scored, by segment, without times and leases.
func said(t *testing.T, events []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, line := range events {
		e := decode[event](t, line)
		fields := decode[map[string]json.RawMessage](t, string(e.Event))
		names := []string{"member", "turn", "parent", "start", "steps", "hypers", "decision", "open"}
		switch e.Kind {
		case "decided":
		case "finished":
			names = []string{"member", "score", "metrics", "step", "spent"}
		default:
			continue
		}
		var b strings.Builder
		for _, name := range names {
			fmt.Fprintf(&b, "%s=%s ", name, fields[name])
		}
		out[fmt.Sprint(e.Kind, " ", e.Segment)] = b.String()
	}
	return out
}

// victim is a run that is killed until it is done.
type victim struct {
	t *testing.T
	crashCase
	dir       string
	dice      *rand.Rand
	toll      *toll
	reference *reference
	aimed     bool     // the next kill is meant for training
	seen      []string // events, as far as anybody has seen them
}

// suffer starts or resumes the run and kills it, until it gets to its end.
func (v *victim) suffer() {
	v.t.Helper()
	v.toll.Runs++
	for range enough {
		v.toll.Sittings++
		if v.sitting() {
			return
		}
		v.look()
		if v.t.Failed() {
			return
		}
	}
	v.t.Errorf("%d kills, and the run has not ended", enough)
}

// sitting runs the run until it ends, which it tells, or is killed.
func (v *victim) sitting() (ended bool) {
	v.t.Helper()
	c := command(v.t, v.dir, v.next()...)
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		v.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	select {
	case <-done:
	case <-time.After(v.moment()):
		if v.dice.IntN(4) == 0 {
			v.watch() // what a reader beside it sees stays, too
		}
		_ = c.Process.Kill() // it may have ended just now
		<-done
	}
	switch {
	case c.ProcessState.Success():
		return true
	case c.ProcessState.Exited():
		v.t.Fatalf("%v: %s\n%s", c.Args, c.ProcessState, errs.String())
	}
	v.toll.kills++
	return false
}

// next is the command that takes the run wherever it is.
func (v *victim) next() []string {
	if len(v.seen) == 0 {
		return []string{"run", "q.yaml", "--dir", "d", "--quiet"}
	}
	return []string{"resume", "d", "--quiet"}
}

// moment draws when to kill: while it opens the run, soon, or at any time.
func (v *victim) moment() time.Duration {
	const soon = 15 * time.Millisecond
	span := soon
	v.aimed = true
	switch v.dice.IntN(4) {
	case 3:
		v.aimed = false
	case 0, 1:
		span = time.Duration(float64(max(v.reference.took/6, 2*soon)) * v.toll.slow)
	case 2:
		span = time.Duration(float64(v.reference.took) * v.toll.slow)
	}
	return time.Duration(v.dice.Int64N(int64(span) + 1))
}

// watch reads the events while the run is going. Before there is a journal, it fails.
func (v *victim) watch() {
	v.t.Helper()
	if r := cli(v.t, v.dir, "events", "d"); r.code == exitDone && r.out != "" {
		v.remember(lines(r.out))
	}
}

// remember checks that everything that was ever seen is still there, as it was.
func (v *victim) remember(now []string) {
	v.t.Helper()
	for i, line := range v.seen {
		if i >= len(now) || now[i] != line {
			v.t.Fatalf("event %d was lost or altered:\n%s\nnow %s", i+1, line, strings.Join(now[min(i, len(now)):min(i+1, len(now))], ""))
		}
	}
	v.seen = now
}

// look reads what a kill has left.
func (v *victim) look() {
	v.t.Helper()
	before := len(v.seen)
	r := cli(v.t, v.dir, "events", "d")
	if r.code != exitDone || r.out == "" {
		if before > 0 || r.out == "" && r.code == exitDone && r.err != "" {
			v.t.Fatal(r)
		}
		v.toll.BeforeTheFirstEvent++
		v.hits(false)
		return
	}
	v.remember(lines(r.out))
	if fresh := v.seen[before:]; slices.ContainsFunc(fresh, func(line string) bool { return strings.Contains(line, `"kind":"opened"`) }) {
		v.toll.WhileTraining++
		v.hits(true)
	} else {
		v.toll.WhileOpening++
		v.hits(false)
	}
	s := asJSON(v.t, v.dir, "status", "d")
	if state := s["state"]; state != "stopped" && state != "finished" {
		v.t.Errorf("after a kill the run is %v", state)
	}
	if n := s["segments"].(map[string]any); n["failed"] != 0.0 || n["running"] != 0.0 {
		v.t.Errorf("a kill is no failure, and nobody trains: %v", n)
	}
}

// examine looks at a run that has ended.
func (v *victim) examine() {
	v.t.Helper()
	if v.t.Failed() {
		return
	}
	v.remember(lines(ok(v.t, v.dir, "events", "d")))
	m, err := readMachine(filepath.Join(v.dir, "d"))
	if err != nil {
		v.t.Fatal(err)
	}
	budget := m.Spec().Budget.Steps
	for i := range m.Spec().Population {
		if view := m.Member(i); view.Spent != budget {
			v.t.Errorf("member %d has spent %d steps of %d", i, view.Spent, budget)
		}
	}
	if n := m.Counts(); n.Finished != int64(m.Spec().Population)*budget/m.Spec().Segment || n.Failed != 0 || n.Refused != 0 {
		v.t.Errorf("%+v", n)
	}
	r := asJSON(v.t, v.dir, "verify", "d")
	if r["ok"] != true || r["mismatches"] != 0.0 {
		v.t.Errorf("%v", r)
	}
	v.files(func(segment int64) string { name, _ := m.NeedsCheckpoint(segment); return name }, m.Segments())
	if v.same {
		v.compare()
	}
}

// files lists exactly what may be in a run's directory.
func (v *victim) files(checkpoint func(segment int64) string, segments int64) {
	v.t.Helper()
	want := []string{"checkpoints", "experiment.yaml", "journal.sqlite", "lock", "origin.json"}
	have := slices.DeleteFunc(list(v.t, v.dir, "d"), func(name string) bool {
		return name == "journal.sqlite-shm" || name == "journal.sqlite-wal" || // a reader's, or the owner's
			name == logDir || name == serverFile // of programs; where a killed process listened
	})
	if !slices.Equal(have, want) {
		v.t.Errorf("the run's directory holds %v, want %v", have, want)
	}
	if wal, err := os.Stat(filepath.Join(v.dir, "d", "journal.sqlite-wal")); err == nil && wal.Size() > 0 {
		v.t.Errorf("the write-ahead log was not folded in: %d bytes", wal.Size())
	}
	want = []string{".staging", ".trash"}
	for s := range segments {
		if name := checkpoint(s + 1); name != "" {
			want = append(want, name)
		}
	}
	if have := list(v.t, v.dir, "d", "checkpoints"); !slices.Equal(have, want) {
		v.t.Errorf("the checkpoints are %v, want %v", have, want)
	}
	for _, temporary := range want[:2] {
		if have := list(v.t, v.dir, "d", "checkpoints", temporary); len(have) > 0 {
			v.t.Errorf("left in %s: %v", temporary, have)
		}
	}
}

func list(t *testing.T, path ...string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// compare holds the run against the one that nobody killed.
func (v *victim) compare() {
	v.t.Helper()
	have := said(v.t, v.seen)
	if len(have) != len(v.reference.said) {
		v.t.Errorf("%d decisions and outcomes, %d without a kill", len(have), len(v.reference.said))
	}
	for what, want := range v.reference.said {
		if have[what] != want {
			v.t.Errorf("%s\n%s\nwithout a kill\n%s", what, have[what], want)
			return
		}
	}
}

// A killed engine takes its programs with it.
func TestProgramsDieWithAKilledRun(t *testing.T) {
	dir := homeOf(t, `exec 3>alive; `+waits)
	if err := exec.Command("mkfifo", filepath.Join(dir, "alive")).Run(); err != nil {
		t.Skip("no named pipes here:", err)
	}
	// Held open for reading and writing, so that opening it makes nobody wait.
	keep, err := os.OpenFile(filepath.Join(dir, "alive"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := launch(t, dir, "run", "q.yaml", "--dir", "d")
	l.await("finished", 3)
	read, err := os.Open(filepath.Join(dir, "alive"))
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	keep.Close()
	l.signal(9)
	<-l.done
	ended := make(chan error, 1)
	go func() { _, err := read.Read(make([]byte, 1)); ended <- err }() // the end: nobody holds it any more
	select {
	case <-ended:
	case <-time.After(limit):
		t.Error("a program has outlived its engine")
	}
	save(t, dir, "go", "")
	ok(t, dir, "resume", "d")
	l.await("closed", 1)
	<-l.gone
}
