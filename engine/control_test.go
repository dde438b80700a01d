package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/trainer"
)

// steered is a run in progress that a test steers. Its trainers wait for the test.
type steered struct {
	*Engine
	t     *testing.T
	began chan trainer.Segment // a segment has begun
	goOn  chan struct{}        // it may end
	ended chan machine.Phase
}

func startSteered(t *testing.T, spec machine.Spec, slots int) *steered {
	t.Helper()
	s := &steered{t: t, began: make(chan trainer.Segment), goOn: make(chan struct{}), ended: make(chan machine.Phase, 1)}
	c := testConfig(t, spec, slots, func(ctx context.Context, seg trainer.Segment, theta *float64) (float64, error) {
		select {
		case s.began <- seg:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		select {
		case <-s.goOn:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		return climb(ctx, seg, theta)
	})
	var err error
	if s.Engine, err = Create(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(func() { cancel(); <-s.finished; check(t, c) })
	go func() {
		phase, err := s.Run(ctx)
		if err != nil {
			t.Error(err)
		}
		s.ended <- phase
	}()
	return s
}

func (s *steered) do(in machine.Input, slots int) {
	s.t.Helper()
	if seq, err := s.Steer(in, slots); err != nil || seq == 0 {
		s.t.Fatalf("%T: %d, %v", in, seq, err)
	}
}

// finish lets everything train to its end.
func (s *steered) finish() machine.Phase {
	for {
		select {
		case <-s.began:
		case s.goOn <- struct{}{}:
		case phase := <-s.ended:
			return phase
		}
	}
}

func TestSteer_PauseWaitsInTheProcessAndGoesOn(t *testing.T) {
	s := startSteered(t, testSpec(), 1)
	<-s.began
	s.do(machine.Hold{By: "me"}, 0)
	s.goOn <- struct{}{} // what is at work finishes
	select {
	case seg := <-s.began:
		t.Errorf("segment %d began in a paused run", seg.ID)
	case phase := <-s.ended:
		t.Errorf("the process left a run that is %s by hand", phase)
	default:
	}
	if _, err := s.Steer(machine.Hold{}, 0); err == nil {
		t.Error("paused twice")
	}
	s.do(machine.Resume{By: "me"}, 0)
	if phase := s.finish(); phase != machine.PhaseEnded {
		t.Errorf("%s", phase)
	}
	if _, err := s.Steer(machine.Hold{}, 0); !errors.Is(err, errNotRun) {
		t.Errorf("a run that is over was steered: %v", err)
	}
}

func TestSteer_KillTrainsTheSegmentAgain(t *testing.T) {
	s := startSteered(t, testSpec(), 1)
	first := <-s.began
	s.do(machine.Kill{Member: first.Member}, 0)
	if again := <-s.began; again.ID != first.ID || again.Seed != first.Seed {
		t.Errorf("segment %d follows segment %d that was killed", again.ID, first.ID)
	}
	s.finish()
	if n := s.Machine().Counts(); n.Failed != 0 || n.Lost != 1 {
		t.Errorf("%+v", n)
	}
}

func TestSteer_MoreSlotsAndFewer(t *testing.T) {
	spec := testSpec()
	s := startSteered(t, spec, 1)
	<-s.began
	change := machine.Reconfigure{Change: machine.Change{Spec: spec, Experiment: []byte("{}"), Paths: []string{"trainer.slots"}}}
	s.do(change, 3)
	<-s.began
	<-s.began // three at once
	s.do(change, 1)
	for range 3 {
		s.goOn <- struct{}{}
	}
	<-s.began
	select {
	case <-s.began:
		t.Error("a slot that was to go has trained on")
	case s.goOn <- struct{}{}:
	}
	if phase := s.finish(); phase != machine.PhaseEnded {
		t.Errorf("%s", phase)
	}
	if _, err := s.Steer(change, 0); err == nil {
		t.Error("it is over")
	}
}

func TestSteer_AnInjectedMemberTrains(t *testing.T) {
	s := startSteered(t, testSpec(), 1)
	<-s.began
	fresh := pbt.MakeHypers("h0", pbt.Float(0.5))
	s.do(machine.Inject{Wish: pbt.Wish{Fresh: &fresh}}, 0)
	if _, err := s.Steer(machine.Inject{}, 0); err == nil {
		t.Error("a member from nothing was taken")
	}
	s.finish()
	if m := s.Machine(); m.Members() != 7 || m.Member(6).Spent != 40 {
		t.Errorf("%d members, the new one has trained %d steps", m.Members(), m.Member(6).Spent)
	}
}
