package trainer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/seed-7a1a2db0/pbt"
	"github.com/seed-7a1a2db0/pbt/protocol"
	"github.com/seed-7a1a2db0/pbt/trainer/process"
)

// stub is a session whose other end is the test's: a program that never ends.
func stub() (*session, net.Conn) {
	ours, theirs := net.Pipe()
	l := &session{conn: ours, process: &process.Process{}, messages: make(chan protocol.Message, messageBuffer)}
	go l.read()
	return l, theirs
}

// Who does not read what it is told is given up after a while.
func TestSession_ATrainerThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, theirs := stub()
		defer theirs.Close()
		defer l.hangUp()
		begin := time.Now()
		err := l.send(&protocol.Exit{})
		if took := time.Since(begin); !errors.Is(err, os.ErrDeadlineExceeded) || took != sendTimeout {
			t.Errorf("%v after %s", err, took)
		}
		if err = l.gone(t.Context(), time.Second, "then", err); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "has read nothing of what it was told for 10s") {
			t.Error(err)
		}
	})
}

// Silence is so many looks without a message: time alone, in which pbt itself may
// have been stopped, is none.
func TestSession_SilenceIsCountedInLooks(t *testing.T) {
	l := &session{hello: &protocol.Hello{Beats: true}}
	s := l.listenFor(time.Hour)
	defer s.stop()
	for range 3 {
		for look := 1; look < silentTicks; look++ {
			if s.over() {
				t.Fatalf("silent after %d looks", look)
			}
		}
		l.heard.Add(1)
		if s.over() {
			t.Fatal("it was heard just now")
		}
	}
	for look := 1; look <= silentTicks; look++ {
		if s.over() != (look == silentTicks) {
			t.Errorf("look %d", look)
		}
	}
	deaf := (&session{hello: &protocol.Hello{}}).listenFor(time.Hour)
	if deaf.look() != nil {
		t.Error("a trainer without heartbeats may be silent")
	}
}

// Messages are counted in seconds of their own: so many are allowed in each.
func TestSession_TheRateIsThatOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, theirs := stub()
		go io.Copy(io.Discard, theirs)
		beats := bytes.Repeat([]byte("{\"type\":\"beat\"}\n"), protocol.MaxRate)
		for range 3 {
			if _, err := theirs.Write(beats); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		_, _ = theirs.Write(beats)
		_, _ = theirs.Write(beats) // one too many is enough
		if _, open := <-l.messages; open || !strings.Contains(l.readErr.Error(), "more than 10000 messages in a second") {
			t.Error(l.readErr)
		}
		l.hangUp()
	})
}

// Whatever a trainer sends, a session ends: without a panic, without an outcome that
// was not reported, with errors that people can read.
func FuzzSession(f *testing.F) {
	text, err := os.ReadFile("../protocol/testdata/messages.json")
	if err != nil {
		f.Fatal(err)
	}
	var golden struct {
		Good []struct{ Line string } `json:"from_trainer"`
		Bad  []struct{ Line string } `json:"bad_from_trainer"`
	}
	if err := json.Unmarshal(text, &golden); err != nil {
		f.Fatal(err)
	}
	const hello = `{"type":"hello","protocol":1,"client":"fuzz","beats":true}` + "\n"
	const loaded = `{"type":"loaded","lease":1,"hypers":{"lr":0.1}}` + "\n"
	const report = `{"type":"report","lease":1,"score":0.5,"metrics":{"a":"NaN"},"eval":1e308}` + "\n"
	const saved = `{"type":"saved","lease":1}` + "\n"
	for _, e := range append(golden.Good, golden.Bad...) {
		f.Add([]byte(e.Line + "\n"))
		f.Add([]byte(hello + e.Line + "\n"))
		f.Add([]byte(hello + loaded + e.Line + "\n"))
		f.Add([]byte(hello + loaded + report + e.Line + "\n"))
		f.Add([]byte(hello + loaded + report + saved + e.Line + "\n"))
	}
	f.Add([]byte(hello + strings.Repeat(`{"type":"progress","lease":1,"step":3}`+"\n", 200) + loaded + report + saved))
	f.Fuzz(func(t *testing.T, stream []byte) {
		l, theirs := stub()
		defer l.hangUp()
		go io.Copy(io.Discard, theirs)
		go func() {
			_, _ = theirs.Write(stream) // until nobody listens any more
			theirs.Close()
		}()
		if err := converse(t, l); err != nil && !utf8.ValidString(err.Error()) {
			t.Errorf("an error that is not UTF-8: %q", err)
		}
	})
}

// converse shakes hands and trains one segment.
func converse(t *testing.T, l *session) error {
	s := &clientSlot{Client: Client{Host: Host{Grace: 1}}, live: l}
	if err := l.shakeHands(t.Context(), s); err != nil {
		return err
	}
	seen := 0
	job := &Job{
		Segment: Segment{ID: 1, Hypers: pbt.MakeHypers("lr", pbt.Float(0.1))}, Lease: 1, Save: "there",
		Progress: func(Progress) { seen++ },
	}
	var res Result
	turn := turn{session: l, slot: s, ctx: t.Context(), job: job}
	err := turn.run(memory{}, &res)
	turn.close()
	switch {
	case err == nil && (!turn.loaded || !res.Saved):
		t.Errorf("an outcome without its messages: %+v", res)
	case res.Train < 0 || res.Eval < 0 || res.Load < 0 || res.Save < 0:
		t.Errorf("times that run backwards: %+v", res)
	case err != nil && res.Saved && !turn.loaded:
		t.Errorf("saved before it was loaded: %v", err)
	case errors.Is(err, context.Canceled):
		t.Error(err)
	}
	_ = l.idle()
	return err
}
