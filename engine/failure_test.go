package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/internal/awake"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// What goes wrong in a trainer. Time is synctest's wherever it matters: a timeout of
// an hour takes no time, and a goroutine that stays behind fails the test.

var errBroken = errors.New("the loss is a teapot")

// unlucky is a script in which member 3's second segment goes wrong so many times.
func unlucky(times int, seeds *tally, wrong func(ctx context.Context) (float64, error)) script {
	var mu sync.Mutex
	var first, second int64 // segments of member 3
	attempts := 0
	doomed := func(s trainer.Segment) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case s.Member != 3 || s.ID == first:
			return false
		case first == 0:
			first = s.ID
			return false
		case second == 0:
			second = s.ID
		}
		if s.ID != second {
			return false
		}
		seeds.add("%d", s.Seed)
		attempts++
		return attempts <= times
	}
	return func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		if doomed(s) {
			*theta = math.Inf(1) // whatever it was doing to the weights
			return wrong(ctx)
		}
		return climb(ctx, s, theta)
	}
}

var wrongs = map[machine.FailureKind]func(ctx context.Context) (float64, error){
	machine.FailError:    func(context.Context) (float64, error) { return 0, errBroken },
	machine.FailPanic:    func(context.Context) (float64, error) { panic("the loss is a teapot") },
	machine.FailDiverged: func(context.Context) (float64, error) { return math.NaN(), nil },
	machine.FailTimeout:  func(ctx context.Context) (float64, error) { <-ctx.Done(); return 0, ctx.Err() },
}

func TestAFailedSegmentIsTriedAgain(t *testing.T) {
	for kind, wrong := range wrongs {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seeds tally
				spec := testSpec()
				spec.Timeout, spec.Retries = time.Hour, 2
				c := testConfig(t, spec, 2, unlucky(2, &seeds, wrong))
				m := mustRun(t, c)
				spentAll(t, m)
				check(t, c)
				failed := bodies[*machine.Failed](t, c)
				if n := m.Counts(); n.Failed != 2 || n.Repairs != 0 || n.Restarts != 0 || len(failed) != 2 {
					t.Errorf("%+v", n)
				}
				charged := 1 // the second of two attempts with one seed, which confirms the first
				if kind == machine.FailDiverged {
					charged = 2
				}
				for i, f := range failed {
					if f.Member != 3 || f.Fault != kind || f.Attempt != i+charged-1 || f.Final {
						t.Errorf("%+v", f)
					}
				}
				if len(seeds.n) != 1+charged {
					t.Errorf("%d failures were charged, with %d seeds: a failure of chance must not be repeated by construction", charged, len(seeds.n))
				}
				if v := m.Member(3); v.Failures != 2 || !strings.HasPrefix(v.LastFailure, string(kind)) {
					t.Errorf("pbt status would not tell: %+v", v)
				}
			})
		})
	}
}

func TestAMemberThatFailsForGoodIsRepaired(t *testing.T) {
	for kind, wrong := range wrongs {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seeds tally
				spec := testSpec()
				spec.Timeout, spec.Retries = time.Hour, 1
				fails := 4 // two that are confirmed
				if kind == machine.FailDiverged {
					fails = 2
				}
				c := testConfig(t, spec, 2, unlucky(fails, &seeds, wrong))
				m := mustRun(t, c)
				spentAll(t, m)
				check(t, c)
				if n := m.Counts(); n.Repairs != 1 {
					t.Errorf("%+v", n)
				}
				for i := range spec.Population {
					if v := m.Member(i); v.Score == nil || !v.Score.Finite() {
						t.Errorf("member %d ends with %v", i, v.Score)
					}
				}
			})
		})
	}
}

func TestAMemberThatFailsAloneRestarts(t *testing.T) {
	spec := testSpec()
	spec.Population, spec.Retries = 1, 0
	fails := func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		if s.ID == 3 {
			return 0, errBroken
		}
		return climb(ctx, s, theta)
	}
	c := testConfig(t, spec, 1, fails)
	m := mustRun(t, c)
	spentAll(t, m)
	check(t, c)
	if n := m.Counts(); n.Restarts != 1 || n.Repairs != 0 {
		t.Errorf("%+v", n)
	}
}

func TestAnErrorTellsItsText(t *testing.T) {
	spec := testSpec()
	c := testConfig(t, spec, 1, unlucky(1, &tally{}, wrongs[machine.FailPanic]))
	mustRun(t, c)
	f := bodies[*machine.Failed](t, c)[0]
	if !strings.Contains(f.Error, "the loss is a teapot") || !strings.Contains(f.Error, "failure_test.go") {
		t.Errorf("a panic says what and where: %s", f.Error)
	}
}

