package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-7a1a2db0/pbt/engine"
	"github.com/seed-7a1a2db0/pbt/journal"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
	"github.com/seed-7a1a2db0/pbt/trainer"
	"github.com/seed-7a1a2db0/pbt/view"
)

// message is one message of a stream.
type message struct{ event, id, data string }

// messages reads a stream until it ends or want is satisfied, and returns why it ended.
func messages(r io.Reader, take func(message) (more bool)) error {
	in := bufio.NewReader(r)
	var m message
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch name {
		case "event":
			m.event = value
		case "id":
			m.id = value
		case "data":
			m.data = value
		case "":
			if m.event != "" && !take(m) {
				return nil
			}
			m = message{}
		}
	}
}

// seqOf is the position in a message's id, −1 if that is no id of an event.
func seqOf(m message) int64 {
	p, ok := parsePosition(m.id)
	if !ok || p.seal == "" {
		return -1
	}
	return p.seq
}

// openStream opens a stream, for a reader whose last event had this id; "" for none.
func openStream(t testing.TB, ctx context.Context, url, last string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		req.Header.Set("Last-Event-ID", last)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(res.Status, res.Header)
	}
	return res
}

// Readers whose connections break at random points miss nothing and get nothing twice,
// while the run goes on; and each event is as /events has it.
func TestAStreamThatBreaksGoesOnWhereItWas(t *testing.T) {
	l := liveRun(t, experiment, nil)
	_, web := serve(t, Config{}, l.source)
	url := web.URL + prefix + "/runs/my_run/stream"
	l.permit(1)
	eventually(t, "the first events", func() bool { return l.source.run.Seq() > 5 })
	got := make([][]message, 6)
	var reading sync.WaitGroup
	for i := range got {
		reading.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for ended := false; !ended; {
				ctx, cancel := context.WithCancel(context.Background())
				last := ""
				if n := len(got[i]); n > 0 {
					last = got[i][n-1].id
				}
				res := openStream(t, ctx, url+"?after=0", last)
				left := r.IntN(25)
				_ = messages(res.Body, func(m message) bool {
					if m.event == "journal" {
						got[i] = append(got[i], m)
						ended = strings.Contains(m.data, `"kind":"closed"`)
					}
					left--
					return left > 0 && !ended
				})
				cancel()
				_ = res.Body.Close()
			}
		})
	}
	l.permit(1000)
	<-l.over
	reading.Wait()
	want := get[Events](t, web.URL+prefix+"/runs/my_run/events?limit=1000").Events
	for i := range got {
		if len(got[i]) != len(want) {
			t.Fatalf("reader %d got %d events, want %d", i, len(got[i]), len(want))
		}
		for k, m := range got[i] {
			var e view.Event
			if err := json.Unmarshal([]byte(m.data), &e); err != nil || seqOf(m) != int64(k+1) || !reflect.DeepEqual(e, want[k]) {
				t.Fatalf("reader %d: event %d is %+v, want %+v", i, k, m, want[k])
			}
		}
	}
}

// The end of the run reaches those who look on before the server goes.
func TestTheLastEventsComeBeforeTheEnd(t *testing.T) {
	l := liveRun(t, experiment, nil)
	s, web := serve(t, Config{}, l.source)
	l.permit(1)
	res := openStream(t, t.Context(), web.URL+prefix+"/runs/my_run/stream?after=0", "")
	defer res.Body.Close()
	go func() {
		l.permit(1000)
		<-l.over
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	}()
	var last message
	n := 0
	if err := messages(res.Body, func(m message) bool { n, last = n+1, m; return true }); err != io.EOF {
		t.Fatal(err)
	}
	if !strings.Contains(last.data, `"kind":"closed"`) || seqOf(last) != int64(n) {
		t.Errorf("%d events, the last is %+v", n, last)
	}
}

