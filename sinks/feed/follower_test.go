package feed_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
	"github.com/seed-7a1a2db0/pbt/sinks/tensorboard"
)

// memory is a sink that remembers, and fails when it is told to.
type memory struct {
	mu    sync.Mutex
	got   []feed.Event
	fail  error
	block chan struct{} // Deliver waits for it; nil: does not
	enter chan struct{} // Deliver says that it was called; nil: does not
}

func (m *memory) Target() string                                         { return "memory" }
func (m *memory) Open(context.Context, *feed.Run, json.RawMessage) error { return nil }
func (m *memory) Close(context.Context) error                            { return nil }
func (m *memory) set(err error)                                          { m.mu.Lock(); m.fail = err; m.mu.Unlock() }
func (m *memory) count() int                                             { m.mu.Lock(); defer m.mu.Unlock(); return len(m.got) }
func (m *memory) Deliver(ctx context.Context, e []feed.Event) (json.RawMessage, error) {
	if m.enter != nil {
		m.enter <- struct{}{}
	}
	if m.block != nil {
		select {
		case <-m.block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	m.got = append(m.got, e...)
	return nil, nil
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begun := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatal(what)
		}
	}
}

// A sink that is away for a while gets everything, once and in order, when it is
// back; the news of it is told twice: away, and back.
func TestASinkThatIsAway(t *testing.T) {
	rows := feedtest.Rows(t, 4)
	dir, j := feedtest.Journal(t, rows[:10])
	sink := &memory{}
	var mu sync.Mutex
	var told []string
	source := feedtest.Source(dir)
	f := feed.Follow(t.Context(), source, feedtest.Info(dir), feed.Config{Name: "m", Sink: sink, Warn: func(s string) {
		mu.Lock()
		told = append(told, s)
		mu.Unlock()
	}})
	await(t, "the first events", func() bool { return sink.count() == 10 })
	sink.set(errors.New("out for lunch"))
	feedtest.Grow(t, j, rows[10:20])
	f.Wake()
	await(t, "told", func() bool { mu.Lock(); defer mu.Unlock(); return len(told) == 1 })
	feedtest.Grow(t, j, rows[20:30])
	f.Wake()
	sink.set(nil)
	await(t, "the rest", func() bool { return sink.count() == 30 })
	feedtest.Grow(t, j, rows[30:])
	f.Hurry()
	if left := f.Wait(t.Context()); left.Events != 0 || left.Err != nil {
		t.Errorf("%+v", left)
	}
	for i, e := range sink.got {
		if e.Seq != int64(i+1) || string(e.Body.Kind()) != rows[i].Kind {
			t.Errorf("event %d is %d, %s", i+1, e.Seq, e.Body.Kind())
		}
	}
	if len(sink.got) != len(rows) || len(told) != 2 || !strings.Contains(told[0], "out for lunch") || !strings.Contains(told[1], "works again") {
		t.Errorf("%d events of %d, %q", len(sink.got), len(rows), told)
	}
}

// The end of a run waits for a sink as long as it may, and says what is left.
func TestASinkThatHangs(t *testing.T) {
	rows := feedtest.Rows(t, 2)
	dir, _ := feedtest.Journal(t, rows)
	f := feed.Follow(t.Context(), feedtest.Source(dir), feedtest.Info(dir), feed.Config{Name: "m", Sink: &memory{block: make(chan struct{})}})
	f.Hurry()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if left := f.Wait(ctx); left.Events != int64(len(rows)) || left.Name != "m" {
		t.Errorf("%+v", left)
	}
}

