package sim

import (
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
)

var update = flag.Bool("update", false, "write what the stories come to")

// TestStories plays the stories in testdata: each line with a > is something that
// happens, and what follows it is what the machine makes of it.
//
//	go test ./sim -run TestStories -update
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.story")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no stories: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			told := tell(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(told), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if told != string(text) {
				t.Errorf("%s comes to\n%s", file, told)
			}
		})
	}
}

// tell plays a story and returns it with what happens.
func tell(t *testing.T, text string) string {
	var out strings.Builder
	s := &story{t: t, out: &out, tasks: map[string]*machine.Task{}, keeps: map[string]*machine.Task{}}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "    ") {
			continue // an earlier answer
		}
		out.WriteString(line)
		if command, ok := strings.CutPrefix(line, "> "); ok {
			words := strings.Fields(command)
			s.play(words[0], words[1:])
		}
	}
	return out.String()
}

// story is a run in the hands of a script.
type story struct {
	t     *testing.T
	out   *strings.Builder
	spec  machine.Spec
	m     *machine.Machine
	rows  []row
	now   int64
	tasks map[string]*machine.Task // of each worker, the last it was given
	keeps map[string]*machine.Task // of each worker, what it has trained and keeps in memory
}

func (s *story) play(verb string, args []string) {
	worker := ""
	if len(args) > 0 {
		worker = args[0]
	}
	t := s.tasks[worker]
	switch verb {
	case "run":
		s.begin(args)
	case "ask":
		in := machine.Ask{Worker: worker}
		if kept := s.keeps[worker]; kept != nil {
			in.Holds, in.Member = kept.Segment, kept.Member
		}
		if a := s.handle(in); a.Task != nil {
			s.tasks[worker] = a.Task
			s.say("%s: train segment %d of member %d from step %d to %d, load %q, %s", worker, a.Task.Segment, a.Task.Member, a.Task.From, a.Task.From+a.Task.Steps, a.Task.Load, a.Task.Hypers)
		} else {
			s.say("%s: no work now", worker)
		}
	case "report":
		score, err := strconv.ParseFloat(args[1], 64)
		s.must(err)
		s.refusal(s.handle(machine.Report{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: pbt.Score(score), Checkpoint: machine.Checkpoint{ID: t.Save, Bytes: 1}}))
	case "score": // saves if it must, and keeps the weights
		score, err := strconv.ParseFloat(args[1], 64)
		s.must(err)
		r := machine.Report{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: pbt.Score(score)}
		if s.handle(machine.Scored{Lease: t.Lease, Segment: t.Segment, Member: t.Member, Score: r.Score}).Save {
			r.Checkpoint = machine.Checkpoint{ID: t.Save, Bytes: 1}
			s.say("%s: saves %s", worker, t.Save)
		} else {
			s.say("%s: need not save", worker)
		}
		s.keeps[worker] = t
		s.refusal(s.handle(r))
	case "hold", "resume", "kill", "set", "copy", "restart-member", "inject", "retire", "pin", "unpin":
		s.refusal(s.handle(s.byHand(verb, args)))
	case "die": // its process, and its memory with it
		delete(s.keeps, worker)
	case "fail":
		s.refusal(s.handle(failure(t, machine.FailError, strings.Join(args[1:], " "))))
	case "beat":
		s.handle(machine.Beat{Lease: t.Lease, Member: t.Member})
	case "wait":
		d, err := time.ParseDuration(args[0])
		s.must(err)
		s.now += int64(d)
		s.handle(machine.Tick{})
	case "restart":
		m, err := fold(s.rows, s.specOf)
		s.must(err)
		s.m = m
		s.handle(machine.Open{})
	case "members":
		for i := range s.m.Members() {
			v := s.m.Member(i)
			score := math.NaN()
			if v.Score != nil {
				score = float64(*v.Score)
			}
			s.say("member %d: %s, step %d, %d spent, stands with segment %d (%g), %s", i, v.State, v.Step, v.Spent, v.Record, score, v.Hypers)
		}
	default:
		s.t.Fatalf("%q is nothing that happens", verb)
	}
}

// byHand is what a person says.
func (s *story) byHand(verb string, args []string) machine.Input {
	number := func(at int) int {
		n, err := strconv.Atoi(args[at])
		s.must(err)
		return n
	}
	lr := func(at int) pbt.Hypers {
		x, err := strconv.ParseFloat(args[at], 64)
		s.must(err)
		return pbt.MakeHypers("lr", pbt.Float(x))
	}
	donor := func(at int) pbt.Wish { // a member's record
		r, _ := s.m.Record(number(at))
		return pbt.Wish{Donor: &r, From: number(at)}
	}
	switch verb {
	case "hold":
		return machine.Hold{By: "me"}
	case "resume":
		return machine.Resume{By: "me"}
	case "kill":
		return machine.Kill{Member: number(0), By: "me"}
	case "set":
		return machine.Steer{Member: number(0), Wish: pbt.Wish{Set: lr(1)}}
	case "copy":
		return machine.Steer{Member: number(0), Wish: donor(1)}
	case "restart-member":
		return machine.Steer{Member: number(0), Wish: pbt.Wish{Restart: true}}
	case "inject":
		fresh := lr(0)
		return machine.Inject{Wish: pbt.Wish{Fresh: &fresh}}
	case "retire":
		return machine.Retire{Member: number(0), By: "me"}
	}
	return machine.Pin{Segment: int64(number(0)), Off: verb == "unpin"}
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) specOf([]byte) (machine.Spec, error) { return s.spec, nil }