// Without a position a stream begins now; beyond the end it waits.
func TestWhereAStreamBegins(t *testing.T) {
	l := liveRun(t, experiment, nil)
	_, web := serve(t, Config{}, l.source)
	url := web.URL + prefix + "/runs/my_run/stream"
	eventually(t, "two segments at work", func() bool { return l.source.run.Seq() == 9 })
	for _, q := range []string{"", "?after="} {
		if q != "" {
			q += strconv.FormatInt(l.source.run.Seq(), 10)
		}
		res := openStream(t, t.Context(), url+q, "")
		defer res.Body.Close()
		got := make(chan message, 1)
		go func() {
			_ = messages(res.Body, func(m message) bool { got <- m; return false })
		}()
		select {
		case m := <-got:
			t.Errorf("%s: event %s, though there is none", q, m.id)
		case <-time.After(50 * time.Millisecond):
		}
		before := l.source.run.Seq()
		l.permit(1)
		if m := <-got; seqOf(m) != before+1 {
			t.Errorf("%s: the first event is %s, want %d", q, m.id, before+1)
		}
		eventually(t, "quiet", func() bool {
			n := l.source.run.Seq()
			time.Sleep(60 * time.Millisecond)
			return n == l.source.run.Seq()
		})
	}
	for _, last := range []string{"x", "-1", "1.5", "1-", "1-0123", "1-0123456789AB", "99999999999999999999"} {
		if res, body := ask(t, http.MethodGet, url, "", "Last-Event-ID: "+last); res.StatusCode != http.StatusBadRequest {
			t.Error(last, res.Status, body)
		}
	}
}

func TestProgressIsToldNowAndThen(t *testing.T) {
	l := liveRun(t, experiment, nil)
	_, web := serve(t, Config{}, l.source)
	l.permit(8)
	eventually(t, "segment 7", func() bool { _, ok := l.source.run.From(7); return ok })
	res := openStream(t, t.Context(), web.URL+prefix+"/runs/my_run/stream", "")
	defer res.Body.Close()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() { // trainers that talk without end
		defer close(done)
		for step := int64(0); ; step++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				l.source.Progress(trainer.Progress{Member: int(step % 2), Segment: 6 + step%2, Step: step % 10, Metrics: map[string]float64{"loss": 0.5}})
			}
		}
	}()
	var told []Progress
	start := time.Now()
	err := messages(res.Body, func(m message) bool {
		var p Progress
		if m.event != "progress" || m.id != "" {
			return true
		}
		if err := json.Unmarshal([]byte(m.data), &p); err != nil {
			t.Error(err)
		}
		told = append(told, p)
		return len(told) < 8
	})
	took := time.Since(start)
	close(stop)
	<-done
	if err != nil || took < 6*progressEvery {
		t.Errorf("%d in %v: %v", len(told), took, err)
	}
	members := map[int]bool{}
	for _, p := range told {
		members[p.Member] = true
		if from, ok := l.source.run.From(p.Segment); !ok || p.Step != from+p.Steps || p.Metrics["loss"] != 0.5 {
			t.Errorf("%+v", p)
		}
	}
	if len(members) != 2 {
		t.Errorf("only members %v are heard of", members)
	}
}

// A reader that takes nothing is dropped, and keeps nobody waiting: neither the run, nor
// others, nor the server's end.
func TestAReaderThatTakesNothingIsDropped(t *testing.T) {
	h := newHub()
	h.readers.Add(1)
	body := strings.Repeat("x", 1000)
	for range 2 * maxFrames / 512 {
		var fresh []frame
		for range 512 {
			fresh = append(fresh, frame(body))
		}
		h.mu.Lock()
		h.keep(fresh)
		h.head += 512
		h.mu.Unlock()
	}
	if n := h.since(0, 0); !n.behind || n.frames != nil {
		t.Error("what waits for a reader is not bounded")
	}
	if n := h.since(maxFrames, 0); n.behind || len(n.frames) != maxFrames {
		t.Errorf("%d frames", len(n.frames))
	}
	if h.bytes != maxFrames*len(body) || len(h.frames) != maxFrames {
		t.Errorf("%d frames, %d bytes", len(h.frames), h.bytes)
	}
	r := &reader{seq: 0, kept: true}
	if n := h.since(r.seq, 0); !(n.behind && r.kept) {
		t.Error("a reader that has fallen behind stays")
	}
}

