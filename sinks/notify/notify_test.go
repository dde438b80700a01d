package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/machine"
	"github.com/seed-7a1a2db0/pbt/sinks/feed"
	"github.com/seed-7a1a2db0/pbt/sinks/feed/feedtest"
	"github.com/seed-7a1a2db0/pbt/sinks/notify"
)

var all = []string{notify.Finish, notify.Pause, notify.Best, notify.Trouble}

// box is a sender that keeps what it sends, and fails when it has an error.
type box struct {
	sent []notify.Message
	err  error
}

func (b *box) Target() string { return "box" }
func (b *box) Send(_ context.Context, m *notify.Message) error {
	if b.err == nil {
		b.sent = append(b.sent, *m)
	}
	return b.err
}

// events are given as a minute and a body.
func at(seq int64, minute float64, body machine.Body) feed.Event {
	return feed.Event{Seq: seq, At: int64(minute * float64(time.Minute)), Body: body}
}

func best(seq int64, minute, score float64) feed.Event {
	e := at(seq, minute, &machine.Finished{Segment: seq, Member: 3, Step: 40, Score: pbt.Score(score)})
	e.Best, e.Plan = true, &machine.Decided{Hypers: pbt.MakeHypers("lr", pbt.Float(0.1))}
	return e
}

func failure(seq int64, row int, fault machine.FailureKind) feed.Event {
	e := at(seq, 0, &machine.Failed{Segment: 7, Member: 2, Fault: fault, Error: "no such file"})
	e.Row = row
	return e
}

func opened(t *testing.T, to notify.Sender, on []string, warn func(string)) *notify.Sink {
	t.Helper()
	s := notify.New(to, on, warn)
	if err := s.Open(t.Context(), &feed.Run{Info: feedtest.Info("/runs/tour"), ID: "abc"}, nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func texts(messages []notify.Message) (out []string) {
	for _, m := range messages {
		out = append(out, m.Event+": "+m.Message)
	}
	return out
}

func TestNews(t *testing.T) {
	for name, c := range map[string]struct {
		events []feed.Event
		want   []string
	}{
		"the end":  {[]feed.Event{at(1, 0, &machine.RunEnded{Reason: "the budget is spent"})}, []string{"finish: tour has ended: the budget is spent"}},
		"a pause":  {[]feed.Event{at(1, 0, &machine.Paused{Reason: "20 failures"})}, []string{"pause: tour has paused: 20 failures"}},
		"everyday": {[]feed.Event{at(1, 0, &machine.Leased{}), at(2, 0, &machine.Opened{}), at(3, 0, &machine.Finished{})}, nil},
		"a best":   {[]feed.Event{best(4, 1, 0.5)}, []string{"best: tour: new best loss 0.5, of member 3 at step 40 (lr=0.1)"}},
		"best too often": {[]feed.Event{best(4, 1, 0.5), best(5, 1.5, 0.4), best(6, 1.9, 0.3), best(7, 2.1, 0.2), best(8, 2.2, 0.1)},
			[]string{"best: tour: new best loss 0.5, of member 3 at step 40 (lr=0.1)", "best: tour: new best loss 0.2, of member 3 at step 40 (lr=0.1)"}},
		"the last best comes with the end": {[]feed.Event{best(4, 1, 0.5), best(5, 1.5, 0.4), at(6, 1.6, &machine.RunEnded{Reason: "over"})},
			[]string{"best: tour: new best loss 0.5, of member 3 at step 40 (lr=0.1)", "best: tour: new best loss 0.4, of member 3 at step 40 (lr=0.1)", "finish: tour has ended: over; best loss 0.4"}},
		"few failures":  {[]feed.Event{failure(1, 1, machine.FailError), failure(2, 4, machine.FailError)}, nil},
		"five in a row": {[]feed.Event{failure(1, 5, machine.FailError)}, []string{"trouble: tour: 5 failures in a row, the last of member 2: no such file"}},
		"and more": {[]feed.Event{failure(1, 5, machine.FailError), failure(2, 6, machine.FailError), failure(3, 10, machine.FailError), failure(4, 15, machine.FailError)},
			[]string{"trouble: tour: 5 failures in a row, the last of member 2: no such file", "trouble: tour: 10 failures in a row, the last of member 2: no such file"}},
		"a full disk": {[]feed.Event{failure(1, 1, machine.FailDisk)}, []string{"trouble: tour: a checkpoint could not be written: no such file"}},
	} {
		b := &box{}
		s := opened(t, b, all, nil)
		if _, err := s.Deliver(t.Context(), c.events); err != nil || !slices.Equal(texts(b.sent), c.want) {
			t.Errorf("%s: %v\nhave %q\nwant %q", name, err, texts(b.sent), c.want)
		}
		silent := &box{}
		if _, err := opened(t, silent, []string{"other"}, nil).Deliver(t.Context(), c.events); err != nil || len(silent.sent) > 0 {
			t.Errorf("%s: told though nobody asked: %q", name, texts(silent.sent))
		}
	}
}

// A sender that is away for a while is sent each message once.
func TestASenderThatIsAway(t *testing.T) {
	b := &box{err: errors.New("away")}
	s := opened(t, b, all, nil)
	events := []feed.Event{best(1, 1, 0.5), best(2, 1.2, 0.4), at(3, 2, &machine.RunEnded{Reason: "over"})}
	for range 3 {
		if _, err := s.Deliver(t.Context(), events); err == nil {
			t.Error("no error")
		}
	}
	b.err = nil
	text, err := s.Deliver(t.Context(), events)
	if err != nil || len(b.sent) != 3 || b.sent[0].ID != "abc-1" || b.sent[1].ID != "abc-2" || b.sent[2].ID != "abc-3" {
		t.Errorf("%v, %q", err, texts(b.sent))
	}
	later := notify.New(b, all, nil) // another process
	if err := later.Open(t.Context(), &feed.Run{Info: feedtest.Info("")}, text); err != nil {
		t.Fatal(err)
	}
	if _, err := later.Deliver(t.Context(), events); err != nil || len(b.sent) != 3 {
		t.Errorf("%v, %q", err, texts(b.sent))
	}
}

// What cannot be told in the end holds up nothing more.
func TestAMessageIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, told := &box{err: errors.New("gone for good")}, ""
		s := opened(t, b, all, func(text string) { told = text })
		begun := time.Now()
		for {
			if _, err := s.Deliver(t.Context(), []feed.Event{at(1, 0, &machine.Paused{Reason: "x"})}); err == nil {
				break
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(begun); took < 10*time.Minute || took > time.Hour || !strings.Contains(told, "gone for good") {
			t.Errorf("after %s: %s", took, told)
		}
	})
}

func TestWebhook(t *testing.T) {
	var down atomic.Int64
	down.Store(2)
	got := make(chan *http.Request, 9)
	bodies := make(chan string, 9)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Add(-1) >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		body, _ := io.ReadAll(r.Body)
		got <- r
		bodies <- string(body)
	}))
	defer server.Close()
	t.Setenv("PBT_TEST_WEBHOOK", server.URL+"/secret")
	rows := feedtest.Rows(t, 2)
	dir, _ := feedtest.Journal(t, rows)
	sink := notify.New(notify.Webhook("$PBT_TEST_WEBHOOK"), []string{notify.Finish}, nil)
	if left := feedtest.Feed(t, dir, feed.Config{Name: "webhook", Sink: sink}); left.Events > 0 {
		t.Fatalf("%+v", left)
	}
	r := <-got
	var m notify.Message
	if err := json.Unmarshal([]byte(<-bodies), &m); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Idempotency-Key") != m.ID || r.Method != http.MethodPost {
		t.Errorf("%+v", r)
	}
	if m.Event != notify.Finish || m.Dir != dir || m.Score == nil || m.Run != "tour" || len(got) != 0 {
		t.Errorf("%+v, and %d more", m, len(got))
	}
}