// What the events carry beside themselves is what the machine counts.
func TestWhatEventsCarry(t *testing.T) {
	rows := feedtest.Rows(t, 6)
	dir, _ := feedtest.Journal(t, rows)
	sink := &memory{}
	if left := feedtest.Feed(t, dir, feed.Config{Name: "m", Sink: sink}); left.Events != 0 {
		t.Fatalf("%+v", left)
	}
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	m, _, err := engine.Fold(j, func([]byte) (machine.Spec, error) { return feedtest.Spec(6), nil })
	if err != nil {
		t.Fatal(err)
	}
	best, spent := int64(0), map[int]int64{}
	for _, e := range sink.got {
		switch b := e.Body.(type) {
		case *machine.Finished:
			if spent[b.Member] = e.Spent; e.Spent != b.Spent || e.Plan.Segment != b.Segment {
				t.Errorf("event %d: spent %d, want %d", e.Seq, e.Spent, b.Spent)
			}
			if e.Best {
				best = b.Segment
			}
		case *machine.Failed:
			if e.Row < 1 || e.Plan.Segment != b.Segment {
				t.Errorf("event %d: %d failures in a row", e.Seq, e.Row)
			}
		}
	}
	last := sink.got[len(sink.got)-1]
	if o, _ := m.Best(); o.Segment != best || last.Total != m.Spent() {
		t.Errorf("best %d, total %d; the machine says %d, %d", best, last.Total, o.Segment, m.Spent())
	}
}

// Without a cursor, one that begins now hears only of the newest sitting.
func TestFromNow(t *testing.T) {
	rows := feedtest.Rows(t, 2)
	dir, _ := feedtest.Journal(t, rows)
	sink := &memory{}
	feedtest.Feed(t, dir, feed.Config{Name: "m", Sink: sink, FromNow: true})
	if sink.got[0].Body.Kind() != machine.KindOpened {
		t.Errorf("begins with %s", sink.got[0].Body.Kind())
	}
	again := &memory{}
	feedtest.Feed(t, dir, feed.Config{Name: "m", Sink: again, FromNow: true})
	if len(again.got) != 0 {
		t.Errorf("%d events are delivered twice", len(again.got))
	}
}

// named remembers under which id it got its events.
type named struct {
	memory
	id string
}

func (n *named) Open(_ context.Context, run *feed.Run, _ json.RawMessage) error {
	n.id = run.ID
	return nil
}

// A journal may lose its end with the power, after a sink has got it: the sink says so,
// and gets what the journal holds now: once, and not mixed with what it had.
func TestAJournalThatHasLostItsEnd(t *testing.T) {
	rows := feedtest.Rows(t, 4)
	const kept, had = 20, 30
	sitting := slices.IndexFunc(rows, func(r journal.Row) bool { return r.Kind == string(machine.KindOpened) })
	again := rows[sitting] // another process has taken the run
	again.Seq, again.At = kept+1, rows[had].At
	regrown := append(slices.Clone(rows[:kept]), again)
	for _, r := range rows[kept : had+5] {
		r.Seq, r.At = r.Seq+1, r.At+1
		regrown = append(regrown, r)
	}
	for _, c := range []struct {
		what    string
		now     []journal.Row
		fromNow bool
		first   int64 // that the sink gets; 0 for none
		says    string
	}{
		{"cut", rows[:kept], false, 1, "no longer holds event 30, which it had got, as after a loss of power; it gets the run from its beginning"},
		{"cut, and grown again", regrown, false, 1, "it gets the run from its beginning"},
		{"cut, for news", rows[:kept], true, 0, "it goes on with what is new"},
		{"cut, and grown again, for news", regrown, true, kept + 1, "it goes on with what is new"},
		{"whole", rows, false, had + 1, ""},
		{"whole, for news", rows, true, had + 1, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir, _ := feedtest.Journal(t, rows[:had])
			before, after := &named{}, &named{}
			feedtest.Feed(t, dir, feed.Config{Name: "m", Sink: before, FromNow: c.fromNow})
			now, _ := feedtest.Journal(t, c.now)
			if err := os.Rename(filepath.Join(dir, feed.Dir), filepath.Join(now, feed.Dir)); err != nil {
				t.Fatal(err)
			}
			var told []string
			config := feed.Config{Name: "m", Sink: after, FromNow: c.fromNow, Warn: func(s string) { told = append(told, s) }}
			if left := feedtest.Feed(t, now, config); left.Events != 0 || left.Err != nil {
				t.Errorf("%+v", left)
			}
			var first int64
			if len(after.got) > 0 {
				first = after.got[0].Seq
			}
			if first != c.first || first > 0 && after.got[len(after.got)-1].Seq != int64(len(c.now)) {
				t.Errorf("it gets %d events from %d on, want %d", len(after.got), first, c.first)
			}
			if (c.says == "") != (before.id == after.id) {
				t.Errorf("the run is %s, and was %s", after.id, before.id)
			}
			if strings.Join(told, "") != "" != (c.says != "") || len(told) > 1 || !strings.Contains(strings.Join(told, ""), c.says) {
				t.Errorf("%q", told)
			}
			last := &named{} // and that is that
			if left := feedtest.Feed(t, now, feed.Config{Name: "m", Sink: last, FromNow: c.fromNow}); left.Events != 0 || len(last.got) != 0 || last.id != after.id {
				t.Errorf("%+v, %d events, %s", left, len(last.got), last.id)
			}
		})
	}
}