// A connection that is full holds nobody up: the run ends, and others see it.
func TestAStuckReaderHoldsNobodyUp(t *testing.T) {
	l := liveRun(t, strings.Replace(experiment, "steps: 60", "steps: 400", 1), nil)
	_, web := serve(t, Config{}, l.source)
	l.permit(1)
	eventually(t, "the first events", func() bool { return l.source.run.Seq() > 5 })
	var stuck []net.Conn
	for range 5 {
		c, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.(*net.TCPConn).SetReadBuffer(1024)
		fmt.Fprintf(c, "GET %s/runs/my_run/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n", prefix)
		stuck = append(stuck, c)
	}
	res := openStream(t, t.Context(), web.URL+prefix+"/runs/my_run/stream?after=0", "")
	defer res.Body.Close()
	go l.permit(10_000)
	n := 0
	err := messages(res.Body, func(m message) bool {
		n++
		return !strings.Contains(m.data, `"kind":"closed"`)
	})
	if err != nil || n < 600 {
		t.Errorf("%d events: %v", n, err)
	}
	<-l.over
	for _, c := range stuck {
		_ = c.Close()
	}
}

// A run of another process is followed while it grows.
func TestAnotherProcessRunIsFollowed(t *testing.T) {
	l := liveRun(t, experiment, nil)
	l.permit(3)
	looker := Open(l.config.Dir)
	_, web := serve(t, Config{}, looker)
	eventually(t, "somebody trains it", func() bool { return get[Run](t, web.URL+prefix+"/runs/my_run").Live })
	res := openStream(t, t.Context(), web.URL+prefix+"/runs/my_run/stream?after=0", "")
	defer res.Body.Close()
	go l.permit(1000)
	var at []time.Duration
	err := messages(res.Body, func(m message) bool {
		var e view.Event
		_ = json.Unmarshal([]byte(m.data), &e)
		at = append(at, time.Since(time.UnixMilli(e.At)))
		return e.Kind != "closed"
	})
	if err != nil || int64(len(at)) != looker.run.Seq() {
		t.Errorf("%d events of %d: %v", len(at), looker.run.Seq(), err)
	}
	if steerable := get[Run](t, web.URL+prefix+"/runs/my_run").Steerable; steerable {
		t.Error("another process's run is steered elsewhere")
	}
	<-l.over
	eventually(t, "nobody trains it", func() bool { return !get[Run](t, web.URL+prefix+"/runs/my_run").Live })
}

// The limits of other requests are not those of a stream, which may be quiet for long.
func TestAStreamOutlivesTheServersTimeouts(t *testing.T) {
	l := liveRun(t, experiment, nil)
	s := New(Config{})
	if err := s.Add(l.source); err != nil {
		t.Fatal(err)
	}
	web := httptest.NewUnstartedServer(s)
	web.Config.ReadTimeout, web.Config.WriteTimeout = 30*time.Millisecond, 30*time.Millisecond
	web.Start()
	defer web.Close()
	defer func() { _ = s.Shutdown() }()
	eventually(t, "two segments at work", func() bool { return l.source.run.Seq() == 9 })
	res := openStream(t, t.Context(), web.URL+prefix+"/runs/my_run/stream?after=9", "")
	defer res.Body.Close()
	time.Sleep(100 * time.Millisecond) // longer than both
	go l.permit(1)
	if err := messages(res.Body, func(m message) bool { return seqOf(m) != 10 }); err != nil {
		t.Error(err)
	}
}