func (s *story) say(format string, args ...any) { fmt.Fprintf(s.out, "    "+format+"\n", args...) }

func (s *story) refusal(a machine.Answer) {
	if a.Refused != nil {
		s.say("no: %v", a.Refused)
	}
}

// begin reads a run's settings: name=value, and none that is not listed here.
func (s *story) begin(args []string) {
	settings := map[string]string{
		"members": "2", "segment": "10", "steps": "30", "exploit": "truncation", "repair": "copy", "retries": "0",
		"limit": "0", "timeout": "0s", "silence": "0s", "barrier": "no", "quorum": "1", "deadline": "0s", "save": "0",
	}
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		if _, ok := settings[name]; !ok {
			s.t.Fatalf("%q is none of %v", name, slices.Sorted(maps.Keys(settings)))
		}
		settings[name] = value
	}
	whole := func(name string) int64 {
		x, err := strconv.ParseInt(settings[name], 10, 64)
		s.must(err)
		return x
	}
	span := func(name string) time.Duration {
		d, err := time.ParseDuration(settings[name])
		s.must(err)
		return d
	}
	s.spec = machine.Spec{
		Population: int(whole("members")), Space: pbt.MustSpace(pbt.LogUniform("lr", 1e-4, 1e-1)),
		Segment: whole("segment"), Budget: pbt.Budget{Steps: whole("steps")}, Seed: 1,
		Retries: int(whole("retries")), FailureLimit: int(whole("limit")), Timeout: span("timeout"), Silence: span("silence"),
		SaveEvery: int(whole("save")),
	}
	p := &s.spec.Policy
	p.Exploit = map[string]pbt.Exploit{"truncation": pbt.Truncation{Fraction: 0.5}, "tournament": pbt.Tournament{}, "none": pbt.NoExploit{}}[settings["exploit"]]
	p.Repair = map[string]pbt.Repair{"copy": pbt.RepairCopy, "restart": pbt.RepairRestart, "none": pbt.RepairNone}[settings["repair"]]
	if settings["barrier"] == "yes" {
		quorum, err := strconv.ParseFloat(settings["quorum"], 64)
		s.must(err)
		p.Barrier = &pbt.Barrier{Quorum: quorum, Deadline: span("deadline")}
	}
	m, err := machine.New(s.spec, s.specOf)
	s.must(err)
	s.m = m
	s.handle(machine.Start{Experiment: []byte("0")})
	s.handle(machine.Open{})
}

func (s *story) handle(in machine.Input) machine.Answer {
	a, events := s.m.Handle(epoch+s.now, in)
	rows, err := encode(events)
	s.must(err)
	s.rows = append(s.rows, rows...)
	for _, e := range events {
		s.say("%gs %s", time.Duration(e.At-epoch).Seconds(), describe(e.Body))
	}
	return a
}

// describe is an event in a line.
func describe(body machine.Body) string {
	segment, member := body.Subject()
	about := fmt.Sprintf("%s: segment %d of member %d", body.Kind(), segment, member)
	switch e := body.(type) {
	case *machine.Decided:
		return fmt.Sprintf("%s, from segment %d: %s", about, e.Parent, e.Decision.Say())
	case *machine.Leased:
		return fmt.Sprintf("%s to %s, lease %d", about, e.Worker, e.Lease)
	case *machine.Finished:
		return fmt.Sprintf("%s with %s at step %d", about, e.Score, e.Step)
	case *machine.Failed:
		return fmt.Sprintf("%s: %s (%s), attempt %d, final: %t", about, e.Fault, e.Error, e.Attempt, e.Final)
	case *machine.Probing:
		return fmt.Sprintf("%s to %s, lease %d", about, e.Worker, e.Lease)
	case *machine.Probed:
		return strings.TrimSpace(fmt.Sprintf("%s: lease %d %s %s", about, e.Lease, e.Fault, e.Error))
	case *machine.Refused:
		return fmt.Sprintf("%s: %s", about, e.Why)
	case *machine.RolledBack:
		return fmt.Sprintf("%s: member %d to segment %d, %d outcomes and %d steps lost: %s", body.Kind(), member, segment, e.Segments, e.Lost, e.Why)
	case *machine.MemberDone:
		return fmt.Sprintf("%s: member %d, %s", body.Kind(), member, e.Reason)
	case *machine.RunEnded:
		return fmt.Sprintf("%s: %s", body.Kind(), e.Reason)
	case *machine.Paused:
		return strings.TrimSpace(fmt.Sprintf("%s: %s %s", body.Kind(), e.Reason, e.By))
	case *machine.Steered:
		return fmt.Sprintf("%s: member %d, %s %d", body.Kind(), member, e.Verb, segment)
	case *machine.MemberAdded:
		return fmt.Sprintf("%s: member %d, %s %d", body.Kind(), e.Member, e.Verb, segment)
	case *machine.Pinned:
		return fmt.Sprintf("%s: segment %d, off: %t", body.Kind(), segment, e.Off)
	}
	return string(body.Kind())
}
