package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/journal"
)

// patience is how long a test waits for what must come.
const patience = time.Minute

// await takes snapshots until one is as it should be.
func await(t *testing.T, shown <-chan *snapshot, what string, fits func(*snapshot) bool) *snapshot {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case s := <-shown:
			if fits(s) {
				return s
			}
		case <-deadline:
			t.Fatalf("no snapshot %s", what)
		}
	}
}

func own(t *testing.T, dir string) *journal.Lock {
	t.Helper()
	lock, err := journal.Own(dir, journal.Owner{Host: "elsewhere", PID: 7})
	must(t, err)
	return lock
}

// A run is followed while it goes on, when its process ends, and when it is resumed.
func TestFollowingARun(t *testing.T) {
	s := newScript(t, 6, 2, "budget: {steps: 100}")
	s.train(5)
	f, err := open(s.dir)
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	shown, done := make(chan *snapshot), make(chan struct{})
	go func() {
		defer close(done)
		f.follow(ctx, func(s *snapshot) {
			select {
			case shown <- s:
			case <-ctx.Done():
			}
		})
	}()
	await(t, shown, "of what there was", func(n *snapshot) bool { return n.sum.Seq == s.seq && !n.live })
	lock := own(t, s.dir)
	await(t, shown, "of a live run", func(n *snapshot) bool { return n.live && n.owner == "process 7 on elsewhere" })
	for range 3 {
		s.train(5)
		n := await(t, shown, "of what is new", func(n *snapshot) bool { return n.sum.Seq == s.seq && n.live })
		if last := n.all[len(n.all)-1]; last.seq != s.seq {
			t.Errorf("the feed ends with event %d of %d", last.seq, s.seq)
		}
	}
	must(t, lock.Release())
	await(t, shown, "of a run that has stopped", func(n *snapshot) bool { return !n.live })
	lock = own(t, s.dir)
	s.train(1000)
	must(t, lock.Release())
	await(t, shown, "of the end", func(n *snapshot) bool { return !n.live && n.sum.Phase == "finished" })
	stop()
	<-done
	must(t, f.close())
}

// A feed takes in events as they come, and keeps the newest.
func TestTheFeedIsWhole(t *testing.T) {
	s := newScript(t, 6, 2, "budget: {steps: 3000}")
	f, err := open(s.dir)
	must(t, err)
	defer func() { must(t, f.close()) }()
	var before int64
	for range 20 {
		s.train(37)
		_, err := f.run.CatchUp(t.Context(), f.j)
		must(t, err)
		snap, err := f.take()
		must(t, err)
		for i, e := range snap.all {
			if want := s.seq - int64(len(snap.all)-1-i); e.seq != want {
				t.Fatalf("event %d is where %d should be", e.seq, want)
			}
		}
		if len(snap.all) != min(int(s.seq), feedEvents) || len(snap.loud) > feedEvents || len(snap.loud) == 0 || s.seq == before {
			t.Fatalf("%d events, %d notable ones, of %d", len(snap.all), len(snap.loud), s.seq)
		}
		before = s.seq
	}
}

func lines(t *testing.T, dir string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := Lines(t.Context(), Config{Dir: dir}, &out)
	return strings.ReplaceAll(out.String(), dir, "DIR"), err
}

func TestLinesOfARunThatIsOver(t *testing.T) {
	s := newScript(t, 6, 2, "budget: {steps: 100}")
	s.train(1000)
	got, err := lines(t, s.dir)
	want := "digits: 6 members, 2 at a time, in DIR\n100%  60 segments, "
	if err != nil || !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\nfinished: every member has spent its budget\n") {
		t.Errorf("%v\n%s", err, got)
	}
	s = training(t)
	s.flush()
	if got, err = lines(t, s.dir); err != nil || !strings.HasSuffix(got, "\nstopped: no process trains it; pbt resume goes on\n") {
		t.Errorf("%v\n%s", err, got)
	}
	if _, err = lines(t, t.TempDir()); err == nil {
		t.Error("there is no journal")
	}
}

// Lines tell what fails, say how far the run is, and end with it.
func TestLinesOfARunThatGoesOn(t *testing.T) {
	s := newScript(t, 6, 2, "budget: {steps: 100}")
	var out bytes.Buffer
	p := printer{out: &out, dir: "DIR"}
	now := time.Unix(0, t0)
	show := func(live bool, want string, over bool) {
		t.Helper()
		out.Reset()
		if p.show(s.snapshot(live), now) != over || !strings.Contains(out.String(), want) || want == "" && out.Len() > 0 {
			t.Errorf("over: %t\n%s\nwant %q", !over, out.String(), want)
		}
	}
	show(true, "digits: 6 members, 2 at a time, in DIR\n  0%  0 segments, 0 copies\n", false)
	s.train(5)
	show(true, "", false)
	s.fail(1, "it broke\non the \x1b[2Jsecond line")
	show(true, "  member 1, segment 2: error: on the ", false)
	if !strings.Contains(out.String(), "on the �[2Jsecond line") {
		t.Errorf("%q", out.String())
	}
	now = now.Add(lineEvery)
	show(true, "  8%  5 segments, 1 copy, best accuracy ", false)
	now = now.Add(lineEvery)
	show(true, "", false) // nothing is new
	s.train(1000)
	show(true, "100%  60 segments", false) // its process has not let go yet
	show(false, "\nfinished: every member", true)

	if p = (printer{out: &out, dir: "DIR"}); !p.show(&snapshot{}, now) || p.err == nil {
		t.Error("a run that has not begun, and that nobody trains")
	}
	if p = (printer{out: &out}); p.show(&snapshot{live: true}, now) || p.show(&snapshot{read: 1, total: 2}, now) {
		t.Error("it is about to begin")
	}
	if p = (printer{out: full{}}); !p.show(s.snapshot(true), now) || !errors.Is(p.err, errFull) {
		t.Error("nobody reads it", p.err)
	}
}

var errFull = errors.New("the pipe is closed")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// BenchmarkSnapshot is what a look at a large run costs, and a screen of it.
func BenchmarkSnapshot(b *testing.B) {
	s := newScript(b, 1000, 64, "budget: {steps: 100000}")
	s.train(20_000)
	f, err := open(s.dir)
	must(b, err)
	defer func() { must(b, f.close()) }()
	_, err = f.run.CatchUp(b.Context(), f.j)
	must(b, err)
	f.live = true
	f.run.SetLive(true)
	b.Run("take", func(b *testing.B) {
		for b.Loop() {
			_, err := f.take()
			must(b, err)
		}
	})
	snap, err := f.take()
	must(b, err)
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		u := newUser(b, snap, size[0], size[1])
		b.Run(fmt.Sprintf("draw-%dx%d", size[0], size[1]), func(b *testing.B) {
			for b.Loop() {
				u.Update(snap)
				_ = u.View()
			}
		})
	}
}