// A journal that has lost its end, as after a loss of power, and has grown another: who
// had read the old one is told so, and gets all of the new one, once.
func TestAStreamOfAJournalThatIsAnother(t *testing.T) {
	dir := finishedRun(t)
	rows := feedtest.ReadRows(t, dir)
	const had = 40
	shorter, _ := feedtest.Journal(t, rows[:had-10])
	other := slices.Clone(rows)
	for i := had - 10; i < len(other); i++ {
		other[i].At++
	}
	regrown, _ := feedtest.Journal(t, other)
	_, whole := serve(t, Config{}, Open(dir))
	last := ""
	res := openStream(t, t.Context(), whole.URL+prefix+"/runs/my_run/stream?after=0", "")
	_ = messages(res.Body, func(m message) bool { last = m.id; return seqOf(m) < had })
	_ = res.Body.Close()
	for what, c := range map[string]struct {
		dir    string
		last   string
		resets bool
		first  int64
		end    int
	}{
		"the same":                      {dir, last, false, had + 1, len(rows)},
		"shorter":                       {shorter, last, true, 1, had - 10},
		"shorter, and no seal is known": {shorter, strconv.Itoa(had), true, 1, had - 10},
		"another":                       {regrown, last, true, 1, len(rows)},
		"another, from before the loss": {regrown, idAt(t, dir, had-10), false, had - 9, len(rows)},
	} {
		t.Run(what, func(t *testing.T) {
			src := Open(c.dir)
			_, web := serve(t, Config{}, src)
			url := web.URL + prefix + "/runs/" + src.id + "/stream"
			for _, res := range []*http.Response{openStream(t, t.Context(), url, c.last), openStream(t, t.Context(), url+"?after="+c.last, "")} {
				next, resets := c.first, 0
				_ = messages(res.Body, func(m message) bool {
					if m.event == "reset" {
						resets++
						if m.id != "" || next != 1 {
							t.Errorf("a reset with the id %q", m.id)
						}
						return true
					}
					if seqOf(m) != next {
						t.Fatalf("event %s, want %d", m.id, next)
					}
					next++
					return next <= int64(c.end)
				})
				_ = res.Body.Close()
				if resets > 0 != c.resets || resets > 1 {
					t.Errorf("%d resets", resets)
				}
			}
		})
	}
}

func idAt(t *testing.T, dir string, seq int64) string {
	t.Helper()
	j, err := journal.OpenReadOnly(filepath.Join(dir, engine.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	seal, err := j.SealAt(seq)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d-%s", seq, seal[:sealDigits])
}

// A run that is deleted is not served any more; one that is begun in its place is
// another, also for those who stream it.
func TestARunThatIsReplaced(t *testing.T) {
	dir, other := finishedRun(t), finishedRun(t)
	s, web := serve(t, Config{}, Open(dir))
	url := web.URL + prefix + "/runs/my_run"
	first := get[Run](t, url)
	res := openStream(t, t.Context(), url+"/stream?after=0", "")
	defer res.Body.Close()
	last := ""
	ended := make(chan error, 1)
	go func() {
		ended <- messages(res.Body, func(m message) bool { last = m.id; return true })
	}()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is seen to be gone", func() bool {
		if err := s.DropGone(); err != nil {
			t.Fatal(err)
		}
		return !s.Has(dir)
	})
	if err := <-ended; err == nil || seqOf(message{id: last}) != first.Seq {
		t.Errorf("the stream ends after %s: %v", last, err)
	}
	if res, _ := ask(t, http.MethodGet, url, ""); res.StatusCode != http.StatusNotFound {
		t.Error(res.Status)
	}
	if err := os.Rename(other, dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(Open(dir)); err != nil {
		t.Fatal(err)
	}
	if now := get[Run](t, url); now.StartedAt == first.StartedAt {
		t.Error("the old run is shown")
	}
	again := openStream(t, t.Context(), url+"/stream", last)
	defer again.Body.Close()
	if err := messages(again.Body, func(m message) bool {
		if m.event != "reset" {
			t.Errorf("%+v", m)
		}
		return false
	}); err != nil {
		t.Error(err)
	}
}