func TestARunInWhichNothingWorksPausesAtOnce(t *testing.T) {
	spec := testSpec()
	works := false
	s := func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
		if works {
			return climb(ctx, s, theta)
		}
		return 0, errBroken
	}
	c := testConfig(t, spec, 1, s)
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	m := train(t, e, machine.PhasePaused)
	_, reason := m.Phase()
	if n := m.Counts().Failed; n != 2 || !strings.Contains(reason, "every trainer fails in the same way: "+errBroken.Error()) {
		t.Errorf("paused after %d failures: %s", n, reason)
	}
	check(t, c)
	works = true // somebody has mended it
	spentAll(t, mustResume(t, c))
	check(t, c)
}

// stubborn is a slot whose trainer takes no notice of anything.
type stubborn func(job trainer.Job) error

func (f stubborn) Close() error { return nil }

func (f stubborn) Holds() int64 { return 0 }

func (f stubborn) Train(_ context.Context, job trainer.Job) (trainer.Result, error) {
	if err := f(job); err != nil {
		return trainer.Result{}, err
	}
	err := os.WriteFile(filepath.Join(job.Save, "weights"), []byte("w"), 0o666)
	return trainer.Result{Saved: true, Evaluation: trainer.Evaluation{Score: unit(job.Seed)}}, err
}

// A trainer that ignores that its time is up is abandoned and replaced. When it
// comes back at last, its report is refused and its checkpoint goes.
func TestAStubbornTrainerIsReplacedAndHeardNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := testSpec()
		spec.Timeout, spec.Policy.Exploit = time.Hour, pbt.NoExploit{}
		release, refused := make(chan struct{}), make(chan struct{})
		var times tally
		c := testConfig(t, spec, 1, nil) // nobody else could train on
		c.NewSlot = func(int) trainer.Slot {
			return stubborn(func(job trainer.Job) error {
				switch {
				case job.Member == 3 && job.From == 10 && times.add("hang") == 1:
					<-release
				case job.Member == 3 && job.From == 30:
					close(release)
					<-refused
				}
				return nil
			})
		}
		c.Observe = func(v View) {
			for _, e := range v.Events {
				if _, ok := e.Body.(*machine.Refused); ok {
					close(refused)
				}
			}
		}
		start := time.Now()
		m := mustRun(t, c)
		spentAll(t, m)
		check(t, c) // the late checkpoint is gone
		if took := time.Since(start); took < time.Hour+DefaultPatience || took > time.Hour+2*DefaultPatience {
			t.Errorf("it took %s", took)
		}
		r := bodies[*machine.Refused](t, c)
		if len(r) != 1 || r[0].Member != 3 || r[0].Checkpoint == "" {
			t.Errorf("refused: %+v", r)
		}
		if n := m.Counts(); n.Failed != 1 || n.Refused != 1 {
			t.Errorf("%+v", n)
		}
	})
}

func TestTooManyStubbornTrainersPauseTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := testSpec()
		spec.Timeout, spec.FailureLimit = time.Minute, 1000
		release := make(chan struct{})
		c := testConfig(t, spec, 2, nil)
		c.NewSlot = func(int) trainer.Slot {
			return stubborn(func(trainer.Job) error { <-release; return nil })
		}
		e, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		m := train(t, e, machine.PhasePaused)
		if _, reason := m.Phase(); !strings.Contains(reason, "every trainer fails in the same way: no outcome within the timeout") {
			t.Error(reason)
		}
		close(release)
		synctest.Wait() // what the abandoned still write is swept by the next process
		c.NewSlot = func(int) trainer.Slot { return stubborn(func(trainer.Job) error { return nil }) }
		spentAll(t, mustResume(t, c))
		check(t, c)
	})
}

// Only trainers that still run count as too many: those that came back do not.
func TestStubbornTrainersThatComeBackAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := testSpec()
		spec.Timeout, spec.FailureLimit, spec.Retries = time.Minute, 1000, 3*maxAbandoned
		c := testConfig(t, spec, 1, nil)
		var hangs relay
		c.NewSlot = func(int) trainer.Slot {
			return stubborn(func(job trainer.Job) error {
				if job.Member == 2 && hangs.count() < 2*maxAbandoned {
					<-hangs.next()
				}
				return nil
			})
		}
		e, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		spentAll(t, train(t, e, machine.PhaseEnded))
		hangs.next()
		synctest.Wait()
		if n := e.Machine().Counts().Failed; n != 2*maxAbandoned {
			t.Errorf("%d timeouts", n)
		}
	})
}