// Two processes do not feed one sink at a time.
func TestOneAtATime(t *testing.T) {
	dir, _ := feedtest.Journal(t, feedtest.Rows(t, 1))
	held, enter := make(chan struct{}), make(chan struct{}, 1)
	first := feed.Follow(t.Context(), feedtest.Source(dir), feedtest.Info(dir), feed.Config{Name: "m", Sink: &memory{block: held, enter: enter}})
	<-enter
	told := make(chan string, 9)
	second := &memory{}
	f := feed.Follow(t.Context(), feedtest.Source(dir), feedtest.Info(dir), feed.Config{Name: "m", Sink: second, Warn: func(s string) { told <- s }})
	if s := <-told; !strings.Contains(s, "another process feeds") {
		t.Error(s)
	}
	close(held)
	first.Hurry()
	first.Wait(t.Context())
	f.Hurry()
	if left := f.Wait(t.Context()); left.Events != 0 || len(second.got) != 0 {
		t.Errorf("%+v, %d events twice", left, len(second.got))
	}
}

// TestMain lets the test binary be the process that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PBT_FEED_DIR"); dir != "" {
		f := feed.Follow(context.Background(), feed.NewSource(filepath.Join(dir, engine.JournalFile)), feedtest.Info(dir),
			feed.Config{Name: "tensorboard", Sink: tensorboard.New(filepath.Join(dir, "logs"))})
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			f.Wake()
		}
		f.Hurry()
		if left := f.Wait(context.Background()); left.Events > 0 {
			fmt.Println(left)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A process that feeds is killed at any instant, again and again, while the journal
// grows: in the end each event has been delivered once.
func TestKilled(t *testing.T) {
	rows := feedtest.Rows(t, 60)
	whole, _ := feedtest.Journal(t, rows)
	feedtest.Feed(t, whole, feed.Config{Name: "tensorboard", Sink: tensorboard.New(filepath.Join(whole, "logs"))})
	dir, j := feedtest.Journal(t, rows[:1])
	start := func() (*exec.Cmd, func()) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "PBT_FEED_DIR="+dir)
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c, func() { _, _ = in.Write([]byte("\n")) }
	}
	kills := 0
	for at := 1; at < len(rows); kills++ {
		c, wake := start()
		time.Sleep(time.Duration(3+kills*7%23) * time.Millisecond) // any instant will do
		for range 8 {
			next := min(len(rows), at+9)
			if at < next {
				feedtest.Grow(t, j, rows[at:next])
			}
			at = next
			wake()
			time.Sleep(time.Duration(kills*5%4) * time.Millisecond)
		}
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	feedtest.Feed(t, dir, feed.Config{Name: "tensorboard", Sink: tensorboard.New(filepath.Join(dir, "logs"))})
	if kills < 5 {
		t.Errorf("killed %d times only", kills)
	}
	for member := range feedtest.Population {
		pattern := fmt.Sprintf("logs/member-%03d/*", member)
		have, want := files(t, dir, pattern), files(t, whole, pattern)
		if have != want || have == "" {
			t.Errorf("member %d: %d bytes, want %d", member, len(have), len(want))
		}
	}
}

func files(t *testing.T, dir, pattern string) (all string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		text, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		all += string(text)
	}
	return all
}