// An address may be a secret: no error tells it.
func TestAWebhookThatCannotBeReached(t *testing.T) {
	for address, want := range map[string]string{"http://127.0.0.1:1/secret": "refused", "$PBT_NOT_SET": "PBT_NOT_SET", "http://[secret": "cannot be used"} {
		err := notify.Webhook(address).Send(t.Context(), &notify.Message{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestCommand(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out")
	score, member := pbt.Score(0.25), 3
	m := &notify.Message{ID: "abc-1", Event: "best", Message: "a $(touch x); 'b'", Run: "tour", Dir: "/d", Metric: "loss", Score: &score, Member: &member, Segment: 9}
	c := notify.Command([]string{"sh", "-c", `{ echo "$0 $PBT_EVENT $PBT_MESSAGE $PBT_NAME $PBT_SCORE $PBT_MEMBER $PBT_SEGMENT $PBT_ID"; cat; } > ` + out, "$HOME"})
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	var again notify.Message
	if err := json.Unmarshal([]byte(rest), &again); err != nil || line != "$HOME best a $(touch x); 'b' tour 0.25 3 9 abc-1" || again.Message != m.Message {
		t.Errorf("%v\n%s", err, text)
	}
	err = notify.Command([]string{"sh", "-c", "echo no mail here >&2; exit 3"}).Send(t.Context(), m)
	if err == nil || !strings.Contains(err.Error(), "no mail here") || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
	if err := notify.Command([]string{"/no/such/program"}).Send(t.Context(), m); err == nil {
		t.Error("no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := notify.Command([]string{"sh", "-c", "sleep 60 & sleep 60"}).Send(ctx, m); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Error(err)
	}
}