// relay lets each of its runners go when the next one comes.
type relay struct {
	mu   sync.Mutex
	runs int
	last chan struct{}
}

func (r *relay) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.runs
}

func (r *relay) next() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != nil {
		close(r.last)
	}
	r.runs, r.last = r.runs+1, make(chan struct{})
	return r.last
}

// Whoever stops a run may find its trainers deaf. The run is given up all the same.
func TestADeafTrainerDoesNotKeepARunFromStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		release := make(chan struct{})
		c := testConfig(t, testSpec(), 2, nil)
		c.NewSlot = func(int) trainer.Slot {
			return stubborn(func(trainer.Job) error { stop(); <-release; return nil })
		}
		e, err := Create(c)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		phase, err := e.Run(ctx)
		if phase != machine.PhaseRunning || err != nil || time.Since(start) != DefaultPatience {
			t.Errorf("%s, %v after %s", phase, err, time.Since(start))
		}
		close(release)
		synctest.Wait()
		spentAll(t, mustResume(t, testAgain(c, climb)))
		check(t, c)
	})
}

// A run that waits for its last trainer sleeps, whatever deadlines have passed.
func TestAWaitingRunSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		spec := testSpec()
		spec.Policy.Barrier = &pbt.Barrier{Quorum: 0.5, Deadline: time.Minute}
		spec.Budget.Wall, spec.Timeout, spec.Silence = 30*time.Minute, 24*time.Hour, 48*time.Hour
		c := testConfig(t, spec, 4, func(ctx context.Context, s trainer.Segment, theta *float64) (float64, error) {
			wait := 20 * time.Minute
			if s.Member == 2 {
				wait = 10 * time.Hour
			}
			time.Sleep(wait)
			return climb(ctx, s, theta)
		})
		looks := 0
		c.Clock = func() int64 { looks++; return time.Now().UnixNano() }
		start := time.Now()
		mustRun(t, c)
		check(t, c)
		if beats := int(time.Since(start) / awake.Beat); looks > 500+beats {
			t.Errorf("it looked at the clock %d times", looks)
		}
	})
}

// testAgain is the same run with another trainer.
func testAgain(c Config, s script) Config {
	c.NewSlot = func(int) trainer.Slot { return trainer.InProcess(s.fresh) }
	return c
}

// Slots that cannot even close are told of, also if all of them have been stopped in
// the middle of something.
func TestWhatGoesWrongWhenASlotClosesIsTold(t *testing.T) {
	const slots = 3 * maxAbandoned
	spec := testSpec()
	spec.Population = slots
	ctx, stop := context.WithCancel(t.Context())
	var began tally
	c := testConfig(t, spec, slots, nil)
	waits := script(func(ctx context.Context, _ trainer.Segment, _ *float64) (float64, error) {
		if began.add("") == slots {
			stop()
		}
		<-ctx.Done()
		return 0, ctx.Err()
	})
	c.NewSlot = func(int) trainer.Slot { return unclosable{trainer.InProcess(waits.fresh)} }
	c.Patience = 24 * time.Hour // nobody has to be waited for
	e, err := Create(c)
	if err != nil {
		t.Fatal(err)
	}
	phase, err := e.Run(ctx)
	if phase != machine.PhaseRunning || err == nil || strings.Count(err.Error(), errBroken.Error()) != slots {
		t.Errorf("%s: %v", phase, err)
	}
	if n := e.Machine().Counts(); n.Lost != slots || n.Failed != 0 {
		t.Errorf("%+v", n)
	}
	check(t, c)
}

type unclosable struct{ trainer.Slot }

func (u unclosable) Close() error { return errors.Join(u.Slot.Close(), errBroken) }

func TestARunWithoutAnyScore(t *testing.T) {
	for _, repair := range []pbt.Repair{pbt.RepairCopy, pbt.RepairRestart, pbt.RepairNone} {
		t.Run(fmt.Sprint(repair), func(t *testing.T) {
			spec := testSpec()
			spec.Policy.Repair, spec.Retries = repair, 0
			c := testConfig(t, spec, 2, func(context.Context, trainer.Segment, *float64) (float64, error) { return math.Inf(-1), nil })
			m := mustRun(t, c)
			spentAll(t, m)
			check(t, c)
			if best, ok := m.Best(); ok {
				t.Errorf("the best is %+v", best)
			}
		})
	}
}
